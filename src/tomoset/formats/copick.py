"""copick filesystem projects: the field's common home of picks, tomograms and segmentations, without the library.

copick 1.x pins zarr < 3 and so cannot live beside this package; its layout is folders, JSON and OME-Zarr, written
here directly and proven with the real copick in ``tests/interop``.
"""

import os
from pathlib import Path

from tomoset.formats.copick_config import CopickConfig, read_config, write_config
from tomoset.formats.copick_layout import (
    MeshEntry,
    PicksEntry,
    SegmentationEntry,
    TomogramEntry,
    check_copick_name,
    list_meshes,
    list_picks,
    list_runs,
    list_segmentations,
    list_tomograms,
    mesh_path,
    picks_path,
    replace_refused,
    segmentation_kind,
    segmentation_path,
    split_segmentation_name,
    tomogram_path,
)
from tomoset.formats.copick_picks import CopickPicks, read_picks, write_picks, write_picks_file
from tomoset.formats.ome_zarr import open_volume_zarr, write_mask_zarr, write_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import Segmentation

__all__ = [
    "CopickConfig",
    "CopickPicks",
    "MeshEntry",
    "PicksEntry",
    "SegmentationEntry",
    "TomogramEntry",
    "check_copick_name",
    "list_meshes",
    "list_picks",
    "list_runs",
    "list_segmentations",
    "list_tomograms",
    "mesh_path",
    "picks_path",
    "read_config",
    "read_picks",
    "read_segmentation",
    "replace_refused",
    "segmentation_path",
    "tomogram_path",
    "write_config",
    "write_picks",
    "write_picks_file",
    "write_segmentation",
]

PathLike = str | os.PathLike[str]


def write_segmentation(
    root: PathLike, run: str, segmentation: Segmentation, *, user: str, session: str, is_multilabel: bool = True
) -> Path:
    """Write a segmentation as OME-Zarr; see :func:`segmentation_path` and ``write_mask_zarr`` for what is refused."""
    voxel = segmentation.voxel_size_angstrom
    path = segmentation_path(
        root,
        run,
        voxel_size_angstrom=voxel,
        user=user,
        session=session,
        name=segmentation.name,
        is_multilabel=is_multilabel,
        kind=segmentation.kind,
    )
    z, y, x = segmentation.mask_zyx.shape
    grid = Grid(shape_zyx=(z, y, x), voxel_size_angstrom=voxel)
    if segmentation.kind == "probability":
        return write_volume_zarr(path, segmentation.mask_zyx, grid)
    return write_mask_zarr(path, segmentation.mask_zyx, grid)


def read_segmentation(path: PathLike) -> Segmentation:
    """Open a segmentation; its voxel size is that of its own metadata, its kind that of the folder it lies in."""
    source, grid = open_volume_zarr(path)
    _, _, _, name, _ = split_segmentation_name(Path(path))
    return Segmentation(
        name=name,
        mask_zyx=source,
        voxel_size_angstrom=grid.voxel_size_angstrom,
        kind=segmentation_kind(Path(path)),
    )
