"""Built-in model of tobacco mosaic virus: one repeat of its helix."""

import numpy as np

from tomoset.structures.bead_models import BEAD_SPREAD_ANGSTROM
from tomoset.structures.scattering import NUCLEIC_ACID_VOLT_ANGSTROM3_PER_DALTON, PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["tobacco_mosaic_virus"]

SUBUNITS, TURNS, REPEAT_ANGSTROM = 49, 3, 69.0  # 16 1/3 a turn, 1.408 Å a subunit
BORE_RADIUS_ANGSTROM, OUTER_RADIUS_ANGSTROM, RNA_RADIUS_ANGSTROM = 20.0, 90.0, 40.0
COAT_PROTEIN_KDA, RNA_KDA = 17.5, 0.99  # three nucleotides a subunit
STATIONS = 7  # of a coat protein along the radius, two beads each


def tobacco_mosaic_virus() -> Structure:
    """49 coat proteins and their RNA on three turns of the right-handed helix about z.

    The mass along the radius grows as its root: the protein is as dense as protein can be at the bore and leaves
    grooves at the surface, because a wedge widens outwards and a bundle of helices does not. The two layers of a
    protein are a quarter of the pitch apart along z and, as the wedge, a quarter of the step between neighbours in
    azimuth to either side.
    """
    power = 1.5
    inner, outer = BORE_RADIUS_ANGSTROM**power, OUTER_RADIUS_ANGSTROM**power
    radii = (inner + (outer - inner) * (np.arange(STATIONS) + 0.5) / STATIONS) ** (1 / power)
    step_rad, rise = 2 * np.pi * TURNS / SUBUNITS, REPEAT_ANGSTROM / SUBUNITS
    side = np.array([-1.0, 1.0])
    # Columns: radius, azimuth and height in the subunit, mass, strength per dalton.
    protein = np.array([(r, s * step_rad / 4, s * REPEAT_ANGSTROM / TURNS / 4.5) for r in radii for s in side])
    rna = np.array([(RNA_RADIUS_ANGSTROM, s * step_rad / 4, s * rise / 4) for s in side])
    unit = np.concatenate([protein, rna])
    masses = np.repeat([COAT_PROTEIN_KDA / len(protein), RNA_KDA / len(rna)], [len(protein), len(rna)])
    per_dalton = np.repeat(
        [PROTEIN_VOLT_ANGSTROM3_PER_DALTON, NUCLEIC_ACID_VOLT_ANGSTROM3_PER_DALTON], [len(protein), len(rna)]
    )
    k = np.arange(SUBUNITS)[:, None]
    azimuth = unit[:, 1] + k * step_rad
    height = unit[:, 2] + (k + 0.5) * rise - REPEAT_ANGSTROM / 2
    positions = np.stack([unit[:, 0] * np.cos(azimuth), unit[:, 0] * np.sin(azimuth), height], axis=-1).reshape(-1, 3)
    return Structure(
        name="tmv",
        symmetry="C1",
        mass_kda=float(SUBUNITS * masses.sum()),
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.tile(masses * 1e3 * per_dalton, SUBUNITS),
        spreads_angstrom=np.full(len(positions), BEAD_SPREAD_ANGSTROM),
        source=(
            "bead model of one repeat of tobacco mosaic virus: 49 coat proteins of 17.5 kDa, each with three "
            "nucleotides of RNA at radius 40 A, on three turns of a right-handed helix along z (16 1/3 a turn, 69.0 A "
            "a repeat), radius 20 to 90 A; the symmetry of the filament is helical, of the repeat alone C1"
        ),
        repeat_angstrom=REPEAT_ANGSTROM,
    )
