"""The pages of a TIFF as a lazily decoded stack, row 0 at the bottom.

The chain of pages is walked here before anything is decoded, because ``tifffile`` only logs a broken chain and then
reports fewer pages: a movie that was cut off while copying would pass for a shorter one.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError
from tomoset.model import Region

__all__ = ["TiffPages", "is_tiff", "open_tiff"]

_MAGIC = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_EER_COMPRESSIONS = frozenset({65000, 65001, 65002})
_MAX_PAGES = 1_000_000
# What the decoders of tifffile and imagecodecs raise on damaged data; their own errors derive from these.
_DECODING_ERRORS = (RuntimeError, ValueError, OSError, TypeError, KeyError, IndexError, struct.error)


@dataclass(frozen=True, slots=True, eq=False)
class TiffPages:
    """An :class:`~tomoset.model.ArraySource` (t, y, x) over the pages of a TIFF; each read opens and closes the file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    shape : tuple of int
        Pages, rows (row 0 at the bottom), columns.
    dtype : numpy.dtype
        Of the pixels.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region; only the pages it touches are decoded, one at a time.

        Raises
        ------
        FormatError
            If a page cannot be decoded.
        """
        from tifffile import TiffFile

        chosen = np.arange(self.shape[0])[region[0] if region else slice(None)]
        inside = cast("tuple[slice | int, ...]", tuple(region[1:]))
        with TiffFile(self.path) as tiff:
            if np.ndim(chosen) == 0:
                return np.array(self._page(tiff, int(chosen))[inside])
            part = np.empty(self.shape[1:], np.uint8)[inside].shape if inside else self.shape[1:]
            out = np.empty((len(chosen), *part), self.dtype)
            for row, index in enumerate(chosen):
                out[row] = self._page(tiff, int(index))[inside]
        return out

    def _page(self, tiff: Any, index: int) -> NDArray[Any]:
        try:
            image = tiff.pages[index].asarray()
        except _DECODING_ERRORS as error:
            raise FormatError(
                f"{self.path}: expected {self.shape[0]} frames, found frame {index + 1} damaged ({error}); "
                "copy the file again"
            ) from error
        return image[::-1]


def is_tiff(path: Path) -> bool:
    """Whether the first bytes are a TIFF's."""
    with path.open("rb") as stream:
        return stream.read(4) in _MAGIC


def open_tiff(path: Path, expected_frames: int | None) -> TiffPages:
    """Open the pages of a TIFF; ``expected_frames`` only makes the message about a broken file more exact.

    Raises
    ------
    FormatError
        If the file is cut off or damaged, pages differ, or it is an EER file or in colour.
    """
    from tifffile import TiffFile

    n_pages = _complete_pages(path, expected_frames)
    try:
        with TiffFile(path) as tiff:
            pages = [tiff.pages[index] for index in range(n_pages)]
            first = pages[0]
            if any(int(page.compression) in _EER_COMPRESSIONS for page in pages):
                raise FormatError(
                    f"{path}: EER movies are not read yet; convert it to TIFF (RELION's relion_convert_to_tiff)"
                )
            kinds = {(page.shape, page.dtype) for page in pages}
            if len(kinds) != 1 or len(first.shape) != 2:
                raise FormatError(f"{path}: expected grey frames of one size and type, found {sorted(map(str, kinds))}")
            _check_data_inside(path, pages, expected_frames)
            return TiffPages(path, (n_pages, *first.shape), np.dtype(first.dtype).newbyteorder("="))
    except _DECODING_ERRORS as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: expected a TIFF movie, found one that cannot be read: {error}") from error


def _complete_pages(path: Path, expected_frames: int | None) -> int:
    """Number of pages whose directory is wholly inside the file; an error when the chain ends outside of it."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        order, is_big = _MAGIC[stream.read(4)]
        offset_format, count_format, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
        stream.seek(8 if is_big else 4)
        n_pages = 0
        offset = _unpack(stream, order + offset_format)
        seen: set[int] = set()
        while offset:
            stream.seek(offset)
            count = _unpack(stream, order + count_format) if offset < size else None
            following = None
            if count is not None:
                stream.seek(count * entry, 1)
                following = _unpack(stream, order + offset_format)
            if following is None or offset in seen or n_pages >= _MAX_PAGES:
                raise _cut_off(path, expected_frames, n_pages)
            seen.add(offset)
            n_pages += 1
            offset = following
        if offset is None or n_pages == 0:
            raise _cut_off(path, expected_frames, n_pages)
    return n_pages


def _unpack(stream: BinaryIO, code: str) -> int | None:
    raw = stream.read(struct.calcsize(code))
    return None if len(raw) < struct.calcsize(code) else int(struct.unpack(code, raw)[0])


def _check_data_inside(path: Path, pages: list[Any], expected_frames: int | None) -> None:
    size = path.stat().st_size
    whole = [
        all(start + length <= size for start, length in zip(page.dataoffsets, page.databytecounts, strict=False))
        for page in pages
    ]
    if not all(whole):
        expected = expected_frames if expected_frames is not None else len(pages)
        raise _cut_off(path, expected, whole.index(False))


def _cut_off(path: Path, expected_frames: int | None, found: int) -> FormatError:
    expected = f"{expected_frames}" if expected_frames is not None else f"more than {found}"
    return FormatError(
        f"{path}: expected {expected} frames, found {found} whole ones; the file is cut off or damaged: copy it again"
    )
