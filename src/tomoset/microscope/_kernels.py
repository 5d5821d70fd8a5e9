"""Compiled loops of the microscope; imported only by the functions that run them."""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["count_electrons", "slice_spectra", "stamp_patches"]

Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _tap_weights(table: Doubles, fraction: float, weights: Doubles) -> None:
    """Four weights of the interpolation kernel at an offset of 0 to 1, from a table with one row more than steps."""
    position = fraction * (table.shape[0] - 1)
    row = min(int(position), table.shape[0] - 2)
    part = position - row
    for i in range(4):
        weights[i] = table[row, i] + part * (table[row + 1, i] - table[row, i])


@njit(nogil=True, cache=True, error_model="numpy")
def slice_spectra(
    lattice_zyx: NDArray[np.complex64],
    first_zyx: tuple[int, int, int],
    table: Doubles,
    rotations: Doubles,
    offsets_xy_pixel: Doubles,
    lattice_per_frequency: float,
    spectra: NDArray[np.complex64],
) -> None:
    """Central slices of a molecule's transform, each with its own rotation and sub-pixel shift.

    Parameters
    ----------
    lattice_zyx : complex64 array
        Transform on an oversampled lattice of the half space kx ≥ 0, with the kernel's reach beyond kx = 0.
    first_zyx : tuple of int
        Lattice frequency of its element (0, 0, 0).
    table : (steps + 1, 4) array of float64
        Weights of the interpolation kernel by fractional offset.
    rotations : (m, 3, 3) array of float64
        Particle -> camera.
    offsets_xy_pixel : (m, 2) array of float64
        Where the centre goes, from the box's index N // 2, pixels.
    lattice_per_frequency : float
        Lattice steps per step of the box's discrete frequency.
    spectra : (m, n, n // 2 + 1) complex64 array
        Receives ``rfft2`` of the projections; the Nyquist row and column stay zero.
    """
    m, n, _ = spectra.shape
    half = n // 2
    wz, wy, wx = np.empty(4), np.empty(4), np.empty(4)
    row_phase = np.empty(half, dtype=np.complex128)
    z_first, y_first, x_first = first_zyx
    for p in range(m):
        r = rotations[p]
        ox, oy = offsets_xy_pixel[p, 0] + half, offsets_xy_pixel[p, 1] + half
        for i in range(half):
            angle = -2.0 * math.pi * i * ox / n
            row_phase[i] = complex(math.cos(angle), math.sin(angle))
        for row in range(n):
            spectra[p, row, half] = 0.0
            j = row if row < half else row - n
            if row == half:
                spectra[p, row, :] = 0.0
                continue
            angle = -2.0 * math.pi * j * oy / n
            column_phase = complex(math.cos(angle), math.sin(angle))
            for i in range(half):
                # The slice plane in the particle's own axes: transpose of the rotation.
                x = (r[0, 0] * i + r[1, 0] * j) * lattice_per_frequency
                y = (r[0, 1] * i + r[1, 1] * j) * lattice_per_frequency
                z = (r[0, 2] * i + r[1, 2] * j) * lattice_per_frequency
                mirrored = x < 0
                if mirrored:
                    x, y, z = -x, -y, -z
                x_floor, y_floor, z_floor = math.floor(x), math.floor(y), math.floor(z)
                _tap_weights(table, x - x_floor, wx)
                _tap_weights(table, y - y_floor, wy)
                _tap_weights(table, z - z_floor, wz)
                ix, iy, iz = x_floor - 1 - x_first, y_floor - 1 - y_first, z_floor - 1 - z_first
                real, imaginary = 0.0, 0.0
                for c in range(4):
                    for b in range(4):
                        weight = wz[c] * wy[b]
                        row_real, row_imaginary = 0.0, 0.0
                        for a in range(4):
                            value = lattice_zyx[iz + c, iy + b, ix + a]
                            row_real += wx[a] * value.real
                            row_imaginary += wx[a] * value.imag
                        real += weight * row_real
                        imaginary += weight * row_imaginary
                if mirrored:
                    imaginary = -imaginary
                spectra[p, row, i] = complex(real, imaginary) * row_phase[i] * column_phase


