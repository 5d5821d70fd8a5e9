"""What was called what: true classes against predicted ones, including what was missed and what is not there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.matching import match_one_to_one
from tomoset.benchmark.scoring import pair_runs
from tomoset.model import Labels, PickableObject

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
        found, found_class = _all_classes(predicted_labels, objects)
        real, real_class = _all_classes(true_labels, objects)
        radius = match_fraction * np.array([item.radius_angstrom for item in objects])[real_class]
        matching = match_one_to_one(found, real, radius)
        np.add.at(counts, (real_class[matching.true], found_class[matching.predicted]), 1)
        counts[:n, n] += np.bincount(np.delete(real_class, matching.true), minlength=n)
        counts[n, :n] += np.bincount(np.delete(found_class, matching.predicted), minlength=n)
    return Confusion(tuple(item.name for item in objects), counts)


def _all_classes(labels: Labels, objects: Sequence[PickableObject]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    picks = [labels.of(item.name).positions_angstrom_xyz for item in objects]
    index = np.repeat(np.arange(len(objects)), [len(points) for points in picks])
    return np.concatenate(picks) if picks else np.zeros((0, 3)), index
