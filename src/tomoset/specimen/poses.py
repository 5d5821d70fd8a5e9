"""A species' bank of poses, each with the voxels it asks for and the voxels it takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import point_group, random_rotations, sample_rotations
from tomoset.specimen.raster import Raster
from tomoset.structures import Structure

__all__ = ["PROTEIN_ANGSTROM3_PER_DALTON", "PoseBank", "make_pose_bank", "scatterer_radius_angstrom", "solid_points"]

PROTEIN_ANGSTROM3_PER_DALTON = 1.23  # 1.35 g/cm3
SEAL_ANGSTROM = 8.0  # beyond two spreads of an atom or bead: closes a cage's pores, which let no molecule pass
CAVITY_GRID_ANGSTROM = 4.0
FEWEST_POSES, MOST_POSES = 32, 256
POINTS_FOR_MANY_POSES, POSES_OF_BIG_SPECIES = 500_000, 64  # rasterising costs some 0.4 µs a point and pose

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PoseBank:
    """Rotations and sub-voxel offsets of one species, rasterised.

    Parameters
    ----------
    rotations : (p, 3, 3) array of float64
        Active, particle -> specimen.
    offsets_xyz : (p, 3) array of float64
        Where the molecule's centre lies relative to the voxel it stands at, in voxels.
    raster : Raster
        Their voxels.
    """

    rotations: Floats
    offsets_xyz: Floats
    raster: Raster

    def __len__(self) -> int:
        """Number of poses."""
        return len(self.rotations)

    @property
    def mean_volume_voxels(self) -> float:
        """Voxels a pose takes, mean over the bank."""
        return float(self.raster.runs[:, 3].sum(dtype=np.int64) / len(self))


def make_pose_bank(
    structure: Structure,
    *,
    copies: int,
    keep_off_angstrom: float,
    voxel_angstrom: float,
    n_z: int,
    rng: np.random.Generator,
) -> PoseBank:
    """Rasterise a species in evenly spread rotations, turned together at random, and random sub-voxel offsets.

    Parameters
    ----------
    structure : Structure
        The species.
    copies : int
        How many will be placed: more copies get more poses.
    keep_off_angstrom : float
        Least distance from the centre of one of its atoms or beads to that of another molecule's, Å.
    voxel_angstrom : float
        Edge of a voxel, Å.
    n_z : int
        Height of the ice, voxels.
    rng : numpy.random.Generator
        Source of rotations and offsets.

    Returns
    -------
    PoseBank

    Notes
    -----
    A voxel is taken when its centre lies within ``keep_off + voxel · √3 / 2`` of an atom or bead. An atom of another
    molecule is never more than ``voxel · √3 / 2`` from the centre of its own voxel, so that a voxel which is not
    taken keeps them ``keep_off`` apart.
    """
    points = solid_points(structure) / voxel_angstrom
    affordable = max(POSES_OF_BIG_SPECIES, POINTS_FOR_MANY_POSES // len(points))
    n_poses = min(max(FEWEST_POSES, 4 * copies), MOST_POSES, affordable)
    rotations = _even_rotations(n_poses, rng)
    n_poses = len(rotations)
    offsets = rng.random((n_poses, 3)) - 0.5
    reach = keep_off_angstrom / voxel_angstrom + np.sqrt(3.0) / 2
    probes, runs, z_ranges = [], [], []
    for rotation, offset in zip(rotations, offsets, strict=True):
        placed_zyx = (points @ rotation.T + offset)[:, ::-1]
        probe = _outermost_first(placed_zyx)
        probes.append(probe)
        runs.append(_taken_runs(placed_zyx, reach))
        z_ranges.append((-int(probe[:, 0].min()), n_z - 1 - int(probe[:, 0].max())))
    raster = Raster(
        np.concatenate(probes),
        _starts(probes),
        np.concatenate(runs),
        _starts(runs),
        np.array(z_ranges, dtype=np.int64),
    )
    return PoseBank(rotations, offsets, raster)


def _even_rotations(n: int, rng: np.random.Generator) -> Floats:
    """About ``n`` rotations spread evenly over SO(3), all turned by one random rotation: each one is uniform."""
    step_deg = float(np.rad2deg(np.cbrt(8 * np.pi**2 / n)))
    return random_rotations(1, rng) @ sample_rotations(step_deg, point_group("C1"))


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


def _outermost_first(placed_zyx: Floats) -> NDArray[np.int16]:
    """Voxels that hold a point, the outermost first: there a collision shows soonest."""
    voxels = np.floor(placed_zyx + 0.5).astype(np.int64)
    span = 1 << 16
    keys = np.unique(((voxels + span // 2) * np.array([span * span, span, 1])).sum(axis=1))
    voxels = np.stack([keys // span**2, keys // span % span, keys % span], axis=-1) - span // 2
    distance = np.square(voxels.astype(np.float64)).sum(axis=1)
    return np.ascontiguousarray(voxels[np.argsort(-distance, kind="stable")].astype(np.int16))


def _taken_runs(placed_zyx: Floats, reach: float) -> NDArray[np.int16]:
    from tomoset.specimen import _kernels

    first = np.floor(placed_zyx.min(axis=0) - reach)
    shape = tuple((np.ceil(placed_zyx.max(axis=0) + reach) + 1 - first).astype(int))
    mask = np.zeros(shape, dtype=np.bool_)
    _kernels.mark_near(mask, placed_zyx - first, reach)
    runs = _kernels.runs_of(mask)
    runs[:, :3] += first.astype(np.int16)
    return runs


def _starts(parts: list[NDArray[np.int16]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
