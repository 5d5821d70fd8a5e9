"""The verb: find every particle of known shape in a tomogram."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.competition import (
    Hits,
    log_likelihood_ratio,
)
from tomoset.annotation.templates.envelope import measure_envelope
from tomoset.annotation.templates.exclusion import Claims, choose_exclusively, in_company
from tomoset.annotation.templates.hand import HITS_JUDGED, contrast_is_inverted, hand_log_likelihood
from tomoset.annotation.templates.params import Template, TemplateParams
from tomoset.annotation.templates.picking import Chosen, no_picks, picks_of
from tomoset.annotation.templates.preparation import Prepared, prepare
from tomoset.annotation.templates.pursuit import (
    Found,
    all_round,
    noise_level,
    refine_all,
    search_all,
    signal_amplitude,
    tiers_of,
)
from tomoset.annotation.templates.refine import refiner_of
from tomoset.annotation.templates.residual import resettle, rewhitened, subtract
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import Labels, Picks, Progress, Resources, TiltSeries, Tomogram

__all__ = ["match_templates", "methods_text"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FIRST_BLUR_ANGSTROM = 5.0
_SETTLE_STEP_DEG = 8.0
_DECOY_AMPLITUDE = 0.6
_DECOY_COMPANY = 3
# Mirror images fit better by this log-likelihood, and by this share of the particles' own: nearly mirror-symmetric
# particles fit theirs as well as themselves, to the precision of the poses tried.
_WRONG_HAND, _WRONG_HAND_SHARE = 20.0, 0.01
# Of the signal amplitude: more is taken from nothing, or two molecules would be subtracted as one.
_MOST_AMPLITUDE = 1.3


def methods_text(params: TemplateParams) -> str:
    """One citable sentence on how templates were matched."""
    threshold = (
        "the match that is as likely false as true, by a mixture of true and false matches fitted to each class from "
        f"{params.least_amplitude:.0%} of the tomogram's own signal amplitude on and above "
        f"{params.expected_false_positives:g} expected chance matches per class"
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
        "classes competed on one likelihood scale with mutual exclusion, heavy ones before lighter ones, which were "
        "searched in what the subtraction of the heavy ones left; positions and rotations were refined, each particle "
        "alone in the residual of all others, and "
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
    region_zyx: Mask | None = None,
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
        Decoys compete and are subtracted like the others, and are not labeled.
    params : TemplateParams
    resources : Resources
        Threads, device and memory of the search's correlations; the tomogram itself and its whitened copies at the
        search's voxel size come on top.
    progress : Progress
    region_zyx : (z, y, x) array of bool or None
        Voxels of the tomogram in which particles' centres may lie; None for all.

    Returns
    -------
    Labels
        Positions in the tomogram's volume frame; scores are log-likelihood ratios against noise, margins the lead
        over the best other class at the same place (``rivals``), false discovery rates from a mixture of true and
        false matches, a posterior over the classes, and flags. ``notes`` hold the signal amplitude measured (in units
        of the tomogram's density per volt), the blur assumed, and for each class the lowest score kept, the norm of
        its template, its d′ after subtraction, the share of false matches before the threshold, and how much likelier
        the template's hand is than the other.

    Raises
    ------
    ParameterError
        If there is no class to label, two share a name, one is larger than the volume, or the tomogram's contrast is
        inverted.
    GeometryError
        If the series is not the tomogram's, the volume is empty or holds NaN, or the region is of another shape.

    Warns
    -----
    UserWarning
        If mirrored templates fit clearly better than the templates.

    Notes
    -----
    With whitened data V and whitened template t of norm A, the likelihood of a particle with amplitude α against
    noise is ``exp(α ⟨V, t⟩ − α² A² / 2)``: one scale for all classes, whatever their size. Radial or local
    normalisation of correlations does not give that.
    """
    _check(tomogram, templates, region_zyx)
    fine = prepare(tomogram, series, templates, params, params.voxel_size_angstrom, resources)
    state = _State(fine, params.alignment_envelope_angstrom, _Region(tomogram, region_zyx))
    for number, tier in enumerate(tiers_of(templates)):
        coarse_voxel = params.search_voxel_angstrom([template.structure.mass_kda for template in tier])
        where = state.prepared
        if number == 0 and coarse_voxel != params.voxel_size_angstrom:
            where = prepare(tomogram, series, templates, params, coarse_voxel, resources)
        _search_tier(state, where, tier, params, resources, progress)
    if state.amplitude is None:
        nothing = [no_picks(t.object.name) for t in templates if not t.decoy]
        return _labels(tomogram, params, nothing, {"signal_amplitude": 0.0})
    _settle(state)
    picks, notes = picks_of(state.classes, state.amplitude, params, state.prepared.white)
    inside = {p.object_name: p.select(tomogram.grid.contains(p.positions_angstrom_xyz)) for p in picks}
    picks = [inside.get(t.object.name, no_picks(t.object.name)) for t in templates if not t.decoy]
    notes |= {"signal_amplitude": state.amplitude, "alignment_envelope_angstrom": state.blur_angstrom or 0.0}
    return _labels(tomogram, params, picks, notes | _judge_hand(state, tomogram))


