"""The density across a membrane, and how far apart its two leaflets' heads are."""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.membranes.closing import SurfacePoints
from tomoset.model import Tomogram

__all__ = ["head_distance_angstrom", "leaflet_angstrom_xyz", "mean_profile"]

Floats = NDArray[np.float64]

HEIGHTS_ANGSTROM = np.arange(-60.0, 61.0, 2.0)
HEADS_BETWEEN_ANGSTROM = (24.0, 64.0)
MOST_POINTS = 20_000
LEAST_DIP = 0.02  # of the peaks' height, between the heads


def leaflet_angstrom_xyz(vertices_angstrom_xyz: Floats, normals: Floats, side: int, distance_angstrom: float) -> Floats:
    """Vertices of the outer (+1) or inner (−1) leaflet's heads, half the distance of the heads from the mid-surface."""
    return vertices_angstrom_xyz + side * distance_angstrom / 2 * normals


def mean_profile(tomogram: Tomogram, points: SurfacePoints) -> Floats:
    """Mean density (protein positive) at ``HEIGHTS_ANGSTROM`` along the normals of points on a membrane."""
    from scipy import ndimage

    step = max(1, len(points) // MOST_POINTS)
    x, n = points.positions_angstrom_xyz[::step], points.normals[::step]
    voxel = tomogram.grid.voxel_size_angstrom
    reach = HEIGHTS_ANGSTROM[-1] / voxel + 2
    index = x[:, ::-1] / voxel
    low = np.maximum(np.floor(index.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(index.max(axis=0) + reach) + 1, tomogram.grid.shape_zyx).astype(int)
    total, count = np.zeros(len(HEIGHTS_ANGSTROM)), 0
    planes = max(8, 8_000_000 // max(1, int(np.prod(high[1:] - low[1:]))))
    for first in range(int(low[0]), int(high[0]), planes):
        mine = (index[:, 0] >= first) & (index[:, 0] < first + planes)
        if not mine.any():
            continue
        start, stop = max(0, first - int(reach) - 2), min(int(high[0]), first + planes + int(reach) + 2)
        region = (slice(start, stop), slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2])))
        box = np.asarray(tomogram.volume_zyx.read(region), dtype=np.float32)
        at = index[mine][:, None] + HEIGHTS_ANGSTROM[:, None] * n[mine][:, None, ::-1] / voxel - [start, low[1], low[2]]
        total += ndimage.map_coordinates(box, at.transpose(2, 0, 1), order=1, mode="nearest").sum(axis=0)
        count += int(mine.sum())
    sign = -1.0 if tomogram.contrast == "dark" else 1.0
    return np.asarray(sign * total / max(count, 1))


def head_distance_angstrom(profile: Floats) -> float | None:
    """Distance of the two peaks of a profile that are the heads; None where they do not come apart."""
    from scipy.interpolate import CubicSpline

    fine = np.arange(HEIGHTS_ANGSTROM[0], HEIGHTS_ANGSTROM[-1] + 0.25, 0.5)
    curve = CubicSpline(HEIGHTS_ANGSTROM, profile)(fine)
    middle = np.abs(fine) < 12
    floor = float(curve[middle].min())
    dip = float(fine[middle][np.argmin(curve[middle])])
    left, right = (fine < dip) & (fine > dip - 40), (fine > dip) & (fine < dip + 40)
    heads = [float(fine[side][np.argmax(curve[side])]) for side in (left, right)]
    least = min(float(curve[side].max()) for side in (left, right))
    distance = heads[1] - heads[0]
    if least - floor < LEAST_DIP * max(abs(least), 1e-12):
        return None
    return distance if HEADS_BETWEEN_ANGSTROM[0] <= distance <= HEADS_BETWEEN_ANGSTROM[1] else None
