"""Built-in model of tobacco mosaic virus: one repeat of its helix."""

import numpy as np
from numpy.typing import NDArray

from tomoset.structures.scattering import NUCLEIC_ACID_VOLT_ANGSTROM3_PER_DALTON, PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["tobacco_mosaic_virus"]

Floats = NDArray[np.float64]

SUBUNITS, TURNS, REPEAT_ANGSTROM = 49, 3, 69.0  # 16 1/3 a turn, 1.408 Å a subunit
BORE_RADIUS_ANGSTROM, OUTER_RADIUS_ANGSTROM, RNA_RADIUS_ANGSTROM = 20.0, 90.0, 40.0
COAT_PROTEIN_KDA, RNA_KDA = 17.5, 0.99  # three nucleotides a subunit
BEADS_AT_STATION = (2, 2, 2, 4, 4)  # of a coat protein, from the bore outwards; all stations have the same mass
SPREAD_ANGSTROM = 5.5


def tobacco_mosaic_virus() -> Structure:
    """49 coat proteins and their RNA on three turns of the right-handed helix about z.

    The mass along the radius grows as its root: the protein is as dense as protein can be at the bore and leaves
    grooves at the surface, because a wedge widens outwards and a bundle of helices does not.
    """
    step_rad, rise = 2 * np.pi * TURNS / SUBUNITS, REPEAT_ANGSTROM / SUBUNITS
    unit, masses, per_dalton = _subunit(step_rad, rise)
    k = np.arange(SUBUNITS)[:, None]
    radius, azimuth = unit[:, 0], unit[:, 1] + k * step_rad
    height = unit[:, 2] + (k + 0.5) * rise - REPEAT_ANGSTROM / 2
    positions = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height], axis=-1).reshape(-1, 3)
    return Structure(
        name="tmv",
        symmetry="C1",
        mass_kda=float(SUBUNITS * masses.sum()),
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.tile(masses * 1e3 * per_dalton, SUBUNITS),
        spreads_angstrom=np.full(len(positions), SPREAD_ANGSTROM),
        source=(
            "bead model of one repeat of tobacco mosaic virus: 49 coat proteins of 17.5 kDa, each with three "
            "nucleotides of RNA at radius 40 A, on three turns of a right-handed helix along z (16 1/3 a turn, 69.0 A "
            "a repeat), radius 20 to 90 A; the shape of a subunit is modelled; the symmetry of the filament is "
            "helical, of the repeat alone C1"
        ),
        repeat_angstrom=REPEAT_ANGSTROM,
    )


def _subunit(step_rad: float, rise_angstrom: float) -> tuple[Floats, Floats, Floats]:
    """Beads of one subunit: (n, 3) radius, azimuth and height; (n,) masses, kDa; (n,) V Å3 per dalton.

    The protein's two layers are somewhat nearer than half a pitch, so that a groove runs between the turns.
    """
    power = 1.5
    inner, outer = BORE_RADIUS_ANGSTROM**power, OUTER_RADIUS_ANGSTROM**power
    n_stations = len(BEADS_AT_STATION)
    radii = (inner + (outer - inner) * (np.arange(n_stations) + 0.5) / n_stations) ** (1 / power)
    quarter_step, layer = step_rad / 4, REPEAT_ANGSTROM / TURNS / 4.5
    diagonal = [(-quarter_step, -layer), (quarter_step, layer)]
    square = [*diagonal, (-quarter_step, layer), (quarter_step, -layer)]
    rows, masses = [], []
    for radius, n_beads in zip(radii, BEADS_AT_STATION, strict=True):
        rows += [(radius, azimuth, height) for azimuth, height in square[:n_beads]]
        masses += [COAT_PROTEIN_KDA / n_stations / n_beads] * n_beads
    rna = [(RNA_RADIUS_ANGSTROM, side * quarter_step, side * rise_angstrom / 4) for side in (-1.0, 1.0)]
    per_dalton = [PROTEIN_VOLT_ANGSTROM3_PER_DALTON] * len(rows) + [NUCLEIC_ACID_VOLT_ANGSTROM3_PER_DALTON] * len(rna)
    return np.array(rows + rna), np.array([*masses, *[RNA_KDA / len(rna)] * len(rna)]), np.array(per_dalton)
