"""A tilt series as SerialEM or Tomo 5 left it (one ``.mdoc``, one movie a tilt, a gain reference) -> ``MovieSet``.

Nothing is guessed silently: what the mdoc lacks is taken from the next best source, which the set's notes say, and what
no source gives is an error that says how to give it.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError, ParameterError, TomosetError
from tomoset.formats.defects import read_defects
from tomoset.formats.mdoc import Mdoc, MdocSection, read_mdoc
from tomoset.formats.movies import open_gain, open_movie
from tomoset.formats.mrc import MrcFile
from tomoset.formats.serialem_facts import (
    acquisition_order,
    doses,
    doses_before,
    frame_pixel_size,
    tilt_axis,
    wrap_deg,
)
from tomoset.model import ArraySource, Movie, MovieSet, Optics

__all__ = ["defect_list_path", "movie_paths", "read_movie_set", "run_name"]

_IMAGE_SUFFIXES = (".mrc", ".mrcs", ".st", ".tif", ".tiff", ".eer")
_SUBFOLDERS = ("", "frames", "Frames")
_SAME_TILT_DEG = 0.05
_DEFAULT_VOLTAGE_KV = 300.0
_ANGSTROM_PER_UM = 1e4


def read_movie_set(
    mdoc_path: str | os.PathLike[str],
    *,
    gain_path: str | os.PathLike[str] | None = None,
    movie_folder: str | os.PathLike[str] | None = None,
    pixel_size_angstrom: float | None = None,
    voltage_kv: float | None = None,
    dose_per_tilt: float | None = None,
    tilt_axis_deg: float | None = None,
    run: str | None = None,
) -> MovieSet:
    """Open the movies that an mdoc describes.

    Parameters
    ----------
    mdoc_path : path
        SerialEM or Tomo 5 ``.mdoc`` of one tilt series.
    gain_path : path, optional
        Multiplicative gain reference, MRC or TIFF; without it frames are taken as corrected.
    movie_folder : path, optional
        Where the movies are; else the mdoc's folder. ``frames`` and ``Frames`` inside it are searched too.
    pixel_size_angstrom : float, optional
        Of the frames, Å; must agree with the mdoc and the movies' headers to 0.1 %.
    voltage_kv : float, optional
        Replaces the mdoc's.
    dose_per_tilt : float, optional
        e/Å²; replaces ExposureDose.
    tilt_axis_deg : float, optional
        ``z_rot_deg``, degrees; replaces what the mdoc says.
    run : str, optional
        Name of the series; else :func:`run_name` of the mdoc.

    Returns
    -------
    MovieSet
        Ascending tilt, every tilt of the mdoc, fallbacks in ``notes``.

    Raises
    ------
    InputMissingError
        If the mdoc, a movie it names or the gain reference is not there.
    FormatError
        If the mdoc is not one of a tilt series of movies, or movies or gain do not fit.
    PixelSizeError
        If the pixel size is missing or two sources disagree.
    ParameterError
        If dose or tilt axis are neither in the mdoc nor given.
    """
    path = Path(mdoc_path)
    mdoc = read_mdoc(path)
    try:
        sections = _tilt_sections(mdoc)
        paths = _locate(sections, path.parent if movie_folder is None else Path(movie_folder))
        sources, notes = _open_movies(sections, paths)
        axis, axis_notes = tilt_axis(mdoc, sections) if tilt_axis_deg is None else (wrap_deg(tilt_axis_deg), ())
        voltage, voltage_notes = _voltage(mdoc, sections, voltage_kv)
        pixel_size, pixel_notes = _pixel_size(mdoc, sections, sources, pixel_size_angstrom)
        gain, gain_notes = _gain(gain_path, sources[0], sections)
        movies, movie_notes = _movies(sections, paths, sources, dose_per_tilt)
        defects, defect_notes = _defects(sections, (paths[0].parent, path.parent), sources[0])
    except TomosetError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    return MovieSet(
        run=_checked_run(run) if run is not None else run_name(path),
        movies=movies,
        pixel_size_angstrom=pixel_size,
        gain_yx=gain,
        nominal_tilt_axis_deg=axis,
        optics=replace(Optics(), voltage_kv=voltage),
        defect_pixels_yx=defects,
        notes=(*notes, *axis_notes, *voltage_notes, *pixel_notes, *gain_notes, *movie_notes, *defect_notes),
    )


def movie_paths(
    mdoc_path: str | os.PathLike[str], *, movie_folder: str | os.PathLike[str] | None = None
) -> tuple[Path, ...]:
    """Files of the movies that an mdoc describes, in its order; arguments and errors as :func:`read_movie_set`."""
    path = Path(mdoc_path)
    return tuple(_locate(_tilt_sections(read_mdoc(path)), path.parent if movie_folder is None else Path(movie_folder)))


def defect_list_path(
    mdoc_path: str | os.PathLike[str], *, movie_folder: str | os.PathLike[str] | None = None
) -> Path | None:
    """File of the list of defects that the mdoc names (DefectFile), beside the movies or the mdoc; None for none."""
    path = Path(mdoc_path)
    folders = [path.parent] if movie_folder is None else [Path(movie_folder), path.parent]
    return _find_defect_list(_defect_names(read_mdoc(path).sections), folders)


def run_name(mdoc_path: str | os.PathLike[str]) -> str:
    """Name of a series from its mdoc's file name: no underscore and no blank, as copick asks.

    Examples
    --------
    >>> run_name("raw/TS_01 b.mrc.mdoc")
    'TS-01-b'
    """
    name = Path(mdoc_path).name
    if name.lower().endswith(".mdoc"):
        name = name[: -len(".mdoc")]
    stem, dot, suffix = name.rpartition(".")
    if dot and f".{suffix.lower()}" in _IMAGE_SUFFIXES:
        name = stem
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.") or "series"


def _checked_run(run: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9.-]+", run) is None:
        raise ParameterError(f"expected a run name of letters, digits, '-' and '.', got {run!r}; rename it")
    return run


def _tilt_sections(mdoc: Mdoc) -> tuple[MdocSection, ...]:
    """Sections of a tilt series of movies; every other kind of mdoc is named for what it is."""
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
    without = [s for s in sections if s.sub_frame_name is None]
    if without:
        raise FormatError(
            f"expected SubFramePath, the movie's name, in each of {len(sections)} sections, found none in "
            f"{len(without)} (first: [{without[0].kind} = {without[0].index}]); this mdoc describes a stack of images "
            f"({mdoc.get('ImageFile') or 'no ImageFile'}), import the mdoc that was saved with the movies"
        )
    flat = [s for s in sections if s.tilt_deg is None]
    if flat:
        raise FormatError(f"expected TiltAngle in every section, found none in [{flat[0].kind} = {flat[0].index}]")
    return sections


def _locate(sections: Sequence[MdocSection], folder: Path) -> list[Path]:
    """Where the movies are, by the last component of SubFramePath."""
    names = [s.sub_frame_name or "" for s in sections]
    shared = [name for name, count in Counter(names).items() if count > 1]
    if shared:
        raise FormatError(
            f"expected one movie a tilt, found {len(shared)} named by more than one tilt ({_few(shared)}); "
            "correct SubFramePath in the mdoc"
        )
    found = [next((p for sub in _SUBFOLDERS if (p := folder / sub / name).is_file()), None) for name in names]
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise InputMissingError(
            f"expected {len(names)} movies in {folder} (or its frames folder), {len(missing)} are not there: "
            f"{_few(missing)}; say where they are (movie_folder, --frames) or take the tilts out of the mdoc"
        )
    return [path for path in found if path is not None]


def _open_movies(sections: Sequence[MdocSection], paths: Sequence[Path]) -> tuple[list[ArraySource], tuple[str, ...]]:
    sources = [open_movie(p, expected_frames=s.n_sub_frames) for s, p in zip(sections, paths, strict=True)]
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
        if s.n_sub_frames is not None and source.shape[0] > s.n_sub_frames
    ]
    notes = () if not longer else (f"{len(longer)} movies hold more frames than NumSubFrames says: {_few(longer)}.",)
    return sources, notes


def _voltage(mdoc: Mdoc, sections: Sequence[MdocSection], given: float | None) -> tuple[float, tuple[str, ...]]:
    written = mdoc.voltage_kv or next((v for s in sections if (v := s.number("Voltage"))), None)
    if given is not None:
        if not given > 0:
            raise ParameterError(f"expected a positive voltage, got {given:g} kV")
        differs = written is not None and abs(written - given) > 1e-3 * given
        return given, (f"The voltage given, {given:g} kV, replaces the mdoc's {written:g} kV.",) if differs else ()
    if written is not None and written > 0:
        return written, ()
    return _DEFAULT_VOLTAGE_KV, (f"The mdoc holds no voltage; {_DEFAULT_VOLTAGE_KV:g} kV was taken.",)


def _pixel_size(
    mdoc: Mdoc, sections: Sequence[MdocSection], sources: Sequence[ArraySource], given: float | None
) -> tuple[float, tuple[str, ...]]:
    """Agree on the pixel size; every section and every movie's header has its say."""
    values = (mdoc.pixel_spacing_angstrom, *(s.pixel_spacing_angstrom for s in sections))
    height, width = sources[0].shape[1:]
    return frame_pixel_size(
        sorted({value for value in values if value is not None}),
        mdoc.image_size_xy,
        (height, width),
        headers=sorted({s.voxel_size_angstrom_xyz[0] for s in sources if isinstance(s, MrcFile)}),
        given=given,
    )


