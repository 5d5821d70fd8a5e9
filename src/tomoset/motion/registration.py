"""Where the specimen was in each frame of one movie.

Every frame is compared with the sum of all others (leave-one-out, so that it never correlates with its own noise).
A coarse search by inverse Fourier transform with the weight ``exp(−2 B k²)`` (Li et al. 2013; Zivanov et al. 2018)
finds the basin; Newton steps on the phases then reach the maximum of the likelihood itself, with no interpolation of
a peak (see :mod:`tomoset.motion.shared_signal` for its weights). In the end the track is smoothed as far as its own
errors ask for it (:mod:`tomoset.motion.track_smoothing`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.motion.arrays import Arrays, numpy_arrays
from tomoset.motion.frame_grid import crop_transform
from tomoset.motion.params import MotionParams
from tomoset.motion.shared_signal import SharedSignal
from tomoset.motion.track_smoothing import smooth_track
from tomoset.physics import vertex_offset

__all__ = ["register_frames", "registration_band"]

Floats = NDArray[np.float64]

_COARSE_PASSES = 2
_COARSE_BAND = 0.625  # of the band at most
_COARSE_ANGSTROM = 20.0  # and no finer than this
# The best of some hundred places by noise alone gains about ln(300) ≈ 6 a frame; below that a track is not believed.
_GAIN_PER_FRAME = 10.0


def registration_band(params: MotionParams, pixel_size_angstrom: float) -> float:
    """Highest frequency that frames are compared at, cycles per pixel of the frame."""
    return min(params.band_cycles_per_pixel, pixel_size_angstrom / params.finest_angstrom)


def register_frames(
    transforms_tyx: Any,
    shape_yx: tuple[int, int],
    params: MotionParams,
    *,
    pixel_size_angstrom: float,
    zoom_xy: tuple[float, float] = (1.0, 1.0),
    pattern_t: Floats | None = None,
    arrays: Arrays | None = None,
) -> Floats:
    """Shift of every frame relative to the mean over frames.

    Parameters
    ----------
    transforms_tyx : (t, my, mx // 2 + 1) complex array
        ``rfft2`` of the frames, Fourier-cropped to a grid of ``shape_yx`` pixels.
    shape_yx : tuple of int
        (my, mx), of the cropped grid.
    params : MotionParams
        Weights and stopping rules.
    pixel_size_angstrom : float
        Of the frames.
    zoom_xy : tuple of float
        Pixels of the frame in a pixel of the cropped grid.
    pattern_t : (t,) array of float, optional
        Amplitude, per Fourier coefficient, with which a white fixed pattern enters each frame: the square root of
        its power. What frames i and j share because of it (the product of the two, at zero shift) is subtracted.
    arrays : Arrays, optional
        Where the transforms live; NumPy when left out.

    Returns
    -------
    (t, 2) array of float64
        Where the specimen has moved to, pixels of the frame, x then y; the mean over frames is zero.

    Raises
    ------
    GeometryError
        If the transforms do not fit the shape.
    """
    n_frames = int(transforms_tyx.shape[0])
    if tuple(transforms_tyx.shape[1:]) != (shape_yx[0], shape_yx[1] // 2 + 1):
        raise GeometryError(
            f"transforms of {tuple(transforms_tyx.shape[1:])} do not belong to a grid of {shape_yx}; expected "
            f"{(shape_yx[0], shape_yx[1] // 2 + 1)}"
        )
    if n_frames == 1:
        return np.zeros((1, 2))
    pattern = np.zeros(n_frames) if pattern_t is None else np.asarray(pattern_t, dtype=np.float64)
    signal = SharedSignal(
        arrays or numpy_arrays(),
        transforms_tyx[None],
        shape_yx,
        zoom_xy=zoom_xy,
        band=registration_band(params, pixel_size_angstrom),
        pattern_t=pattern,
    )
    shift = _coarse_search(signal, params, pixel_size_angstrom)
    return _refine(signal, shift, params)


def _refine(signal: SharedSignal, shift: Floats, params: MotionParams) -> Floats:
    """Newton steps of all frames to the maximum of the likelihood."""
    for iteration in range(params.max_iterations):
        if iteration in (0, 2):  # the spectra hardly change after the second look
            weights = signal.weights(signal.spectra(shift[None]).weight)
        step = _newton_steps(signal.moments(shift[None], weights)[0].sum(axis=1))
        step -= step.mean(axis=0)
        shift = shift + step
        if np.abs(step).max() < params.tolerance_pixel and iteration >= 2:
            break
    information = signal.information(signal.spectra(shift[None]))
    return smooth_track(shift, information[:, 0].sum(axis=0))


def _newton_steps(moments_tm: Floats) -> Floats:
    """Step (t, 2) of every frame, at most half a pixel, that maximises its weighted correlation in second order."""
    n_frames = len(moments_tm)
    steps = np.zeros((n_frames, 2))
    for index, (ix, iy, xx, xy, yy) in enumerate(moments_tm):
        gradient = -2 * np.pi * np.array([ix, iy])
        curvature = 4 * np.pi**2 * np.array([[xx, xy], [xy, yy]])
        if np.linalg.eigvalsh(curvature)[0] <= 0:
            continue  # not near a maximum: stay where the coarse search found one
        # All frames step at once, and the sum of the others moves with them: hence (t − 1) / t.
        step = np.linalg.solve(curvature, gradient) * (n_frames - 1) / n_frames
        steps[index] = step * min(1.0, 0.5 / max(float(np.hypot(*step)), 1e-12))
    return steps


def _coarse_search(signal: SharedSignal, params: MotionParams, pixel_size_angstrom: float) -> Floats:
    """Find the basin on a coarser grid: the best of three weights, then the measured weight.

    One B factor cannot serve all specimens: large molecules correlate at low frequency, bare ice only near the first
    maximum of the CTF. Which one found the frames is decided by the likelihood of the power they then share.
    """
    coarse = _coarser(signal, min(_COARSE_BAND, pixel_size_angstrom / _COARSE_ANGSTROM / signal.band))
    reach = max(1.0, params.max_shift_angstrom / pixel_size_angstrom)
    still = np.zeros((signal.n_frames, 2))
    starts = [
        _correlate(coarse, np.exp(-2 * b * coarse.k2), reach, still, _COARSE_PASSES)
        for b in params.b_factor_pixel2 * np.array([1.0, 0.2, 0.04])
    ]
    gains = [coarse.spectra(start[None]).log_likelihood for start in (*starts, still)]
    best = starts[int(np.argmax(gains[:-1]))]
    if max(gains[:-1]) < gains[-1] + _GAIN_PER_FRAME * (signal.n_frames - 1):
        return still  # no better than noise would do: start from no motion
    measured = coarse.spectra(best[None]).weight[0] / coarse.spectra(best[None]).weight.max()
    return _correlate(coarse, np.append(measured, 0.0)[coarse.ring], reach, best, _COARSE_PASSES)


def _coarser(signal: SharedSignal, part: float) -> SharedSignal:
    """The same frames up to a part of the band."""
    ny, nx = (min(n, max(16, 2 * round(n * part / 2))) for n in signal.shape)
    frames = signal.arrays.stack([crop_transform(frame, signal.shape, (ny, nx)) for frame in signal.frames[0]])
    return SharedSignal(
        signal.arrays,
        frames[None],
        (ny, nx),
        zoom_xy=(signal.zoom[0] * signal.shape[1] / nx, signal.zoom[1] * signal.shape[0] / ny),
        band=signal.band * part,
        pattern_t=signal.pattern,
    )


def _correlate(signal: SharedSignal, weight_yx: Floats, reach: float, start: Floats, passes: int) -> Floats:
    """Shifts by the peak of the weighted correlation with the sum of the others, within ``reach`` of the mean."""
    shift = start
    weight = signal.arrays.array(np.where(signal.ring < signal.ring.max(), weight_yx, 0).astype(np.float32))
    for _ in range(passes):
        updated = np.empty_like(shift)
        for index, product in enumerate(_products_with_others(signal, shift)):
            updated[index] = shift[index] + _peak(signal, product * weight, shift[index], reach)
        updated -= updated.mean(axis=0)
        change = np.abs((updated - shift) / signal.zoom).max()
        shift = updated
        if change < 0.1:
            break
    return shift


def _products_with_others(signal: SharedSignal, shift: Floats) -> Any:
    """Yield each frame times the conjugate of the sum of the others, all brought back, less the fixed pattern's."""
    pattern = signal.fixed_pattern
    parts = [(signal, 1)] if pattern is None else [(signal, 1), (pattern, -1)]
    totals = [part.totals(shift[None])[0].conj() for part, _ in parts]
    rows, columns = signal.phases(shift[None])
    for index in range(signal.n_frames):
        phase = signal.arrays.array(columns[0, index, :, None] * rows[0, index, None, :])
        product = 0
        for (part, sign), total in zip(parts, totals, strict=True):
            own = part.frames[0, index] * phase
            product = product + sign * (total - own.conj()) * own
        yield product


def _peak(signal: SharedSignal, product_yx: Any, current_xy: Floats, reach: float) -> Floats:
    """Highest point (x, y) of a correlation, by parabolas, with the total shift within ``reach``.

    The correlation is computed at the few lags that are allowed, not as a whole map.
    """
    lags_y, lags_x = (
        _lags(n, current, reach, zoom)
        for n, current, zoom in zip(signal.shape, current_xy[::-1], signal.zoom[::-1], strict=True)
    )
    along_y = signal.arrays.array(np.exp(2j * np.pi * np.outer(lags_y, signal.ky)).astype(np.complex64))
    along_x = signal.arrays.array(np.exp(2j * np.pi * np.outer(signal.kx, lags_x)).astype(np.complex64))
    correlation = signal.arrays.host((along_y @ product_yx @ along_x).real)
    total_y, total_x = lags_y[1:-1, None] + current_xy[1], lags_x[None, 1:-1] + current_xy[0]
    far = np.hypot(total_y, total_x) > max(reach, float(np.hypot(*current_xy)))
    inner = np.where(far, -np.inf, correlation[1:-1, 1:-1])
    if not inner.max() > 0:
        return np.zeros(2)  # an empty frame correlates with nothing: it stays where it is
    y, x = (int(i) + 1 for i in np.unravel_index(int(np.argmax(inner)), inner.shape))
    at = correlation.astype(np.float64)
    offset = np.array([vertex_offset(*at[y, x - 1 : x + 2]), vertex_offset(*at[y - 1 : y + 2, x])])
    return np.asarray(np.array([lags_x[x], lags_y[y]]) + signal.zoom * offset)


def _lags(size: int, current: float, reach: float, zoom: float) -> Floats:
    """Lags, pixels of the frame, that keep the total shift within ``reach``, zero among them, and one more each way."""
    low, high = np.ceil((-reach - current) / zoom), np.floor((reach - current) / zoom)
    half = size // 2
    return np.arange(max(min(low, 0), -half) - 1, min(max(high, 0), half) + 2) * zoom