@njit(nogil=True, cache=True)
def stamp_patches(
    planes_hyx: NDArray[np.float32],
    patches: NDArray[np.float32],
    corners_yx: NDArray[np.int64],
    weights: NDArray[np.float32],
) -> None:
    """Add patches (m, n, n) to every plane with weights (m, h); what lies beyond the planes' edges is cut."""
    n_planes, height, width = planes_hyx.shape
    m, n, _ = patches.shape
    for p in range(m):
        y0, x0 = corners_yx[p, 0], corners_yx[p, 1]
        x_start, x_stop = max(x0, 0), min(x0 + n, width)
        for h in range(n_planes):
            weight = weights[p, h]
            for y in range(max(y0, 0), min(y0 + n, height)):
                for x in range(x_start, x_stop):
                    planes_hyx[h, y, x] += weight * patches[p, y - y0, x - x0]


_LANES = 64  # counters worked on at once; four pixels each
_PIXELS = 4 * _LANES


@njit(nogil=True, cache=True)
def _philox_block(first: int, words: tuple[int, int, int], key: tuple[int, int], bits: NDArray[np.uint32]) -> None:
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


# One row at a time: with two-dimensional indices in the innermost loop LLVM does not vectorise, which costs twofold.
@njit(nogil=True, cache=True)
def _next_probabilities(
    previous: NDArray[np.float32], mean: NDArray[np.float32], inverse: np.float32, row: NDArray[np.float32]
) -> None:
    """P(N = k) from P(N = k − 1)."""
    for i in range(_PIXELS):
        row[i] = previous[i] * mean[i] * inverse


@njit(nogil=True, cache=True)
def _count_below(
    row: NDArray[np.float32], uniform: NDArray[np.float32], tail: NDArray[np.float32], drawn: NDArray[np.float32]
) -> None:
    """Add P(N = k) to the tails, and one count where the uniform number lies below."""
    for i in range(_PIXELS):
        tail[i] += row[i]
        drawn[i] += np.float32(1.0) if uniform[i] < tail[i] else np.float32(0.0)


@njit(nogil=True, cache=True)
def count_electrons(
    mean_of_part: NDArray[np.float32],
    none_of_part: NDArray[np.float32],
    parts: int,
    largest: int,
    frame: int,
    key: tuple[int, int],
    counts: NDArray[np.uint8],
) -> None:
    """Draw Poisson counts by inversion of the cumulative distribution, without a branch.

    Parameters
    ----------
    mean_of_part, none_of_part : (n,) arrays of float32
        Mean of each pixel over ``parts``, ≥ 0, and exp(−mean), its probability of no count.
    parts : int
        Independent draws that are added: their sum is Poisson again, and each mean stays small enough for single
        precision.
    largest : int
        Largest count a part can give; beyond it must lie less than 1e-9 of the distribution.
    frame, key : int, (int, int)
        Which random numbers: pixel, part and frame are the counter of Philox4x32-10 (Salmon et al. 2011, SC '11).
    counts : (n,) array of uint8
        Receives the counts, at most 255.

    Notes
    -----
    The count is the number of k ≥ 1 with ``u < P(N ≥ k)``, the tails summed from their far, small end: sums from
    the near end lose the tail in single precision, which a chi-square test shows.
    """
    n = mean_of_part.shape[0]
    bits = np.empty((4, _LANES), dtype=np.uint32)
    uniform = np.empty(_PIXELS, dtype=np.float32)
    probability = np.ones((largest + 1, _PIXELS), dtype=np.float32)
    tail = np.empty(_PIXELS, dtype=np.float32)
    drawn = np.empty(_PIXELS, dtype=np.float32)
    mean = np.zeros(_PIXELS, dtype=np.float32)
    for block in range((n + _PIXELS - 1) // _PIXELS):
        start = block * _PIXELS
        size = min(_PIXELS, n - start)
        mean[:size] = mean_of_part[start : start + size]
        probability[0, :size] = none_of_part[start : start + size]
        drawn[:] = np.float32(0.0)
        for k in range(1, largest + 1):
            _next_probabilities(probability[k - 1], mean, np.float32(1.0 / k), probability[k])
        for part in range(parts):
            _philox_block(block * _LANES, (part, frame, 0), key, bits)
            for word in range(4):
                for lane in range(_LANES):
                    uniform[word * _LANES + lane] = np.float32(bits[word, lane]) * np.float32(2.0**-32)
            tail[:] = np.float32(0.0)
            for k in range(largest, 0, -1):
                _count_below(probability[k], uniform, tail, drawn)
        for i in range(size):
            counts[start + i] = np.uint8(min(drawn[i], np.float32(255.0)))
