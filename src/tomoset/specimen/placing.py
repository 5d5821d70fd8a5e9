"""Room for vesicles and cells in the ice: within its surfaces, clear of what is there and of one another."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PackingError
from tomoset.geometry import random_rotations, rotation_about
from tomoset.model import IceLayer
from tomoset.specimen.envelopes import Draft
from tomoset.specimen.ice import surfaces_at
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.surface_mesh import mesh_of

__all__ = ["find_place"]

Floats = NDArray[np.float64]

TRIES = 400
LARGEST_LIFT_DEG = 4.0  # of an elongated cell's axis out of the plane of the ice
SIDESTEP_ANGSTROM = 5.0  # how much farther a cell moves from the middle each time that something is in its way
GAP_BETWEEN_BODIES_ANGSTROM = 40.0


def find_place(
    draft: Draft,
    box: PackingBox,
    others: Sequence[Draft],
    *,
    size_angstrom_xyz: tuple[float, float, float],
    ice: IceLayer | None,
    central: bool,
    clearance_angstrom: float,
    rng: np.random.Generator,
) -> Draft:
    """Put a body where it fits.

    Parameters
    ----------
    draft : Draft
        About the origin.
    box : PackingBox
        What is taken already by film, gold, contamination; not changed.
    others : sequence of Draft
        Bodies that have their place.
    size_angstrom_xyz : (3,) tuple of float
        The slab.
    ice : IceLayer or None
        Its surfaces.
    central : bool
        Whether its middle is to lie at the origin (then it may reach out of the slab sideways).
    clearance_angstrom : float
        Least gap to what ``box`` holds and to the ice's surfaces.
    rng : numpy.random.Generator

    Raises
    ------
    PackingError
        If the ice is too thin for it, or there is no free room.
    """
    surface, inner = _probes(draft, clearance_angstrom)
    walls = _Walls(box, ice, size_angstrom_xyz[2])
    free_xy = None if central else np.asarray(size_angstrom_xyz[:2]) / 2
    thinnest, blocked = np.inf, 0
    for attempt in range(TRIES):
        rotation = _turn(draft, 1 - (attempt + 1) / TRIES, rng)
        turned = surface @ rotation.T
        lower, upper = turned.min(axis=0), turned.max(axis=0)
        thinnest = min(thinnest, float(upper[2] - lower[2]))
        centre = _draw_centre(lower, upper, walls, free_xy, blocked * SIDESTEP_ANGSTROM, rng)
        if centre is None or not walls.hold(turned + centre):
            continue
        blocked += 1
        placed = draft.placed(centre, rotation)
        points = np.concatenate([turned, inner @ rotation.T]) + centre
        if box.are_free(points) and not any(_touch(points, other) for other in others):
            return placed
    if not blocked:
        raise PackingError(_too_thin(draft, thinnest, size_angstrom_xyz, walls))
    raise PackingError(
        f"{draft.kind}: expected free room {thinnest:.0f} Å across in the ice, found none in {TRIES} tries beside the "
        f"{len(others)} vesicles and cells placed before; ask for fewer or smaller ones, or for less film and "
        "contamination"
    )


class _Walls:
    """Where the ice ends that atoms may be in."""

    def __init__(self, box: PackingBox, ice: IceLayer | None, thickness_angstrom: float) -> None:
        self.margin = (thickness_angstrom - box.shape_zyx[0] * box.voxel_angstrom) / 2
        self.half = box.shape_zyx[0] * box.voxel_angstrom / 2 - box.voxel_angstrom  # all probes in whole voxels
        self.ice = ice

    def at(self, xy_angstrom: Floats) -> tuple[Floats, Floats]:
        """Lower and upper limit at positions (n, 2)."""
        limit = np.full(len(xy_angstrom), self.half)
        if self.ice is None:
            return -limit, limit
        bottom, top = surfaces_at(self.ice, xy_angstrom)
        return np.maximum(bottom + self.margin, -limit), np.minimum(top - self.margin, limit)

    def hold(self, points_angstrom_xyz: Floats) -> bool:
        """Whether points lie between the walls."""
        bottom, top = self.at(points_angstrom_xyz[:, :2])
        z = points_angstrom_xyz[:, 2]
        return bool(((z >= bottom) & (z <= top)).all())


def _probes(draft: Draft, clearance: float) -> tuple[Floats, Floats]:
    """Points on the body's outside, a clearance away, and a coarse lattice within it."""
    level = draft.reach_angstrom + clearance
    radius = draft.shape.radius_angstrom + level
    step = max(radius / 8, 40.0)
    surface = mesh_of(draft.shape, edge_angstrom=step, level_angstrom=level).vertices_angstrom_xyz
    axes = [
        np.arange(low, high, 1.5 * step) for low, high in zip(surface.min(axis=0), surface.max(axis=0), strict=True)
    ]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return surface, lattice[draft.shape.contains(lattice)]


def _turn(draft: Draft, freedom: float, rng: np.random.Generator) -> Floats:
    """A random rotation; of an elongated body one that lays its bend into the ice, ever flatter."""
    if not draft.lies_flat:
        return random_rotations(1, rng)[0]
    flat = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # axis to x, bend to y
    over = rotation_about("x", 180.0 * float(rng.integers(2)))
    lift = rotation_about("y", LARGEST_LIFT_DEG * freedom * float(rng.uniform(-1, 1)))
    return rotation_about("z", float(rng.uniform(0, 360))) @ lift @ over @ flat


def _draw_centre(
    lower: Floats,
    upper: Floats,
    walls: _Walls,
    half_xy: Floats | None,
    aside_angstrom: float,
    rng: np.random.Generator,
) -> Floats | None:
    """Where to put the origin, or None for want of ice; without ``half_xy`` the middle goes near (0, 0)."""
    if half_xy is None:
        xy = aside_angstrom * rng.standard_normal(2) - (lower + upper)[:2] / 2
    else:
        low, high = -half_xy - lower[:2], half_xy - upper[:2]
        if (low > high).any():
            return None
        xy = rng.uniform(low, high)
    bottom, top = (float(wall[0]) for wall in walls.at(xy[None]))
    low_z, high_z = bottom - lower[2], top - upper[2]
    if low_z > high_z:
        return None
    return np.append(xy, (low_z + high_z) / 2 if half_xy is None else rng.uniform(low_z, high_z))


def _touch(points_angstrom_xyz: Floats, other: Draft) -> bool:
    return bool(other.shape.contains(points_angstrom_xyz, other.reach_angstrom + GAP_BETWEEN_BODIES_ANGSTROM).any())


def _too_thin(draft: Draft, thickness: float, size: tuple[float, float, float], walls: _Walls) -> str:
    bottom, top = walls.at(np.zeros((1, 2)))
    found = float(top[0] - bottom[0])
    needed = np.ceil((thickness + size[2] - found) / 100) * 100
    return (
        f"{draft.kind}: expected {thickness:.0f} Å of ice between its margins for a body that thick (with its gaps) "
        f"and a field wider than it, found {found:.0f} Å at the centre of {size[0]:.0f} x {size[1]:.0f} Å; set "
        f"specimen.thickness_angstrom to {needed:.0f} or more, or ask for a smaller diameter"
    )
