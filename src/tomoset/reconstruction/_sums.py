"""The sums of ``_lanes.py`` as plain loops: what they mean, and what runs where those intrinsics do not compile."""

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["LANES", "four_by_four", "sum_entries", "sum_pairs", "turn"]

LANES = 64

Floats = NDArray[np.float32]
Offsets = NDArray[np.uint32]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def four_by_four(image: Floats, place: int, step: int, table: Floats, of_rows: int, of_columns: int) -> np.float32:
    """``Σ_ij table[of_rows + i] table[of_columns + j] image[place + i * step + j]`` for i and j below 4."""
    total = np.float32(0.0)
    for j in range(np.uint64(4)):
        column = np.float32(0.0)
        for i in range(np.uint64(4)):
            column += image[np.uint64(place) + i * np.uint64(step) + j] * table[np.uint64(of_rows) + i]
        total += column * table[np.uint64(of_columns) + j]
    return total


@njit(nogil=True, fastmath={"contract"}, cache=True)
def sum_pairs(rows: Floats, offsets: Offsets, fractions: Floats, line: int, out: Floats, out_at: int) -> None:
    """``out[out_at + i] = Σ_t (1 − f_t) rows[o_t + i] + f_t rows[o_t + 64 + i]`` for i below 64.

    ``offsets, fractions`` are tables of which ``line`` is read: slices of arrays cost more than these sums.
    """
    first, width, table = np.uint64(out_at), np.uint64(LANES), np.uint64(line)
    one = np.float32(1.0)
    for i in range(width):
        out[first + i] = np.float32(0.0)
    for t in range(np.uint64(offsets.shape[1])):
        at = np.uint64(offsets[table, t])
        beside = at + width
        fraction = fractions[table, t]
        rest = one - fraction
        for i in range(width):
            out[first + i] = out[first + i] + rest * rows[at + i] + fraction * rows[beside + i]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def sum_entries(
    volume: Floats,
    offsets: Offsets,
    weights: Floats,
    line: int,
    first: int,
    last: int,
    start: int,
    out: Floats,
    out_at: int,
) -> None:
    """``out[out_at + i] += Σ_k w_k volume[o_k + start + i]`` for k from ``first`` to below ``last``, i below 64."""
    target, width, table = np.uint64(out_at), np.uint64(LANES), np.uint64(line)
    for k in range(np.uint64(first), np.uint64(last)):
        at = np.uint64(offsets[table, k]) + np.uint64(start)
        weight = weights[table, k]
        for i in range(width):
            out[target + i] = out[target + i] + weight * volume[at + i]


@njit(nogil=True, cache=True)
def turn(
    source: Floats, source_at: int, source_step: int, shape: tuple[int, int], target: Floats, at: int, step: int
) -> None:
    """``target[at + j * step + i] = source[source_at + i * source_step + j]`` for (i, j) within ``shape``."""
    for i in range(np.uint64(shape[0])):
        line = np.uint64(source_at) + i * np.uint64(source_step)
        for j in range(np.uint64(shape[1])):
            target[np.uint64(at) + j * np.uint64(step) + i] = source[line + j]
