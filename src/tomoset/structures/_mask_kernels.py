"""Compiled loops that turn poses and meshes into labels; imported only by the functions that run them."""

import math

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["mark_membranes", "settle", "stamp_molecules"]


@numba.njit(cache=True, nogil=True)
def _interpolated(volume_zyx: NDArray[np.float32], z: float, y: float, x: float) -> float:
    """Linear interpolation; the volume's border is empty, so that outside is 0."""
    n = volume_zyx.shape[0]
    if min(z, y, x) < 0 or max(z, y, x) >= n - 1:
        return 0.0
    k, j, i = int(z), int(y), int(x)
    w, v, u = z - k, y - j, x - i
    lower = (volume_zyx[k, j, i] * (1 - u) + volume_zyx[k, j, i + 1] * u) * (1 - v)
    lower += (volume_zyx[k, j + 1, i] * (1 - u) + volume_zyx[k, j + 1, i + 1] * u) * v
    upper = (volume_zyx[k + 1, j, i] * (1 - u) + volume_zyx[k + 1, j, i + 1] * u) * (1 - v)
    upper += (volume_zyx[k + 1, j + 1, i] * (1 - u) + volume_zyx[k + 1, j + 1, i + 1] * u) * v
    return lower * (1 - w) + upper * w


@numba.njit(cache=True, nogil=True)
def stamp_molecules(
    instance_zyx: NDArray[np.uint32],
    nearest_zyx: NDArray[np.float32],
    first_plane: int,
    centres_zyx: NDArray[np.float64],
    rotations: NDArray[np.float64],
    instances: NDArray[np.uint32],
    envelope_zyx: NDArray[np.float32],
    scale: float,
    reach: float,
) -> None:
    """Give the voxels of a slab to the molecules of one species in whose envelope (values of 1 and more) they lie.

    ``nearest_zyx`` holds the squared distance to the owner's centre, so that the nearest centre wins whatever the
    order; of two at the same distance the smaller instance. Lengths are in voxels of the slab, whose first plane is
    plane ``first_plane`` of the volume; ``scale`` is the envelope's voxels in one of them, ``reach`` the largest
    distance of the envelope from its centre.
    """
    nz, ny, nx = instance_zyx.shape
    half = envelope_zyx.shape[0] // 2
    for m in range(len(instances)):
        cz, cy, cx = centres_zyx[m, 0] - first_plane, centres_zyx[m, 1], centres_zyx[m, 2]
        turn = rotations[m] * scale
        for k in range(max(0, math.ceil(cz - reach)), min(nz - 1, math.floor(cz + reach)) + 1):
            dz = k - cz
            for j in range(max(0, math.ceil(cy - reach)), min(ny - 1, math.floor(cy + reach)) + 1):
                dy = j - cy
                chord2 = reach * reach - dz * dz - dy * dy
                if chord2 < 0:
                    continue
                chord = math.sqrt(chord2)
                for i in range(max(0, math.ceil(cx - chord)), min(nx - 1, math.floor(cx + chord)) + 1):
                    dx = i - cx
                    distance2 = np.float32(dx * dx + dy * dy + dz * dz)
                    known = nearest_zyx[k, j, i]
                    if distance2 > known or (distance2 == known and instance_zyx[k, j, i] <= instances[m]):
                        continue
                    x = turn[0, 0] * dx + turn[1, 0] * dy + turn[2, 0] * dz + half
                    y = turn[0, 1] * dx + turn[1, 1] * dy + turn[2, 1] * dz + half
                    z = turn[0, 2] * dx + turn[1, 2] * dy + turn[2, 2] * dz + half
                    if _interpolated(envelope_zyx, z, y, x) >= 1.0:
                        nearest_zyx[k, j, i] = distance2
                        instance_zyx[k, j, i] = instances[m]


@numba.njit(cache=True, nogil=True)
def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@numba.njit(cache=True, nogil=True)
def _nearest_weights(ab2: float, abac: float, ac2: float, abap: float, acap: float) -> tuple[float, float]:
    """Weights v, w of the point ``a + v ab + w ac`` of a triangle nearest to ``a + ap``, from the scalar products.

    The foot of the perpendicular if it lies inside, else the best of the nearest points of the three edges.
    """
    area2 = ab2 * ac2 - abac * abac
    if area2 > 0:
        v, w = (ac2 * abap - abac * acap) / area2, (ab2 * acap - abac * abap) / area2
        if v >= 0 and w >= 0 and v + w <= 1:
            return v, w
    best, best_v, best_w = np.inf, 0.0, 0.0
    bc2 = max(ab2 - 2 * abac + ac2, 1e-30)
    along_bc = min(max((ab2 - abac - abap + acap) / bc2, 0.0), 1.0)
    for v, w in (
        (min(max(abap / max(ab2, 1e-30), 0.0), 1.0), 0.0),
        (0.0, min(max(acap / max(ac2, 1e-30), 0.0), 1.0)),
        (1.0 - along_bc, along_bc),
    ):
        cost = v * v * ab2 + w * w * ac2 + 2 * v * w * abac - 2 * v * abap - 2 * w * acap
        if cost < best:
            best, best_v, best_w = cost, v, w
    return best_v, best_w


