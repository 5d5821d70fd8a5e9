"""The local engine: runs go side by side, each in a worker process of its own, so that one that dies harms no other."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from tomoset.errors import ParameterError, TomosetError
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import make_plan
from tomoset.workflow.processes import spare_children_from_interrupts
from tomoset.workflow.progress import Monitor
from tomoset.workflow.project_lock import project_lock
from tomoset.workflow.recipe import read_recipe_file
from tomoset.workflow.scratch import sweep_unfinished
from tomoset.workflow.worker import RunOutcome, Share, work

__all__ = ["RunOutcome", "run_project"]

# BLAS and OpenMP read these once, when NumPy is first imported in a worker.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_REFRESH_SECONDS = 0.2


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

    Raises
    ------
    ParameterError
        If there is nobody to work or no memory to work in.
    OutputError
        If another process computes in the project.
    RuntimeError
        If a run met a bug of ours; raised when the other runs have ended, with the traceback.

    Notes
    -----
    The result does not depend on the number of workers: randomness is named by its purpose, and sums have a fixed
    order.
    """
    if workers < 1 or not memory_gib > 0:
        raise ParameterError(f"expected workers ≥ 1 and memory > 0 GiB, found {workers} and {memory_gib:g}")
    layout = ProjectLayout(root)
    recipe = read_recipe_file(layout.recipe)
    chains: dict[str, list[str]] = {}
    for planned in make_plan(layout, recipe, until=until, only=only):
        if planned.state == "to do":
            chains.setdefault(planned.run, []).append(planned.step.name)
    if not chains:
        return ()
    side_by_side = min(workers, len(chains))
    share = Share(
        threads=max(1, workers // side_by_side), memory_gib=memory_gib / side_by_side, device=device, until=until
    )
    to_do = {run: tuple(steps) for run, steps in chains.items()}
    with (
        project_lock(layout),
        _swept(layout),
        _threads_per_worker(share.threads),
        monitor.watch(to_do) as queue,
    ):
        outcomes = _Crew(layout.root, share, queue, monitor).run(tuple(chains), side_by_side)
    crashes = [f"{outcome.run}:\n{outcome.crash}" for outcome in outcomes if outcome.crash]
    if crashes:
        raise RuntimeError("\n".join(crashes))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Worker:
    run: str
    process: SpawnProcess
    results: Connection


class _Crew:
    """The workers of one call, at most so many at a time."""

    def __init__(self, root: Path, share: Share, queue: Any, monitor: Monitor) -> None:
        self._root, self._share, self._queue, self._monitor = root, share, queue, monitor
        self._active: list[_Worker] = []

    def run(self, runs: tuple[str, ...], side_by_side: int) -> tuple[RunOutcome, ...]:
        """Work through the runs; whatever interrupts this ends the workers too."""
        waiting, outcomes = list(runs), dict[str, RunOutcome]()
        try:
            while waiting or self._active:
                while waiting and len(self._active) < side_by_side:
                    self._start(waiting.pop(0))
                ready = wait([worker.results for worker in self._active], timeout=_REFRESH_SECONDS)
                self._monitor.refresh()
                for worker in [worker for worker in self._active if worker.results in ready]:
                    outcomes[worker.run] = _outcome(worker)
                    self._active.remove(worker)
        finally:
            self._end()
        return tuple(outcomes[run] for run in runs)

    def _start(self, run: str) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(self._root, run, self._share, self._queue, theirs), name=f"tomoset {run}"
        )
        with spare_children_from_interrupts():
            process.start()
            self._active.append(_Worker(run, process, ours))
        theirs.close()

    def _end(self) -> None:
        """End workers at once: what they were writing has a temporary name and counts for nothing."""
        for worker in self._active:
            worker.process.kill()
        for worker in self._active:
            worker.process.join()
        self._active.clear()


def _outcome(worker: _Worker) -> RunOutcome:
    """What a worker sent; when it died without a word, how it died."""
    try:
        outcome: RunOutcome = worker.results.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
    else:
        worker.process.join()
        return outcome
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    error = TomosetError(
        f"{worker.run}: expected its worker process to finish, found it ended from outside ({how}; often memory ran "
        "out); run again with fewer --workers; finished steps are kept"
    )
    return RunOutcome(run=worker.run, error=error)


@contextmanager
def _swept(layout: ProjectLayout) -> Iterator[None]:
    """Remove what earlier runs that were killed, and then this one, left half-written."""
    sweep_unfinished(layout)
    try:
        yield
    finally:
        sweep_unfinished(layout)


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
