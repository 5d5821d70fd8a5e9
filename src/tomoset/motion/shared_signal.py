"""What the frames of a movie, or of its patches, share: the likelihood of their shifts.

Frames are signal, the same in each but for a shift, plus noise. With signal power S and noise power V in a
coefficient, the log-likelihood of the shifts of T frames is ``Σ w |Σ_t F_t exp(2πi k·s_t)|²`` with
``w = S / (V (V + T S))``, less what every frame contributes by itself (which does not depend on shifts). S and V are
measured by ring of frequency on the frames themselves, brought back by the shifts known so far; a patch has its own
share of the signal, because molecules are not everywhere.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.motion.arrays import Arrays, Weights

__all__ = ["N_RINGS", "SharedSignal", "Spectra"]

Complexes = NDArray[np.complex64]
Floats = NDArray[np.float64]

N_RINGS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Signal and total power by ring (r,), each patch's share of the signal (p,), and coefficients a ring."""

    signal: Floats
    power: Floats
    share: Floats
    count: NDArray[np.intp]
    n_frames: int

    @property
    def noise(self) -> Floats:
        """Power that frames do not share."""
        return np.maximum(self.power - self.signal, 1e-12 * max(float(self.power.max()), 1e-6))

    @property
    def weight(self) -> Floats:
        """``S / (V (V + T S))`` (p, r) of each patch; the inverse power where no signal is seen at all."""
        signal = self.share[:, None] * self.signal
        weight = signal / (self.noise * (self.noise + self.n_frames * signal))
        return weight if weight.any() else np.broadcast_to(1 / self.noise, weight.shape)

    @property
    def log_likelihood(self) -> float:
        """Gain of the log-likelihood over frames that share nothing."""
        share = self.signal / np.maximum(self.power, 1e-300)
        gain = -(self.n_frames - 1) * np.log1p(-share) - np.log1p((self.n_frames - 1) * share)
        return float((self.count * gain).sum())


