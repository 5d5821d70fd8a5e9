"""Astigmatism of one tilt, accepted only when it helps tiles that the fit has not seen."""

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.likelihood import Correlations

__all__ = ["fit_astigmatism"]

Floats = NDArray[np.float64]

_ALL = (0, 1)
# Held-out gain that chance does not reach: noise of two free numbers loses likelihood on average.
_LEAST_GAIN = 5.0
_START_ANGLES = np.deg2rad(np.arange(0.0, 180.0, 30.0))


def fit_astigmatism(
    data: Correlations, envelope: int, hand: int, defocus_angstrom: float, largest_angstrom: float
) -> tuple[float, Floats]:
    """Refine the defocus of one tilt with astigmatism, if the tiles ask for it.

    Parameters
    ----------
    data : Correlations
        Of the tilt.
    envelope, hand : int
        As chosen for the series.
    defocus_angstrom : float
        Start, without astigmatism.
    largest_angstrom : float
        Largest U − V.

    Returns
    -------
    defocus_angstrom : float
        Mean of U and V.
    astigmatism_xy : (2,) array of float64
        ``½ (U − V) (cos 2α, sin 2α)``, Å; zeros when not accepted.
    """
    none = np.zeros(2)
    if largest_angstrom == 0:
        return defocus_angstrom, none
    held_out = 0.0
    for seen, unseen in ((0, 1), (1, 0)):
        defocus, astigmatism = _maximise(data, envelope, hand, defocus_angstrom, largest_angstrom, (seen,))
        held_out += data.at(envelope, hand, defocus, astigmatism, (unseen,))
        held_out -= data.at(envelope, hand, defocus_angstrom, none, (unseen,))
        if held_out < -_LEAST_GAIN:
            break
    if held_out < _LEAST_GAIN:
        return defocus_angstrom, none
    return _maximise(data, envelope, hand, defocus_angstrom, largest_angstrom, _ALL)


def _maximise(
    data: Correlations,
    envelope: int,
    hand: int,
    start_angstrom: float,
    largest_angstrom: float,
    halves: tuple[int, ...],
) -> tuple[float, Floats]:
    """Most likely defocus and astigmatism on some halves of the tiles."""
    from scipy.optimize import minimize

    largest = 0.5 * largest_angstrom  # half the difference is what the vector's length means

    def loss(parameters: Floats) -> float:
        length = float(np.hypot(parameters[1], parameters[2]))
        inside = parameters[1:] * min(1.0, largest / max(length, 1e-9))
        return -data.at(envelope, hand, float(parameters[0]), inside, halves) + max(0.0, length - largest)

    starts = [
        np.array([start_angstrom, radius * np.cos(2 * angle), radius * np.sin(2 * angle)])
        for radius in (0.1 * largest, 0.4 * largest)
        for angle in _START_ANGLES
    ]
    best = min(starts, key=loss)
    simplex = best + np.vstack([np.zeros(3), np.diag([150.0, 150.0, 150.0])])
    result = minimize(
        loss,
        best,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 2.0, "fatol": 0.02, "maxfev": 150},
    )
    length = float(np.hypot(result.x[1], result.x[2]))
    return float(result.x[0]), result.x[1:] * min(1.0, largest / max(length, 1e-9))
