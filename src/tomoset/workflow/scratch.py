"""Room for big results under way: memory-mapped files in the project, removed when the step ends."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomoset.errors import OutputError
from tomoset.formats.atomic import is_unfinished
from tomoset.model.resources import allocate_in_memory
from tomoset.workflow.layout import ProjectLayout

__all__ = ["scratch_allocator", "sweep_unfinished"]

# Below this a result stays in memory: mapping small files only costs time.
_MAP_ABOVE_BYTES = 256 << 20


@contextmanager
def scratch_allocator(folder: Path) -> Iterator[Callable[[str, tuple[int, ...], DTypeLike], NDArray[Any]]]:
    """Yield an ``allocate`` for :class:`tomoset.model.Resources`; its files vanish with the block.

    Results beyond 256 MiB are memory-mapped files in ``folder``, so that a paper-sized series needs no more memory
    than a small one.
    """
    place = folder / uuid.uuid4().hex

    def allocate(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        if np.dtype(dtype).itemsize * int(np.prod(shape)) <= _MAP_ABOVE_BYTES:
            return allocate_in_memory(name, shape, dtype)
        try:
            place.mkdir(parents=True, exist_ok=True)
            return np.memmap(place / f"{name}-{uuid.uuid4().hex}", dtype=dtype, mode="w+", shape=shape)
        except OSError as error:
            raise OutputError(f"no room for {name} {shape} in {folder}: {error.strerror}; free some space") from error

    try:
        yield allocate
    finally:
        shutil.rmtree(place, ignore_errors=True)


def sweep_unfinished(layout: ProjectLayout) -> None:
    """Remove scratch files and half-written results that killed processes left behind.

    Only for who holds the project's lock. People's edits (picks, verdicts) are not touched: a page may be saving one.
    """
    shutil.rmtree(layout.scratch, ignore_errors=True)
    for top in layout.computed:
        for folder, folders, files in os.walk(top):
            for name in filter(is_unfinished, folders):
                shutil.rmtree(Path(folder) / name, ignore_errors=True)
            for name in filter(is_unfinished, files):
                with suppress(OSError):  # it only takes room; the run must not fail for it
                    (Path(folder) / name).unlink(missing_ok=True)
            # The chunks of a volume are written while its folder still has a temporary name.
            folders[:] = [n for n in folders if n != "Picks" and not n.endswith(".zarr") and not is_unfinished(n)]
