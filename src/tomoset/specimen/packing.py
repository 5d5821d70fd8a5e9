"""The packing box: which voxels of a part of the specimen are taken."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import IceLayer
from tomoset.specimen.raster import region_layers
from tomoset.specimen.regions import Region

__all__ = ["PackingBox"]

APRON_ANGSTROM = 500.0  # how far beyond its lateral edges things are marked on the opposite side

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PackingBox:
    """Occupancy of a box, one bit a voxel; periodic in x and y, walls in z.

    Parameters
    ----------
    shape_zyx : tuple of int
        Voxels.
    voxel_angstrom : float
        Edge of a voxel, Å.
    bits_zyb : (z, y, ceil(x / 8)) array of uint8
        Taken voxels, eight along x in a byte.
    centre_angstrom_xyz : (3,) tuple of float
        Middle of the box in the specimen frame, Å.
    """

    shape_zyx: tuple[int, int, int]
    voxel_angstrom: float
    bits_zyb: NDArray[np.uint8]
    centre_angstrom_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @staticmethod
    def empty(
        size_angstrom_xyz: tuple[float, float, float],
        voxel_angstrom: float,
        centre_angstrom_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> "PackingBox":
        """Whole voxels of a box of a given size (the rest, less than a voxel, stays empty)."""
        nx, ny, nz = (int(size // voxel_angstrom) for size in size_angstrom_xyz)
        bits = np.zeros((nz, ny, (nx + 7) // 8), dtype=np.uint8)
        return PackingBox((nz, ny, nx), voxel_angstrom, bits, centre_angstrom_xyz)

    def copy(self) -> "PackingBox":
        """Return a box whose marks are its own."""
        return PackingBox(self.shape_zyx, self.voxel_angstrom, self.bits_zyb.copy(), self.centre_angstrom_xyz)

    def voxels_zyx(self, positions_angstrom_xyz: Floats) -> Floats:
        """Voxel coordinates (n, 3), zyx, of positions (n, 3) in the specimen frame; voxel centres are integers."""
        middle_zyx = (np.array(self.shape_zyx) - 1) / 2
        centred = np.asarray(positions_angstrom_xyz, dtype=np.float64) - np.array(self.centre_angstrom_xyz)
        return np.asarray(centred[:, ::-1] / self.voxel_angstrom + middle_zyx)

    def positions_angstrom_xyz(self, voxels_zyx: NDArray[np.number]) -> Floats:
        """Positions (n, 3) in the specimen frame, xyz, Å, of voxel coordinates (n, 3), zyx."""
        middle_zyx = (np.array(self.shape_zyx) - 1) / 2
        centred_xyz = (np.asarray(voxels_zyx, dtype=np.float64) - middle_zyx)[:, ::-1]
        return np.asarray(centred_xyz * self.voxel_angstrom + np.array(self.centre_angstrom_xyz))

    def mark_points(self, positions_angstrom_xyz: Floats, reach_angstrom: float) -> None:
        """Take the voxels whose centres lie within ``reach`` of any of the points (n, 3), xyz, Å."""
        from tomoset.specimen import _kernels

        points = np.ascontiguousarray(self.voxels_zyx(positions_angstrom_xyz))
        _kernels.take_near(self.bits_zyb, self.shape_zyx[2], points, reach_angstrom / self.voxel_angstrom)

    def are_free(self, positions_angstrom_xyz: Floats) -> bool:
        """Whether every one of the points (n, 3), xyz, Å, lies in a free voxel; beyond the walls nothing is free."""
        from tomoset.specimen import _kernels

        points = np.ascontiguousarray(self.voxels_zyx(positions_angstrom_xyz))
        return bool(_kernels.all_free(self.bits_zyb, self.shape_zyx[2], points))

    def free_at(self, positions_angstrom_xyz: Floats) -> NDArray[np.bool_]:
        """Which of the points (n, 3), xyz, Å, lie in free voxels: (n,); none does beyond the box on any side."""
        index = np.floor(self.voxels_zyx(positions_angstrom_xyz) + 0.5).astype(np.int64)
        inside = np.flatnonzero(((index >= 0) & (index < np.array(self.shape_zyx))).all(axis=1))
        z, y, x = index[inside].T
        free = np.zeros(len(index), dtype=np.bool_)
        free[inside] = (self.bits_zyb[z, y, x >> 3] >> (x & 7).astype(np.uint8) & 1) == 0
        return free

    def mark_region(self, region: Region, *, outside: bool = False, grow_angstrom: float = 0.0) -> float:
        """Take the voxels whose centres lie in a region, or (``outside``) all that do not.

        Parameters
        ----------
        region : Region
            What lies within 500 Å beyond a lateral edge is marked on the opposite side too.
        outside : bool
            Take what does not lie in it.
        grow_angstrom : float
            Also take what lies within this distance (in whole voxels, upwards) of the taken, along each axis.

        Returns
        -------
        float
            Volume of the voxels that were free and are taken now, without the growth, Å³.
        """
        from tomoset.specimen import _kernels

        steps = int(np.ceil(grow_angstrom / self.voxel_angstrom))
        first, stop = self._window(region, outside=outside, margin=steps)
        shape = stop - first
        bits = np.zeros((shape[0], shape[1], (shape[2] + 7) // 8), dtype=np.uint8)
        corner = self.positions_angstrom_xyz(first[None])[0]
        nz, ny, nx = (int(n) for n in shape)
        for z, inside in region_layers(region.contains, corner, self.voxel_angstrom, (nz, ny, nx)):
            bits[z : z + len(inside)] = np.packbits(~inside if outside else inside, axis=2, bitorder="little")
        newly = self._merge(bits, nx, first)
        for _ in range(steps):
            bits = _kernels.dilate(bits)
        if steps:
            self._merge(bits, nx, first)
        return float(newly) * self.voxel_angstrom**3

    def mark_outside(self, region: Region) -> None:
        """Take every voxel that does not lie wholly in a region: one of whose corners does not."""
        from tomoset.specimen import _kernels

        nz, ny, nx = (n + 1 for n in self.shape_zyx)
        corner = self.positions_angstrom_xyz(np.full((1, 3), -0.5))[0]
        bits = np.zeros((nz, ny, (nx + 7) // 8), dtype=np.uint8)
        for z, inside in region_layers(region.contains, corner, self.voxel_angstrom, (nz, ny, nx)):
            bits[z : z + len(inside)] = np.packbits(~inside, axis=2, bitorder="little")
        _kernels.take_by_corners(self.bits_zyb, bits)

    def _merge(self, bits_zyb: NDArray[np.uint8], nx: int, first_zyx: NDArray[np.int64]) -> int:
        """Take the taken voxels of a window; how many of them were free."""
        from tomoset.specimen import _kernels

        z, y, x = (int(n) for n in first_zyx)
        stop_z, stop_y, stop_b = z + bits_zyb.shape[0], y + bits_zyb.shape[1], x // 8 + bits_zyb.shape[2]
        if min(x, y) < 0 or x % 8 or stop_y > self.shape_zyx[1] or x + nx > self.shape_zyx[2]:
            return int(_kernels.merge(self.bits_zyb, self.shape_zyx[2], bits_zyb, nx, first_zyx))
        newly, own_zyb = 0, self.bits_zyb[z:stop_z, y:stop_y, x // 8 : stop_b]
        for layer, other_yb in enumerate(bits_zyb):
            newly += int(np.bitwise_count(other_yb & ~own_zyb[layer]).sum(dtype=np.int64))
            own_zyb[layer] |= other_yb
        return newly

    def _window(self, region: Region, *, outside: bool, margin: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and stop voxel of the part of the grid to look at, which may reach over the lateral edges."""
        shape = np.array(self.shape_zyx, dtype=np.int64)
        if outside:
            return np.zeros(3, dtype=np.int64), shape
        apron = np.array([0, 1, 1]) * int(APRON_ANGSTROM / self.voxel_angstrom)
        apron = np.minimum(apron, shape // 2)
        lower = np.array([region.lower_angstrom_xyz], dtype=np.float64)
        upper = np.array([region.upper_angstrom_xyz], dtype=np.float64)
        # What has no bound is not continued on the other side: it would meet itself there.
        first_zyx = np.where(np.isfinite(lower[0, ::-1]), -apron, 0)
        stop_zyx = np.where(np.isfinite(upper[0, ::-1]), shape + apron, shape)
        first = np.clip(np.ceil(self.voxels_zyx(lower)[0]) - margin, first_zyx, stop_zyx)
        stop = np.clip(np.floor(self.voxels_zyx(upper)[0]) + 1 + margin, first, stop_zyx)
        # Whole bytes where it can be: they merge at once.
        first[2] = np.where(first[2] >= 0, first[2] // 8 * 8, first[2])
        return first.astype(np.int64), stop.astype(np.int64)

    def mark_beyond_ice(self, ice: IceLayer, margin_angstrom: float) -> None:
        """Take every voxel that does not lie wholly in the ice, ``margin`` from both surfaces."""
        from tomoset.specimen import _kernels

        middle = self.voxels_zyx(np.zeros((1, 3)))[0]
        bottom, top = (
            (surface_yx + shift) / self.voxel_angstrom + middle[0]
            for surface_yx, shift in (
                (ice.bottom_angstrom_yx, margin_angstrom),
                (ice.top_angstrom_yx, -margin_angstrom),
            )
        )
        corner = self.positions_angstrom_xyz(np.zeros((1, 3)))[0]
        ny, nx = ice.top_angstrom_yx.shape
        first_yx = np.array([corner[1] / ice.spacing_angstrom + ny // 2, corner[0] / ice.spacing_angstrom + nx // 2])
        step = self.voxel_angstrom / ice.spacing_angstrom
        surfaces = bottom.astype(np.float32), top.astype(np.float32)
        _kernels.take_beyond(self.bits_zyb, self.shape_zyx[2], *surfaces, first_yx, step)
