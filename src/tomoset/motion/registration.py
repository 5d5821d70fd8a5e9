"""Where the specimen was in each frame of one movie.

Every frame is compared with the sum of all others (leave-one-out, so that it never correlates with its own noise).
A coarse search by inverse Fourier transform with the weight ``exp(−2 B k²)`` (Li et al. 2013; Zivanov et al. 2018)
finds the basin; Newton steps on the phases then reach the maximum itself, with no interpolation of a peak, weighted by
the signal and noise spectra measured on the aligned frames (the maximum-likelihood weight ``S / (V (V + t S))``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.motion.params import MotionParams
from tomoset.physics import fourier_crop_2d, vertex_offset

__all__ = ["register_frames"]

Complexes = NDArray[np.complexfloating]
Floats = NDArray[np.float64]

_COARSE_PASSES = 3
_COARSE_BAND = 0.25  # cycles per pixel of the frames
_RINGS = 40
# The best of some hundred places by noise alone gains about ln(300) ≈ 6 a frame; below that a track is not believed.
_GAIN_PER_FRAME = 10.0


def register_frames(
    transforms_tyx: Complexes,
    shape_yx: tuple[int, int],
    params: MotionParams,
    *,
    pixel_size_angstrom: float,
    pattern_power_t: Floats | None = None,
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
        Of the cropped grid.
    pattern_power_t : (t,) array of float, optional
        Amplitude, per Fourier coefficient, with which a white fixed pattern enters each frame: the square root of
        its power. What frames i and j share because of it (the product of the two, at zero shift) is subtracted.

    Returns
    -------
    (t, 2) array of float64
        Where the specimen has moved to, pixels of the cropped grid, x then y; the mean over frames is zero.

    Raises
    ------
    GeometryError
        If the transforms do not fit the shape.
    """
    n_frames = transforms_tyx.shape[0]
    if transforms_tyx.shape[1:] != (shape_yx[0], shape_yx[1] // 2 + 1):
        raise GeometryError(
            f"transforms of {transforms_tyx.shape[1:]} do not belong to a grid of {shape_yx}; expected "
            f"{(shape_yx[0], shape_yx[1] // 2 + 1)}"
        )
    if n_frames == 1:
        return np.zeros((1, 2))
    pattern = np.zeros(n_frames) if pattern_power_t is None else np.asarray(pattern_power_t, dtype=np.float64)
    shift = _coarse_search(transforms_tyx, shape_yx, pattern, params, pixel_size_angstrom)
    registration = _Registration(transforms_tyx, shape_yx, pattern)
    tolerance = params.tolerance_pixel * 2 * params.band_cycles_per_pixel  # in pixels of this grid
    for iteration in range(params.max_iterations):
        if iteration in (0, 2):  # the spectra hardly change after the second look
            weight = registration.likelihood_weight(shift)
        updated = registration.newton(shift, weight)
        change = float(np.abs(updated - shift).max())
        shift = updated
        if change < tolerance and iteration >= 2:
            break
    return shift


@dataclass(frozen=True, slots=True, eq=False)
class _Spectra:
    """Signal and noise of one movie, by ring of frequency."""

    signal: Floats
    power: Floats
    count: NDArray[np.intp]
    n_frames: int

    @property
    def weight(self) -> Floats:
        """``S / (V (V + t S))``; the inverse power where no signal is seen at all."""
        noise = np.maximum(self.power - self.signal, 1e-12)
        weight = self.signal / (noise * (noise + self.n_frames * self.signal))
        return weight if weight.any() else 1 / noise

    @property
    def log_likelihood(self) -> float:
        """Gain of the log-likelihood over frames that share nothing."""
        total = np.maximum(self.power, 1e-12)
        share = self.signal / total
        gain = -(self.n_frames - 1) * np.log1p(-share) - np.log1p((self.n_frames - 1) * share)
        return float((self.count * gain).sum())


def _coarse_search(
    transforms_tyx: Complexes, shape_yx: tuple[int, int], pattern_t: Floats, params: MotionParams, pixel_angstrom: float
) -> Floats:
    """Find the basin on a grid of half the resolution: the best of three weights, then the measured weight.

    One B factor cannot serve all specimens: large molecules correlate at low frequency, bare ice only near the first
    maximum of the CTF. Which one found the frames is decided by the likelihood of the power they then share.
    """
    ny, nx = (max(16, 2 * round(n * min(1.0, _COARSE_BAND / params.band_cycles_per_pixel) / 2)) for n in shape_yx)
    small = (min(ny, shape_yx[0]), min(nx, shape_yx[1]))
    scale = small[0] * small[1] / (shape_yx[0] * shape_yx[1])
    frames = np.stack([fourier_crop_2d(frame, shape_yx, small) for frame in transforms_tyx])
    registration = _Registration(frames, small, pattern_t * scale)
    zoom = np.array([shape_yx[1] / small[1], shape_yx[0] / small[0]])
    # B is given in pixels of the frames; this grid's own pixel is larger by the band over Nyquist.
    b_grid = params.b_factor_pixel2 * (2 * params.band_cycles_per_pixel / zoom[0]) ** 2
    reach = max(1.0, params.max_shift_angstrom / (pixel_angstrom * zoom[0]))
    starts = [registration.coarse(np.exp(-2 * b * registration.k2), reach) for b in (b_grid, b_grid / 5, b_grid / 25)]
    gains = [registration.spectra(start).log_likelihood for start in (*starts, np.zeros((len(frames), 2)))]
    best = starts[int(np.argmax(gains[:-1]))]
    if max(gains[:-1]) < gains[-1] + _GAIN_PER_FRAME * (len(frames) - 1):
        return np.zeros((len(frames), 2))  # no better than noise would do: start from no motion
    return registration.coarse(registration.likelihood_weight(best), reach, best) * zoom


class _Registration:
    """The frames of one movie in Fourier space, with the frequencies of their grid."""

    def __init__(self, transforms_tyx: Complexes, shape_yx: tuple[int, int], pattern_t: Floats) -> None:
        ny, nx = shape_yx
        self.frames = transforms_tyx
        self.shape = shape_yx
        self.pattern = pattern_t
        self.ky = np.fft.fftfreq(ny)
        self.kx = np.fft.rfftfreq(nx)
        self.k2 = np.square(self.ky)[:, None] + np.square(self.kx)[None, :]
        ring = np.floor(np.sqrt(self.k2) * 2 * _RINGS).astype(np.intp)
        self.ring = np.minimum(ring, _RINGS)
        # Kept coefficients: inside Nyquist and off the axes, where the image's own edges (which do not move) leak.
        keep = self.ring < _RINGS
        keep[0, :] = False
        keep[:, 0] = False
        keep[self.ring == 0] = False  # the light's own gradient
        self.keep = keep
        self.ring_count = np.maximum(np.bincount(self.ring[keep], minlength=_RINGS)[:_RINGS], 1)
        self.own_power = sum((_power(frame) for frame in transforms_tyx), start=np.zeros(self.k2.shape))

    def phase(self, shift_xy: Floats) -> Complexes:
        """Factor that brings content displaced by ``shift_xy`` back."""
        row = np.exp(2j * np.pi * self.kx * shift_xy[0]).astype(np.complex64)
        column = np.exp(2j * np.pi * self.ky * shift_xy[1]).astype(np.complex64)
        return np.asarray(column[:, None] * row[None, :])

    def aligned_sums(self, shift: Floats, phases: list[Complexes] | None = None) -> tuple[Complexes, Complexes]:
        """Sum of the frames brought back, and the same for the fixed pattern's amplitude."""
        phases = phases or [self.phase(one) for one in shift]
        total = np.zeros(self.frames.shape[1:], dtype=np.complex64)
        pattern = np.zeros_like(total)
        for frame, phase, amplitude in zip(self.frames, phases, self.pattern, strict=True):
            total += frame * phase
            if amplitude:
                pattern += np.float32(amplitude) * phase
        return total, pattern

    def coarse(self, weight: NDArray[np.floating], reach: float, start: Floats | None = None) -> Floats:
        """Shifts by the peak of the weighted correlation within ``reach`` grid pixels of the mean."""
        from scipy import fft

        shift = np.zeros((len(self.frames), 2)) if start is None else start
        kept = np.where(self.keep, weight, 0).astype(np.float32)
        for _ in range(_COARSE_PASSES):
            phases = [self.phase(one) for one in shift]
            total, pattern = (np.conj(one) for one in self.aligned_sums(shift, phases))
            updated = np.empty_like(shift)
            for index, phase in enumerate(phases):
                # The frame times the conjugate of the sum of the others, without what the fixed pattern puts there.
                cross = total * self.frames[index]
                if self.pattern[index]:
                    cross -= np.float32(self.pattern[index]) * pattern
                cross *= phase
                cross -= np.square(self.frames[index].real) + np.square(self.frames[index].imag)
                cross += np.float32(self.pattern[index] ** 2)
                cross *= kept
                correlation = fft.irfft2(cross, s=self.shape)
                updated[index] = shift[index] + _peak(correlation, shift[index], reach)
            updated -= updated.mean(axis=0)
            change = np.abs(updated - shift).max()
            shift = updated
            if change < 0.1:
                break
        return shift

    def spectra(self, shift: Floats) -> "_Spectra":
        """Power that aligned frames share and do not share, by ring."""
        n = len(shift)
        total, pattern = self.aligned_sums(shift)
        shared = _power(total) - self.own_power - (_power(pattern) - np.square(self.pattern).sum())
        signal = self._ring_mean(shared) / (n * (n - 1))
        smooth = np.convolve(np.pad(signal, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
        power = self._ring_mean(self.own_power) / n
        return _Spectra(np.clip(smooth, 0, 0.99 * power), power, self.ring_count, n)

    def likelihood_weight(self, shift: Floats) -> NDArray[np.float32]:
        """Weight of each coefficient of the cross-spectrum, 0 to 1."""
        by_ring = np.append(self.spectra(shift).weight, 0.0)
        return np.where(self.keep, (by_ring / by_ring.max())[self.ring], 0).astype(np.float32)

    def _ring_mean(self, values: Floats) -> Floats:
        inside = self.keep
        sums = np.bincount(self.ring[inside], weights=values[inside], minlength=_RINGS)[:_RINGS]
        return sums / self.ring_count

    def newton(self, shift: Floats, weight: NDArray[np.float32]) -> Floats:
        """One Newton step of every frame towards the maximum of its weighted correlation."""
        sums = self.aligned_sums(shift)
        total, pattern = (np.conj(one) * weight for one in sums)
        updated = shift.copy()
        for index in range(len(shift)):
            # The frame's product with itself is real and does not move: it is taken off the curvature alone.
            frame = self.frames[index]
            cross = total * frame - pattern * np.float32(self.pattern[index])
            own = (np.square(frame.real) + np.square(frame.imag) - np.float32(self.pattern[index] ** 2)) * weight
            updated[index] += self._newton_step(cross, own, shift[index])
        return updated - updated.mean(axis=0)

    def _newton_step(self, cross: Complexes, own: NDArray[np.float32], shift_xy: Floats) -> Floats:
        """Step (x, y), at most half a pixel, to the maximum of ``Σ Re[cross exp(2πi k·s)] − own`` in second order."""
        kx, ky = self.kx, self.ky
        row = np.exp(2j * np.pi * kx * shift_xy[0])
        column = np.exp(2j * np.pi * ky * shift_xy[1])
        moments_x = cross @ np.stack([row, row * kx, row * kx**2], axis=1).astype(np.complex64)
        moments = np.stack([column, column * ky, column * ky**2]) @ moments_x  # [power of ky, power of kx]
        gradient = -2 * np.pi * np.array([moments[0, 1].imag, moments[1, 0].imag])
        own_x = own @ np.stack([np.ones_like(kx), kx, kx**2], axis=1).astype(np.float32)
        own_moments = np.stack([np.ones_like(ky), ky, ky**2]) @ own_x
        second = moments.real - own_moments
        curvature = 4 * np.pi**2 * np.array([[second[0, 2], second[1, 1]], [second[1, 1], second[2, 0]]])
        if np.linalg.eigvalsh(curvature)[0] <= 0:
            return np.zeros(2)  # not near a maximum: stay where the coarse search found one
        step = np.linalg.solve(curvature, gradient)
        return np.asarray(step * min(1.0, 0.5 / max(float(np.hypot(*step)), 1e-12)), dtype=np.float64)


def _power(transform: Complexes) -> Floats:
    return np.square(transform.real, dtype=np.float64) + np.square(transform.imag, dtype=np.float64)


def _peak(correlation_yx: NDArray[np.float32], current_xy: Floats, reach: float) -> Floats:
    """Highest point (x, y) of a correlation map, by parabolas, with the total shift within ``reach``."""
    near_y, near_x = (
        _within(size, current, reach) for size, current in zip(correlation_yx.shape, current_xy[::-1], strict=True)
    )
    window = correlation_yx[np.ix_(near_y, near_x)]
    far = np.hypot(near_y[:, None] + current_xy[1], near_x[None, :] + current_xy[0]) > reach
    iy, ix = np.unravel_index(int(np.argmax(np.where(far, -np.inf, window))), window.shape)
    y, x = near_y[iy], near_x[ix]
    beside = np.array([-1, 0, 1])
    along_x = correlation_yx[y, (x + beside) % correlation_yx.shape[1]].astype(np.float64)
    along_y = correlation_yx[(y + beside) % correlation_yx.shape[0], x].astype(np.float64)
    return np.array([x + float(vertex_offset(*along_x)), y + float(vertex_offset(*along_y))])


def _within(size: int, current: float, reach: float) -> NDArray[np.intp]:
    """Signed lags of an axis of a correlation map that keep the total shift within ``reach``; zero is always there."""
    lags = np.arange(-(size // 2), (size + 1) // 2)
    near: NDArray[np.intp] = lags[(np.abs(lags + current) <= reach) | (lags == 0)]
    return near
