"""Processes that live and die as they should: spared by Ctrl-C, never outliving the process that started them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait

__all__ = ["end_with_parent", "spare_children_from_interrupts"]


def end_with_parent() -> None:
    """End this process when its parent has died: nobody may go on writing into a project that a new run works in."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def spare_children_from_interrupts() -> Iterator[None]:
    """Start processes in this block: they inherit that SIGINT is blocked.

    Ctrl-C reaches every process of a terminal. The main process alone decides what to do about it; workers that were
    interrupted, too, would only print tracebacks. An interrupt that comes meanwhile reaches this process afterwards.
    """
    resource_tracker.ensure_running()  # would unblock the signal when it is started inside the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
