"""Masks as MRC volumes and as OME-Zarr: what the values mean is read off their type and range.

Both are z, y, x arrays whose first voxel's centre is position 0. Whole numbers up to 255 are semantic (values of
``PickableObject.label``, 255 = nobody has said), larger ones number individuals, fractions from 0 to 1 are
probabilities. MRC has no unsigned byte: masks without a value above 127 are written as int8, which the CryoET Data
Portal asks for, others as uint16; individuals as uint16; probabilities as float32.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.mrc import read_volume, write_volume
from tomoset.formats.ome_zarr import open_volume_zarr, write_mask_zarr, write_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import ArraySource, Region, Segmentation
from tomoset.model.labels import SegmentationKind

__all__ = ["MRC_SUFFIXES", "largest_value", "open_grid", "read_mask", "write_mask"]

MRC_SUFFIXES = (".mrc", ".rec", ".map", ".st")
_DTYPES: dict[SegmentationKind, type[np.generic]] = {
    "semantic": np.uint8,
    "instance": np.uint32,
    "probability": np.float32,
}


@dataclass(frozen=True, slots=True, eq=False)
class _As:
    """A source whose elements are brought to another type when they are read."""

    source: ArraySource
    wanted: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.wanted

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region."""
        return self.source.read(region).astype(self.wanted)


def open_grid(path: Path) -> tuple[ArraySource, Grid]:
    """Open a volume, an MRC file or an OME-Zarr folder, with its grid."""
    if path.is_dir():
        return open_volume_zarr(path)
    source, voxel = read_volume(path)
    z, y, x = source.shape
    return source, Grid(shape_zyx=(z, y, x), voxel_size_angstrom=voxel)


def read_mask(path: Path, name: str) -> tuple[Segmentation, Grid]:
    """Open a mask.

    Raises
    ------
    FormatError
        If its values are none of a mask's.
    """
    source, grid = open_grid(path)
    kind = _kind(path, source)
    return (
        Segmentation(
            name=name,
            mask_zyx=_As(source, np.dtype(_DTYPES[kind])),
            voxel_size_angstrom=grid.voxel_size_angstrom,
            kind=kind,
        ),
        grid,
    )


def write_mask(path: str | os.PathLike[str], segmentation: Segmentation, grid: Grid) -> Path:
    """Write a mask; a path that ends in ``.zarr`` becomes an OME-Zarr, any other an MRC file.

    Raises
    ------
    ParameterError
        If there are more individuals than an MRC file can number.
    """
    target, source = Path(path), segmentation.mask_zyx
    if target.suffix == ".zarr":
        writer = write_volume_zarr if segmentation.kind == "probability" else write_mask_zarr
        return writer(target, source, grid)
    if segmentation.kind == "probability":
        return write_volume(target, _As(source, np.dtype(np.float32)), grid.voxel_size_angstrom)
    largest = largest_value(source)
    if largest > np.iinfo(np.uint16).max:
        raise ParameterError(f"{target.name}: expected at most 65535 individuals in an MRC file, found {largest:g}")
    dtype = np.dtype(np.int8 if largest <= np.iinfo(np.int8).max else np.uint16)
    return write_volume(target, _As(source, dtype), grid.voxel_size_angstrom)


def largest_value(source: ArraySource) -> float:
    """Largest element, read section by section."""
    return max((float(source.read((i,)).max()) for i in range(source.shape[0])), default=0.0)


def _kind(path: Path, source: ArraySource) -> SegmentationKind:
    low, high, whole = np.inf, -np.inf, True
    for i in range(source.shape[0]):
        section = np.asarray(source.read((i,)))
        if not np.all(np.isfinite(section)):
            raise FormatError(f"{path.name}: expected a mask, found NaN or infinity in section {i}")
        low, high = min(low, float(section.min())), max(high, float(section.max()))
        whole = whole and (section.dtype.kind in "iub" or bool(np.all(section == np.rint(section))))
    if low < 0 or (not whole and high > 1):
        raise FormatError(
            f"{path.name}: expected a mask of labels (whole numbers from 0) or of probabilities (0 to 1), found values "
            f"from {low:g} to {high:g}; this is a density or a score"
        )
    if not whole:
        return "probability"
    return "semantic" if high <= 255 else "instance"
