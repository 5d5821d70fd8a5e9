"""The one place where an index (z, y, x) becomes a position (x, y, z) in ångström, and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError, PixelSizeError

__all__ = ["Grid", "bin_volume", "specimen_origin_index_zyx"]


def specimen_origin_index_zyx(shape_zyx: tuple[int, int, int]) -> tuple[int, int, int]:
    """Index of the voxel that holds the specimen frame's origin: N // 2 on every axis."""
    z, y, x = shape_zyx
    return (z // 2, y // 2, x // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A regular grid of cubic voxels.

    An integer index is a voxel centre and the centre of voxel (0, 0, 0) is position (0, 0, 0) Å of the *volume*
    frame. The *specimen* frame has the same axes and its origin at index N // 2 (on the tilt axis).

    Parameters
    ----------
    shape_zyx : tuple of int
        Number of voxels along z, y, x; each positive.
    voxel_size_angstrom : float
        Edge of a voxel, Å; positive.

    Raises
    ------
    GeometryError
        If a dimension is not positive.
    PixelSizeError
        If the voxel size is not positive and finite.

    Examples
    --------
    >>> grid = Grid(shape_zyx=(4, 8, 8), voxel_size_angstrom=10.0)
    >>> grid.position_angstrom_xyz((1, 2, 3)).tolist()
    [30.0, 20.0, 10.0]
    """

    shape_zyx: tuple[int, int, int]
    voxel_size_angstrom: float

    def __post_init__(self) -> None:
        """Refuse grids that cannot exist."""
        if np.shape(self.shape_zyx) != (3,) or min(self.shape_zyx) < 1:
            raise GeometryError(f"a grid needs three positive dimensions (z, y, x), got {self.shape_zyx}")
        if not (np.isfinite(self.voxel_size_angstrom) and self.voxel_size_angstrom > 0):
            raise PixelSizeError(
                f"voxel size must be positive, got {self.voxel_size_angstrom:g} Å; give the size the data were "
                "recorded or reconstructed at"
            )

    @property
    def size_angstrom_xyz(self) -> NDArray[np.float64]:
        """Edge lengths of the grid, Å, in x, y, z."""
        return np.asarray(self.shape_zyx[::-1], dtype=np.float64) * self.voxel_size_angstrom

    @property
    def specimen_origin_angstrom_xyz(self) -> NDArray[np.float64]:
        """Position, in the volume frame, of the specimen frame's origin (index N // 2), Å."""
        return self.position_angstrom_xyz(specimen_origin_index_zyx(self.shape_zyx))

    def position_angstrom_xyz(self, index_zyx: ArrayLike) -> NDArray[np.float64]:
        """Volume-frame positions of (fractional) indices: (..., 3) zyx -> (..., 3) xyz in Å."""
        return np.asarray(index_zyx, dtype=np.float64)[..., ::-1] * self.voxel_size_angstrom

    def index_zyx(self, position_angstrom_xyz: ArrayLike) -> NDArray[np.float64]:
        """Fractional indices of volume-frame positions: (..., 3) xyz in Å -> (..., 3) zyx."""
        return np.asarray(position_angstrom_xyz, dtype=np.float64)[..., ::-1] / self.voxel_size_angstrom

    def specimen_from_volume(self, position_angstrom_xyz: ArrayLike) -> NDArray[np.float64]:
        """Volume-frame positions (…, 3) in Å -> specimen-frame positions in Å."""
        return np.asarray(position_angstrom_xyz, dtype=np.float64) - self.specimen_origin_angstrom_xyz

    def volume_from_specimen(self, position_angstrom_xyz: ArrayLike) -> NDArray[np.float64]:
        """Specimen-frame positions (…, 3) in Å -> volume-frame positions in Å."""
        return np.asarray(position_angstrom_xyz, dtype=np.float64) + self.specimen_origin_angstrom_xyz

    def contains(self, position_angstrom_xyz: ArrayLike) -> NDArray[np.bool_]:
        """Which volume-frame positions (…, 3) in Å lie between the first and the last voxel centre."""
        index = self.index_zyx(position_angstrom_xyz)
        return np.all((index >= 0) & (index <= np.asarray(self.shape_zyx) - 1), axis=-1)


def bin_volume(
    volume_zyx: NDArray[np.floating], grid: Grid, factor: int
) -> tuple[NDArray[np.floating], Grid, NDArray[np.float64]]:
    """Average blocks of ``factor``³ voxels.

    Parameters
    ----------
    volume_zyx : (z, y, x) array of float
        The volume; trailing voxels that do not fill a block are cut.
    grid : Grid
        Its grid.
    factor : int
        Voxels averaged along each axis, at least 1.

    Returns
    -------
    binned_zyx : (z, y, x) array
        Same floating dtype as the input.
    grid : Grid
        Grid of the result.
    offset_angstrom_xyz : (3,) array of float64
        Where voxel (0, 0, 0) of the result lies in the *input's* volume frame: averaging moves centres by
        (factor − 1) / 2 fine voxels, which Fourier cropping does not.

    Raises
    ------
    GeometryError
        If the factor is below 1 or larger than the volume, or the volume does not have the grid's shape.
    """
    if tuple(volume_zyx.shape) != tuple(grid.shape_zyx):
        raise GeometryError(f"expected a volume of the grid's shape {grid.shape_zyx}, got {volume_zyx.shape}")
    if factor < 1 or factor > min(volume_zyx.shape):
        raise GeometryError(f"bin factor must be between 1 and {min(volume_zyx.shape)}, got {factor}")
    z, y, x = (n // factor for n in volume_zyx.shape)
    cut = volume_zyx[: z * factor, : y * factor, : x * factor]
    blocks = cut.reshape(z, factor, y, factor, x, factor)
    binned_zyx = blocks.mean(axis=(1, 3, 5), dtype=np.float64).astype(volume_zyx.dtype)
    coarse = Grid(shape_zyx=(z, y, x), voxel_size_angstrom=grid.voxel_size_angstrom * factor)
    offset = np.full(3, (factor - 1) / 2 * grid.voxel_size_angstrom)
    return binned_zyx, coarse, offset
