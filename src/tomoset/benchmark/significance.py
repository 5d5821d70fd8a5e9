"""Whether one method is better than another, from their scores on the same tomograms."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.intervals import (
    MASK_STATISTICS,
    Statistic,
    count_table,
    interval,
    resampled_counts,
    run_values,
    statistic_of,
)
from tomoset.errors import ParameterError
from tomoset.model import ClassScore, Score

__all__ = ["PairedComparison", "compare_scores"]

Floats = NDArray[np.float64]

_EXACT_UP_TO = 12
_PERMUTATIONS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """Difference of two methods.

    Parameters
    ----------
    statistic : str
    difference : float
        First minus second.
    interval : (float, float)
        95 % of the difference under resampling of tomograms, the same for both; NaN below three tomograms.
    p_value : float
        Share of exchanges of the two methods, tomogram by tomogram, that make as large a difference in either
        direction; it cannot be below ``2 / 2**n_runs``.
    n_runs : int
    """

    statistic: str
    difference: float
    interval: tuple[float, float]
    p_value: float
    n_runs: int

    @property
    def smallest_p_value(self) -> float:
        """The least that so few tomograms can show."""
        return min(1.0, 2.0 / 2.0**self.n_runs)


def compare_scores(first: Score, second: Score, statistic: Statistic = "mean_f1", *, seed: int = 0) -> PairedComparison:
    """Compare two methods on the tomograms and classes that both were scored on.

    Parameters
    ----------
    first, second : Score
        Of one truth.
    statistic : Statistic
        ``mean_f1_claimed`` takes the classes that both claim.
    seed : int
        Of the resampling.

    Returns
    -------
    PairedComparison

    Raises
    ------
    ParameterError
        If tomograms, classes, truth or metric version differ.
    """
    _check_comparable(first, second)
    observed, resampled, exchanged = (_of_masks if statistic in MASK_STATISTICS else _of_counts)(
        first, second, statistic, seed
    )
    n = len(first.runs)
    as_large = np.abs(exchanged) >= abs(observed) - 1e-12
    exact = n <= _EXACT_UP_TO
    p = float(as_large.mean()) if exact else float((1 + as_large.sum()) / (1 + len(as_large)))
    return PairedComparison(
        statistic=statistic, difference=observed, interval=interval(resampled, n), p_value=p, n_runs=n
    )


def _of_counts(first: Score, second: Score, statistic: Statistic, seed: int) -> tuple[float, Floats, Floats]:
    """Difference of pooled counts: observed, resampled, and with methods exchanged in tomograms."""
    ours, theirs = _classes(first, statistic), _classes(second, statistic)
    a, b = (np.stack([count_table(item.runs) for item in classes], axis=1) for classes in (ours, theirs))
    claimed = np.array([x.claimed and y.claimed for x, y in zip(ours, theirs, strict=True)], dtype=bool)

    def difference(x: Floats, y: Floats) -> Floats:
        return statistic_of(x, claimed, statistic) - statistic_of(y, claimed, statistic)

    observed = float(difference(a.sum(axis=0), b.sum(axis=0)))
    resampled = difference(resampled_counts(a, seed=seed), resampled_counts(b, seed=seed))
    middle, half = (a + b).sum(axis=0) / 2, (a - b) / 2
    shift = np.tensordot(_exchanges(len(a), seed), half, axes=1)
    return observed, resampled, difference(middle + shift, middle - shift)


def _classes(score: Score, statistic: Statistic) -> tuple[ClassScore, ...]:
    if statistic == "f1_any_class" and score.any_class is not None:
        return (score.any_class,)
    return score.classes


def _of_masks(first: Score, second: Score, statistic: Statistic, seed: int) -> tuple[float, Floats, Floats]:
    """Difference of the tomograms' means, likewise."""
    differences = run_values(first, statistic) - run_values(second, statistic)
    n = len(differences)
    return (
        float(differences.mean()),
        resampled_counts(differences, seed=seed) / n,
        _exchanges(n, seed) @ differences / n,
    )


def _exchanges(n_runs: int, seed: int) -> Floats:
    """Signs (p, n): all of them for few tomograms, else a random choice."""
    if n_runs <= _EXACT_UP_TO:
        return np.array(list(itertools.product((-1.0, 1.0), repeat=n_runs))).reshape(-1, n_runs)
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(_PERMUTATIONS, n_runs))


def _check_comparable(first: Score, second: Score) -> None:
    for what, a, b in (
        ("tomograms", first.runs, second.runs),
        ("classes", tuple(c.object_name for c in first.classes), tuple(c.object_name for c in second.classes)),
        ("metric version", first.metric_version, second.metric_version),
        ("truth version", first.truth_version, second.truth_version),
    ):
        if a != b:
            raise ParameterError(
                f"comparison: expected scores of the same {what}, found {a} and {b}; score both methods again on the "
                "same truth"
            )
    if not first.runs or any(len(c.runs) != len(first.runs) for c in (*first.classes, *second.classes)):
        raise ParameterError("comparison: expected counts of every tomogram in both scores, found none for some")
