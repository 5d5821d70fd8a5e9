"""Room for big results under way: memory-mapped files in the project, removed when the step ends."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tomoset.errors import OutputError
from tomoset.model.resources import allocate_in_memory

__all__ = ["scratch_allocator"]

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
