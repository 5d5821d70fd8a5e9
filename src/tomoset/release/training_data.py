"""The layout ``ml``: tables, training volumes and their Croissant description in one folder."""

from collections.abc import Sequence
from pathlib import Path

from tomoset.release.croissant import write_croissant
from tomoset.release.dataset import ReleaseInfo, RunToRelease
from tomoset.release.tables import write_tables

__all__ = ["finish_training_data"]


def finish_training_data(root: Path, runs: Sequence[RunToRelease], info: ReleaseInfo) -> None:
    """Write tables and Croissant of all runs, whose volumes have been written one by one."""
    folder = root / "ml"
    tables = write_tables(folder, runs, info)
    volumes = tuple(folder / info.split_of(run.series.run) / f"{run.series.run}.zarr" for run in runs)
    write_croissant(folder, info, tables, volumes)
