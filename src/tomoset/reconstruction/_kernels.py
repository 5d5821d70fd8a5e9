"""Compiled loops of the reconstruction; imported only when a tomogram is made.

The tilt axis (y) is innermost: for fixed (z, x) every y of a block reads the same two rows with the same weights, so
that the innermost loop is a plain multiply-add over contiguous memory. The 64 y of a block are summed over all tilts
in registers. A tile of 32 x 32 voxels (z, x) needs rows that fit the second-level cache together, and its
table of rows and weights serves every block of y. Outputs, never sums, are divided between threads: the result does
not depend on their number.
"""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numba.core.errors import NumbaError  # noqa: TID253
from numpy.typing import NDArray

try:
    from tomoset.reconstruction._lanes import LANES, four_by_four, prove, sum_entries, sum_pairs, turn

    prove()
except (ImportError, AttributeError, NumbaError):  # a numba whose intrinsics are built in another way
    from tomoset.reconstruction._sums import LANES, four_by_four, sum_entries, sum_pairs, turn

__all__ = [
    "ROWS_Y",
    "TILE",
    "add_back_projected",
    "back_project_general",
    "back_project_tile",
    "entry_tables",
    "four_by_four",
    "pack_images",
    "project_tile",
    "project_volume",
    "unpack_blocks",
    "weigh_residual",
]

ROWS_Y = LANES
TILE = 32

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _row_table(
    n_rows: int, cos_rows: Doubles, sin_rows: Doubles, centre_rows: float, zx_first: tuple[float, float]
) -> tuple[NDArray[np.uint32], Floats]:
    """Where in a block of rows the voxels (TILE², tilts) of a tile read, and the weight of the second row."""
    offsets = np.empty((TILE * TILE, cos_rows.size), np.uint32)
    fractions = np.empty((TILE * TILE, cos_rows.size), np.float32)
    for iz in range(TILE):
        for ix in range(TILE):
            at = iz * TILE + ix
            for t in range(cos_rows.size):
                row = (zx_first[1] + ix) * cos_rows[t] + (zx_first[0] + iz) * sin_rows[t] + centre_rows
                below = np.int32(row)
                offsets[at, t] = np.uint32((np.int32(t) * np.int32(n_rows) + below) * np.int32(ROWS_Y))
                fractions[at, t] = np.float32(row - below)
    return offsets, fractions


