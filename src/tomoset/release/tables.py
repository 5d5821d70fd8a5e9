"""Runs, objects and picks as flat tables (parquet), for people who know data frames better than tomograms."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.formats.atomic import atomic_path
from tomoset.model import Labels, Picks
from tomoset.release.dataset import ReleaseInfo, RunToRelease

__all__ = ["TABLES", "write_tables"]

TABLES = ("runs", "objects", "picks")
_MATRIX = tuple(f"r{row}{column}" for row in range(3) for column in range(3))


def write_tables(folder: Path, runs: Sequence[RunToRelease], info: ReleaseInfo) -> tuple[Path, ...]:
    """Write ``runs.parquet``, ``objects.parquet`` and ``picks.parquet``.

    Positions are Å from the centre of voxel (0, 0, 0), x y z; ``r00`` … ``r22`` is the rotation from particle to
    tomogram, row by row; what nobody determined is null.
    """
    import pandas as pd

    frames = {
        "runs": pd.DataFrame([_run_row(run, info) for run in runs]),
        "objects": pd.DataFrame([_object_row(item) for item in info.objects]),
        "picks": _picks_frame(runs, info),
    }
    paths = []
    for name in TABLES:
        path = folder / f"{name}.parquet"
        with atomic_path(path) as temporary:
            frames[name].to_parquet(temporary, index=False)
        paths.append(path)
    return tuple(paths)


def _run_row(run: RunToRelease, info: ReleaseInfo) -> dict[str, Any]:
    series, grid = run.series, run.tomogram.grid
    z, y, x = grid.shape_zyx
    split = info.split_of(series.run)
    return {
        "run": series.run,
        "split": split,
        "voxel_size_angstrom": grid.voxel_size_angstrom,
        "size_x": x,
        "size_y": y,
        "size_z": z,
        "pixel_size_angstrom": series.pixel_size_angstrom,
        "tilts": len(series.tilts),
        "tilts_used": len(run.tomogram.tilt_indices),
        "dose_e_per_angstrom2": float(sum(tilt.dose_e_per_angstrom2 for tilt in series.tilts)),
        "tomogram_kind": run.tomogram.kind,
        "volume": f"{split}/{series.run}.zarr",
    }


def _object_row(item: Any) -> dict[str, Any]:
    return {
        "object": item.name,
        "label": item.label,
        "radius_angstrom": item.radius_angstrom,
        "symmetry": item.symmetry,
        "is_particle": item.is_particle,
        "identifier": item.identifier,
    }


def _picks_frame(runs: Sequence[RunToRelease], info: ReleaseInfo) -> Any:
    import pandas as pd

    label = {item.name: item.label for item in info.objects}
    parts = [
        _pick_columns(labels, picks, info.split_of(run.series.run), label.get(picks.object_name, 0))
        for run in runs
        for labels in run.labels
        for picks in labels.picks
    ]
    empty = Picks(object_name="none", positions_angstrom_xyz=np.zeros((0, 3)))
    nobody = Labels(run="", user="", session="", voxel_size_angstrom=1.0)
    return pd.concat(parts or [_pick_columns(nobody, empty, "", 0)], ignore_index=True)


def _pick_columns(labels: Labels, picks: Picks, split: str, label: int) -> Any:
    import pandas as pd

    n = len(picks)
    nothing = np.full(n, np.nan)
    turn = np.full((n, 9), np.nan) if picks.rotations is None else picks.rotations.reshape(n, 9).copy()
    if picks.orientation_known is not None:
        turn[~picks.orientation_known] = np.nan
    position = dict(zip("xyz", picks.positions_angstrom_xyz.T, strict=True))
    return pd.DataFrame(
        {
            "run": np.full(n, labels.run, dtype=object),
            "split": np.full(n, split, dtype=object),
            "user": np.full(n, labels.user, dtype=object),
            "session": np.full(n, labels.session, dtype=object),
            "object": np.full(n, picks.object_name, dtype=object),
            "label": np.full(n, label, dtype=np.int64),
            **position,
            **dict(zip(_MATRIX, turn.T, strict=True)),
            "score": nothing if picks.scores is None else picks.scores,
            "false_discovery_rate": nothing if picks.false_discovery_rates is None else picks.false_discovery_rates,
            "instance_id": np.zeros(n, dtype=np.int64) if picks.instance_ids is None else picks.instance_ids,
        }
    )
