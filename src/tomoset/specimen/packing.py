"""Random sequential insertion of rigid molecules into a slab, largest species first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Molecules
from tomoset.specimen.poses import PoseBank

__all__ = ["PackingBox", "insert"]

PROPOSALS_A_BATCH = 1 << 16
FAILURES_BEFORE_GIVING_UP = 3_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PackingBox:
    """Occupancy of the ice, one bit a voxel; periodic in x and y, walls in z; centred on the specimen's origin.

    Parameters
    ----------
    shape_zyx : tuple of int
        Voxels.
    voxel_angstrom : float
        Edge of a voxel, Å.
    bits_zyb : (z, y, ceil(x / 8)) array of uint8
        Taken voxels, eight along x in a byte.
    """

    shape_zyx: tuple[int, int, int]
    voxel_angstrom: float
    bits_zyb: NDArray[np.uint8]

    @staticmethod
    def empty(size_angstrom_xyz: tuple[float, float, float], voxel_angstrom: float) -> "PackingBox":
        """Whole voxels of a box of a given size (the rest, less than a voxel, stays empty)."""
        nx, ny, nz = (int(size // voxel_angstrom) for size in size_angstrom_xyz)
        return PackingBox((nz, ny, nx), voxel_angstrom, np.zeros((nz, ny, (nx + 7) // 8), dtype=np.uint8))


def insert(box: PackingBox, species: str, bank: PoseBank, copies: int, rng: np.random.Generator) -> Molecules:
    """Place copies of one species at random, where nothing else is; ``box`` then also holds them.

    Parameters
    ----------
    box : PackingBox
        What is taken already; changed.
    species : str
        Name given to the molecules.
    bank : PoseBank
        Poses to draw from.
    copies : int
        How many to place.
    rng : numpy.random.Generator
        Source of the proposals.

    Returns
    -------
    Molecules
        As many as found room before 3 million proposals in a row failed.
    """
    from tomoset.specimen import _kernels

    nz, ny, nx = box.shape_zyx
    taken: list[NDArray[np.int64]] = []
    placed, failures = 0, 0
    while bank.raster.fits and placed < copies and failures < FAILURES_BEFORE_GIVING_UP:
        draws = rng.integers(0, (len(bank), nz, ny, nx), size=(PROPOSALS_A_BATCH, 4))
        accepted = np.empty(copies - placed, dtype=np.int64)
        n, used, last_failures = _kernels.insert_copies(box.bits_zyb, nx, draws, bank.raster, accepted)
        taken.append(draws[accepted[:n]])
        placed += n
        failures = last_failures if n else failures + used
    chosen = np.concatenate(taken) if taken else np.empty((0, 4), dtype=np.int64)
    return _molecules(box, species, bank, chosen)


def _molecules(box: PackingBox, species: str, bank: PoseBank, chosen: NDArray[np.int64]) -> Molecules:
    poses, voxels_zyx = chosen[:, 0], chosen[:, 1:]
    middle_zyx = (np.array(box.shape_zyx) - 1) / 2
    centred_xyz = (voxels_zyx - middle_zyx)[:, ::-1]
    return Molecules(
        species=species,
        positions_angstrom_xyz=(centred_xyz + bank.offsets_xyz[poses]) * box.voxel_angstrom,
        rotations=bank.rotations[poses],
    )
