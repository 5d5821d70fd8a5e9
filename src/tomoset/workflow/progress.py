"""How far each run has come: workers tell, the terminal shows."""

import multiprocessing
import queue as queues
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.managers import SyncManager
from typing import Any, Protocol

from tomoset.model import Progress
from tomoset.workflow.processes import end_with_parent, spare_children_from_interrupts

__all__ = ["Monitor", "QueueProgress", "QuietMonitor", "TerminalMonitor", "terminal_progress"]


@dataclass(frozen=True, slots=True)
class _Message:
    run: str
    stage: str
    kind: str  # start, step, finish
    what: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0


class QueueProgress:
    """A :class:`tomoset.model.Progress` in a worker that sends what it hears to the main process."""

    def __init__(self, queue: Any, run: str, stage: str) -> None:
        self._queue, self._run, self._stage = queue, run, stage

    def start(self) -> None:
        """Say that the stage begins."""
        self._queue.put(_Message(self._run, self._stage, "start"))

    def step(self, what: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` units of ``what`` are finished."""
        self._queue.put(_Message(self._run, self._stage, "step", what, done, total))

    def finish(self, seconds: float) -> None:
        """Say that the stage is done."""
        self._queue.put(_Message(self._run, self._stage, "finish", seconds=seconds))


class Monitor(Protocol):
    """Shows a project's work while it runs."""

    def watch(self, chains: dict[str, tuple[str, ...]]) -> Any:
        """Context that yields the queue workers write to."""
        ...

    def refresh(self) -> None:
        """Show what has arrived since the last call."""
        ...


class QuietMonitor:
    """A :class:`Monitor` that keeps still (``--json``, tests)."""

    @contextmanager
    def watch(self, chains: dict[str, tuple[str, ...]]) -> Iterator[Any]:
        """Yield a queue that somebody empties."""
        del chains
        with _manager() as manager:
            self._queue = manager.Queue()
            yield self._queue

    def refresh(self) -> None:
        """Empty the queue."""
        _drain(self._queue)


class TerminalMonitor:
    """Bars with rate and time left on a terminal; one line per finished step elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    @contextmanager
    def watch(self, chains: dict[str, tuple[str, ...]]) -> Iterator[Any]:
        """Draw one bar a run."""
        bars = _bars(self._console)
        self._chains = chains
        self._bars = bars
        self._tasks = {run: bars.add_task(f"{run}  waiting", total=float(len(steps))) for run, steps in chains.items()}
        self._finished = dict.fromkeys(chains, 0)
        with _manager() as manager, bars:
            self._queue = manager.Queue()
            yield self._queue
            self.refresh()

    def refresh(self) -> None:
        """Move the bars."""
        for message in _drain(self._queue):
            self._show(message)

    def _show(self, message: _Message) -> None:
        run, n_steps = message.run, len(self._chains[message.run])
        fraction = min(message.done / message.total, 1.0) if message.kind == "step" and message.total else 0.0
        if message.kind == "finish":
            self._finished[run] += 1
            self._console.print(
                f"{run}  {message.stage:<12} done in {message.seconds:6.1f} s  ({self._finished[run]}/{n_steps})"
            )
        detail = f" · {message.what}" if message.what else ""
        self._bars.update(
            self._tasks[run],
            completed=self._finished[run] + fraction,
            description=f"{run}  {message.stage}{detail}",
        )


@contextmanager
def terminal_progress(title: str) -> Iterator[Progress]:
    """Yield a :class:`tomoset.model.Progress` that draws one bar with the time left, for work in this process."""
    from rich.console import Console

    with _bars(Console(stderr=True, highlight=False)) as bars:
        yield _OneBar(bars, title)


class _OneBar:
    """One bar; a new word for the work starts it again."""

    def __init__(self, bars: Any, title: str) -> None:
        self._bars, self._title = bars, title
        self._task = bars.add_task(title, total=None)

    def step(self, what: str, done: int, total: int) -> None:
        self._bars.update(self._task, description=f"{self._title} · {what}", completed=done, total=total)


def _bars(console: Any) -> Any:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
        speed_estimate_period=120,
    )


@contextmanager
def _manager() -> Iterator[SyncManager]:
    """Process that holds the queue: a worker that is killed in the middle of a message cannot block the others."""
    manager = SyncManager(ctx=multiprocessing.get_context("spawn"))
    with spare_children_from_interrupts():
        manager.start(end_with_parent)
    try:
        yield manager
    finally:
        manager.shutdown()


def _drain(queue: Any) -> Iterator[_Message]:
    messages = []
    while True:
        try:
            messages.append(queue.get_nowait())
        except queues.Empty:
            return iter(messages)
