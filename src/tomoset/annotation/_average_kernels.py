"""Compiled inner loop of particle averages. Imported only inside the functions that use it."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["rotate_add"]


@numba.njit(cache=True, nogil=True, fastmath=True)
def rotate_add(
    flat: NDArray[np.float32],
    edge: int,
    rotation: NDArray[np.float64],
    centre_zyx: NDArray[np.float64],
    radius: float,
    out: NDArray[np.float32],
) -> None:
    """Add ``box(centre + R · p)`` to ``out(n // 2 + p)`` for all |p| ≤ radius; R acts on xyz, values are trilinear.

    ``flat`` is a cube of ``edge``³ voxels in one row. The caller sees to it that the sphere about the centre lies at
    least one voxel inside the cube and inside ``out``: nothing is checked here. Single precision and one index for all
    eight neighbours are what makes it quick.
    """
    f = np.float32
    middle = out.shape[0] // 2
    reach = int(radius)
    r00, r01, r02 = f(rotation[0, 0]), f(rotation[0, 1]), f(rotation[0, 2])
    r10, r11, r12 = f(rotation[1, 0]), f(rotation[1, 1]), f(rotation[1, 2])
    r20, r21, r22 = f(rotation[2, 0]), f(rotation[2, 1]), f(rotation[2, 2])
    cx, cy, cz = f(centre_zyx[2]), f(centre_zyx[1]), f(centre_zyx[0])
    up, over = np.uint32(edge), np.uint32(edge * edge)
    for dz in range(-reach, reach + 1):
        for dy in range(-reach, reach + 1):
            left = radius * radius - dz * dz - dy * dy
            if left < 0:
                continue
            half = int(np.sqrt(left))
            bx = cx + r01 * f(dy) + r02 * f(dz) - r00 * f(half)
            by = cy + r11 * f(dy) + r12 * f(dz) - r10 * f(half)
            bz = cz + r21 * f(dy) + r22 * f(dz) - r20 * f(half)
            row = out[middle + dz, middle + dy, middle - half : middle + half + 1]
            for k in range(row.shape[0]):
                d = f(np.int32(k))
                x, y, z = bx + r00 * d, by + r10 * d, bz + r20 * d
                ix, iy, iz = np.int32(x), np.int32(y), np.int32(z)  # positive: truncation is the floor
                ax, ay, az = x - f(ix), y - f(iy), z - f(iz)
                i = np.uint32((iz * edge + iy) * edge + ix)
                one = np.uint32(1)
                a, b = flat[i], flat[i + up]
                c, e = flat[i + over], flat[i + over + up]
                a += ax * (flat[i + one] - a)
                b += ax * (flat[i + up + one] - b)
                c += ax * (flat[i + over + one] - c)
                e += ax * (flat[i + over + up + one] - e)
                a += ay * (b - a)
                c += ay * (e - c)
                row[k] += a + az * (c - a)
