"""How sure a pick is: the share of false picks, the probability of each class, and the next best class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mixture", "best_of_each", "class_probabilities", "false_discovery_rates", "fit_mixture"]

Floats = NDArray[np.float64]

# Match of template and particle over the amplitude expected, for particles: a Gaussian above its mode and an
# exponential below it, for crowded, cut and bent ones, both as wide as measured. Pieces of other things reach it with a
# probability that falls off exponentially, as they do in simulated mixtures.
_FALL_OF_TRUE = 0.06
_FALLS_OF_TRUE = (0.02, 0.12)
_FALL_OF_FALSE = 0.12
_FALL_OF_FALSE_CUT = 0.3
# What a volume's face leaves of a heavy molecule matches its template's visible part with this spread.
_FALL_OF_TRUE_CUT = 0.25
_LEAST_WIDTH = 0.02
_USUAL_WIDTH = 0.06
_KERNEL = 0.03
_MOST_STEPS = 200
_FEWEST = 8
_SHARE_WHEN_FEW = 0.1


@dataclass(frozen=True, slots=True)
class Mixture:
    """True and false picks of one class, told apart by how much of the expected amplitude they have.

    Parameters
    ----------
    least : float
        Share of the amplitude from which on picks were kept.
    mode, width, fall : float
        Of the true ones; above the mode they fall off like a Gaussian of that width, below it like an exponential.
    false_share : float
        Share of false ones among all.
    false_fall : float
        Of the false ones, an exponential.
    """

    least: float
    mode: float
    width: float
    fall: float
    false_share: float
    false_fall: float

    def false_probability(self, ratio: Floats) -> Floats:
        """Probability that a pick with this share of the amplitude is false; above the mode it does not rise again."""
        ratio = np.minimum(ratio, self.mode)
        true = (1 - self.false_share) * _true_density(ratio, self)
        false = self.false_share * _false_density(ratio, self)
        return np.asarray(false / np.maximum(true + false, np.finfo(np.float64).tiny))


def fit_mixture(
    ratio: Floats, least: float, *, cut: bool = False, light: bool = True, usual_mode: float | None = None
) -> Mixture:
    """Fit the shares of true and false picks by expectation and maximisation.

    Parameters
    ----------
    ratio : (n,) array of float64
        Share of the expected amplitude, ``least`` and more.
    least : float
    cut : bool
        Whether the picks are of particles of which a part lies outside the volume.
    light : bool
        Whether the molecule is a light one, which pieces of others that a face cuts resemble far more often; nothing
        that a face cuts resembles a heavy one.

    usual_mode : float or None
        Where the true ones lie when these picks are too few to say: that of the class's whole particles.

    Returns
    -------
    Mixture
        With a false share of one in ten before the fit, which is what a handful of picks keeps.
    """
    surer = ratio[ratio > 0.5 * (least + 1.0)]
    mode = _mode(surer) if usual_mode is None or len(surer) >= _FEWEST else usual_mode
    above = ratio[ratio > mode]
    width = float(np.sqrt(np.mean((above - mode) ** 2))) if len(above) >= _FEWEST else _USUAL_WIDTH
    false_fall = _FALL_OF_FALSE_CUT if cut and light else _FALL_OF_FALSE
    usual, falls = (_FALL_OF_TRUE_CUT, (0.02, 0.3)) if cut and not light else (_FALL_OF_TRUE, _FALLS_OF_TRUE)
    fitted = Mixture(least, mode, max(_LEAST_WIDTH, width), usual, _SHARE_WHEN_FEW, false_fall)
    below = np.maximum(mode - ratio, 0.0)
    for _ in range(_MOST_STEPS):
        false = fitted.false_probability(ratio)
        share = (float(false.sum()) + _SHARE_WHEN_FEW) / (len(ratio) + 1.0)
        true = (1 - false) * (below > 0)
        fall = (float(true @ below) + usual * _FEWEST) / (float(true.sum()) + _FEWEST)
        changed = abs(share - fitted.false_share)
        fitted = Mixture(least, mode, fitted.width, float(np.clip(fall, *falls)), share, false_fall)
        if changed < 1e-6:
            break
    return fitted


def _mode(ratio: Floats) -> float:
    """Where values are densest, by a Gaussian kernel; their median when there are few."""
    if len(ratio) < _FEWEST:
        return float(np.median(ratio)) if len(ratio) else 1.0
    grid = np.arange(0.7, 1.4, 0.005)
    return float(grid[np.argmax(np.exp(-0.5 * np.square((grid[:, None] - ratio) / _KERNEL)).sum(axis=1))])


def _true_density(ratio: Floats, mixture: Mixture) -> Floats:
    upper = np.exp(-0.5 * np.square((ratio - mixture.mode) / mixture.width))
    lower = np.exp(-np.maximum(mixture.mode - ratio, 0.0) / mixture.fall)
    cut = 1 - np.exp(-max(mixture.mode - mixture.least, 0.0) / mixture.fall)
    return np.asarray(
        np.where(ratio > mixture.mode, upper, lower) / (mixture.width * np.sqrt(np.pi / 2) + mixture.fall * cut)
    )


def _false_density(ratio: Floats, mixture: Mixture) -> Floats:
    return np.asarray(np.exp(-(ratio - mixture.least) / mixture.false_fall) / mixture.false_fall)


def false_discovery_rates(false_probability: Floats, scores: Floats) -> Floats:
    """Least expected share of false picks of any threshold that keeps a pick: it never falls as scores get worse."""
    order = np.argsort(-scores, kind="stable")
    running = np.cumsum(false_probability[order]) / np.arange(1, len(order) + 1)
    rates = np.empty(len(order))
    rates[order] = np.minimum.accumulate(running[::-1])[::-1]
    return rates


def best_of_each(
    positions_angstrom_xyz: Floats, places: Sequence[Floats], scores: Sequence[Floats], radius_angstrom: float
) -> Floats:
    """Largest score (n, k) of each of k classes within a radius of n positions; 0, that of noise, where none is."""
    from scipy.spatial import KDTree

    best = np.zeros((len(positions_angstrom_xyz), len(places)))
    for column, (points, values) in enumerate(zip(places, scores, strict=True)):
        if not len(points) or not len(best):
            continue
        near = KDTree(points).query_ball_point(positions_angstrom_xyz, radius_angstrom)
        best[:, column] = [values[indices].max(initial=0.0) for indices in near]
    return best


def class_probabilities(log_likelihood_ratios: Floats, priors: Floats, false_probability: Floats) -> Floats:
    """Probability (n, k) of each class: likelihoods times priors, and that nothing of the kind is there left out.

    Parameters
    ----------
    log_likelihood_ratios : (n, k) array of float64
        Against noise.
    priors : (k,) array of float64
        Share of places taken by each class in this tomogram.
    false_probability : (n,) array of float64
        That the pick is neither of them.
    """
    logs = log_likelihood_ratios + np.log(np.maximum(priors, 1e-12))
    nothing = np.log(max(1 - float(priors.sum()), 1e-12))
    top = np.maximum(logs.max(axis=1), nothing)
    weights = np.exp(logs - top[:, None])
    share = weights / (weights.sum(axis=1) + np.exp(nothing - top))[:, None]
    return np.asarray(share * (1 - false_probability)[:, None])
