"""Methods in order, and which of them the tomograms at hand cannot tell apart."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tomoset.benchmark.intervals import Statistic
from tomoset.benchmark.significance import PairedComparison, compare_scores
from tomoset.errors import ParameterError
from tomoset.model import Score

__all__ = ["SIGNIFICANT", "RankedMethod", "rank_scores"]

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankedMethod:
    """One line of a leaderboard.

    Parameters
    ----------
    method : str
    score : Score
    value : float
        What it is ranked by.
    interval : (float, float)
    rank : int
        One more than the number of methods that are significantly better: methods that cannot be told apart from a
        better one share its rank.
    against : dict of str to PairedComparison
        By the other method's name.
    """

    method: str
    score: Score
    value: float
    interval: tuple[float, float]
    rank: int
    against: dict[str, PairedComparison]


def rank_scores(
    scores: Sequence[tuple[str, Score]], statistic: Statistic = "mean_f1", *, significant: float = SIGNIFICANT
) -> tuple[RankedMethod, ...]:
    """Order methods that were scored on the same tomograms, best first.

    Parameters
    ----------
    scores : sequence of (str, Score)
        Name and score of each method.
    statistic : Statistic
        By what.
    significant : float
        A method is better when its value is larger and exchanging the two, tomogram by tomogram, makes so large a
        difference with no larger probability, by Holm's correction for all pairs.

    Returns
    -------
    tuple of RankedMethod

    Raises
    ------
    ParameterError
        If a name occurs twice or the scores do not compare.
    """
    names = [name for name, _ in scores]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(
            f"leaderboard: expected one score a method, found several of {', '.join(twice)}; name them apart with "
            "`tomoset score --method`"
        )
    against: dict[tuple[str, str], PairedComparison] = {}
    for (a, one), (b, other) in itertools.combinations(scores, 2):
        against[a, b] = compare_scores(one, other, statistic)
        against[b, a] = _mirrored(against[a, b])
    better = _better(names, against, significant)
    lines = [
        RankedMethod(
            method=name,
            score=score,
            value=float(getattr(score, statistic)),
            interval=score.intervals.get(statistic, (float("nan"), float("nan"))),
            rank=1 + sum(winner for (_, loser), winner in better.items() if loser == name),
            against={b: comparison for (a, b), comparison in against.items() if a == name},
        )
        for name, score in scores
    ]
    return tuple(sorted(lines, key=lambda line: -line.value))


def _mirrored(comparison: PairedComparison) -> PairedComparison:
    """The same seen from the other method."""
    low, high = comparison.interval
    return replace(comparison, difference=-comparison.difference, interval=(-high, -low))


def _better(
    names: Sequence[str], against: dict[tuple[str, str], PairedComparison], significant: float
) -> dict[tuple[str, str], bool]:
    """Whether the first of each ordered pair is better, Holm's procedure over all unordered pairs."""
    pairs = list(itertools.combinations(names, 2))
    better = dict.fromkeys(against, False)
    for tried, (a, b) in enumerate(sorted(pairs, key=lambda pair: against[pair].p_value)):
        comparison = against[a, b]
        if comparison.p_value > significant / (len(pairs) - tried):
            break
        if comparison.difference:
            better[(a, b) if comparison.difference > 0 else (b, a)] = True
    return better
