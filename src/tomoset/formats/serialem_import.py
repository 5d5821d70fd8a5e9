"""A tilt series as SerialEM or Tomo 5 left it (one ``.mdoc``, one movie a tilt, a gain reference) -> ``MovieSet``.

Nothing is guessed silently: what the mdoc lacks is taken from the next best source, which the set's notes say, and what
no source gives is an error that says how to give it.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from tomoset.errors import ParameterError, TomosetError
from tomoset.formats.eer import EerGrouping, EerMovie
from tomoset.formats.gain_reference import GainChoices, gain_for_frames
from tomoset.formats.mdoc import Mdoc, MdocSection, read_mdoc
from tomoset.formats.mrc import MrcFile
from tomoset.formats.serialem_doses import doses, doses_before
from tomoset.formats.serialem_facts import acquisition_order, doubtful_signs, frame_pixel_size, tilt_axis, wrap_deg
from tomoset.formats.serialem_files import few, find_defects, locate_movies, open_movies, tilt_sections
from tomoset.formats.serialem_frames import series_frames
from tomoset.model import ArraySource, Movie, MovieSet, Optics

__all__ = ["ImportChoices", "read_movie_set", "run_name"]

_IMAGE_SUFFIXES = (".mrc", ".mrcs", ".st", ".tif", ".tiff", ".eer")
_SAME_TILT_DEG = 0.05
_DEFAULT_VOLTAGE_KV = 300.0
_ANGSTROM_PER_UM = 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportChoices:
    """What no file can say, or says wrongly.

    Parameters
    ----------
    gain : GainChoices
        How the gain reference lies, and whether it multiplies.
    eer : EerGrouping
        How raw frames of EER movies are summed.
    skip_missing : bool
        Go on without the tilts whose movies are not there.
    invert_tilts : bool
        Take every tilt angle with the other sign.
    """

    gain: GainChoices = field(default_factory=GainChoices)
    eer: EerGrouping = field(default_factory=EerGrouping)
    skip_missing: bool = False
    invert_tilts: bool = False


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The tilts whose movies are there, among all that the mdoc describes."""

    sections: tuple[MdocSection, ...]
    kept: tuple[int, ...]
    paths: tuple[Path, ...]
    sources: tuple[ArraySource, ...]

    @property
    def kept_sections(self) -> tuple[MdocSection, ...]:
        return tuple(self.sections[i] for i in self.kept)

    @property
    def eer_movies(self) -> tuple[EerMovie, ...]:
        return tuple(source for source in self.sources if isinstance(source, EerMovie))


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
    choices: ImportChoices | None = None,
) -> MovieSet:
    """Open the movies that an mdoc describes.

    Parameters
    ----------
    mdoc_path : path
        SerialEM or Tomo 5 ``.mdoc`` of one tilt series.
    gain_path : path, optional
        Gain reference, MRC or TIFF; without it frames are taken as corrected.
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
    choices : ImportChoices, optional
        Orientation of the gain, groups of EER frames, missing movies, signs of the angles.

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
    chosen = choices or ImportChoices()
    mdoc = read_mdoc(path)
    try:
        recorded, notes = _recorded(mdoc, path.parent if movie_folder is None else Path(movie_folder), chosen)
        sections, first, first_path = recorded.kept_sections, recorded.sources[0], recorded.paths[0]
        axis, axis_notes = tilt_axis(mdoc, sections) if tilt_axis_deg is None else (wrap_deg(tilt_axis_deg), ())
        voltage, voltage_notes = _voltage(mdoc, sections, voltage_kv)
        pixel_size, pixel_notes = _pixel_size(mdoc, recorded, pixel_size_angstrom)
        defects, defect_notes = find_defects(sections, (first_path.parent, path.parent), first)
        gain, gain_notes = None, _no_gain(recorded)
        if gain_path is not None:
            n_defects = 0 if defects is None else len(defects)
            gain, gain_notes = gain_for_frames(
                gain_path, first, first_path, sections, chosen.gain, n_known_defects=n_defects
            )
        movies, movie_notes = _movies(recorded, dose_per_tilt, chosen)
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


def _recorded(mdoc: Mdoc, folder: Path, chosen: ImportChoices) -> tuple[_Recorded, tuple[str, ...]]:
    sections = tilt_sections(mdoc)
    found, missing_notes = locate_movies(sections, folder, skip_missing=chosen.skip_missing)
    kept = [index for index, path in enumerate(found) if path is not None]
    paths = [path for path in found if path is not None]
    sources, movie_notes = open_movies([sections[i] for i in kept], paths, chosen.eer)
    return _Recorded(sections, tuple(kept), tuple(paths), tuple(sources)), (*missing_notes, *movie_notes)


def _no_gain(recorded: _Recorded) -> tuple[str, ...]:
    named = {movie.header.gain_name for movie in recorded.eer_movies} - {None}
    named |= {re.split(r"[\\/]", name)[-1] for s in recorded.kept_sections if (name := s.get("GainReference"))}
    note = "No gain reference was given; frames are taken as already corrected"
    if not named:
        return (f"{note}.",)
    return (f"{note}, although {few(sorted(map(str, named)))} is named as theirs: give it (--gain).",)


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


def _pixel_size(mdoc: Mdoc, recorded: _Recorded, given: float | None) -> tuple[float, tuple[str, ...]]:
    """Agree on the pixel size; every section and every movie's header has its say."""
    values = (mdoc.pixel_spacing_angstrom, *(s.pixel_spacing_angstrom for s in recorded.sections))
    height, width = recorded.sources[0].shape[1:]
    nominal = {movie.header.pixel_size_angstrom for movie in recorded.eer_movies}
    return frame_pixel_size(
        sorted({value for value in values if value is not None}),
        mdoc.image_size_xy,
        (height, width),
        headers=sorted({s.voxel_size_angstrom_xyz[0] for s in recorded.sources if isinstance(s, MrcFile)}),
        given=given,
        nominal=next(iter(nominal)) if len(nominal) == 1 else None,
    )