def _check(tomogram: Tomogram, templates: Sequence[Template], region_zyx: Mask | None) -> None:
    """Refuse what cannot be searched."""
    names = [template.object.name for template in templates]
    if all(template.decoy for template in templates) or len(set(names)) < len(names):
        raise ParameterError(f"templates: expected one or more classes of different names, got {names}")
    size = float(tomogram.grid.size_angstrom_xyz.max())
    for template in templates:
        if 2 * template.structure.radius_angstrom > size:
            raise ParameterError(
                f"{template.object.name}: expected a molecule smaller than the tomogram, found "
                f"{2 * template.structure.radius_angstrom:.0f} Å in a volume of {size:.0f} Å; search a larger part"
            )
    if region_zyx is not None and region_zyx.shape != tomogram.grid.shape_zyx:
        raise GeometryError(
            f"region: expected a mask of the tomogram's {tomogram.grid.shape_zyx} voxels, got {region_zyx.shape}; make "
            "it on this tomogram's grid"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """Where centres may lie."""

    tomogram: Tomogram
    mask_zyx: Mask | None

    def holds(self, positions_angstrom_xyz: Floats) -> Mask:
        """Which positions it holds; a place outside the volume counts as the nearest voxel."""
        if self.mask_zyx is None:
            return np.ones(len(positions_angstrom_xyz), dtype=bool)
        index = np.rint(self.tomogram.grid.index_zyx(positions_angstrom_xyz)).astype(np.intp)
        index = np.clip(index, 0, np.array(self.mask_zyx.shape) - 1)
        return np.asarray(self.mask_zyx[tuple(index.T)])


@dataclass(slots=True)
class _State:
    """The pursuit so far: the residual, the blur and amplitude assumed, and the classes that had their turn."""

    prepared: Prepared
    blur_angstrom: float | None
    region: _Region
    amplitude: float | None = None
    classes: list[Chosen] = field(default_factory=list)


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
    for each in found:
        each.candidates = each.candidates.select(state.region.holds(each.candidates.positions_angstrom_xyz))
    if state.amplitude is None and contrast_is_inverted(
        [each.candidates.z for each in found], [each.chance.z for each in found]
    ):
        contrast = state.region.tomogram.contrast
        raise ParameterError(
            f"{state.region.tomogram.run}: expected protein {contrast} in the tomogram, found that templates of the "
            f"other contrast fit better; set the tomogram's contrast to {'light' if contrast == 'dark' else 'dark'}"
        )
    amplitude, sure = signal_amplitude(found, [each.candidates for each in found], params)
    amplitude = state.amplitude or amplitude
    if amplitude is None:
        return
    if state.blur_angstrom is None:
        structures, steps = [t.structure for t in tier], [each.step_deg for each in found]
        blur = measure_envelope(sure, structures, steps, state.prepared, blur, resources)
        state.blur_angstrom = blur
    ready = state.prepared.faded(blur)
    hits = refine_all(found, ready, amplitude, params, resources, progress)
    if state.amplitude is None:
        state.amplitude = signal_amplitude(found, hits, params)[0] or amplitude
    _choose(state, found, hits, params)
    for won in state.classes[-len(tier) :]:
        refiner = refiner_of(won.found.template.structure, ready, won.found.step_deg)
        won.amplitudes = subtract(ready, won.chosen, refiner, _MOST_AMPLITUDE * state.amplitude)
    state.prepared = rewhitened(state.prepared, resources.workers)


def _choose(state: _State, found: Sequence[Found], hits: Sequence[Hits], params: TemplateParams) -> None:
    """Give each place to the likeliest candidate of a tier."""
    amplitude = state.amplitude or 1.0
    claims = []
    for each, refined in zip(found, hits, strict=True):
        score = log_likelihood_ratio(refined.z, refined.norm, params.amplitude * amplitude)
        share = max(_DECOY_AMPLITUDE, params.least_amplitude) if each.template.decoy else params.least_amplitude
        good = refined.z >= np.maximum(noise_level(each, params), share * amplitude * refined.norm)
        claims.append(Claims(each.template.structure, refined.select(good), score[good], each.template.decoy))
    taken = [(each.found.template.structure, each.chosen) for each in state.classes]
    chosen = choose_exclusively(claims, params.exclusion_fraction, taken)
    if any(claim.may_overlap for claim in claims):
        claims = [_without_loners(claim, which) for claim, which in zip(claims, chosen, strict=True)]
        chosen = choose_exclusively(claims, params.exclusion_fraction, taken)
    for each, refined, claim, which in zip(found, hits, claims, chosen, strict=True):
        picked = claim.hits.select(which)
        state.classes.append(Chosen(each, refined, noise_level(each, params), picked, np.zeros(len(picked))))


def _without_loners(claim: Claims, chosen: NDArray[np.intp]) -> Claims:
    """Leave out of a class of pieces all that did not win a place in company of their own."""
    if not claim.may_overlap:
        return claim
    kept = chosen[in_company(claim.hits.select(chosen), claim.structure, _DECOY_COMPANY)]
    return Claims(claim.structure, claim.hits.select(kept), claim.scores[kept], claim.may_overlap)


def _settle(state: _State) -> None:
    """Fit every chosen particle once more, alone in the residual that all others have left.

    Of particles with few distinct rotations all are tried again: the coarse search may have missed the right one.
    """
    ready = state.prepared.faded(state.blur_angstrom or 0.0)
    for each in state.classes:
        structure = each.found.template.structure
        rotations = None if each.found.template.decoy else all_round(each.found.template)
        refiner = refiner_of(structure, ready, _SETTLE_STEP_DEG)
        each.chosen, each.amplitudes = resettle(ready, each.chosen, structure, refiner, each.amplitudes, rotations)


def _judge_hand(state: _State, tomogram: Tomogram) -> dict[str, float]:
    """How much likelier the templates' hand is than the other, class by class; warns when it is the other."""
    ready = state.prepared.faded(state.blur_angstrom or 0.0)
    notes, evidence = {}, 0.0
    for each in state.classes:
        template = each.found.template
        if template.decoy or not len(each.chosen):
            continue
        notes[f"{each.name}_hand"] = hand_log_likelihood(
            ready, each.chosen, each.amplitudes, template.structure, template.object.symmetry
        )
        evidence += float(np.sum(np.sort(each.chosen.z**2)[-HITS_JUDGED:])) / 2
    total = float(sum(notes.values()))
    if total < -max(_WRONG_HAND, _WRONG_HAND_SHARE * evidence):
        warnings.warn(
            f"{tomogram.run}: expected templates to fit better than their mirror images, found the mirror images "
            f"likelier (log-likelihood {-total:.0f}); the tomogram's hand (the sign of its tilt angles) or the hand "
            "of a template's map is wrong",
            stacklevel=3,
        )
    return notes


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
