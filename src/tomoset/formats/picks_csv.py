"""Picks as a table of comma-separated values, one pick a line, nothing lost.

Columns, of which only ``x``, ``y`` and ``z`` must be there: ``run``, ``object``, ``x``, ``y``, ``z`` (ångström from the
centre of voxel (0, 0, 0)), ``r11`` … ``r33`` (rows of the active matrix particle → tomogram, x y z columns),
``score``, ``score_kind``, ``margin``, ``rival``, ``false_discovery_rate``, ``instance_id``, ``orientation_known``
(0 or 1), ``flags``, and ``posterior:<class>`` for each class of the posterior. Empty is unknown. Numbers have every
digit of float64. The table of the CZII challenge (``experiment, particle_type, x, y, z``) reads too.
"""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, GeometryError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.model import Picks

__all__ = ["read_picks_csv", "write_picks_csv"]

_XYZ = ("x", "y", "z")
_ROTATION = tuple(f"r{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3))
_NUMBERS = {
    "score": "scores",
    "margin": "margins",
    "false_discovery_rate": "false_discovery_rates",
    "instance_id": "instance_ids",
    "orientation_known": "orientation_known",
    "flags": "flags",
}
_POSTERIOR = "posterior:"
_OTHER_NAMES = {"experiment": "run", "particle_type": "object"}


def write_picks_csv(path: str | os.PathLike[str], picks_of_runs: Mapping[str, tuple[Picks, ...]]) -> Path:
    """Write picks of any runs and classes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    records = [row for run, sets in picks_of_runs.items() for picks in sets for row in _rows(run, picks)]
    used = {name for record in records for name in record}
    posterior = list(dict.fromkeys(name for record in records for name in record if name.startswith(_POSTERIOR)))
    fixed = ("run", "object", *_XYZ, *_ROTATION, "score", "score_kind", "margin", "rival", *list(_NUMBERS)[2:])
    columns = [name for name in fixed if name in used or name in ("run", "object", *_XYZ)] + posterior
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return write_text_atomic(path, text.getvalue())


def read_picks_csv(path: str | os.PathLike[str], *, object_name: str = "") -> dict[str, tuple[Picks, ...]]:
    """Read picks by run; ``object_name`` is the class where the table has no such column.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If x, y or z is missing, or something is no number.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a table of picks, found nothing there; check the path")
    reader = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig", errors="replace")))
    header = [_OTHER_NAMES.get(name.strip(), name.strip()) for name in reader.fieldnames or ()]
    if not {*_XYZ} <= set(header) or not ("object" in header or object_name):
        raise FormatError(
            f"{file.name}: expected the columns x, y, z and object (or --name), found {', '.join(header) or 'none'}"
        )
    reader.fieldnames = header
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in reader:
        key = (row.get("run") or "", row.get("object") or object_name)
        groups.setdefault(key, []).append({k: v or "" for k, v in row.items() if isinstance(v, str | None)})
    found: dict[str, tuple[Picks, ...]] = {}
    for (run, name), rows in groups.items():
        found[run] = (*found.get(run, ()), _picks(file, name, rows))
    return found


def _rows(run: str, picks: Picks) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"run": run, "object": picks.object_name} for _ in range(len(picks))]
    columns: dict[str, Any] = dict(zip(_XYZ, picks.positions_angstrom_xyz.T, strict=True))
    if picks.rotations is not None:
        columns |= dict(zip(_ROTATION, picks.rotations.reshape(-1, 9).T, strict=True))
    columns |= {column: getattr(picks, name) for column, name in _NUMBERS.items() if getattr(picks, name) is not None}
    if picks.rivals is not None:
        columns["rival"] = picks.rivals
    if picks.posterior is not None:
        columns |= {
            f"{_POSTERIOR}{c}": column for c, column in zip(picks.posterior_classes, picks.posterior.T, strict=True)
        }
    if picks.score_kind:
        columns["score_kind"] = np.full(len(picks), picks.score_kind)
    for name, values in columns.items():
        for row, value in zip(rows, np.asarray(values).tolist(), strict=True):
            row[name] = int(value) if isinstance(value, bool) else "" if value != value else value  # noqa: PLR0124
    return rows


def _picks(file: Path, name: str, rows: list[dict[str, str]]) -> Picks:
    posterior = [key for key in rows[0] if key.startswith(_POSTERIOR)]
    columns = {key: _column(file, rows, key) for key in (*_XYZ, *_ROTATION, *_NUMBERS, *posterior)}
    numbers = {key: values for key, values in columns.items() if values is not None}
    missing = [key for key in _XYZ if key not in numbers or not np.all(np.isfinite(numbers[key]))]
    if missing:
        raise FormatError(f"{file.name}: expected a finite {missing[0]} for every pick of {name}, found none in some")
    turns = [numbers[key] for key in _ROTATION if key in numbers]
    if turns and len(turns) != len(_ROTATION):
        raise FormatError(f"{file.name}: expected all nine of r11 … r33 for {name}, found {len(turns)}")
    classes = [key for key in posterior if key in numbers]
    rivals = [row.get("rival", "") for row in rows]
    whole: dict[str, Any] = {each: numbers[key] for key, each in _NUMBERS.items() if key in numbers}
    for each in {"instance_ids", "flags", "orientation_known"} & set(whole):
        whole[each] = np.nan_to_num(whole[each], nan=float(each == "orientation_known"))
    try:
        return Picks(
            object_name=name,
            positions_angstrom_xyz=np.stack([numbers[key] for key in _XYZ], axis=-1),
            rotations=np.stack(turns, axis=-1).reshape(-1, 3, 3) if turns else None,
            score_kind=rows[0].get("score_kind", ""),
            rivals=np.array(rivals, dtype=np.str_) if any(rivals) else None,
            posterior_classes=tuple(key.removeprefix(_POSTERIOR) for key in classes),
            posterior=np.stack([numbers[key] for key in classes], axis=-1) if classes else None,
            **whole,
        )
    except GeometryError as error:
        raise FormatError(f"{file.name}: {error}") from error


def _column(file: Path, rows: list[dict[str, str]], key: str) -> NDArray[np.float64] | None:
    values = [row.get(key, "").strip() for row in rows]
    if not any(values):
        return None
    try:
        return np.array([np.nan if value == "" else float(value) for value in values])
    except ValueError as error:
        raise FormatError(f"{file.name}: expected numbers in the column {key}, found {error}") from error
