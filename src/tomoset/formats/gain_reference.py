"""A gain reference brought to the frames: turned, mirrored, inverted and without values that cannot be.

Orientation. SerialEM keeps a K2's or K3's reference as the camera gives it, but turns the frames by the camera's
RotationAndFlip unless it is told to save them as they come. What was done to the frames stands in their own title,
``r/f N`` (SerialEMCCD's plugin writes it, IMOD's ``alignframes -rotation -1`` turns the reference by it); the mdoc's
RotationAndFlip is the property of the camera only. N is that of :func:`tomoset.geometry.orient_image` (IMOD's
``rotateflip.c``: turned counter-clockwise by 90° times N modulo 4, mirrored about the y axis before it where N > 3).

Division. A Falcon's ``.gain`` multiplies, its older MRC reference divides and lies upside down to the ``.gain``
(RELION 5, ``renderEER.h``); zero marks a defect in both.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.eer import EerMovie
from tomoset.formats.mdoc import MdocSection
from tomoset.formats.movies import open_gain
from tomoset.formats.tiff_directories import is_tiff, read_first_directory
from tomoset.geometry import N_ORIENTATIONS, orient_image, orientation_name
from tomoset.model import ArraySource, Region

__all__ = ["GainChoices", "GainUse", "OrientedGain", "frames_rotation_and_flip", "gain_for_frames"]

GainUse = Literal["auto", "multiply", "divide"]
_ROTATION_IN_TITLE = re.compile(rb" r/f (-?\d+)")
_MRC_LABELS = slice(224, 1024)
_IMAGE_DESCRIPTION = 270
_UPSIDE_DOWN = 6
_USUAL_MEAN = (0.5, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class GainChoices:
    """How to use a gain reference.

    Parameters
    ----------
    orientation : int or None
        Code 0 to 7 of :func:`tomoset.geometry.orient_image`; None to conclude it from what the files say.
    use : {"auto", "multiply", "divide"}
        "auto" multiplies, except by an MRC reference of an EER movie, which divides.

    Raises
    ------
    ParameterError
        If it is neither.
    """

    orientation: int | None = None
    use: GainUse = "auto"

    def __post_init__(self) -> None:
        """Refuse codes that do not exist."""
        if self.orientation is not None and not 0 <= self.orientation < N_ORIENTATIONS:
            raise ParameterError(f"--gain-orientation: expected auto or a code 0 to 7, found {self.orientation}")
        if self.use not in {"auto", "multiply", "divide"}:
            raise ParameterError(f"--gain-use: expected auto, multiply or divide, found {self.use!r}")


@dataclass(frozen=True, slots=True, eq=False)
class OrientedGain:
    """An :class:`~tomoset.model.ArraySource` (y, x), float32: factors in the frames' orientation, 0 for a dead pixel.

    Parameters
    ----------
    stored : ArraySource
        As the file has it.
    orientation : int
        Code 0 to 7.
    bins : int
        Pixels of the file in one of the frames, along each axis.
    divides : bool
        The file's values divide.
    scale : float
        Put before the factors, so that they are 1 on average.
    """

    stored: ArraySource
    orientation: int
    bins: int
    divides: bool
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of the frames."""
        height, width = (length // self.bins for length in self.stored.shape)
        return (width, height) if self.orientation % 2 else (height, width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the factors."""
        return np.dtype(np.float32)

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Factors of a region; the whole file is read for it."""
        values = _binned(_clean(self.stored.read()), self.bins)
        if self.divides:
            values = np.divide(self.scale, values, out=np.zeros_like(values), where=values > 0)
        elif self.scale != 1:
            values = values * np.float32(self.scale)
        return np.ascontiguousarray(orient_image(values, self.orientation)[region], dtype=np.float32)


def gain_for_frames(
    path: str | os.PathLike[str],
    frames: ArraySource,
    frames_path: Path,
    sections: Sequence[MdocSection],
    choices: GainChoices,
    *,
    n_known_defects: int = 0,
) -> tuple[ArraySource, tuple[str, ...]]:
    """Gain reference in the frames' orientation, and notes on what was done to it.

    Parameters
    ----------
    path : path
        Of the reference.
    frames : ArraySource
        (t, y, x) of one movie.
    frames_path : Path
        Its file, in whose title SerialEM writes how the frames were turned.
    sections : sequence of MdocSection
        Of the tilts.
    choices : GainChoices
    n_known_defects : int
        So many pixels of 0 are expected, and not noted.

    Raises
    ------
    FormatError
        If it does not fit the frames, or holds no positive value.
    """
    stored = open_gain(path)
    shape = (int(frames.shape[1]), int(frames.shape[2]))
    bins = _bins(stored.shape, shape)
    stated = _Stated.of(frames, frames_path, sections)
    turned, turning_notes = _orientation(Path(path), stored, bins, shape, choices, stated)
    divides = choices.use == "divide" or (
        choices.use == "auto" and isinstance(frames, EerMovie) and not is_tiff(Path(path))
    )
    notes = list(turning_notes)
    if divides:
        notes.append("The gain reference's values divide; their inverse, with mean 1, was taken.")
    if bins > 1:
        notes.append(f"The gain reference has {bins} times the frames' pixels along each axis; it was binned.")
    scale, value_notes = _scale(np.asarray(stored.read()), divides=divides, n_known_defects=n_known_defects)
    return OrientedGain(stored, turned, bins, divides, scale), (*notes, *value_notes)


def frames_rotation_and_flip(path: Path) -> int | None:
    """What SerialEM did to the frames that it saved, from their title; None when it does not say."""
    if is_tiff(path):
        title = read_first_directory(path).data(_IMAGE_DESCRIPTION)
    else:
        with path.open("rb") as stream:
            title = stream.read(_MRC_LABELS.stop)[_MRC_LABELS]
    found = _ROTATION_IN_TITLE.search(title)
    code = -1 if found is None else int(found[1])
    return code if 0 <= code < N_ORIENTATIONS else None


@dataclass(frozen=True, slots=True)
class _Stated:
    """What the files say of how the frames were turned."""

    code: int
    where: str
    gain_name: str | None
    is_eer: bool

    @classmethod
    def of(cls, frames: ArraySource, frames_path: Path, sections: Sequence[MdocSection]) -> "_Stated":
        names = {re.split(r"[\\/]", name)[-1] for s in sections if (name := s.get("GainReference"))}
        name = next(iter(names)) if len(names) == 1 else None
        title = frames_rotation_and_flip(frames_path)
        is_eer = isinstance(frames, EerMovie)
        if title is not None:
            return cls(title, f"the frames' title says r/f {title}", name, is_eer)
        codes = {round(code) for s in sections if (code := s.number("RotationAndFlip")) is not None}
        code = next(iter(codes)) if len(codes) == 1 else 0
        known = 0 <= code < N_ORIENTATIONS
        return cls(code if known else 0, f"the mdoc's RotationAndFlip is {code}", name, is_eer)


def _bins(stored: tuple[int, ...], shape: tuple[int, int]) -> int:
    for bins in (2, 4):
        if sorted(stored) == sorted(bins * length for length in shape):
            return bins
    return 1


def _orientation(
    path: Path, stored: ArraySource, bins: int, shape: tuple[int, int], choices: GainChoices, stated: _Stated
) -> tuple[int, tuple[str, ...]]:
    """Code by which the file's image is turned, checked by size."""
    by_itself = (stored.shape[0] // bins, stored.shape[1] // bins)
    fits = {code: (by_itself[::-1] if code % 2 else by_itself) == shape for code in range(N_ORIENTATIONS)}
    if choices.orientation is not None:
        code = choices.orientation
        notes: tuple[str, ...] = (
            f"The gain reference was taken {orientation_name(code)}, as --gain-orientation says.",
        )
    else:
        code, notes = _concluded(path, fits, stated)
    if fits[code]:
        return code, notes
    hint = "give the gain reference of these movies"
    if any(fits.values()):
        fitting = ", ".join(str(code) for code, fit in fits.items() if fit)
        hint = f"it would fit turned: give --gain-orientation {fitting} (the mdoc's RotationAndFlip, if known)"
    raise FormatError(
        f"{path}: expected a gain reference of {shape} (y, x) like the frames, found {tuple(stored.shape)}"
        f"{'' if choices.orientation is None else f' to be {orientation_name(code)}'}; {hint}"
    )


def _concluded(path: Path, fits: dict[int, bool], stated: _Stated) -> tuple[int, tuple[str, ...]]:
    if stated.is_eer and not is_tiff(path) and fits[_UPSIDE_DOWN]:
        return _UPSIDE_DOWN, (
            "The gain reference is MRC beside EER movies, which lie upside down to it: it was turned.",
        )
    code = stated.code
    if code == 0:
        return 0, ()
    is_named = stated.gain_name is not None and Path(stated.gain_name).stem.lower() == path.stem.lower()
    if fits[code] and (is_named or not fits[0]):
        why = "it is the camera's own, which the mdoc names" if is_named else "it fits the frames only so"
        return code, (f"The gain reference was {orientation_name(code)}: {stated.where}, and {why}.",)
    if fits[0]:
        note = (
            f"The gain reference was taken as it is although {stated.where} ({orientation_name(code)}); if it lies as "
            f"the camera gives it, give --gain-orientation {code}."
        )
        return 0, (note,)
    return 0, ()


def _scale(values: NDArray[Any], *, divides: bool, n_known_defects: int) -> tuple[float, tuple[str, ...]]:
    good = np.isfinite(values) & (values > 0)
    n_good = int(np.count_nonzero(good))
    if n_good == 0:
        raise FormatError("expected positive values in the gain reference, found none; give that of these movies")
    mean = float(np.mean(values, where=good, dtype=np.float64))
    notes = []
    n_odd = values.size - n_good - int(np.count_nonzero(values == 0))
    n_zero = values.size - n_good - n_odd
    if n_odd:
        notes.append(f"{n_odd} values of the gain reference are negative or not finite; they were taken as defects.")
    if n_zero > n_known_defects:
        notes.append(f"{n_zero} values of the gain reference are 0; these pixels were taken as defects.")
    if divides:
        return mean, tuple(notes)
    low, high = _USUAL_MEAN
    if low <= mean <= high:
        return 1.0, tuple(notes)
    return 1 / mean, (*notes, f"The gain reference's mean is {mean:.4g}; it was scaled to 1.")


def _clean(values: NDArray[Any]) -> NDArray[np.float32]:
    values = np.asarray(values, dtype=np.float32)
    good = np.isfinite(values) & (values > 0)
    return values if good.all() else np.where(good, values, np.float32(0))


def _binned(values: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Mean over blocks; a block with a defect in it is one."""
    if bins == 1:
        return values
    height, width = (length // bins for length in values.shape)
    blocks = values[: height * bins, : width * bins].reshape(height, bins, width, bins)
    whole = (blocks > 0).all(axis=(1, 3))
    return np.where(whole, blocks.mean(axis=(1, 3)), np.float32(0))
