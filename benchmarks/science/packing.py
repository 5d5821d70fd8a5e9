"""How densely and how fast molecules are packed, and whether they keep apart.

Twenty globular species of 29 kDa to 2.5 MDa, equal in volume share, fill 27 % of a slab of 0.4 x 0.4 x 0.1 µm
(true molecular volume, 1.23 Å3/Da; about 360 mg/ml, more than a bacterium holds). The peer is a plain random sequential
insertion of touching binary masks of 10 Å in a slab of the same size: 14 563 molecules in 3.8 CPU seconds.

One JSON line a figure. Usage: ``python benchmarks/science/packing.py --seed 0 [--quick]``.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Specimen, stream
from tomoset.specimen import Component, SpecimenParams, make_specimen, scatterer_radius_angstrom
from tomoset.structures import Structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

MASSES_KDA = (29, 35, 42, 50, 58, 66, 80, 100, 120, 150, 180, 224, 280, 350, 465, 560, 660, 750, 1200, 2500)
VOLUME_FRACTION = 0.27
CLEARANCE_ANGSTROM = 2.0
ANGSTROM3_PER_DALTON = 1.23


def globule(mass_kda: float) -> Structure:
    """An ellipsoid of axis ratio 1 : 1.2 : 1.5 filled with beads of about 0.6 kDa, which also make its surface."""
    n = max(20, round(mass_kda / 0.6))
    bead_radius = np.cbrt(3 * mass_kda * 1e3 * ANGSTROM3_PER_DALTON / n / (4 * np.pi))
    ratio = np.array([1.0, 1.2, 1.5])
    semi_axes = np.cbrt(3 * mass_kda * 1e3 * ANGSTROM3_PER_DALTON / (4 * np.pi * ratio.prod())) * ratio - bead_radius
    cube = np.random.default_rng(0).uniform(-1, 1, (12 * n, 3))
    points = cube[np.linalg.norm(cube, axis=1) <= 1][:n] * semi_axes
    return Structure(
        name=f"globule-{mass_kda:g}",
        symmetry="C1",
        mass_kda=float(mass_kda),
        positions_angstrom_xyz=points,
        strengths_volt_angstrom3=np.full(n, mass_kda * 4e3 / n),
        spreads_angstrom=np.full(n, 4.5),
        source="ellipsoid of beads",
    )


def smallest_gap(specimen: Specimen, structures: dict[str, Structure]) -> float:
    """Least gap between surfaces of different molecules, Å, by a search over all beads (periodic in x and y)."""
    from scipy.spatial import cKDTree

    beads: list[NDArray[np.float64]] = []
    owners: list[NDArray[np.int64]] = []
    radii: list[NDArray[np.float64]] = []
    for molecules in specimen.molecules:
        structure = structures[molecules.species]
        n = len(structure.positions_angstrom_xyz)
        for position, rotation in zip(molecules.positions_angstrom_xyz, molecules.rotations, strict=True):
            owners.append(np.full(n, len(owners)))
            beads.append(structure.positions_angstrom_xyz @ rotation.T + position)
            radii.append(np.full(n, scatterer_radius_angstrom(structure)))
    points, owner, radius = np.concatenate(beads), np.concatenate(owners), np.concatenate(radii)
    reach = 2 * radius.max() + CLEARANCE_ANGSTROM + 10.0  # beyond the grid's own slack, so that the least is found
    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    distance = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    return float((distance - radius[pairs].sum(axis=1)).min())


def main() -> None:
    """Pack the slab once and print what was reached."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a quarter of the area")
    options = parser.parse_args()
    side = 2000.0 if options.quick else 4000.0
    thickness = 1000.0
    structures = {s.name: s for s in map(globule, MASSES_KDA)}
    share = VOLUME_FRACTION * side * side * thickness / len(MASSES_KDA)
    components = tuple(
        Component(species=name, copies=round(share / (s.mass_kda * 1e3 * ANGSTROM3_PER_DALTON)))
        for name, s in structures.items()
    )
    params = SpecimenParams(
        components=components,
        thickness_angstrom=thickness,
        margin_angstrom=0.0,
        clearance_angstrom=CLEARANCE_ANGSTROM,
        allow_short=True,
    )

    def pack() -> Specimen:
        rng = stream(options.seed, "packing")
        return make_specimen("packing", params, size_xy_angstrom=(side, side), structures=structures, rng=rng)

    few = tuple(Component(species=name, copies=1) for name in structures)
    warm_up = SpecimenParams(components=few, thickness_angstrom=thickness, allow_short=True)
    make_specimen("warm", warm_up, size_xy_angstrom=(side, side), structures=structures, rng=stream(0, "warm"))
    start = time.process_time()
    specimen = pack()
    seconds = time.process_time() - start
    asked = sum(row.requested_copies for row in specimen.composition)
    placed = sum(row.placed_copies for row in specimen.composition)
    mass = sum(row.placed_copies * row.mass_kda for row in specimen.composition)
    fraction = mass * 1e3 * ANGSTROM3_PER_DALTON / (side * side * thickness)
    zero = sum(row.placed_copies == 0 for row in specimen.composition)
    report("molecules requested", asked, "copies", asked, at_least=True)
    report("molecules placed", placed, "copies", asked, at_least=True)
    report("species without a copy", zero, "species", 0)
    report("true molecular volume fraction", fraction, "1", 0.998 * VOLUME_FRACTION, at_least=True)
    report(
        "concentration",
        sum(row.placed_mg_per_ml for row in specimen.composition),
        "mg/ml",
        300.0,
        at_least=True,
    )
    report("time to pack", seconds, "CPU s", 5.0)
    report(
        "smallest gap between surfaces",
        smallest_gap(specimen, structures),
        "Å",
        CLEARANCE_ANGSTROM,
        at_least=True,
    )


if __name__ == "__main__":
    main()
