"""What a specimen is asked to hold."""

from dataclasses import dataclass

import numpy as np

from tomoset.errors import ParameterError
from tomoset.specimen.components import Component

__all__ = ["Component", "SpecimenParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenParams:
    """A slab of vitreous ice and what floats in it.

    Parameters
    ----------
    components : tuple of Component
        Species and their amounts, each species once; in TOML an array of tables ``[[specimen.components]]``.
    thickness_angstrom : float
        Thickness of the ice, Å.
    margin_angstrom : float
        Layer under each of the two surfaces that no atom or bead centre enters, Å.
    clearance_angstrom : float
        Least gap between the surfaces of different molecules, Å: between the balls that their atoms (1.6 Å) or beads
        (by their mass) stand for.
    packing_voxel_angstrom : float
        Voxel of the grid that keeps molecules apart, Å: finer packs denser and takes longer.
    allow_short : bool
        Accept fewer copies than asked for, where they do not fit; the composition says so.

    Raises
    ------
    ParameterError
        If a length is not positive (the margin may be zero), the margins leave no ice, or a species is named twice.
    """

    components: tuple[Component, ...]
    thickness_angstrom: float = 1500.0
    margin_angstrom: float = 20.0
    clearance_angstrom: float = 2.0
    packing_voxel_angstrom: float = 5.0
    allow_short: bool = False

    def __post_init__(self) -> None:
        """Refuse slabs that cannot exist."""
        if not (np.isfinite(self.thickness_angstrom) and self.thickness_angstrom > 0):
            raise ParameterError(f"expected a positive ice thickness in Å, found {self.thickness_angstrom:g}")
        if not 0 <= self.margin_angstrom < self.thickness_angstrom / 2:
            raise ParameterError(
                f"expected a margin between 0 and half the ice thickness ({self.thickness_angstrom / 2:g} Å), found "
                f"{self.margin_angstrom:g} Å"
            )
        if not 0 <= self.clearance_angstrom <= 100:
            raise ParameterError(f"expected a clearance between 0 and 100 Å, found {self.clearance_angstrom:g} Å")
        if not 2 <= self.packing_voxel_angstrom <= 40:
            raise ParameterError(f"expected a packing voxel of 2 to 40 Å, found {self.packing_voxel_angstrom:g} Å")
        names = [component.species for component in self.components]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ParameterError(f"expected each species once, found {', '.join(twice)} more than once; add them up")