def _gain(
    gain_path: str | os.PathLike[str] | None, frames: ArraySource, sections: Sequence[MdocSection]
) -> tuple[ArraySource | None, tuple[str, ...]]:
    if gain_path is None:
        return None, ("No gain reference was given; frames are taken as already corrected.",)
    gain = open_gain(gain_path)
    shape = tuple(frames.shape[1:])
    if gain.shape != shape:
        hint = "give the gain reference of these movies"
        if gain.shape == shape[::-1]:
            hint = "it would fit transposed: rotate it by 90 degrees into the frames' orientation"
        raise FormatError(
            f"{gain_path}: expected a gain reference of {shape} (y, x) like the frames, found {gain.shape}; {hint}"
        )
    turned = {value for s in sections if (value := s.get("RotationAndFlip")) not in {None, "0"}}
    if not turned:
        return gain, ()
    said = ", ".join(sorted(map(str, turned)))
    return gain, (f"RotationAndFlip is {said}; that the gain is turned like the frames was checked by size only.",)


def _defect_names(sections: Sequence[MdocSection]) -> list[str]:
    named = (name for s in sections if (name := s.get("DefectFile")))
    return sorted({re.split(r"[\\/]", name)[-1] for name in named})


def _find_defect_list(names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    places = (folder / sub / name for folder in folders for sub in _SUBFOLDERS for name in names)
    return next((place for place in places if place.is_file()), None)


def _defects(
    sections: Sequence[MdocSection], folders: Sequence[Path], frames: ArraySource
) -> tuple[NDArray[np.intp] | None, tuple[str, ...]]:
    """Pixels of the list that the mdoc names; it is a help only, so that its absence is no error."""
    names = _defect_names(sections)
    if not names:
        return None, ()
    path = _find_defect_list(names, folders)
    if path is None:
        return None, (f"The list of the camera's defects, {_few(names)}, is not beside the movies; it was not used.",)
    defects = read_defects(path)
    if defects.camera_shape_yx != tuple(frames.shape[1:]):
        camera, shape = defects.camera_shape_yx, tuple(frames.shape[1:])
        return None, (f"{path.name} lists defects of a camera of {camera} (y, x), the frames are {shape}: not used.",)
    return defects.pixels_yx, ()


def _movies(
    sections: Sequence[MdocSection], paths: Sequence[Path], sources: Sequence[ArraySource], dose_per_tilt: float | None
) -> tuple[tuple[Movie, ...], tuple[str, ...]]:
    """One movie a section, ascending tilt, earlier exposure first among equals; and notes."""
    order, order_notes = acquisition_order(sections)
    dose, dose_notes = doses(sections, dose_per_tilt)
    replaced = dose_per_tilt is not None and bool(dose_notes)
    before, before_notes = doses_before(sections, dose, order, trust_prior=not replaced)
    movies = [
        Movie(
            name=paths[i].name,
            frames_tyx=sources[i],
            nominal_tilt_deg=section.tilt_deg if section.tilt_deg is not None else 0.0,
            acquisition_order=order[i],
            dose_e_per_angstrom2=dose[i],
            dose_before_e_per_angstrom2=before[i],
            nominal_defocus_angstrom=section.target_defocus_angstrom,
            acquired_at=None if section.acquired_at is None else section.acquired_at.isoformat(),
            exposure_time_s=section.number("ExposureTime"),
            lens_defocus_angstrom=section.defocus_angstrom,
            image_shift_xy_angstrom=_two_angstrom(section, "ImageShift"),
            stage_position_angstrom_xyz=(
                *_two_angstrom(section, "StagePosition"),
                _ANGSTROM_PER_UM * (section.number("StageZ") or 0.0),
            ),
        )
        for i, section in enumerate(sections)
    ]
    movies.sort(key=lambda movie: (movie.nominal_tilt_deg, movie.acquisition_order))
    return tuple(movies), (*order_notes, *dose_notes, *before_notes, *_tilt_notes(movies))


def _two_angstrom(section: MdocSection, key: str) -> tuple[float, float]:
    """Two micrometre values of the mdoc; zero where it holds none."""
    numbers = section.numbers(key) or ()
    return (_ANGSTROM_PER_UM * numbers[0], _ANGSTROM_PER_UM * numbers[1]) if len(numbers) >= 2 else (0.0, 0.0)


def _tilt_notes(movies: Sequence[Movie]) -> tuple[str, ...]:
    if len(movies) == 1:
        return ("The series holds one tilt only; it cannot be reconstructed.",)
    twice = [
        f"{b.nominal_tilt_deg:g}"
        for a, b in pairwise(movies)
        if b.nominal_tilt_deg - a.nominal_tilt_deg < _SAME_TILT_DEG
    ]
    return () if not twice else (f"Tilts recorded more than once, all kept: {_few(twice)} degrees.",)


def _few(names: Sequence[str], n: int = 3) -> str:
    return ", ".join(names[:n]) + (", …" if len(names) > n else "")
