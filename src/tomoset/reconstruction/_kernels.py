"""Compiled loops of the reconstruction; imported only when a tomogram is made.

The back-projection keeps the tilt axis (y) innermost: for fixed (z, x) every y of a block reads the same two rows with
the same weights, so that the innermost loop is a plain multiply-add over contiguous memory. Indices are unsigned
(negative-index wrap-around would keep LLVM from vectorising) and outputs, never sums, are divided between threads:
the result does not depend on their number.
"""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["ROWS_Y", "TILE_X", "back_project_general", "back_project_tile"]

# A block of 128 float32 is eight AVX-512 registers; four tilts a pass and tiles of 8 x keep all tilts' rows in L2.
ROWS_Y = 128
TILE_X = 8
_TILTS_A_PASS = 4

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def back_project_tile(
    rows: Floats,
    n_rows: int,
    cos_rows: Doubles,
    sin_rows: Doubles,
    centre_rows: float,
    volume: Floats,
    y_first: int,
    x_first: int,
) -> None:
    """Sum all tilts into ``volume[:, y_first : y_first + 128, x_first : x_first + 8]``.

    ``rows`` is one y block, flat (tilts × n_rows × 128), the number of tilts a multiple of 4; ``cos_rows, sin_rows``
    are the u rows that a voxel along x and z moves; ``centre_rows`` is the row of u = 0. Every row that a voxel of the
    volume reads exists: the caller made enough of them. Voxels at index N // 2 have x = 0 and z = 0.
    """
    nz, ny, nx = volume.shape
    tile = np.empty((TILE_X, ROWS_Y), np.float32)
    n_x = min(TILE_X, nx - x_first)
    n_y = min(ROWS_Y, ny - y_first)
    for iz in range(nz):
        z = float(iz - nz // 2)
        for ix in range(n_x):
            x = float(x_first + ix - nx // 2)
            row = np.uint64(ix)
            for y in range(np.uint64(ROWS_Y)):
                tile[row, y] = np.float32(0.0)
            for t in range(0, cos_rows.size, _TILTS_A_PASS):
                p0 = x * cos_rows[t] + z * sin_rows[t] + centre_rows
                p1 = x * cos_rows[t + 1] + z * sin_rows[t + 1] + centre_rows
                p2 = x * cos_rows[t + 2] + z * sin_rows[t + 2] + centre_rows
                p3 = x * cos_rows[t + 3] + z * sin_rows[t + 3] + centre_rows
                i0, i1, i2, i3 = int(p0), int(p1), int(p2), int(p3)
                b0, b1, b2, b3 = np.float32(p0 - i0), np.float32(p1 - i1), np.float32(p2 - i2), np.float32(p3 - i3)
                one = np.float32(1.0)
                a0, a1, a2, a3 = one - b0, one - b1, one - b2, one - b3
                o0 = np.uint64((t * n_rows + i0) * ROWS_Y)
                o1 = np.uint64(((t + 1) * n_rows + i1) * ROWS_Y)
                o2 = np.uint64(((t + 2) * n_rows + i2) * ROWS_Y)
                o3 = np.uint64(((t + 3) * n_rows + i3) * ROWS_Y)
                width = np.uint64(ROWS_Y)
                for y in range(width):
                    tile[row, y] += (
                        a0 * rows[o0 + y]
                        + b0 * rows[o0 + width + y]
                        + a1 * rows[o1 + y]
                        + b1 * rows[o1 + width + y]
                        + a2 * rows[o2 + y]
                        + b2 * rows[o2 + width + y]
                        + a3 * rows[o3 + y]
                        + b3 * rows[o3 + width + y]
                    )
        for y in range(np.uint64(n_y)):
            line = volume[iz, np.uint64(y_first) + y]
            for ix in range(np.uint64(n_x)):
                line[np.uint64(x_first) + ix] = tile[ix, y]


@njit(nogil=True, cache=True)
def back_project_general(
    rows: Floats, to_u: Doubles, to_v: Doubles, centre_u: float, centre_v: float, volume: Floats, z_index: int
) -> None:
    """Sum all tilts into one z plane for views that are not tilted about y alone (bilinear, voxel by voxel).

    ``rows`` is (tilts, u rows, v); ``to_u, to_v`` (tilts, 3) turn voxel offsets (x, y, z) into rows and columns.
    """
    nz, ny, nx = volume.shape
    n_u, n_v = rows.shape[1], rows.shape[2]
    z = float(z_index - nz // 2)
    for iy in range(ny):
        y = float(iy - ny // 2)
        for ix in range(nx):
            x = float(ix - nx // 2)
            total = 0.0
            for t in range(rows.shape[0]):
                u = to_u[t, 0] * x + to_u[t, 1] * y + to_u[t, 2] * z + centre_u
                v = to_v[t, 0] * x + to_v[t, 1] * y + to_v[t, 2] * z + centre_v
                iu, iv = math.floor(u), math.floor(v)
                if iu < 0 or iv < 0 or iu + 1 >= n_u or iv + 1 >= n_v:
                    continue
                fu, fv = u - iu, v - iv
                low = (1 - fv) * rows[t, iu, iv] + fv * rows[t, iu, iv + 1]
                high = (1 - fv) * rows[t, iu + 1, iv] + fv * rows[t, iu + 1, iv + 1]
                total += (1 - fu) * low + fu * high
            volume[z_index, iy, ix] = np.float32(total)
