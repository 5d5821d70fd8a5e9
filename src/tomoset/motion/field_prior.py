"""The most probable field of local motion under a Gaussian prior that the data themselves choose.

All places follow courses in time of the same kind: the coefficients of the functions of time, at one function of
space and one axis, are drawn from a Gaussian of mean zero, whose covariance is the same for all ten of them and
unknown. It is estimated by expectation maximisation (Dempster et al. 1977). Motion that fades everywhere alike then
has next to one course to be fitted instead of three, which halves the noise of the field, and where nothing moves the
covariance, and with it the field, vanishes. The frames' common shift has no prior.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["most_probable_field"]

Floats = NDArray[np.float64]

_PASSES = 60
_TINY = 1e-300


def most_probable_field(slope_km: Floats, curvature_mm: Floats, current_km: Floats) -> Floats:
    """Coefficients at the maximum of the posterior.

    Parameters
    ----------
    slope_km : (k, 12) array of float64
        Slope of the log-likelihood by the coefficients of k functions of time, the two common shifts first.
    curvature_mm : (12, 12) array of float64
        Its expected curvature, the same for every function of time; none knows of the others.
    current_km : (k, 12) array of float64
        Where slope and curvature were taken.

    Returns
    -------
    (k, 12) array of float64
    """
    towards = slope_km + current_km @ curvature_mm
    common, mixed = curvature_mm[:2, :2], curvature_mm[:2, 2:]
    of_common = np.linalg.solve(common, mixed)
    precision, modes = np.linalg.eigh(curvature_mm[2:, 2:] - mixed.T @ of_common)
    precision = np.maximum(precision, 1e-12 * max(float(precision.max()), _TINY))
    seen = (towards[:, 2:] - towards[:, :2] @ of_common) @ modes
    field = _shrunk(seen, precision) @ modes.T
    shift = np.linalg.solve(common, (towards[:, :2] - field @ mixed.T).T).T
    return np.concatenate([shift, field], axis=1)


def _shrunk(seen_km: Floats, precision_m: Floats) -> Floats:
    """Posterior means (k, m) of coefficients that were seen with the given precisions."""
    free = seen_km / precision_m
    n = len(precision_m)
    covariance = free @ free.T / n
    mean = free
    for _ in range(_PASSES):
        power, courses = np.linalg.eigh(covariance)
        variance = 1 / (precision_m + 1 / np.maximum(power, _TINY)[:, None])
        mean = (courses.T @ seen_km) * variance
        covariance = courses @ (mean @ mean.T + np.diag(variance.sum(axis=1))) @ courses.T / n
    return np.asarray(courses @ mean)
