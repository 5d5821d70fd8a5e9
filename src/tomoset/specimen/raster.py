"""Regions as voxels, without asking for every voxel."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["region_layers"]

POINTS_AT_ONCE = 1_000_000
FEW_VOXELS, MANY_VOXELS = 2_000_000, 1_000_000_000

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def region_layers(
    contains: Callable[[Floats], Bools],
    first_angstrom_xyz: Floats,
    voxel_angstrom: float,
    shape_zyx: tuple[int, int, int],
) -> Iterator[tuple[int, Bools]]:
    """Which voxel centres of a grid lie in a region, some layers at a time.

    Parameters
    ----------
    contains : callable
        The region: points (n, 3), xyz, Å -> (n,).
    first_angstrom_xyz : (3,) array
        Centre of voxel (0, 0, 0).
    voxel_angstrom : float
    shape_zyx : (3,) tuple of int
        Of the grid.

    Yields
    ------
    z, mask_zyx : int, (layers, ny, nx) array of bool
        First layer, and the layers from there.

    Notes
    -----
    In a large grid the region is first asked at every fourth voxel (every eighth from 10⁹ voxels on), and at each
    voxel only in those cells of this lattice whose corners differ: a surface runs there. Parts of a region, or gaps
    in it, that are thinner than a step (4 voxels) can be missed; a layer that is thicker never is.
    """
    voxels = int(np.prod([float(n) for n in shape_zyx]))
    if voxels == 0:
        return
    grid = _Grid(contains, np.asarray(first_angstrom_xyz, dtype=np.float64), voxel_angstrom, shape_zyx)
    if voxels <= FEW_VOXELS:
        yield from grid.all_asked()
    else:
        yield from grid.refined(4 if voxels <= MANY_VOXELS else 8)


class _Grid:
    """A region and the grid that it is sampled on."""

    def __init__(
        self, contains: Callable[[Floats], Bools], first_xyz: Floats, voxel: float, shape_zyx: tuple[int, int, int]
    ) -> None:
        self._contains = contains
        self._first_xyz = first_xyz
        self._voxel = voxel
        self._shape = shape_zyx

    def _ask(self, z: NDArray[np.intp], y: NDArray[np.intp], x: NDArray[np.intp]) -> Bools:
        """Ask at voxel indices, which broadcast."""
        index = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
        points = index.reshape(-1, 3) * self._voxel + self._first_xyz
        return np.asarray(self._contains(points), dtype=np.bool_).reshape(index.shape[:-1])

    def all_asked(self) -> Iterator[tuple[int, Bools]]:
        """Ask at every voxel."""
        nz, ny, nx = self._shape
        y, x = np.arange(ny)[:, None], np.arange(nx)[None, :]
        for z in range(nz):
            yield z, self._ask(np.array(z), y, x)[None]

    def refined(self, step: int) -> Iterator[tuple[int, Bools]]:
        """Ask at a coarse lattice, and at every voxel of the cells whose corners differ."""
        nz, ny, nx = self._shape
        cells_z, cells_y, cells_x = (-(-n // step) for n in self._shape)
        y, x = np.arange(cells_y + 1)[:, None] * step, np.arange(cells_x + 1)[None, :] * step
        below = self._ask(np.array(0), y, x)
        for cell in range(cells_z):
            above = self._ask(np.array((cell + 1) * step), y, x)
            everywhere, anywhere = _corners(below & above, np.logical_and), _corners(below | above, np.logical_or)
            below = above
            layer = np.repeat(np.repeat(everywhere, step, axis=0), step, axis=1)[None].repeat(step, axis=0)
            self._refine(layer, cell, step, np.argwhere(anywhere & ~everywhere))
            yield cell * step, layer[: nz - cell * step, :ny, :nx]

    def _refine(self, layer_zyx: Bools, cell_z: int, step: int, unsure_yx: NDArray[np.intp]) -> None:
        _, ny, nx = layer_zyx.shape
        by_cell = layer_zyx.reshape(step, ny // step, step, nx // step, step)
        inner = np.arange(step)
        at_once = max(1, POINTS_AT_ONCE // step**3)
        for start in range(0, len(unsure_yx), at_once):
            j, i = unsure_yx[start : start + at_once].T
            z = cell_z * step + inner[None, :, None, None]
            y = j[:, None, None, None] * step + inner[None, None, :, None]
            x = i[:, None, None, None] * step + inner[None, None, None, :]
            by_cell[:, j, :, i, :] = self._ask(z, y, x)


def _corners(lattice_yx: Bools, combine: np.ufunc) -> Bools:
    """Combine the four corners of each cell."""
    along_x = combine(lattice_yx[:, :-1], lattice_yx[:, 1:])
    return np.asarray(combine(along_x[:-1], along_x[1:]), dtype=np.bool_)
