"""Hot and dead pixels of the camera: found on the summed movie, replaced in every frame."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_defects", "replace_defects"]

# Half width of the neighbourhood: 5 x 5 pixels, so that the median survives a whole bad column.
_REACH = 2


def find_defects(sum_yx: NDArray[np.float32], sigma: float) -> NDArray[np.bool_]:
    """Pixels of a summed movie that no scene can explain.

    Parameters
    ----------
    sum_yx : (ny, nx) array of float32
        Sum of all frames after gain correction; values that are not finite are defects.
    sigma : float
        How many (robust) standard deviations from the median of the 5 x 5 neighbourhood.

    Returns
    -------
    (ny, nx) array of bool
        True at a defect.

    Notes
    -----
    The median is taken only where the difference to the local mean is suspicious: the median of every pixel costs
    20 times more and gives the same answer.
    """
    from tomoset.motion import _kernels

    defect = ~np.isfinite(sum_yx)
    clean = np.where(defect, np.float32(0), sum_yx) if defect.any() else sum_yx
    deviation = _kernels.box_deviation(np.ascontiguousarray(clean, dtype=np.float32), _REACH)
    spread = 1.4826 * float(np.median(np.abs(deviation[::3, ::3])))
    if spread == 0:
        return defect
    suspects = np.argwhere(np.abs(deviation) > 0.8 * sigma * spread)
    padded = np.pad(clean, _REACH, mode="reflect")
    window = np.lib.stride_tricks.sliding_window_view(padded, (2 * _REACH + 1,) * 2)
    y, x = suspects.T
    medians = np.median(window[y, x].reshape(len(suspects), -1), axis=1) if len(suspects) else np.zeros(0)
    bad = np.abs(clean[y, x] - medians) > sigma * spread
    defect[y[bad], x[bad]] = True
    return defect


def replace_defects(frame_yx: NDArray[np.float32], defect_yx: NDArray[np.bool_]) -> None:
    """Replace defects by the mean of the sound pixels around them, in place.

    Parameters
    ----------
    frame_yx : (ny, nx) array of float32
        One gain-corrected frame.
    defect_yx : (ny, nx) array of bool
        True at a defect. A defect with no sound pixel within two gets the mean of all sound pixels.
    """
    y, x = np.nonzero(defect_yx)
    if y.size == 0:
        return
    ny, nx = frame_yx.shape
    offsets = np.arange(-_REACH, _REACH + 1)
    rows = np.clip(y[:, None, None] + offsets[None, :, None], 0, ny - 1)
    columns = np.clip(x[:, None, None] + offsets[None, None, :], 0, nx - 1)
    sound = ~defect_yx[rows, columns]
    values = np.where(sound, frame_yx[rows, columns], 0).sum(axis=(1, 2), dtype=np.float64)
    count = sound.sum(axis=(1, 2))
    sound_everywhere = ~defect_yx
    fallback = float(frame_yx[sound_everywhere].mean(dtype=np.float64)) if (count == 0).any() else 0.0
    fallback = fallback if np.isfinite(fallback) else 0.0
    frame_yx[y, x] = np.where(count > 0, values / np.maximum(count, 1), fallback)
