"""A volume in tiles with overlap, so that what is computed for one fits in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tile", "TilePlan", "cut_tile", "plan_tiles"]

_MOST_SPLITS = 12
_FFT_BYTES_PER_VOXEL = 24  # two transforms and their volumes at a time


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: results are wanted in ``core``, from ``first`` on; ``start`` is the first voxel that is read."""

    first_zyx: tuple[int, int, int]
    core_zyx: tuple[int, int, int]
    start_zyx: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How a volume is divided.

    Parameters
    ----------
    shape_zyx : tuple of int
        The volume's.
    core_zyx : tuple of int
        Largest core; the last ones along an axis are smaller.
    padded_zyx : tuple of int
        What is read for each tile: the volume repeats beyond its ends, as in a Fourier transform.
    margin_zyx : tuple of int
        Voxels read before a core; 0 along an axis that is not divided.
    """

    shape_zyx: tuple[int, int, int]
    core_zyx: tuple[int, int, int]
    padded_zyx: tuple[int, int, int]
    margin_zyx: tuple[int, int, int]

    def tiles(self) -> Iterator[Tile]:
        """All tiles in a fixed order."""
        starts = [range(0, length, core) for length, core in zip(self.shape_zyx, self.core_zyx, strict=True)]
        for first in product(*starts):
            core = [min(c, n - f) for c, n, f in zip(self.core_zyx, self.shape_zyx, first, strict=True)]
            start = [f - m for f, m in zip(first, self.margin_zyx, strict=True)]
            yield Tile(
                (first[0], first[1], first[2]), (core[0], core[1], core[2]), (start[0], start[1], start[2])
            )  # fmt: skip


def plan_tiles(
    shape_zyx: tuple[int, int, int], margin_zyx: tuple[int, int, int], bytes_per_voxel: int, most_bytes: int
) -> TilePlan:
    """Divide a volume so that little is computed twice.

    Parameters
    ----------
    shape_zyx : tuple of int
    margin_zyx : tuple of int
        Voxels around a core that its results depend on.
    bytes_per_voxel : int
        Memory that a core voxel takes.
    most_bytes : int
        Memory that a tile may take; where not even the smallest tile fits, that one is chosen.

    Returns
    -------
    TilePlan
        The plan that transforms the fewest voxels in all.
    """
    options = [_splits(length, margin) for length, margin in zip(shape_zyx, margin_zyx, strict=True)]
    best: tuple[tuple[int, int, int], TilePlan] | None = None
    for axes in product(*options):
        core = (axes[0][0], axes[1][0], axes[2][0])
        padded = (axes[0][1], axes[1][1], axes[2][1])
        room = int(np.prod(core)) * bytes_per_voxel + int(np.prod(padded)) * _FFT_BYTES_PER_VOXEL
        count = int(np.prod([-(-n // c) for n, c in zip(shape_zyx, core, strict=True)]))
        over = max(0, room - most_bytes)
        rank = (over, count * int(np.prod(padded)), -padded[2])  # long rows are quick to work on
        if best is None or rank < best[0]:
            before = [m if c < n else 0 for c, n, m in zip(core, shape_zyx, margin_zyx, strict=True)]
            best = (rank, TilePlan(shape_zyx, core, padded, (before[0], before[1], before[2])))
    if best is None:
        raise RuntimeError("a volume can always be taken whole")
    return best[1]


def _splits(length: int, margin: int) -> list[tuple[int, int]]:
    """Cores along an axis and what is read for them: the whole axis, which repeats by itself, or parts of it."""
    from scipy import fft

    found = [(length, length)]
    for parts in range(2, _MOST_SPLITS + 1):
        core = -(-length // parts)
        padded = fft.next_fast_len(core + 2 * margin, real=True)
        if core >= max(1, margin // 2) and padded < length:
            found.append((core, padded))
    return found


def cut_tile(volume_zyx: NDArray[np.float32], plan: TilePlan, tile: Tile) -> NDArray[np.float32]:
    """What a tile reads of a volume that repeats."""
    part = volume_zyx
    for axis, (start, length) in enumerate(zip(tile.start_zyx, plan.padded_zyx, strict=True)):
        if length != plan.shape_zyx[axis]:
            part = np.take(part, np.arange(start, start + length), axis=axis, mode="wrap")
    return np.ascontiguousarray(part)
