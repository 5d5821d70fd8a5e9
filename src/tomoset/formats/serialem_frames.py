"""Frames of a series and the dose of each, EER frames in groups by the dose that mdoc, user or camera told."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.formats.eer import EerGrouping, EerMovie, group_limits
from tomoset.formats.mdoc import MdocSection
from tomoset.formats.serialem_doses import frame_doses
from tomoset.formats.serialem_files import few
from tomoset.model import ArraySource

__all__ = ["series_frames"]

_Frames = tuple[ArraySource, NDArray[np.float64] | None]


def series_frames(
    sections: Sequence[MdocSection],
    kept: Sequence[int],
    sources: Sequence[ArraySource],
    dose_e_per_angstrom2: Sequence[float],
    grouping: EerGrouping,
) -> tuple[list[_Frames], tuple[str, ...]]:
    """Frames and their doses (None when all are equal), one a movie; and notes.

    Parameters
    ----------
    sections : sequence of MdocSection
        All tilts.
    kept : sequence of int
        Those whose movies are there.
    sources : sequence of ArraySource
        Of these, (t, y, x).
    dose_e_per_angstrom2 : sequence of float
        Of all tilts.
    grouping : EerGrouping
    """
    frames: list[_Frames] = []
    problems: dict[str, list[str]] = {"": [], "number": [], "sum": []}
    for index, source in zip(kept, sources, strict=True):
        section, dose = sections[index], dose_e_per_angstrom2[index]
        n_frames = source.n_raw_frames if isinstance(source, EerMovie) else source.shape[0]
        each, problem = frame_doses(section, n_frames, dose)
        problems[problem].append(section.sub_frame_name or "")
        frames.append(_grouped(source, dose, each, grouping) if isinstance(source, EerMovie) else (source, each))
    notes = []
    if names := problems["number"]:
        notes.append(
            f"FrameDosesAndNumber is for another number of frames than {len(names)} movies hold ({few(names)}); "
            "their frames were taken as equal."
        )
    if names := problems["sum"]:
        notes.append(
            f"FrameDosesAndNumber does not add up to the dose of {len(names)} tilts ({few(names)}); only the shares of "
            "the frames were taken from it."
        )
    return frames, (*notes, *_group_notes([source for source, _ in frames]))


def _grouped(movie: EerMovie, dose: float, each: NDArray[np.float64] | None, grouping: EerGrouping) -> _Frames:
    limits = group_limits(movie.n_raw_frames, dose, grouping)
    shares = np.full(movie.n_raw_frames, dose / movie.n_raw_frames) if each is None else each
    even = each is None and np.ptp(np.diff(limits)) == 0
    return movie.grouped(limits), None if even else np.add.reduceat(shares, limits[:-1])


def _group_notes(sources: Sequence[ArraySource]) -> tuple[str, ...]:
    movies = [source for source in sources if isinstance(source, EerMovie)]
    if not movies:
        return ()
    sizes = sorted({int(n) for movie in movies for n in np.diff(movie.limits)})
    note = (
        f"EER movies were summed to {_range(sorted({movie.shape[0] for movie in movies}))} frames a tilt of "
        f"{_range(sizes)} raw frames each; none was left out. Their rows were read from the top, as in every TIFF; no "
        "real EER file was at hand to prove this on: see that the alignment finds the tilt axis where it should be."
    )
    return (note,)


def _range(numbers: Sequence[int]) -> str:
    return f"{numbers[0]}" if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"
