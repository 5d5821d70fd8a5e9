"""How few heights it takes: matter at any height through the contrast transfer function of its own defocus.

With ``a = π λ k²`` a point at height h above the middle changes the phase of its transfer by ``a h``, and

    −sin(χ₀ + a h) = −sin χ₀ · cos(a h) − cos χ₀ · sin(a h).

Both ``cos(a h)`` and ``sin(a h)`` are sums of few products of a function of a and a function of h (their singular
value decomposition on the range of frequencies and heights; its rank is about the range's area over π, as for all
band-limited functions: Slepian & Pollak 1961, Bell Syst. Tech. J. 40:43). The functions of h are weights with which
matter is added to as many planes; the functions of a are factors of the planes' transforms. Astigmatism and spherical
aberration are in ``χ₀`` and cost nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HeightBasis", "height_basis"]

# Largest error of cos(a h) and sin(a h); the full swing of a CTF is 2.
_TOLERANCE = 1e-3
# Tables are read with linear interpolation: of a function whose second derivative is at most 1 per step of this many
# radians it errs by a square over eight.
_STEP_RAD = 0.03

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeightBasis:
    """Functions of height and of frequency whose products add up to ``cos(a h)`` and ``sin(a h)``.

    Parameters
    ----------
    middle_angstrom, half_range_angstrom : float
        Heights from middle − half range to middle + half range are served.
    largest_rate : float
        Largest a = π λ k², rad/Å.
    weights_rh : (r, m) array of float32
        Functions of height at equal steps over the whole range.
    factors_ra : (r, n) array of float32
        Functions of frequency at equal steps of a from 0 to the largest.
    n_even : int
        So many of them, the first ones, make the cosine; the others make the sine.
    """

    middle_angstrom: float
    half_range_angstrom: float
    largest_rate: float
    weights_rh: NDArray[np.float32]
    factors_ra: NDArray[np.float32]
    n_even: int

    @property
    def rank(self) -> int:
        """Number of planes."""
        return len(self.weights_rh)

    @property
    def table_scale(self) -> tuple[float, float]:
        """First height of the table of weights, Å, and its steps per Å."""
        steps = self.weights_rh.shape[1] - 1
        return self.middle_angstrom - self.half_range_angstrom, steps / (2 * self.half_range_angstrom)

    def weights(self, heights_angstrom: Floats) -> NDArray[np.float32]:
        """Weights (m, r) with which matter at heights (m,) belongs to the planes."""
        steps = self.weights_rh.shape[1] - 1
        first, per_angstrom = self.table_scale
        position = np.clip((np.asarray(heights_angstrom) - first) * per_angstrom, 0, steps)
        row = np.minimum(position.astype(np.intp), steps - 1)
        part = (position - row)[:, None].astype(np.float32)
        table = self.weights_rh.T
        return np.ascontiguousarray(table[row] + part * (table[row + 1] - table[row]))


def height_basis(lowest_angstrom: float, highest_angstrom: float, largest_rate: float) -> HeightBasis:
    """Fewest planes that serve a range of heights up to a frequency.

    Parameters
    ----------
    lowest_angstrom, highest_angstrom : float
        Camera-frame heights.
    largest_rate : float
        ``π λ k²`` at the largest frequency, rad/Å.

    Returns
    -------
    HeightBasis
        Errs by at most 1e-3 in ``cos(a h)`` and ``sin(a h)``.
    """
    half_range = max(0.5 * (highest_angstrom - lowest_angstrom), 1e-3)
    reach = largest_rate * half_range
    heights = np.linspace(-1, 1, 2 * math.ceil(reach / _STEP_RAD) + 17)
    rates = np.linspace(0, 1, math.ceil(reach / _STEP_RAD) + 17)
    even = _factors(np.cos, reach, heights, rates)
    odd = _factors(np.sin, reach, heights, rates)
    return HeightBasis(
        middle_angstrom=0.5 * (lowest_angstrom + highest_angstrom),
        half_range_angstrom=half_range,
        largest_rate=largest_rate,
        weights_rh=np.concatenate([even[0], odd[0]]).astype(np.float32),
        factors_ra=np.concatenate([even[1], odd[1]]).astype(np.float32),
        n_even=len(even[0]),
    )


def _factors(wave: np.ufunc, reach: float, heights: Floats, rates: Floats) -> tuple[Floats, Floats]:
    """Functions of height and of rate, both relative to their largest, of ``wave(reach · rate · height)``.

    The decomposition is found on Gauss-Legendre nodes and carried to the tables by its own integral equation
    (Nyström's method).
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(24 + math.ceil(reach))
    nodes, root = 0.5 * (nodes + 1), np.sqrt(0.5 * node_weights)
    left, singular, right = np.linalg.svd(root[:, None] * wave(reach * np.outer(nodes, nodes)) * root)
    by_height = (left * root[:, None]).T @ wave(reach * np.outer(nodes, heights))
    by_rate = (right * root) @ wave(reach * np.outer(nodes, rates)) / np.maximum(singular, 1e-12)[:, None]
    # The tables are sampled finely for linear interpolation: the error is judged on every eighth entry, and at their
    # ends, where it is largest.
    some_heights, some_rates = (np.append(np.arange(0, len(table), 8), len(table) - 1) for table in (heights, rates))
    left_over = wave(reach * np.outer(rates[some_rates], heights[some_heights]))
    rank = 0
    while np.abs(left_over).max() > _TOLERANCE:
        left_over = left_over - np.outer(by_rate[rank, some_rates], by_height[rank, some_heights])
        rank += 1
    return by_height[:rank], by_rate[:rank]
