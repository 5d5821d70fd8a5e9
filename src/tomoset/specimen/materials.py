"""What matter beside the molecules does to the beam: its mean inner potential and its inelastic mean free path.

Mean free paths hold for 300 kV and an energy filter. They go with ``1 / density``.
"""

from dataclasses import dataclass

from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM
from tomoset.structures.scattering import ICE_MEAN_INNER_POTENTIAL_VOLT

__all__ = ["GOLD", "HEXAGONAL_ICE", "Material", "amorphous_carbon", "frozen_ethane"]

VITREOUS_ICE_G_PER_CM3 = 0.93
HEXAGONAL_ICE_G_PER_CM3 = 0.934  # at 93 K; 0.917 is that of the melting point
# Wanner and Tesche measured 9.09 V on amorphous carbon of 1.75 g/cm3; isolated atoms would give 10.5 V.
CARBON_G_PER_CM3, CARBON_VOLT, CARBON_MEAN_FREE_PATH_ANGSTROM = 1.75, 9.09, 1510.0
# C2H6 of isolated atoms: 47.88 V Å2 x (2 x 2.509 + 6 x 0.529) Å in 30.07 Da.
ETHANE_VOLT_PER_G_PER_CM3 = 7.85
GOLD_VOLT = 29.9
GOLD_INELASTIC_ANGSTROM = 710.0
# Elastic scattering beyond an objective aperture of 20 mrad, which no smooth potential can tell: screened Rutherford
# cross-section of Langmore & Smith (1992, Ultramicroscopy 46:349), 0.13 Å2 an atom at 300 kV, Λ = 129 Å at 0.059
# atoms/Å3, of which 1 / (1 + (20 / 25.4)²) = 62 % goes beyond the aperture (λ / 2π a0 Z^(-1/3) = 25.4 mrad).
GOLD_BEYOND_APERTURE_ANGSTROM = 208.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A solid as the beam sees it at 20 Å.

    Parameters
    ----------
    potential_volt : float
        Mean inner potential against vacuum.
    mean_free_path_angstrom : float
        Path after which 1/e of the electrons is left in the image: neither lost energy nor hit the aperture.
    """

    potential_volt: float
    mean_free_path_angstrom: float

    @property
    def potential_in_ice_volt(self) -> float:
        """Potential against the vitreous ice whose place it takes, V."""
        return self.potential_volt - ICE_MEAN_INNER_POTENTIAL_VOLT

    @property
    def absorption_per_angstrom(self) -> float:
        """Loss of electrons a length, in air, 1/Å."""
        return 1.0 / self.mean_free_path_angstrom

    @property
    def absorption_in_ice_per_angstrom(self) -> float:
        """Loss of electrons a length beyond that of the ice whose place it takes, 1/Å."""
        return self.absorption_per_angstrom - 1.0 / ICE_MEAN_FREE_PATH_ANGSTROM


def amorphous_carbon(density_g_per_cm3: float) -> Material:
    """Carbon film: potential and losses in proportion to its density."""
    relative = density_g_per_cm3 / CARBON_G_PER_CM3
    return Material(
        potential_volt=CARBON_VOLT * relative, mean_free_path_angstrom=CARBON_MEAN_FREE_PATH_ANGSTROM / relative
    )


def frozen_ethane(density_g_per_cm3: float) -> Material:
    """Ethane left from plunging: potential of its atoms, losses of carbon's per mass."""
    return Material(
        potential_volt=ETHANE_VOLT_PER_G_PER_CM3 * density_g_per_cm3,
        mean_free_path_angstrom=CARBON_MEAN_FREE_PATH_ANGSTROM * CARBON_G_PER_CM3 / density_g_per_cm3,
    )


GOLD = Material(
    potential_volt=GOLD_VOLT,
    mean_free_path_angstrom=1.0 / (1.0 / GOLD_INELASTIC_ANGSTROM + 1.0 / GOLD_BEYOND_APERTURE_ANGSTROM),
)
HEXAGONAL_ICE = Material(
    potential_volt=ICE_MEAN_INNER_POTENTIAL_VOLT * HEXAGONAL_ICE_G_PER_CM3 / VITREOUS_ICE_G_PER_CM3,
    mean_free_path_angstrom=ICE_MEAN_FREE_PATH_ANGSTROM * VITREOUS_ICE_G_PER_CM3 / HEXAGONAL_ICE_G_PER_CM3,
)
