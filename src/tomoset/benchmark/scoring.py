"""How well predicted labels agree with the truth, pooled over tomograms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.curves import newly_matched, precision_recall
from tomoset.benchmark.czii import CZII_BETA, czii_counts, f_beta
from tomoset.benchmark.matching import Matching, match_one_to_one, neighbours_within
from tomoset.errors import ParameterError
from tomoset.geometry import point_group
from tomoset.model import ClassScore, Labels, PickableObject, Picks, PrecisionRecall, Score

__all__ = ["METRIC_VERSION", "methods_text", "pair_runs", "score"]

METRIC_VERSION = "1"


def methods_text(match_fraction: float = 0.5) -> str:
    """One citable sentence on how labels were scored."""
    return (
        f"Picks were matched one-to-one to true particles of their class within {match_fraction:g} particle radii by "
        "optimal assignment, pooled over tomograms; precision, recall, F1, average precision, localisation and "
        "symmetry-aware orientation errors are of these pairs, and F4 follows the CZII CryoET challenge's own counting."
    )


def score(
    predicted: Sequence[Labels],
    truth: Sequence[Labels],
    objects: Sequence[PickableObject],
    *,
    match_fraction: float = 0.5,
) -> Score:
    """Score predicted picks against true ones.

    Parameters
    ----------
    predicted, truth : sequence of Labels
        At most one entry per run each; positions of a run in the same tomogram's volume frame. A run of the truth
        without predictions counts as missed.
    objects : sequence of PickableObject
        The classes to score; their radius sets the matching distance, their symmetry the orientation error.
    match_fraction : float
        Matching distance as a share of the radius; 0.5 is CZII's.

    Returns
    -------
    Score
        Counts pooled over runs, one entry per class. A class that is neither in the truth nor predicted has
        precision, recall and F1 of 1 (nothing to find, nothing claimed); its CZII F4 is 0, as that scorer has it.

    Raises
    ------
    ParameterError
        If a run occurs twice, predictions name a run without truth, or the fraction is not positive.
    GeometryError
        If a position is not finite.
    """
    if not match_fraction > 0:
        raise ParameterError(f"match_fraction must be positive, got {match_fraction:g}; 0.5 is the CZII distance")
    pairs = pair_runs(predicted, truth)
    classes = tuple(_score_class(pairs, item, match_fraction) for item in objects)
    authors = sorted({labels.user for labels in predicted})
    return Score(
        predicted_by=", ".join(authors),
        runs=tuple(true.run for _, true in pairs),
        classes=classes,
        metric_version=METRIC_VERSION,
    )


def pair_runs(predicted: Sequence[Labels], truth: Sequence[Labels]) -> list[tuple[Labels, Labels]]:
    """Bring predictions and truth of each run together, in alphabetical order of the runs of the truth.

    Raises
    ------
    ParameterError
        If a run occurs twice on one side, or predictions name a run that has no truth.
    """
    for name, side in (("predicted", predicted), ("true", truth)):
        runs = [labels.run for labels in side]
        twice = sorted({run for run in runs if runs.count(run) > 1})
        if twice:
            raise ParameterError(f"{name} labels: expected one entry per run, found several of {', '.join(twice)}")
    by_run = {labels.run: labels for labels in predicted}
    unknown = sorted(set(by_run) - {labels.run for labels in truth})
    if unknown:
        raise ParameterError(
            f"expected predictions of runs with truth only, found {', '.join(unknown)}; leave those runs out"
        )
    return [(by_run.get(true.run, _nothing_for(true)), true) for true in sorted(truth, key=lambda item: item.run)]


def _nothing_for(true: Labels) -> Labels:
    return Labels(run=true.run, user="", session="", voxel_size_angstrom=true.voxel_size_angstrom)


@dataclass(frozen=True, slots=True, eq=False)
class _RunMatch:
    predicted: Picks
    true: Picks
    matching: Matching


def _matches(pairs: list[tuple[Labels, Labels]], name: str, radius_angstrom: float) -> Iterator[_RunMatch]:
    for predicted_labels, true_labels in pairs:
        predicted, true = predicted_labels.of(name), true_labels.of(name)
        matching = match_one_to_one(predicted.positions_angstrom_xyz, true.positions_angstrom_xyz, radius_angstrom)
        yield _RunMatch(predicted, true, matching)


def _score_class(pairs: list[tuple[Labels, Labels]], item: PickableObject, match_fraction: float) -> ClassScore:
    radius = match_fraction * item.radius_angstrom
    runs = list(_matches(pairs, item.name, radius))
    n_truth = sum(len(run.true) for run in runs)
    n_predicted = sum(len(run.predicted) for run in runs)
    n_matched = sum(len(run.matching) for run in runs)
    empty = n_truth == 0 and n_predicted == 0
    distances = np.concatenate([run.matching.distance_angstrom for run in runs] or [np.zeros(0)])
    angles = np.concatenate([_orientation_errors_deg(run, item.symmetry) for run in runs] or [np.zeros(0)])
    return ClassScore(
        object_name=item.name,
        n_truth=n_truth,
        n_predicted=n_predicted,
        n_matched=n_matched,
        match_radius_angstrom=radius,
        precision=1.0 if empty else n_matched / max(n_predicted, 1),
        recall=1.0 if empty else n_matched / max(n_truth, 1),
        f1=1.0 if empty else 2 * n_matched / (n_predicted + n_truth),
        f4_czii=_f4_czii(runs, radius),
        localisation_median_angstrom=_quantile(distances, 0.5),
        localisation_p95_angstrom=_quantile(distances, 0.95),
        orientation_median_deg=_quantile(angles, 0.5),
        curve=_curve(runs, radius, n_truth),
    )


def _f4_czii(runs: list[_RunMatch], radius_angstrom: float) -> float:
    counts = [
        czii_counts(run.predicted.positions_angstrom_xyz, run.true.positions_angstrom_xyz, radius_angstrom)
        for run in runs
    ]
    found, false, missed = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0, 0)
    return f_beta(found, false, missed, CZII_BETA)


def _quantile(values: NDArray[np.float64], which: float) -> float:
    return float(np.quantile(values, which)) if len(values) else float("nan")


def _orientation_errors_deg(run: _RunMatch, symmetry: str) -> NDArray[np.float64]:
    if run.predicted.rotations is None or run.true.rotations is None or not len(run.matching):
        return np.zeros(0)
    found = run.predicted.rotations[run.matching.predicted]
    return point_group(symmetry).angle_between_deg(found, run.true.rotations[run.matching.true])


def _curve(runs: list[_RunMatch], radius_angstrom: float, n_truth: int) -> PrecisionRecall | None:
    """Pooled curve over the runs; None when some predictions carry no score, or there are none."""
    claimed = [run for run in runs if len(run.predicted)]
    if not claimed or any(run.predicted.scores is None for run in claimed):
        return None
    scores, gained = [], []
    for run in claimed:
        values = run.predicted.scores
        if values is None:
            continue
        near_predicted, near_true, _ = neighbours_within(
            run.predicted.positions_angstrom_xyz, run.true.positions_angstrom_xyz, radius_angstrom
        )
        order, grew = newly_matched(values, near_predicted, near_true)
        scores.append(values[order])
        gained.append(grew)
    all_scores, all_gained = np.concatenate(scores), np.concatenate(gained)
    descending = np.argsort(-all_scores, kind="stable")
    return precision_recall(all_scores[descending], all_gained[descending], n_truth)
