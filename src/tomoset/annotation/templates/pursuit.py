"""Large molecules first: search, choose, subtract, and look for lighter ones in what is left.

A light molecule's background is mostly heavier ones. Each tier of masses is searched in the residual of the tiers
before it, whitened anew, in which their pieces no longer resemble anything and their power no longer counts as noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import (
    Hits,
    independent_noise_threshold,
    log_likelihood_ratio,
    measure_amplitude,
    noise_threshold,
)
from tomoset.annotation.templates.params import HEAVY_KDA, Template, TemplateParams
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.refine import refine_hits
from tomoset.annotation.templates.search import SearchOptions, full_grid, search_rotations
from tomoset.annotation.templates.template_spectrum import template_spectrum
from tomoset.annotation.templates.whitening import WhitenedVolume
from tomoset.geometry import point_group, sample_rotations
from tomoset.model import Progress, Resources

__all__ = ["Found", "all_round", "noise_level", "refine_all", "search_all", "signal_amplitude", "tiers_of"]

Floats = NDArray[np.float64]

_CANDIDATE_Z = 4.5
_CHANCE_Z = 3.5
_MOST_PER_CUBIC_MICROMETRE = 1.5e5
_REFINED = 1.1
# Refinement finds the rest of what the search between its rotations and voxels has missed.
_ROUGHLY = 0.8
_RIM_ANGSTROM = 10.0
_FEW_ROTATIONS = 600
_STANDS_OUT_KDA = 1000.0


@dataclass(slots=True, eq=False)
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
    """Classes that are searched together, heaviest first: all from 250 kDa, then by factors of two.

    Patches of membrane compete in the first tier of lighter classes, if there is one: they are as visible as those.
    """
    tiers: dict[int, list[Template]] = {}
    for template in templates:
        if not template.decoy:
            lightness = np.ceil(np.log2(HEAVY_KDA / template.structure.mass_kda))
            tiers.setdefault(max(0, int(lightness)), []).append(template)
    order = [tiers[key] for key in sorted(tiers)]
    lighter = next((tier for key, tier in zip(sorted(tiers), order, strict=True) if key > 0), order[0])
    for template in templates:
        if template.decoy:
            (order[0] if template.structure.mass_kda >= _STANDS_OUT_KDA else lighter).append(template)
    return order


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
        radius = template.structure.radius_angstrom if template.decoy else template.object.radius_angstrom
        step = params.step_deg(radius, 2 * white.voxel_size_angstrom)
        plans.append((template, step, sample_rotations(step, point_group(symmetry))))
    step_done = _counter(progress, sum(len(rotations) for _, _, rotations in plans))
    return [
        _search_one(prepared, volume_hat, weight, template, step, rotations, resources, step_done)
        for template, step, rotations in plans
    ]


def all_round(template: Template) -> Floats | None:
    """Rotations half of whose step moves the rim by 10 Å, or None when there are more than a few hundred."""
    group = point_group(template.object.symmetry)
    step = 2 * _RIM_ANGSTROM / template.structure.radius_angstrom
    if 8 * np.pi**2 / step**3 > _FEW_ROTATIONS * group.order:
        return None
    return sample_rotations(float(np.rad2deg(step)), group)


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
    from tomoset.annotation.templates import _kernels

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
        options=SearchOptions(device=resources.device, memory_gib=resources.memory_gib),
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


def signal_amplitude(
    found: Sequence[Found], hits: Sequence[Hits], params: TemplateParams
) -> tuple[float | None, list[Hits]]:
    """Amplitude of the signal, if any particle is clearly above chance and noise, and each class's hits that are.

    Decoys do not tell it: they are likenesses only.
    """
    radii = [each.template.object.radius_angstrom for each in found]
    expected = params.expected_false_positives
    wary = [
        np.inf if each.template.decoy else max(noise_threshold(each.chance.z, expected), noise_level(each, params))
        for each in found
    ]
    return measure_amplitude(hits, radii, wary, params.exclusion_fraction)


def noise_level(found: Found, params: TemplateParams) -> float:
    """Correlation that noise exceeds as often as is allowed, when hits are refined beyond the poses searched."""
    return _REFINED * independent_noise_threshold(found.cells, params.expected_false_positives)


def refine_all(
    found: Sequence[Found],
    prepared: Prepared,
    amplitude: float,
    params: TemplateParams,
    resources: Resources,
    progress: Progress,
) -> list[Hits]:
    """Refined candidates of every class, where a particle of the tomogram's amplitude may be."""
    white = prepared.white
    micrometres3 = float(np.prod(white.used_zyx)) * (white.voxel_size_angstrom * 1e-4) ** 3
    most = int(np.ceil(_MOST_PER_CUBIC_MICROMETRE * micrometres3))
    hits = []
    for each in found:
        structure = each.template.structure
        rough = each.candidates
        rough = rough.select(rough.z >= _ROUGHLY * params.least_amplitude * amplitude * rough.norm)
        score = log_likelihood_ratio(rough.z, rough.norm, params.amplitude * amplitude)
        rough = rough.select(np.argsort(-score, kind="stable")[:most])
        hits.append(refine_hits(rough, structure, prepared, each.step_deg, resources, progress))
    return hits
