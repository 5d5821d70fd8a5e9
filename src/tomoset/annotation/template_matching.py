"""The verb: find every particle of known shape in a tomogram."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.competition import Hits, log_likelihood_ratio
from tomoset.annotation.envelope import measure_envelope
from tomoset.annotation.exclusion import Claims, choose_exclusively
from tomoset.annotation.params import Template, TemplateParams
from tomoset.annotation.preparation import Prepared, prepare
from tomoset.annotation.pursuit import Found, judge, refine_all, search_all, tiers_of
from tomoset.annotation.refine import refiner_of
from tomoset.annotation.residual import resettle, rewhitened, subtract
from tomoset.errors import ParameterError
from tomoset.model import Labels, Picks, Progress, Resources, TiltSeries, Tomogram

__all__ = ["match_templates", "methods_text"]

Floats = NDArray[np.float64]

_FIRST_BLUR_ANGSTROM = 5.0
_SETTLE_STEP_DEG = 8.0


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
    tiers = tiers_of(templates)
    fine = prepare(tomogram, series, templates, params, params.voxel_size_angstrom, resources)
    state = _State(fine, params.alignment_envelope_angstrom, None, [])
    for number, tier in enumerate(tiers):
        coarse_voxel = params.search_voxel_angstrom([template.structure.mass_kda for template in tier])
        where = state.prepared
        if number == 0 and coarse_voxel != params.voxel_size_angstrom:
            where = prepare(tomogram, series, templates, params, coarse_voxel, resources)
        _search_tier(state, where, tier, params, resources, progress)
    if state.amplitude is None:
        return _labels(tomogram, params, [_no_picks(t) for t in templates if not t.decoy], {"signal_amplitude": 0.0})
    _settle(state)
    picks, notes = _evidence(state, params)
    picks = [each.select(tomogram.grid.contains(each.positions_angstrom_xyz)) for each in picks]
    notes |= {"signal_amplitude": state.amplitude, "alignment_envelope_angstrom": state.blur_angstrom or 0.0}
    return _labels(tomogram, params, picks, notes)


@dataclass(slots=True)
class _Class:
    """A class after its tier: what was refined, and which of it was chosen and subtracted."""

    found: Found
    hits: Hits
    chance_z: float
    chosen: Hits
    amplitudes: Floats


@dataclass(slots=True)
class _State:
    """The pursuit so far: the residual, the blur and amplitude assumed, and the classes that had their turn."""

    prepared: Prepared
    blur_angstrom: float | None
    amplitude: float | None
    classes: list[_Class]


def _search_tier(
    state: _State,
    where: Prepared,
    tier: Sequence[Template],
    params: TemplateParams,
    resources: Resources,
    progress: Progress,
) -> None:
    """Search the classes of one tier in the residual, choose among them, and subtract what was chosen."""
    blur = _FIRST_BLUR_ANGSTROM if state.blur_angstrom is None else state.blur_angstrom
    found = search_all(where.faded(blur), tier, params, resources, progress)
    amplitude, _, sure = judge(found, [each.candidates for each in found], [each.chance for each in found], params)
    amplitude = state.amplitude or amplitude
    if amplitude is None:
        return
    if state.blur_angstrom is None:
        structures, steps = [t.structure for t in tier], [each.step_deg for each in found]
        blur = measure_envelope(sure, structures, steps, state.prepared, blur, resources)
        state.blur_angstrom = blur
    ready = state.prepared.faded(blur)
    hits, chance_hits = refine_all(found, ready, params.amplitude * amplitude, resources, progress)
    final, chance, _ = judge(found, hits, chance_hits, params)
    if state.amplitude is None:
        state.amplitude = final or amplitude
    alpha = params.amplitude * state.amplitude
    claims = []
    for each, refined, chance_z in zip(found, hits, chance, strict=True):
        score = log_likelihood_ratio(refined.z, refined.norm, alpha)
        good = score >= _least_score(refined.norm, chance_z, state.amplitude, params)
        kept = refined.select(good)
        claims.append(Claims(each.template.structure, kept, score[good], each.template.decoy))
    taken = [(each.found.template.structure, each.chosen) for each in state.classes]
    for each, refined, chance_z, claim, which in zip(
        found, hits, chance, claims, choose_exclusively(claims, params.exclusion_fraction, taken), strict=True
    ):
        chosen = claim.hits.select(which)
        state.classes.append(_Class(each, refined, chance_z, chosen, np.zeros(len(chosen))))
    for each in state.classes[-len(tier) :]:
        refiner = refiner_of(each.found.template.structure, ready, each.found.step_deg)
        each.amplitudes = subtract(ready, each.chosen, refiner, 1.3 * state.amplitude)
    state.prepared = rewhitened(state.prepared, resources.workers)


def _settle(state: _State) -> None:
    """Fit every chosen particle once more, alone in the residual that all others have left."""
    ready = state.prepared.faded(state.blur_angstrom or 0.0)
    for each in state.classes:
        structure = each.found.template.structure
        refiner = refiner_of(structure, ready, _SETTLE_STEP_DEG)
        each.chosen, each.amplitudes = resettle(ready, each.chosen, structure, refiner, each.amplitudes)


def _evidence(state: _State, params: TemplateParams) -> tuple[list[Picks], dict[str, float]]:
    assert state.amplitude is not None
    alpha = params.amplitude * state.amplitude
    picks, notes = [], {}
    for each in state.classes:
        name = each.found.template.object.name
        notes[f"{name}_chance_z"] = each.chance_z
        notes[f"{name}_norm"] = float(np.median(each.chosen.norm)) if len(each.chosen) else 0.0
        if each.found.template.decoy:
            notes[f"{name}_pieces"] = float(len(each.chosen))
            continue
        picks.append(
            replace(
                _no_picks(each.found.template),
                positions_angstrom_xyz=each.chosen.positions_angstrom_xyz,
                rotations=each.chosen.rotations,
                scores=log_likelihood_ratio(each.chosen.z, each.chosen.norm, alpha),
                margins=None,
            )
        )
    return picks, notes


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
