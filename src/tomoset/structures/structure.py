"""A molecule as points of known potential, with its symmetry."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

__all__ = ["PotentialMap", "Structure"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Structure:
    """A molecule in its own frame: symmetry centre at the origin, symmetry axes as in ``geometry.point_groups``.

    Parameters
    ----------
    name : str
        ``apoferritin``, ``pp7-vlp`` … (no underscore: it becomes the object's name).
    symmetry : str
        Point group.
    mass_kda : float
        Molecular mass of the whole assembly.
    positions_angstrom_xyz : (n, 3) array of float64
        Centres of the scatterers (atoms, or beads of a built-in model).
    strengths_volt_angstrom3 : (n,) array of float64
        Integral over space of each scatterer's potential *relative to vitreous ice*, V Å³.
    spreads_angstrom : (n,) array of float64
        Standard deviation of each scatterer's Gaussian, Å.
    source : str
        One sentence: which model or file this is, and what was taken of it.
    repeat_angstrom : float or None
        For one repeat of a filament, whose axis is z and whose minus end is at −z: distance along z, Å, after which
        the next copy follows in the same azimuth. None for a molecule that stands alone.
    """

    name: str
    symmetry: str
    mass_kda: float
    positions_angstrom_xyz: NDArray[np.float64]
    strengths_volt_angstrom3: NDArray[np.float64]
    spreads_angstrom: NDArray[np.float64]
    source: str
    repeat_angstrom: float | None = None

    def __post_init__(self) -> None:
        """Refuse a molecule without substance."""
        n = len(self.positions_angstrom_xyz)
        if n == 0 or not self.mass_kda > 0:
            raise ParameterError(f"structure {self.name}: expected atoms and a mass, found {n} and {self.mass_kda} kDa")

    @property
    def radius_angstrom(self) -> float:
        """Largest distance of a scatterer from the centre, plus two of its standard deviations."""
        return float((np.linalg.norm(self.positions_angstrom_xyz, axis=1) + 2 * self.spreads_angstrom).max())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PotentialMap:
    """Potential of a molecule relative to vitreous ice on a cubic grid, its centre at index N // 2.

    Parameters
    ----------
    volume_zyx : (n, n, n) array of float32
        Volts (mean over the voxel); n even, with an empty margin of at least two voxels.
    voxel_size_angstrom : float
    """

    volume_zyx: NDArray[np.float32]
    voxel_size_angstrom: float
