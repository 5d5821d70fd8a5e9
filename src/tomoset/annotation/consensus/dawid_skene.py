"""Who can be believed how far, from nothing but how annotators agree (Dawid & Skene 1979, J. R. Stat. Soc. C 28:20)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError

__all__ = ["NOT_ASKED", "Reliability", "estimate_reliability"]

Floats = NDArray[np.float64]

NOT_ASKED = -1
"""Vote of an annotator who has not looked at an item."""

_MAX_STEPS = 2000
_CONVERGED = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """What the votes say of the items and of the annotators.

    Parameters
    ----------
    posterior : (n, z) array of float64
        Probability of each truth for each item.
    confusion : (a, z, v) array of float64
        Probability of each vote of each annotator given the truth; rows sum to one.
    prevalence : (z,) array of float64
        Share of each truth among all items.
    """

    posterior: Floats
    confusion: Floats
    prevalence: Floats


def estimate_reliability(
    votes: ArrayLike, pseudo_votes: ArrayLike, *, counts: ArrayLike | None = None, start: ArrayLike | None = None
) -> Reliability:
    """Expectation–maximisation of confusions, prevalence and truth.

    Parameters
    ----------
    votes : (n, a) array of int
        Vote of each annotator on each item, 0 to v − 1, or ``NOT_ASKED``.
    pseudo_votes : (z, v) or (a, z, v) array of float
        Votes that are believed to have been seen before (Dirichlet prior): positive.
    counts : (n,) array of float or None
        How often each row of votes occurred; 1 when None.
    start : (a, z, v) or (z, v) array of float or None
        Confusions to begin with; the prior's when None.

    Returns
    -------
    Reliability

    Raises
    ------
    ParameterError
        If shapes do not fit or a vote is out of range.

    Notes
    -----
    Equal rows are treated as one: the cost grows with the number of patterns of votes, not of items. Annotators are
    taken to err independently; where they do not (two runs of one program), the result is too sure.
    """
    asked = np.atleast_2d(np.asarray(votes, dtype=np.intp))
    prior = np.asarray(pseudo_votes, dtype=np.float64)
    prior = np.broadcast_to(prior, (asked.shape[1], *prior.shape[-2:]))
    if asked.size and (asked.max() >= prior.shape[2] or asked.min() < NOT_ASKED):
        raise ParameterError(f"votes: expected 0 to {prior.shape[2] - 1}, or −1 for none, found {asked.max()}")
    if not np.all(prior > 0):
        raise ParameterError("pseudo_votes: expected positive numbers")
    weight = np.ones(len(asked)) if counts is None else np.asarray(counts, dtype=np.float64)
    patterns, pattern_of = np.unique(asked, axis=0, return_inverse=True)
    pattern_of = pattern_of.reshape(-1)
    total = np.bincount(pattern_of, weights=weight, minlength=len(patterns))
    confusion = _rows_to_one(prior if start is None else np.broadcast_to(np.asarray(start, np.float64), prior.shape))
    prevalence = np.full(prior.shape[1], 1.0 / prior.shape[1])
    posterior = _truths(patterns, confusion, prevalence)
    for _ in range(_MAX_STEPS):
        expected = posterior * total[:, None]
        prevalence = (expected.sum(axis=0) + 1e-9) / (expected.sum() + 1e-9 * prior.shape[1])
        confusion = _rows_to_one(prior + _tallied(patterns, expected, prior.shape[2]))
        updated = _truths(patterns, confusion, prevalence)
        change = float(np.abs(updated - posterior).max(initial=0.0))
        posterior = updated
        if change < _CONVERGED:
            break
    return Reliability(posterior[pattern_of], confusion, prevalence)


def _rows_to_one(values: Floats) -> Floats:
    return np.asarray(values / values.sum(axis=-1, keepdims=True), dtype=np.float64)


def _truths(patterns: NDArray[np.intp], confusion: Floats, prevalence: Floats) -> Floats:
    """Posterior (p, z) of each pattern of votes."""
    log = np.tile(np.log(prevalence), (len(patterns), 1))
    for annotator, table in enumerate(np.log(confusion)):
        vote = patterns[:, annotator]
        log += np.where((vote == NOT_ASKED)[:, None], 0.0, table.T[np.maximum(vote, 0)])
    log -= log.max(axis=1, keepdims=True)
    likely = np.exp(log)
    return np.asarray(likely / likely.sum(axis=1, keepdims=True), dtype=np.float64)


def _tallied(patterns: NDArray[np.intp], expected: Floats, n_votes: int) -> Floats:
    """Expected number of each vote of each annotator by truth: (a, z, v)."""
    out = np.zeros((patterns.shape[1], expected.shape[1], n_votes))
    for annotator in range(patterns.shape[1]):
        vote = patterns[:, annotator]
        asked = vote != NOT_ASKED
        np.add.at(out[annotator].T, vote[asked], expected[asked])
    return out
