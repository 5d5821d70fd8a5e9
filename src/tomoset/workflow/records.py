"""Provenance: one record per step, written last, so that what has a record is complete."""

import dataclasses
import json
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomoset
from tomoset.formats.atomic import write_json_atomic
from tomoset.workflow.layout import ProjectLayout

__all__ = ["StepRecord", "is_complete", "read_record", "write_record"]

_LIBRARIES = ("numpy", "scipy", "numba", "zarr", "tifffile", "mrcfile", "starfile", "gemmi")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What one step did.

    Parameters
    ----------
    stage, run, key : str
    stage_version : str
    params : dict
        Everything that changed the answer.
    inputs : dict of str to str
        Keys of the inputs.
    outputs : dict of str to int
        Paths relative to the project, with sizes in bytes (a folder counts as the sum of its files).
    seed : int
    software : dict of str to str
    finished_at : str
        UTC, ISO 8601.
    wall_seconds, cpu_seconds : float
    """

    stage: str
    run: str
    key: str
    stage_version: str
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, int]
    seed: int
    software: dict[str, str]
    finished_at: str
    wall_seconds: float
    cpu_seconds: float


def software_versions() -> dict[str, str]:
    """Versions of tomoset, Python and the libraries that compute."""
    return {
        "tomoset": tomoset.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def size_on_disk(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size


def write_record(
    layout: ProjectLayout,
    *,
    stage: str,
    run: str,
    key: str,
    stage_version: str,
    params: dict[str, Any],
    inputs: dict[str, str],
    outputs: list[Path],
    seed: int,
    started: tuple[float, float],
) -> StepRecord:
    """Write the record of a finished step; ``started`` is (wall clock, CPU clock) at its start."""
    record = StepRecord(
        stage=stage,
        run=run,
        key=key,
        stage_version=stage_version,
        params=params,
        inputs=inputs,
        outputs={path.relative_to(layout.root).as_posix(): size_on_disk(path) for path in outputs},
        seed=seed,
        software=software_versions(),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_seconds=round(time.perf_counter() - started[0], 2),
        cpu_seconds=round(time.process_time() - started[1], 2),
    )
    path = layout.record(stage, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json_atomic(path, dataclasses.asdict(record))
    return record


def read_record(layout: ProjectLayout, stage: str, run: str) -> StepRecord | None:
    """The record of a step, or None when it never finished."""
    path = layout.record(stage, run)
    if not path.is_file():
        return None
    try:
        return StepRecord(**json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError):
        return None  # an older or damaged record is as good as none: the step runs again


def is_complete(layout: ProjectLayout, record: StepRecord | None, key: str) -> bool:
    """Whether a record has the wanted key and everything it wrote is still there, in its size."""
    if record is None or record.key != key:
        return False
    for relative, size in record.outputs.items():
        path = layout.root / relative
        if not path.exists() or size_on_disk(path) != size:
            return False
    return True
