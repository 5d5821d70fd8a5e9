"""Electron-event movies (EER) of Falcon 4 cameras: events decoded with imagecodecs, raw frames summed in groups.

An EER file is a TIFF of which each page holds one raw frame (some 250 a second) as a stream of bits, least significant
first: the number of empty pixels before the next event (8 bits for compression 65000, 7 for 65001, tag 65007 for
65002; all ones go on without an event) and the event's place inside its pixel. A pixel holds at most one event a frame,
so that bytes suffice for groups of up to 255. No real file was at hand here: the decoder is held to an encoder written
from this description (``tests/eer_encoder.py``), which also follows RELION's ``src/renderEER.cpp``.

Orientation. RELION (``renderEER.cpp``), Warp (``EER.cpp``) and MotionCor3 take a file's first row as row 0; IMOD
(``convertEERpositions`` in ``iitif.c``) puts it on top, as in every TIFF. This module does as IMOD, whose convention
the mdoc's tilt axis follows; the gain reference's TIFF (``.gain``) lies as the frames in RELION and IMOD alike. The tag
Orientation is applied by none of these programs, nor here.

Metadata. Tag 65001 holds XML items. ``sensorPixelSize.width`` is the pixel at the *specimen* in metres, ``totalDose``
counts e/pixel (7.06e-11 m and the frames' own event counts in files of EMPIAR-13509 and EMPIAR-11906, as a reader's
authors report).
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.tiff_directories import TiffDirectory, cut_off, read_directories, read_first_directory
from tomoset.model import Region

__all__ = ["EerGrouping", "EerHeader", "EerMovie", "group_limits", "is_eer", "open_eer"]

_SKIP_BITS = {65000: 8, 65001: 7, 65002: 7}
_WIDTH, _LENGTH, _COMPRESSION, _OFFSETS, _COUNTS = 256, 257, 259, 273, 279
_METADATA, _SKIP_TAG, _HORIZONTAL_TAG, _VERTICAL_TAG = 65001, 65007, 65008, 65009
_ITEM = re.compile(r'<item\s+name="([^"]+)"[^>]*>([^<]*)</item>')
_PLAUSIBLE_PIXEL_ANGSTROM = (0.05, 200.0)
_LEAST_GROUPS = 4  # odd and even sums of two each
_GROUPS_WITHOUT_DOSE = 10
_DIVISOR_RANGE = (0.75, 4 / 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class EerGrouping:
    """How raw frames are summed; both alter the answer, hence they are kept with a project.

    Parameters
    ----------
    dose_per_group_e_per_angstrom2 : float
        Aim; RELION's manual advises 0.5 to 1.25 e/Å².
    frames_per_group : int or None
        Raw frames in a group; replaces the dose.

    Raises
    ------
    ParameterError
        If either is not positive.
    """

    dose_per_group_e_per_angstrom2: float = 0.5
    frames_per_group: int | None = None

    def __post_init__(self) -> None:
        """Refuse what groups nothing."""
        if not (np.isfinite(self.dose_per_group_e_per_angstrom2) and self.dose_per_group_e_per_angstrom2 > 0):
            raise ParameterError(
                f"expected a positive dose per group of EER frames, got {self.dose_per_group_e_per_angstrom2:g} e/Å²"
            )
        if self.frames_per_group is not None and self.frames_per_group < 1:
            raise ParameterError(f"expected at least one EER frame per group, got {self.frames_per_group}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EerHeader:
    """What the camera wrote about the whole movie; None where it did not.

    Parameters
    ----------
    pixel_size_angstrom : float or None
        Nominal, at the specimen, of the 4k frame.
    dose_e_per_angstrom2 : float or None
        Of all frames, from the events that were counted.
    exposure_time_s : float or None
    gain_name : str or None
        File name of the gain reference.
    """

    pixel_size_angstrom: float | None = None
    dose_e_per_angstrom2: float | None = None
    exposure_time_s: float | None = None
    gain_name: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EerMovie:
    """An :class:`~tomoset.model.ArraySource` (t, y, x) of groups of raw frames; each is decoded when it is read.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    shape : tuple of int
        Groups, rows (row 0 at the bottom), columns.
    limits : (groups + 1,) array of int
        First raw frame of each group; the number of raw frames at the end.
    strips : (raw frames,) tuple of tuples of (offset, length)
        Where each raw frame's bits are.
    bits : tuple of int
        Of the run, and of the place inside the pixel in x and y.
    header : EerHeader
    """

    path: Path
    shape: tuple[int, ...]
    limits: NDArray[np.intp]
    strips: tuple[tuple[tuple[int, int], ...], ...]
    bits: tuple[int, int, int]
    header: EerHeader

    @property
    def dtype(self) -> np.dtype[Any]:
        """Bytes, or two of them where a group is so large that a pixel could count further."""
        return np.dtype(np.uint8 if np.diff(self.limits).max() <= 255 else np.uint16)

    @property
    def n_raw_frames(self) -> int:
        """Frames in the file."""
        return len(self.strips)

    def grouped(self, limits: NDArray[np.intp]) -> "EerMovie":
        """Return the same movie in other groups."""
        return replace(self, limits=limits, shape=(len(limits) - 1, *self.shape[1:]))

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region; only the groups that it touches are decoded, one raw frame at a time.

        Raises
        ------
        FormatError
            If a frame cannot be decoded.
        """
        chosen = np.arange(self.shape[0])[region[0] if region else slice(None)]
        inside = cast("tuple[slice | int, ...]", tuple(region[1:]))
        if np.ndim(chosen) == 0:
            return np.array(self._group(int(chosen))[inside])
        part = np.empty(self.shape[1:], np.bool_)[inside].shape if inside else self.shape[1:]
        out = np.empty((len(chosen), *part), self.dtype)
        for row, index in enumerate(chosen):
            out[row] = self._group(int(index))[inside]
        return out

    def _group(self, index: int) -> NDArray[Any]:
        from imagecodecs import eer_decode

        height, width = self.shape[1:]
        total_yx = np.zeros((height, width), self.dtype)
        with self.path.open("rb") as stream:
            for frame in range(int(self.limits[index]), int(self.limits[index + 1])):
                stored = b""
                for offset, length in self.strips[frame]:
                    stream.seek(offset)
                    stored += stream.read(length)
                # The decoder takes whole words of two bytes, adds to what is in ``out``, and releases the GIL.
                try:
                    eer_decode(stored + bytes(len(stored) % 2), (height, width), *self.bits, out=total_yx)
                except (RuntimeError, ValueError) as error:
                    raise FormatError(
                        f"{self.path}: expected {self.n_raw_frames} raw frames, found frame {frame + 1} damaged "
                        f"({error}); copy the file again"
                    ) from error
        return total_yx[::-1]


