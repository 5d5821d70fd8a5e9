"""Stripes of a volume for two networks, so that no voxel is answered by a network that was trained on it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.model import ArraySource, Region

__all__ = ["Part", "Stripe", "cut_stripes"]

_MOST_STRIPES = 4
_MARGIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """A range of one lateral axis whose voxels belong to one of two sets in turn.

    Parameters
    ----------
    axis : int
        1 (y) or 2 (x).
    fold : int
        0 or 1: the set, and the network that answers for it, which was trained on the other.
    first, end : int
        Where it begins and ends.
    margin : int
        Voxels on either side of a border in which the two networks' answers fade into each other and neither trains.
    length : int
        Of the axis.
    """

    axis: int
    fold: int
    first: int
    end: int
    margin: int
    length: int

    @property
    def trained(self) -> tuple[int, int]:
        """Range in which patches may lie."""
        first = self.first + (self.margin if self.first > 0 else 0)
        return first, self.end - (self.margin if self.end < self.length else 0)

    @property
    def answered(self) -> tuple[int, int]:
        """Range in which the answer counts, fading included."""
        return max(0, self.first - self.margin), min(self.length, self.end + self.margin)

    def weights(self) -> NDArray[np.float32]:
        """Share of this stripe's answer over ``answered``; the shares of neighbours add up to one."""
        at = np.arange(*self.answered) + 0.5
        share = np.ones(at.size)
        if self.margin and self.first > 0:
            share = np.minimum(share, (at - (self.first - self.margin)) / (2 * self.margin))
        if self.margin and self.end < self.length:
            share = np.minimum(share, (self.end + self.margin - at) / (2 * self.margin))
        return share.astype(np.float32)

    def region(self, bounds: tuple[int, int]) -> Region:
        """A range of the axis as a region of the volume."""
        return (slice(None),) * self.axis + (slice(*bounds),)


def cut_stripes(shape_zyx: tuple[int, int, int], patch: int) -> list[Stripe]:
    """Cut the longer lateral axis into an even number of stripes that hold patches.

    Raises
    ------
    GeometryError
        If two patches do not fit beside each other.
    """
    axis = 1 if shape_zyx[1] >= shape_zyx[2] else 2
    length = shape_zyx[axis]
    number = min(_MOST_STRIPES, 2 * (length // (2 * (patch + 2 * _MARGIN))))
    number = max(number, 2)
    edges = np.rint(np.linspace(0, length, number + 1)).astype(int)
    shortest = int(np.diff(edges).min())
    if shortest < patch:
        raise GeometryError(
            f"expected room for two patches of {patch} voxels beside each other, found {length} voxels; "
            "choose a smaller patch"
        )
    margin = min(_MARGIN, (shortest - patch) // 2)
    return [
        Stripe(axis=axis, fold=i % 2, first=int(edges[i]), end=int(edges[i + 1]), margin=margin, length=length)
        for i in range(number)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A range of one axis of a volume, as a volume of its own."""

    source: ArraySource
    axis: int
    first: int
    end: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        whole = tuple(self.source.shape)
        return (*whole[: self.axis], self.end - self.first, *whole[self.axis + 1 :])

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the elements."""
        return self.source.dtype

    def read(self, region: Region = ()) -> NDArray[np.generic]:
        """Elements of a region of slices, which lie within the part."""
        full = [*region, *[slice(None)] * (3 - len(region))]
        wanted = full[self.axis]
        if not isinstance(wanted, slice):
            raise GeometryError(f"expected a slice along axis {self.axis}, found {wanted}")
        first, end, _ = wanted.indices(self.end - self.first)
        full[self.axis] = slice(self.first + first, self.first + end)
        return self.source.read(tuple(full))
