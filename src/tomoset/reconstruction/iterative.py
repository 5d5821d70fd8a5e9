"""A tilt series to a volume by iterations, as many y blocks at a time as memory holds."""

import math

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.model import ArraySource, Progress, Resources, TiltSeries
from tomoset.reconstruction.aligned_rows import phases, rows_of
from tomoset.reconstruction.back_projection import blocks_of, zero_rows
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.plan import Plan
from tomoset.reconstruction.sirt import BLOCKS_A_JOB, Iterations, iterate_blocks, subsets_of
from tomoset.reconstruction.torch_projection import iterate_blocks_on
from tomoset.reconstruction.views import ViewFilters, seen_samples

__all__ = ["check_iterable", "iterated_volume"]

# Of the memory: half for the volume's pages and the transforms, half for the views and the blocks in work.
_SHARE = 0.5


def check_iterable(run: str, plan: Plan) -> None:
    """Refuse views whose beams leave their slice.

    Raises
    ------
    GeometryError
        If a view is tilted about x as well: its slices are not independent.
    """
    if not plan.is_single_axis:
        largest = np.abs(np.asarray(plan.geometry.x_tilt_deg, dtype=np.float64)).max()
        raise GeometryError(
            f"{run}: iterations expect views tilted about y alone, found tilts about x of up to {largest:g}°; "
            "use reconstruction.method wbp, or level the geometry"
        )


def iterated_volume(
    name: str,
    source: ArraySource,
    series: TiltSeries,
    plan: Plan,
    *,
    filters: ViewFilters,
    params: ReconstructionParams,
    resources: Resources,
    progress: Progress,
) -> NDArray[np.float32]:
    """Iterate one set of images; magnification and bending enter where the views are made, as with back-projection."""
    volume = resources.allocate(name, plan.grid.shape_zyx, np.float32)
    tilt = plan.geometry.y_tilt_deg
    iterations = Iterations(
        frame=plan.rows,
        y_tilt_deg=tilt,
        subsets=subsets_of(tilt, params.subset_tilts if params.method == "sart" else None),
        number=params.iterations,
        relaxation=params.relaxation,
    )
    n_blocks = blocks_of(plan.rows.n_v)
    at_once, a_job = _blocks_in_memory(plan, n_blocks, resources)
    firsts = range(0, n_blocks, at_once)
    steps = phases(progress, f"reconstruct {name.removesuffix('_zyx')}", 2 * len(firsts))
    for first in firsts:
        n = min(at_once, n_blocks - first)
        (rows,) = rows_of(source, series, [plan], filters, first, n, resources.workers, next(steps))
        seen, y_first = _seen_rows(plan, first, n), first * rows.shape[-1]
        if resources.device == "cpu":
            iterate_blocks(
                rows,
                seen,
                iterations,
                volume,
                y_first=y_first,
                blocks_a_job=a_job,
                workers=resources.workers,
                report=next(steps),
            )
        else:
            iterate_blocks_on(
                resources.device,
                rows,
                seen,
                iterations,
                volume,
                y_first=y_first,
                memory_gib=resources.memory_gib,
                report=next(steps),
            )
    return volume


def _seen_rows(plan: Plan, first_block: int, n_blocks: int) -> NDArray[np.float32]:
    """1 where an image shows the sample of an aligned row, in the kernels' order."""
    seen = zero_rows(n_blocks, plan.used.size, plan.rows.n_u)
    width = seen.shape[-1]
    for index in range(plan.used.size):
        of_view = seen_samples(plan, index)
        for block in range(n_blocks):
            part = of_view[:, (first_block + block) * width :][:, :width]
            seen[block, index, :, : part.shape[1]] = part
    return seen


def _blocks_in_memory(plan: Plan, n_blocks: int, resources: Resources) -> tuple[int, int]:
    """Blocks whose views are made together, and how many of them one thread iterates at a time."""
    from tomoset.reconstruction import _kernels

    a_row = _kernels.ROWS_Y * 4
    # The views, where they were seen, and in a job their projections.
    views = plan.used.size * plan.rows.n_u * a_row
    voxels = plan.grid.shape_zyx[0] * plan.grid.shape_zyx[2] * a_row
    tables = 16 * plan.used.size * plan.grid.shape_zyx[0] * plan.grid.shape_zyx[2]
    free = _SHARE * resources.memory_gib * 2**30 - tables
    workers = min(resources.workers, n_blocks)
    a_job = min(BLOCKS_A_JOB, math.ceil(n_blocks / workers))
    while a_job > 1 and workers * a_job * (3 * views + voxels) > free:
        a_job -= 1
    at_once = int((free - workers * a_job * (views + voxels)) / (2 * views))
    return min(n_blocks, max(a_job, at_once)), a_job
