"""EM volumes of the TOM toolbox family (TOM, AV3, Dynamo, PyTom), read and written whole.

Format: 512 bytes of header, then the values, x fastest: byte 0 is the machine, byte 3 the type; three int32 x, y, z at
4; 40 int32 parameters at 96, of which the seventh is the pixel's edge in the object, Å × 1000 (W. Hegerl's list as
printed in the TOM toolbox, Nickell et al. 2005, J. Struct. Biol. 149:227).
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import atomic_path

__all__ = ["read_em", "write_em"]

HEADER_BYTES = 512
PIXEL_SIZE_BYTE = 96 + 4 * 6
_BIG_ENDIAN_MACHINES = frozenset({0, 3, 4, 5})
_TYPES = {1: "i1", 2: "i2", 4: "i4", 5: "f4", 9: "f8"}


def read_em(path: str | os.PathLike[str]) -> tuple[NDArray[Any], float]:
    """Read a volume in EM form, also gzipped.

    Returns
    -------
    volume_zyx : array
        In the file's type, native byte order.
    voxel_size_angstrom : float
        What the header says, Å; 0 where it says nothing, as it does more often than not.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is not in EM form, is cut off, or holds complex values.
    """
    where = Path(path)
    if not where.is_file():
        raise InputMissingError(f"{where}: expected a file in EM form, found none; check the path")
    try:
        content = gzip.decompress(where.read_bytes()) if where.suffix == ".gz" else where.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"{where}: expected a whole gzip file, found one that does not unpack: {error}") from error
    if len(content) < HEADER_BYTES:
        raise FormatError(f"{where}: expected a header of {HEADER_BYTES} bytes, found {len(content)}; it is cut off")
    machine, kind = content[0], content[3]
    order = ">" if machine in _BIG_ENDIAN_MACHINES else "<"
    nx, ny, nz = (int(n) for n in np.frombuffer(content, f"{order}i4", 3, 4))
    if machine > 6 or kind not in _TYPES or min(nx, ny, nz) < 1:
        raise FormatError(
            f"{where}: expected a volume of real values in EM form, found machine {machine}, type {kind} and "
            f"dimensions {nx} x {ny} x {nz}; convert it to MRC"
        )
    stored = np.dtype(order + _TYPES[kind])
    missing = HEADER_BYTES + nx * ny * nz * stored.itemsize - len(content)
    if missing > 0:
        raise FormatError(f"{where}: expected {nx} x {ny} x {nz} values, found the file {missing} bytes too short")
    volume_zyx = np.frombuffer(content, stored, nx * ny * nz, HEADER_BYTES).reshape(nz, ny, nx)
    pixel_milliangstrom = int(np.frombuffer(content, f"{order}i4", 1, PIXEL_SIZE_BYTE)[0])
    return volume_zyx.astype(stored.newbyteorder("=")), max(0.0, pixel_milliangstrom / 1e3)


def write_em(path: str | os.PathLike[str], volume_zyx: NDArray[np.float32], voxel_size_angstrom: float = 0.0) -> Path:
    """Write a volume as float32, little-endian.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    header = bytearray(HEADER_BYTES)
    header[0], header[3] = 6, 5  # a PC, float32
    header[4:16] = np.array(volume_zyx.shape[::-1], dtype="<i4").tobytes()
    header[PIXEL_SIZE_BYTE : PIXEL_SIZE_BYTE + 4] = np.array([round(voxel_size_angstrom * 1e3)], dtype="<i4").tobytes()
    with atomic_path(path) as temporary:
        temporary.write_bytes(bytes(header) + np.ascontiguousarray(volume_zyx, dtype="<f4").tobytes())
    return Path(path)
