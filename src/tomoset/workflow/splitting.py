"""Splits of tomograms on disk."""

import csv
from pathlib import Path

from tomoset.benchmark.splits import SPLITS, Splits, TomogramOrigin, make_splits
from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_json_atomic

__all__ = ["read_origins", "split_tomograms"]


def split_tomograms(table: Path, out: Path, *, seed: int = 0) -> Splits:
    """Divide the tomograms of a table and write ``splits.json``: the runs of each split and the hash of the list.

    Parameters
    ----------
    table : Path
        See :func:`read_origins`.
    out : Path
    seed : int
    """
    made = make_splits(read_origins(table), seed=seed)
    document = {"seed": seed, "sha256": made.digest, "splits": {name: list(made.runs(name)) for name in SPLITS}}
    write_json_atomic(out, document)
    return made


def read_origins(table: Path) -> list[TomogramOrigin]:
    """Read where tomograms come from: columns run and any of specimen, session, simulation_seed.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a column is missing or a seed is no number.
    """
    if not table.is_file():
        raise InputMissingError(f"{table}: expected a table of tomograms, found nothing there; check the path")
    with table.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if "run" not in (reader.fieldnames or ()):
            raise FormatError(
                f"{table.name}: expected the columns run, specimen, session, simulation_seed, found "
                f"{', '.join(reader.fieldnames or ()) or 'none'}"
            )
        rows = list(reader)
    origins = []
    for line, row in enumerate(rows, start=2):
        text = (row.get("simulation_seed") or "").strip()
        try:
            seed = int(text) if text else None
        except ValueError as error:
            raise FormatError(f"{table.name}, line {line}: expected a whole number as seed, found {text!r}") from error
        origins.append(
            TomogramOrigin(
                run=row["run"].strip(),
                specimen=(row.get("specimen") or "").strip(),
                session=(row.get("session") or "").strip(),
                simulation_seed=seed,
            )
        )
    return origins
