"""Write MRC2014 volumes and stacks section by section, whole or not at all, never without a pixel size.

Plain writes, not a memory map: a full disk is then an error that can be told, and not a signal that kills the process.
"""

import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.formats.atomic import atomic_path
from tomoset.formats.running_statistics import RunningStatistics
from tomoset.model import ArraySource, InMemory

__all__ = ["StackWriter", "write_stack", "write_volume"]

_SECTIONS_AT_A_TIME, _BYTES_AT_A_TIME = 128, 2**29
_MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12}


class StackWriter:
    """Write an MRC file one section at a time; it appears under its name only when all sections are there.

    Use as a context manager. Memory holds one section.

    Parameters
    ----------
    path : path
        The file.
    shape_nyx : tuple of int
        Number of sections (images, or z), rows, columns.
    pixel_size_angstrom : float
        Edge of a pixel or voxel, Å; positive.
    dtype : dtype
        float32, float16, int8, int16, uint16; uint8 is stored as uint16, as MRC2014 has no unsigned byte.
    is_volume : bool
        True for a volume (space group 1), False for a stack of images (space group 0).

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    ParameterError
        If the dtype has no MRC mode, or shape or number of sections are not what was promised.
    OutputError
        If it cannot be written; nothing is left behind.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        shape_nyx: tuple[int, int, int],
        pixel_size_angstrom: float,
        *,
        dtype: DTypeLike = np.float32,
        is_volume: bool = False,
    ) -> None:
        self._path = Path(path)
        self._shape = shape_nyx
        self._pixel_size = _require_pixel_size(self._path, pixel_size_angstrom)
        self._dtype = _storable(self._path, np.dtype(dtype))
        self._is_volume = is_volume
        if min(shape_nyx) < 1:
            raise ParameterError(f"{path}: expected three positive dimensions (n, y, x), got {shape_nyx}")
        self._n = 0
        self._statistics = RunningStatistics()

    def __enter__(self) -> "StackWriter":
        """Open the temporary file and leave room for the header."""
        self._guard = atomic_path(self._path)
        temporary = self._guard.__enter__()
        try:
            self._stream: BinaryIO = temporary.open("wb")
            self._stream.write(bytes(1024))
        except OSError as error:
            self._guard.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, section_yx: NDArray[Any]) -> None:
        """Append the next section (y, x), row 0 at the bottom."""
        if section_yx.shape != self._shape[1:] or self._n >= self._shape[0]:
            raise ParameterError(
                f"{self._path}: expected {self._shape[0]} sections of {self._shape[1:]}, "
                f"got section {self._n + 1} of {section_yx.shape}"
            )
        stored = np.ascontiguousarray(section_yx, dtype=self._dtype)
        self._statistics.add(stored)
        self._stream.write(stored.data)
        self._n += 1

    def __exit__(self, *error: Any) -> bool | None:
        """Write the header and put the file in place; after an error remove what was written."""
        try:
            with self._stream:
                if error[0] is None:
                    self._finish()
        except BaseException as failure:
            self._guard.__exit__(type(failure), failure, failure.__traceback__)
            raise
        return self._guard.__exit__(*error)

    def _finish(self) -> None:
        if self._n != self._shape[0]:
            raise ParameterError(f"{self._path}: expected {self._shape[0]} sections, got {self._n}")
        header = _new_header(self._shape, self._dtype, self._pixel_size, is_volume=self._is_volume)
        header["dmin"], header["dmax"] = self._statistics.minimum, self._statistics.maximum
        header["dmean"], header["rms"] = self._statistics.mean, self._statistics.deviation
        self._stream.seek(0)
        self._stream.write(header.tobytes())


def write_volume(
    path: str | os.PathLike[str], volume_zyx: NDArray[Any] | ArraySource, voxel_size_angstrom: float
) -> Path:
    """Write a volume (space group 1), section by section, whole or not at all; return its path.

    Parameters
    ----------
    path : path
        The file; missing folders are made.
    volume_zyx : (z, y, x) array or ArraySource
        float32, float16, int8, int16, uint16, or uint8 (stored as uint16).
    voxel_size_angstrom : float
        Edge of a voxel, Å; positive.

    Raises
    ------
    PixelSizeError, ParameterError, OutputError
        As :class:`StackWriter`.
    """
    return _write(path, volume_zyx, voxel_size_angstrom, is_volume=True)


def write_stack(
    path: str | os.PathLike[str], images_nyx: NDArray[Any] | ArraySource, pixel_size_angstrom: float
) -> Path:
    """Write a stack of images (space group 0), image by image, whole or not at all; return its path.

    Parameters and errors are those of :func:`write_volume`.
    """
    return _write(path, images_nyx, pixel_size_angstrom, is_volume=False)


def _write(
    path: str | os.PathLike[str], array: NDArray[Any] | ArraySource, pixel_size_angstrom: float, *, is_volume: bool
) -> Path:
    source = InMemory(array) if isinstance(array, np.ndarray) else array
    if len(source.shape) != 3:
        raise ParameterError(f"{path}: expected an array of three axes, got shape {source.shape}")
    shape = cast("tuple[int, int, int]", tuple(source.shape))
    with StackWriter(path, shape, pixel_size_angstrom, dtype=source.dtype, is_volume=is_volume) as writer:
        # A volume in chunks would be decoded once a section: many sections are read at a time. Images may be made as
        # they are read, and are taken one by one.
        section_bytes = shape[1] * shape[2] * np.dtype(source.dtype).itemsize
        step = int(np.clip(_BYTES_AT_A_TIME // section_bytes, 1, _SECTIONS_AT_A_TIME)) if is_volume else 1
        for first in range(0, shape[0], step):
            for section in source.read((slice(first, min(first + step, shape[0])),)):
                writer.write(section)
    return Path(path)


def _new_header(
    shape_nyx: tuple[int, int, int], dtype: np.dtype[Any], pixel_size_angstrom: float, *, is_volume: bool
) -> NDArray[np.void]:
    from mrcfile.dtypes import HEADER_DTYPE
    from mrcfile.utils import machine_stamp_from_byte_order

    header = np.zeros((), HEADER_DTYPE)
    n, rows, columns = shape_nyx
    header["nx"], header["ny"], header["nz"] = columns, rows, n
    # MRC2014: a stack of images has mz = 1; IMOD and RELION want cell / m to be the pixel size on every axis.
    header["mx"], header["my"], header["mz"] = columns, rows, n if is_volume else 1
    header["mode"] = _MODES[dtype.name]
    edges = (columns, rows, n if is_volume else 1)
    for name, edge in zip("xyz", edges, strict=True):
        header["cella"][name] = edge * pixel_size_angstrom
        header["cellb"][{"x": "alpha", "y": "beta", "z": "gamma"}[name]] = 90.0
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["ispg"] = int(is_volume)
    header["nversion"] = 20140
    header["map"] = b"MAP "
    header["machst"] = list(machine_stamp_from_byte_order("="))
    return header


def _require_pixel_size(path: Path, pixel_size_angstrom: float) -> float:
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(
            f"{path}: expected a positive pixel size, got {pixel_size_angstrom:g} Å; "
            "a file is never written without its scale"
        )
    return float(pixel_size_angstrom)


def _storable(path: Path, dtype: np.dtype[Any]) -> np.dtype[Any]:
    native = dtype.newbyteorder("=")
    if native == np.uint8:
        return np.dtype(np.uint16)
    if native.name not in _MODES:
        raise ParameterError(f"{path}: expected {', '.join(_MODES)} or uint8, got {dtype}; convert the array first")
    return native
