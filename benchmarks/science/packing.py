"""How densely and how fast molecules are packed, and whether they keep apart.

Twenty globular species of 29 kDa to 2.5 MDa, equal in volume share, fill 27 % of a slab of 0.4 x 0.4 x 0.1 µm
(true molecular volume, 1.23 Å3/Da; about 360 mg/ml, more than a bacterium holds). The peer is a plain random sequential
insertion of touching binary masks of 10 Å in a slab of the same size: 14 563 molecules in 3.8 CPU seconds.

Then the cytosol of a spherical cell of 0.35 µm at 250 mg/ml, ribosomes and globules of 20 to 500 kDa, and the mixture
of seven proteins in the field of a K3 at 2.077 Å, 2.4 x 1.2 µm in 150 nm of ice.

One JSON line a figure. Usage: ``python benchmarks/science/packing.py --seed 0 [--quick]``.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import angle_between_deg
from tomoset.model import Specimen, stream
from tomoset.specimen import (
    CellParams,
    Component,
    FilamentParams,
    SpecimenParams,
    make_specimen,
    scatterer_radius_angstrom,
)
from tomoset.structures import Structure, built_in_structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

MASSES_KDA = (29, 35, 42, 50, 58, 66, 80, 100, 120, 150, 180, 224, 280, 350, 465, 560, 660, 750, 1200, 2500)
VOLUME_FRACTION = 0.27
CLEARANCE_ANGSTROM = 2.0
CYTOSOL_MASSES_KDA = (20, 40, 80, 150, 300, 500)
CYTOSOL_MG_PER_ML, RIBOSOMES_MG_PER_ML = 250.0, 80.0
SEVEN_PROTEINS_MG_PER_ML = {
    "thyroglobulin": 10.4,
    "beta-amylase": 8.9,
    "bsa": 6.32,
    "apoferritin": 1.21,
    "pp7-vlp": 0.9,
    "proteasome": 0.09,
}
TMV_MG_PER_ML = 5.66
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


def smallest_turn_deg(specimen: Specimen, most: int = 400) -> float:
    """Least angle between the orientations of any two of a species' first copies, degrees."""
    least = 180.0
    for molecules in specimen.molecules:
        some = molecules.rotations[:most]
        angles = angle_between_deg(some[:, None], some[None])
        least = min(least, float(angles[np.triu_indices(len(some), 1)].min(initial=180.0)))
    return least


def crowd(seed: int, side: float, thickness: float = 1000.0) -> None:
    """The slab of twenty species."""
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
    specimen, seconds = timed("packing", params, (side, side), structures, seed)
    asked = sum(row.requested_copies for row in specimen.composition)
    placed = sum(row.placed_copies for row in specimen.composition)
    zero = sum(row.placed_copies == 0 for row in specimen.composition)
    concentration = sum(row.placed_mg_per_ml for row in specimen.composition)
    fraction = sum(row.volume_fraction for row in specimen.composition)
    report("molecules requested", asked, "copies", asked, at_least=True)
    report("molecules placed", placed, "copies", asked, at_least=True)
    report("species without a copy", zero, "species", 0)
    report("true molecular volume fraction", fraction, "1", 0.998 * VOLUME_FRACTION, at_least=True)
    report("concentration", concentration, "mg/ml", 300.0, at_least=True)
    report("time to pack", seconds, "CPU s", 5.0)
    gap = smallest_gap(specimen, structures)
    report("smallest gap between surfaces", gap, "Å", CLEARANCE_ANGSTROM, at_least=True)
    report("smallest turn between copies of a species", smallest_turn_deg(specimen), "deg", 0.01, at_least=True)


