"""From a map of the best direction at every place to chains of points along filaments."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.filaments.response import DirectionMap

__all__ = ["Chain", "Stiffness", "follow_filaments"]

Floats = NDArray[np.float64]

_WINDOW_RADII = 0.45
_AGREEING_COSINE = np.cos(np.deg2rad(35.0))
_FOLLOW_POSITION, _FOLLOW_DIRECTION = 0.5, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Stiffness:
    """What a filament can do, and what must be seen of it.

    Parameters
    ----------
    radius_angstrom : float
    seed_z, seed_amplitude : float
        What a place must reach for a chain to begin there.
    least_z, least_amplitude : float
        Below either, a chain goes on only across a gap.
    gap_angstrom : float
        Longest gap.
    bend_radius_angstrom : float
        Sharpest bend.
    """

    radius_angstrom: float
    seed_z: float
    seed_amplitude: float
    least_z: float
    least_amplitude: float
    gap_angstrom: float
    bend_radius_angstrom: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """Places along one filament, evenly spaced, with the map's score and amplitude there, and where it is a gap."""

    points_angstrom_xyz: Floats
    z: Floats
    amplitude: Floats
    gap: NDArray[np.bool_]

    @property
    def length_angstrom(self) -> float:
        """Length of the chords."""
        return float(np.linalg.norm(np.diff(self.points_angstrom_xyz, axis=0), axis=1).sum())


class _Map:
    """Interpolated reading of a direction map."""

    def __init__(self, found: DirectionMap, size_angstrom_xyz: Floats) -> None:
        self.found = found
        self.step = found.step_angstrom
        self.size = size_angstrom_xyz

    def read(self, values_zyx: NDArray[np.float32], points_xyz: Floats) -> Floats:
        from scipy import ndimage

        index = points_xyz[:, ::-1].T / self.step
        return np.asarray(ndimage.map_coordinates(values_zyx, index, order=1, mode="nearest"), dtype=np.float64)

    def direction(self, point_xyz: Floats, like_xyz: Floats) -> Floats:
        index = np.clip(np.rint(point_xyz[::-1] / self.step).astype(np.intp), 0, np.array(self.found.z_zyx.shape) - 1)
        d = self.found.directions_xyz[self.found.direction_index_zyx[tuple(index)]]
        return d if d @ like_xyz >= 0 else -d

    def inside(self, point_xyz: Floats) -> bool:
        return bool(np.all(point_xyz >= 0) and np.all(point_xyz <= self.size))


def follow_filaments(
    found: DirectionMap, size_angstrom_xyz: Floats, stiffness: Stiffness, least_length_angstrom: float
) -> list[Chain]:
    """Chains from the surest places outwards, each keeping others a filament's width away.

    Parameters
    ----------
    found : DirectionMap
    size_angstrom_xyz : (3,) array of float64
        From the first to the last voxel centre.
    stiffness : Stiffness
    least_length_angstrom : float
        Shorter chains are not kept (their places stay taken: what made them is no filament).

    Returns
    -------
    list of Chain
    """
    reading = _Map(found, size_angstrom_xyz)
    free = np.ones(found.z_zyx.shape, dtype=bool)
    chains = []
    for index in _seeds(found, stiffness):
        if not free[tuple(index)]:
            continue
        start = index[::-1] * found.step_angstrom
        towards = found.directions_xyz[found.direction_index_zyx[tuple(index)]]
        start = _centred(reading, start, towards, stiffness.radius_angstrom)[0]
        ahead = _follow(reading, start, towards, stiffness, free)
        opposite = ahead[0] - ahead[min(2, len(ahead) - 1)] if len(ahead) > 1 else -towards
        back = _follow(reading, start, _unit(opposite), stiffness, free)
        points = np.concatenate([back[:0:-1], ahead])
        z, amplitude = (reading.read(v, points) for v in (found.z_zyx, found.amplitude_zyx))
        gap = (z < stiffness.least_z) | (amplitude < stiffness.least_amplitude)
        kept = np.flatnonzero(~gap)
        if not len(kept):
            continue
        span = slice(kept[0], kept[-1] + 1)
        chain = Chain(points_angstrom_xyz=points[span], z=z[span], amplitude=amplitude[span], gap=gap[span])
        _take(free, chain.points_angstrom_xyz, 1.5 * stiffness.radius_angstrom, found.step_angstrom)
        if len(chain.z) > 1 and chain.length_angstrom >= least_length_angstrom:
            chains.append(chain)
    return chains


