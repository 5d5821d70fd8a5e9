"""Compiled loop of the coincidence loss."""

import math

import numpy as np
from numba import njit  # noqa: TID253 (this module is imported by the functions that use it)
from numpy.typing import NDArray

from tomoset.microscope._counting_kernels import philox_block

_LANES = 64  # of philox_block: four words of 32 bits each, two pixels a word
_PIXELS = 8 * _LANES
_STREAM = 1  # third word of the counter; the Poisson draws of the same frame use 0


@njit(nogil=True, cache=True)
def _weigh_rows(
    above: NDArray[np.uint8],
    row: NDArray[np.uint8],
    below: NDArray[np.uint8],
    edge: np.float32,
    out: NDArray[np.float32],
) -> None:
    """Sum of three rows, the outer two weighted."""
    for x in range(row.shape[0]):
        out[x] = np.float32(row[x]) + edge * (np.float32(above[x]) + np.float32(below[x]))


@njit(nogil=True, cache=True)
def _weigh_columns(sums: NDArray[np.float32], edge: np.float32, out: NDArray[np.float32]) -> None:
    """The same along the row; less 1, the electron that looks for a neighbour itself."""
    n = sums.shape[0]
    out[0] = sums[0] + edge * sums[1] - np.float32(1.0)
    out[n - 1] = sums[n - 1] + edge * sums[n - 2] - np.float32(1.0)
    for x in range(1, n - 1):
        out[x] = sums[x] + edge * (sums[x - 1] + sums[x + 1]) - np.float32(1.0)


@njit(nogil=True, cache=True)
def _kept(n: int, rate: float, uniform: float) -> int:
    """Binomial draw of ``n`` electrons, each kept with exp(−rate), by inversion: the larger the number, the more.

    What is rarer, kept or lost, is counted, so that the probability of none does not underflow.
    """
    kept_each = math.exp(-rate)
    if kept_each > 0.5:
        return n - _drawn_below(n, 1.0 - kept_each, math.exp(-rate * n), uniform)
    return _drawn_below(n, kept_each, (1.0 - kept_each) ** n, 1.0 - uniform)


@njit(nogil=True, cache=True)
def _drawn_below(n: int, each: float, probability: float, uniform: float) -> int:
    """Largest k with ``uniform < P(K ≥ k)`` for K of ``n`` with ``each``; ``probability`` is that of none."""
    tail = 1.0 - probability
    odds = each / (1.0 - each)
    k = 0
    while uniform < tail and k < n:
        probability *= (n - k) / (k + 1.0) * odds
        tail -= probability
        k += 1
    return k


@njit(nogil=True, cache=True)
def lose_coincidences(
    counts_yx: NDArray[np.uint8],
    edge: np.float32,
    per_neighbour: np.float32,
    frame: int,
    key: tuple[int, int],
    kept_yx: NDArray[np.uint8],
) -> None:
    """Thin every pixel's electrons by what lies in its neighbourhood.

    Parameters
    ----------
    counts_yx : (y, x) array of uint8
    edge : float32
        Weight of the pixels beside the middle one; a corner's is its square.
    per_neighbour : float32
        Rate at which one neighbour takes an electron: 1 / (2 F) for F internal frames.
    frame, key : int, (int, int)
        Which random numbers of Philox4x32-10.
    kept_yx : (y, x) array of uint8
        Receives what is left.
    """
    height, width = counts_yx.shape
    blocks = (width + _PIXELS - 1) // _PIXELS
    bits = np.empty((4, _LANES), dtype=np.uint32)
    uniform = np.empty(_PIXELS, dtype=np.float32)
    sums = np.empty(width, dtype=np.float32)
    others = np.empty(width, dtype=np.float32)
    expected = np.empty(width, dtype=np.float32)
    none = np.zeros(width, dtype=np.uint8)
    half = np.uint32(0xFFFF)
    scale = np.float32(2.0**-16)
    for y in range(height):
        row, kept = counts_yx[y], kept_yx[y]
        _weigh_rows(counts_yx[y - 1] if y > 0 else none, row, counts_yx[y + 1] if y + 1 < height else none, edge, sums)
        _weigh_columns(sums, edge, others)
        for x in range(width):
            expected[x] = np.float32(row[x]) * others[x] * per_neighbour
            kept[x] = row[x]
        for block in range(blocks):
            philox_block((y * blocks + block) * _LANES, (0, frame, _STREAM), key, bits)
            for word in range(4):
                words = bits[word]
                for lane in range(_LANES):
                    i = 2 * word * _LANES + lane
                    uniform[i] = (np.float32(words[lane] & half) + np.float32(0.5)) * scale
                    uniform[i + _LANES] = (np.float32(words[lane] >> np.uint32(16)) + np.float32(0.5)) * scale
            start = block * _PIXELS
            for i in range(min(_PIXELS, width - start)):
                # 1 − exp(−m) ≤ m: most pixels are settled by this.
                if uniform[i] < expected[start + i]:
                    n = int(row[start + i])
                    kept[start + i] = _kept(n, float(others[start + i]) * float(per_neighbour), float(uniform[i]))