def cytosol(seed: int, diameter: float) -> None:
    """A spherical cell without chromosome."""
    structures = {s.name: s for s in map(globule, CYTOSOL_MASSES_KDA)} | {
        "ribosome": built_in_structure("ribosome-70s")
    }
    each = (CYTOSOL_MG_PER_ML - RIBOSOMES_MG_PER_ML) / len(CYTOSOL_MASSES_KDA)
    components = tuple(
        Component(species=name, mg_per_ml=RIBOSOMES_MG_PER_ML if name == "ribosome" else each, compartment="cytosol")
        for name in structures
    )
    cell = CellParams(kind="syn3a", diameter_angstrom=(diameter, diameter), genome_base_pairs=0, components=components)
    params = SpecimenParams(cells=(cell,), thickness_angstrom=diameter + 400.0, allow_short=True)
    side = diameter + 400.0
    specimen, seconds = timed("cytosol", params, (side, side), structures, seed)
    asked = sum(row.requested_copies for row in specimen.composition)
    placed = sum(row.placed_copies for row in specimen.composition)
    concentration = sum(row.placed_mg_per_ml for row in specimen.composition)
    report("molecules placed in a cytosol", placed, "copies", asked, at_least=True)
    report("concentration in a cytosol", concentration, "mg/ml", 0.999 * CYTOSOL_MG_PER_ML, at_least=True)
    report("time to make a cell", seconds, "CPU s")
    gap = smallest_gap(specimen, structures)
    report("smallest gap between surfaces in a cytosol", gap, "Å", CLEARANCE_ANGSTROM, at_least=True)


def seven_proteins(seed: int, scale: float) -> None:
    """The paper's second mixture in the whole field of the camera."""
    structures = {name: built_in_structure(name) for name in (*SEVEN_PROTEINS_MG_PER_ML, "tmv")}
    params = SpecimenParams(
        components=tuple(Component(species=n, mg_per_ml=c) for n, c in SEVEN_PROTEINS_MG_PER_ML.items()),
        filaments=(FilamentParams(species="tmv", mg_per_ml=TMV_MG_PER_ML),),
        thickness_angstrom=1500.0,
    )
    specimen, seconds = timed("seven", params, (24000.0 * scale, 12000.0 * scale), structures, seed)
    asked = sum(row.requested_copies for row in specimen.composition)
    placed = sum(row.placed_copies for row in specimen.composition)
    report("molecules placed in a whole field", placed, "copies", asked, at_least=True)
    report("time to pack a whole field", seconds, "CPU s", 30.0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    report("peak memory until then", peak, "GiB", 3.0)


def timed(
    name: str,
    params: SpecimenParams,
    size_xy: tuple[float, float],
    structures: dict[str, Structure],
    seed: int,
) -> tuple[Specimen, float]:
    """A specimen and the CPU seconds that it took."""
    start = time.process_time()
    specimen = make_specimen(name, params, size_xy_angstrom=size_xy, structures=structures, rng=stream(seed, name))
    return specimen, time.process_time() - start


def warm_up() -> None:
    """Compile, or load, what is compiled."""
    structures = {"globule-29": globule(29.0), "tmv": built_in_structure("tmv")}
    held = (Component(species="globule-29", copies=1, compartment="cytosol"),)
    params = SpecimenParams(
        components=(Component(species="globule-29", copies=1),),
        filaments=(FilamentParams(species="tmv", copies=1, length_angstrom=500.0),),
        cells=(CellParams(kind="syn3a", diameter_angstrom=(900.0, 900.0), genome_base_pairs=0, components=held),),
        thickness_angstrom=1400.0,
    )
    timed("warm", params, (2000.0, 2000.0), structures, 0)


def main() -> None:
    """Pack once each and print what was reached."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="smaller slabs and a smaller cell")
    options = parser.parse_args()
    warm_up()
    # First, because the memory of the others is that of the search for gaps.
    seven_proteins(options.seed, 0.25 if options.quick else 1.0)
    crowd(options.seed, 2000.0 if options.quick else 4000.0)
    cytosol(options.seed, 1500.0 if options.quick else 3500.0)


if __name__ == "__main__":
    main()