def _seeds(found: DirectionMap, stiffness: Stiffness) -> NDArray[np.intp]:
    """Local maxima (n, 3) zyx that may begin a chain, the surest first."""
    from scipy import ndimage

    z = found.z_zyx
    top = (z >= stiffness.seed_z) & (found.amplitude_zyx >= stiffness.seed_amplitude)
    top &= ndimage.maximum_filter(z, 3) == z
    index = np.argwhere(top)
    return index[np.argsort(-z[top], kind="stable")]


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


def _centred(reading: _Map, point: Floats, direction: Floats, radius: float) -> tuple[Floats, float]:
    """The best place in the plane across a direction near a point, and its score."""
    a = _unit(np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))]))
    b = np.cross(direction, a)
    steps = np.linspace(-_WINDOW_RADII, _WINDOW_RADII, 7) * radius
    offsets = steps[:, None, None] * a + steps[None, :, None] * b
    z = reading.read(reading.found.z_zyx, (point + offsets).reshape(-1, 3))
    weight = np.maximum(z - 0.8 * z.max(), 0)
    if not weight.sum() > 0:
        return point, float(z.max())
    return point + weight @ offsets.reshape(-1, 3) / weight.sum(), float(z.max())


def _follow(reading: _Map, start: Floats, direction: Floats, stiffness: Stiffness, free: NDArray[np.bool_]) -> Floats:
    """Points from a start along a direction until the filament ends, leaves the volume or runs into another."""
    points = [start]
    h = reading.step
    sharpest = h / stiffness.bend_radius_angstrom
    point, blind = start, 0.0
    while blind <= stiffness.gap_angstrom:
        ahead = point + h * direction
        if not reading.inside(ahead) or not _at(free, ahead, h):
            break
        centre, _ = _centred(reading, ahead, direction, stiffness.radius_angstrom)
        seen_along = reading.direction(ahead, direction)
        z, amplitude = (reading.read(v, centre[None])[0] for v in (reading.found.z_zyx, reading.found.amplitude_zyx))
        seen = z >= stiffness.least_z and amplitude >= stiffness.least_amplitude
        if seen and seen_along @ direction >= _AGREEING_COSINE:
            blind = 0.0
            bend = _FOLLOW_DIRECTION * (centre - ahead) / h + 0.1 * (seen_along - direction)
            bend *= min(1.0, sharpest / max(float(np.linalg.norm(bend)), 1e-12))
            point = ahead + _FOLLOW_POSITION * (centre - ahead)
            direction = _unit(direction + bend)
        else:
            blind += h
            point = ahead
        points.append(point)
    return np.array(points)


def _at(free: NDArray[np.bool_], point: Floats, step: float) -> bool:
    index = np.clip(np.rint(point[::-1] / step).astype(np.intp), 0, np.array(free.shape) - 1)
    return bool(free[tuple(index)])


def _take(free: NDArray[np.bool_], points: Floats, reach: float, step: float) -> None:
    """Mark all voxels within a distance of a chain."""
    n = int(np.ceil(reach / step))
    ball = np.stack(np.meshgrid(*([np.arange(-n, n + 1)] * 3), indexing="ij"), -1).reshape(-1, 3)
    ball = ball[np.linalg.norm(ball, axis=1) * step <= reach]
    index = (np.rint(points[:, None, ::-1] / step).astype(np.intp) + ball).reshape(-1, 3)
    index = index[np.all((index >= 0) & (index < np.array(free.shape)), axis=1)]
    free[tuple(index.T)] = False
