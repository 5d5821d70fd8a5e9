"""Whether each view shows what its neighbours show: peaks of correlation against what they should be.

A frequency at which two images have the powers a and b, of which c is common, counts c / (a b − c²) in their
correlation (that is most likely to find a shift). Common is what the two halves of each image share, times what the
parallax between the views leaves of a slab: sinc(k T sin Δθ / cos θ) across the axis. The same numbers say how high the
peak should be. Measured peaks are a share of that which is the series' own (about three fifths: sampling, changes of
focus, damage), alike for all pairs of neighbours; so a view is judged by its pairs' share against the series' median.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Likeness", "neighbour_likeness"]

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Halves = tuple[Image, Image]

_COARSEST_ANGSTROM = 400.0  # what is longer is the light, or the ice's thickness
_THICKNESS_ANGSTROM = (300.0, 8000.0)
_MOST_COMMON = 0.9  # of the product of the powers: more is not believed
_LEAST_COMMON = 1e-3  # of the power
_ON_A_SIDE = 2  # views compared with on either side: one of them may show another place
_FEWEST_PAIRS = 6
_DOUBTED = 0.65  # views below are not compared with in the second round
_CLOSER_LOOK = 0.85  # views below are compared with those at other angles
_OTHER_ANGLE_DEG = 12.0
_BETTER_BY = 1.3
_CLEAR_PEAK = 11.0  # standard deviations: images of different places of one sparse specimen reach 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likeness:
    """One number a view; NaN where there is no image, or no neighbour to compare it with.

    Parameters
    ----------
    height : (n,) array of float64
        Highest peak of correlation with up to two views on either side, in standard deviations of the correlation.
    ratio : (n,) array of float64
        Heights over the expected ones, weighted by these, relative to the median of the series' pairs.
    better_tilt_deg : (n,) array of float64
        Angle of the view that this one resembles clearly more than its neighbours; NaN for none.
    """

    height: Floats
    ratio: Floats
    better_tilt_deg: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Images of one size, and what is common to the comparison of any two."""

    images: tuple[Image | None, ...]
    window: Image
    ring: NDArray[np.intp]
    across: Floats
    fine_enough: Floats
    multiplicity: Floats
    common: Floats
    tilt_deg: Floats
    axis_deg: float
    thickness_angstrom: float

    def peak(self, i: int, j: int, tilt_deg: float | None = None) -> tuple[float, float]:
        """Height of the peak of correlation of views i and j, and what it should be.

        Both in standard deviations of the correlation; i is looked at as if its angle were ``tilt_deg``.
        """
        from scipy import fft

        first, second = self.images[i], self.images[j]
        if first is None or second is None:
            return np.nan, np.nan
        at_i, at_j = np.deg2rad([self.tilt_deg[i] if tilt_deg is None else tilt_deg, self.tilt_deg[j]])
        stretched = _stretched(first, float(np.cos(at_j) / np.cos(at_i)), self.axis_deg)
        a, b = (fft.rfft2(_contrast(image) * self.window) for image in (stretched, second))
        power = self._smooth_power(a) * self._smooth_power(b)
        path = abs(self.across) * self.thickness_angstrom * abs(np.sin(at_i - at_j)) / np.cos(at_i)
        common = self.common * np.where(path < 1, np.sinc(path), 0.0)
        common = np.minimum(common, np.sqrt(_MOST_COMMON * power))
        weight = self.fine_enough * common / (power - np.square(common))
        relative = np.asarray(weight / max(float(weight.max()), 1e-30), dtype=np.float32)
        correlation = fft.irfft2(a * b.conj() * relative, s=first.shape)
        scatter = np.sqrt((self.multiplicity * np.square(weight) * power).sum())
        expected = (self.multiplicity * weight * common).sum() / max(scatter, 1e-30)
        return float(correlation.max() / max(float(correlation.std()), 1e-30)), float(expected)

    def _smooth_power(self, transform: NDArray[np.complexfloating]) -> Floats:
        """Mean power of the ring that each coefficient lies in."""
        return np.maximum(_by_ring(np.square(np.abs(transform)), self.ring), 1e-30)[self.ring]


def neighbour_likeness(
    halves: Sequence[Halves | None],
    pixel_size_angstrom: float,
    *,
    trusted: Mask,
    tilt_deg: Floats,
    axis_deg: float,
    thickness_angstrom: float,
) -> Likeness:
    """Correlate each view with its neighbours.

    Parameters
    ----------
    halves : sequence of two (my, mx) arrays of float32, or None
        Each view twice with independent noise.
    pixel_size_angstrom : float
    trusted : (n,) array of bool
        Views that others are compared with.
    tilt_deg : (n,) array of float64
    axis_deg : float
        Tilt axis in the image, from y counter-clockwise.
    thickness_angstrom : float
        Of the ice, about.
    """
    n = len(halves)
    nothing = np.full(n, np.nan)
    seen = np.array([pair is not None for pair in halves])
    if not (seen & trusted).any():
        return Likeness(height=nothing, ratio=nothing, better_tilt_deg=nothing)
    pairs = _prepared(halves, pixel_size_angstrom, trusted & seen, tilt_deg, axis_deg, thickness_angstrom)
    known: dict[tuple[int, int], tuple[float, float]] = {}
    _, first = _judged(pairs, known, seen & trusted)
    height, ratio = _judged(pairs, known, seen & trusted & ~(first < _DOUBTED))
    better = nothing.copy()
    for index in np.flatnonzero(ratio < _CLOSER_LOOK):
        better[index] = _better_tilt_deg(pairs, int(index), height[index], seen & trusted)
    return Likeness(height=height, ratio=ratio, better_tilt_deg=better)


