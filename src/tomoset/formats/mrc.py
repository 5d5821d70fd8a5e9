"""MRC2014 volumes and stacks, read by region from disk; writing is in :mod:`tomoset.formats.mrc_writing`.

``mrcfile`` defines the header. The bytes are read here, so that headers that predate the standard (no "MAP ", no
machine stamp), unsigned bytes and permuted axes are understood, without warnings that threads cannot silence safely.

Format: Cheng et al. (2015) J. Struct. Biol. 192:146; https://www.ccpem.ac.uk/mrc_format/mrc2014.php.
"""

import bz2
import gzip
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError, PixelSizeError
from tomoset.formats.mrc_writing import StackWriter, write_stack, write_volume
from tomoset.model import ArraySource, Region

__all__ = ["MrcFile", "StackWriter", "open_mrc", "read_volume", "write_stack", "write_volume"]

_IMOD_STAMP = 1146047817
_AXIS_ORDER = (1, 2, 3)
_ByteOrder = Literal["<", ">"]


@dataclass(frozen=True, slots=True, eq=False)
class MrcFile:
    """An :class:`~tomoset.model.ArraySource` over an MRC file; each read opens and closes it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    shape : tuple of int
        Sections, rows (row 0 at the bottom), columns: always z, y, x, whatever order the file stores them in.
    dtype : numpy.dtype
        Native byte order; unsigned bytes where the file says so.
    voxel_size_angstrom_xyz : tuple of float
        Cell edge over sampling intervals, Å; 0 where the header does not say.
    is_volume : bool
        Space group 1 and above; 0 is a stack of images.
    offset : int
        Where the data begin, bytes.
    stored_dtype : numpy.dtype
        With the file's byte order.
    stored_axes : tuple of int
        Which of z, y, x (0, 1, 2) the slowest, middle and fastest stored axes are.
    unpacked : bytes or None
        Content of a compressed file, which cannot be read by region from disk.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    voxel_size_angstrom_xyz: tuple[float, float, float]
    is_volume: bool
    offset: int
    stored_dtype: np.dtype[Any]
    stored_axes: tuple[int, int, int] = (0, 1, 2)
    unpacked: bytes | None = None

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region, copied into memory; only the region's pages are read from disk.

        Raises
        ------
        FormatError
            If the file has become shorter than its header says.
        """
        if self.unpacked is None and len(region) <= 1 and self.stored_axes == (0, 1, 2):
            sections = range(self.shape[0])[region[0] if region else slice(None)]
            if isinstance(sections, int):
                return self._sections(sections, 1)[0]
            if sections.step == 1:
                return self._sections(sections.start, len(sections))
        return np.array(self._stored().transpose(np.argsort(self.stored_axes))[region], dtype=self.dtype)

    def _sections(self, first: int, count: int) -> NDArray[Any]:
        """Whole neighbouring sections: one read call, several times quicker than the page faults of a memory map."""
        rows, columns = self.shape[1:]
        size = rows * columns
        offset = self.offset + first * size * self.stored_dtype.itemsize
        values = np.fromfile(self.path, self.stored_dtype, count * size, offset=offset)
        if values.size != count * size:
            raise FormatError(f"{self.path}: expected {count} sections from section {first}; the file has been cut off")
        return values.reshape(count, rows, columns).astype(self.dtype, copy=False)

    def _stored(self) -> NDArray[Any]:
        """All values in the file's own axes and byte order, without reading them."""
        shape = tuple(self.shape[axis] for axis in self.stored_axes)
        if self.unpacked is not None:
            return np.frombuffer(self.unpacked, self.stored_dtype, int(np.prod(shape)), self.offset).reshape(shape)
        try:
            return np.memmap(self.path, self.stored_dtype, "r", self.offset, shape)
        except (OSError, ValueError) as error:
            raise FormatError(f"{self.path}: expected {shape} values after the header; {error}") from error


def open_mrc(path: str | os.PathLike[str]) -> MrcFile:
    """Open any MRC2014 file (``.mrc .mrcs .map .st .rec``, also ``.gz`` and ``.bz2``), checking its length.

    Parameters
    ----------
    path : path
        The file. Compressed ones are unpacked into memory.

    Returns
    -------
    MrcFile
        An ArraySource that also knows what the header says. Axes are z, y, x, voxels need not be cubic.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is not an MRC file, is cut off, or holds complex or 4-bit data.
    """
    where = Path(path)
    if not where.is_file():
        raise InputMissingError(f"{where}: expected an MRC file, found none; check the path")
    if where.suffix in {".gz", ".bz2"}:
        content = _unpack(where)
        header = replace(_parse_header(content[:1024], where), unpacked=content)
        _check_length(header, len(content))
        return header
    with where.open("rb") as stream:
        header = _parse_header(stream.read(1024), where)
    _check_length(header, where.stat().st_size)
    return header


