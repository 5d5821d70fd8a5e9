"""Masks read slab by slab, so that a score of a large volume needs the memory of a few slabs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.model import ArraySource, InMemory

__all__ = ["Slab", "as_mask_source", "check_same_shape", "slabs"]

Mask = ArraySource | NDArray[Any]

_VOXELS = 2**24
"""Voxels of a slab without its halo: 16 MiB of uint8."""


@dataclass(frozen=True, slots=True)
class Slab:
    """Planes ``[start, stop)`` of a volume, read with ``halo`` more planes on both sides where there are any.

    Parameters
    ----------
    start, stop : int
        Planes that belong to this slab alone.
    low, high : int
        Planes that are read.
    """

    start: int
    stop: int
    low: int
    high: int

    def read(self, source: ArraySource) -> NDArray[Any]:
        """Planes of the slab and its halo."""
        return source.read((slice(self.low, self.high),))

    @property
    def inner(self) -> slice:
        """Where the slab's own planes lie among those that were read."""
        return slice(self.start - self.low, self.stop - self.low)


def as_mask_source(mask_zyx: Mask) -> ArraySource:
    """An array or a source as a source."""
    return InMemory(mask_zyx) if isinstance(mask_zyx, np.ndarray) else mask_zyx


def check_same_shape(predicted: ArraySource, true: ArraySource) -> tuple[int, int, int]:
    """Return the common shape of two volumes.

    Raises
    ------
    GeometryError
        If they differ, or are no volumes.
    """
    if tuple(predicted.shape) != tuple(true.shape) or len(true.shape) != 3:
        raise GeometryError(
            f"masks: expected a prediction on the grid of the truth {tuple(true.shape)} (z, y, x), found "
            f"{tuple(predicted.shape)}; resample it to the tomogram it was made for"
        )
    z, y, x = (int(n) for n in true.shape)
    return z, y, x


def slabs(shape_zyx: tuple[int, int, int], *, halo: int = 0, voxels: int = _VOXELS) -> Iterator[Slab]:
    """Cut a volume into slabs of about ``voxels`` voxels, each with ``halo`` planes around it."""
    planes = max(1, voxels // max(1, shape_zyx[1] * shape_zyx[2]))
    for start in range(0, shape_zyx[0], planes):
        stop = min(start + planes, shape_zyx[0])
        yield Slab(start, stop, max(0, start - halo), min(shape_zyx[0], stop + halo))
