"""Radiation damage: how signal fades with dose, by spatial frequency."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError

__all__ = ["critical_dose", "damage_amplitude"]

# Fit of Grant & Grigorieff (2015) eLife 4:e06980 at 300 kV, and its scale at other voltages as cisTEM uses it
# (src/core/electron_dose.cpp).
_A, _B, _C = 0.24499, -1.6649, 2.8141
_SCALE = {300.0: 1.0, 200.0: 0.8, 100.0: 0.532}


def critical_dose(frequency_per_angstrom: ArrayLike, voltage_kv: float = 300.0) -> NDArray[np.float64]:
    """Dose at which the *power* of the signal at a spatial frequency has fallen to 1/e.

    Parameters
    ----------
    frequency_per_angstrom : (...) array of float
        Spatial frequency, 1/Å, ≥ 0; zero never fades (infinite).
    voltage_kv : float
        100, 200 or 300 kV (others: linear between, held at the ends).

    Returns
    -------
    (...) array of float64
        Critical dose, e⁻/Å².

    Raises
    ------
    ParameterError
        If a frequency is negative.

    Examples
    --------
    >>> round(float(critical_dose(0.1)), 1)
    14.1
    """
    k = np.asarray(frequency_per_angstrom, dtype=np.float64)
    if np.any(k < 0):
        raise ParameterError(f"spatial frequency must be ≥ 0, got {k.min():g} 1/Å")
    scale = np.interp(voltage_kv, sorted(_SCALE), [_SCALE[v] for v in sorted(_SCALE)])
    with np.errstate(divide="ignore"):
        return scale * (_A * k**_B + _C)


def damage_amplitude(
    frequency_per_angstrom: ArrayLike, dose_e_per_angstrom2: ArrayLike, voltage_kv: float = 300.0
) -> NDArray[np.float64]:
    """Amplitude, 0 to 1, that is left of the signal after a dose: ``exp(−N / (2 Ne(k)))``; arguments broadcast."""
    dose = np.asarray(dose_e_per_angstrom2, dtype=np.float64)
    return np.exp(-dose / (2 * critical_dose(frequency_per_angstrom, voltage_kv)))
