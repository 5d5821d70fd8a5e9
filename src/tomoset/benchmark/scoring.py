"""How well predicted labels agree with the truth, pooled over tomograms."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.calibration import fdr_calibration, probability_calibration, stated_probability
from tomoset.benchmark.curves import free_response, newly_matched, precision_recall
from tomoset.benchmark.czii import CZII_BETA, czii_counts, f_beta
from tomoset.benchmark.intervals import class_rates, count_table, interval, resampled_counts, statistic_of
from tomoset.benchmark.matching import neighbours_within
from tomoset.benchmark.pairing import ANY_CLASS, ClassPair, as_one_class, pair_class, pair_runs
from tomoset.benchmark.strata import Surroundings, score_strata
from tomoset.benchmark.versions import truth_version
from tomoset.errors import ParameterError
from tomoset.geometry import point_group
from tomoset.model import (
    Calibration,
    ClassScore,
    FreeResponse,
    Labels,
    PickableObject,
    PrecisionRecall,
    RunCounts,
    Score,
)

__all__ = ["METRIC_VERSION", "methods_text", "score"]

METRIC_VERSION = "2"
"""Raised whenever a figure changes its meaning."""

Floats = NDArray[np.float64]
Interval = tuple[float, float]


def methods_text(match_fraction: float = 0.5) -> str:
    """One citable sentence on how labels were scored."""
    return (
        f"Picks were matched one-to-one to true particles of their class within {match_fraction:g} particle radii by "
        "optimal assignment, pooled over tomograms; precision, recall, F1, average precision, localisation and "
        "symmetry-aware orientation errors are of these pairs, picks in regions to be ignored count as neither right "
        "nor false, intervals are 95 % percentiles of 2000 resamplings of the tomograms, and F4 follows the CZII "
        "CryoET challenge's own counting."
    )


def score(
    predicted: Sequence[Labels],
    truth: Sequence[Labels],
    objects: Sequence[PickableObject],
    *,
    match_fraction: float = 0.5,
    claimed: Collection[str] | None = None,
    surroundings: Mapping[str, Surroundings] | None = None,
    seed: int = 0,
) -> Score:
    """Score predicted picks against true ones.

    Parameters
    ----------
    predicted, truth : sequence of Labels
        At most one entry per run each; positions of a run in the same tomogram's volume frame. A run of the truth
        without predictions counts as missed. Semantic masks of the truth say by ``IGNORE`` where nothing is scored.
    objects : sequence of PickableObject
        The classes to score; their radius sets the matching distance, their symmetry the orientation error.
    match_fraction : float
        Matching distance as a share of the radius; 0.5 is CZII's.
    claimed : collection of str, optional
        Classes that the method looks for; those that any prediction has an entry for (be it empty) unless told.
    surroundings : mapping of str to Surroundings, optional
        By run; what strata by depth and edge need.
    seed : int
        Of the resampling.

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
    runs = pair_runs(predicted, truth)
    if claimed is None:
        claimed = {picks.object_name for labels in predicted for picks in labels.picks}
    pairs = {
        item.name: [pair_class(*run, item.name, match_fraction * item.radius_angstrom) for run in runs]
        for item in objects
    }
    classes = tuple(
        replace(_score_class(pairs[item.name], item, match_fraction), claimed=item.name in claimed) for item in objects
    )
    classes, intervals = _with_intervals(classes, seed)
    (any_class,), of_any = _with_intervals((_score_any_class(runs, objects, match_fraction),), seed)
    if of_any:
        intervals["f1_any_class"] = of_any["mean_f1"]
    return Score(
        predicted_by=", ".join(sorted({labels.user for labels in predicted})),
        runs=tuple(true.run for _, true in runs),
        classes=classes,
        metric_version=METRIC_VERSION,
        truth_version=truth_version(truth, objects),
        any_class=any_class,
        strata=score_strata(
            [(item, pair) for item in objects if item.name in claimed for pair in pairs[item.name]],
            {true.run: true for _, true in runs},
            objects,
            surroundings or {},
        ),
        intervals=intervals,
    )


def _score_class(pairs: list[ClassPair], item: PickableObject, match_fraction: float) -> ClassScore:
    runs = tuple(_run_counts(pair) for pair in pairs)
    counts = count_table(runs).sum(axis=0)
    rates = {name: float(value) for name, value in class_rates(counts).items()}
    distances = np.concatenate([pair.matching.distance_angstrom for pair in pairs] or [np.zeros(0)])
    angles = np.concatenate([_orientation_errors_deg(pair, item.symmetry) for pair in pairs] or [np.zeros(0)])
    curve, response = _curves(pairs, int(counts[0]))
    return ClassScore(
        object_name=item.name,
        n_truth=int(counts[0]),
        n_predicted=int(counts[1]),
        n_matched=int(counts[2]),
        match_radius_angstrom=match_fraction * item.radius_angstrom,
        precision=rates["precision"],
        recall=rates["recall"],
        f1=rates["f1"],
        f4_czii=f_beta(int(counts[3]), int(counts[1] - counts[3]), int(counts[0] - counts[3]), CZII_BETA),
        localisation_median_angstrom=_quantile(distances, 0.5),
        localisation_p95_angstrom=_quantile(distances, 0.95),
        orientation_median_deg=_quantile(angles, 0.5),
        orientation_p95_deg=_quantile(angles, 0.95),
        curve=curve,
        n_duplicates=sum(pair.n_duplicates for pair in pairs),
        n_set_aside=sum(pair.n_set_aside for pair in pairs),
        free_response=response,
        probability_calibration=_probability_calibration(pairs),
        fdr_calibration=_fdr_calibration(pairs),
        runs=runs,
    )


