"""What changes the waiting and never the answer: device, workers, memory, progress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Progress", "Resources", "Silent", "allocate_in_memory"]


class Progress(Protocol):
    """Receives how far a piece of work has come; the command line draws a bar from it."""

    def step(self, what: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` units of ``what`` are finished."""
        ...


class Silent:
    """A :class:`Progress` that says nothing."""

    def step(self, what: str, done: int, total: int) -> None:
        """Do nothing."""


def allocate_in_memory(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make room for a big result in memory; the workflow passes one that makes a memory-mapped file instead."""
    del name
    return np.zeros(shape, dtype=dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Where and how wide a stage may work.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Where networks are trained and run, movies corrected and tomograms projected; every other stage works on the
        CPU, whatever is said here.
    workers : int
        Threads a stage may use.
    memory_gib : float
        Memory a stage should stay within, GiB; stages that cannot divide their work say so.
    allocate : callable
        ``(name, shape, dtype) -> array`` that makes room for a big result of the stage.
    """

    device: str = "cpu"
    workers: int = 1
    memory_gib: float = 4.0
    allocate: Callable[[str, tuple[int, ...], DTypeLike], NDArray[Any]] = allocate_in_memory
