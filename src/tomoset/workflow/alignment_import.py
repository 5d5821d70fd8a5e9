"""Alignments that other programs made of a project's series: found, checked against the movies, kept, and applied."""

import glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.relion_star import read_series_index
from tomoset.formats.relion_tables import read_star
from tomoset.formats.serialem_import import run_name
from tomoset.formats.warp_tomostar import read_tomostar
from tomoset.model import MovieSet, TiltSeries
from tomoset.workflow.alignment_matching import TiltRows, check_field, place
from tomoset.workflow.foreign_alignments import IN_PIXELS, is_alignment, read_alignment, source_files
from tomoset.workflow.layout import ProjectLayout

__all__ = [
    "AlignmentSource",
    "apply_alignment",
    "check_alignment",
    "find_alignments",
    "imported_alignment_text",
    "keep_alignment",
    "words_on_alignment",
]

_SOURCE = "source.json"
_ENDINGS = (".aln", ".json", ".star", ".tomostar", ".xf", ".xml")
_ADDED_TO_NAMES = re.compile(r"_(st|aligned|portal)$")  # AreTomo's and Warp's stacks; what we write for the portal
_PORTAL_NAME = "alignment_metadata"
_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentSource:
    """Where alignments are.

    Parameters
    ----------
    pattern : str
        A file, a folder (searched to its bottom), a pattern, or an index of RELION (``tomograms.star``).
    pixel_size_angstrom : float or None
        Of the images whose pixels the shifts are; None for the movies' own.

    Raises
    ------
    ParameterError
        If the pixel size is not positive.
    """

    pattern: str
    pixel_size_angstrom: float | None = None

    def __post_init__(self) -> None:
        """Refuse a pixel size that is none."""
        pixel = self.pixel_size_angstrom
        if pixel is not None and not (np.isfinite(pixel) and pixel > 0):
            raise ParameterError(f"--alignment-pixel-size: expected a positive number, Å, found {pixel:g}")


def find_alignments(pattern: str, runs: tuple[str, ...]) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The alignment of each run, by name, and what was left aside.

    Raises
    ------
    InputMissingError
        If a run has none, or more than one.
    """
    by_run: dict[str, list[Path]] = {}
    for path, names in _candidates(pattern):
        # A file that was named for the only series is meant for it, whatever its name.
        meant = runs[0] if len(runs) == 1 and path == Path(pattern) else names[0]
        by_run.setdefault(next((name for name in names if name in runs), meant), []).append(path)
    missing = [run for run in runs if run not in by_run]
    if missing:
        found = f"those of {_few(sorted(by_run))}" if by_run else "none"
        raise InputMissingError(
            f"--alignments: expected an alignment for each of {len(runs)} series, found {found} in {pattern}, none "
            f"for {_few(missing)}; files are matched by the series' name (RUN.xf, RUN.aln, RUN.xml, RUN.star, "
            "RUN.json): add the missing ones, rename them, or make a project of the other series"
        )
    twice = {run: paths for run, paths in by_run.items() if run in runs and len(paths) > 1}
    if twice:
        run, paths = next(iter(twice.items()))
        folder = Path(pattern) if Path(pattern).is_dir() else Path("FOLDER")
        raise InputMissingError(
            f"--alignments: expected one alignment of {run}, found {_few([path.name for path in paths])}; say which "
            f"with a pattern, such as '{folder / '**' / ('*' + paths[0].suffix)}'"
        )
    aside = sorted(set(by_run) - set(runs))
    notes = (f"alignments of {_few(aside)}, of which there are no movies, were left aside.",) if aside else ()
    return {run: by_run[run][0] for run in runs}, notes


def check_alignment(path: Path, movies: MovieSet, source: AlignmentSource) -> tuple[str, ...]:
    """Read an alignment as the step ``align`` will, and say what it had to conclude.

    Raises
    ------
    TomosetError
        If it does not fit the movies.
    """
    pixel = movies.pixel_size_angstrom
    height, width = movies.movies[0].frames_tyx.shape[1:]
    alignment = read_alignment(path, source.pixel_size_angstrom or pixel, (width, height), image_pixel_angstrom=pixel)
    check_field(alignment, (width * pixel, height * pixel), path.name)
    notes = place(alignment, _rows_of_movies(movies), path.name).notes
    if path.suffix in IN_PIXELS and source.pixel_size_angstrom is None and alignment.field_angstrom_xy is None:
        notes += (f"shifts in {path.suffix} files are taken for pixels of {pixel:g} Å, the movies'",)
    return notes


def keep_alignment(
    folder: Path, path: Path, pixel_size_angstrom: float, notes: tuple[str, ...], final_folder: Path
) -> Path:
    """Copy an alignment's files into ``folder``; ``final_folder`` is where that will be in the end."""
    folder.mkdir(parents=True)
    for file in source_files(path):
        shutil.copy(file, folder / file.name)
    document: dict[str, object] = {"file": path.name, "from": os.path.relpath(path.absolute(), final_folder)}
    if path.suffix in IN_PIXELS:
        document["pixel_size_angstrom"] = pixel_size_angstrom
    document["sha256"] = {file.name: _sha256(folder / file.name) for file in source_files(path)}
    if notes:
        document["notes"] = list(notes)
    return write_json_atomic(folder / _SOURCE, document)


