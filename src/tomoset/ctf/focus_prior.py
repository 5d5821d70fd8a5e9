"""What a series knows of the defocus of each of its tilts before that tilt is looked at.

Stage and lens drift with the dose, a specimen off the eucentric height rises with cos t and sin t, and each refocusing
scatters. The slow part is fitted robustly, the scatter estimated from what is left beyond the standard errors.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["expected_focus"]

Floats = NDArray[np.float64]

# How far each slow term may reach, Å: drift over the series, height times (1 − cos t), and sin t.
_TERM_SD_ANGSTROM = 1500.0
_SCATTERS_ANGSTROM = np.geomspace(50.0, 3000.0, 30)
# Beyond this many standard deviations a tilt counts as refocused: the series pulls it no harder.
_ROBUST_AT = 2.0
_ROUNDS = 8


def expected_focus(
    defocus_angstrom: Floats, error_angstrom: Floats, tilt_deg: Floats, dose: Floats
) -> tuple[Floats, Floats, float]:
    """Mean and precision of each tilt's defocus, from the series as a whole.

    Parameters
    ----------
    defocus_angstrom, error_angstrom : (n,) array of float64
        Each tilt's own estimate and its standard error.
    tilt_deg, dose : (n,) array of float64
        Tilt, and the dose that the specimen had received.

    Returns
    -------
    mean_angstrom, precision : (n,) array of float64
        Å and Å⁻²; the precision fades for tilts that are far off.
    scatter_angstrom : float
        Standard deviation of the focus about the slow terms.
    """
    n = len(defocus_angstrom)
    radians = np.deg2rad(tilt_deg)
    along = (dose - dose.mean()) / max(float(np.ptp(dose)), 1e-9)
    terms = np.stack([np.ones(n), along, 1 - np.cos(radians), np.sin(radians)], axis=1)
    ridge = np.diag([0.0, *np.full(3, _TERM_SD_ANGSTROM**-2.0)])
    trust = np.ones(n)
    mean = np.full(n, float(np.median(defocus_angstrom)))
    scatter = float(_SCATTERS_ANGSTROM[-1])
    for _ in range(_ROUNDS):
        variance = np.square(error_angstrom) + scatter**2
        weight = trust / variance
        coefficients = np.linalg.solve(
            terms.T @ (terms * weight[:, None]) + ridge, terms.T @ (weight * defocus_angstrom)
        )
        mean = terms @ coefficients
        residual = defocus_angstrom - mean
        scatter = _likeliest_scatter(residual, error_angstrom, trust, coefficients.size)
        z = np.abs(residual) / np.sqrt(np.square(error_angstrom) + scatter**2)
        trust = np.minimum(1.0, _ROBUST_AT / np.maximum(z, 1e-9))
    return mean, trust / scatter**2, scatter


def _likeliest_scatter(residual: Floats, error: Floats, trust: Floats, n_terms: int) -> float:
    """Scatter beyond the standard errors, by maximum likelihood; the fitted terms cost their degrees of freedom."""
    lost = len(residual) / max(len(residual) - n_terms, 1)
    variance = np.square(error)[None, :] + np.square(_SCATTERS_ANGSTROM)[:, None]
    log_likelihood = -0.5 * (np.log(variance) + lost * trust * np.square(residual) / variance).sum(axis=1)
    return float(_SCATTERS_ANGSTROM[int(np.argmax(log_likelihood))])
