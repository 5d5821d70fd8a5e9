"""From chosen and settled hits to picks that carry their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.certainty import best_of_each, class_probabilities, false_discovery_rates, fit_mixture
from tomoset.annotation.templates.competition import Hits, log_likelihood_ratio
from tomoset.annotation.templates.params import HEAVY_KDA, Template, TemplateParams
from tomoset.annotation.templates.pursuit import Found
from tomoset.annotation.templates.refine import visible_share
from tomoset.annotation.templates.whitening import WhitenedVolume
from tomoset.geometry import point_group
from tomoset.model import PickFlag, Picks

__all__ = ["Chosen", "no_picks", "picks_of"]

Floats = NDArray[np.float64]

_WHOLE = 0.99
_MOST_FALSE = 0.5
# Places that a molecule could take count as distinct this far apart, for the share of them that each class has taken.
_PLACE_ANGSTROM = 20.0


@dataclass(slots=True)
class Chosen:
    """A class after its tier.

    Parameters
    ----------
    found : Found
        Its search.
    hits : Hits
        All refined candidates.
    noise_z : float
        What noise reaches as often as is allowed.
    chosen : Hits
        Those that won their places.
    amplitudes : (n,) array of float64
        By which the chosen were subtracted.
    """

    found: Found
    hits: Hits
    noise_z: float
    chosen: Hits
    amplitudes: Floats

    @property
    def name(self) -> str:
        """Of the class."""
        return self.found.template.object.name


def no_picks(name: str) -> Picks:
    """Nothing found of a class."""
    return _picks(name, Hits(np.zeros((0, 3)), np.zeros((0, 3, 3)), np.zeros(0), np.zeros(0)), np.zeros(0))


def _picks(name: str, hits: Hits, scores: Floats, **evidence: object) -> Picks:
    nothing = np.zeros(len(scores))
    values: dict[str, object] = {
        "margins": nothing,
        "rivals": np.full(len(scores), "", dtype=np.str_),
        "false_discovery_rates": nothing,
        "flags": nothing.astype(np.uint32),
    }
    return Picks(
        object_name=name,
        positions_angstrom_xyz=hits.positions_angstrom_xyz,
        rotations=hits.rotations,
        scores=scores,
        score_kind="log-likelihood ratio",
        **(values | evidence),  # type: ignore[arg-type]
    )


def picks_of(
    classes: Sequence[Chosen], amplitude: float, params: TemplateParams, white: WhitenedVolume
) -> tuple[list[Picks], dict[str, float]]:
    """Picks of all classes that are no decoys, and notes on each class.

    Parameters
    ----------
    classes : sequence of Chosen
        Settled.
    amplitude : float
        Of the tomogram's signal.
    params : TemplateParams
    white : WhitenedVolume
        Gives the volume's extent.

    Returns
    -------
    picks : list of Picks
        Kept by ``score_threshold``, or where a pick is likelier true than false.
    notes : dict of str to float
    """
    alpha = params.amplitude * amplitude
    scores = [log_likelihood_ratio(each.chosen.z, each.chosen.norm, alpha) for each in classes]
    candidates = [log_likelihood_ratio(each.hits.z, each.hits.norm, alpha) for each in classes]
    false, kept = [], []
    notes: dict[str, float] = {}
    for each, score in zip(classes, scores, strict=True):
        ratio = each.chosen.z / (each.chosen.norm * amplitude)
        doubt = _doubt(ratio, _cut(each.chosen, each, white), params.least_amplitude, each.found.template)
        good = doubt < _MOST_FALSE if params.score_threshold is None else score >= params.score_threshold
        false.append(doubt)
        kept.append(good & (each.chosen.z >= each.noise_z))
        notes |= _notes(each, amplitude, score[kept[-1]], doubt)
    places = max(float(np.prod(white.used_zyx)) * (white.voxel_size_angstrom / _PLACE_ANGSTROM) ** 3, 1.0)
    priors = np.array([(good.sum() + 0.5) / places for good in kept])
    searched = [number for number, each in enumerate(classes) if not each.found.template.decoy]
    picks = []
    for number in searched:
        each, good = classes[number], kept[number]
        hits, score, doubt = each.chosen.select(good), scores[number][good], false[number][good]
        best = best_of_each(
            hits.positions_angstrom_xyz,
            [other.hits.positions_angstrom_xyz for other in classes],
            candidates,
            0.5 * each.found.template.object.radius_angstrom,
        )
        best[:, number] = score
        others = np.delete(best, number, axis=1)
        names = np.array([other.name for other in classes if other is not each] or [""])
        rival = others.max(axis=1, initial=0.0)
        which = others.argmax(axis=1) if others.shape[1] else np.zeros(len(hits), dtype=np.intp)
        probability = class_probabilities(best, priors, doubt)
        group = point_group(each.found.template.object.symmetry)
        picks.append(
            _picks(
                each.name,
                replace(hits, rotations=group.representatives(hits.rotations)),
                score,
                margins=score - rival,
                rivals=np.where(rival > 0, names[which], ""),
                posterior_classes=tuple(classes[k].name for k in searched),
                posterior=probability[:, searched],
                false_discovery_rates=false_discovery_rates(doubt, score),
                flags=np.where(_cut(hits, each, white), int(PickFlag.EDGE), int(PickFlag.NONE)).astype(np.uint32),
            )
        )
    return picks, notes


def _notes(each: Chosen, amplitude: float, scores: Floats, doubt: Floats) -> dict[str, float]:
    """What the search says of one class."""
    if each.found.template.decoy:
        return {f"{each.name}_pieces": float(len(each.chosen))}
    norm = each.chosen.norm if len(each.chosen) else each.found.candidates.norm
    least = {f"{each.name}_threshold": float(scores.min())} if len(scores) else {}
    return least | {
        f"{each.name}_norm": float(np.median(norm)) if len(norm) else 0.0,
        f"{each.name}_d_prime": float(np.median(norm)) * amplitude if len(norm) else 0.0,
        f"{each.name}_chance_z": each.noise_z,
        f"{each.name}_false_share": float(doubt.mean()) if len(doubt) else 0.0,
    }


def _doubt(ratio: Floats, cut: NDArray[np.bool_], least: float, template: Template) -> Floats:
    """Probability that picks are false, those cut by the volume's faces judged among themselves.

    Pieces of heavy molecules that a face cuts resemble light ones; nothing of the kind makes a false heavy one.
    """
    light = template.structure.mass_kda < HEAVY_KDA
    doubt = np.ones(len(ratio))
    mode: float | None = None
    for group, is_cut in ((~cut, False), (cut, True)):
        kept = ratio[group & (ratio >= least)]
        mixture = fit_mixture(kept, least, cut=is_cut, light=light, usual_mode=mode)
        doubt[group] = np.where(ratio[group] >= least, mixture.false_probability(ratio[group]), 1.0)
        mode = mixture.mode
    return doubt


def _cut(hits: Hits, each: Chosen, white: WhitenedVolume) -> NDArray[np.bool_]:
    """Where a part of the molecule lies outside the volume."""
    structure = each.found.template.structure
    seen = [
        visible_share(structure, place, rotation, white)
        for place, rotation in zip(hits.positions_angstrom_xyz, hits.rotations, strict=True)
    ]
    return np.array(seen, dtype=np.float64) < _WHOLE
