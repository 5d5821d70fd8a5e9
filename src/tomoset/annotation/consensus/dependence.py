"""Annotators who err together: two programs trained alike, two rounds of one person.

What they say together is taken as one vote, whose table holds how often each pattern of theirs occurs, so that nothing
is presumed of how they depend on one another.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.consensus.dawid_skene import NOT_ASKED, Reliability, estimate_reliability

__all__ = ["Block", "blocks_of", "dependent_pairs", "estimate_in_blocks"]

Floats = NDArray[np.float64]
Votes = NDArray[np.intp]
Block = tuple[int, ...]

_UNLIKELY = 1e-5
_MOST_PATTERNS = 4096
_NEVER = 1e-12


def dependent_pairs(votes: Votes, counts: Floats, found: Reliability) -> list[tuple[int, int]]:
    """Pairs of annotators who alone marked more sites together than independent errors explain, the clearest first.

    Parameters
    ----------
    votes : (n, a) array of int
        The last value is missed.
    counts : (n,) array of float
    found : Reliability
        Fitted to these votes under the belief that they are independent.

    Returns
    -------
    list of (int, int)
        Where the number has a chance below 1e-5 (Poisson). Fewer than four annotators cannot show it: there
        every pattern of votes can be explained by what each of them misses and invents.
    """
    from scipy.stats import poisson

    n_annotators = votes.shape[1]
    if n_annotators < 4:
        return []
    missed = found.confusion.shape[2] - 1
    miss = found.confusion[:, :, missed]
    marked = (votes != NOT_ASKED) & (votes != missed)
    asked = np.all(votes != NOT_ASKED, axis=1)
    out = []
    for pair in combinations(range(n_annotators), 2):
        others = [a for a in range(n_annotators) if a not in pair]
        alone = asked & marked[:, pair].all(axis=1) & ~marked[:, others].any(axis=1)
        chance = (1 - miss[pair[0]]) * (1 - miss[pair[1]]) * np.prod(miss[others], axis=0)
        expected = max(float(counts[asked].sum() * (found.prevalence * chance).sum()), 1e-3)
        unlikely = float(poisson.sf(int(alone.sum()) - 1, expected))
        if unlikely < _UNLIKELY:
            out.append((unlikely, -int(alone.sum()) / expected, pair))
    return [pair for _, _, pair in sorted(out)]


def blocks_of(users: list[str], pairs: list[tuple[int, int]], n_values: int) -> list[Block]:
    """Annotators in blocks that vote together: those of one user, and those of a dependent pair.

    Blocks stay apart where fewer than three would be left, because two voters cannot tell what each misses from what
    the other invents, and where a block would have too many patterns to count.
    """
    group = list(range(len(users)))
    linked = [p for p in combinations(range(len(users)), 2) if users[p[0]] == users[p[1]]]
    for i, j in (*pairs, *linked):
        joined = [group[i] if g == group[j] else g for g in group]
        largest = max(joined.count(g) for g in set(joined))
        if len(set(joined)) >= 3 and n_values**largest <= _MOST_PATTERNS:
            group = joined
    return [tuple(a for a, g in enumerate(group) if g == each) for each in dict.fromkeys(group)]


def estimate_in_blocks(votes: Votes, counts: Floats, prior: Floats, start: Floats, blocks: list[Block]) -> Reliability:
    """:func:`estimate_reliability` with the votes of each block taken as one; confusions of single annotators.

    Parameters
    ----------
    votes : (n, a) array of int
    counts : (n,) array of float
    prior, start : (z, v) arrays of float
        Of one annotator; the last row is nothing there, the last column missed.
    blocks : list of tuple of int
        Who votes together.
    """
    n_values = prior.shape[1]
    width = n_values ** max(map(len, blocks))
    joint = np.stack([_pattern(votes[:, list(block)], n_values) for block in blocks], axis=1)
    tables = [_block_table(prior, len(block), width) for block in blocks]
    begin = [_block_table(start, len(block), width) for block in blocks]
    found = estimate_reliability(joint, np.stack(tables), counts=counts, start=np.stack(begin))
    confusion = np.zeros((votes.shape[1], *prior.shape))
    for table, block in zip(found.confusion, blocks, strict=True):
        patterns = table[:, : n_values ** len(block)].reshape(-1, *(n_values,) * len(block))
        for place, annotator in enumerate(block):
            away = tuple(axis + 1 for axis in range(len(block)) if axis != place)
            confusion[annotator] = patterns.sum(axis=away)
    return Reliability(found.posterior, confusion, found.prevalence)


def _pattern(votes: Votes, n_values: int) -> Votes:
    """One number for what a block says; not asked unless all of it were."""
    code = np.zeros(len(votes), dtype=np.intp)
    for column in votes.T:
        code = code * n_values + np.maximum(column, 0)
    return np.where(np.any(votes == NOT_ASKED, axis=1), NOT_ASKED, code)


def _block_table(single: Floats, size: int, width: int) -> Floats:
    """Table of a block, from one annotator's: half of the weight on one vote of all, half on each for itself."""
    n_truths, n_values = single.shape
    if size == 1:
        apart = single
    else:
        total = single.sum(axis=1, keepdims=True)
        share = single / total
        apart = share
        for _ in range(size - 1):
            apart = (apart[:, :, None] * share[:, None, :]).reshape(n_truths, -1)
        together = np.zeros_like(apart)
        step = sum(n_values**i for i in range(size))
        together[:, np.arange(n_values) * step] = share
        apart = 0.5 * total * (apart + together)
    out = np.full((n_truths, width), _NEVER)
    out[:, : apart.shape[1]] = np.maximum(apart, _NEVER)
    return out
