"""Potential across the membranes of vesicles and cells, relative to vitreous ice.

Calibration. Head groups (1.3 g/cm3) stand about +2.5 V and tails (0.80 to 0.85 g/cm3) +1.5 V above the ice, as the mean
inner potentials of isolated atoms give them; terminal methyl groups leave a dip at the mid-plane. The phospholipid's
integral, 82 V Å, is that of palmitoyl-oleoyl-phosphatidylethanolamine: 47.88 V Å² times its scattering factors at
zero angle less 1180 Å3 of ice, 2390 V Å3 a lipid, on 60 Å2 of each leaflet. Phosphates lie 39 Å apart; heads are some
9 Å wide.
"""

import numpy as np
from numpy.typing import NDArray

from tomoset.model import BilayerProfile

__all__ = ["OUTER_MEMBRANE", "PHOSPHOLIPID", "SPREAD_ANGSTROM", "outermost_angstrom", "potential_volt"]

SPREAD_ANGSTROM = 3.5  # of every lipid point; wider layers come from points that scatter about their layer

PHOSPHOLIPID = BilayerProfile(
    name="phospholipid",
    offsets_angstrom=(19.5, 8.0, -8.0, -19.5),
    spreads_angstrom=(3.8, 4.8, 4.8, 3.8),
    integrals_volt_angstrom=(23.2, 17.7, 17.7, 23.2),
    head_offset_angstrom=19.5,
)
"""Two leaflets of phospholipid: heads 9 Å wide at ±19.5 Å, tails between them."""

OUTER_MEMBRANE = BilayerProfile(
    name="outer-membrane",
    offsets_angstrom=(31.0, 18.5, 7.5, -7.5, -18.5),
    spreads_angstrom=(7.0, 4.2, 4.8, 4.6, 3.8),
    integrals_volt_angstrom=(33.0, 27.0, 18.5, 17.0, 23.2),
    head_offset_angstrom=18.5,
)
"""Gram-negative: lipopolysaccharide outside, whose phosphates and sugar core (half water, some 25 Å deep; a rough
strain without O antigen) make it thicker and denser than the phospholipid inside; 2 Å less between the heads."""


def potential_volt(profile: BilayerProfile, heights_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Potential, V, at heights above the mid-surface."""
    heights = np.asarray(heights_angstrom, dtype=np.float64)
    total = np.zeros_like(heights)
    layers = zip(profile.offsets_angstrom, profile.spreads_angstrom, profile.integrals_volt_angstrom, strict=True)
    for offset, spread, integral in layers:
        peak = integral / (spread * np.sqrt(2 * np.pi))
        total += peak * np.exp(-np.square((heights - offset) / spread) / 2)
    return total


def outermost_angstrom(profile: BilayerProfile) -> float:
    """Height above the mid-surface at which the outer leaflet's matter ends: two spreads beyond its layers."""
    return max(o + 2 * s for o, s in zip(profile.offsets_angstrom, profile.spreads_angstrom, strict=True))