class SharedSignal:
    """Transforms (p, t, my, mx // 2 + 1) of the patches of a movie, with what is asked of them.

    Parameters
    ----------
    arrays : Arrays
    frames_ptyx : device array of complex64
        One patch for the whole movie.
    shape_yx : tuple of int
        Of the images they are transforms of.
    zoom_xy : tuple of float
        Pixels of the frame in a pixel of these images; shifts are in pixels of the frame everywhere.
    band : float
        Highest frequency, cycles per pixel of the frame.
    pattern_t : (t,) array of float64
        Amplitude of a white fixed pattern in the coefficients of each frame.
    independent : float
        Share of the coefficients that are independent: below one in windowed patches, which overlap.
    """

    def __init__(
        self,
        arrays: Arrays,
        frames_ptyx: Any,
        shape_yx: tuple[int, int],
        *,
        zoom_xy: tuple[float, float],
        band: float,
        pattern_t: Floats,
        independent: float = 1.0,
    ) -> None:
        (ny, nx), self.arrays, self.frames, self.pattern = shape_yx, arrays, frames_ptyx, pattern_t
        self.independent = independent
        self.n_patches, self.n_frames = (int(n) for n in frames_ptyx.shape[:2])
        self.shape, self.band = shape_yx, band
        self._last: tuple[Floats, Any] | None = None
        self.zoom = np.asarray(zoom_xy)
        self.kx, self.ky = np.fft.rfftfreq(nx) / zoom_xy[0], np.fft.fftfreq(ny) / zoom_xy[1]
        self.k2 = np.square(self.ky)[:, None] + np.square(self.kx)[None, :]
        ring = np.minimum(np.sqrt(self.k2) * (N_RINGS / band), N_RINGS).astype(np.int32)
        # Left out: the axes, where the image's own edges leak, and the light's own gradient.
        ring[0, :] = ring[:, 0] = N_RINGS
        ring[ring == 0] = N_RINGS
        self.ring = ring
        inside = ring < N_RINGS
        self.count = np.bincount(ring[inside], minlength=N_RINGS)
        squares = np.stack(np.broadcast_arrays(self.kx**2, self.kx * self.ky[:, None], (self.ky**2)[:, None]))
        #: Sums of kx², kx ky, ky² over each ring, (3, r).
        self.moments_of_k = np.stack([np.bincount(ring[inside], one[inside], N_RINGS) for one in squares])

    @cached_property
    def half_of_ring(self) -> NDArray[np.intp]:
        """Which of two halves of Fourier space a ring belongs to; each predicts the other in tests.

        Bands of five rings in turn: a patch's window correlates neighbouring coefficients, so that the noise of
        single rings would not be independent.
        """
        return np.arange(N_RINGS) // 5 % 2

    @cached_property
    def _half(self) -> Any:
        return self.arrays.array(np.append(self.half_of_ring, 0).astype(np.float32)[self.ring])

    @cached_property
    def own_power(self) -> Floats:
        """Power (p, r) summed over rings and frames."""
        return sum(
            (self.arrays.ring_power(self.frames[:, t], self.ring, N_RINGS) for t in range(self.n_frames)),
            start=np.zeros((self.n_patches, N_RINGS)),
        )

    def phases(self, shift_ptc: Floats) -> tuple[Complexes, Complexes]:
        """Factors along x (p, t, x) and y (p, t, y) that bring content displaced by the shifts back."""
        rows = np.exp(2j * np.pi * shift_ptc[..., 0, None] * self.kx).astype(np.complex64)
        columns = np.exp(2j * np.pi * shift_ptc[..., 1, None] * self.ky).astype(np.complex64)
        return rows, columns

    def totals(self, shift_ptc: Floats) -> Any:
        """Sums (p, my, mx // 2 + 1) of the frames brought back."""
        # Spectra and moments are asked for at the same shifts, one after the other.
        if self._last is None or not np.array_equal(self._last[0], shift_ptc):
            totals = self.arrays.zeros((self.n_patches, *self.frames.shape[2:]), "complex64")
            self.arrays.add_aligned(self.frames, *self.phases(shift_ptc), totals)
            self._last = shift_ptc.copy(), totals
        return self._last[1]

    @cached_property
    def fixed_pattern(self) -> "SharedSignal | None":
        """What the fixed pattern alone puts into the frames; None where there is none."""
        if not self.pattern.any():
            return None
        amplitude = self.pattern.astype(np.complex64)[None, :, None, None]
        flat = np.ascontiguousarray(np.broadcast_to(amplitude, (self.n_patches, *self.frames.shape[1:])))
        return SharedSignal(
            self.arrays,
            self.arrays.array(flat),
            self.shape,
            zoom_xy=(float(self.zoom[0]), float(self.zoom[1])),
            band=self.band,
            pattern_t=np.zeros(self.n_frames),
        )

    def shared_power(self, shift_ptc: Floats, pattern_shift_ptc: Floats | None = None) -> Floats:
        """Power (p, r), summed over rings and pairs of frames, that two frames share."""
        shared = self.arrays.ring_power(self.totals(shift_ptc), self.ring, N_RINGS) - self.own_power
        pattern = self.fixed_pattern
        if pattern is not None:
            totals = pattern.totals(shift_ptc if pattern_shift_ptc is None else pattern_shift_ptc)
            both = self.arrays.ring_power(totals, self.ring, N_RINGS)
            shared -= both - self.count * np.square(self.pattern).sum()
        return shared

    def spectra(self, shift_ptc: Floats, pattern_shift_ptc: Floats | None = None) -> Spectra:
        """Power that frames brought back share and do not share."""
        n, count = self.n_frames, np.maximum(self.count, 1) * self.n_patches
        shared = self.shared_power(shift_ptc, pattern_shift_ptc) / (n * (n - 1))
        signal = shared.sum(axis=0) / count
        smooth = np.convolve(np.pad(signal, 1, mode="edge"), (0.25, 0.5, 0.25), mode="valid")
        power = self.own_power.sum(axis=0) / (n * count)
        spectra = Spectra(np.clip(smooth, 0, 0.99 * power), power, np.ones(self.n_patches), self.count, n)
        if self.n_patches == 1 or not spectra.signal.any():
            return spectra
        weight = spectra.weight[0]
        share = (shared * weight).sum(axis=1) / (self.count * spectra.signal * weight).sum()
        return Spectra(spectra.signal, power, np.clip(share, 0.02, 10.0), self.count, n)

    def weights(self, by_ring_pr: Floats) -> Weights:
        """Weights of the coefficients from weights of the rings."""
        padded = np.concatenate([by_ring_pr, np.zeros((len(by_ring_pr), 1))], axis=1).astype(np.float32)
        return Weights(self.arrays.array(padded[:, self.ring]), self._half, self.kx, self.ky)

    def moments(self, shift_ptc: Floats, weights: Weights, pattern_shift_ptc: Floats | None = None) -> Floats:
        """Moments (p, t, 2, 5) of each frame's product with the sum of the others; see ``cross_moments``."""
        phases = self.phases(shift_ptc)
        moments = self.arrays.cross_moments(self.frames, self.totals(shift_ptc), *phases, weights)
        pattern = self.fixed_pattern
        if pattern is not None:
            there = shift_ptc if pattern_shift_ptc is None else pattern_shift_ptc
            moments -= self.arrays.cross_moments(pattern.frames, pattern.totals(there), *pattern.phases(there), weights)
        return moments

    def _curvature_by_ring(self, spectra: Spectra) -> Floats:
        """``2 (2π)² w S`` (p, r), to be multiplied by products of frequencies."""
        return 8 * np.pi**2 * self.independent * spectra.weight * spectra.share[:, None] * spectra.signal

    def information_by_ring(self, spectra: Spectra) -> Floats:
        """Information (r,) about a shift along either axis, mean of both, summed over patches."""
        return self._curvature_by_ring(spectra).sum(axis=0) * (self.moments_of_k[0] + self.moments_of_k[2]) / 2

    def information(self, spectra: Spectra) -> Floats:
        """``2 (2π)² Σ w S k kᵀ`` (h, p, 2, 2): what two frames say about their shifts, by half of Fourier space."""
        by_ring = self._curvature_by_ring(spectra)
        halves = np.stack([self.half_of_ring == h for h in (0, 1)])
        xx, xy, yy = np.einsum("pr,hr,mr->mhp", by_ring, halves, self.moments_of_k)
        return np.moveaxis(np.array([[xx, xy], [xy, yy]]), (0, 1), (2, 3))
