"""Compiled loops that draw counted electrons; imported only by the functions that run them."""

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["BLOCK_PIXELS", "LARGEST_PART", "count_electrons", "philox_block"]

# Beyond 12 counts lie 8e-10 of a Poisson distribution of this mean; a larger mean is drawn in parts.
LARGEST_PART = 1.25
_LANES = 64  # counters worked on at once; four pixels each
BLOCK_PIXELS = 4 * _LANES


@njit(nogil=True, cache=True)
def philox_block(first: int, words: tuple[int, int, int], key: tuple[int, int], bits: NDArray[np.uint32]) -> None:
    """Fill ``bits`` (4, lanes) with Philox4x32-10 of the counters (first + lane, words…)."""
    mask = np.uint64(0xFFFFFFFF)
    m0, m1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
    shift = np.uint64(32)
    for lane in range(_LANES):
        c0, c1 = np.uint64(first + lane) & mask, np.uint64(words[0])
        c2, c3 = np.uint64(words[1]), np.uint64(words[2])
        k0, k1 = np.uint64(key[0]), np.uint64(key[1])
        for _ in range(10):
            p0, p1 = m0 * c0, m1 * c2
            c0, c1, c2, c3 = (p1 >> shift) ^ c1 ^ k0, p1 & mask, (p0 >> shift) ^ c3 ^ k1, p0 & mask
            k0, k1 = (k0 + np.uint64(0x9E3779B9)) & mask, (k1 + np.uint64(0xBB67AE85)) & mask
        bits[0, lane], bits[1, lane] = np.uint32(c0), np.uint32(c1)
        bits[2, lane], bits[3, lane] = np.uint32(c2), np.uint32(c3)


# Written out, not as a loop over k: only then does LLVM keep the twelve powers of many pixels in registers,
# which makes it three times as fast.
@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_counts(
    mean: NDArray[np.float32], share: np.float32, bits: NDArray[np.uint32], drawn: NDArray[np.float32]
) -> None:
    """Add one Poisson draw of mean ``share`` · ``mean`` ≤ 1.25 to each pixel of a block.

    The uniform number and all probabilities are multiplied by exp(mean), so that P(N = k) is mean^k / k!.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    for i in range(BLOCK_PIXELS):
        m = mean[i] * share
        # exp(m) = exp(m / 64) to the 64th, the former by its series: errs by 4e-6 at most.
        y = m * np.float32(1 / 64)
        e = one + y * (one + y * (np.float32(1 / 2) + y * (np.float32(1 / 6) + y * np.float32(1 / 24))))
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        e = e * e
        u = np.float32(bits[i]) * np.float32(2.0**-32) * (e * e)
        m2 = m * m
        m3 = m2 * m
        m4 = m3 * m
        m5 = m4 * m
        m6 = m5 * m
        m7 = m6 * m
        m8 = m7 * m
        m9 = m8 * m
        m10 = m9 * m
        m11 = m10 * m
        m12 = m11 * m
        tail = m12 * np.float32(1 / 479001600)
        count = one if u < tail else zero
        tail = tail + m11 * np.float32(1 / 39916800)
        count = count + (one if u < tail else zero)
        tail = tail + m10 * np.float32(1 / 3628800)
        count = count + (one if u < tail else zero)
        tail = tail + m9 * np.float32(1 / 362880)
        count = count + (one if u < tail else zero)
        tail = tail + m8 * np.float32(1 / 40320)
        count = count + (one if u < tail else zero)
        tail = tail + m7 * np.float32(1 / 5040)
        count = count + (one if u < tail else zero)
        tail = tail + m6 * np.float32(1 / 720)
        count = count + (one if u < tail else zero)
        tail = tail + m5 * np.float32(1 / 120)
        count = count + (one if u < tail else zero)
        tail = tail + m4 * np.float32(1 / 24)
        count = count + (one if u < tail else zero)
        tail = tail + m3 * np.float32(1 / 6)
        count = count + (one if u < tail else zero)
        tail = tail + m2 * np.float32(1 / 2)
        count = count + (one if u < tail else zero)
        tail = tail + m
        drawn[i] += count + (one if u < tail else zero)


@njit(nogil=True, cache=True)
def count_electrons(
    mean: NDArray[np.float32], parts: NDArray[np.uint16], frame: int, key: tuple[int, int], counts: NDArray[np.uint8]
) -> None:
    """Draw Poisson counts by inversion of the cumulative distribution, without a branch.

    Parameters
    ----------
    mean : (n,) array of float32
        Of each pixel, ≥ 0.
    parts : (ceil(n / 256),) array of uint16
        In how many parts each block of 256 pixels is drawn, so that none has a mean above 1.25; their sum is Poisson.
    frame, key : int, (int, int)
        Which random numbers: pixel, part and frame are the counter of Philox4x32-10 (Salmon et al. 2011, SC '11).
    counts : (n,) array of uint8
        Receives the counts, at most 255.

    Notes
    -----
    The count is the number of k ≥ 1 with ``u < P(N ≥ k)``, the tails summed from their far, small end: sums from
    the near end lose the tail in single precision, which a chi-square test shows.
    """
    n = mean.shape[0]
    bits = np.empty((4, _LANES), dtype=np.uint32)
    bits_in_a_row = bits.reshape(-1)
    drawn = np.empty(BLOCK_PIXELS, dtype=np.float32)
    padded = np.zeros(BLOCK_PIXELS, dtype=np.float32)
    for block in range(len(parts)):
        start = block * BLOCK_PIXELS
        size = min(BLOCK_PIXELS, n - start)
        if size == BLOCK_PIXELS:
            block_mean = mean[start : start + BLOCK_PIXELS]
        else:
            padded[:size] = mean[start : start + size]
            block_mean = padded
        share = np.float32(1.0 / parts[block])
        drawn[:] = np.float32(0.0)
        for part in range(parts[block]):
            philox_block(block * _LANES, (part, frame, 0), key, bits)
            _add_counts(block_mean, share, bits_in_a_row, drawn)
        if parts[block] > 255 // 12:
            for i in range(size):
                counts[start + i] = np.uint8(min(drawn[i], np.float32(255.0)))
        else:  # no sum of so few parts reaches 255, and without the comparison the loop is vectorised
            for i in range(size):
                counts[start + i] = np.uint8(drawn[i])
