"""Volumes whose projections agree with the views: SIRT, and with some views at a time SART.

A beam tilted about y alone stays in one slice y, so that blocks of slices are independent: each is iterated to its end
before the next begins, and memory holds few of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.reconstruction.back_projection import (
    frame_around,
    pack_views,
    row_steps,
    run_jobs,
    say_nothing,
    zero_rows,
)
from tomoset.reconstruction.plan import RowFrame

__all__ = [
    "BLOCKS_A_JOB",
    "Iterations",
    "iterate_blocks",
    "iterate_views",
    "longest_paths",
    "subsets_of",
    "tile_tables",
]

Floats = NDArray[np.float32]

# Blocks of one job: a table of rows and weights serves them all, and each takes a slab of the volume.
BLOCKS_A_JOB = 4

# For each tile: where it begins in a block, and which of its voxels the rows of the views read.
Tables = list[tuple[int, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32], Floats]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Iterations:
    """What is done to every block.

    Parameters
    ----------
    frame : RowFrame
    y_tilt_deg : (n,) array of float64
    subsets : tuple of arrays of int
        Views that are taken together, in this order.
    number : int
        Passes over all views.
    relaxation : float
    """

    frame: RowFrame
    y_tilt_deg: NDArray[np.float64]
    subsets: tuple[NDArray[np.intp], ...]
    number: int
    relaxation: float


def iterate_views(
    views_nuv: Floats,
    y_tilt_deg: NDArray[np.float64],
    shape_zyx: tuple[int, int, int],
    *,
    iterations: int,
    relaxation: float = 1.0,
    subset_tilts: int | None = None,
    workers: int = 1,
) -> tuple[Floats, NDArray[np.float64]]:
    """Reconstruct from unfiltered views whose tilt axis is their second axis.

    Parameters
    ----------
    views_nuv : (n, u, v) array of float32
        Line integrals in units of a voxel's edge; sample u // 2 lies on the tilt axis, v has one sample a voxel.
    y_tilt_deg : (n,) array of float64
        Tilts, degrees.
    shape_zyx : tuple of int
        Shape of the volume; its y must be the number of v samples. Voxel N // 2 is on the axis.
    iterations : int
        Passes over all views.
    relaxation : float
        Above 0 and below 2.
    subset_tilts : int or None
        Views at a time (SART); None takes all (SIRT).
    workers : int
        Threads; the result does not depend on it.

    Returns
    -------
    volume_zyx : (z, y, x) array of float32
    residual_rms : (iterations,) array of float64
        Root mean square difference between the views and the volume's projections, before each pass; with SART each
        view is compared when its turn comes.

    Raises
    ------
    GeometryError
        If the shapes do not match.

    Notes
    -----
    With A the projection of :func:`project_volume`, ``v ← v + relaxation · C Aᵀ R (p − A v)`` from v = 0 (Gilbert 1972;
    Andersen & Kak 1984). C is one over the number of views, which is what every voxel gives to all of them. R is one
    over the longest path of a view's beams through the volume: a beam that leaves through a side, where the specimen
    goes on, is not made to put all that it saw into what is left of its path.
    """
    tilt = np.asarray(y_tilt_deg, dtype=np.float64)
    if views_nuv.ndim != 3 or views_nuv.shape[0] != tilt.size or views_nuv.shape[2] != shape_zyx[1]:
        raise GeometryError(
            f"expected views of shape ({tilt.size}, u, {shape_zyx[1]}) for a volume of {shape_zyx}, "
            f"found {views_nuv.shape}"
        )
    frame = frame_around(shape_zyx, tilt, views_nuv.shape[1], 1)
    seen = pack_views(np.ones(views_nuv.shape, np.float32), frame)
    volume = np.empty(shape_zyx, np.float32)
    squares = iterate_blocks(
        pack_views(views_nuv, frame),
        seen,
        Iterations(
            frame=frame,
            y_tilt_deg=tilt,
            subsets=subsets_of(tilt, subset_tilts),
            number=iterations,
            relaxation=relaxation,
        ),
        volume,
        y_first=0,
        blocks_a_job=BLOCKS_A_JOB,
        workers=workers,
        report=say_nothing,
    )
    return volume, np.sqrt(squares / views_nuv.size)


def subsets_of(y_tilt_deg: NDArray[np.float64], size: int | None) -> tuple[NDArray[np.intp], ...]:
    """Views that are taken together, each set spread over the tilt range, sets in an order that jumps between them."""
    order = np.argsort(y_tilt_deg, kind="stable")
    if size is None or size >= order.size:
        return (order,)
    number = -(-order.size // size)
    # Multiples of the golden ratio: neighbours in time are never neighbours in angle.
    golden = 0.5 * (5**0.5 - 1)
    return tuple(order[first::number] for first in sorted(range(number), key=lambda i: (i * golden) % 1))


def longest_paths(frame: RowFrame, y_tilt_deg: NDArray[np.float64], shape_zx: tuple[int, int]) -> NDArray[np.float64]:
    """Largest sum of weights that a sample of each view gathers from a volume of ones."""
    cos_rows, sin_rows = row_steps(frame, y_tilt_deg)
    nz, nx = shape_zx
    z, x = np.arange(nz)[:, None] - nz // 2, np.arange(nx)[None, :] - nx // 2
    longest = np.empty(cos_rows.size)
    for t, (cos, sin) in enumerate(zip(cos_rows, sin_rows, strict=True)):
        row = (x * cos + z * sin + frame.centre_u).ravel()
        below = row.astype(np.intp)
        upper = np.bincount(below, row - below, frame.n_u)
        lower = np.bincount(below, minlength=frame.n_u) - upper
        longest[t] = (lower[1:] + upper[:-1]).max()
    return longest


def tile_tables(frame: RowFrame, y_tilt_deg: NDArray[np.float64], shape_zx: tuple[int, int]) -> Tables:
    """What every projection of blocks (z × x × 64) needs: 16 bytes a view and voxel (z, x)."""
    from tomoset.reconstruction import _kernels

    (nz, nx), tile = shape_zx, _kernels.TILE
    cos_rows, sin_rows = row_steps(frame, y_tilt_deg)
    tables: Tables = []
    for z in range(0, nz, tile):
        for x in range(0, nx, tile):
            shape, corner = (min(tile, nz - z), min(tile, nx - x)), (float(z - nz // 2), float(x - nx // 2))
            of_tile = _kernels.entry_tables(
                cos_rows, sin_rows, float(frame.centre_u), corner, shape, nx * _kernels.ROWS_Y
            )
            tables.append(((z * nx + x) * _kernels.ROWS_Y, of_tile))
    return tables


def iterate_blocks(
    rows: Floats,
    seen: Floats,
    iterations: Iterations,
    volume_zyx: Floats,
    *,
    y_first: int,
    blocks_a_job: int,
    workers: int,
    report: Callable[[int, int], None],
) -> NDArray[np.float64]:
    """Fill ``volume_zyx[:, y_first:]`` as far as the blocks reach.

    Parameters
    ----------
    rows : (blocks, tilts, u, 64) array of float32
        Unfiltered views, one sample a voxel.
    seen : array of float32
        Of the same shape: 1 where a view was measured, 0 where it says nothing.
    iterations : Iterations
    volume_zyx : (z, y, x) array of float32
    y_first : int
        Where the first block lies, a multiple of 64.
    blocks_a_job : int
        Blocks that are iterated together in one thread.
    workers : int
    report : callable
        Called with (jobs done, jobs) after each.

    Returns
    -------
    (iterations,) array of float64
        Sum of squares of the differences in all samples that were measured, before each pass.
    """
    from tomoset.reconstruction import _kernels

    shape_zx = (volume_zyx.shape[0], volume_zyx.shape[2])
    weight = (1 / longest_paths(iterations.frame, iterations.y_tilt_deg, shape_zx)).astype(np.float32)
    tables = [tile_tables(iterations.frame, iterations.y_tilt_deg[subset], shape_zx) for subset in iterations.subsets]
    firsts = range(0, rows.shape[0], blocks_a_job)
    squares = np.zeros((len(firsts), iterations.number))

    def job(number: int, first: int) -> Callable[[], None]:
        def work() -> None:
            some = slice(first, first + blocks_a_job)
            blocks = _solved(rows[some], seen[some], weight, iterations, tables, shape_zx, squares[number])
            _kernels.unpack_blocks(blocks, volume_zyx, y_first + first * _kernels.ROWS_Y)

        return work

    run_jobs([job(number, first) for number, first in enumerate(firsts)], workers, report)
    return np.asarray(squares.sum(axis=0))


def _solved(
    rows: Floats,
    seen: Floats,
    weight: Floats,
    iterations: Iterations,
    tables: list[Tables],
    shape_zx: tuple[int, int],
    squares: NDArray[np.float64],
) -> Floats:
    """Iterate some blocks; return them as (blocks, z × x × 64) and note the sums of squares before each pass."""
    from tomoset.reconstruction import _kernels

    n_blocks, frame = rows.shape[0], iterations.frame
    blocks = zero_rows(n_blocks, shape_zx[0], shape_zx[1]).reshape(n_blocks, -1)
    cos_rows, sin_rows = row_steps(frame, iterations.y_tilt_deg)
    rooms = [zero_rows(n_blocks, subset.size, frame.n_u) for subset in iterations.subsets]
    for iteration in range(iterations.number):
        for subset, of_subset, projected in zip(iterations.subsets, tables, rooms, strict=True):
            angles = (cos_rows[subset], sin_rows[subset], float(frame.centre_u))
            projected[:] = 0
            flat = projected.reshape(n_blocks, -1)
            for start, table in of_subset:
                _kernels.project_tile(blocks, flat, frame.n_u, *table, start)
            squares[iteration] += _kernels.weigh_residual(rows, projected, seen, weight, subset)
            factor = np.float32(iterations.relaxation / subset.size)
            _kernels.add_back_projected(flat, frame.n_u, *angles, blocks, shape_zx, factor)
    return blocks
