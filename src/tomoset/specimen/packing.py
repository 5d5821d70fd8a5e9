"""Random sequential insertion of rigid molecules into a slab, largest species first."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Molecules
from tomoset.specimen.poses import PoseBank
from tomoset.specimen.regions import Region

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

    def copy(self) -> "PackingBox":
        """Return a box whose marks are its own."""
        return PackingBox(self.shape_zyx, self.voxel_angstrom, self.bits_zyb.copy())

    def voxels_zyx(self, positions_angstrom_xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Voxel coordinates (n, 3), zyx, of positions (n, 3) in the specimen frame; voxel centres are integers."""
        middle_zyx = (np.array(self.shape_zyx) - 1) / 2
        return np.asarray(positions_angstrom_xyz, dtype=np.float64)[:, ::-1] / self.voxel_angstrom + middle_zyx

    def mark_points(self, positions_angstrom_xyz: NDArray[np.float64], reach_angstrom: float) -> None:
        """Take the voxels whose centres lie within ``reach`` of any of the points (n, 3), xyz, Å."""
        from tomoset.specimen import _kernels

        points = np.ascontiguousarray(self.voxels_zyx(positions_angstrom_xyz))
        _kernels.take_near(self.bits_zyb, self.shape_zyx[2], points, reach_angstrom / self.voxel_angstrom)

    def are_free(self, positions_angstrom_xyz: NDArray[np.float64]) -> bool:
        """Whether every one of the points (n, 3), xyz, Å, lies in a free voxel; beyond the walls nothing is free."""
        from tomoset.specimen import _kernels

        points = np.ascontiguousarray(self.voxels_zyx(positions_angstrom_xyz))
        return bool(_kernels.all_free(self.bits_zyb, self.shape_zyx[2], points))

    def mark_region(self, region: Region, *, outside: bool = False) -> None:
        """Take the voxels whose centres lie in a region, or (``outside``) all that do not."""
        nz, ny, nx = self.shape_zyx
        lower = np.ceil(self.voxels_zyx(np.array([region.lower_angstrom_xyz]))[0])
        upper = np.floor(self.voxels_zyx(np.array([region.upper_angstrom_xyz]))[0])
        first = np.clip(lower, 0, self.shape_zyx).astype(int)
        stop = np.clip(upper + 1, first, self.shape_zyx).astype(int)
        y, x = np.meshgrid(np.arange(first[1], stop[1]), np.arange(first[2], stop[2]), indexing="ij")
        middle_zyx = (np.array(self.shape_zyx) - 1) / 2
        for z in range(nz):
            taken_yx = np.full((ny, nx), outside)
            if first[0] <= z < stop[0] and y.size:
                index = np.stack([x.ravel(), y.ravel(), np.full(x.size, z)], axis=-1)
                inside = region.contains((index - middle_zyx[::-1]) * self.voxel_angstrom).reshape(x.shape)
                taken_yx[first[1] : stop[1], first[2] : stop[2]] = ~inside if outside else inside
            self.bits_zyb[z] |= np.packbits(taken_yx, axis=1, bitorder="little")


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
