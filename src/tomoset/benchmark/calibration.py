"""Whether picks are as sure as they say."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError
from tomoset.model import Calibration, Picks

__all__ = ["fdr_calibration", "probability_calibration", "stated_probability"]

Floats = NDArray[np.float64]

FEWEST_PICKS = 20
"""Of fewer picks a rate says nothing."""


def stated_probability(picks: Picks) -> Floats | None:
    """Probability (n,) that each pick is right: its class's column of the posterior, or a score of that kind."""
    if picks.posterior is not None and picks.object_name in picks.posterior_classes:
        return picks.posterior[:, picks.posterior_classes.index(picks.object_name)]
    return picks.scores if picks.score_kind == "probability" else None


def probability_calibration(stated: ArrayLike, is_true: ArrayLike, *, n_bins: int = 10) -> Calibration:
    """Reliability of stated probabilities, in bins of equal width; empty bins are left out.

    Parameters
    ----------
    stated : (n,) array of float
        0 to 1.
    is_true : (n,) array of bool
    n_bins : int

    Returns
    -------
    Calibration
        ``error`` is the expected calibration error of Naeini et al. (2015).

    Raises
    ------
    ParameterError
        If a probability lies outside 0 to 1.
    """
    values, truth = np.asarray(stated, dtype=np.float64), np.asarray(is_true, dtype=bool)
    if len(values) and not (values.min() >= 0 and values.max() <= 1):
        raise ParameterError(
            f"probabilities of picks: expected 0 to 1, found {values.min():g} to {values.max():g}; "
            "name the kind of score that they are"
        )
    which = np.minimum((values * n_bins).astype(np.intp), n_bins - 1)
    counts = np.bincount(which, minlength=n_bins)
    filled = counts > 0
    mean = np.bincount(which, weights=values, minlength=n_bins)[filled] / counts[filled]
    observed = np.bincount(which, weights=truth, minlength=n_bins)[filled] / counts[filled]
    error = float(np.sum(np.abs(observed - mean) * counts[filled]) / len(values)) if len(values) else float("nan")
    return Calibration(stated=mean, observed=observed, counts=counts[filled], error=error)


def fdr_calibration(stated: ArrayLike, gained: ArrayLike) -> Calibration:
    """Stated against true false-discovery rate of all picks down to each threshold.

    Parameters
    ----------
    stated : (n,) array of float
        Stated rate of each pick, ascending.
    gained : (n,) array of bool
        In the same order, whether each pick added a match.

    Returns
    -------
    Calibration
        One entry for every distinct stated rate; ``error`` is the largest difference where there are at least
        :data:`FEWEST_PICKS` picks.
    """
    rates, right = np.asarray(stated, dtype=np.float64), np.asarray(gained, dtype=bool)
    last = np.flatnonzero(np.append(np.diff(rates) != 0, True)) if len(rates) else np.zeros(0, dtype=np.intp)
    counts = last + 1
    observed = 1.0 - np.cumsum(right)[last] / np.maximum(counts, 1)
    enough = counts >= FEWEST_PICKS
    error = float(np.abs(observed - rates[last])[enough].max()) if np.any(enough) else float("nan")
    return Calibration(stated=rates[last], observed=observed, counts=counts.astype(np.int64), error=error)
