"""The files that an mdoc names: movies, wherever they lie now, and the camera's list of defects."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.defects import read_defects
from tomoset.formats.eer import EerGrouping, EerMovie
from tomoset.formats.mdoc import Mdoc, MdocSection, read_mdoc
from tomoset.formats.movies import open_movie
from tomoset.model import ArraySource

__all__ = ["defect_list_path", "few", "find_defects", "locate_movies", "movie_paths", "open_movies", "tilt_sections"]

_SUBFOLDERS = ("", "frames", "Frames")
_NAMED_MISSING = 12


def movie_paths(
    mdoc_path: str | os.PathLike[str],
    *,
    movie_folder: str | os.PathLike[str] | None = None,
    skip_missing: bool = False,
) -> tuple[Path, ...]:
    """Files of the movies that an mdoc describes, in its order; arguments and errors as ``read_movie_set``."""
    path = Path(mdoc_path)
    sections = tilt_sections(read_mdoc(path))
    folder = path.parent if movie_folder is None else Path(movie_folder)
    found, _ = locate_movies(sections, folder, skip_missing=skip_missing)
    return tuple(path for path in found if path is not None)


def defect_list_path(
    mdoc_path: str | os.PathLike[str], *, movie_folder: str | os.PathLike[str] | None = None
) -> Path | None:
    """File of the list of defects that the mdoc names (DefectFile), beside the movies or the mdoc; None for none."""
    path = Path(mdoc_path)
    folders = [path.parent] if movie_folder is None else [Path(movie_folder), path.parent]
    return _find_defect_list(_defect_names(read_mdoc(path).sections), folders)


def tilt_sections(mdoc: Mdoc) -> tuple[MdocSection, ...]:
    """Sections of a tilt series of movies; every other kind of mdoc is named for what it is.

    Raises
    ------
    FormatError
        If it describes something else, or an angle is missing.
    """
    sections = tuple(s for s in mdoc.sections if s.kind != "MontSection")
    if len({(s.numbers("PieceCoordinates") or ())[:2] for s in sections}) > 1:
        raise FormatError("expected a tilt series, found the mdoc of a montage")
    if any(s.get("FrameTSStartEndFrames") for s in sections):
        raise FormatError(
            "expected one movie a tilt, found a frame tilt series (one movie over all tilts); "
            "split the movie into one file a tilt and list these in the mdoc"
        )
    if not sections:
        raise FormatError("expected one section a tilt, found none; the mdoc is cut off")
    if all(s.sub_frame_name is None for s in sections):
        raise FormatError(
            f"expected SubFramePath, the movie's name, in each of {len(sections)} sections, found it in none; this "
            f"mdoc describes a stack of images ({mdoc.get('ImageFile') or 'no ImageFile'}), import the mdoc that was "
            "saved with the movies"
        )
    flat = [s for s in sections if s.tilt_deg is None]
    if flat:
        raise FormatError(f"expected TiltAngle in every section, found none in [{flat[0].kind} = {flat[0].index}]")
    return sections


def locate_movies(
    sections: Sequence[MdocSection], folder: Path, *, skip_missing: bool = False
) -> tuple[list[Path | None], tuple[str, ...]]:
    """Where the movies are, by the last component of SubFramePath, and notes on those that are skipped.

    Raises
    ------
    FormatError
        If two tilts name one movie.
    InputMissingError
        If movies are missing and not to be skipped, or all are.
    """
    names = [s.sub_frame_name for s in sections]
    shared = [name for name, count in Counter(names).items() if name is not None and count > 1]
    if shared:
        raise FormatError(
            f"expected one movie a tilt, found {len(shared)} named by more than one tilt ({few(shared)}); "
            "correct SubFramePath in the mdoc"
        )
    found = [None if name is None else _find(folder, name) for name in names]
    missing = [
        f"{name or 'no SubFramePath'} ({section.tilt_deg:g}°)"
        for name, section, path in zip(names, sections, found, strict=True)
        if path is None
    ]
    if missing and (not skip_missing or len(missing) == len(names)):
        what_to_do = "say where they are (movie_folder, --frames)"
        if len(missing) < len(names):
            what_to_do += ", go on without these tilts (skip_missing, --skip-missing) or take them out of the mdoc"
        raise InputMissingError(
            f"expected {len(names)} movies in {folder} (or its frames folder), {len(missing)} are not there: "
            f"{few(missing, _NAMED_MISSING)}; {what_to_do}"
        )
    if not missing:
        return found, ()
    every = few(missing, len(missing))
    return found, (f"{len(missing)} of {len(names)} movies are not there, their tilts were skipped: {every}.",)


def open_movies(
    sections: Sequence[MdocSection], paths: Sequence[Path], grouping: EerGrouping
) -> tuple[list[ArraySource], tuple[str, ...]]:
    """Open the movies, which must have frames of one size; and notes where they hold more than the mdoc says.

    Raises
    ------
    FormatError
        If one is cut off, or of another size.
    """
    # What NumSubFrames counts in an EER, raw frames or those of a sum, depends on the program: no reason to refuse it.
    sources = [
        open_movie(p, expected_frames=None if p.suffix.lower() == ".eer" else s.n_sub_frames, eer=grouping)
        for s, p in zip(sections, paths, strict=True)
    ]
    sizes = Counter(tuple(source.shape[1:]) for source in sources)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        odd = next(p for p, source in zip(paths, sources, strict=True) if tuple(source.shape[1:]) != usual)
        raise FormatError(
            f"expected frames of one size (y, x), found {dict(sizes)}; {odd.name} differs, take it out of the mdoc"
        )
    longer = [
        p.name
        for s, p, source in zip(sections, paths, sources, strict=True)
        if s.n_sub_frames is not None and not isinstance(source, EerMovie) and source.shape[0] > s.n_sub_frames
    ]
    notes = () if not longer else (f"{len(longer)} movies hold more frames than NumSubFrames says: {few(longer)}.",)
    return sources, notes


def find_defects(
    sections: Sequence[MdocSection], folders: Sequence[Path], frames: ArraySource
) -> tuple[NDArray[np.intp] | None, tuple[str, ...]]:
    """Pixels of the list that the mdoc names; it is a help only, so that its absence is no error."""
    names = _defect_names(sections)
    if not names:
        return None, ()
    path = _find_defect_list(names, folders)
    if path is None:
        return None, (f"The list of the camera's defects, {few(names)}, is not beside the movies; it was not used.",)
    defects = read_defects(path)
    if defects.camera_shape_yx != tuple(frames.shape[1:]):
        camera, shape = defects.camera_shape_yx, tuple(frames.shape[1:])
        return None, (f"{path.name} lists defects of a camera of {camera} (y, x), the frames are {shape}: not used.",)
    return defects.pixels_yx, ()


def few(names: Sequence[str], n: int = 3) -> str:
    """List the first names, and whether there are more."""
    return ", ".join(names[:n]) + (", …" if len(names) > n else "")


def _find(folder: Path, name: str) -> Path | None:
    return next((path for sub in _SUBFOLDERS if (path := folder / sub / name).is_file()), None)


def _defect_names(sections: Sequence[MdocSection]) -> list[str]:
    named = (name for s in sections if (name := s.get("DefectFile")))
    return sorted({re.split(r"[\\/]", name)[-1] for name in named})


def _find_defect_list(names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    places = (folder / sub / name for folder in folders for sub in _SUBFOLDERS for name in names)
    return next((place for place in places if place.is_file()), None)
