"""What the parts that were never trained on say about a detector's scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.model import Calibration

__all__ = ["calibrate", "calibrated", "pooled", "true_candidates"]

Floats = NDArray[np.float64]

_ENOUGH = 25
_PRIOR_STRENGTH = 4.0
_TINY = 1e-4


def calibrated(scores: Floats, calibration: Calibration) -> Floats:
    """Probabilities of scores."""
    return np.asarray(1 / (1 + np.exp(-(calibration.slope * _logit(scores) + calibration.intercept))))


def true_candidates(positions: Floats, scores: Floats, truth: Floats, radius: float) -> NDArray[np.bool_]:
    """Which candidates, from the surest down, come first to a true individual within the radius.

    Parameters
    ----------
    positions, truth : (n, 3) and (m, 3) arrays of float64
        In the unit of the radius.
    scores : (n,) array of float64
    """
    from scipy.spatial import KDTree

    hit = np.zeros(len(positions), dtype=bool)
    if not len(truth):
        return hit
    tree = KDTree(truth)
    taken: set[int] = set()
    for i in np.argsort(-scores, kind="stable"):
        near = tree.query_ball_point(positions[i], radius)
        free = sorted((float(np.linalg.norm(truth[j] - positions[i])), j) for j in near if j not in taken)
        if free:
            taken.add(free[0][1])
            hit[i] = True
    return hit


def calibrate(scores: Floats, hit: NDArray[np.bool_], n_true: int) -> Calibration:
    """Fit probabilities, and choose the threshold of the best F1.

    Parameters
    ----------
    scores : (n,) array of float64
        0 to 1.
    hit : (n,) array of bool
        Whether each is a true individual.
    n_true : int
        Individuals that could have been found.

    Returns
    -------
    Calibration
        With less than 25 individuals the threshold is half the F1 that the probabilities let one expect, which is
        where it lies for calibrated ones (Lipton, Elkan & Naryanaswamy 2014, ECML).
    """
    slope, intercept = _platt(_logit(scores), hit.astype(np.float64))
    fitted = Calibration(slope=slope, intercept=intercept)
    probability = calibrated(scores, fitted)
    order = np.argsort(-probability, kind="stable")
    n_hit = np.cumsum(hit[order])
    f1 = 2 * n_hit / (np.arange(1, len(order) + 1) + max(n_true, 1))
    best = float(f1.max(initial=0.0))
    if n_true >= _ENOUGH and best > 0:
        threshold = _middle(probability[order], f1 >= best - 0.002)
    else:
        expected = (
            2 * np.cumsum(probability[order]) / (np.arange(1, len(order) + 1) + max(n_true, probability.sum(), 1))
        )
        threshold = float(np.clip(expected.max(initial=0.0) / 2, 0.25, 0.5))
    return Calibration(
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        n_true=n_true,
        f1=best if n_true else float("nan"),
    )


def _middle(descending: Floats, good: NDArray[np.bool_]) -> float:
    """Middle, on the logit scale, of the probabilities between which a threshold is as good as the best."""
    last = int(np.flatnonzero(good)[-1])
    first = int(np.flatnonzero(good)[0])
    below = descending[last + 1] if last + 1 < len(descending) else descending[last]
    middle = (_logit(descending[first : first + 1])[0] + _logit(np.array([below]))[0]) / 2
    return float(np.clip(1 / (1 + np.exp(-middle)), 0.02, 0.98))


def _logit(values: Floats) -> Floats:
    clipped = np.clip(np.asarray(values, dtype=np.float64), _TINY, 1 - _TINY)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _platt(logits: Floats, hit: Floats) -> tuple[float, float]:
    """Logistic regression by Newton steps, held to slope 1 and intercept 0 as by a few observations."""
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    prior = np.array([1.0, 0.0])
    weight = np.array([_PRIOR_STRENGTH * 4, _PRIOR_STRENGTH])
    value = prior.copy()
    for _ in range(30):
        p = 1 / (1 + np.exp(-(design @ value)))
        gradient = design.T @ (hit - p) - weight * (value - prior)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(weight)
        step = np.linalg.solve(hessian, gradient)
        value = value + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    return float(max(value[0], 0.05)), float(value[1])


def pooled(parts: Sequence[tuple[Floats, NDArray[np.bool_], int]]) -> Calibration:
    """Calibrate on several tomograms' candidates together."""
    scores = np.concatenate([np.zeros(0), *(part[0] for part in parts)])
    hit = np.concatenate([np.zeros(0, dtype=bool), *(part[1] for part in parts)])
    return calibrate(scores, hit, sum(part[2] for part in parts))
