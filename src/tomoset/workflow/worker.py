"""What a worker process does: the missing steps of one run, one after another.

Each finished step writes its record last, so an interrupted or killed run is resumed by planning again.
"""

import json
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tomoset.errors import OutputError, TomosetError
from tomoset.model import Resources
from tomoset.workflow.keys import plain_values
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import PlannedStep, make_plan
from tomoset.workflow.processes import end_with_parent
from tomoset.workflow.progress import QueueProgress
from tomoset.workflow.raw_files import read_raw
from tomoset.workflow.recipe import Recipe, read_recipe_file
from tomoset.workflow.records import StepRecord, write_record
from tomoset.workflow.scratch import scratch_allocator
from tomoset.workflow.steps import StepContext

__all__ = ["RunOutcome", "Share", "work"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What one run's chain came to.

    Parameters
    ----------
    run : str
    records : tuple of StepRecord
        Steps that were computed now.
    error : TomosetError or None
        Why the chain stopped, when a person can mend it.
    crash : str
        Traceback of a bug of ours; empty when there was none.
    """

    run: str
    records: tuple[StepRecord, ...] = ()
    error: TomosetError | None = None
    crash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A worker's part of the machine, and how far it shall go."""

    threads: int
    memory_gib: float
    device: str
    until: str | None


def work(root: Path, run: str, share: Share, queue: Any, results: Connection) -> None:
    """Body of a worker process: compute one run and send its :class:`RunOutcome`."""
    end_with_parent()
    results.send(_run_chain(ProjectLayout(root), run, share, queue))


def _run_chain(layout: ProjectLayout, run: str, share: Share, queue: Any) -> RunOutcome:
    records: list[StepRecord] = []
    error: TomosetError | None = None
    try:
        _run_missing_steps(layout, run, share, queue, records)
    except TomosetError as problem:
        error = problem
    except MemoryError as problem:
        error = TomosetError(
            f"{run}: expected {share.memory_gib:g} GiB of memory to be enough, found none left ({problem}); "
            "run again with fewer --workers or close other programs; finished steps are kept"
        )
    except OSError as problem:
        error = OutputError(
            f"{run}: reading or writing {problem.filename or 'the project'} failed: {problem.strerror or problem}; "
            "free some space or mend the permissions and run again; finished steps are kept"
        )
    except Exception:  # noqa: BLE001 a bug in one run must not end the others; the main process raises it at the end
        crash = traceback.format_exc()
        _log(layout, run, "crashed", message=crash)
        return RunOutcome(run=run, records=tuple(records), crash=crash)
    if error is not None:
        _log(layout, run, "failed", message=str(error))
    return RunOutcome(run=run, records=tuple(records), error=error)


def _run_missing_steps(layout: ProjectLayout, run: str, share: Share, queue: Any, records: list[StepRecord]) -> None:
    recipe = read_recipe_file(layout.recipe)
    with scratch_allocator(layout.scratch) as allocate:
        resources = Resources(
            device=share.device, workers=share.threads, memory_gib=share.memory_gib, allocate=allocate
        )
        for planned in make_plan(layout, recipe, until=share.until, only=(run,)):
            if planned.state == "to do":
                progress = QueueProgress(queue, run, planned.step.name)
                records.append(_execute(layout, recipe, planned, resources, progress))


def _execute(
    layout: ProjectLayout, recipe: Recipe, planned: PlannedStep, resources: Resources, progress: QueueProgress
) -> StepRecord:
    started = (time.perf_counter(), time.process_time())
    step, run = planned.step, planned.run
    if "raw" in planned.inputs:
        # Movies that are missing or cut off are said before anything of the last result is given up.
        read_raw(layout.raw_run(run))
    # Without its record a step counts as not done, whatever happens while its files are replaced.
    layout.record(step.name, run).unlink(missing_ok=True)
    progress.start()
    outputs = step.execute(StepContext(layout=layout, recipe=recipe, run=run, resources=resources, progress=progress))
    record = write_record(
        layout,
        stage=step.name,
        run=run,
        key=planned.key,
        stage_version=step.version,
        params=plain_values(step.params(recipe)),
        inputs=planned.inputs,
        outputs=outputs,
        seed=recipe.seed,
        started=started,
    )
    progress.finish(record.wall_seconds)
    _log(layout, run, "finished", stage=step.name, seconds=record.wall_seconds)
    return record


def _log(layout: ProjectLayout, run: str, event: str, **facts: Any) -> None:
    """Append one JSON line; O_APPEND keeps lines of several workers whole."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "run": run, "event": event, **facts}
    try:
        layout.log.parent.mkdir(parents=True, exist_ok=True)
        with layout.log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError:
        return  # a full disk is reported by the step itself; the log must not hide that error
