"""Start of a series with few particles: the views' likeliest particles laid over one another, view by view."""

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import CommonFrame, Pose
from tomoset.alignment.peaks import find_peak
from tomoset.alignment.preprocess import Views

__all__ = ["clear_spectra", "lay_over_one_another"]

Images = NDArray[np.float32]
Spectra = NDArray[np.complex64]

_LEAST, _MOST = 3.7, 9.0  # standard deviations: below is noise, and nothing above may outweigh all the rest
_SWEEPS = 2
_FAR = 4.0  # (in widths)²: further views would add less than 2 %


def lay_over_one_another(
    views: Views,
    frame: CommonFrame,
    spectra_cnyx: Spectra,
    axis_deg: float,
    range_angstrom: float,
    order: list[int],
    near_deg: float,
) -> Pose:
    """Shifts under which the particles of neighbouring views lie over one another.

    A view is correlated with the mean of the views that were placed before it, near ones most; later sweeps know the
    views to both sides.

    Parameters
    ----------
    views : Views
    frame : CommonFrame
    spectra_cnyx : (c, n, ny, nx // 2 + 1) array of complex64
        See ``clear_spectra``.
    axis_deg : float
        That the spectra were made with.
    range_angstrom : float
        Largest shift that is looked for.
    order : list of int
        In which the views are placed; another order is another start.
    near_deg : float
        Width of the references.
    """
    from scipy import fft

    spectra = spectra_cnyx.copy()
    ky = np.fft.fftfreq(frame.shape_yx[0])[:, None]
    kx = np.fft.rfftfreq(frame.shape_yx[1])[None, :]
    shift_xy = np.zeros((views.n, 2))
    placed = [order[0]]
    radius = range_angstrom / frame.pixel_size_angstrom
    for sweep in range(_SWEEPS):
        for i in order[1:] if sweep == 0 else order:
            others = np.array([j for j in placed if j != i])
            away = np.square((views.tilt_deg[others] - views.tilt_deg[i]) / near_deg)
            close = away <= max(_FAR, float(away.min()))
            weight = np.exp(away.min() - away[close]).astype(np.float32)
            reference = np.tensordot(weight / weight.sum(), spectra[:, others[close]], axes=(0, 1))
            cross = (spectra[:, i] * reference.conj()).sum(axis=0)
            x, y = find_peak(fft.irfft2(cross, s=frame.shape_yx), (radius, radius)).shift_xy
            spectra[:, i] *= np.exp(2j * np.pi * (kx * x + ky * y)).astype(np.complex64)
            shift_xy[i] += (x, y)
            if i not in placed:
                placed.append(i)
        radius = max(radius / 3, 4.0)
    shift_xy *= frame.pixel_size_angstrom
    return Pose(axis_deg=axis_deg, shift_uv_angstrom=np.column_stack([shift_xy[:, 0] * views.cos, shift_xy[:, 1]]))


def clear_spectra(views: Views, frame: CommonFrame, maps_cnyx: Images, axis_deg: float) -> Spectra:
    """Transforms (c, n, …) of what stands out of the noise of each map, in the common frame (stretched by 1 / cos t).

    ``maps_cnyx`` are those of ``particle_maps``.
    """
    from scipy import fft

    from tomoset.alignment import _kernels

    ny, nx = maps_cnyx.shape[2:]
    c, s = np.cos(np.deg2rad(axis_deg)), np.sin(np.deg2rad(axis_deg))
    height, width = frame.shape_yx
    out = np.empty((*maps_cnyx.shape[:2], height, width // 2 + 1), dtype=np.complex64)
    view = np.empty((height, width), dtype=np.float32)
    for i, cos in enumerate(views.cos):
        matrix = np.array([[c, s * cos], [-s, c * cos]])
        offset = np.array([ny // 2, nx // 2]) - matrix @ np.array([height // 2, width // 2])
        for channel, maps in enumerate(maps_cnyx):
            clear = np.clip(maps[i], _LEAST, _MOST) - np.float32(_LEAST)
            _kernels.sample_affine(clear, matrix, offset, view)
            out[channel, i] = fft.rfft2(view)
    return out