def words_on_alignment(layout: ProjectLayout, run: str) -> dict[str, str]:
    """An imported alignment as inputs of the step ``align``: its files' hashes, its pixel, its notes; else nothing."""
    document = layout.alignment(run) / _SOURCE
    if not document.is_file():
        return {}
    said = read_json(document)
    with understood(document):
        file, pixel = layout.alignment(run) / said["file"], said.get("pixel_size_angstrom")
        words = {f"alignment {part.name}": f"sha256:{_sha256(part)}" for part in source_files(file) if part.is_file()}
        words["alignment from"] = said["from"]
        if pixel is not None:
            words["alignment pixel"] = f"{pixel:g} Å"
        return words | {f"alignment note {i}": note for i, note in enumerate(said.get("notes", ()), start=1)}


def apply_alignment(layout: ProjectLayout, series: TiltSeries) -> TiltSeries | None:
    """The series with its imported alignment; None where none was imported.

    Tilts that the alignment does not use are not used, with the reason.

    Raises
    ------
    TomosetError
        If the files were replaced by some that do not fit.
    """
    folder = layout.alignment(series.run)
    if not (folder / _SOURCE).is_file():
        return None
    said = read_json(folder / _SOURCE)
    with understood(folder / _SOURCE):
        path, pixel = folder / said["file"], said.get("pixel_size_angstrom")
    _, height, width = series.images_nyx.shape
    own = series.pixel_size_angstrom
    alignment = read_alignment(path, pixel, (width, height), image_pixel_angstrom=own)
    placed = place(alignment, _rows_of_series(series), path.name)
    tilts = tuple(
        tilt if use or not tilt.use else replace(tilt, use=False, reason=f"alignment: {reason}")
        for tilt, use, reason in zip(series.tilts, placed.use, placed.reasons, strict=True)
    )
    axis = float(np.median(placed.geometry.z_rot_deg))
    return replace(
        series,
        tilts=tilts,
        geometry=placed.geometry,
        diagnostics={**(series.diagnostics or {}), "alignment.imported": 1.0, "alignment.axis_deg": axis},
    )


def imported_alignment_text(layout: ProjectLayout, runs: tuple[str, ...]) -> str:
    """One sentence for a methods section; empty where every run was aligned here."""
    imported = [run for run in runs if (layout.alignment(run) / _SOURCE).is_file()]
    if not imported:
        return ""
    endings = sorted({Path(read_json(layout.alignment(run) / _SOURCE)["file"]).suffix for run in imported})
    return f"Tilt series were aligned with other software and their alignments imported ({', '.join(endings)} files)."


def _candidates(pattern: str) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Files that hold an alignment, each with the names of runs that it may be of, the likeliest first."""
    named = Path(pattern)
    if named.is_file():
        yield from _named_alignments(named)
        return
    places = [named] if named.is_dir() else [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    files = (path for place_ in places for path in (sorted(place_.rglob("*")) if place_.is_dir() else [place_]))
    for path in dict.fromkeys(files):
        usable = path.suffix in _ENDINGS and not path.name.startswith(".") and path.is_file()
        if usable and _holds_alignment(path, strict=False):
            yield path, _names(path)


def _named_alignments(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """What the one file that was named is, or lists: it must be an alignment, others may be anything."""
    if path.suffix == ".star" and "global" in read_star(path):
        for entry in read_series_index(path):
            yield entry.series_star, (run_name(entry.run),)
    elif _holds_alignment(path, strict=True):
        yield path, _names(path)


def _holds_alignment(path: Path, *, strict: bool) -> bool:
    if path.stem.endswith("_excluded"):
        return False
    try:
        if path.suffix == ".tomostar":
            return strict or read_tomostar(path).has_shifts  # straight from ts_import it holds none
        if is_alignment(path):
            return True
    except FormatError:
        if strict:
            raise
        return False
    if strict:
        raise FormatError(
            f"--alignments: {path.name} is no alignment; expected .xf with its .tlt, .aln, Warp's .xml or .tomostar, a "
            "star of RELION 5 or the data portal's .json"
        )
    return False


def _names(path: Path) -> tuple[str, ...]:
    if path.stem == _PORTAL_NAME:  # the portal's folders say whose it is: RUN/Alignments/100/alignment_metadata.json
        return tuple(run_name(parent.name) for parent in path.absolute().parents if parent.name)
    return (run_name(path.stem), run_name(_ADDED_TO_NAMES.sub("", path.stem)))


def _rows_of_movies(movies: MovieSet) -> TiltRows:
    return TiltRows(
        names=tuple(movie.name for movie in movies.movies),
        nominal_tilt_deg=np.array([movie.nominal_tilt_deg for movie in movies.movies]),
        acquisition_order=np.array([movie.acquisition_order for movie in movies.movies], dtype=np.intp),
    )


def _rows_of_series(series: TiltSeries) -> TiltRows:
    return TiltRows(
        names=tuple(tilt.name for tilt in series.tilts),
        nominal_tilt_deg=series.nominal_tilt_deg,
        acquisition_order=np.array([tilt.acquisition_order for tilt in series.tilts], dtype=np.intp),
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
