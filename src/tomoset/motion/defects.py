"""Hot and dead pixels of the camera: found on the summed movie, replaced in every frame."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["DefectMending", "find_defects", "replace_defects"]

# Half width of the neighbourhood: 5 x 5 pixels, so that the median survives a whole bad column.
_REACH = 2
_SAMPLE = 2e5  # pixels: enough to know their spread to half a percent


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
    step = 1 + int(np.sqrt(deviation.size / _SAMPLE))
    spread = 1.4826 * float(np.median(np.abs(deviation[::step, ::step])))
    if spread == 0:
        return defect
    y, x = np.unravel_index(_kernels.outliers(deviation, 0.8 * sigma * spread), clean.shape)
    offsets = np.arange(-_REACH, _REACH + 1)
    rows = _reflected(y[:, None, None] + offsets[:, None], clean.shape[0])
    columns = _reflected(x[:, None, None] + offsets, clean.shape[1])
    medians = np.median(clean[rows, columns].reshape(len(y), -1), axis=1) if len(y) else np.zeros(0)
    bad = np.abs(clean[y, x] - medians) > sigma * spread
    defect[y[bad], x[bad]] = True
    return defect


def _reflected(index: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Indices beyond an edge, mirrored at the edge pixel."""
    inside = np.abs(index)
    return np.asarray(np.where(inside >= size, 2 * (size - 1) - inside, inside))


def replace_defects(frame_yx: NDArray[np.float32], defect_yx: NDArray[np.bool_]) -> None:
    """Replace defects by the mean of the sound pixels around them, in place.

    Parameters
    ----------
    frame_yx : (ny, nx) array of float32
        One gain-corrected frame.
    defect_yx : (ny, nx) array of bool
        True at a defect. A defect with no sound pixel within two gets the mean of all sound pixels.
    """
    DefectMending(defect_yx).mend(frame_yx)


class DefectMending:
    """Where defects are and which sound pixels replace them, worked out once for all frames of a movie."""

    def __init__(self, defect_yx: NDArray[np.bool_]) -> None:
        self.defect_yx = defect_yx
        self._y, self._x = np.divmod(np.flatnonzero(defect_yx), defect_yx.shape[1])
        ny, nx = defect_yx.shape
        offsets = np.arange(-_REACH, _REACH + 1)
        self._rows = np.clip(self._y[:, None, None] + offsets[None, :, None], 0, ny - 1)
        self._columns = np.clip(self._x[:, None, None] + offsets[None, None, :], 0, nx - 1)
        self._sound = ~defect_yx[self._rows, self._columns]
        self._count = self._sound.sum(axis=(1, 2))

    @property
    def n_defects(self) -> int:
        """Number of pixels that are replaced."""
        return len(self._y)

    def mend(self, frame_yx: NDArray[np.float32]) -> None:
        """Replace the defects of a frame in place."""
        if not self.n_defects:
            return
        around = np.where(self._sound, frame_yx[self._rows, self._columns], 0)
        values = around.sum(axis=(1, 2), dtype=np.float64) / np.maximum(self._count, 1)
        alone = self._count == 0
        if alone.any():
            sound = frame_yx[~self.defect_yx]
            values[alone] = float(sound.mean(dtype=np.float64)) if sound.size else 0.0
        frame_yx[self._y, self._x] = values
