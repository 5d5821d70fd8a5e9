"""Proteins of which only the mass is known: compact, lumpy globules."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import stream
from tomoset.structures.bead_models import close_packed_lattice
from tomoset.structures.scattering import PROTEIN_ANGSTROM3_PER_DALTON, PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["GLOBULE", "globule_structure"]

GLOBULE = "globule"  # what a recipe calls this structure
LEAST_KDA, LARGEST_KDA = 1.0, 20_000.0
COMPACT_KDA, LOOSE_KDA, LOOSE_SHARE = 150.0, 800.0, 0.5
KDA_PER_BEAD, LEAST_BEADS, MOST_BEADS = 1.1, 20, 400
SPREAD_PER_BEAD_EDGE = 0.4  # of the edge of the cube that a bead's share of the volume fills: neighbours merge
JITTER = 0.15  # of the edge of that cube: a protein is no crystal
LUMPS, LUMP_HEIGHT, LUMP_SHARPNESS = 7, 0.3, 6.0
AXIS_LOG_SPREAD = 0.16  # semi-axes differ by some 15 %: most globular proteins have axial ratios of 1 to 1.6
GRID_A_RADIUS = 7.0  # of the lattice by which a body is measured: some 1 400 points

Floats = NDArray[np.float64]


def globule_structure(name: str, mass_kda: float) -> Structure:
    """Lumpy ellipsoid of a protein's mass and volume, of a shape that follows from its name alone.

    Parameters
    ----------
    name : str
        Name of the protein; the same name and mass give the same globule.
    mass_kda : float
        1 to 20 000.

    Returns
    -------
    Structure
        ``C1``, centred on the centre of mass; 1.23 Å3 and 4.05 V Å3 per dalton, about one bead per
        1.1 kDa, 20 to 400.

    Raises
    ------
    ParameterError
        If there is no name, or the mass is outside that range.

    Notes
    -----
    The body is an ellipsoid with a few bumps and dents. The beads have its first and second moments, their own width
    included, so that it is as large as a protein of that mass. Up to 150 kDa it is compact; larger complexes hold
    water between their subunits, and from 800 kDa on the body holds as much water as protein (GroEL, 801 kDa, fills
    half of its 14 by 14.6 nm).
    """
    if not name or not LEAST_KDA <= mass_kda <= LARGEST_KDA:
        raise ParameterError(
            f"globule {name!r}: expected a name and a mass of {LEAST_KDA:g} to {LARGEST_KDA:g} kDa, got {mass_kda:g} "
            "kDa; mend the row of the composition or name a structure"
        )
    volume_angstrom3 = 1e3 * mass_kda * PROTEIN_ANGSTROM3_PER_DALTON / _protein_share(mass_kda)
    wanted_beads = float(np.clip(mass_kda / KDA_PER_BEAD, LEAST_BEADS, MOST_BEADS))
    rng = stream(0, "globule", name)
    body = _Body.drawn(rng)
    solid = body.lattice(GRID_A_RADIUS)
    scale = np.cbrt(volume_angstrom3 / (len(solid) / GRID_A_RADIUS**3))  # Å a unit of the body
    variances, axes = np.linalg.eigh(np.cov(scale * solid.T, bias=True))
    beads = body.lattice(GRID_A_RADIUS * np.cbrt(wanted_beads / len(solid)), rng)
    spread = min(SPREAD_PER_BEAD_EDGE * np.cbrt(volume_angstrom3 / len(beads)), 0.75 * np.sqrt(variances[0]))
    beads -= beads.mean(axis=0)
    positions = beads @ _whitening(beads) @ (axes * np.sqrt(variances - spread**2) @ axes.T)
    return Structure(
        name=name,
        symmetry="C1",
        mass_kda=float(mass_kda),
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.full(len(beads), 1e3 * mass_kda / len(beads) * PROTEIN_VOLT_ANGSTROM3_PER_DALTON),
        spreads_angstrom=np.full(len(beads), spread),
        source=f"sized globule of {mass_kda:g} kDa (no structure given)",
    )


def _protein_share(mass_kda: float) -> float:
    """Share of the body that is protein, not water."""
    return float(np.interp(np.log(mass_kda), np.log([COMPACT_KDA, LOOSE_KDA]), [1.0, LOOSE_SHARE]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    """An ellipsoid of mean radius near 1 with bumps and dents of Gaussian-like shape over the directions."""

    semi_axes: Floats  # (3,), of product 1
    lumps: Floats  # (m, 3) directions before the ellipsoid is stretched
    heights: Floats  # (m,)

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "_Body":
        """A body at random."""
        log_axes = AXIS_LOG_SPREAD * rng.standard_normal(3)
        lumps = rng.standard_normal((LUMPS, 3))
        return cls(
            semi_axes=np.exp(log_axes - log_axes.mean()),
            lumps=lumps / np.linalg.norm(lumps, axis=1, keepdims=True),
            heights=LUMP_HEIGHT * rng.uniform(-1.0, 1.0, LUMPS),
        )

    def lattice(self, points_a_radius: float, rng: np.random.Generator | None = None) -> Floats:
        """(n, 3) points of a lattice in the body, ``points_a_radius``³ a unit of volume; by ``rng`` moved."""
        reach = 1.0 + np.clip(self.heights, 0.0, None).sum()
        points = close_packed_lattice(points_a_radius * reach + 1.0)
        if rng is not None:
            turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
            points = (points + rng.uniform(-0.5, 0.5, 3)) @ turn + JITTER * rng.standard_normal(points.shape)
        points = points / points_a_radius
        distances = np.linalg.norm(points, axis=1)
        cosines = points @ self.lumps.T / np.maximum(distances, 1e-9)[:, None]
        surface = 1.0 + np.exp(LUMP_SHARPNESS * (cosines - 1.0)) @ self.heights
        return np.asarray(points[distances < surface] * self.semi_axes)


def _whitening(points_xyz: Floats) -> Floats:
    """Symmetric matrix that gives centred points the identity as covariance."""
    values, vectors = np.linalg.eigh(points_xyz.T @ points_xyz / len(points_xyz))
    return np.asarray(vectors / np.sqrt(values) @ vectors.T)
