"""The sums of ``_gemm_lanes.py`` as plain loops, for a numba that does not take its intrinsics."""

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["HAS_PAIR_PRODUCTS", "LANES", "ROTATIONS", "cosine_and_sine_sums", "extremes_of_blocks"]

HAS_PAIR_PRODUCTS = False
LANES = 64
ROTATIONS = 6

Floats = NDArray[np.float32]
Pairs = NDArray[np.uint32]

_LOWER = np.uint32(0xFFFF0000)


@njit(nogil=True, fastmath={"contract"}, cache=True)
def extremes_of_blocks(
    planes: Pairs,
    coefficients: Pairs,
    first: int,
    last: int,
    best: Floats,
    which: NDArray[np.int32],
    worst: Floats,
    which_worst: NDArray[np.int32],
) -> None:
    """Largest and smallest score of voxels ``first`` to below ``last`` over all rotations, as the other file says."""
    n_pairs = planes.shape[0]
    wide = np.empty((2 * n_pairs, LANES), np.float32)
    factor_bits = np.empty(2, np.uint32)
    total = np.empty(LANES, np.float32)
    for start in range(first, last, LANES):
        for p in range(n_pairs):
            wide[2 * p] = (planes[p, start : start + LANES] << np.uint32(16)).view(np.float32)
            wide[2 * p + 1] = (planes[p, start : start + LANES] & _LOWER).view(np.float32)
        for group in range(coefficients.shape[0]):
            for offset in range(ROTATIONS):
                total[:] = 0
                for p in range(n_pairs):
                    factor_bits[0] = coefficients[group, p, offset] << np.uint32(16)
                    factor_bits[1] = coefficients[group, p, offset] & _LOWER
                    factors = factor_bits.view(np.float32)
                    for i in range(LANES):
                        total[i] += factors[0] * wide[2 * p, i] + factors[1] * wide[2 * p + 1, i]
                number = np.int32(group * ROTATIONS + offset)
                for i in range(LANES):
                    if total[i] > best[start + i]:
                        best[start + i], which[start + i] = total[i], number
                    if total[i] < worst[start + i]:
                        worst[start + i], which_worst[start + i] = total[i], number


@njit(nogil=True, fastmath={"contract"}, cache=True)
def cosine_and_sine_sums(
    even: Floats, odd: Floats, cosine: Floats, sine: Floats, row: int, low: int, high: int, p: Floats, q: Floats
) -> None:
    """``p = Σ_z cosine[row, z] even[z]`` and ``q = Σ_z sine[row, z] odd[z]`` for entries ``low`` to below ``high``."""
    for j in range(low, high):
        p[j] = np.float32(0.0)
        q[j] = np.float32(0.0)
    for z in range(even.shape[0]):
        c, s = cosine[row, z], sine[row, z]
        for j in range(low, high):
            p[j] += c * even[z, j]
            q[j] += s * odd[z, j]
