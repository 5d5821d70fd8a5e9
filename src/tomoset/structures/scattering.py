"""Potential of atoms relative to the vitreous ice they displace.

Calibration. The integral of an atom's potential is ``47.8776 V Å² · f_e(0)`` (h² / 2π m e times the electron
scattering factor at zero angle of Peng, Ren, Dudarev & Whelan 1996, Acta Cryst. A52:257, as tabulated in gemmi). The
ice that makes room is subtracted as a volume times its mean inner potential (4.53 V, Vulović et al. 2013, J. Struct.
Biol. 183:19). A non-hydrogen atom of a protein, with its hydrogens, takes 18.0 Å3, one of a nucleotide 13.9 Å3,
about 1.25 and 0.92 Å3 per dalton. The two are chosen so that protein stands +3.3 V and RNA +4.8 V above the ice, which
is 4.0 to 4.1 and 4.4 to 4.5 V Å3 per dalton; isolated atoms overestimate bonded matter, so the contrast is calibrated
and not the absolute potential.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError

__all__ = [
    "HYDROGEN_MASS_DALTON",
    "NUCLEIC_ACID_VOLT_ANGSTROM3_PER_DALTON",
    "PROTEIN_ANGSTROM3_PER_DALTON",
    "PROTEIN_VOLT_ANGSTROM3_PER_DALTON",
    "displaced_volume_angstrom3",
    "element_facts",
    "strengths_volt_angstrom3",
]

VOLT_ANGSTROM2_PER_FORM_FACTOR = 47.8776
ICE_MEAN_INNER_POTENTIAL_VOLT = 4.53
HYDROGEN_MASS_DALTON = 1.008
PROTEIN_ANGSTROM3_PER_DALTON = 1.23  # 1.35 g/cm3
PROTEIN_VOLT_ANGSTROM3_PER_DALTON = 4.05
NUCLEIC_ACID_VOLT_ANGSTROM3_PER_DALTON = 4.44  # the RNA of PDB 4V4R's small subunit

VOLUME_PER_ATOM_ANGSTROM3 = {"nucleotide": 13.9, "other": 18.0}


@lru_cache(maxsize=256)
def element_facts(symbol: str) -> tuple[float, float, float]:
    """Mass (Da), scattering factor at zero angle (Å) and variance of the potential (Å2) of a neutral atom.

    Raises
    ------
    FormatError
        If the element is unknown or has no tabulated scattering factor.
    """
    import gemmi

    element = gemmi.Element(symbol)
    factors = element.c4322 if element.atomic_number > 0 else None
    if factors is None:
        raise FormatError(
            f"expected atoms of known elements, found {symbol!r}; mend the element column of the coordinate file or "
            "remove those atoms"
        )
    amplitudes, widths = np.array(factors.a), np.array(factors.b)
    at_zero = float(amplitudes.sum())
    # exp(-b s²) with s = k / 2 is, in space, a Gaussian of variance b / 8π².
    return float(element.weight), at_zero, float((amplitudes @ widths) / at_zero / (8 * np.pi**2))


def displaced_volume_angstrom3(is_hydrogen: NDArray[np.bool_], in_nucleotide: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Ice that each atom displaces, Å3: (n,) flags -> (n,); a hydrogen's room is counted with its heavy atom."""
    heavy = np.where(in_nucleotide, VOLUME_PER_ATOM_ANGSTROM3["nucleotide"], VOLUME_PER_ATOM_ANGSTROM3["other"])
    return np.where(is_hydrogen, 0.0, heavy)


def strengths_volt_angstrom3(
    form_factors_angstrom: NDArray[np.float64], displaced_angstrom3: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Integral over space of each atom's potential minus the displaced ice's, V Å3: (n,), (n,) -> (n,)."""
    own = VOLT_ANGSTROM2_PER_FORM_FACTOR * form_factors_angstrom
    return np.asarray(own - ICE_MEAN_INNER_POTENTIAL_VOLT * displaced_angstrom3)
