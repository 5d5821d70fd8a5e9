"""Compiled loops of packing; imported only by the functions that run them.

The grid is one bit a voxel along x: ``bits_zyb[z, y, x >> 3]`` holds eight voxels. It is periodic in x and y.
"""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "all_free",
    "dilate",
    "first_free_along",
    "insert_copies",
    "mark_near",
    "merge",
    "place_points",
    "take_beyond",
    "take_by_corners",
    "take_near",
]

Floats = NDArray[np.float64]
Bits = NDArray[np.uint8]


@numba.njit(cache=True)
def mark_near(mask_zyx: NDArray[np.bool_], points_zyx: Floats, reach: float) -> None:
    """Mark voxels whose centre lies within ``reach`` voxels of a point; the mask must hold them all."""
    r2 = reach * reach
    for p in range(len(points_zyx)):
        z, y, x = points_zyx[p]
        for i in range(int(np.ceil(z - reach)), int(np.floor(z + reach)) + 1):
            for j in range(int(np.ceil(y - reach)), int(np.floor(y + reach)) + 1):
                rest = r2 - (i - z) ** 2 - (j - y) ** 2
                if rest < 0:
                    continue
                half = np.sqrt(rest)
                for k in range(int(np.ceil(x - half)), int(np.floor(x + half)) + 1):
                    mask_zyx[i, j, k] = True


@numba.njit(cache=True)
def _wrapped(i: int, n: int) -> int:
    if i < 0:
        return i + n
    return i - n if i >= n else i


@numba.njit(cache=True)
def _take_row(bits: Bits, start: int, nx: int, first: int, last: int) -> None:
    """Take voxels ``first`` to ``last`` of the row whose bytes begin at ``start``, periodic."""
    if first < 0 or last >= nx:
        for k in range(first, last + 1):
            column = k % nx
            bits[start + (column >> 3)] |= np.uint8(1 << (column & 7))
        return
    a, b = start + (first >> 3), start + (last >> 3)
    head, tail = np.uint8((255 << (first & 7)) & 255), np.uint8(255 >> (7 - (last & 7)))
    if a == b:
        bits[a] |= head & tail
        return
    bits[a] |= head
    for byte in range(a + 1, b):
        bits[byte] = np.uint8(255)
    bits[b] |= tail


@numba.njit(cache=True)
def _take_ball(bits_zyb: Bits, nx: int, z: float, y: float, x: float, reach: float) -> None:
    nz, ny, nb = bits_zyb.shape
    bits = bits_zyb.reshape(-1)
    r2 = reach * reach
    for i in range(max(int(np.ceil(z - reach)), 0), min(int(np.floor(z + reach)), nz - 1) + 1):
        rest_z = r2 - (i - z) * (i - z)
        for j in range(int(np.ceil(y - reach)), int(np.floor(y + reach)) + 1):
            rest = rest_z - (j - y) * (j - y)
            if rest < 0:
                continue
            half = np.sqrt(rest)
            first, last = int(np.ceil(x - half)), int(np.floor(x + half))
            if last >= first:
                row = j if 0 <= j < ny else j % ny
                _take_row(bits, (i * ny + row) * nb, nx, first, last)


@numba.njit(cache=True)
def take_near(bits_zyb: Bits, nx: int, points_zyx: Floats, reach: float) -> None:
    """Take voxels whose centre lies within ``reach`` voxels of a point; periodic in x and y, cut at the walls in z."""
    for p in range(len(points_zyx)):
        z, y, x = points_zyx[p]
        _take_ball(bits_zyb, nx, z, y, x, reach)


@numba.njit(cache=True)
def all_free(bits_zyb: Bits, nx: int, points_zyx: Floats) -> bool:
    """Whether all points lie in free voxels, between the walls in z."""
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    for p in range(len(points_zyx)):
        i, j = int(np.floor(points_zyx[p, 0] + 0.5)), int(np.floor(points_zyx[p, 1] + 0.5)) % ny
        k = int(np.floor(points_zyx[p, 2] + 0.5)) % nx
        if i < 0 or i >= nz or bits_zyb[i, j, k >> 3] >> (k & 7) & 1:
            return False
    return True


