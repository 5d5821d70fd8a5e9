"""What was called what: true classes against predicted ones, including what was missed and what is not there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.pairing import ANY_CLASS, as_one_class, pair_class, pair_runs
from tomoset.model import Labels, PickableObject, Picks

__all__ = ["Confusion", "confusion"]


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """Counts of true class (rows) against predicted class (columns).

    Parameters
    ----------
    names : tuple of str
        The classes, in the order of the first rows and columns.
    counts : (n + 1, n + 1) array of int64
        The last row counts predictions where there is nothing, the last column particles that were missed; the
        corner is always 0.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]


def confusion(
    predicted: Sequence[Labels],
    truth: Sequence[Labels],
    objects: Sequence[PickableObject],
    *,
    match_fraction: float = 0.5,
) -> Confusion:
    """Match picks to particles one-to-one whatever their class, and count which class became which.

    What lies in regions to be ignored is left out, as :func:`tomoset.benchmark.score` does.

    Parameters
    ----------
    predicted, truth : sequence of Labels
        As for :func:`tomoset.benchmark.score`.
    objects : sequence of PickableObject
        The classes; others are ignored.
    match_fraction : float
        Matching distance as a share of the *true* particle's radius.

    Returns
    -------
    Confusion

    Raises
    ------
    ParameterError
        If a run occurs twice or predictions name a run without truth.
    """
    n = len(objects)
    counts = np.zeros((n + 1, n + 1), dtype=np.int64)
    for predicted_labels, true_labels in pair_runs(predicted, truth):
        found, _ = as_one_class(predicted_labels, objects)
        real, radius = as_one_class(true_labels, objects)
        pair = pair_class(found, real, ANY_CLASS, match_fraction * radius)
        found_class, real_class = _class_numbers(pair.predicted), _class_numbers(pair.true)
        np.add.at(counts, (real_class[pair.matching.true], found_class[pair.matching.predicted]), 1)
        counts[:n, n] += np.bincount(np.delete(real_class, pair.matching.true), minlength=n)
        counts[n, :n] += np.bincount(found_class[pair.is_false], minlength=n)
    return Confusion(tuple(item.name for item in objects), counts)


def _class_numbers(picks: Picks) -> NDArray[np.int64]:
    """Number of each pick's class, from 0."""
    return np.zeros(0, dtype=np.int64) if picks.instance_ids is None else picks.instance_ids - 1
