"""Labels as the portal keeps them: one point a line, one mask an object.

Positions are in voxels of the tomogram, x y z, an integer being a voxel's centre; a rotation maps the particle to the
tomogram.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.formats.mrc import write_volume
from tomoset.formats.ome_zarr import write_mask_zarr
from tomoset.formats.portal_points import portal_shape, write_portal_points
from tomoset.geometry import Grid
from tomoset.model import ArraySource, PickableObject, Picks, Region, Segmentation
from tomoset.release.portal.documents import AnnotationFile

__all__ = ["ObjectMask", "object_masks", "points_of", "write_mask", "write_points"]

_SLAB = 64


def points_of(picks: Picks, grid: Grid) -> Picks:
    """Picks as the portal takes them: inside the volume, and oriented only when all rotations are known.

    Raises
    ------
    GeometryError
        If a pick lies outside the volume: the portal refuses it.
    """
    voxels = picks.positions_angstrom_xyz / grid.voxel_size_angstrom
    far = np.array(grid.shape_zyx[::-1]) - 1
    outside = np.flatnonzero(np.any((voxels < -0.5) | (voxels > far + 0.5), axis=1))
    if outside.size:
        place = np.round(voxels[outside[0]], 1).tolist()
        raise GeometryError(
            f"picks of {picks.object_name}: expected positions inside the volume of {grid.shape_zyx[::-1]} voxels, "
            f"found {place} (pick {outside[0]}); remove it, or give the tomogram it is of"
        )
    known = picks.orientation_known is None or bool(picks.orientation_known.all())
    return Picks(
        object_name=picks.object_name,
        # up to half a voxel beyond the outermost centres is still inside
        positions_angstrom_xyz=np.clip(voxels, 0, far) * grid.voxel_size_angstrom,
        rotations=picks.rotations if known else None,
        instance_ids=picks.instance_ids,
    )


def write_points(folder: Path, stem: str, picks: Picks, grid: Grid, root: Path) -> AnnotationFile:
    """Write one class's points; returns the file as the metadata names it, relative to ``root``."""
    points = points_of(picks, grid)
    shape = portal_shape(points)
    path = folder / f"{stem}_{shape.lower()}.ndjson"
    write_portal_points(path, points, voxel_size_angstrom=grid.voxel_size_angstrom)
    return AnnotationFile(path=path.relative_to(root).as_posix(), format="ndjson", shape=shape)


@dataclass(frozen=True, slots=True, eq=False)
class ObjectMask:
    """One object's voxels of a semantic mask as the portal wants them, 1 inside, made as they are read.

    What nobody has labeled (``IGNORE``) is background: the portal has no word for it.
    """

    mask_zyx: ArraySource
    label: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.mask_zyx.shape

    @property
    def dtype(self) -> np.dtype[np.int8]:
        """Type of the elements."""
        return np.dtype(np.int8)

    def read(self, region: Region = ()) -> NDArray[np.int8]:
        """Elements of a region."""
        return (np.asarray(self.mask_zyx.read(region)) == self.label).astype(np.int8)


def object_masks(segmentation: Segmentation, objects: tuple[PickableObject, ...]) -> dict[str, ObjectMask]:
    """A mask of each object that a semantic mask holds."""
    present: set[int] = set()
    for first in range(0, segmentation.mask_zyx.shape[0], _SLAB):
        present.update(np.unique(segmentation.mask_zyx.read((slice(first, first + _SLAB),))).tolist())
    return {item.name: ObjectMask(segmentation.mask_zyx, item.label) for item in objects if item.label in present}


def write_mask(folder: Path, stem: str, mask_zyx: ArraySource, grid: Grid, root: Path) -> tuple[AnnotationFile, ...]:
    """Write a mask as OME-Zarr and as MRC."""
    shape = "SegmentationMask"
    zarr = write_mask_zarr(folder / f"{stem}_segmentationmask.zarr", mask_zyx, grid, name=stem)
    mrc = folder / f"{stem}_segmentationmask.mrc"
    write_volume(mrc, mask_zyx, grid.voxel_size_angstrom)
    return (
        AnnotationFile(path=zarr.relative_to(root).as_posix(), format="zarr", shape=shape),
        AnnotationFile(path=mrc.relative_to(root).as_posix(), format="mrc", shape=shape),
    )
