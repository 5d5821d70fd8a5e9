"""How sure a score is: resampling tomograms, because particles of one tomogram share its ice, dose and alignment."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.czii import CZII_BETA
from tomoset.errors import ParameterError
from tomoset.model import RunCounts, Score

__all__ = [
    "MASK_STATISTICS",
    "N_RESAMPLES",
    "Statistic",
    "class_rates",
    "count_table",
    "interval",
    "resampled_counts",
    "run_values",
    "statistic_of",
    "with_mask_intervals",
]

Floats = NDArray[np.float64]

N_RESAMPLES = 2000
_TRUTH, _PREDICTED, _MATCHED, _CZII = range(4)

Statistic = Literal[
    "mean_f1", "mean_f1_claimed", "czii", "f1_any_class", "mean_dice", "surface_dice", "panoptic_quality"
]
"""Figures by which methods can be ranked: attributes of ``Score``."""

MASK_STATISTICS: tuple[Statistic, ...] = ("mean_dice", "surface_dice", "panoptic_quality")
"""Those that are means of tomograms; the others come of pooled counts."""


def count_table(runs: Sequence[RunCounts]) -> Floats:
    """Counts (n, 4) of the tomograms: true, predicted, matched, found as CZII counts."""
    rows = [(r.n_truth, r.n_predicted, r.n_matched, r.n_found_czii) for r in runs]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def class_rates(counts: Floats) -> dict[str, Floats]:
    """Precision, recall, F1 and CZII F4 of pooled counts (..., 4).

    Where nothing is there and nothing claimed, the first three are 1 and F4 is 0, as for a single score.
    """
    true, predicted, matched, found = np.moveaxis(counts, -1, 0)
    empty = (true + predicted) == 0
    czii_precision, czii_recall = found / np.maximum(predicted, 1), found / np.maximum(true, 1)
    below = CZII_BETA**2 * czii_precision + czii_recall
    return {
        "precision": np.where(empty, 1.0, matched / np.maximum(predicted, 1)),
        "recall": np.where(empty, 1.0, matched / np.maximum(true, 1)),
        "f1": np.where(empty, 1.0, 2 * matched / np.maximum(true + predicted, 1)),
        "f4_czii": (1 + CZII_BETA**2) * czii_precision * czii_recall / np.where(below > 0, below, 1.0),
    }


def statistic_of(counts: Floats, claimed: NDArray[np.bool_], statistic: Statistic) -> Floats:
    """One figure for pooled counts (..., classes, 4): a mean over classes; NaN over none.

    Raises
    ------
    ParameterError
        If the figure is none of pooled counts.
    """
    known = [name for name in get_args(Statistic) if name not in MASK_STATISTICS]
    if statistic not in known:
        raise ParameterError(f"statistic: expected {', '.join(known)}, found {statistic!r}")
    rates = class_rates(counts)
    values = rates["f4_czii"] if statistic == "czii" else rates["f1"]
    if statistic == "mean_f1_claimed":
        values = values[..., claimed]
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def resampled_counts(counts: Floats, *, seed: int = 0, n_resamples: int = N_RESAMPLES) -> Floats:
    """Sums (b, ...) of counts (runs, ...) over tomograms drawn with replacement.

    Parameters
    ----------
    counts : (n, ...) array of float
        One entry a tomogram.
    seed : int
        The same draw for every class and method.
    n_resamples : int
    """
    n = len(counts)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    return np.tensordot(weights.astype(np.float64), counts, axes=1)


def interval(values: Floats, n_runs: int) -> tuple[float, float]:
    """95 % percentile interval of resampled values (b,); NaN for fewer than three tomograms, which say nothing."""
    if n_runs < 3 or not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def run_values(score: Score, statistic: Statistic) -> Floats:
    """A figure of masks in each tomogram (n,), mean over its classes.

    Raises
    ------
    ParameterError
        If a tomogram has no mask that was scored.
    """
    if statistic == "panoptic_quality":
        found = {run: [value] for run, value in score.panoptic.items()}
    else:
        name = "dice" if statistic == "mean_dice" else "surface_dice"
        found = {}
        for item in score.segmentations:
            found.setdefault(item.run, []).append(float(getattr(item, name)))
    missing = [run for run in score.runs if run not in found]
    if missing or not score.runs:
        raise ParameterError(
            f"{statistic}: expected masks that were scored in every tomogram, found none in "
            f"{', '.join(missing[:5]) or 'any'}; score with --metric dice"
        )
    return np.array([np.mean(found[run]) for run in score.runs])


def with_mask_intervals(score: Score, *, seed: int = 0) -> Score:
    """The score with the intervals of its masks' figures, where every tomogram has them."""
    runs = set(score.runs)
    intervals = dict(score.intervals)
    has = {
        "mean_dice": {item.run for item in score.segmentations} >= runs,
        "surface_dice": {item.run for item in score.segmentations} >= runs,
        "panoptic_quality": set(score.panoptic) >= runs,
    }
    for statistic in MASK_STATISTICS:
        if has[statistic] and runs:
            means = resampled_counts(run_values(score, statistic), seed=seed) / len(runs)
            intervals[statistic] = interval(means, len(runs))
    return replace(score, intervals=intervals)