def is_eer(path: Path, expected_frames: int | None = None) -> bool:
    """Whether a TIFF's pages are electron events; the first page may be their sum, uncompressed."""
    first = read_first_directory(path, expected_frames)
    return _is_coded(first) or (bool(first.data(_METADATA)) and path.suffix.lower() in {".eer", ".ecc"})


def open_eer(path: Path, expected_frames: int | None, grouping: EerGrouping) -> EerMovie:
    """Open an EER movie in groups by the dose that its header tells.

    Raises
    ------
    FormatError
        If it is cut off, or its frames differ or are coded in a way that is not known.
    """
    directories = read_directories(path, expected_frames)
    pages = [page for page in directories if _is_coded(page)]
    if not pages:
        raise FormatError(f"{path}: expected frames of electron events, found none; the file is cut off or damaged")
    kinds = {(*page.integers(_LENGTH), *page.integers(_WIDTH), *_coding(page)) for page in pages}
    if len(kinds) != 1 or len(next(iter(kinds))) != 5:
        raise FormatError(f"{path}: expected frames of one size and coding, found {sorted(map(str, kinds))}")
    height, width, *bits = next(iter(kinds))
    strips = tuple(tuple(zip(p.integers(_OFFSETS), p.integers(_COUNTS), strict=False)) for p in pages)
    size = path.stat().st_size
    whole = [bool(frame) and all(start + length <= size for start, length in frame) for frame in strips]
    if not all(whole):
        raise cut_off(path, expected_frames or len(pages), whole.index(False))
    header = _header(directories[0].data(_METADATA))
    limits = group_limits(len(pages), header.dose_e_per_angstrom2, grouping)
    shape = (len(limits) - 1, height, width)
    return EerMovie(path, shape, limits, strips, (bits[0], bits[1], bits[2]), header)


