"""A molecule as the points that others must keep off, and its poses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import rotation_about
from tomoset.structures import PROTEIN_ANGSTROM3_PER_DALTON, Structure

__all__ = [
    "PoseBatch",
    "Solid",
    "make_solid",
    "rotations_about_normal",
    "scatterer_radius_angstrom",
    "solid_points",
]

SEAL_ANGSTROM = 8.0  # beyond two spreads of an atom or bead: closes a cage's pores, which let no molecule pass
CAVITY_GRID_ANGSTROM = 4.0
POINTS_PER_CELL_TO_THIN = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """What of a molecule takes room.

    Parameters
    ----------
    points_angstrom_xyz : (n, 3) array of float64
        Points in the molecule's frame, the outermost first: there a collision shows soonest.
    ball_radius_angstrom : float
        Radius of the ball around each point that holds what the point stands for.
    volume_angstrom3 : float
        Volume of the balls together, cavities included.
    """

    points_angstrom_xyz: Floats
    ball_radius_angstrom: float
    volume_angstrom3: float

    @property
    def radius_angstrom(self) -> float:
        """Distance of the outermost point."""
        return float(np.linalg.norm(self.points_angstrom_xyz[0]))


def make_solid(structure: Structure, voxel_angstrom: float) -> Solid:
    """Points and their radius; many atoms in one packing voxel are joined to one point.

    Parameters
    ----------
    structure : Structure
        The molecule.
    voxel_angstrom : float
        Of the packing grid: nothing finer is resolved.
    """
    from tomoset.specimen import _kernels

    points = solid_points(structure)
    radius = scatterer_radius_angstrom(structure)
    mass_volume = structure.mass_kda * 1e3 * PROTEIN_ANGSTROM3_PER_DALTON
    if len(structure.positions_angstrom_xyz) * voxel_angstrom**3 > POINTS_PER_CELL_TO_THIN * mass_volume:
        points, slack = _thinned(points, voxel_angstrom)
        radius += slack
    order = np.argsort(-np.square(points).sum(axis=1), kind="stable")
    points = np.ascontiguousarray(points[order])
    scaled_zyx, reach = points[:, ::-1] / CAVITY_GRID_ANGSTROM, radius / CAVITY_GRID_ANGSTROM + 0.5
    first = np.floor(scaled_zyx.min(axis=0) - reach)
    shape = tuple((np.ceil(scaled_zyx.max(axis=0) + reach) + 1 - first).astype(int))
    mask = np.zeros(shape, dtype=np.bool_)
    _kernels.mark_near(mask, np.ascontiguousarray(scaled_zyx - first), reach)
    return Solid(points, radius, float(mask.sum()) * CAVITY_GRID_ANGSTROM**3)


def _thinned(points_xyz: Floats, edge: float) -> tuple[Floats, float]:
    """Centroids of the points in each cell of a grid, and the largest distance of a point from its centroid."""
    cells = np.floor(points_xyz / edge).astype(np.int64)
    _, inverse, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    sums = np.stack([np.bincount(inverse, weights=points_xyz[:, axis]) for axis in range(3)], axis=-1)
    centroids = sums / counts[:, None]
    return centroids, float(np.linalg.norm(points_xyz - centroids[inverse], axis=1).max())


class PoseBatch:
    """Poses of one molecule that wait to be placed, as points in voxels.

    Parameters
    ----------
    solid : Solid
        The molecule.
    rotations : (m, 3, 3) array of float64
        Active, particle -> specimen.
    voxel_angstrom : float
        Edge of a voxel.
    rng : numpy.random.Generator
        Source of where the centres lie within their voxels.
    """

    __slots__ = ("offsets_xyz", "placed_zyx", "rotations", "z_extents")

    def __init__(self, solid: Solid, rotations: Floats, voxel_angstrom: float, rng: np.random.Generator) -> None:
        from tomoset.specimen import _kernels

        points = solid.points_angstrom_xyz / voxel_angstrom
        self.rotations = np.ascontiguousarray(rotations)
        self.offsets_xyz = rng.random((len(rotations), 3)) - 0.5
        self.placed_zyx = np.empty((len(rotations), len(points), 3))
        self.z_extents = np.empty((len(rotations), 2), dtype=np.int64)
        _kernels.place_points(points, self.rotations, self.offsets_xyz, self.placed_zyx, self.z_extents)

    def fitting(self, n_z: int) -> NDArray[np.int64]:
        """Indices of the poses that are not higher than ``n_z`` voxels."""
        return np.flatnonzero(self.z_extents[:, 1] - self.z_extents[:, 0] < n_z)


def rotations_about_normal(
    n: int, concentration: float, axis_xyz: tuple[float, float, float], side: int, rng: np.random.Generator
) -> Floats:
    """Rotations that turn a molecule's axis towards a surface's outward normal: (n, 3, 3).

    Parameters
    ----------
    n : int
    concentration : float
        κ of the von Mises-Fisher distribution of the axis about the normal, ≥ 0; 0 is uniform.
    axis_xyz : (3,) tuple of float
        The axis in the molecule's frame.
    side : int
        +1 for the surface above, whose normal is z, −1 for the one below.
    rng : numpy.random.Generator

    Notes
    -----
    The cosine of a von Mises-Fisher angle on the sphere is ``1 + ln(u + (1 − u) exp(−2κ)) / κ`` for a uniform u
    (Wood 1994, Commun. Stat. Simul. Comput. 23:157). The spin about the axis is uniform.
    """
    u = rng.random(n)
    if concentration < 1e-6:
        cosine = 2 * u - 1
    else:
        cosine = 1 + np.log(u + (1 - u) * np.exp(-2 * concentration)) / concentration
    polar = np.rad2deg(np.arccos(np.clip(side * cosine, -1.0, 1.0)))
    azimuth, spin = 360.0 * rng.random((2, n))
    axis = np.asarray(axis_xyz, dtype=np.float64)
    axis /= np.linalg.norm(axis)
    z_from_axis = _turn_from_z(np.rad2deg(np.arccos(axis[2])), np.rad2deg(np.arctan2(axis[1], axis[0]))).T
    return np.asarray(_turn_from_z(polar, azimuth) @ rotation_about("z", spin) @ z_from_axis)


def _turn_from_z(polar_deg: float | Floats, azimuth_deg: float | Floats) -> Floats:
    return rotation_about("z", azimuth_deg) @ rotation_about("y", polar_deg)


def scatterer_radius_angstrom(structure: Structure) -> float:
    """Radius of the ball that one atom or bead of a molecule stands for, from its share of the mass, Å."""
    volume = structure.mass_kda * 1e3 * PROTEIN_ANGSTROM3_PER_DALTON / len(structure.positions_angstrom_xyz)
    return float(np.cbrt(3 * volume / (4 * np.pi)))


def solid_points(structure: Structure) -> Floats:
    """Atoms or beads of a molecule, plus points that fill the cavities it encloses: (n, 3) xyz, Å.

    Without them a small molecule could be put into a virus shell or a ferritin cage that has no way in.
    """
    from scipy import ndimage

    from tomoset.specimen import _kernels

    points = structure.positions_angstrom_xyz
    reach = (SEAL_ANGSTROM + 2 * float(structure.spreads_angstrom.max())) / CAVITY_GRID_ANGSTROM
    scaled_zyx = points[:, ::-1] / CAVITY_GRID_ANGSTROM
    first = np.floor(scaled_zyx.min(axis=0) - reach) - 1
    shape = tuple((np.ceil(scaled_zyx.max(axis=0) + reach) + 2 - first).astype(int))
    mask = np.zeros(shape, dtype=np.bool_)
    _kernels.mark_near(mask, scaled_zyx - first, reach)
    cavity = ndimage.binary_fill_holes(mask) & ~mask
    # Every second voxel is enough: 8 Å apart, the room that each point takes leaves no gap.
    inside = np.argwhere(cavity & (np.indices(shape) % 2 == 0).all(axis=0))
    filling = (inside + first)[:, ::-1] * CAVITY_GRID_ANGSTROM
    return np.concatenate([points, filling])
