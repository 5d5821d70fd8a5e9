"""Submissions on disk that are no project: a table in the shape of the CZII challenge, a folder of masks."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark import PickRows
from tomoset.benchmark.submission import TomogramExtent, check_submission, require_valid
from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.copick import list_tomograms, read_config
from tomoset.formats.mrc import read_volume
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.model import ArraySource, Labels, PickableObject, Segmentation
from tomoset.model.labels import SegmentationKind

__all__ = [
    "is_mask_folder",
    "project_objects",
    "read_mask_folder",
    "read_submission",
    "tomogram_extents",
    "validated_submission",
]

_RUN = ("experiment", "run", "tomogram", "tomo_id")
_CLASS = ("particle_type", "object", "class", "label")
_SCORE = ("score", "confidence", "probability")


def project_objects(*places: Path | None) -> tuple[PickableObject, ...]:
    """Classes of the first place that names some: a copick configuration, or a folder that holds one.

    Raises
    ------
    InputMissingError
        If none does.
    """
    for place in places:
        for path in () if place is None else (place, place / "copick_config.json"):
            if path.is_file() and path.suffix == ".json":
                return read_config(path).objects
    listed = ", ".join(str(place) for place in places if place is not None)
    raise InputMissingError(
        f"expected a copick_config.json that names the classes and their radii in {listed}, found none; "
        "give one with --objects"
    )


def tomogram_extents(root: Path, runs: tuple[str, ...]) -> dict[str, TomogramExtent | None]:
    """Sizes of a project's tomograms; None for a run without any."""
    extents: dict[str, TomogramExtent | None] = {}
    for run in runs:
        entries = list_tomograms(root, run) if root.is_dir() else ()
        extents[run] = None
        if entries:
            grid = open_volume_zarr(entries[0].path)[1]
            x, y, z = (float(n) for n in grid.size_angstrom_xyz)
            extents[run] = TomogramExtent(size_angstrom_xyz=(x, y, z), voxel_size_angstrom=grid.voxel_size_angstrom)
    return extents


def validated_submission(
    path: Path, objects: tuple[PickableObject, ...], tomograms: Mapping[str, TomogramExtent | None]
) -> PickRows:
    """Read a table and refuse one that cannot be scored, with everything that is wrong with it.

    Raises
    ------
    ParameterError
        See :func:`tomoset.benchmark.submission.check_submission`.
    """
    rows = read_submission(path)
    require_valid(path.name, check_submission(rows, objects, tomograms))
    return rows


def is_mask_folder(path: Path) -> bool:
    """Whether a folder holds masks by themselves: ``RUN.mrc`` or ``RUN.zarr``, and no copick project."""
    return path.is_dir() and not (path / "ExperimentRuns").is_dir() and bool(_mask_files(path))


def _mask_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".mrc", ".zarr") and path.name[0] != ".")


def read_mask_folder(
    folder: Path, runs: Sequence[str], *, user: str, session: str, kind: SegmentationKind = "semantic"
) -> list[Labels]:
    """Open one mask a tomogram, named after it.

    Parameters
    ----------
    folder : Path
    runs : sequence of str
        The tomograms that want one.
    user, session : str
        Author and round to put on them.
    kind : {"semantic", "instance"}

    Raises
    ------
    ParameterError
        If a tomogram has no mask or two, or a mask has no tomogram.
    """
    files = _mask_files(folder)
    named = [path.stem for path in files]
    problems = [f"expected a mask {run}.mrc or {run}.zarr, found none" for run in sorted(set(runs) - set(named))]
    problems += [f"expected one mask of {run}, found two" for run in sorted({n for n in named if named.count(n) > 1})]
    problems += [f"expected no mask but of the tomograms, found {name}" for name in sorted(set(named) - set(runs))]
    require_valid(folder.name, problems)
    made = []
    for path in files:
        source: ArraySource
        if path.suffix == ".mrc":
            source, voxel = read_volume(path)
        else:
            source, grid = open_volume_zarr(path)
            voxel = grid.voxel_size_angstrom
        mask = Segmentation(name=kind, mask_zyx=source, voxel_size_angstrom=voxel, kind=kind)
        made.append(Labels(run=path.stem, user=user, session=session, voxel_size_angstrom=voxel, segmentations=(mask,)))
    return made


def read_submission(path: Path) -> PickRows:
    """Read a table of picks: ``experiment, particle_type, x, y, z`` and, where it has one, ``score``.

    Other columns are left alone. Numbers that are NaN are read as such: whoever scores them says so with their lines.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a column is missing, or a place is no number.
    """
    if not path.is_file():
        raise InputMissingError(f"{path}: expected a table of picks, found nothing there; check the path")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text))
    header = [(name or "").strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    run, name = _column(header, _RUN), _column(header, _CLASS)
    missing = [one for one, found in (("experiment", run), ("particle_type", name)) if found is None]
    missing += [axis for axis in "xyz" if axis not in header]
    if missing or run is None or name is None:
        raise FormatError(
            f"{path.name}: expected the columns experiment, particle_type, x, y, z, found "
            f"{', '.join(header) or 'none'}; {', '.join(missing)} missing"
        )
    table = list(reader)
    score = _column(header, _SCORE)
    return PickRows(
        experiments=np.array([(row[run] or "").strip() for row in table], dtype=np.str_),
        particle_types=np.array([(row[name] or "").strip() for row in table], dtype=np.str_),
        positions_angstrom_xyz=np.stack([_numbers(path, table, axis) for axis in "xyz"], axis=-1),
        scores=None if score is None else _numbers(path, table, score),
    )


def _column(header: list[str], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in header), None)


def _numbers(path: Path, table: list[dict[str, str]], column: str) -> NDArray[np.float64]:
    values = np.empty(len(table))
    for i, row in enumerate(table):
        try:
            values[i] = float(row[column] or "nan")
        except (TypeError, ValueError) as error:
            raise FormatError(
                f"{path.name}, line {i + 2}: expected a number for {column}, found {row[column]!r}"
            ) from error
    return values
