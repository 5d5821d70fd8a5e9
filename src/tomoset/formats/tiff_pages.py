"""The pages of a TIFF as a lazily decoded stack, row 0 at the bottom."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError
from tomoset.formats.tiff_directories import cut_off, read_directories
from tomoset.model import Region

__all__ = ["TiffPages", "open_tiff"]

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


def open_tiff(path: Path, expected_frames: int | None) -> TiffPages:
    """Open the pages of a TIFF; ``expected_frames`` only makes the message about a broken file more exact.

    Raises
    ------
    FormatError
        If the file is cut off or damaged, pages differ, or they are in colour.
    """
    from tifffile import TiffFile

    n_pages = len(read_directories(path, expected_frames))
    try:
        with TiffFile(path) as tiff:
            pages = [tiff.pages[index] for index in range(n_pages)]
            first = pages[0]
            kinds = {(page.shape, page.dtype) for page in pages}
            if len(kinds) != 1 or len(first.shape) != 2:
                raise FormatError(f"{path}: expected grey frames of one size and type, found {sorted(map(str, kinds))}")
            _check_data_inside(path, pages, expected_frames)
            return TiffPages(path, (n_pages, *first.shape), np.dtype(first.dtype).newbyteorder("="))
    except _DECODING_ERRORS as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: expected a TIFF movie, found one that cannot be read: {error}") from error


def _check_data_inside(path: Path, pages: list[Any], expected_frames: int | None) -> None:
    size = path.stat().st_size
    whole = [
        all(start + length <= size for start, length in zip(page.dataoffsets, page.databytecounts, strict=False))
        for page in pages
    ]
    if not all(whole):
        expected = expected_frames if expected_frames is not None else len(pages)
        raise cut_off(path, expected, whole.index(False))
