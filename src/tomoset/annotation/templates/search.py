"""The search: the best rotation of a template at every voxel."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.engines.coarse_to_fine import cover_rotations
from tomoset.annotation.templates.engines.low_rank import box_edge, low_rank
from tomoset.annotation.templates.engines.low_rank_search import index_type, search_low_rank
from tomoset.annotation.templates.engines.rescoring import exact_scores
from tomoset.annotation.templates.engines.search_engines import (
    Engine,
    SearchOptions,
    cheapest,
    first_pass,
    plain_is_cheap,
)
from tomoset.annotation.templates.engines.torch_search import search_torch
from tomoset.annotation.templates.template_spectrum import TemplateSpectrum

__all__ = ["ScoreMap", "SearchOptions", "full_grid", "search_plainly", "search_rotations"]

Floats32 = NDArray[np.float32]
Step = Callable[[], None]

_PUBLISHED_Z = 4.5
_COVER_CORRELATION = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMap:
    """Best match of one template at every voxel.

    Parameters
    ----------
    z_zyx : (z, y, x) array of float32
        Largest correlation over rotations in units of the noise: 1 where only noise is.
    rotation_index_zyx : (z, y, x) array of int16 or int32
        Which rotation gave it.
    inverted_z_zyx, inverted_rotation_index_zyx : (z, y, x) arrays
        The same for the template with inverted contrast, which matches nothing real.
    norms : (r,) array of float64
        Norm A of the whitened template at each rotation: the expected score of a perfect particle is A times the
        tomogram's amplitude.
    """

    z_zyx: Floats32
    rotation_index_zyx: NDArray[np.integer]
    inverted_z_zyx: Floats32
    inverted_rotation_index_zyx: NDArray[np.integer]
    norms: NDArray[np.float64]


def full_grid(box_zyx: Floats32, shape_zyx: tuple[int, int, int]) -> Floats32:
    """Function on a box's ``rfftn`` grid, interpolated to that of a volume of the same voxels."""
    from tomoset.annotation.templates import _kernels

    z, y, x = shape_zyx
    out = np.empty((z, y, x // 2 + 1), dtype=np.float32)
    _kernels.interpolate_half_grid(np.ascontiguousarray(box_zyx, dtype=np.float32), shape_zyx, out)
    return out


def search_rotations(
    volume_hat: NDArray[np.complex64],
    shape_zyx: tuple[int, int, int],
    voxel_size_angstrom: float,
    weight_zyx: Floats32,
    template: TemplateSpectrum,
    rotations: NDArray[np.float64],
    *,
    workers: int,
    step: Step,
    options: SearchOptions | None = None,
) -> ScoreMap:
    """Correlate a whitened volume with a template in every rotation, the cheapest way.

    Parameters
    ----------
    volume_hat : (z, y, x // 2 + 1) array of complex64
        ``rfftn`` of the whitened volume.
    shape_zyx : tuple of int
        Its shape in real space.
    voxel_size_angstrom : float
    weight_zyx : (z, y, x // 2 + 1) array of float32
        What a template's transform is multiplied with: transfer over noise amplitude, 0 where nothing is used.
    template : TemplateSpectrum
    rotations : (r, 3, 3) array of float64
        Particle -> tomogram.
    workers : int
        Threads.
    step : callable
        Called once for every rotation in all.
    options : SearchOptions or None
        Which engine computes the scores; None for the defaults.

    Returns
    -------
    ScoreMap
        Scores through a basis are replaced by exact ones at local maxima above 4.5, of either contrast. After
        "coarse-to-fine", voxels that did not look promising hold the extremes over some of the rotations only.
    """
    options = options or SearchOptions()
    mvoxels = float(np.prod(shape_zyx)) * 1e-6
    engine: Engine = "torch" if options.engine == "auto" and options.device != "cpu" else options.engine
    basis = None
    if engine != "exact" and (engine != "auto" or not plain_is_cheap(len(rotations), mvoxels)):
        n = box_edge(template, voxel_size_angstrom)
        box_weight = _resampled(weight_zyx, shape_zyx, (n, n, n))
        m = n + 2 * (n // 4)
        finer = _resampled(weight_zyx, shape_zyx, (m, m, m))
        basis = low_rank(template, rotations, box_weight, finer, voxel_size_angstrom, left_out=options.left_out)
        cover = None
        if engine in ("auto", "coarse-to-fine"):
            cover = cover_rotations(basis.coefficients, _COVER_CORRELATION, first_pass(basis.rank))
        if engine == "auto":
            engine = cheapest(len(rotations), mvoxels, basis.rank, None if cover is None else len(cover.centres))
    if basis is None or engine == "exact":
        return search_plainly(
            volume_hat, shape_zyx, voxel_size_angstrom, weight_zyx, template, rotations, workers=workers, step=step
        )
    volume = _inverse(volume_hat.copy(), shape_zyx)
    report = _steps_of_shares(step, len(rotations))
    memory = options.memory_gib
    if engine == "torch":
        found = search_torch(volume, weight_zyx, basis, device=options.device, memory_gib=memory, step=report)
    else:
        first = cover if engine == "coarse-to-fine" else None
        found = search_low_rank(volume, weight_zyx, basis, first, workers=workers, memory_gib=memory, step=report)
    np.negative(found.worst, out=found.worst)
    above, below = (_peaks(scores, _PUBLISHED_Z) for scores in (found.best, found.worst))
    exact = exact_scores(
        volume,
        np.concatenate([above, below]),
        np.concatenate([found.which[tuple(above.T)], found.which_worst[tuple(below.T)]]),
        template,
        rotations,
        basis.norms,
        box_weight,
        voxel_size_angstrom,
        workers=workers,
    )
    found.best[tuple(above.T)], found.worst[tuple(below.T)] = exact[: len(above)], -exact[len(above) :]
    return ScoreMap(found.best, found.which, found.worst, found.which_worst, basis.norms)


def _inverse(transform: NDArray[np.complex64], shape_zyx: tuple[int, int, int]) -> Floats32:
    """Real volume of a half grid, which is overwritten."""
    from scipy import fft

    return np.asarray(fft.irfftn(transform, s=shape_zyx, overwrite_x=True), dtype=np.float32)


def _resampled(values: Floats32, shape_zyx: tuple[int, int, int], target_zyx: tuple[int, int, int]) -> Floats32:
    from tomoset.annotation.templates import _kernels

    return np.asarray(_kernels.resample_half_grid(values, shape_zyx, target_zyx))


def _peaks(scores: Floats32, threshold: float) -> NDArray[np.int64]:
    from tomoset.annotation.templates import _kernels

    return np.asarray(_kernels.local_maxima(scores, threshold))


def _steps_of_shares(step: Step, total: int) -> Callable[[float], None]:
    """Call a step ``total`` times in all while being told shares of the work."""
    done = 0

    def report(share: float) -> None:
        nonlocal done
        while done < round(share * total):
            done += 1
            step()

    return report


def search_plainly(
    volume_hat: NDArray[np.complex64],
    shape_zyx: tuple[int, int, int],
    voxel_size_angstrom: float,
    weight_zyx: Floats32,
    template: TemplateSpectrum,
    rotations: NDArray[np.float64],
    *,
    workers: int,
    step: Step,
) -> ScoreMap:
    """Correlate a whitened volume with a template in every rotation, one transform for each: the reference.

    Parameters
    ----------
    volume_hat : (z, y, x // 2 + 1) array of complex64
        ``rfftn`` of the whitened volume.
    shape_zyx : tuple of int
        Its shape in real space.
    voxel_size_angstrom : float
    weight_zyx : (z, y, x // 2 + 1) array of float32
        What a template's transform is multiplied with: transfer over noise amplitude, 0 where nothing is used.
    template : TemplateSpectrum
    rotations : (r, 3, 3) array of float64
        Particle -> tomogram.
    workers : int
        Threads; each needs two volumes of its own.
    step : callable
        Called after every rotation.

    Returns
    -------
    ScoreMap

    Notes
    -----
    One inverse transform per rotation: the template is read from its transform at Rᵀ k inside the band and the wedge
    only, multiplied with the volume's and its norm summed in the same pass.
    """
    from tomoset.annotation.templates import _kernels

    frequency_steps = np.array([1 / (n * voxel_size_angstrom) for n in shape_zyx])
    kind = index_type(len(rotations))
    best = np.full(shape_zyx, -np.inf, dtype=np.float32)
    worst = np.full(shape_zyx, np.inf, dtype=np.float32)
    which = np.zeros(shape_zyx, dtype=kind)
    which_worst = np.zeros(shape_zyx, dtype=kind)
    norms = np.zeros(len(rotations))
    size = float(np.prod(shape_zyx))
    lock = threading.Lock()
    local = threading.local()

    def one(index: int) -> None:
        if not hasattr(local, "product"):
            local.product = np.empty_like(volume_hat)
        power = _kernels.rotate_and_multiply(
            volume_hat,
            weight_zyx,
            template.values_zyx,
            template.length_angstrom,
            rotations[index],
            frequency_steps,
            local.product,
        )
        norms[index] = np.sqrt(power / size)
        correlation = _inverse(local.product, shape_zyx)
        with lock:
            scale = np.float32(1 / max(norms[index], np.finfo(np.float32).tiny))
            _kernels.update_extremes(correlation, scale, index, best, which, worst, which_worst)
            step()

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in pool.map(one, range(len(rotations))):
            pass
    np.negative(worst, out=worst)
    return ScoreMap(best, which, worst, which_worst, norms)