@njit(nogil=True, cache=True)
def back_project_tile(
    rows: Floats,
    n_rows: int,
    cos_rows: Doubles,
    sin_rows: Doubles,
    centre_rows: float,
    volume: Floats,
    y_first: int,
    z_first: int,
    x_first: int,
) -> None:
    """Sum all tilts into 32 planes and 32 columns of ``volume`` (C order), from ``y_first`` as far as the rows reach.

    ``rows`` is (y blocks, tilts × n_rows × 64); ``cos_rows, sin_rows`` are the u rows that a voxel along x and z
    moves; ``centre_rows`` is the row of u = 0. Every row that a voxel of the volume reads exists: the caller made
    enough of them. Voxels at index N // 2 have x = 0 and z = 0.
    """
    nz, ny, nx = volume.shape
    flat = volume.reshape(-1)
    corner = (float(z_first - nz // 2), float(x_first - nx // 2))
    offsets, fractions = _row_table(n_rows, cos_rows, sin_rows, centre_rows, corner)
    n_z, n_x = min(TILE, nz - z_first), min(TILE, nx - x_first)
    columns = np.empty(TILE * ROWS_Y, np.float32)
    for block in range(rows.shape[0]):
        y = y_first + block * ROWS_Y
        n_y = min(ROWS_Y, ny - y)
        of_block = rows[block]
        for iz in range(n_z):
            for ix in range(n_x):
                sum_pairs(of_block, offsets, fractions, iz * TILE + ix, columns, ix * ROWS_Y)
            turn(columns, 0, ROWS_Y, (n_x, n_y), flat, ((z_first + iz) * ny + y) * nx + x_first, nx)


@njit(nogil=True, fastmath={"contract"}, cache=True)
def add_back_projected(
    rows: Floats,
    n_rows: int,
    cos_rows: Doubles,
    sin_rows: Doubles,
    centre_rows: float,
    blocks: Floats,
    shape_zx: tuple[int, int],
    factor: np.float32,
) -> None:
    """Add ``factor`` × the sum of all tilts to ``blocks`` (y blocks, z × x × 64)."""
    nz, nx = shape_zx
    total = np.empty(ROWS_Y, np.float32)
    for z in range(0, nz, TILE):
        for x in range(0, nx, TILE):
            corner = (float(z - nz // 2), float(x - nx // 2))
            offsets, fractions = _row_table(n_rows, cos_rows, sin_rows, centre_rows, corner)
            for block in range(rows.shape[0]):
                of_block, volume = rows[block], blocks[block]
                for iz in range(min(TILE, nz - z)):
                    for ix in range(min(TILE, nx - x)):
                        sum_pairs(of_block, offsets, fractions, iz * TILE + ix, total, 0)
                        place = np.uint64(((z + iz) * nx + x + ix) * ROWS_Y)
                        for i in range(np.uint64(ROWS_Y)):
                            volume[place + i] += factor * total[i]


@njit(nogil=True, cache=True)
def entry_tables(
    cos_rows: Doubles,
    sin_rows: Doubles,
    centre_rows: float,
    corner_zx: tuple[float, float],
    shape_zx: tuple[int, int],
    z_stride: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32], Floats]:
    """Which voxels of a tile the rows of each view read, and their weights: the transpose of ``_row_table``.

    Returned are, for each view, the first row, where each row's entries begin, and their voxels and weights.
    """
    n_z, n_x = shape_zx
    n_t = cos_rows.size
    longest = 0
    for t in range(n_t):
        longest = max(longest, int(abs(cos_rows[t]) * n_x + abs(sin_rows[t]) * n_z) + 6)
    first = np.empty(n_t, np.int64)
    begins = np.zeros((n_t, longest), np.int64)
    offsets = np.empty((n_t, 2 * n_z * n_x), np.uint32)
    weights = np.empty((n_t, 2 * n_z * n_x), np.float32)
    for t in range(n_t):
        cos, sin, begin = cos_rows[t], sin_rows[t], begins[t]
        corner = corner_zx[1] * cos + corner_zx[0] * sin + centre_rows
        first[t] = int(corner + min(0.0, cos * n_x) + min(0.0, sin * n_z)) - 1
        for iz in range(n_z):
            for ix in range(n_x):
                below = int((corner_zx[1] + ix) * cos + (corner_zx[0] + iz) * sin + centre_rows) - first[t]
                begin[below + 2] += 1
                begin[below + 3] += 1
        for row in range(3, longest):
            begin[row] += begin[row - 1]
        for iz in range(n_z):
            for ix in range(n_x):
                row_at = (corner_zx[1] + ix) * cos + (corner_zx[0] + iz) * sin + centre_rows
                below = int(row_at)
                fraction = np.float32(row_at - below)
                for beside, weight in ((1, np.float32(1.0) - fraction), (2, fraction)):
                    at = begin[below - first[t] + beside]
                    offsets[t, at] = np.uint32(iz * z_stride + ix * ROWS_Y)
                    weights[t, at] = weight
                    begin[below - first[t] + beside] = at + 1
    return first, begins, offsets, weights


@njit(nogil=True, cache=True)
def _project_tile(
    volume: Floats,
    rows: Floats,
    first: NDArray[np.int64],
    begins: NDArray[np.int64],
    offsets: NDArray[np.uint32],
    weights: Floats,
    n_rows: int,
    start: int,
) -> None:
    """Add the projections of a tile of one y block, whose first voxel is ``volume[start]``, to all views' rows."""
    for t in range(first.size):
        for row in range(begins.shape[1] - 1):
            low, high = begins[t, row], begins[t, row + 1]
            if high > low:
                sum_entries(volume, offsets, weights, t, low, high, start, rows, (t * n_rows + first[t] + row) * ROWS_Y)


@njit(nogil=True, cache=True)
def project_tile(
    blocks: Floats,
    rows: Floats,
    n_rows: int,
    first: NDArray[np.int64],
    begins: NDArray[np.int64],
    offsets: NDArray[np.uint32],
    weights: Floats,
    start: int,
) -> None:
    """Add the projections of a tile of ``blocks`` (y blocks, z × x × 64) to ``rows`` (y blocks, tilts × n_rows × 64).

    The tile's first voxel begins at ``start`` in each block; the tables are those of ``entry_tables``.
    """
    for block in range(rows.shape[0]):
        _project_tile(blocks[block], rows[block], first, begins, offsets, weights, n_rows, start)


@njit(nogil=True, cache=True)
def project_volume(
    volume: Floats,
    y_first: int,
    rows: Floats,
    n_rows: int,
    cos_rows: Doubles,
    sin_rows: Doubles,
    centre_rows: float,
) -> None:
    """Add the projections of ``volume[:, y_first:]``, as far as they reach, to ``rows`` (y blocks, …) as above."""
    nz, ny, nx = volume.shape
    flat = volume.reshape(-1)
    tile = np.zeros(TILE * TILE * ROWS_Y, np.float32)
    for z in range(0, nz, TILE):
        for x in range(0, nx, TILE):
            n_z, n_x = min(TILE, nz - z), min(TILE, nx - x)
            corner = (float(z - nz // 2), float(x - nx // 2))
            table = entry_tables(cos_rows, sin_rows, centre_rows, corner, (n_z, n_x), TILE * ROWS_Y)
            for block in range(rows.shape[0]):
                y = y_first + block * ROWS_Y
                n_y = min(ROWS_Y, ny - y)
                if n_y < ROWS_Y:
                    tile[:] = np.float32(0.0)
                for iz in range(n_z):
                    turn(flat, ((z + iz) * ny + y) * nx + x, nx, (n_y, n_x), tile, iz * TILE * ROWS_Y, ROWS_Y)
                _project_tile(tile, rows[block], table[0], table[1], table[2], table[3], n_rows, 0)


@njit(nogil=True, cache=True)
def weigh_residual(rows: Floats, projected: Floats, seen: Floats, weight: Floats, subset: NDArray[np.intp]) -> float:
    """Replace projections by what they lack, times ``weight`` of their view; return its unweighted sum of squares.

    ``rows, seen`` are (y blocks, views, u, 64); ``projected`` holds the views of ``subset`` alone.
    """
    total = 0.0
    for block in range(rows.shape[0]):
        for t in range(subset.size):
            view = subset[t]
            factor = weight[view]
            for u in range(rows.shape[2]):
                squares = np.float32(0.0)
                for i in range(rows.shape[3]):
                    lacking = seen[block, view, u, i] * (rows[block, view, u, i] - projected[block, t, u, i])
                    squares += lacking * lacking
                    projected[block, t, u, i] = lacking * factor
                total += float(squares)
    return total


@njit(nogil=True, cache=True)
def unpack_blocks(blocks: Floats, volume: Floats, y_first: int) -> None:
    """Copy ``blocks`` (y blocks, z × x × 64) to ``volume[:, y_first:]`` as far as both reach."""
    nz, ny, nx = volume.shape
    flat = volume.reshape(-1)
    for block in range(blocks.shape[0]):
        y = y_first + block * ROWS_Y
        for iz in range(nz):
            shape = (nx, min(ROWS_Y, ny - y))
            turn(blocks[block], iz * nx * ROWS_Y, ROWS_Y, shape, flat, (iz * ny + y) * nx, nx)


@njit(nogil=True, cache=True)
def pack_images(images: Floats, rows: Floats, first_u: int) -> None:
    """Copy images (tilts, y, u) to ``rows`` (y blocks, tilts, u rows, 64) from row ``first_u``."""
    n, n_y, n_u = images.shape
    source, target = images.reshape(-1), rows.reshape(-1)
    for t in range(n):
        for block in range(rows.shape[0]):
            y = block * ROWS_Y
            at = ((block * rows.shape[1] + t) * rows.shape[2] + first_u) * ROWS_Y
            turn(source, (t * n_y + y) * n_u, n_u, (min(ROWS_Y, n_y - y), n_u), target, at, ROWS_Y)


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
