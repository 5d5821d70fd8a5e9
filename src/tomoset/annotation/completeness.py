"""How many particles nobody has marked: capture and recapture.

Two independent sets: Chapman (1951), with the variance of Seber (1970, Biometrika 57:313). More: the maximum-likelihood
estimate of Darroch (1958, Biometrika 45:343). Interval: log-normal in the number of unseen particles (Chao 1987,
Biometrics 43:783), which never falls below what was seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.annotation.consensus.picks import Consensus
from tomoset.annotation.consensus.sites import join_sites
from tomoset.annotation.consensus.votes import gather_votes
from tomoset.errors import ParameterError
from tomoset.model import Labels, PickableObject

__all__ = ["Completeness", "chapman", "completeness_of", "completeness_of_consensus", "darroch"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_Z95 = 1.959964
_UNLIKELY = 0.01
_FEWEST_FOR_A_TEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """Estimated number of particles of one class.

    Parameters
    ----------
    object_name : str
    n_sets : tuple of int
        Picks of each set.
    n_seen : int
        Different particles of all sets together.
    n_shared : int
        Particles in two or more sets.
    estimate : float
        Of all particles, seen or not; NaN where there are none.
    low, high : float
        95 % interval.
    warnings : tuple of str
        Why the estimate may be off; most causes make it too small.
    """

    object_name: str
    n_sets: tuple[int, ...]
    n_seen: int
    n_shared: int
    estimate: float
    low: float
    high: float
    warnings: tuple[str, ...] = ()

    @property
    def share_seen(self) -> float:
        """Share of the particles that any set holds."""
        return self.n_seen / self.estimate if self.estimate > 0 else math.nan


def chapman(n_first: float, n_second: float, n_both: float) -> tuple[float, float, float]:
    """Number of individuals of which two samples caught ``n_first`` and ``n_second``, ``n_both`` of them twice.

    Returns
    -------
    estimate, low, high : float
        With the 95 % interval.

    Raises
    ------
    ParameterError
        If more were caught twice than once.

    Examples
    --------
    >>> [round(value) for value in chapman(80, 70, 56)]
    [100, 95, 111]
    """
    if not 0 <= n_both <= min(n_first, n_second):
        raise ParameterError(f"expected at most {min(n_first, n_second):g} individuals in both sets, found {n_both:g}")
    estimate = (n_first + 1) * (n_second + 1) / (n_both + 1) - 1
    variance = (n_first + 1) * (n_second + 1) * (n_first - n_both) * (n_second - n_both)
    variance /= (n_both + 1) ** 2 * (n_both + 2)
    return _with_interval(estimate, variance, n_first + n_second - n_both)


def darroch(n_sets: ArrayLike, n_seen: float) -> tuple[float, float, float]:
    """Number of individuals of which several independent samples caught ``n_sets`` each and ``n_seen`` together.

    Returns
    -------
    estimate, low, high : float
        With the 95 % interval; infinite when nothing was caught twice.
    """
    caught = np.asarray(n_sets, dtype=np.float64)
    caught = caught[caught > 0]
    if n_seen <= caught.max(initial=0.0):
        return float(n_seen), float(n_seen), float(n_seen)
    if n_seen >= caught.sum():
        return math.inf, float(n_seen), math.inf
    low, high = float(n_seen), 2.0 * n_seen
    while _unseen_excess(high, caught, n_seen) > 0:
        high *= 2
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _unseen_excess(middle, caught, n_seen) > 0 else (low, middle)
    estimate = 0.5 * (low + high)
    missed = 1 - caught / estimate
    freedom = 1 / np.prod(missed) + len(caught) - 1 - np.sum(1 / missed)
    return _with_interval(estimate, estimate / max(float(freedom), 1e-12), n_seen)


def _unseen_excess(n: float, caught: Floats, n_seen: float) -> float:
    """Positive while ``n`` is too small: expected unseen share minus the share it leaves unseen."""
    return float(np.prod(1 - caught / n) - (1 - n_seen / n))


def _with_interval(estimate: float, variance: float, n_seen: float) -> tuple[float, float, float]:
    unseen = estimate - n_seen
    if unseen <= 0 or variance <= 0:
        return max(estimate, n_seen), float(n_seen), max(estimate, n_seen)
    spread = math.exp(_Z95 * math.sqrt(math.log(1 + variance / unseen**2)))
    return estimate, n_seen + unseen / spread, n_seen + unseen * spread


def completeness_of(
    labels: Sequence[Labels], objects: Sequence[PickableObject], *, radius_share: float = 0.5
) -> tuple[Completeness, ...]:
    """Estimate, for every class, how many particles all sets together have missed.

    Parameters
    ----------
    labels : sequence of Labels
        Two or more independent sets a run; only runs that every annotator looked at count. False picks count as
        particles that the other sets missed: take accepted picks.
    objects : sequence of PickableObject
        Classes.
    radius_share : float
        Two picks of one class are one particle within this share of its radius.

    Returns
    -------
    tuple of Completeness
        One a class.

    Raises
    ------
    ParameterError
        If no run has two sets.
    """
    annotators = sorted({(each.user, each.session) for each in labels})
    by_run: dict[str, list[Labels]] = {}
    for each in sorted(labels, key=lambda item: (item.run, item.user, item.session)):
        by_run.setdefault(each.run, []).append(each)
    common = {run: sets for run, sets in by_run.items() if len(sets) == len(annotators) >= 2}
    if not common:
        raise ParameterError(
            "completeness: expected a run that two or more annotators have labeled independently, found none; "
            f"the sets are of {', '.join('/'.join(who) for who in annotators) or 'nobody'}"
        )
    return tuple(_of_class(item, common, annotators, radius_share) for item in objects)


def completeness_of_consensus(consensus: Consensus, objects: Sequence[PickableObject]) -> tuple[Completeness, ...]:
    """The same from a consensus: every site counts with the probability that the class is there.

    False picks, which :func:`completeness_of` takes for particles that the others missed, hardly count here. Annotators
    who err together still make the estimate too small.

    Parameters
    ----------
    consensus : Consensus
    objects : sequence of PickableObject
        Its classes, in the order of its votes' names.

    Raises
    ------
    ParameterError
        If no run was labeled by all annotators.
    """
    annotators = [(each.user, each.session) for each in consensus.annotators]
    tables = [table for table in consensus.votes if len(table.annotators) == len(annotators)]
    if not tables:
        raise ParameterError("completeness: expected a run that all annotators have labeled, found none")
    caught, scores, posterior = [], [], []
    for table in tables:
        marked = np.zeros((table.n_sites, len(annotators)), np.bool_)
        score = np.full(marked.shape, np.nan)
        column = np.array([annotators.index(who) for who in table.annotators], np.intp)[table.annotator]
        marked[table.site, column] = True
        score[table.site, column] = table.scores
        caught.append(marked)
        scores.append(score)
        posterior.append(table.posterior)
    all_caught, all_scores, weight = np.concatenate(caught), np.concatenate(scores), np.concatenate(posterior)
    out = []
    for number, item in enumerate(objects):
        own = weight[:, number]
        likely = own > 0.5
        words = _warnings(all_caught[likely], all_scores[likely], annotators, {})
        out.append(_estimated(item.name, all_caught, own, words))
    return tuple(out)


def _of_class(
    item: PickableObject, by_run: dict[str, list[Labels]], annotators: list[tuple[str, str]], radius_share: float
) -> Completeness:
    seen_by, scores = [np.zeros((0, len(annotators)), np.bool_)], [np.zeros((0, len(annotators)))]
    for run, sets in by_run.items():
        table = gather_votes(run, sets, [item])
        reach = np.full(len(table.vote), radius_share * item.radius_angstrom)
        site = join_sites(table.positions_angstrom_xyz, table.annotator, table.vote, reach)
        n_sites = int(site.max(initial=-1)) + 1
        mine, score = np.zeros((n_sites, len(annotators)), np.bool_), np.full((n_sites, len(annotators)), np.nan)
        mine[site, table.annotator] = True
        score[site, table.annotator] = table.scores
        seen_by.append(mine)
        scores.append(score)
    caught = np.concatenate(seen_by)
    words = _warnings(caught, np.concatenate(scores), annotators, by_run)
    return _estimated(item.name, caught, np.ones(len(caught)), words)


def _estimated(name: str, caught: Bools, weight: Floats, warnings: tuple[str, ...]) -> Completeness:
    """Estimate from who caught which particle (n, a), each counting with a weight of 0 to 1."""
    sums = weight @ caught
    seen, shared = float(weight.sum()), float(weight[caught.sum(axis=1) > 1].sum())
    if round(seen, 6) == 0:
        estimate, low, high = math.nan, 0.0, math.nan
    elif caught.shape[1] == 2:
        estimate, low, high = chapman(float(sums[0]), float(sums[1]), min(shared, float(sums.min())))
    else:
        estimate, low, high = darroch(sums, seen)
    return Completeness(
        object_name=name,
        n_sets=tuple(round(float(n)) for n in sums),
        n_seen=round(seen),
        n_shared=round(shared),
        estimate=estimate,
        low=low,
        high=high,
        warnings=warnings,
    )


def _warnings(
    caught: Bools, scores: Floats, annotators: list[tuple[str, str]], by_run: dict[str, list[Labels]]
) -> tuple[str, ...]:
    out = []
    names = ["/".join(who) for who in annotators]
    for i, j in combinations(range(len(annotators)), 2):
        if annotators[i][0] == annotators[j][0]:
            out.append(
                f"{names[i]} and {names[j]} are by one author: what both overlook is not counted, the estimate is low"
            )
        methods = {sets[i].method for sets in by_run.values()} & {sets[j].method for sets in by_run.values()} - {""}
        if methods and annotators[i][0] != annotators[j][0]:
            out.append(f"{names[i]} and {names[j]} were made by one method: the estimate is low")
    if len(annotators) > 2:
        out += _dependent_pairs(caught, names)
    out += _easy_particles(caught, scores, names)
    if len(annotators) == 2 and not out:
        out.append("two sets cannot show whether they are independent; a third can")
    return tuple(out)


def _dependent_pairs(caught: Bools, names: list[str]) -> list[str]:
    """Pairs that agree more, or less, than chance on the particles that a third set holds (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    out = []
    for i, j in combinations(range(len(names)), 2):
        others = np.delete(caught, [i, j], axis=1).any(axis=1)
        table = np.array([[np.sum(others & (caught[:, i] == a) & (caught[:, j] == b)) for b in (1, 0)] for a in (1, 0)])
        if table.sum() < _FEWEST_FOR_A_TEST:
            continue
        odds, chance = fisher_exact(table)
        if chance < _UNLIKELY:
            how = "more often than chance: the estimate is low" if odds > 1 else "less often than chance: it is high"
            out.append(f"{names[i]} and {names[j]} are not independent (p = {chance:.1g}): they agree {how}")
    return out


def _easy_particles(caught: Bools, scores: Floats, names: list[str]) -> list[str]:
    """Sets whose surer picks are the more often in another set: the particles are not all as easy to find."""
    from scipy.stats import mannwhitneyu

    out = []
    for i, name in enumerate(names):
        again = np.delete(caught, i, axis=1).any(axis=1)
        known = caught[:, i] & np.isfinite(scores[:, i])
        first, second = scores[known & again, i], scores[known & ~again, i]
        if min(len(first), len(second)) < _FEWEST_FOR_A_TEST // 2 or np.ptp(scores[known, i]) == 0:
            continue
        chance = float(mannwhitneyu(first, second, alternative="greater").pvalue)
        if chance < _UNLIKELY:
            out.append(
                f"the surer picks of {name} are the more often in other sets (p = {chance:.1g}): particles differ in "
                "how easily they are found (or unsure picks are false), so the estimate is no more than a bound"
            )
    return out
