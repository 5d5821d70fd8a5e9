"""Concentrations and copies of a species in a volume."""

import math

from tomoset.specimen.components import Component

__all__ = ["copies_from_mg_per_ml", "mg_per_ml_from_copies", "requested"]

# 1 mg/ml = 1e-3 g / 1e24 Å3, times N_A molecules per (1e3 g of each kDa).
COPIES_KDA_PER_MG_PER_ML_ANGSTROM3 = 6.02214076e23 * 1e-30


def copies_from_mg_per_ml(mg_per_ml: float, mass_kda: float, volume_angstrom3: float) -> int:
    """Copies of a molecule that make up a concentration in a volume, rounded to the nearest whole one.

    Examples
    --------
    >>> copies_from_mg_per_ml(3.2, 480.0, 4000.0 * 4000.0 * 1500.0)
    96
    """
    return math.floor(mg_per_ml * volume_angstrom3 * COPIES_KDA_PER_MG_PER_ML_ANGSTROM3 / mass_kda + 0.5)


def mg_per_ml_from_copies(copies: int, mass_kda: float, volume_angstrom3: float) -> float:
    """Concentration, mg/ml, of a number of molecules in a volume."""
    return copies * mass_kda / (volume_angstrom3 * COPIES_KDA_PER_MG_PER_ML_ANGSTROM3)


def requested(component: Component, mass_kda: float, volume_angstrom3: float) -> tuple[int, float]:
    """Copies and mg/ml that a component asks for."""
    if component.mg_per_ml is not None:
        return copies_from_mg_per_ml(component.mg_per_ml, mass_kda, volume_angstrom3), component.mg_per_ml
    copies = component.copies or 0
    return copies, mg_per_ml_from_copies(copies, mass_kda, volume_angstrom3)
