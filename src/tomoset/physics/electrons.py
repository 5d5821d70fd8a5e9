"""Electrons as waves: wavelength and interaction parameter."""

import math

__all__ = ["interaction_parameter_per_volt_angstrom", "wavelength_angstrom"]

# CODATA 2018, SI units.
_PLANCK = 6.62607015e-34
_ELECTRON_MASS = 9.1093837015e-31
_CHARGE = 1.602176634e-19
_LIGHT_SPEED = 299792458.0


def wavelength_angstrom(voltage_kv: float) -> float:
    """Relativistic de Broglie wavelength of an electron.

    Parameters
    ----------
    voltage_kv : float
        Acceleration voltage, kV.

    Returns
    -------
    float
        ``h / sqrt(2 m e V (1 + e V / 2 m c²))``, Å.

    Examples
    --------
    >>> round(wavelength_angstrom(300.0), 6)
    0.019687
    """
    volts = voltage_kv * 1e3
    momentum_squared = 2 * _ELECTRON_MASS * _CHARGE * volts
    relativistic = 1 + _CHARGE * volts / (2 * _ELECTRON_MASS * _LIGHT_SPEED**2)
    return _PLANCK / math.sqrt(momentum_squared * relativistic) * 1e10


def interaction_parameter_per_volt_angstrom(voltage_kv: float) -> float:
    """Phase an electron gains per volt of potential and ångström of path.

    Parameters
    ----------
    voltage_kv : float
        Acceleration voltage, kV.

    Returns
    -------
    float
        ``2 π m γ e λ / h²``, rad / (V Å); 6.526e-4 at 300 kV.

    References
    ----------
    Kirkland, Advanced Computing in Electron Microscopy, eq. 5.6.

    Examples
    --------
    >>> round(interaction_parameter_per_volt_angstrom(300.0) * 1e4, 3)
    6.526
    """
    gamma = 1 + _CHARGE * voltage_kv * 1e3 / (_ELECTRON_MASS * _LIGHT_SPEED**2)
    wavelength = wavelength_angstrom(voltage_kv) * 1e-10
    per_volt_metre = 2 * math.pi * _ELECTRON_MASS * gamma * _CHARGE * wavelength / _PLANCK**2
    return per_volt_metre * 1e-10
