"""Raw data of a run: written by the simulator as a microscope leaves them, or pointed at where they are."""

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import InputMissingError
from tomoset.formats.atomic import atomic_path, write_json_atomic
from tomoset.formats.defects import write_defects
from tomoset.formats.eer import EerGrouping
from tomoset.formats.gain_reference import GainChoices, GainUse
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.mdoc import write_mdoc
from tomoset.formats.movies import write_gain, write_mrc_movie, write_tiff_movie
from tomoset.formats.serialem_export import CountStatistics, ScopeSettings, movie_set_mdoc
from tomoset.formats.serialem_files import defect_list_path, movie_paths
from tomoset.formats.serialem_import import ImportChoices, read_movie_set
from tomoset.model import Movie, MovieSet, Progress, Resources

__all__ = [
    "GainUse",
    "MovieOptions",
    "RawPointer",
    "raw_file_list",
    "read_pointed",
    "read_pointer",
    "read_raw",
    "write_pointer",
    "write_raw",
]

_POINTER = "source.json"
_GAIN = "gain.mrc"
_DEFECTS = "defects.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieOptions:
    """What the mdoc files lack or say wrongly; None leaves it to them.

    Parameters
    ----------
    gain, frames : Path or None
        Gain reference; folder of the movies.
    pixel_size_angstrom, voltage_kv, dose_per_tilt_e_per_angstrom2, tilt_axis_deg : float or None
    gain_orientation : int or None
        SerialEM's code 0 to 7; None to conclude it from the files.
    gain_use : {"auto", "multiply", "divide"}
    eer_dose_per_group_e_per_angstrom2 : float
        Aim for the sums of an EER movie's raw frames.
    eer_frames_per_group : int or None
        Raw frames in such a sum; replaces the dose.
    skip_missing : bool
        Go on without the tilts whose movies are not there.
    invert_tilts : bool
        Take every tilt angle with the other sign.
    """

    gain: Path | None = None
    frames: Path | None = None
    pixel_size_angstrom: float | None = None
    voltage_kv: float | None = None
    dose_per_tilt_e_per_angstrom2: float | None = None
    tilt_axis_deg: float | None = None
    gain_orientation: int | None = None
    gain_use: GainUse = "auto"
    eer_dose_per_group_e_per_angstrom2: float = 0.5
    eer_frames_per_group: int | None = None
    skip_missing: bool = False
    invert_tilts: bool = False

    @property
    def choices(self) -> ImportChoices:
        """What no file says.

        Raises
        ------
        ParameterError
            If one is out of range.
        """
        return ImportChoices(
            gain=GainChoices(orientation=self.gain_orientation, use=self.gain_use),
            eer=EerGrouping(
                dose_per_group_e_per_angstrom2=self.eer_dose_per_group_e_per_angstrom2,
                frames_per_group=self.eer_frames_per_group,
            ),
            skip_missing=self.skip_missing,
            invert_tilts=self.invert_tilts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPointer:
    """Where the movies of an imported run are, with what was said about them; absolute paths."""

    mdoc: Path
    options: MovieOptions

    @classmethod
    def of(cls, mdoc: Path, options: MovieOptions) -> "RawPointer":
        """Pointer with absolute paths."""
        return cls(
            mdoc=_absolute(mdoc),
            options=dataclasses.replace(
                options,
                gain=options.gain and _absolute(options.gain),
                frames=options.frames and _absolute(options.frames),
            ),
        )


def write_raw(folder: Path, movies: MovieSet, resources: Resources, progress: Progress) -> Path:
    """Write movies, gain (MRC), list of defects and mdoc of a run into a new folder, whole or not at all.

    A movie whose name ends in .mrc is written as MRC, every other as TIFF with LZW. Movies may be computed as they are
    read; as many are under way as there are workers.
    """
    with atomic_path(folder) as temporary:
        temporary.mkdir()

        def write(movie: Movie) -> CountStatistics:
            frames = movie.frames_tyx.read()
            write_movie = write_mrc_movie if Path(movie.name).suffix == ".mrc" else write_tiff_movie
            write_movie(temporary / movie.name, frames, movies.pixel_size_angstrom)
            return _statistics(frames)

        statistics = {}
        with ThreadPoolExecutor(resources.workers) as pool:
            for movie, counts in zip(movies.movies, pool.map(write, movies.movies), strict=True):
                statistics[movie.name] = counts
                progress.step("record movies", len(statistics), len(movies.movies))
        if movies.gain_yx is not None:
            write_gain(temporary / _GAIN, movies.gain_yx.read(), movies.pixel_size_angstrom)
        if movies.defect_pixels_yx is not None:
            height, width = movies.movies[0].frames_tyx.shape[1:]
            write_defects(temporary / _DEFECTS, movies.defect_pixels_yx, (height, width))
        settings = ScopeSettings(
            gain_name="" if movies.gain_yx is None else _GAIN,
            defect_name="" if movies.defect_pixels_yx is None else _DEFECTS,
        )
        write_mdoc(temporary / f"{movies.run}.mdoc", movie_set_mdoc(movies, settings=settings, statistics=statistics))
    return folder


def _statistics(frames_tyx: NDArray[Any]) -> CountStatistics:
    """Of the sum of a movie's frames, which is what the microscope shows."""
    fits = frames_tyx.dtype == np.uint8 and len(frames_tyx) <= 257  # 257 · 255 is the largest number of two bytes
    total_yx = frames_tyx.sum(axis=0, dtype=np.uint16 if fits else np.float32)
    return CountStatistics(
        least=float(total_yx.min()), greatest=float(total_yx.max()), mean=float(total_yx.mean(dtype=np.float64))
    )


def read_raw(folder: Path) -> MovieSet:
    """Open the movies of a run: those in its folder, or those its pointer names.

    Raises
    ------
    InputMissingError
        If the folder holds neither an mdoc nor a pointer.
    """
    return read_pointed(read_pointer(folder))


def read_pointed(pointer: RawPointer) -> MovieSet:
    """Open the movies a pointer names."""
    options = pointer.options
    return read_movie_set(
        pointer.mdoc,
        gain_path=options.gain,
        movie_folder=options.frames,
        pixel_size_angstrom=options.pixel_size_angstrom,
        voltage_kv=options.voltage_kv,
        dose_per_tilt=options.dose_per_tilt_e_per_angstrom2,
        tilt_axis_deg=options.tilt_axis_deg,
        choices=options.choices,
    )


def write_pointer(folder: Path, pointer: RawPointer, final_folder: Path, *, notes: Sequence[str] = ()) -> Path:
    """Write a pointer into ``folder``, its paths relative to where that folder will be in the end.

    The notes of the import are kept beside it, for people.
    """
    document: dict[str, object] = {
        key: os.path.relpath(value, final_folder) if isinstance(value, Path) else value
        for key, value in {"mdoc": pointer.mdoc, **_said(pointer.options)}.items()
    }
    if notes:
        document["notes"] = list(notes)
    folder.mkdir(parents=True, exist_ok=True)
    return write_json_atomic(folder / _POINTER, document)


def raw_file_list(folder: Path) -> list[Path]:
    """Every file that a run's raw data consist of: pointer, mdoc, gain, list of defects, movies."""
    pointer = read_pointer(folder)
    options = pointer.options
    files = [pointer.mdoc, *movie_paths(pointer.mdoc, movie_folder=options.frames, skip_missing=options.skip_missing)]
    defects = defect_list_path(pointer.mdoc, movie_folder=pointer.options.frames)
    for extra in (pointer.options.gain, defects, folder / _POINTER):
        if extra is not None and extra.is_file():
            files.append(extra)
    return files


def read_pointer(folder: Path) -> RawPointer:
    """Pointer of a run: that in its folder, or one to the mdoc that lies there.

    Raises
    ------
    InputMissingError
        If the folder holds neither.
    """
    path = folder / _POINTER
    if path.is_file():
        document = read_json(path)
        with understood(path):
            paths: dict[str, Any] = {
                key: _absolute(folder / document.pop(key)) for key in ("mdoc", "gain", "frames") if key in document
            }
            mdoc = paths.pop("mdoc")
            document.pop("notes", None)
            return RawPointer(mdoc=mdoc, options=MovieOptions(**paths, **document))
    mdocs = sorted(folder.glob("*.mdoc"))
    if len(mdocs) != 1:
        raise InputMissingError(f"expected one .mdoc in {folder}, found {len(mdocs)}; simulate or import the movies")
    gain = folder / _GAIN
    return RawPointer(mdoc=mdocs[0], options=MovieOptions(gain=gain if gain.is_file() else None))


def _absolute(path: Path) -> Path:
    """Path without links among its folders; a link at its end stays, because movies are looked for beside it."""
    return path.parent.resolve() / path.name


def _said(options: MovieOptions) -> dict[str, Any]:
    """Options that are not left at their defaults."""
    usual = MovieOptions()
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}