@numba.njit(cache=True, nogil=True)
def mark_membranes(
    owner_zyx: NDArray[np.uint32],
    leaflet_zyx: NDArray[np.int8],
    nearest_zyx: NDArray[np.float32],
    first_plane: int,
    corners_xyz: NDArray[np.float64],
    normals_xyz: NDArray[np.float64],
    half_thickness: float,
    instance: int,
) -> None:
    """Give the voxels of a slab within ``half_thickness`` of a membrane's mid-surface to it, and say on which side.

    ``corners_xyz`` and ``normals_xyz`` (m, 3, 3) are those of the triangles' corners, in voxels; ``nearest_zyx`` holds
    the squared distance to the owner's surface, so that of two membranes the nearer one wins whatever the order.
    """
    nz, ny, nx = owner_zyx.shape
    ap, away, outwards, across = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    most2 = np.float32(half_thickness * half_thickness)
    for t in range(len(corners_xyz)):
        a, ab, ac = corners_xyz[t, 0], corners_xyz[t, 1] - corners_xyz[t, 0], corners_xyz[t, 2] - corners_xyz[t, 0]
        ab2, abac, ac2 = _dot(ab, ab), _dot(ab, ac), _dot(ac, ac)
        across[0] = ab[1] * ac[2] - ab[2] * ac[1]
        across[1] = ab[2] * ac[0] - ab[0] * ac[2]
        across[2] = ab[0] * ac[1] - ab[1] * ac[0]
        across2 = max(_dot(across, across), 1e-30)
        low = np.minimum(np.minimum(a, corners_xyz[t, 1]), corners_xyz[t, 2]) - half_thickness
        high = np.maximum(np.maximum(a, corners_xyz[t, 1]), corners_xyz[t, 2]) + half_thickness
        for k in range(max(0, math.ceil(low[2] - first_plane)), min(nz - 1, math.floor(high[2] - first_plane)) + 1):
            for j in range(max(0, math.ceil(low[1])), min(ny - 1, math.floor(high[1])) + 1):
                for i in range(max(0, math.ceil(low[0])), min(nx - 1, math.floor(high[0])) + 1):
                    ap[0], ap[1], ap[2] = i - a[0], j - a[1], k + first_plane - a[2]
                    height2 = np.float32(0.999 * _dot(across, ap) ** 2 / across2)  # no point of it can be nearer
                    if height2 > most2 or height2 > nearest_zyx[k, j, i]:
                        continue
                    v, w = _nearest_weights(ab2, abac, ac2, _dot(ab, ap), _dot(ac, ap))
                    for axis in range(3):
                        away[axis] = ap[axis] - v * ab[axis] - w * ac[axis]
                        outwards[axis] = (
                            (1 - v - w) * normals_xyz[t, 0, axis]
                            + v * normals_xyz[t, 1, axis]
                            + w * normals_xyz[t, 2, axis]
                        )
                    distance2 = np.float32(_dot(away, away))
                    known = nearest_zyx[k, j, i]
                    if distance2 > most2 or distance2 > known:
                        continue
                    if distance2 == known and 0 < owner_zyx[k, j, i] <= instance:
                        continue
                    nearest_zyx[k, j, i] = distance2
                    owner_zyx[k, j, i] = instance
                    leaflet_zyx[k, j, i] = 1 if _dot(away, outwards) >= 0 else -1


@numba.njit(cache=True, nogil=True)
def settle(
    instance_zyx: NDArray[np.uint32],
    semantic_zyx: NDArray[np.uint16],
    leaflet_zyx: NDArray[np.int8],
    owner_zyx: NDArray[np.uint32],
    labels: NDArray[np.uint16],
    first_instance: int,
    counts: NDArray[np.int64],
) -> None:
    """Let molecules stand where a membrane also is, look up the classes (n,) of all voxels and count them."""
    nz, ny, nx = instance_zyx.shape
    with_membranes = owner_zyx.size > 0
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                found = instance_zyx[k, j, i]
                if with_membranes:
                    if found > 0:
                        leaflet_zyx[k, j, i] = 0
                    elif owner_zyx[k, j, i] > 0:
                        found = owner_zyx[k, j, i]
                        instance_zyx[k, j, i] = found
                if found > 0:
                    semantic_zyx[k, j, i] = labels[found - first_instance]
                    counts[found - first_instance] += 1
