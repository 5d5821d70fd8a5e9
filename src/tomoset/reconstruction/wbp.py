"""The verb: an aligned tilt series to its tomogram."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tomoset.model import ArraySource, InMemory, Progress, Resources, TiltSeries, Tomogram
from tomoset.reconstruction.back_projection import back_project_blocks, back_project_planes, blocks_of, run_jobs
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.plan import Plan, make_plan
from tomoset.reconstruction.views import ViewFilters, contrast_of_counts, filtered_view, make_filters

__all__ = ["methods_text", "reconstruct"]

# Share of the memory that the aligned views may take; the rest is for transforms and for the volume's pages.
_VIEWS_SHARE = 0.5


def reconstruct(
    series: TiltSeries, params: ReconstructionParams, *, resources: Resources, progress: Progress
) -> Tomogram:
    """Reconstruct a tomogram by weighted back-projection.

    Parameters
    ----------
    series : TiltSeries
        Aligned; only tilts with ``use`` enter.
    params : ReconstructionParams
    resources : Resources
        Threads, memory, and where the volumes are made (``allocate``); the work is always the CPU's. Views that are
        tilted about x as well take memory for all of their rows at once.
    progress : Progress

    Returns
    -------
    Tomogram
        In the specimen's axes, protein dark. A voxel holds the relative change of intensity that its own edge length
        of path makes (damped by missing views, CTF and dose); zero is the mean of the images. With halves when asked
        for and present.

    Raises
    ------
    GeometryError
        If the series is not aligned or no tilt is used.
    ParameterError
        If voxels are smaller than pixels, an image is empty, or phases shall be flipped without a defocus.

    Notes
    -----
    The phases are those of the specimen's middle plane in each strip; at the faces of a slab of thickness t they are
    off by ``π λ k² t / 2`` (0.12 rad at 20 Å for 1500 Å and 300 kV).
    """
    plan = make_plan(series, params)
    filters = make_filters(series, params, plan)
    halves = params.half_sets and series.odd_nyx is not None and series.even_nyx is not None
    sources = {"volume_zyx": series.images_nyx}
    if halves and series.odd_nyx is not None and series.even_nyx is not None:
        sources |= {"odd_zyx": series.odd_nyx, "even_zyx": series.even_nyx}
    volumes = {
        name: InMemory(_volume_of(name, source, series, plan, filters, resources, progress))
        for name, source in sources.items()
    }
    return Tomogram(
        run=series.run,
        grid=plan.grid,
        volume_zyx=volumes["volume_zyx"],
        odd_zyx=volumes.get("odd_zyx"),
        even_zyx=volumes.get("even_zyx"),
        kind="wbp",
        contrast="dark",
        tilt_indices=tuple(int(i) for i in plan.used),
        geometry=plan.series_geometry,
        ctf_corrected=params.ctf_correction != "none",
    )


def methods_text(params: ReconstructionParams) -> str:
    """One sentence for a methods section."""
    ctf = (
        ", after flipping the phases of the CTF in strips along the tilt axis"
        if params.ctf_correction != "none"
        else ""
    )
    dose = " and weighted by accumulated dose (Grant & Grigorieff 2015)" if params.dose_weighting else ""
    weights = {
        "ramp": "a ramp filter",
        "hamming": "a Hamming-damped ramp filter",
        "exact": "exact filters (Harauz & van Heel 1986)",
    }[params.filter]
    halves = " Half tomograms were made from odd and even frames." if params.half_sets else ""
    return (
        f"Tomograms of {params.voxel_size_angstrom:g} Å voxels and {params.thickness_angstrom:g} Å depth were "
        f"reconstructed by weighted back-projection with {weights}{dose}{ctf} (tomoset).{halves}"
    )


def _volume_of(
    name: str,
    source: ArraySource,
    series: TiltSeries,
    plan: Plan,
    filters: ViewFilters,
    resources: Resources,
    progress: Progress,
) -> NDArray[np.float32]:
    """Filter and back-project one set of images, as many y blocks at a time as memory holds."""
    volume = resources.allocate(name, plan.grid.shape_zyx, np.float32)
    n_blocks = blocks_of(plan.rows.n_v)
    at_once = _blocks_at_once(plan, resources.memory_gib) if plan.is_single_axis else n_blocks
    groups = range(0, n_blocks, at_once)
    phases = _phases(progress, f"reconstruct {name.removesuffix('_zyx')}", 2 * len(groups))
    for first in groups:
        n = min(at_once, n_blocks - first)
        rows = _rows_of(source, series, plan, filters, first, n, resources.workers, next(phases))
        if plan.is_single_axis:
            back_project_blocks(
                rows,
                plan.rows,
                plan.geometry.y_tilt_deg,
                volume,
                y_first=first * rows.shape[-1],
                workers=resources.workers,
                report=next(phases),
            )
        else:
            back_project_planes(rows, plan.rows, plan.geometry, volume, workers=resources.workers, report=next(phases))
    return volume


def _rows_of(
    source: ArraySource,
    series: TiltSeries,
    plan: Plan,
    filters: ViewFilters,
    first_block: int,
    n_blocks: int,
    workers: int,
    report: Callable[[int, int], None],
) -> NDArray[np.float32]:
    """Filtered views of some y blocks in the kernel's order."""
    from tomoset.reconstruction import _kernels

    n = plan.used.size
    rows = np.zeros((n_blocks, n + -n % 4, plan.rows.n_u, _kernels.ROWS_Y), np.float32)

    def job(index: int) -> Callable[[], None]:
        def work() -> None:
            row = int(plan.used[index])
            counts = np.asarray(source.read((row,)))
            image = contrast_of_counts(counts, f"{series.run}, tilt {series.tilts[row].name}")
            filtered_view(image, plan, filters, index, rows[:, index], first_block * _kernels.ROWS_Y)

        return work

    run_jobs([job(i) for i in range(n)], workers, report)
    return rows


def _blocks_at_once(plan: Plan, memory_gib: float) -> int:
    from tomoset.reconstruction import _kernels

    n = plan.used.size
    a_block = (n + -n % 4) * plan.rows.n_u * _kernels.ROWS_Y * 4
    return max(1, int(_VIEWS_SHARE * memory_gib * 2**30 / a_block))


def _phases(progress: Progress, label: str, parts: int) -> Iterator[Callable[[int, int], None]]:
    """Map the jobs of each phase, filtering and back-projection in turn, to per mille of the whole."""

    def report(part: int, done: int, total: int) -> None:
        progress.step(label, 1000 * part + 1000 * done // total, 1000 * parts)

    for part in range(parts):
        yield partial(report, part)
