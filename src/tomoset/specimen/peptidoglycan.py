"""The cell wall between two membranes: glycan strands around the cell, linked by peptides."""

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Scatterers
from tomoset.specimen.shapes import Shape, random_ripples

__all__ = ["THICKNESS_ANGSTROM", "make_peptidoglycan"]

THICKNESS_ANGSTROM = 40.0  # of the layer that molecules stay out of
SPACING_OF_STRANDS_ANGSTROM = 26.0
SPACING_OF_DISACCHARIDES_ANGSTROM = 10.3
DISACCHARIDES_A_STRAND = 30  # mean, E. coli (Harz, Burgdorf & Höltje 1990)
# A disaccharide with its peptide, 0.93 kDa of sugar and amino acids at about 4.0 V Å3/Da above the ice.
DISACCHARIDE_VOLT_ANGSTROM3, PEPTIDE_VOLT_ANGSTROM3 = 1900.0, 1800.0
SPREAD_ANGSTROM = 4.0
# Root mean squares of the layer's own undulation and of the strands across it: with the points' width it is some 25 Å
# thick at half height.
RUMPLE_ANGSTROM, RUMPLE_DEGREES = 6.0, (6, 9, 13)
SCATTER_ANGSTROM = 5.0


def make_peptidoglycan(shape: Shape, *, rng: np.random.Generator) -> Scatterers:
    """Strands along hoops about the axis of a surface, of exponentially distributed lengths, wavy, with peptides.

    One disaccharide takes 10.3 x 26 Å: 0.37 of them a nm2, a single layer as in E. coli (3.5 million on 10 µm2).
    """
    half = shape.meridian_half_angstrom
    radius = shape.radius_angstrom
    stretch = radius / shape.map_radius_angstrom
    beyond_half = half - shape.length_angstrom / 2
    length = shape.length_angstrom + 2 * beyond_half * stretch
    hoops = np.arange(SPACING_OF_STRANDS_ANGSTROM / 2, length, SPACING_OF_STRANDS_ANGSTROM) - length / 2
    rumpled = shape.inset(0.0, random_ripples(RUMPLE_ANGSTROM, rng, degrees=RUMPLE_DEGREES))
    points, strengths = [], []
    for hoop in hoops:
        beyond = max(abs(hoop) - shape.length_angstrom / 2, 0.0)
        around = 2 * np.pi * radius * np.cos(min(beyond / radius, np.pi / 2))
        n = max(int(around / SPACING_OF_DISACCHARIDES_ANGSTROM), 3)
        azimuth = 2 * np.pi * (np.arange(n) + rng.random()) / n
        wave = _wave(n, 5.0, rng)
        on_surface = np.sign(hoop) * (min(abs(hoop), shape.length_angstrom / 2) + beyond / stretch)
        kept = rng.random(n) > 1 / DISACCHARIDES_A_STRAND  # a strand's end leaves a gap
        strand = (on_surface + wave, azimuth, _wave(n, SCATTER_ANGSTROM, rng))
        step = SPACING_OF_STRANDS_ANGSTROM / 2
        peptide = (on_surface + wave + step, azimuth, strand[2] + rng.normal(0, 4.0, n))
        for (meridian, turn, height), strength in (
            (strand, DISACCHARIDE_VOLT_ANGSTROM3),
            (peptide, PEPTIDE_VOLT_ANGSTROM3),
        ):
            clipped = np.clip(meridian[kept], -half, half)
            points.append(_on_levels(rumpled, clipped, turn[kept], height[kept]))
            strengths.append(np.full(int(kept.sum()), strength, dtype=np.float32))
    return Scatterers(
        name="peptidoglycan",
        positions_angstrom_xyz=np.concatenate(points).astype(np.float32),
        strengths_volt_angstrom3=np.concatenate(strengths),
        spread_angstrom=SPREAD_ANGSTROM,
    )


def _on_levels(
    shape: Shape, meridian: NDArray[np.float64], azimuth: NDArray[np.float64], height: NDArray[np.float64]
) -> NDArray[np.float64]:
    base, above = shape.surface(meridian, azimuth), shape.surface(meridian, azimuth, 1.0)
    return base + (above - base) * height[:, None]


def _wave(n: int, rms: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth closed random curve of ``n`` samples, of at most twelve harmonics."""
    order = np.arange(1, min(n // 3, 12) + 1)
    angle = 2 * np.pi * np.arange(n)[:, None] / n * order + rng.uniform(0, 2 * np.pi, len(order))
    return np.asarray(np.cos(angle) @ np.full(len(order), rms * np.sqrt(2 / len(order))))