@numba.njit(cache=True)
def place_points(
    points_xyz: Floats, rotations: Floats, offsets_xyz: Floats, placed_zyx: Floats, z_extents: NDArray[np.int64]
) -> None:
    """Points (n, 3) turned by each rotation and shifted: (m, n, 3) zyx, with the lowest and highest voxel in z."""
    for m in range(len(rotations)):
        r = rotations[m]
        lowest, highest = np.inf, -np.inf
        for p in range(len(points_xyz)):
            x, y, z = points_xyz[p]
            turned = r[2, 0] * x + r[2, 1] * y + r[2, 2] * z + offsets_xyz[m, 2]
            placed_zyx[m, p, 0] = turned
            placed_zyx[m, p, 1] = r[1, 0] * x + r[1, 1] * y + r[1, 2] * z + offsets_xyz[m, 1]
            placed_zyx[m, p, 2] = r[0, 0] * x + r[0, 1] * y + r[0, 2] * z + offsets_xyz[m, 0]
            lowest, highest = min(lowest, turned), max(highest, turned)
        z_extents[m, 0], z_extents[m, 1] = int(np.floor(lowest + 0.5)), int(np.floor(highest + 0.5))


@numba.njit(cache=True)
def _is_free(bits_zyb: Bits, nx: int, placed_zyx: Floats, z: int, y: int, x: int) -> bool:
    """Whether the points of a pose that stands at a voxel all lie in free voxels; the caller checks the walls in z."""
    ny = bits_zyb.shape[1]
    for p in range(len(placed_zyx)):
        i = int(np.floor(placed_zyx[p, 0] + (z + 0.5)))
        j = _wrapped(int(np.floor(placed_zyx[p, 1] + (y + 0.5))), ny)
        k = _wrapped(int(np.floor(placed_zyx[p, 2] + (x + 0.5))), nx)
        if bits_zyb[i, j, k >> 3] >> (k & 7) & 1:
            return False
    return True


@numba.njit(cache=True)
def _take_pose(bits_zyb: Bits, nx: int, placed_zyx: Floats, reach: float, z: int, y: int, x: int) -> None:
    for p in range(len(placed_zyx)):
        _take_ball(bits_zyb, nx, placed_zyx[p, 0] + z, placed_zyx[p, 1] + y, placed_zyx[p, 2] + x, reach)


@numba.njit(cache=True)
def insert_copies(
    bits_zyb: Bits,
    nx: int,
    draws: NDArray[np.int64],
    placed_zyx: Floats,
    z_extents: NDArray[np.int64],
    reach: float,
    unused: NDArray[np.int64],
    accepted: NDArray[np.int64],
) -> tuple[int, int]:
    """Try proposals in turn until ``accepted`` is full, every pose is used, or the proposals are used up.

    ``draws`` (n, 4) holds a number that chooses one of the unused poses, and z, y, x of each proposal.
    ``unused`` (m,) holds the poses to choose from; those accepted are moved to its end.
    ``accepted`` (k, 4) receives pose, z, y, x. Returns how many were accepted, and the failures since the last one.
    """
    nz = bits_zyb.shape[0]
    n_accepted, failures, n_unused = 0, 0, len(unused)
    for d in range(len(draws)):
        if n_accepted == len(accepted) or n_unused == 0:
            break
        choice = draws[d, 0] % n_unused
        pose = unused[choice]
        z, y, x = draws[d, 1], draws[d, 2], draws[d, 3]
        inside = z + z_extents[pose, 0] >= 0 and z + z_extents[pose, 1] < nz
        if not (inside and _is_free(bits_zyb, nx, placed_zyx[pose], z, y, x)):
            failures += 1
            continue
        _take_pose(bits_zyb, nx, placed_zyx[pose], reach, z, y, x)
        accepted[n_accepted] = pose, z, y, x
        n_unused -= 1
        unused[choice], unused[n_unused] = unused[n_unused], pose
        n_accepted += 1
        failures = 0
    return n_accepted, failures


@numba.njit(cache=True)
def first_free_along(
    bits_zyb: Bits,
    nx: int,
    placed_zyx: Floats,
    z_extents: NDArray[np.int64],
    reach: float,
    start_zyx: Floats,
    step_zyx: Floats,
    n_steps: int,
    found_zyx: NDArray[np.int64],
) -> bool:
    """Take the first voxel of a walk outwards at which the pose is free, and store it; False if there is none."""
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    for s in range(n_steps):
        z = int(np.floor(start_zyx[0] + s * step_zyx[0] + 0.5))
        y = int(np.floor(start_zyx[1] + s * step_zyx[1] + 0.5)) % ny
        x = int(np.floor(start_zyx[2] + s * step_zyx[2] + 0.5)) % nx
        inside = z + z_extents[0] >= 0 and z + z_extents[1] < nz
        if inside and _is_free(bits_zyb, nx, placed_zyx, z, y, x):
            _take_pose(bits_zyb, nx, placed_zyx, reach, z, y, x)
            found_zyx[0], found_zyx[1], found_zyx[2] = z, y, x
            return True
    return False


