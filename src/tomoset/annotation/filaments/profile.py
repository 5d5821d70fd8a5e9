"""What a filament looks like across its axis: the Fourier transform of its density averaged about the axis.

Between two layer lines a helix scatters only on the equator, and the equator is that of its radial density. At the
resolution of a search (half a filament's radius) nothing else is left, so that one function of the frequency across
the axis stands for every azimuth, and a segment of any direction and length follows from it without interpolation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError
from tomoset.structures import Structure

__all__ = ["RadialProfile", "radial_profile"]

Floats = NDArray[np.float64]

_SAMPLES_PER_FRINGE = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RadialProfile:
    """Transform of the density of a filament across its axis, a length of 1 Å.

    Parameters
    ----------
    step_per_angstrom : float
        Spacing of the samples, 1/Å; the first is frequency 0.
    values_volt_angstrom2 : (n,) array of float64
        V Å³ per Å of filament at each frequency; zero beyond the last.
    radius_angstrom : float
        Outer radius: the farthest scatterer and one of its standard deviations.
    """

    step_per_angstrom: float
    values_volt_angstrom2: Floats
    radius_angstrom: float

    def at(self, frequency_per_angstrom: ArrayLike) -> Floats:
        """Value at frequencies across the axis, by linear interpolation."""
        k = np.asarray(frequency_per_angstrom, dtype=np.float64)
        grid = np.arange(len(self.values_volt_angstrom2)) * self.step_per_angstrom
        return np.interp(k, grid, self.values_volt_angstrom2, right=0.0)


def radial_profile(structure: Structure, finest_angstrom: float) -> RadialProfile:
    """Average a filament's repeat about its axis.

    Parameters
    ----------
    structure : Structure
        One repeat, its axis along z.
    finest_angstrom : float
        Finest detail that is asked for.

    Returns
    -------
    RadialProfile

    Raises
    ------
    ParameterError
        If the structure is no repeat of a filament.

    Notes
    -----
    A ring of radius ρ transforms to J0(2 π k ρ), a Gaussian of standard deviation s to exp(−2 π² s² k²).
    """
    from scipy.special import j0

    if structure.repeat_angstrom is None:
        raise ParameterError(
            f"filament {structure.name}: expected the repeat of a filament (a structure with repeat_angstrom and its "
            "axis along z), found a molecule that stands alone; match it as a template instead"
        )
    rho = np.hypot(structure.positions_angstrom_xyz[:, 0], structure.positions_angstrom_xyz[:, 1])
    radius = float((rho + structure.spreads_angstrom).max())
    step = 1 / (_SAMPLES_PER_FRINGE * radius)
    k = np.arange(int(np.ceil(1 / finest_angstrom / step)) + 2) * step
    total = np.zeros_like(k)
    for start in range(0, len(rho), 256):
        part = slice(start, start + 256)
        fading = np.exp(-2 * np.square(np.pi * structure.spreads_angstrom[part, None] * k))
        total += structure.strengths_volt_angstrom3[part] @ (j0(2 * np.pi * rho[part, None] * k) * fading)
    return RadialProfile(
        step_per_angstrom=step, values_volt_angstrom2=total / structure.repeat_angstrom, radius_angstrom=radius
    )
