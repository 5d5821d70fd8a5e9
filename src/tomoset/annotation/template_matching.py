"""The verb: find every particle of known shape in a tomogram."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.competition import (
    Hits,
    away_from,
    independent_noise_threshold,
    log_likelihood_ratio,
    measure_amplitude,
    mutually_exclusive,
    noise_threshold,
)
from tomoset.annotation.envelope import measure_envelope
from tomoset.annotation.params import Template, TemplateParams
from tomoset.annotation.preparation import Prepared, prepare
from tomoset.annotation.refine import refine_hits
from tomoset.annotation.search import full_grid, search_rotations
from tomoset.annotation.template_spectrum import template_spectrum
from tomoset.annotation.whitening import WhitenedVolume
from tomoset.errors import ParameterError
from tomoset.geometry import point_group, sample_rotations
from tomoset.model import Labels, Picks, Progress, Resources, TiltSeries, Tomogram

__all__ = ["match_templates", "methods_text"]

Floats = NDArray[np.float64]

_CANDIDATE_Z = 4.5
_CHANCE_Z = 3.5
_MOST_CANDIDATES = 4000
_CHANCE_REFINED = 80
_FIRST_BLUR_ANGSTROM = 5.0
_FEWEST_CHANCE = 20


def methods_text(params: TemplateParams) -> str:
    """One citable sentence on how templates were matched."""
    threshold = (
        f"{params.expected_false_positives:g} expected chance matches per class and tomogram, from the matches of "
        f"contrast-inverted templates, and {params.least_amplitude:.0%} of the tomogram's own signal amplitude"
        if params.score_threshold is None
        else f"a log-likelihood ratio of {params.score_threshold:g}"
    )
    blur = (
        "the blur measured on the surest hits"
        if params.alignment_envelope_angstrom is None
        else f"an alignment error of {params.alignment_envelope_angstrom:g} Å"
    )
    return (
        f"Particles were found by template matching on voxels of about {params.voxel_size_angstrom:.1f} Å: tomograms "
        "were whitened by their own local power spectrum, templates weighted by CTF, dose, missing wedge and "
        f"{blur}, rotations thinned by the particle's symmetry, "
        "classes competed on one likelihood scale with mutual exclusion, positions and rotations were refined, and "
        f"the score threshold was set at {threshold}."
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """One class after its search: candidates, and what chance made of the contrast-inverted template.

    ``cells`` is the number of places and rotations that were tried.
    """

    template: Template
    step_deg: float
    candidates: Hits
    chance: Hits
    cells: float


def match_templates(
    tomogram: Tomogram,
    series: TiltSeries,
    templates: Sequence[Template],
    params: TemplateParams,
    *,
    resources: Resources,
    progress: Progress,
) -> Labels:
    """Find the particles of several known classes.

    Parameters
    ----------
    tomogram : Tomogram
        Reconstructed, not denoised.
    series : TiltSeries
        The series it was made from: tilts, defocus and dose give the template's transfer function.
    templates : sequence of Template
        All classes that may be there: they compete, and what is not searched for is taken for its nearest likeness.
    params : TemplateParams
    resources : Resources
        ``workers`` rotations are tried at a time, each with two volumes of its own at the search's voxel size, which
        ``memory_gib`` does not bound.
    progress : Progress

    Returns
    -------
    Labels
        Positions in the tomogram's volume frame; scores are log-likelihood ratios against noise, margins the lead
        over the best other class at the same place. ``notes`` hold the signal amplitude measured (in units of the
        tomogram's density per volt), the blur assumed, and for each class the threshold and the norm of its template.

    Raises
    ------
    ParameterError
        If there is no template, or two share a name.
    GeometryError
        If the series is not the tomogram's.

    Notes
    -----
    With whitened data V and whitened template t of norm A, the likelihood of a particle with amplitude α against
    noise is ``exp(α ⟨V, t⟩ − α² A² / 2)``: one scale for all classes, whatever their size. Radial or local
    normalisation of correlations does not give that.
    """
    names = [template.object.name for template in templates]
    if not names or len(set(names)) < len(names):
        raise ParameterError(f"templates: expected one or more classes of different names, got {names}")
    coarse_voxel = params.search_voxel_angstrom([template.structure.mass_kda for template in templates])
    coarse = prepare(tomogram, series, templates, params, coarse_voxel, resources)
    envelope = params.alignment_envelope_angstrom
    blur = _FIRST_BLUR_ANGSTROM if envelope is None else envelope
    found = _search_all(coarse.faded(blur), templates, params, resources, progress)
    amplitude, _, sure = _judge(found, [each.candidates for each in found], [each.chance for each in found], params)
    if amplitude is None:
        return _labels(tomogram, params, [_no_picks(template) for template in templates], {"signal_amplitude": 0.0})
    fine = coarse
    if coarse_voxel != params.voxel_size_angstrom:
        del coarse
        fine = prepare(tomogram, series, templates, params, params.voxel_size_angstrom, resources)
    if envelope is None:
        structures, steps = [template.structure for template in templates], [each.step_deg for each in found]
        blur = measure_envelope(sure, structures, steps, fine, blur, resources)
    hits, chance_hits = _refine_all(found, fine.faded(blur), params.amplitude * amplitude, resources, progress)
    final, chance, _ = _judge(found, hits, chance_hits, params)
    picks, notes = _compete(found, hits, chance, final or amplitude, params)
    picks = [each.select(tomogram.grid.contains(each.positions_angstrom_xyz)) for each in picks]
    notes |= {"signal_amplitude": final or amplitude, "alignment_envelope_angstrom": blur}
    return _labels(tomogram, params, picks, notes)


def _refine_all(
    found: Sequence[_Found], prepared: Prepared, amplitude: float, resources: Resources, progress: Progress
) -> tuple[list[Hits], list[Hits]]:
    """Refined candidates of every class, and as many of chance's best as judge them, treated alike."""
    hits, chance = [], []
    for each in found:
        structure = each.template.structure
        rough = _promising(each.candidates, amplitude)
        hits.append(refine_hits(rough, structure, prepared, each.step_deg, resources, progress))
        luckiest = each.chance.select(np.argsort(-each.chance.z, kind="stable")[:_CHANCE_REFINED])
        chance.append(refine_hits(luckiest, structure, prepared, each.step_deg, resources, progress, inverted=True))
    return hits, chance


def _labels(tomogram: Tomogram, params: TemplateParams, picks: Sequence[Picks], notes: dict[str, float]) -> Labels:
    return Labels(
        run=tomogram.run,
        user="tomoset",
        session="templates",
        voxel_size_angstrom=tomogram.grid.voxel_size_angstrom,
        picks=tuple(picks),
        method=methods_text(params),
        notes=notes,
    )


def _no_picks(template: Template) -> Picks:
    return Picks(
        object_name=template.object.name,
        positions_angstrom_xyz=np.zeros((0, 3)),
        rotations=np.zeros((0, 3, 3)),
        scores=np.zeros(0),
        margins=np.zeros(0),
    )


def _search_all(
    prepared: Prepared,
    templates: Sequence[Template],
    params: TemplateParams,
    resources: Resources,
    progress: Progress,
) -> list[_Found]:
    from scipy import fft

    white = prepared.white
    volume_hat = fft.rfftn(white.volume_zyx, workers=resources.workers)
    shape = white.volume_zyx.shape
    weight = full_grid(prepared.weight_box_zyx, (shape[0], shape[1], shape[2]))
    plans = []
    for template in templates:
        step = params.step_deg(template.object.radius_angstrom, 2 * white.voxel_size_angstrom)
        plans.append((template, step, sample_rotations(step, point_group(template.object.symmetry))))
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
) -> _Found:
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
    return _Found(
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


def _judge(
    found: Sequence[_Found], hits: Sequence[Hits], chance_hits: Sequence[Hits], params: TemplateParams
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


def _promising(rough: Hits, amplitude: float) -> Hits:
    """Candidates that are likelier a particle than noise, at most a few thousand of the likeliest."""
    ratio = log_likelihood_ratio(rough.z, rough.norm, amplitude)
    order = np.argsort(-ratio, kind="stable")[:_MOST_CANDIDATES]
    return rough.select(order[ratio[order] > 0])


def _compete(
    found: Sequence[_Found], hits: Sequence[Hits], chance: Sequence[float], amplitude: float, params: TemplateParams
) -> tuple[list[Picks], dict[str, float]]:
    """One list over all classes, then each class's threshold."""
    alpha = params.amplitude * amplitude
    scores = [log_likelihood_ratio(each.z, each.norm, alpha) for each in hits]
    radii = [each.template.object.radius_angstrom for each in found]
    places = [each.positions_angstrom_xyz for each in hits]
    chosen = mutually_exclusive(places, scores, radii, params.exclusion_fraction)
    picks: list[Picks] = []
    notes: dict[str, float] = {}
    for number, (each, which, chance_z) in enumerate(zip(found, chosen, chance, strict=True)):
        name = each.template.object.name
        least = _least_score(hits[number].norm, chance_z, amplitude, params)
        kept = which[scores[number][which] >= least[which]]
        others = [k for k in range(len(found)) if k != number]
        rival = _best_rival(
            places[number][kept], [places[k] for k in others], [scores[k] for k in others], 0.5 * radii[number]
        )
        picks.append(
            replace(
                _no_picks(each.template),
                positions_angstrom_xyz=places[number][kept],
                rotations=hits[number].rotations[kept],
                scores=scores[number][kept],
                margins=scores[number][kept] - rival,
            )
        )
        norm = np.median(hits[number].norm, keepdims=True) if len(hits[number]) else np.zeros(1)
        threshold = float(_least_score(norm, chance_z, amplitude, params)[0])
        notes |= {f"{name}_threshold": threshold, f"{name}_norm": float(norm[0]), f"{name}_chance_z": chance_z}
    return picks, notes


def _least_score(norm: Floats, chance_z: float, amplitude: float, params: TemplateParams) -> Floats:
    """Likelihood ratio that a hit of each norm must reach: above chance, and with its share of the amplitude."""
    if params.score_threshold is not None:
        return np.full(len(norm), params.score_threshold)
    least_z = np.maximum(chance_z, params.least_amplitude * amplitude * norm)
    return log_likelihood_ratio(least_z, norm, params.amplitude * amplitude)


def _best_rival(
    positions_angstrom_xyz: Floats, places: Sequence[Floats], scores: Sequence[Floats], radius_angstrom: float
) -> Floats:
    """Largest likelihood ratio of any other class near each position; that of noise, 0, at least."""
    from scipy.spatial import KDTree

    best = np.zeros(len(positions_angstrom_xyz))
    for points, values in zip(places, scores, strict=True):
        if not len(points) or not len(best):
            continue
        near = KDTree(points).query_ball_point(positions_angstrom_xyz, radius_angstrom)
        best = np.maximum(best, [values[indices].max(initial=0.0) for indices in near])
    return best