@numba.njit(cache=True)
def _height(surface_yx: NDArray[np.float32], y: float, x: float) -> float:
    """Bilinear sample of a surface, held at its edges."""
    ny, nx = surface_yx.shape
    y, x = min(max(y, 0.0), ny - 1.0), min(max(x, 0.0), nx - 1.0)
    j, i = min(int(y), max(ny - 2, 0)), min(int(x), max(nx - 2, 0))
    j1, i1 = min(j + 1, ny - 1), min(i + 1, nx - 1)
    v, u = y - j, x - i
    low = surface_yx[j, i] * (1 - u) + surface_yx[j, i1] * u
    high = surface_yx[j1, i] * (1 - u) + surface_yx[j1, i1] * u
    return low * (1 - v) + high * v


@numba.njit(cache=True)
def take_beyond(
    bits_zyb: Bits,
    nx: int,
    bottom_yx: NDArray[np.float32],
    top_yx: NDArray[np.float32],
    first_yx: Floats,
    step: float,
) -> None:
    """Take the voxels that do not lie wholly between two surfaces.

    Heights are voxel coordinates in z; voxel (0, 0) lies at ``first_yx`` of the surfaces' samples, and the next one
    ``step`` samples further.
    """
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    low, high = np.empty(nx), np.empty(nx)
    for y in range(ny):
        for x in range(nx):
            low[x] = _height(bottom_yx, first_yx[0] + y * step, first_yx[1] + x * step) + 0.5
            high[x] = _height(top_yx, first_yx[0] + y * step, first_yx[1] + x * step) - 0.5
        highest_low, lowest_high = low.max(), high.min()
        for z in range(nz):
            if highest_low <= z <= lowest_high:
                continue
            for x in range(nx):
                if z < low[x] or z > high[x]:
                    bits_zyb[z, y, x >> 3] |= np.uint8(1 << (x & 7))


@numba.njit(cache=True)
def _widened(row_b: Bits) -> Bits:
    """A row with the neighbours along x of its taken voxels."""
    wide = row_b.copy()
    for b in range(len(row_b)):
        byte = np.uint8(row_b[b])
        wide[b] |= np.uint8((byte << 1) & 255) | np.uint8(byte >> 1)
        if b > 0:
            wide[b - 1] |= np.uint8((byte & 1) << 7)
        if b < len(row_b) - 1:
            wide[b + 1] |= np.uint8(byte >> 7)
    return wide


@numba.njit(cache=True)
def dilate(bits_zyb: Bits) -> Bits:
    """Take all 26 neighbours of the taken voxels too; nothing beyond the grid is taken."""
    nz, ny, _ = bits_zyb.shape
    tall = np.zeros_like(bits_zyb)
    for z in range(nz):
        for y in range(ny):
            wide = _widened(bits_zyb[z, y])
            for near in range(max(y - 1, 0), min(y + 2, ny)):
                tall[z, near] |= wide
    deep = np.zeros_like(bits_zyb)
    for z in range(nz):
        for near in range(max(z - 1, 0), min(z + 2, nz)):
            deep[near] |= tall[z]
    return deep


@numba.njit(cache=True)
def take_by_corners(bits_zyb: Bits, corners_zyb: Bits) -> None:
    """Take the voxels one of whose eight corners is taken in a grid of one more along each axis."""
    nz, ny, nb = bits_zyb.shape
    joined = np.empty(corners_zyb.shape[2], np.uint8)
    for z in range(nz):
        for y in range(ny):
            joined[:] = corners_zyb[z, y] | corners_zyb[z, y + 1] | corners_zyb[z + 1, y] | corners_zyb[z + 1, y + 1]
            for b in range(nb):
                bits_zyb[z, y, b] |= joined[b] | np.uint8(joined[b] >> 1)
                if b + 1 < len(joined):
                    bits_zyb[z, y, b] |= np.uint8((joined[b + 1] & 1) << 7)


@numba.njit(cache=True)
def merge(bits_zyb: Bits, nx: int, other_zyb: Bits, other_nx: int, first_zyx: NDArray[np.int64]) -> int:
    """Take the taken voxels of another grid whose first voxel lies at ``first_zyx``; how many of them were free.

    Periodic in x and y, cut at the walls in z.
    """
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    newly = 0
    for z in range(other_zyb.shape[0]):
        i = z + first_zyx[0]
        if i < 0 or i >= nz:
            continue
        for y in range(other_zyb.shape[1]):
            row = bits_zyb[i, (y + first_zyx[1]) % ny]
            for b in range(other_zyb.shape[2]):
                byte = other_zyb[z, y, b]
                if byte == 0:
                    continue
                for x in range(8 * b, min(8 * b + 8, other_nx)):
                    if byte >> (x & 7) & 1:
                        column = (x + first_zyx[2]) % nx
                        bit = np.uint8(1 << (column & 7))
                        if not row[column >> 3] & bit:
                            newly += 1
                            row[column >> 3] |= bit
    return newly