def read_volume(path: str | os.PathLike[str]) -> tuple[ArraySource, float]:
    """Open a volume (or a stack) with cubic voxels.

    Parameters
    ----------
    path : path
        The file, also ``.gz`` or ``.bz2``.

    Returns
    -------
    volume_zyx : ArraySource
        Read by region; nothing is loaded yet, save from compressed files.
    voxel_size_angstrom : float
        From the header; for stacks the pixel size.

    Raises
    ------
    PixelSizeError
        If the header holds no voxel size, or voxels are not cubic to 0.1 % (z of a stack does not count).
    InputMissingError, FormatError
        As :func:`open_mrc`.
    """
    header = open_mrc(path)
    x, y, z = header.voxel_size_angstrom_xyz
    sizes = np.array([x, y, z] if header.is_volume and header.shape[0] > 1 else [x, y])
    if not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise PixelSizeError(
            f"{header.path}: expected a positive voxel size in the header, found ({x:g}, {y:g}, {z:g}) Å; "
            "write the right one into the header (for example with IMOD's alterheader -pixel)"
        )
    if np.ptp(sizes) > 1e-3 * sizes[0]:
        raise PixelSizeError(
            f"{header.path}: expected cubic voxels, found ({x:g}, {y:g}, {z:g}) Å; resample the map to cubic voxels"
        )
    return header, float(x)


def _parse_header(raw: bytes, where: Path) -> MrcFile:
    from mrcfile.dtypes import HEADER_DTYPE
    from mrcfile.utils import dtype_from_mode

    if len(raw) < 1024:
        raise FormatError(f"{where}: expected an MRC header of 1024 bytes, found {len(raw)}; the file is cut off")
    header, order = _in_byte_order(raw, HEADER_DTYPE, where)
    mode = int(header["mode"])
    try:
        stored = np.dtype(dtype_from_mode(mode)).newbyteorder(order)
    except ValueError as error:
        raise FormatError(
            f"{where}: expected mode 0, 1, 2, 6 or 12, found {mode}; convert it with IMOD's newstack"
        ) from error
    if stored.kind == "c":
        raise FormatError(f"{where}: expected real values, found complex ones (mode {mode})")
    if mode == 0 and _bytes_are_unsigned(raw, header, order):
        stored = np.dtype(np.uint8)
    columns, rows, sections = (int(header[name]) for name in ("nx", "ny", "nz"))
    axes = _axes(header, where)
    shape = [0, 0, 0]
    for axis, length in zip(axes, (sections, rows, columns), strict=True):
        shape[axis] = length
    cell, sampling = header["cella"], [int(header[name]) for name in ("mx", "my", "mz")]
    size = [float(cell[name]) / m if m > 0 else 0.0 for name, m in zip("xyz", sampling, strict=True)]
    return MrcFile(
        path=where,
        shape=tuple(shape),
        dtype=stored.newbyteorder("="),
        voxel_size_angstrom_xyz=(size[0], size[1], size[2]),
        is_volume=int(header["ispg"]) != 0,
        offset=1024 + max(int(header["nsymbt"]), 0),
        stored_dtype=stored,
        stored_axes=axes,
    )


def _unpack(where: Path) -> bytes:
    try:
        with gzip.open(where) if where.suffix == ".gz" else bz2.open(where) as packed:
            return packed.read()
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(
            f"{where}: expected a whole compressed file, found one that does not unpack: {error}"
        ) from error


def _in_byte_order(raw: bytes, dtype: np.dtype[Any], where: Path) -> tuple[Any, _ByteOrder]:
    """Header in the byte order in which dimensions, mode and axes make sense; machine stamps are often absent."""
    orders: tuple[_ByteOrder, _ByteOrder] = (">", "<") if raw[212:214] == b"\x11\x11" else ("<", ">")
    for order in orders:
        header = np.frombuffer(raw, dtype.newbyteorder(order), 1)[0]
        sizes = [int(header[name]) for name in ("nx", "ny", "nz")]
        sane = min(sizes) > 0 and max(sizes) < 1 << 24 and 0 <= int(header["mode"]) <= 101
        if sane and 0 <= int(header["mapc"]) <= 3:
            return header, order
    raise FormatError(f"{where}: expected an MRC header, found dimensions or a mode that cannot be; not an MRC file")


def _bytes_are_unsigned(raw: bytes, header: Any, order: _ByteOrder) -> bool:
    """Whether mode 0 (signed in MRC2014) is unsigned: IMOD's flag says so, or statistics beyond 127 prove it."""
    stamp, flags = np.frombuffer(raw, np.dtype(np.int32).newbyteorder(order), 2, 152)
    if stamp == _IMOD_STAMP:
        return not int(flags) & 1
    return bool(0 <= header["dmin"] < header["dmax"] and 127 < header["dmax"] <= 255)


def _axes(header: Any, where: Path) -> tuple[int, int, int]:
    """Which of z, y, x (0, 1, 2) the slowest, middle and fastest stored axes are."""
    order = tuple(int(header[name]) for name in ("mapc", "mapr", "maps"))
    if order == (0, 0, 0):  # files that predate the standard
        order = _AXIS_ORDER
    if sorted(order) != list(_AXIS_ORDER):
        raise FormatError(f"{where}: expected axes mapc, mapr, maps to be 1, 2, 3 in some order, found {order}")
    return (3 - order[2], 3 - order[1], 3 - order[0])


def _check_length(header: MrcFile, found: int) -> None:
    section = int(np.prod([header.shape[axis] for axis in header.stored_axes[1:]])) * header.stored_dtype.itemsize
    expected = header.shape[header.stored_axes[0]]
    complete = (found - header.offset) // section
    if complete < expected:
        raise FormatError(
            f"{header.path}: expected {expected} frames or sections of {section} bytes, found {max(complete, 0)}; "
            "the file is cut off: copy it again"
        )
