"""Inelastic scattering: how many electrons pass the ice without losing energy."""

import math

from tomoset.errors import ParameterError

__all__ = ["ICE_MEAN_FREE_PATH_ANGSTROM", "transmission"]

# Measured at 300 kV with an energy filter: Rice et al. 2018, J. Struct. Biol. 204:38.
ICE_MEAN_FREE_PATH_ANGSTROM = 3950.0


def transmission(
    thickness_angstrom: float, tilt_deg: float, mean_free_path_angstrom: float = ICE_MEAN_FREE_PATH_ANGSTROM
) -> float:
    """Share of electrons that an energy filter lets through a tilted slab.

    Parameters
    ----------
    thickness_angstrom : float
        Of the untilted slab, Å, ≥ 0.
    tilt_deg : float
        Between −90 and 90 degrees.
    mean_free_path_angstrom : float
        Of inelastic scattering, Å.

    Returns
    -------
    float
        ``exp(−t / (Λ cos tilt))``.

    Raises
    ------
    ParameterError
        If the thickness is negative, the mean free path not positive, or the slab seen edge-on.

    Examples
    --------
    >>> round(transmission(2000.0, 45.0), 2)
    0.49
    """
    if thickness_angstrom < 0 or mean_free_path_angstrom <= 0:
        raise ParameterError(
            "expected a thickness ≥ 0 and a mean free path > 0 Å, "
            f"got {thickness_angstrom:g} and {mean_free_path_angstrom:g}"
        )
    if not abs(tilt_deg) < 90:
        raise ParameterError(f"expected a tilt between -90 and 90 degrees, got {tilt_deg:g}")
    return math.exp(-thickness_angstrom / (mean_free_path_angstrom * math.cos(math.radians(tilt_deg))))