def _run_counts(pair: ClassPair) -> RunCounts:
    found, _, _ = _czii_counts(pair)
    return RunCounts(
        run=pair.run,
        n_truth=len(pair.true),
        n_predicted=len(pair.predicted),
        n_matched=len(pair.matching),
        n_found_czii=found,
    )


def _czii_counts(pair: ClassPair) -> tuple[int, int, int]:
    """CZII's counts where every particle may have its own matching distance."""
    radius = pair.radius_angstrom
    if not len(radius) or np.all(radius == radius[0]):
        return czii_counts(
            pair.predicted.positions_angstrom_xyz,
            pair.true.positions_angstrom_xyz,
            float(radius[0]) if len(radius) else 0.0,
        )
    _, near, _ = neighbours_within(pair.predicted.positions_angstrom_xyz, pair.true.positions_angstrom_xyz, radius)
    found = len(np.unique(near))
    return found, len(pair.predicted) - found, len(pair.true) - found


def _score_any_class(
    runs: list[tuple[Labels, Labels]], objects: Sequence[PickableObject], match_fraction: float
) -> ClassScore:
    """Detection whatever the class: each particle within the distance of its own class."""
    pairs = []
    for predicted, true in runs:
        particles, radius = as_one_class(true, objects)
        found, _ = as_one_class(predicted, objects)
        pairs.append(pair_class(found, particles, ANY_CLASS, match_fraction * radius))
    largest = max((item.radius_angstrom for item in objects), default=1.0)
    return _score_class(pairs, PickableObject(name=ANY_CLASS, label=1, radius_angstrom=largest), match_fraction)


def _with_intervals(classes: tuple[ClassScore, ...], seed: int) -> tuple[tuple[ClassScore, ...], dict[str, Interval]]:
    """The classes with their bootstrap intervals, and those of the means over them."""
    if not classes or not classes[0].runs:
        return classes, {}
    sums = resampled_counts(np.stack([count_table(item.runs) for item in classes], axis=1), seed=seed)
    n_runs = len(classes[0].runs)
    rates = class_rates(sums)
    widened = tuple(
        replace(item, intervals={name: interval(values[:, i], n_runs) for name, values in rates.items()})
        for i, item in enumerate(classes)
    )
    claimed = np.array([item.claimed for item in classes], dtype=bool)
    means: dict[str, Interval] = {
        "mean_f1": interval(statistic_of(sums, claimed, "mean_f1"), n_runs),
        "czii": interval(statistic_of(sums, claimed, "czii"), n_runs),
    }
    if claimed.any():
        means["mean_f1_claimed"] = interval(statistic_of(sums, claimed, "mean_f1_claimed"), n_runs)
    return widened, means


def _quantile(values: Floats, which: float) -> float:
    return float(np.quantile(values, which)) if len(values) else float("nan")


def _orientation_errors_deg(pair: ClassPair, symmetry: str) -> Floats:
    if pair.predicted.rotations is None or pair.true.rotations is None or not len(pair.matching):
        return np.zeros(0)
    known = np.ones(len(pair.matching), dtype=bool)
    if pair.predicted.orientation_known is not None:
        known = pair.predicted.orientation_known[pair.matching.predicted]
    found = pair.predicted.rotations[pair.matching.predicted[known]]
    return point_group(symmetry).angle_between_deg(found, pair.true.rotations[pair.matching.true[known]])


def _gains(pair: ClassPair, sureness: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Sureness from the largest down, and whether each pick, added in that order, adds a match."""
    near_predicted, near_true, _ = neighbours_within(
        pair.predicted.positions_angstrom_xyz, pair.true.positions_angstrom_xyz, pair.radius_angstrom
    )
    order, gained = newly_matched(sureness, near_predicted, near_true)
    return sureness[order], gained


def _pooled_gains(sure: list[tuple[ClassPair, Floats]]) -> tuple[Floats, NDArray[np.bool_]]:
    each = [_gains(pair, values) for pair, values in sure]
    values, gained = np.concatenate([v for v, _ in each]), np.concatenate([g for _, g in each])
    descending = np.argsort(-values, kind="stable")
    return values[descending], gained[descending]


def _curves(pairs: list[ClassPair], n_truth: int) -> tuple[PrecisionRecall, FreeResponse] | tuple[None, None]:
    """Pooled curves over the runs; None when some predictions carry no score, or there are none."""
    claimed = [pair for pair in pairs if len(pair.predicted)]
    sure = [(pair, pair.predicted.scores) for pair in claimed if pair.predicted.scores is not None]
    if not claimed or len(sure) < len(claimed):
        return None, None
    values, gained = _pooled_gains(sure)
    return precision_recall(values, gained, n_truth), free_response(values, gained, n_truth, len(pairs))


def _fdr_calibration(pairs: list[ClassPair]) -> Calibration | None:
    claimed = [pair for pair in pairs if len(pair.predicted)]
    stated = [
        (pair, -pair.predicted.false_discovery_rates)
        for pair in claimed
        if pair.predicted.false_discovery_rates is not None
    ]
    if not claimed or len(stated) < len(claimed):
        return None
    values, gained = _pooled_gains(stated)
    return fdr_calibration(-values, gained)


def _probability_calibration(pairs: list[ClassPair]) -> Calibration | None:
    claimed = [pair for pair in pairs if len(pair.predicted)]
    stated = [(pair, stated_probability(pair.predicted)) for pair in claimed]
    known = [(values, ~pair.is_false) for pair, values in stated if values is not None]
    if not known or len(known) < len(claimed):
        return None
    return probability_calibration(np.concatenate([v for v, _ in known]), np.concatenate([t for _, t in known]))
