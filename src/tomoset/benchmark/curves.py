"""Precision and recall at every threshold of a score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError
from tomoset.model import FreeResponse, PrecisionRecall

__all__ = ["free_response", "newly_matched", "precision_recall"]


def newly_matched(
    scores: ArrayLike, predicted: NDArray[np.intp], true: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Which predictions, added from the surest down, let one more pair be made.

    Parameters
    ----------
    scores : (n,) array of float
        Score of each prediction; larger is surer.
    predicted, true : (p,) arrays of int
        Pairs that are near enough to match.

    Returns
    -------
    order : (n,) array of int
        Predictions from the surest down.
    gained : (n,) array of bool
        In that order: whether the largest one-to-one matching of all predictions so far grew by this one.

    Notes
    -----
    The matching grows by augmenting paths (Kuhn's algorithm), so that after every prediction it is the largest
    possible one; the number of pairs above a threshold does not depend on the order of the picks.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise ParameterError("scores of picks: expected finite numbers, found NaN or infinity; remove those picks")
    order = np.argsort(-values, kind="stable")
    near: list[list[int]] = [[] for _ in range(len(values))]
    for i, j in zip(predicted.tolist(), true.tolist(), strict=True):
        near[i].append(j)
    owner: dict[int, int] = {}
    held: dict[int, int] = {}
    gained = np.array([_augment(int(i), near, owner, held) for i in order], dtype=bool)
    return order, gained


def _augment(start: int, near: list[list[int]], owner: dict[int, int], held: dict[int, int]) -> bool:
    """Find a true point for ``start``, moving earlier predictions to others where needed (breadth first)."""
    came_from: dict[int, int] = {}
    queue = [start]
    for prediction in queue:  # grows while it is walked
        for target in near[prediction]:
            if target in came_from:
                continue
            came_from[target] = prediction
            if target in owner:
                queue.append(owner[target])
                continue
            _hand_over(target, came_from, owner, held)
            return True
    return False


def _hand_over(target: int, came_from: dict[int, int], owner: dict[int, int], held: dict[int, int]) -> None:
    """Walk the augmenting path back from a free true point to the new prediction and re-assign along it."""
    free: int | None = target
    while free is not None:
        prediction = came_from[free]
        owner[free] = prediction
        released = held.get(prediction)
        held[prediction] = free
        free = released


def precision_recall(scores: ArrayLike, gained: Sequence[bool] | NDArray[np.bool_], n_true: int) -> PrecisionRecall:
    """Curve from predictions sorted from the surest down.

    Parameters
    ----------
    scores : (n,) array of float
        Descending.
    gained : (n,) array of bool
        Whether each prediction added a match.
    n_true : int
        Number of true particles.

    Returns
    -------
    PrecisionRecall
        One point for every distinct score; the average precision is ``Σ (R_i − R_{i−1}) P_i`` over them, without
        interpolation; 0 when there is no true particle.
    """
    values = np.asarray(scores, dtype=np.float64)
    true_positives = np.cumsum(np.asarray(gained, dtype=np.int64))
    last_of_ties = _last_of_ties(values)
    precision = true_positives[last_of_ties] / (last_of_ties + 1.0)
    recall = true_positives[last_of_ties] / max(n_true, 1)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return PrecisionRecall(
        thresholds=values[last_of_ties], precision=precision, recall=recall, average_precision=average
    )


def free_response(
    scores: ArrayLike, gained: Sequence[bool] | NDArray[np.bool_], n_true: int, n_tomograms: int
) -> FreeResponse:
    """Recall against false picks a tomogram, from predictions sorted from the surest down.

    Arguments are those of :func:`precision_recall`, and the number of tomograms that they come from.
    """
    values = np.asarray(scores, dtype=np.float64)
    last = _last_of_ties(values)
    right = np.cumsum(np.asarray(gained, dtype=np.int64))[last]
    return FreeResponse(false_per_tomogram=(last + 1.0 - right) / max(n_tomograms, 1), recall=right / max(n_true, 1))


def _last_of_ties(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the last of each group of equal values in a sorted list."""
    return np.flatnonzero(np.append(np.diff(values) != 0, True)) if len(values) else np.zeros(0, dtype=np.intp)
