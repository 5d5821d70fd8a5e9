"""Robust lines and distances: what most views of a series agree on, and how far one of them is from it."""

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["least_trimmed_line", "robust_centre_and_scale", "robust_trend"]

Floats = NDArray[np.float64]

_SIGMA_PER_MAD = 1.4826  # of a Gaussian
_BIWEIGHT_SIGMAS = 4.7  # Beaton & Tukey's biweight: 95 % efficient where all is Gaussian
_MOST_PAIRS = 1500
_TRUSTED_SHARE = 0.6  # two views in five may be bad
_ITERATIONS = 20


def robust_centre_and_scale(values: ArrayLike) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for; (0, 0) of nothing."""
    value = np.asarray(values, dtype=np.float64)
    if value.size == 0:
        return 0.0, 0.0
    centre = float(np.median(value))
    return centre, float(_SIGMA_PER_MAD * np.median(np.abs(value - centre)))


def least_trimmed_line(x: Floats, y: Floats, *, steepest: float = np.inf) -> tuple[float, float, float]:
    """Line ``y = level + slope x`` that three fifths of the points agree on.

    Parameters
    ----------
    x, y : (n,) array of float64
        At least one point.
    steepest : float
        Largest slope allowed; a fit beyond it is made with this slope.

    Returns
    -------
    level, slope, misfit : float
        Least trimmed absolute deviations over the lines through pairs of points (Rousseeuw 1984, J. Am. Stat. Assoc.
        79:871), then a median: two in five points may be anywhere. The misfit is the mean absolute deviation of the
        three fifths.
    """
    pairs = np.array(list(itertools.combinations(range(x.size), 2)), dtype=np.intp).reshape(-1, 2)
    pairs = pairs[:: max(1, len(pairs) // _MOST_PAIRS)]
    run = x[pairs[:, 1]] - x[pairs[:, 0]] if len(pairs) else np.zeros(0)
    apart = np.abs(run) > 1e-3
    rise = y[pairs[apart, 1]] - y[pairs[apart, 0]]
    slopes = np.unique(np.minimum(np.concatenate([[0.0], rise / run[apart]]), steepest))
    left = y[None] - slopes[:, None] * x[None]
    misfit, level = _shortest_share(left)
    best = int(np.argmin(misfit))
    slope = float(slopes[best])
    near = np.abs(left[best] - level[best]) <= 3 * max(misfit[best], 1e-12)
    if np.ptp(x[near]) > 1e-3:
        slope = min(float(np.polyfit(x[near], y[near], 1)[0]), steepest)
    return float(np.median((y - slope * x)[near])), slope, float(misfit[best])


def _shortest_share(values: Floats) -> tuple[Floats, Floats]:
    """Mean absolute deviation and median of the densest three fifths of each row."""
    n = values.shape[1]
    kept = max(1, int(np.ceil(_TRUSTED_SHARE * n)))
    ordered = np.sort(values, axis=1)
    spans = ordered[:, kept - 1 :] - ordered[:, : n - kept + 1]
    first = np.argmin(spans, axis=1)
    inner = np.take_along_axis(ordered, first[:, None] + np.arange(kept)[None], axis=1)
    middle = np.median(inner, axis=1)
    return np.abs(inner - middle[:, None]).mean(axis=1), middle


def robust_trend(terms: ArrayLike, values: ArrayLike, trusted: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Linear trend that most of the trusted values follow.

    Parameters
    ----------
    terms : (n, k) array of float
        What the values may depend on, beside a constant.
    values : (n,) array of float
        May hold NaN where nothing was measured.
    trusted : (n,) array of bool
        Rows that the trend may rest on.

    Returns
    -------
    expected : (n,) array of float64
    scale : float
        Standard deviation of the trusted values about it (from their median absolute deviation).
    """
    value = np.asarray(values, dtype=np.float64)
    design = np.column_stack([np.ones(value.size), np.asarray(terms, dtype=np.float64)])
    rows = np.flatnonzero(trusted & np.isfinite(value))
    if rows.size <= 2 * design.shape[1]:
        centre, scale = robust_centre_and_scale(value[rows])
        return np.full(value.size, centre), scale
    weights = np.ones(rows.size)
    left = value[rows] - np.median(value[rows])
    coefficients = np.zeros(design.shape[1])
    for _ in range(_ITERATIONS):
        scale = max(_SIGMA_PER_MAD * float(np.median(np.abs(left))), 1e-12)
        weights = np.square(np.clip(1 - np.square(left / (_BIWEIGHT_SIGMAS * scale)), 0, None))
        root = np.sqrt(weights)
        coefficients = np.linalg.lstsq(design[rows] * root[:, None], value[rows] * root, rcond=None)[0]
        left = value[rows] - design[rows] @ coefficients
    return design @ coefficients, robust_centre_and_scale(left)[1]
