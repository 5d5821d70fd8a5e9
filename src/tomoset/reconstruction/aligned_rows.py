"""Tilt images to aligned rows in the kernels' order, view by view in threads."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tomoset.model import ArraySource, Progress, TiltSeries
from tomoset.reconstruction.back_projection import run_jobs, zero_rows
from tomoset.reconstruction.plan import Plan
from tomoset.reconstruction.views import ViewFilters, contrast_of_counts, filtered_views

__all__ = ["phases", "rows_of"]


def rows_of(
    source: ArraySource,
    series: TiltSeries,
    plans: Sequence[Plan],
    filters: ViewFilters,
    first_block: int,
    n_blocks: int,
    workers: int,
    report: Callable[[int, int], None],
) -> list[NDArray[np.float32]]:
    """Filtered views of some y blocks in the kernel's order, for each plan."""
    from tomoset.reconstruction import _kernels

    used = plans[0].used
    rows = [zero_rows(n_blocks, used.size, plan.rows.n_u) for plan in plans]

    def job(index: int) -> Callable[[], None]:
        def work() -> None:
            row = int(used[index])
            counts = np.asarray(source.read((row,)))
            image = contrast_of_counts(counts, f"{series.run}, tilt {series.tilts[row].name}")
            targets = [of_plan[:, index] for of_plan in rows]
            filtered_views(image, plans, filters, index, targets, first_block * _kernels.ROWS_Y)

        return work

    run_jobs([job(i) for i in range(used.size)], workers, report)
    return rows


def phases(progress: Progress, label: str, parts: int) -> Iterator[Callable[[int, int], None]]:
    """Map the jobs of each phase, filtering and back-projection in turn, to per mille of the whole."""

    def report(part: int, done: int, total: int) -> None:
        progress.step(label, 1000 * part + 1000 * done // total, 1000 * parts)

    for part in range(parts):
        yield partial(report, part)