def group_limits(n_frames: int, dose_e_per_angstrom2: float | None, grouping: EerGrouping) -> NDArray[np.intp]:
    """First raw frame of each group, and the number of raw frames: none is left out.

    The number of frames for the dose aimed at is rounded to a divisor of ``n_frames`` where one is near (3/4 to 4/3 of
    it); else groups differ by one frame. A number of frames that is given is kept; frames that are left over at the end
    make a group of their own when they are at least half of one, and else join the last. At least four groups are made.

    Parameters
    ----------
    n_frames : int
        In the file.
    dose_e_per_angstrom2 : float or None
        Of all of them; without it ten groups are made.
    grouping : EerGrouping
    """
    size = grouping.frames_per_group
    if size is not None:
        limits = np.arange(0, n_frames, min(size, n_frames), dtype=np.intp)
        if 0 < n_frames - limits[-1] < size / 2 and len(limits) > 1:
            limits = limits[:-1]
        return np.append(limits, n_frames)
    groups = float(_GROUPS_WITHOUT_DOSE)
    if dose_e_per_angstrom2 is not None:
        groups = dose_e_per_angstrom2 / grouping.dose_per_group_e_per_angstrom2
    groups = min(max(groups, _LEAST_GROUPS), n_frames)
    aim = n_frames / groups
    low, high = _DIVISOR_RANGE
    divisors = [d for d in range(1, n_frames + 1) if n_frames % d == 0 and low * aim <= d <= high * aim]
    n_groups = n_frames // min(divisors, key=lambda d: abs(np.log(d / aim))) if divisors else round(groups)
    n_groups = max(n_groups, min(_LEAST_GROUPS, n_frames))
    return np.round(np.linspace(0, n_frames, n_groups + 1)).astype(np.intp)


def _is_coded(page: TiffDirectory) -> bool:
    return (page.integers(_COMPRESSION) or (1,))[0] in _SKIP_BITS


def _coding(page: TiffDirectory) -> tuple[int, int, int]:
    compression = page.integers(_COMPRESSION)[0]
    if compression != 65002:
        return _SKIP_BITS[compression], 2, 2
    skip, horizontal, vertical = (
        (page.integers(tag) or (usual,))[0] for tag, usual in ((_SKIP_TAG, 7), (_HORIZONTAL_TAG, 2), (_VERTICAL_TAG, 2))
    )
    return skip, horizontal, vertical


def _header(xml: bytes) -> EerHeader:
    """Items of the metadata; those that are absent or not believable are None."""
    items = {name: value.strip() for name, value in _ITEM.findall(xml.decode("utf-8", errors="replace"))}
    pixel_size = _number(items.get("sensorPixelSize.width"))
    pixel_size = None if pixel_size is None else pixel_size * 1e10
    low, high = _PLAUSIBLE_PIXEL_ANGSTROM
    if pixel_size is not None and not low <= pixel_size <= high:  # the sensor's own 14 µm, say
        pixel_size = None
    per_pixel = _number(items.get("totalDose"))
    gain = items.get("eerGainReference")
    return EerHeader(
        pixel_size_angstrom=pixel_size,
        dose_e_per_angstrom2=None if per_pixel is None or pixel_size is None else per_pixel / pixel_size**2,
        exposure_time_s=_number(items.get("exposureTime")),
        gain_name=re.split(r"[\\/]", gain)[-1] if gain else None,
    )


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if np.isfinite(number) and number > 0 else None
