"""Large molecules first: search, choose, subtract, and look for lighter ones in what is left.

A light molecule's background is mostly heavier ones. Each tier of masses is searched in the residual of the tiers
before it, whitened anew, in which their pieces no longer resemble anything and their power no longer counts as noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.competition import (
    Hits,
    away_from,
    independent_noise_threshold,
    log_likelihood_ratio,
    measure_amplitude,
    noise_threshold,
)
from tomoset.annotation.params import Template, TemplateParams
from tomoset.annotation.preparation import Prepared
from tomoset.annotation.refine import refine_hits
from tomoset.annotation.search import full_grid, search_rotations
from tomoset.annotation.template_spectrum import template_spectrum
from tomoset.annotation.whitening import WhitenedVolume
from tomoset.geometry import point_group, sample_rotations
from tomoset.model import Progress, Resources

__all__ = ["Found", "judge", "refine_all", "search_all", "tiers_of"]

Floats = NDArray[np.float64]

_CANDIDATE_Z = 4.5
_CHANCE_Z = 3.5
_MOST_PER_CUBIC_MICROMETRE = 1.5e5
_CHANCE_REFINED = 80
_FEWEST_CHANCE = 20
_HEAVY_KDA = 250.0


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One class after its search: candidates, and what chance made of the contrast-inverted template.

    ``cells`` is the number of places and rotations that were tried.
    """

    template: Template
    step_deg: float
    candidates: Hits
    chance: Hits
    cells: float


def tiers_of(templates: Sequence[Template]) -> list[list[Template]]:
    """Classes that are searched together, heaviest first: all from 250 kDa and all decoys, then by factors of two."""
    tiers: dict[int, list[Template]] = {}
    for template in templates:
        lightness = np.ceil(np.log2(_HEAVY_KDA / template.structure.mass_kda))
        tiers.setdefault(0 if template.decoy else max(0, int(lightness)), []).append(template)
    return [tiers[key] for key in sorted(tiers)]


def search_all(
    prepared: Prepared,
    templates: Sequence[Template],
    params: TemplateParams,
    resources: Resources,
    progress: Progress,
) -> list[Found]:
    """Search all rotations of several classes in one volume."""
    from scipy import fft

    white = prepared.white
    volume_hat = fft.rfftn(white.volume_zyx, workers=resources.workers)
    shape = white.volume_zyx.shape
    weight = full_grid(prepared.weight_box_zyx, (shape[0], shape[1], shape[2]))
    plans = []
    for template in templates:
        symmetry = template.structure.symmetry if template.decoy else template.object.symmetry
        step = params.step_deg(template.object.radius_angstrom, 2 * white.voxel_size_angstrom)
        plans.append((template, step, sample_rotations(step, point_group(symmetry))))
    step_done = _counter(progress, sum(len(rotations) for _, _, rotations in plans))
    return [
        _search_one(prepared, volume_hat, weight, template, step, rotations, resources, step_done)
        for template, step, rotations in plans
    ]


def _search_one(
    prepared: Prepared,
    volume_hat: NDArray[np.complex64],
    weight_zyx: NDArray[np.float32],
    template: Template,
    step_deg: float,
    rotations: Floats,
    resources: Resources,
    step_done: Callable[[], None],
) -> Found:
    """Search one class and keep the local maxima of both contrasts."""
    from tomoset.annotation import _kernels

    white = prepared.white
    z, y, x = white.volume_zyx.shape
    scores = search_rotations(
        volume_hat,
        (z, y, x),
        white.voxel_size_angstrom,
        weight_zyx,
        template_spectrum(template.structure, white.voxel_size_angstrom),
        rotations,
        workers=resources.workers,
        step=step_done,
    )
    peaks = _kernels.local_maxima(scores.z_zyx, _CANDIDATE_Z)
    chance = _kernels.local_maxima(scores.inverted_z_zyx, _CHANCE_Z)
    return Found(
        template,
        step_deg,
        _hits_at(peaks, scores.z_zyx, scores.rotation_index_zyx, rotations, scores.norms, white),
        _hits_at(chance, scores.inverted_z_zyx, scores.inverted_rotation_index_zyx, rotations, scores.norms, white),
        float(np.prod(white.used_zyx)) * len(rotations),
    )


def _hits_at(
    index_zyx: NDArray[np.int64],
    z_zyx: NDArray[np.float32],
    which_zyx: NDArray[np.integer],
    rotations: Floats,
    norms: Floats,
    white: WhitenedVolume,
) -> Hits:
    where = tuple(index_zyx.T)
    which = which_zyx[where]
    return Hits(
        white.positions_angstrom_xyz(index_zyx), rotations[which], z_zyx[where].astype(np.float64), norms[which]
    )


def _counter(progress: Progress, total: int) -> Callable[[], None]:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        progress.step("match templates", done, total)

    return step


def judge(
    found: Sequence[Found], hits: Sequence[Hits], chance_hits: Sequence[Hits], params: TemplateParams
) -> tuple[float | None, list[float], list[Hits]]:
    """Amplitude of the signal, chance's reach in each class away from what is clearly real, and what that is.

    A real particle's bright fringes resemble inverted templates; chance is what is left where no particle is.
    """
    radii = [each.template.object.radius_angstrom for each in found]
    expected = params.expected_false_positives
    wary = [noise_threshold(each.z, expected) for each in chance_hits]
    amplitude, sure = measure_amplitude(hits, radii, wary, params.exclusion_fraction)
    chance = []
    for each, lucky, radius in zip(found, chance_hits, radii, strict=True):
        clear = np.ones(len(lucky), dtype=bool)
        for real, other in zip(sure, radii, strict=True):
            clear &= away_from(lucky.positions_angstrom_xyz, real.positions_angstrom_xyz, radius + other)
        if clear.sum() >= _FEWEST_CHANCE:
            chance.append(noise_threshold(lucky.z[clear], expected))
        else:
            chance.append(independent_noise_threshold(each.cells, expected))
    return amplitude, chance, sure


def refine_all(
    found: Sequence[Found], prepared: Prepared, amplitude: float, resources: Resources, progress: Progress
) -> tuple[list[Hits], list[Hits]]:
    """Refined candidates of every class, and as many of chance's best as judge them, treated alike."""
    white = prepared.white
    micrometres3 = float(np.prod(white.used_zyx)) * (white.voxel_size_angstrom * 1e-4) ** 3
    most = int(np.ceil(_MOST_PER_CUBIC_MICROMETRE * micrometres3))
    hits, chance = [], []
    for each in found:
        structure = each.template.structure
        rough = _promising(each.candidates, amplitude, most)
        hits.append(refine_hits(rough, structure, prepared, each.step_deg, resources, progress))
        luckiest = each.chance.select(np.argsort(-each.chance.z, kind="stable")[:_CHANCE_REFINED])
        chance.append(refine_hits(luckiest, structure, prepared, each.step_deg, resources, progress, inverted=True))
    return hits, chance


def _promising(rough: Hits, amplitude: float, most: int) -> Hits:
    """Candidates that are likelier a particle than noise, at most a number of the likeliest."""
    ratio = log_likelihood_ratio(rough.z, rough.norm, amplitude)
    order = np.argsort(-ratio, kind="stable")[:most]
    return rough.select(order[ratio[order] > 0])