def _movies(
    recorded: _Recorded, dose_per_tilt: float | None, chosen: ImportChoices
) -> tuple[tuple[Movie, ...], tuple[str, ...]]:
    """One movie a section, ascending tilt, earlier exposure first among equals; and notes.

    Tilts that are skipped count in the dose of those after them.
    """
    sections = recorded.sections
    order, order_notes = acquisition_order(sections)
    dose, dose_notes = doses(sections, dose_per_tilt, _counted_doses(recorded))
    replaced = dose_per_tilt is not None and bool(dose_notes)
    before, before_notes = doses_before(sections, dose, order, trust_prior=not replaced)
    rank = {index: rank for rank, index in enumerate(sorted(recorded.kept, key=lambda i: order[i]))}
    frames, frame_notes = series_frames(recorded.sections, recorded.kept, recorded.sources, dose, chosen.eer)
    sign = -1 if chosen.invert_tilts else 1
    movies = [
        Movie(
            name=path.name,
            frames_tyx=source,
            nominal_tilt_deg=sign * (section.tilt_deg or 0.0) + 0.0,
            acquisition_order=rank[i],
            dose_e_per_angstrom2=dose[i],
            dose_before_e_per_angstrom2=before[i],
            frame_dose_e_per_angstrom2=frame_dose,
            nominal_defocus_angstrom=section.target_defocus_angstrom,
            acquired_at=None if section.acquired_at is None else section.acquired_at.isoformat(),
            exposure_time_s=_exposure_s(section, source),
            lens_defocus_angstrom=section.defocus_angstrom,
            image_shift_xy_angstrom=_two_angstrom(section, "ImageShift"),
            stage_position_angstrom_xyz=(
                *_two_angstrom(section, "StagePosition"),
                _ANGSTROM_PER_UM * (section.number("StageZ") or 0.0),
            ),
        )
        for i, section, path, (source, frame_dose) in zip(
            recorded.kept, recorded.kept_sections, recorded.paths, frames, strict=True
        )
    ]
    movies.sort(key=lambda movie: (movie.nominal_tilt_deg, movie.acquisition_order))
    signs = ("Every tilt angle was taken with the other sign.",) if chosen.invert_tilts else doubtful_signs(sections)
    notes = (*order_notes, *dose_notes, *before_notes, *frame_notes, *signs, *_tilt_notes(movies, sections))
    return tuple(movies), notes


def _counted_doses(recorded: _Recorded) -> list[float | None]:
    """What the camera of EER movies counted at each tilt."""
    by_section = dict(zip(recorded.kept, recorded.sources, strict=True))
    sources = [by_section.get(i) for i in range(len(recorded.sections))]
    return [s.header.dose_e_per_angstrom2 if isinstance(s, EerMovie) else None for s in sources]


def _exposure_s(section: MdocSection, source: ArraySource) -> float | None:
    written = section.number("ExposureTime")
    return source.header.exposure_time_s if written is None and isinstance(source, EerMovie) else written


def _two_angstrom(section: MdocSection, key: str) -> tuple[float, float]:
    """Two micrometre values of the mdoc; zero where it holds none."""
    numbers = section.numbers(key) or ()
    return (_ANGSTROM_PER_UM * numbers[0], _ANGSTROM_PER_UM * numbers[1]) if len(numbers) >= 2 else (0.0, 0.0)


def _tilt_notes(movies: Sequence[Movie], sections: Sequence[MdocSection]) -> tuple[str, ...]:
    if len(movies) == 1:
        is_one_movies_own = len(sections) == 1 and sections[0].kind == "FrameSet"
        hint = " This is the mdoc of one movie; import that of the whole series." if is_one_movies_own else ""
        return (f"The series holds one tilt only; it cannot be reconstructed.{hint}",)
    twice = [
        f"{b.nominal_tilt_deg:g}"
        for a, b in pairwise(movies)
        if b.nominal_tilt_deg - a.nominal_tilt_deg < _SAME_TILT_DEG
    ]
    return () if not twice else (f"Tilts recorded more than once, all kept: {few(twice)} degrees.",)
