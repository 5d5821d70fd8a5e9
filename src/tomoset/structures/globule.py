"""Proteins of which only the mass is known: compact, lumpy globules."""

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import stream
from tomoset.structures.scattering import PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["globule_structure"]

PROTEIN_ANGSTROM3_PER_DALTON = 1.23
LEAST_KDA, LARGEST_KDA = 1.0, 20_000.0
KDA_PER_BEAD, LEAST_BEADS, MOST_BEADS = 1.1, 20, 400
SPREAD_PER_BEAD_EDGE = 0.5  # of the edge of the cube that a bead's share of the volume fills: neighbours merge
LUMPS, LUMP_HEIGHT, LUMP_SHARPNESS = 7, 0.3, 6.0
AXIS_LOG_SPREAD = 0.16  # semi-axes differ by some 15 %: most globular proteins have axial ratios of 1 to 1.6
CANDIDATES = 8_192

Floats = NDArray[np.float64]


def globule_structure(name: str, mass_kda: float) -> Structure:
    """Compact, lumpy ellipsoid of a protein's mass and volume, of a shape that follows from its name alone.

    Parameters
    ----------
    name : str
        Name of the protein; the same name and mass give the same globule.
    mass_kda : float
        1 to 20 000.

    Returns
    -------
    Structure
        ``C1``, centred on the centre of mass; 1.23 Å3 and 4.05 V Å3 per dalton, one bead per 1.1 kDa, 20 to 400.

    Raises
    ------
    ParameterError
        If there is no name, or the mass is outside that range.

    Notes
    -----
    The body is an ellipsoid with a few bumps and dents. The beads have its first and second moments, their own width
    included, so that it is as large as a protein of that mass.
    """
    if not name or not LEAST_KDA <= mass_kda <= LARGEST_KDA:
        raise ParameterError(
            f"globule {name!r}: expected a name and a mass of {LEAST_KDA:g} to {LARGEST_KDA:g} kDa, got {mass_kda:g} "
            "kDa; mend the row of the composition or name a structure"
        )
    volume_angstrom3 = 1e3 * mass_kda * PROTEIN_ANGSTROM3_PER_DALTON
    n_beads = int(np.clip(round(mass_kda / KDA_PER_BEAD), LEAST_BEADS, MOST_BEADS))
    body_xyz = _lumpy_body(stream(0, "globule", name), volume_angstrom3)
    covariance = body_xyz.T @ body_xyz / len(body_xyz)
    variances, axes = np.linalg.eigh(covariance)
    spread = min(SPREAD_PER_BEAD_EDGE * np.cbrt(volume_angstrom3 / n_beads), 0.75 * np.sqrt(variances[0]))
    beads = body_xyz[:n_beads] - body_xyz[:n_beads].mean(axis=0)  # every prefix of the sequence is even
    wanted = axes * np.sqrt(variances - spread**2) @ axes.T
    return Structure(
        name=name,
        symmetry="C1",
        mass_kda=float(mass_kda),
        positions_angstrom_xyz=beads @ _whitening(beads) @ wanted,
        strengths_volt_angstrom3=np.full(n_beads, 1e3 * mass_kda / n_beads * PROTEIN_VOLT_ANGSTROM3_PER_DALTON),
        spreads_angstrom=np.full(n_beads, spread),
        source=f"sized globule of {mass_kda:g} kDa (no structure given)",
    )


def _lumpy_body(rng: np.random.Generator, volume_angstrom3: float) -> Floats:
    """Points spread evenly in a lumpy ellipsoid of the volume, centred: (n, 3) Å, n some thousands."""
    log_axes = AXIS_LOG_SPREAD * rng.standard_normal(3)
    semi_axes = np.exp(log_axes - log_axes.mean())
    lumps = rng.standard_normal((LUMPS, 3))
    lumps /= np.linalg.norm(lumps, axis=1, keepdims=True)
    heights = LUMP_HEIGHT * rng.uniform(-1.0, 1.0, LUMPS)
    growth = 1.2207440846057596  # Roberts' additive recurrence in three dimensions: real root of x^4 = x + 1
    steps = ((np.arange(CANDIDATES)[:, None] + 0.5) * growth ** -np.arange(1, 4) + rng.random(3)) % 1.0
    box = 1.0 + np.clip(heights, 0.0, None).sum()
    points = box * (2 * steps - 1)
    distance = np.linalg.norm(points, axis=1)
    cosines = points @ lumps.T / np.maximum(distance, 1e-9)[:, None]
    surface = 1.0 + np.exp(LUMP_SHARPNESS * (cosines - 1.0)) @ heights
    inside = distance < surface
    found_volume = inside.mean() * (2 * box) ** 3  # the semi-axes have the product 1
    body = points[inside] * semi_axes * np.cbrt(volume_angstrom3 / found_volume)
    return np.asarray(body - body.mean(axis=0))


def _whitening(points_xyz: Floats) -> Floats:
    """Symmetric matrix that gives centred points the identity as covariance."""
    values, vectors = np.linalg.eigh(points_xyz.T @ points_xyz / len(points_xyz))
    return np.asarray(vectors / np.sqrt(values) @ vectors.T)