def _judged(pairs: _Pairs, known: dict[tuple[int, int], tuple[float, float]], compared: Mask) -> tuple[Floats, Floats]:
    """Highest peak and relative height of every view beside the nearest ones that may be compared with."""
    order = np.argsort(pairs.tilt_deg, kind="stable")
    neighbours: dict[int, list[tuple[int, int]]] = {}
    for place, index in enumerate(order):
        sides = (order[:place][::-1], order[place + 1 :])
        others = [int(j) for side in sides for j in side[compared[side]][:_ON_A_SIDE]]
        present = pairs.images[index] is not None
        neighbours[int(index)] = [(min(int(index), j), max(int(index), j)) for j in others] if present else []
    for pair in {pair for row in neighbours.values() for pair in row} - known.keys():
        known[pair] = pairs.peak(*pair)
    shares = [known[p][0] / known[p][1] for row in neighbours.values() for p in row if compared[list(p)].all()]
    height, ratio = np.full(len(order), np.nan), np.full(len(order), np.nan)
    usual = float(np.median(shares)) if len(shares) >= 2 * _FEWEST_PAIRS else np.nan  # each pair is counted twice
    for index, row in neighbours.items():
        if row:
            peaks, expected = np.array([known[pair] for pair in row]).T
            height[index] = peaks.max()
            ratio[index] = (peaks * expected).sum() / np.square(expected).sum() / usual
    return height, ratio


def _better_tilt_deg(pairs: _Pairs, index: int, near: float, compared: Mask) -> float:
    """Angle of another view that this one resembles clearly more than its neighbours; NaN for none."""
    far = [
        int(j)
        for j in np.flatnonzero(compared)
        if j != index and abs(pairs.tilt_deg[j] - pairs.tilt_deg[index]) >= _OTHER_ANGLE_DEG
    ]
    if not far:
        return np.nan
    peaks = [pairs.peak(index, j, float(pairs.tilt_deg[j]))[0] for j in far]
    best = int(np.argmax(peaks))
    is_better = peaks[best] > max(_CLEAR_PEAK, _BETTER_BY * near)
    return float(pairs.tilt_deg[far[best]]) if is_better else np.nan


def _prepared(
    halves: Sequence[Halves | None],
    pixel_size_angstrom: float,
    trusted: Mask,
    tilt_deg: Floats,
    axis_deg: float,
    thickness_angstrom: float,
) -> _Pairs:
    from scipy import fft

    shape = next(pair[0].shape for pair in halves if pair is not None)
    ny, nx = shape
    window = np.asarray(np.hanning(ny)[:, None] * np.hanning(nx)[None], dtype=np.float32)
    ky, kx = fft.fftfreq(ny, pixel_size_angstrom)[:, None], fft.rfftfreq(nx, pixel_size_angstrom)[None]
    k = np.hypot(ky, kx)
    axis = np.deg2rad(axis_deg)
    ring = (k * min(ny, nx) * pixel_size_angstrom / 2).astype(np.intp)
    multiplicity = np.full(kx.shape, 2.0)
    multiplicity[0, 0] = 1.0
    if nx % 2 == 0:
        multiplicity[0, -1] = 1.0
    common, power = [], []
    for index in np.flatnonzero(trusted):
        pair = halves[int(index)]
        if pair is not None:
            odd, even = (fft.rfft2(_contrast(half) * window) for half in pair)
            common.append(_by_ring((odd * even.conj()).real, ring))
            power.append(_by_ring(np.square(np.abs(0.5 * (odd + even))), ring))
    shared = np.maximum(np.median(common, axis=0), _LEAST_COMMON * np.median(power, axis=0))
    return _Pairs(
        images=tuple(None if pair is None else pair[0] + pair[1] for pair in halves),
        window=window,
        ring=ring,
        across=kx * np.cos(axis) + ky * np.sin(axis),
        fine_enough=1 - np.exp(-0.5 * np.square(k * _COARSEST_ANGSTROM)),
        multiplicity=multiplicity,
        common=shared[ring],
        tilt_deg=tilt_deg,
        axis_deg=axis_deg,
        thickness_angstrom=float(np.clip(thickness_angstrom, *_THICKNESS_ANGSTROM)),
    )


def _contrast(image: Image) -> Image:
    return np.asarray(image / max(float(image.mean()), 1e-12) - 1, dtype=np.float32)


def _by_ring(values: Floats, ring: NDArray[np.intp]) -> Floats:
    """Mean over each ring."""
    counts = np.bincount(ring.ravel())
    return np.asarray(np.bincount(ring.ravel(), weights=values.ravel()) / np.maximum(counts, 1))


def _stretched(image: Image, stretch: float, axis_deg: float) -> Image:
    """Image whose content is ``stretch`` times as long across the tilt axis, about its middle."""
    from scipy.ndimage import affine_transform

    angle = np.deg2rad(axis_deg)
    across_yx = np.array([np.sin(angle), np.cos(angle)])
    matrix = np.eye(2) + (1 / stretch - 1) * np.outer(across_yx, across_yx)
    middle = (np.array(image.shape) - 1) / 2
    return np.asarray(affine_transform(image, matrix, offset=middle - matrix @ middle, order=1, mode="nearest"))
