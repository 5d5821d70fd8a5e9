"""The chain of directories of a TIFF or BigTIFF, walked to its end before anything is decoded.

``tifffile`` only logs a broken chain and then reports fewer pages: a movie that was cut off while copying would pass
for a shorter one. It also takes a millisecond for a page, of which a Falcon's movie has hundreds.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tomoset.errors import FormatError

__all__ = ["TiffDirectory", "cut_off", "is_tiff", "read_directories", "read_first_directory"]

_MAGIC = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_MAX_PAGES = 1_000_000
# struct codes of the field types: byte, ASCII, short, long, undefined, long8 and IFD8; others are not asked for here.
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True, slots=True)
class TiffDirectory:
    """One page's fields, as bytes until they are asked for.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    order : str
        "<" or ">".
    is_big : bool
        BigTIFF: counts and offsets of eight bytes.
    entries : dict of int to (type, count, value)
        By tag; the value's bytes are in place when they fit there, else the offset where they are.
    """

    path: Path
    order: str
    is_big: bool
    entries: dict[int, tuple[int, int, bytes]]

    def integers(self, tag: int) -> tuple[int, ...]:
        """Values of a field of whole numbers; empty when the page has no such field."""
        entry = self.entries.get(tag)
        if entry is None or _TYPES.get(entry[0], "s") == "s":
            return ()
        raw = self._bytes(entry, _TYPES[entry[0]])
        return struct.unpack(f"{self.order}{entry[1]}{_TYPES[entry[0]]}", raw)

    def data(self, tag: int) -> bytes:
        """Bytes of a field of text or of undefined type; empty when the page has no such field."""
        entry = self.entries.get(tag)
        return b"" if entry is None or _TYPES.get(entry[0]) != "s" else self._bytes(entry, "s")

    def _bytes(self, entry: tuple[int, int, bytes], code: str) -> bytes:
        length = entry[1] * struct.calcsize(code)
        if length <= len(entry[2]):
            return entry[2][:length]
        (offset,) = struct.unpack(self.order + ("Q" if self.is_big else "I"), entry[2])
        with self.path.open("rb") as stream:
            stream.seek(offset)
            raw = stream.read(length)
        if len(raw) < length:
            raise FormatError(f"{self.path}: expected {length} bytes of a field, found {len(raw)}; copy the file again")
        return raw


def is_tiff(path: Path) -> bool:
    """Whether the first bytes are a TIFF's."""
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def read_first_directory(path: Path, expected_frames: int | None = None) -> TiffDirectory:
    """Read the first page's fields only; errors as :func:`read_directories`."""
    return next(_walk(path, expected_frames))


def read_directories(path: Path, expected_frames: int | None = None) -> list[TiffDirectory]:
    """Read the fields of every page; ``expected_frames`` only makes the message about a broken chain more exact.

    Raises
    ------
    FormatError
        If the chain ends outside the file, or runs in a circle.
    """
    return list(_walk(path, expected_frames))


def cut_off(path: Path, expected_frames: int | None, found: int) -> FormatError:
    """Error that tells how many whole frames there are."""
    expected = f"{expected_frames}" if expected_frames is not None else f"more than {found}"
    return FormatError(
        f"{path}: expected {expected} frames, found {found} whole ones; the file is cut off or damaged: copy it again"
    )


def _walk(path: Path, expected_frames: int | None) -> Iterator[TiffDirectory]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        order, is_big = _MAGIC[stream.read(4)]
        offset_format, count_format, entry_length = ("Q", "Q", 20) if is_big else ("I", "H", 12)
        stream.seek(8 if is_big else 4)
        offset = _unpack(stream, order + offset_format)
        seen: set[int] = set()
        while offset:
            stream.seek(offset)
            count = _unpack(stream, order + count_format) if offset < size else None
            raw = b"" if count is None or count * entry_length > size else stream.read(count * entry_length)
            following = _unpack(stream, order + offset_format) if raw else None
            if following is None or offset in seen or len(seen) >= _MAX_PAGES:
                raise cut_off(path, expected_frames, len(seen))
            seen.add(offset)
            yield TiffDirectory(path, order, is_big, _entries(raw, order, is_big))
            offset = following
        if offset is None or not seen:
            raise cut_off(path, expected_frames, len(seen))


def _entries(raw: bytes, order: str, is_big: bool) -> dict[int, tuple[int, int, bytes]]:
    layout = struct.Struct(order + ("HHQ8s" if is_big else "HHI4s"))
    return {tag: (kind, count, value) for tag, kind, count, value in layout.iter_unpack(raw)}


def _unpack(stream: BinaryIO, code: str) -> int | None:
    raw = stream.read(struct.calcsize(code))
    return None if len(raw) < struct.calcsize(code) else int(struct.unpack(code, raw)[0])
