"""The local engine: runs go side by side in worker processes, the steps of a run one after another.

Each finished step writes its record last, so an interrupted or killed run is resumed by planning again.
"""

import json
import multiprocessing
import os
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tomoset.errors import OutputError, TomosetError
from tomoset.model import Resources
from tomoset.workflow.keys import plain_values
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import PlannedStep, make_plan
from tomoset.workflow.progress import Monitor, QueueProgress
from tomoset.workflow.recipe import Recipe, read_recipe
from tomoset.workflow.records import StepRecord, write_record
from tomoset.workflow.scratch import scratch_allocator
from tomoset.workflow.steps import StepContext

__all__ = ["RunOutcome", "run_project"]

# BLAS and OpenMP read these once, when NumPy is first imported in a worker.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What one run's chain came to.

    Parameters
    ----------
    run : str
    records : tuple of StepRecord
        Steps that were computed now.
    error : TomosetError or None
        Why the chain stopped.
    """

    run: str
    records: tuple[StepRecord, ...]
    error: TomosetError | None = None


def run_project(
    root: Path,
    *,
    until: str | None = None,
    only: tuple[str, ...] = (),
    workers: int = 2,
    device: str = "cpu",
    memory_gib: float = 8.0,
    monitor: Monitor,
) -> tuple[RunOutcome, ...]:
    """Compute what is not there yet.

    Parameters
    ----------
    root : Path
        The project.
    until : str or None
        Last noun wanted.
    only : tuple of str
        Runs wanted; empty means all.
    workers : int
        Processor cores to use: as many runs side by side, each with its share of threads.
    device : {"cpu", "cuda"}
    memory_gib : float
        Memory all workers together should stay within.
    monitor : Monitor
        Shows how far each run has come.

    Returns
    -------
    tuple of RunOutcome
        One per run that had something to do. A run that fails does not stop the others.

    Notes
    -----
    The result does not depend on the number of workers: randomness is named by its purpose, and sums have a fixed
    order.
    """
    layout = ProjectLayout(root)
    recipe = read_recipe(layout.recipe.read_text("utf-8"), origin=str(layout.recipe.name))
    plan = make_plan(layout, recipe, until=until, only=only)
    chains: dict[str, list[str]] = {}
    for planned in plan:
        if planned.state == "to do":
            chains.setdefault(planned.run, []).append(planned.step.name)
    if not chains:
        return ()
    side_by_side = min(workers, len(chains))
    share = _Share(
        threads=max(1, workers // side_by_side), memory_gib=memory_gib / side_by_side, device=device, until=until
    )
    with monitor.watch({run: tuple(steps) for run, steps in chains.items()}) as queue:
        return _run_chains(layout.root, tuple(chains), side_by_side, share, queue, monitor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share:
    threads: int
    memory_gib: float
    device: str
    until: str | None


def _run_chains(
    root: Path, runs: tuple[str, ...], side_by_side: int, share: _Share, queue: Any, monitor: Monitor
) -> tuple[RunOutcome, ...]:
    outcomes: dict[str, RunOutcome] = {}
    with _threads_per_worker(share.threads):
        pool = ProcessPoolExecutor(side_by_side, mp_context=multiprocessing.get_context("spawn"))
        try:
            pending: dict[Future[RunOutcome], str] = {
                pool.submit(_run_chain, root, run, share, queue): run for run in runs
            }
            while pending:
                done, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                monitor.refresh()
                for future in done:
                    run = pending.pop(future)
                    outcomes[run] = _outcome(future, run)
        except BaseException:
            _kill(pool)
            raise
        pool.shutdown()
    return tuple(outcomes[run] for run in runs)


def _outcome(future: "Future[RunOutcome]", run: str) -> RunOutcome:
    try:
        return future.result()
    except BrokenProcessPool:
        error = TomosetError(
            f"{run}: the worker was ended from outside (often: memory ran out); "
            "run again with fewer --workers; finished steps are kept"
        )
        return RunOutcome(run=run, records=(), error=error)


def _kill(pool: ProcessPoolExecutor) -> None:
    """End the workers at once: what they were writing has a temporary name and counts for nothing."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(5)


@contextmanager
def _threads_per_worker(threads: int) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _run_chain(root: Path, run: str, share: _Share, queue: Any) -> RunOutcome:
    """In a worker: compute the missing steps of one run, in order."""
    layout = ProjectLayout(root)
    recipe = read_recipe(layout.recipe.read_text("utf-8"), origin=layout.recipe.name)
    records: list[StepRecord] = []
    try:
        with scratch_allocator(layout.scratch) as allocate:
            resources = Resources(
                device=share.device, workers=share.threads, memory_gib=share.memory_gib, allocate=allocate
            )
            for planned in make_plan(layout, recipe, until=share.until, only=(run,)):
                if planned.state == "to do":
                    progress = QueueProgress(queue, run, planned.step.name)
                    records.append(_execute(layout, recipe, planned, resources, progress))
    except TomosetError as error:
        _log(layout, run, "failed", message=str(error))
        return RunOutcome(run=run, records=tuple(records), error=error)
    except OSError as error:
        problem = OutputError(
            f"{run}: reading or writing {error.filename or 'the project'} failed: {error.strerror or error}; "
            "free some space or mend the permissions and run again; finished steps are kept"
        )
        _log(layout, run, "failed", message=str(problem))
        return RunOutcome(run=run, records=tuple(records), error=problem)
    except Exception:
        _log(layout, run, "crashed", message=traceback.format_exc())
        raise
    return RunOutcome(run=run, records=tuple(records))


def _execute(
    layout: ProjectLayout, recipe: Recipe, planned: PlannedStep, resources: Resources, progress: QueueProgress
) -> StepRecord:
    started = (time.perf_counter(), time.process_time())
    step, run = planned.step, planned.run
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
