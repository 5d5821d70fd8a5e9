"""Big arrays that are read by region: stages see these, never paths."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArraySource", "InMemory", "Region"]

Region = tuple[slice | int, ...]


@runtime_checkable
class ArraySource(Protocol):
    """An array that may be larger than memory: shape, dtype and a read by region.

    Implementations: :class:`InMemory` here; files in :mod:`tomoset.formats`; simulated movies, which are computed
    when they are read, in :mod:`tomoset.microscope`.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        ...

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region (basic indexing, trailing axes whole); ``()`` reads everything."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """An :class:`ArraySource` over an array (or a memory map) that is already there."""

    array: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.array.dtype

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region; a view where NumPy gives one."""
        return np.asarray(self.array[region])
