"""Volumes as OME-Zarr 0.4 in zarr format 2: the layout that copick 1.x, the CryoET Data Portal and napari all read.

Axes z, y, x in ångström; levels "0", "1", "2", each half the size of the one before; the translation of level k,
``0.5 · (scale_k − scale_0)``, says that averaging moved its voxel centres (ome/ngff issue 89). Chunks of 128³ read a
patch eight times faster than the usual 256³.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError, PixelSizeError
from tomoset.formats.atomic import atomic_path
from tomoset.geometry import Grid
from tomoset.model import ArraySource, InMemory, Region

__all__ = ["ZarrSource", "level_names", "open_level_zarr", "open_volume_zarr", "write_mask_zarr", "write_volume_zarr"]

CHUNK = 128
LEVELS = 3
# A block of the finest level whose image on the coarsest level is one chunk: every chunk is written exactly once.
_BLOCK = CHUNK * 2 ** (LEVELS - 1)
_ANGSTROM_OF = {
    "angstrom": 1.0,
    "nanometer": 10.0,
    "nanometre": 10.0,
    "micrometer": 1e4,
    "micrometre": 1e4,
    "picometer": 0.01,
}
_MASK_DTYPES = ("uint8", "int8", "uint16", "uint32")

PathLike = str | os.PathLike[str]
Reduction = Literal["mean", "max"]


@dataclass(frozen=True, slots=True, eq=False)
class ZarrSource:
    """One level of a zarr volume as an :class:`~tomoset.model.ArraySource`; chunks are read when asked for."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(int(n) for n in self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return np.dtype(self.array.dtype)

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region, in memory."""
        try:
            return np.asarray(self.array[region if region else ...])
        except (RuntimeError, ValueError) as error:  # what decoders of chunks raise
            raise FormatError(
                f"{self.array.store_path}: expected whole chunks, found one that cannot be decoded ({error}); "
                "make or fetch the volume again"
            ) from error


def write_volume_zarr(
    path: PathLike, volume_zyx: ArraySource | NDArray[Any], grid: Grid, *, name: str = "", dtype: DTypeLike = np.float32
) -> Path:
    """Write a density volume with its pyramid, block by block and atomically.

    Parameters
    ----------
    path : path
        The folder to make, usually ``….zarr``; an existing one is replaced.
    volume_zyx : ArraySource or (z, y, x) array
        The volume; it is read in regions of at most 512³ voxels (0.5 GiB as float32).
    grid : Grid
        Shape and voxel size, Å.
    name : str
        Name shown by viewers; the file's stem when empty.
    dtype : dtype
        Of the written voxels, float32 unless told otherwise.

    Returns
    -------
    pathlib.Path
        ``path``.

    Raises
    ------
    GeometryError
        If volume and grid differ in shape.
    OutputError
        If it cannot be written.
    """
    return _write(path, volume_zyx, grid, name=name, dtype=np.dtype(dtype), reduction="mean")


def write_mask_zarr(path: PathLike, mask_zyx: ArraySource | NDArray[Any], grid: Grid, *, name: str = "") -> Path:
    """Write a mask with its pyramid: coarser levels hold the *largest* label of each block, never a mean.

    The largest keeps membranes that are thinner than a coarse voxel; labels are never mixed.

    Parameters
    ----------
    path : path
        The folder to make.
    mask_zyx : ArraySource or (z, y, x) array of uint8, int8, uint16 or bool
        0 is background; bool is stored as uint8.
    grid : Grid
    name : str

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ParameterError
        If the dtype is not one that mask readers accept.
    GeometryError
        If mask and grid differ in shape.
    OutputError
        If it cannot be written.
    """
    dtype = np.dtype(np.uint8 if mask_zyx.dtype == np.bool_ else mask_zyx.dtype)
    if dtype.name not in _MASK_DTYPES:
        raise ParameterError(
            f"mask {Path(path).name}: expected labels as {', '.join(_MASK_DTYPES)} or bool, found {dtype.name}; "
            "convert the mask before writing it"
        )
    return _write(path, mask_zyx, grid, name=name, dtype=dtype, reduction="max")


def open_volume_zarr(path: PathLike) -> tuple[ZarrSource, Grid]:
    """Open the finest level of an OME-Zarr volume (0.4 in format 2, or 0.5 in format 3).

    Parameters
    ----------
    path : path
        The ``.zarr`` folder.

    Returns
    -------
    source : ZarrSource
        Nothing is read before it is asked for.
    grid : Grid
        Shape and voxel size in Å.

    Raises
    ------
    InputMissingError
        If there is no zarr group.
    FormatError
        If it is no three-dimensional OME-Zarr image.
    PixelSizeError
        If the scale is missing, has no unit, or differs between axes.
    """
    source, grid, _ = open_level_zarr(path, 0)
    return source, grid


def open_level_zarr(path: PathLike, level: int) -> tuple[ZarrSource, Grid, NDArray[np.float64]]:
    """Open one level of the pyramid; see :func:`open_volume_zarr`.

    Returns
    -------
    source : ZarrSource
    grid : Grid
        Of this level.
    offset_angstrom_xyz : (3,) array of float64
        Where its voxel (0, 0, 0) lies in the volume frame of the finest level, Å.
    """
    folder = Path(path)
    group = _open_group(folder)
    multiscale = _multiscale(folder, dict(group.attrs))
    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        raise ParameterError(f"{folder.name}: expected a level from 0 to {len(datasets) - 1}, found {level}")
    unit = _angstrom_per_unit(folder, multiscale)
    finest = _transform(folder, multiscale, datasets[0])
    scale, translation = _transform(folder, multiscale, datasets[level])
    component = str(datasets[level].get("path", level))
    source = ZarrSource(_array(folder, group, component))
    if len(source.shape) != 3:
        raise FormatError(f"{folder.name}: expected a volume of three axes, found shape {source.shape}")
    grid = Grid(shape_zyx=(source.shape[0], source.shape[1], source.shape[2]), voxel_size_angstrom=scale[0] * unit)
    return source, grid, (translation - finest[1])[::-1] * unit


def _array(folder: Path, group: Any, name: str) -> Any:
    import zarr

    try:
        array = group[name]
    except (KeyError, ValueError, TypeError) as error:
        array, why = None, str(error)
    else:
        why = type(array).__name__
    if not isinstance(array, zarr.Array):
        raise FormatError(
            f"{folder.name}: expected the array {name!r} that the metadata name, found none that can be read ({why}); "
            "the volume is incomplete or damaged, make or fetch it again"
        )
    return array


def level_names(path: PathLike) -> tuple[str, ...]:
    """Names of the levels of an OME-Zarr volume, finest first."""
    folder = Path(path)
    return tuple(str(d["path"]) for d in _multiscale(folder, dict(_open_group(folder).attrs))["datasets"])


def _write(
    path: PathLike,
    volume: ArraySource | NDArray[Any],
    grid: Grid,
    *,
    name: str,
    dtype: np.dtype[Any],
    reduction: Reduction,
) -> Path:
    import zarr

    source: ArraySource = InMemory(volume) if isinstance(volume, np.ndarray) else volume
    if tuple(source.shape) != grid.shape_zyx:
        raise GeometryError(
            f"{Path(path).name}: expected a volume of the grid's shape {grid.shape_zyx}, found {tuple(source.shape)}"
        )
    with atomic_path(path) as temporary:
        group = zarr.open_group(str(temporary), mode="w", zarr_format=2)
        levels = [_create_level(group, k, grid.shape_zyx, dtype) for k in range(LEVELS)]
        for start, stop in _blocks(grid.shape_zyx):
            block = source.read(tuple(slice(a, b) for a, b in zip(start, stop, strict=True)))
            _write_block(levels, start, block, dtype, reduction)
        group.attrs["multiscales"] = [_metadata(name or Path(path).stem, grid.voxel_size_angstrom, reduction)]
    return Path(path)


def _create_level(group: Any, level: int, shape_zyx: tuple[int, int, int], dtype: np.dtype[Any]) -> Any:
    import numcodecs

    shape = _level_shape(shape_zyx, level)
    return group.create_array(
        str(level),
        shape=shape,
        chunks=tuple(min(CHUNK, n) for n in shape),
        dtype=dtype,
        compressors=numcodecs.Blosc(cname="lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE),
        chunk_key_encoding={"name": "v2", "separator": "/"},
        fill_value=0,
    )


def _level_shape(shape_zyx: tuple[int, int, int], level: int) -> tuple[int, int, int]:
    z, y, x = (max(1, n >> level) for n in shape_zyx)
    return z, y, x


def _blocks(shape_zyx: tuple[int, int, int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    counts = [range(0, n, _BLOCK) for n in shape_zyx]
    for z in counts[0]:
        for y in counts[1]:
            for x in counts[2]:
                start = (z, y, x)
                yield start, tuple(min(a + _BLOCK, n) for a, n in zip(start, shape_zyx, strict=True))


def _write_block(
    levels: list[Any], start: tuple[int, ...], block: NDArray[Any], dtype: np.dtype[Any], reduction: Reduction
) -> None:
    values = np.asarray(block)
    for k, level in enumerate(levels):
        if k:
            values = _halve(values, reduction)
        first = tuple(a >> k for a in start)
        room = tuple(min(n, s - a) for n, s, a in zip(values.shape, level.shape, first, strict=True))
        if min(room) < 1:  # a last block of one voxel has no image on the coarser level
            return
        values = values[tuple(slice(0, n) for n in room)]
        level[tuple(slice(a, a + n) for a, n in zip(first, room, strict=True))] = values.astype(dtype, copy=False)


def _halve(values: NDArray[Any], reduction: Reduction) -> NDArray[Any]:
    """Reduce pairs along every axis; an axis of one voxel stays as it is, an odd last voxel is cut."""
    for axis, n in enumerate(values.shape):
        if n > 1:
            first = values[(slice(None),) * axis + (slice(0, n - 1, 2),)]
            second = values[(slice(None),) * axis + (slice(1, n, 2),)]
            if reduction == "max":
                values = np.maximum(first, second)
            else:
                # float32 carries three halvings of float32 data; integers must not overflow
                values = np.multiply(np.add(first, second, dtype=np.float32), np.float32(0.5))
    return values


def _metadata(name: str, voxel_size_angstrom: float, reduction: Reduction) -> dict[str, Any]:
    datasets = []
    for k in range(LEVELS):
        scale = voxel_size_angstrom * 2**k
        shift = 0.5 * (scale - voxel_size_angstrom)
        transforms = [{"type": "scale", "scale": [scale] * 3}, {"type": "translation", "translation": [shift] * 3}]
        datasets.append({"path": str(k), "coordinateTransformations": transforms})
    axes = [{"name": axis, "type": "space", "unit": "angstrom"} for axis in "zyx"]
    return {"version": "0.4", "name": name, "axes": axes, "datasets": datasets, "type": reduction}


def _open_group(folder: Path) -> Any:
    import zarr

    if not folder.is_dir():
        raise InputMissingError(f"{folder}: expected an OME-Zarr folder, found nothing there; check the path")
    try:
        return zarr.open_group(str(folder), mode="r")
    except (FileNotFoundError, ValueError, KeyError) as error:
        raise FormatError(
            f"{folder.name}: expected a zarr group, found a folder without readable group metadata ({error}); "
            "give the folder that ends in .zarr"
        ) from error


def _multiscale(folder: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    inner = attributes.get("ome", attributes)
    multiscales = inner.get("multiscales") if isinstance(inner, dict) else None
    if not (isinstance(multiscales, list) and multiscales and multiscales[0].get("datasets")):
        raise FormatError(
            f"{folder.name}: expected the 'multiscales' metadata of an OME-Zarr image, found none; "
            "a bare zarr array has no voxel size and cannot be placed"
        )
    first = multiscales[0]
    names = [axis.get("name") if isinstance(axis, dict) else axis for axis in first.get("axes", [])]
    if names != ["z", "y", "x"]:
        raise FormatError(f"{folder.name}: expected the axes z, y, x, found {names}; select one channel and time first")
    return dict(first)


def _angstrom_per_unit(folder: Path, multiscale: dict[str, Any]) -> float:
    units = {str(axis.get("unit")) if isinstance(axis, dict) else "none" for axis in multiscale["axes"]}
    if len(units) != 1 or not units <= set(_ANGSTROM_OF):
        raise PixelSizeError(
            f"{folder.name}: expected one unit of length for z, y and x ({', '.join(_ANGSTROM_OF)}), "
            f"found {', '.join(sorted(units))}; write the unit into the axes' metadata"
        )
    return _ANGSTROM_OF[units.pop()]


def _transform(
    folder: Path, multiscale: dict[str, Any], dataset: dict[str, Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and translation (3,), zyx, in the file's unit, the image-wide transformation included."""
    own = _sum_up(dataset.get("coordinateTransformations", []))
    wide = _sum_up(multiscale.get("coordinateTransformations", []))
    if own[0] is None and wide[0] is None:
        raise PixelSizeError(
            f"{folder.name}: expected a 'scale' for level {dataset.get('path')!r}, found none; "
            "a volume without a voxel size cannot be used, write the size it was reconstructed at"
        )
    ones = np.ones(3)
    scale = (ones if own[0] is None else own[0]) * (ones if wide[0] is None else wide[0])
    if not (np.all(np.isfinite(scale)) and np.all(scale > 0) and np.ptp(scale) < 1e-4 * scale[0]):
        raise PixelSizeError(
            f"{folder.name}: expected one positive voxel size for z, y and x, found {scale.tolist()}; "
            "resample the volume to cubic voxels"
        )
    return scale, own[1] * (ones if wide[0] is None else wide[0]) + wide[1]


def _sum_up(transforms: list[dict[str, Any]]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    scale, translation = None, np.zeros(3)
    for transform in transforms:
        if transform.get("type") == "scale":
            scale = np.asarray(transform["scale"], dtype=np.float64)
        elif transform.get("type") == "translation":
            translation = np.asarray(transform["translation"], dtype=np.float64)
    return scale, translation
