"""Compiled inner loops of the low-rank search. Imported only inside the functions that use it."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.engines._gemm_kernels import LANES, cosine_and_sine_sums

__all__ = ["dot_patches", "pack_pair", "row_support", "template_product"]

_jit = numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})

Floats = NDArray[np.float32]


@_jit
def row_support(weight: Floats) -> NDArray[np.int64]:
    """First x and end of what is not 0 in rows (|kz|, ky) of a half grid, at kz or −kz: (nz // 2 + 1, ny, 2)."""
    nz, ny, nx = weight.shape
    out = np.zeros((nz // 2 + 1, ny, 2), dtype=np.int64)
    for k in range(nz // 2 + 1):
        for iy in range(ny):
            low, high = nx, 0
            for ix in range(nx):
                if weight[k, iy, ix] != 0 or weight[(nz - k) % nz, iy, ix] != 0:
                    low = min(low, ix)
                    high = ix + 1
            if high > 0:
                out[k, iy, 0], out[k, iy, 1] = low, high
    return out


@_jit
def _fold(rows: Floats, count: int, even: Floats, odd: Floats) -> None:
    """Sums and differences of places z and −z of the first entries of rows (n, m), n even, place 0 first."""
    n = rows.shape[0]
    half = n // 2
    for j in range(count):
        even[0, j] = rows[0, j]
        odd[0, j] = np.float32(0.0)
        even[half, j] = rows[half, j]
        odd[half, j] = -rows[half, j]  # the place −n / 2 has no partner
    for z in range(1, half):
        for j in range(count):
            even[z, j] = rows[z, j] + rows[n - z, j]
            odd[z, j] = rows[z, j] - rows[n - z, j]


@_jit
def template_product(
    lines: Floats,
    turns_y: tuple[Floats, Floats],
    turns_z: tuple[Floats, Floats],
    volume_hat: Floats,
    support: NDArray[np.int64],
    middle: Floats,
    out: Floats,
) -> None:
    """``out = volume_hat · conj(transform of a box)`` where there is support, else 0.

    Parameters
    ----------
    lines : (n, n, ≥ 2 x) array of float32
        A box with its last axis transformed, real and imaginary parts in turn; n even, place 0 first.
    turns_y, turns_z : pairs of (length // 2 + 1, n // 2 + 1) arrays of float32
        Cosine and sine of 2π k z / length.
    volume_hat : (z, y, ≥ 2 x) array of float32
        Half grid of the volume.
    support : (z // 2 + 1, y, 2) array of int
        From :func:`row_support`.
    middle : (n, y, 2 x) array of float32
        Room to work in.
    out : (z, y, 2 x) array of float32
        The first columns of the half grid, as far as there is support.
    """
    n, (nz, ny, nx2) = lines.shape[0], out.shape
    wide = (nx2 + LANES - 1) // LANES * LANES
    even, odd = np.zeros((n // 2 + 1, wide), np.float32), np.zeros((n // 2 + 1, wide), np.float32)
    p, q = np.empty(wide, np.float32), np.empty(wide, np.float32)
    used = np.zeros(ny, np.bool_)
    for iy in range(ny):
        used[iy] = support[:, iy, 1].max() > 0
    for z in range(n):
        _fold(lines[z], nx2, even, odd)
        for k in range(ny // 2 + 1):
            if not (used[k] or used[(ny - k) % ny]):
                continue
            cosine_and_sine_sums(even, odd, turns_y[0], turns_y[1], k, 0, nx2, p, q)
            mirrored = (ny - k) % ny
            _minus_i(p, q, np.float32(1), middle[z, k])
            if mirrored != k:
                _minus_i(p, q, np.float32(-1), middle[z, mirrored])
    for iy in range(ny):
        if not used[iy]:
            out[:, iy] = 0
            continue
        _fold(middle[:, iy], nx2, even, odd)
        for k in range(nz // 2 + 1):
            low, high = 2 * support[k, iy, 0], 2 * support[k, iy, 1]
            mirrored = (nz - k) % nz
            cosine_and_sine_sums(even, odd, turns_z[0], turns_z[1], k, low, high, p, q)
            _multiply(volume_hat[k, iy], p, q, np.float32(1), low, high, out[k, iy])
            if mirrored != k:
                _multiply(volume_hat[mirrored, iy], p, q, np.float32(-1), low, high, out[mirrored, iy])


@_jit
def _minus_i(p: Floats, q: Floats, sign: np.float32, out: Floats) -> None:
    """``out = p − i sign q``, complex as pairs of floats."""
    for j in range(np.uint64(0), np.uint64(out.size), np.uint64(2)):
        out[j] = p[j] + sign * q[j + np.uint64(1)]
        out[j + np.uint64(1)] = p[j + np.uint64(1)] - sign * q[j]


@_jit
def _multiply(row: Floats, p: Floats, q: Floats, sign: np.float32, low: int, high: int, out: Floats) -> None:
    """``out = row · conj(p − i sign q)`` between low and high, else 0; all complex as pairs of floats."""
    for j in range(low):
        out[j] = np.float32(0.0)
    one = np.uint64(1)
    for j in range(np.uint64(low), np.uint64(high), np.uint64(2)):
        re = p[j] + sign * q[j + one]
        im = p[j + one] - sign * q[j]
        out[j] = row[j] * re + row[j + one] * im
        out[j + one] = row[j + one] * re - row[j] * im
    for j in range(high, out.size):
        out[j] = np.float32(0.0)


@_jit
def _upper_half(bits: np.uint32) -> np.uint32:
    """A float32's bits rounded to those of a bfloat16, to even."""
    return (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)


@_jit
def pack_pair(
    first: NDArray[np.uint32], second: NDArray[np.uint32], start_zyx: tuple[int, int, int],
    core_zyx: tuple[int, int, int], out: NDArray[np.uint32]
) -> None:  # fmt: skip
    """The core of two planes, given by their bits, as pairs of bfloat16 one voxel behind the other."""
    z0, y0, x0 = start_zyx
    at = 0
    for iz in range(core_zyx[0]):
        for iy in range(core_zyx[1]):
            a, b = first[z0 + iz, y0 + iy], second[z0 + iz, y0 + iy]
            for ix in range(core_zyx[2]):
                out[at + ix] = _upper_half(a[x0 + ix]) | (_upper_half(b[x0 + ix]) << np.uint32(16))
            at += core_zyx[2]
    for i in range(at, out.size):
        out[i] = np.uint32(0)


@_jit
def dot_patches(volume: Floats, index_zyx: NDArray[np.int64], box: Floats) -> NDArray[np.float64]:
    """``Σ_j volume[index + j] box[j]`` at each index, in a volume and a box (place 0 first) that repeat."""
    nz, ny, nx = volume.shape
    n = box.shape[0]
    out = np.empty(index_zyx.shape[0])
    for i in range(index_zyx.shape[0]):
        cz, cy, cx = index_zyx[i]
        total = 0.0
        for jz in range(n):
            z = (cz + (jz if jz < n // 2 else jz - n)) % nz
            for jy in range(n):
                row = volume[z, (cy + (jy if jy < n // 2 else jy - n)) % ny]
                line = box[jz, jy]
                part = 0.0
                if cx >= n // 2 and cx + n // 2 <= nx:
                    for jx in range(n // 2):
                        part += row[cx + jx] * line[jx]
                    for jx in range(n // 2, n):
                        part += row[cx + jx - n] * line[jx]
                else:
                    for jx in range(n):
                        part += row[(cx + (jx if jx < n // 2 else jx - n)) % nx] * line[jx]
                total += part
        out[i] = total
    return out
