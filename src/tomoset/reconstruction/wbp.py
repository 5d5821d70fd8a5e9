"""The verb: an aligned tilt series to its tomogram."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tomoset.model import ArraySource, InMemory, Progress, Resources, TiltSeries, Tomogram
from tomoset.reconstruction.aligned_rows import phases, rows_of
from tomoset.reconstruction.back_projection import back_project_blocks, back_project_planes, blocks_of
from tomoset.reconstruction.iterative import check_iterable, iterated_volume
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.plan import Plan, make_plan
from tomoset.reconstruction.torch_projection import back_project_blocks_on
from tomoset.reconstruction.views import ViewFilters, make_filters

__all__ = ["methods_text", "reconstruct"]

# Aligned views may take what the transforms of one image a worker leave of this share of the memory; the rest is for
# the volume's pages and the libraries.
_SHARE = 0.75
# Arrays of the larger image's size that one worker holds beside one for each slab: the source's spectrum and that of
# its corrected phases, the filtered one and what it is transformed to.
_IMAGES_A_WORKER = 4
Slab = tuple[slice, Plan]


def reconstruct(
    series: TiltSeries, params: ReconstructionParams, *, resources: Resources, progress: Progress
) -> Tomogram:
    """Reconstruct a tomogram by weighted back-projection or iterations.

    Parameters
    ----------
    series : TiltSeries
        Aligned; only tilts with ``use`` enter.
    params : ReconstructionParams
    resources : Resources
        Threads, memory, where the volumes are made (``allocate``), and the device of projections: with ``"cuda"`` they
        run on the GPU, blocks of y sized by its free memory, and agree with the CPU's to rounding. Views are always
        filtered on the CPU; views that are tilted about x as well are also projected there, and take memory for all of
        their rows at once.
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
        If the series is not aligned, no tilt is used, or iterations are asked for views that are tilted about x too.
    ParameterError
        If voxels are smaller than pixels, an image is empty, or phases shall be flipped without a defocus.

    Notes
    -----
    Without slabs the phases are those of the specimen's middle plane at each place; at the faces of a slab of
    thickness t they are off by ``π λ k² t / 2`` (0.12 rad at 20 Å for 1500 Å and 300 kV).

    The volume of a region of interest has its own origin (voxel N // 2), and so has the geometry that comes with it:
    labels find their way by it.
    """
    plan = make_plan(series, params)
    filters = make_filters(series, params, plan)
    slabs = plan.slabs(params.ctf_slab_angstrom) if params.in_slabs else [(slice(None), plan)]
    halves = params.half_sets and series.odd_nyx is not None and series.even_nyx is not None
    sources = {"volume_zyx": series.images_nyx}
    if halves and series.odd_nyx is not None and series.even_nyx is not None:
        sources |= {"odd_zyx": series.odd_nyx, "even_zyx": series.even_nyx}
    if params.method == "wbp":
        make = partial(_volume_of, slabs=slabs)
    else:
        check_iterable(series.run, plan)
        make = partial(iterated_volume, params=params)
    volumes = {
        name: InMemory(make(name, source, series, plan, filters=filters, resources=resources, progress=progress))
        for name, source in sources.items()
    }
    return Tomogram(
        run=series.run,
        grid=plan.grid,
        volume_zyx=volumes["volume_zyx"],
        odd_zyx=volumes.get("odd_zyx"),
        even_zyx=volumes.get("even_zyx"),
        kind=params.method,
        contrast="dark",
        tilt_indices=tuple(int(i) for i in plan.used),
        geometry=plan.series_geometry,
        ctf_corrected=params.ctf_correction != "none",
    )


def methods_text(params: ReconstructionParams) -> str:
    """One sentence for a methods section."""
    where = f"slabs of {params.ctf_slab_angstrom:g} Å" if params.in_slabs else "strips along the tilt axis"
    ctf = {
        "phase": f", after flipping the phases of the CTF in {where}",
        "multiply": f", after multiplication by the CTF in {where}",
        "none": "",
    }[params.ctf_correction.split("-")[0]]
    dose = " and weighted by accumulated dose (Grant & Grigorieff 2015)" if params.dose_weighting else ""
    weights = {
        "ramp": "a ramp filter",
        "hamming": "a Hamming-damped ramp filter",
        "exact": "exact filters (Harauz & van Heel 1986)",
        "imod": "a ramp filter with a Gaussian roll-off (IMOD)",
        "imod-sirt": f"IMOD's SIRT-like filter of {params.sirt_iterations} iterations",
        "sirt-like": f"filters that stand for {params.sirt_iterations} iterations of SIRT",
    }[params.filter]
    halves = " Half tomograms were made from odd and even frames." if params.half_sets else ""
    how = f"weighted back-projection with {weights}"
    if params.method != "wbp":
        sets = f", {params.subset_tilts} tilts at a time" if params.method == "sart" else ""
        how = (
            f"{params.iterations} iterations of {params.method.upper()} (relaxation {params.relaxation:g}{sets}) from "
            "tilt images cut at the voxels' Nyquist frequency"
        )
    return (
        f"Tomograms of {params.voxel_size_angstrom:g} Å voxels and {params.thickness_angstrom:g} Å depth were "
        f"reconstructed by {how}{dose}{ctf} (tomoset).{halves}"
    )


def _volume_of(
    name: str,
    source: ArraySource,
    series: TiltSeries,
    plan: Plan,
    *,
    slabs: Sequence[Slab],
    filters: ViewFilters,
    resources: Resources,
    progress: Progress,
) -> NDArray[np.float32]:
    """Filter and back-project one set of images, as many y blocks and slabs at a time as memory holds."""
    volume = resources.allocate(name, plan.grid.shape_zyx, np.float32)
    parts = list(_parts(plan, slabs, resources))
    total = len(parts) + sum(len(some) for some, _, _ in parts)
    steps = phases(progress, f"reconstruct {name.removesuffix('_zyx')}", total)
    for some, first, n in parts:
        rows = rows_of(source, series, [p for _, p in some], filters, first, n, resources.workers, next(steps))
        for (z, slab), of_slab in zip(some, rows, strict=True):
            if plan.is_single_axis and resources.device != "cpu":
                back_project_blocks_on(
                    resources.device,
                    of_slab,
                    slab.rows,
                    slab.geometry.y_tilt_deg,
                    volume[z],
                    y_first=first * of_slab.shape[-1],
                    memory_gib=resources.memory_gib,
                    report=next(steps),
                )
            elif plan.is_single_axis:
                back_project_blocks(
                    of_slab,
                    slab.rows,
                    slab.geometry.y_tilt_deg,
                    volume[z],
                    y_first=first * of_slab.shape[-1],
                    workers=resources.workers,
                    report=next(steps),
                )
            else:
                back_project_planes(
                    of_slab, slab.rows, slab.geometry, volume[z], workers=resources.workers, report=next(steps)
                )
        del rows, of_slab  # the next part's rows take their place in memory
    return volume


def _parts(plan: Plan, slabs: Sequence[Slab], resources: Resources) -> Iterator[tuple[Sequence[Slab], int, int]]:
    """Slabs, first y block and number of blocks of each part of the work.

    Every part transforms all images anew: all slabs of few blocks come before few slabs of all blocks.
    """
    n_blocks = max(blocks_of(slab.rows.n_v) for _, slab in slabs)
    at_once = _blocks_in_memory(plan, slabs, resources)
    if not plan.is_single_axis:
        in_step, per_part = max(1, at_once // n_blocks), n_blocks
    elif at_once >= len(slabs):
        in_step, per_part = len(slabs), min(n_blocks, at_once // len(slabs))
    else:
        in_step, per_part = max(1, at_once), 1
    for first in range(0, n_blocks, per_part):
        for slab in range(0, len(slabs), in_step):
            yield slabs[slab : slab + in_step], first, min(per_part, n_blocks - first)


def _blocks_in_memory(plan: Plan, slabs: Sequence[Slab], resources: Resources) -> int:
    """How many y blocks of one slab the memory holds beside the transforms."""
    from tomoset.reconstruction import _kernels

    a_block = plan.used.size * max(slab.rows.n_u for _, slab in slabs) * _kernels.ROWS_Y * 4
    an_image = 4 * max(math.prod(plan.source.fine_yx), math.prod(plan.source.padded_yx))
    a_worker = _IMAGES_A_WORKER * an_image + len(slabs) * 4 * math.prod(plan.source.plain_yx)
    free = _SHARE * resources.memory_gib * 2**30 - resources.workers * a_worker
    return max(1, int(free / a_block))
