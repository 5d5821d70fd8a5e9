"""Movies and gain references: TIFF and MRC in and out, always with row 0 at the bottom of the image.

TIFF files have their origin at the top left, MRC files at the bottom left; IMOD, SerialEM, MotionCor and RELION flip
the rows of a TIFF when they read or write one, and so does this module (``docs/conventions.md``). The format is told
from the file's first bytes, because ``.gain`` and ``.mrcs`` say little. EER movies come as sums of groups of raw frames
(:mod:`tomoset.formats.eer`).
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError, OutputError, ParameterError, PixelSizeError
from tomoset.formats.atomic import atomic_path
from tomoset.formats.eer import EerGrouping, EerMovie, is_eer, open_eer
from tomoset.formats.mrc import open_mrc
from tomoset.formats.mrc_writing import write_stack
from tomoset.formats.tiff_directories import is_tiff
from tomoset.formats.tiff_pages import open_tiff
from tomoset.model import ArraySource, Region

__all__ = ["Compression", "open_gain", "open_movie", "write_gain", "write_mrc_movie", "write_tiff_movie"]

Compression = Literal["lzw", "zstd", "deflate", "none"]
_MOVIE_DTYPES = frozenset({"uint8", "int8", "uint16", "int16", "float32"})
_DIGITAL_MICROGRAPH = frozenset({".dm3", ".dm4"})
_ANGSTROM_PER_CM = 1e8


def open_movie(
    path: str | os.PathLike[str], *, expected_frames: int | None = None, eer: EerGrouping | None = None
) -> ArraySource:
    """Open a movie; frames are decoded one at a time, when they are read.

    Parameters
    ----------
    path : path
        TIFF (uncompressed, LZW, zstd, deflate), MRC (modes 0, 1, 2, 6, 12) or EER.
    expected_frames : int, optional
        How many frames there should be at least, for example the mdoc's NumSubFrames; raw ones of an EER file.
    eer : EerGrouping, optional
        How the raw frames of an EER file are grouped; else to about 0.5 e/Å².

    Returns
    -------
    ArraySource
        (t, y, x), row 0 at the bottom, in the file's dtype.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If the file is cut off, its frames differ in size, or it holds fewer frames than expected.
    """
    where = _existing(path, "a movie")
    movie: ArraySource
    if is_tiff(where):
        coded = is_eer(where, expected_frames)
        movie = open_eer(where, expected_frames, eer or EerGrouping()) if coded else open_tiff(where, expected_frames)
    else:
        movie = open_mrc(where)
    n_frames = movie.n_raw_frames if isinstance(movie, EerMovie) else movie.shape[0]
    if expected_frames is not None and n_frames < expected_frames:
        raise FormatError(
            f"{where}: expected {expected_frames} frames, found {n_frames}; the file is incomplete: copy it again"
        )
    return movie


def open_gain(path: str | os.PathLike[str]) -> ArraySource:
    """Open a multiplicative gain reference in the orientation in which movies are read.

    Parameters
    ----------
    path : path
        MRC (rows as they are) or TIFF, also ``.gain`` (rows flipped).

    Returns
    -------
    ArraySource
        (y, x), row 0 at the bottom.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it holds more than one image, or is a DigitalMicrograph file.
    """
    where = _existing(path, "a gain reference")
    if where.suffix.lower() in _DIGITAL_MICROGRAPH:
        raise FormatError(
            f"{where}: expected a gain reference as MRC or TIFF, found a DigitalMicrograph file; "
            "convert it with IMOD's dm2mrc"
        )
    images = open_tiff(where, None) if is_tiff(where) else open_mrc(where)
    if images.shape[0] != 1:
        raise FormatError(f"{where}: expected one image as gain reference, found {images.shape[0]}")
    return _OnlyImage(images)


def write_tiff_movie(
    path: str | os.PathLike[str],
    frames: Iterable[NDArray[Any]],
    pixel_size_angstrom: float,
    compression: Compression = "lzw",
) -> Path:
    """Write a movie as a multi-page TIFF, whole or not at all; return its path.

    Parameters
    ----------
    path : path
        The file; missing folders are made.
    frames : iterable of (y, x) arrays
        Row 0 at the bottom; uint8, int8, uint16, int16 or float32, all of one size and type. Taken one by one.
    pixel_size_angstrom : float
        Å; stored as the resolution in pixels per centimetre.
    compression : {"lzw", "zstd", "deflate", "none"}
        LZW is what SerialEM writes.

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    ParameterError
        If there is no frame, or frames differ, or their dtype is none of the above.
    OutputError
        If it cannot be written; nothing is left behind.
    """
    from tifffile import TiffWriter

    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(f"{path}: expected a positive pixel size, got {pixel_size_angstrom:g} Å")
    resolution = _ANGSTROM_PER_CM / pixel_size_angstrom
    with atomic_path(path) as temporary, TiffWriter(temporary) as writer:
        for frame in _checked(frames, Path(path)):
            try:
                # metadata=None: with tifffile's own metadata every page becomes a series, and readers see one frame.
                writer.write(
                    np.ascontiguousarray(frame[::-1]),
                    photometric="minisblack",
                    compression=None if compression == "none" else compression,
                    resolution=(resolution, resolution),
                    resolutionunit="CENTIMETER",
                    metadata=None,
                    software="tomoset",
                )
            except ValueError as error:  # classic TIFF ends at 4 GiB
                raise OutputError(f"{path}: expected to write a TIFF page, found: {error}") from error
    return Path(path)


def write_mrc_movie(path: str | os.PathLike[str], frames_tyx: NDArray[Any], pixel_size_angstrom: float) -> Path:
    """Write a movie (t, y, x), row 0 at the bottom, as an MRC stack, whole or not at all; return its path.

    Bytes are stored as mode 6, unsigned 16 bits: mode 0 is signed in MRC2014 and unsigned in older files of IMOD's, so
    that readers disagree about counts beyond 127.

    Raises
    ------
    PixelSizeError, ParameterError, OutputError
        As :func:`tomoset.formats.mrc_writing.write_stack`.
    """
    return write_stack(path, np.asarray(frames_tyx), pixel_size_angstrom)


def write_gain(path: str | os.PathLike[str], gain_yx: NDArray[Any], pixel_size_angstrom: float) -> Path:
    """Write a gain reference (y, x) as MRC, row 0 at the bottom, float32; return its path.

    Raises
    ------
    PixelSizeError, ParameterError, OutputError
        As :func:`tomoset.formats.mrc.write_stack`.
    """
    return write_stack(path, np.asarray(gain_yx, dtype=np.float32)[None], pixel_size_angstrom)


class _OnlyImage:
    """The one image of a source of shape (1, y, x), as a source of shape (y, x)."""

    def __init__(self, images: ArraySource) -> None:
        self._images = images

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self._images.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._images.dtype

    def read(self, region: Region = ()) -> NDArray[Any]:
        return self._images.read((0, *region))


def _existing(path: str | os.PathLike[str], what: str) -> Path:
    where = Path(path)
    if not where.is_file():
        raise InputMissingError(f"{where}: expected {what}, found no such file; check the path")
    return where


def _checked(frames: Iterable[NDArray[Any]], path: Path) -> Iterator[NDArray[Any]]:
    """Frames as they come, refused when they are none, not images, or unlike the first."""
    first: NDArray[Any] | None = None
    for frame in frames:
        if frame.ndim != 2 or frame.dtype.name not in _MOVIE_DTYPES:
            raise ParameterError(
                f"{path}: expected (y, x) frames of {', '.join(sorted(_MOVIE_DTYPES))}, "
                f"got shape {frame.shape} of {frame.dtype}"
            )
        first = frame if first is None else first
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise ParameterError(
                f"{path}: expected every frame like the first, {first.shape} of {first.dtype}, "
                f"got {frame.shape} of {frame.dtype}"
            )
        yield frame
    if first is None:
        raise ParameterError(f"{path}: expected at least one frame, got none")
