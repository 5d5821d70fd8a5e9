"""Molecules stay in their compartments and out of everything else, whatever else lies in the ice."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tomoset.errors import PackingError, ParameterError
from tomoset.model import Membrane, Molecules, Specimen, stream
from tomoset.specimen import (
    CellParams,
    Component,
    FilamentParams,
    FilmParams,
    GoldParams,
    IceParams,
    LiposomeParams,
    SpecimenParams,
    make_specimen,
    methods_text,
    required_species,
    scatterer_radius_angstrom,
)
from tomoset.structures import built_in_structure, globule_structure

CLEARANCE = 2.0
STRUCTURES = {
    "apoferritin": built_in_structure("apoferritin"),
    "tmv": built_in_structure("tmv"),
    "g30": globule_structure("g30", 30.0),
    "g150": globule_structure("g150", 150.0),
    "ribosome": built_in_structure("ribosome-70s"),
}
Floats = NDArray[np.float64]


def globule(name: str, compartment: str = "ice", **amount: float) -> Component:
    mass = STRUCTURES[name].mass_kda
    return Component(species=name, compartment=compartment, structure="globule", mass_kda=mass, **amount)  # type: ignore[arg-type]


def make(params: SpecimenParams, size_xy: tuple[float, float] = (2000.0, 1800.0), seed: int = 1) -> Specimen:
    return make_specimen(
        "TS_001", params, size_xy_angstrom=size_xy, structures=STRUCTURES, rng=stream(seed, "specimen")
    )


def points_of(molecules: Molecules) -> tuple[Floats, NDArray[np.intp]]:
    """Beads of all copies, and the copy that each belongs to."""
    beads = STRUCTURES[molecules.species].positions_angstrom_xyz
    turned = np.einsum("cij,nj->cni", molecules.rotations, beads) + molecules.positions_angstrom_xyz[:, None]
    return turned.reshape(-1, 3), np.repeat(np.arange(len(molecules)), len(beads))


def least_gap(specimen: Specimen, within: float = 30.0) -> float:
    """Least gap between surfaces of different molecules (or filaments), wherever they are, without wrapping."""
    points, owners, radii, n = [], [], [], 0
    for molecules in specimen.molecules:
        placed, owner = points_of(molecules)
        if molecules.filament_index is not None:
            owner = molecules.filament_index[owner]
        points.append(placed)
        owners.append(owner + n)
        radii.append(np.full(len(placed), scatterer_radius_angstrom(STRUCTURES[molecules.species])))
        n += int(owner.max(initial=-1)) + 1
    xyz, owner, radius = np.concatenate(points), np.concatenate(owners), np.concatenate(radii)
    pairs = cKDTree(xyz).query_pairs(within, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    apart = np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1)
    return float((apart - radius[pairs].sum(axis=1)).min(initial=within))


def radii_from(membrane: Membrane, points: Floats) -> tuple[Floats, float]:
    """Distance of points from a sphere's centre, and its radius."""
    centre = (membrane.vertices_angstrom_xyz.max(axis=0) + membrane.vertices_angstrom_xyz.min(axis=0)) / 2
    radius = float(np.linalg.norm(membrane.vertices_angstrom_xyz - centre, axis=1).mean())
    return np.linalg.norm(points - centre, axis=1), radius


@pytest.fixture(scope="module")
def vesicles() -> Specimen:
    liposomes = LiposomeParams(
        count=2,
        diameter_angstrom=600.0,
        diameter_spread=0.05,
        deformation=0.0,
        multilamellar_fraction=0.0,
        components=(globule("g150", "lumen", mg_per_ml=60.0), globule("g30", "lumen", copies=40)),
    )
    return make(
        SpecimenParams(
            components=(Component(species="apoferritin", mg_per_ml=12.0), globule("g30", mg_per_ml=25.0)),
            filaments=(FilamentParams(species="tmv", copies=2, length_angstrom=900.0, length_spread=0.0),),
            liposomes=(liposomes,),
            thickness_angstrom=1000.0,
        )
    )


def test_what_is_in_vesicles_stays_inside_and_the_rest_outside(vesicles: Specimen) -> None:
    for molecules in vesicles.molecules:
        points, copy = points_of(molecules)
        inside_any = np.zeros(len(points), dtype=bool)
        for membrane in vesicles.membranes:
            distance, radius = radii_from(membrane, points)
            inside = distance < radius - membrane.profile.head_offset_angstrom
            outside = distance > radius + membrane.profile.head_offset_angstrom
            assert (inside | outside).all(), f"{molecules.species} in a membrane"
            inside_any |= inside
        assert inside_any.all() if molecules.compartment == "lumen" else not inside_any.any()
        assert len(np.unique(copy)) == len(molecules)


def test_nothing_overlaps_across_compartments_and_filaments(vesicles: Specimen) -> None:
    gap = least_gap(vesicles)
    assert CLEARANCE <= gap < 12.0


def test_every_species_of_every_compartment_has_a_row_and_its_molecules(vesicles: Specimen) -> None:
    keys = [(row.species, row.compartment) for row in vesicles.composition]
    assert keys == [("apoferritin", "ice"), ("g30", "ice"), ("tmv", "ice"), ("g150", "lumen"), ("g30", "lumen")]
    assert keys == [(m.species, m.compartment) for m in vesicles.molecules]
    for row, molecules in zip(vesicles.composition, vesicles.molecules, strict=True):
        assert len(molecules) == row.placed_copies == row.requested_copies
    rows = dict(zip(keys, vesicles.composition, strict=True))
    assert rows["g30", "lumen"].placed_copies == 80  # 40 in each of two
    assert rows["g30", "lumen"].note.startswith("sized globule")
    assert rows["apoferritin", "ice"].note == ""
    assert rows["tmv", "ice"].note == f"subunits of {len(vesicles.filaments)} filaments"


def test_concentrations_refer_to_the_compartment_and_the_ice_without_bodies(vesicles: Specimen) -> None:
    rows = {(row.species, row.compartment): row for row in vesicles.composition}
    whole = [4 / 3 * np.pi * (radii_from(membrane, np.zeros((1, 3)))[1]) ** 3 for membrane in vesicles.membranes]
    ice = 2000.0 * 1800.0 * 1000.0 - sum(whole)
    row = rows["g30", "ice"]
    assert row.requested_copies == pytest.approx(25.0 * ice * 6.02214e-7 / 30.0, rel=0.03)
    assert row.requested_copies < 0.97 * 25.0 * 2000.0 * 1800.0 * 1000.0 * 6.02214e-7 / 30.0
    assert row.volume_fraction == pytest.approx(row.placed_mg_per_ml * 1.23 * 6.02214e-4, rel=1e-6)
    assert rows["g150", "lumen"].placed_mg_per_ml == pytest.approx(60.0, rel=0.1)
    assert rows["tmv", "ice"].placed_copies == 2 * 13


def test_filaments_are_told_apart_from_those_of_bodies(vesicles: Specimen) -> None:
    tmv = next(m for m in vesicles.molecules if m.species == "tmv")
    assert tmv.filament_index is not None
    for number, filament in enumerate(vesicles.filaments):
        mine = tmv.positions_angstrom_xyz[tmv.filament_index == number]
        distance, _ = cKDTree(filament.curve_angstrom_xyz).query(mine)
        assert distance.max() <= 35.0 + 1e-6  # half a repeat


@pytest.fixture(scope="module")
def cell() -> Specimen:
    params = CellParams(
        kind="syn3a",
        diameter_angstrom=(1300.0, 1300.0),
        deformation=0.0,
        genome_base_pairs=12_000,
        components=(globule("g150", "cytosol", mg_per_ml=120.0), globule("g30", "cytosol", mg_per_ml=80.0)),
    )
    return make(SpecimenParams(cells=(params,), thickness_angstrom=1700.0), (1700.0, 1700.0))


def test_cytosol_is_filled_without_touching_dna_or_membrane(cell: Specimen) -> None:
    assert sum(row.placed_mg_per_ml for row in cell.composition) == pytest.approx(200.0, rel=0.01)
    points = np.concatenate([points_of(molecules)[0] for molecules in cell.molecules])
    distance, radius = radii_from(cell.membranes[0], points)
    assert distance.max() < radius - cell.membranes[0].profile.head_offset_angstrom
    assert distance.max() > radius - 80.0  # and it is filled to its rim
    (dna,) = cell.filaments
    gap, _ = cKDTree(dna.curve_angstrom_xyz).query(points)
    assert gap.min() >= dna.radius_angstrom + CLEARANCE
    assert gap.min() < dna.radius_angstrom + 30.0
    assert CLEARANCE <= least_gap(cell) < 12.0


def test_cytosol_keeps_off_what_is_embedded_and_off_its_own_filaments() -> None:
    embedded = Component(
        species="g150", copies=25, compartment="plasma-membrane", structure="globule", mass_kda=150.0,
        membrane_offset_angstrom=-20.0,
    )  # fmt: skip
    params = CellParams(
        kind="syn3a",
        diameter_angstrom=(1100.0, 1100.0),
        deformation=0.0,
        genome_base_pairs=0,
        components=(globule("g30", "cytosol", mg_per_ml=150.0), embedded),
    )
    rods = FilamentParams(species="tmv", copies=2, length_angstrom=500.0, length_spread=0.0, compartment="cytosol")
    filaments = (rods,)
    specimen = make(SpecimenParams(cells=(params,), filaments=filaments, thickness_angstrom=1500.0), (1500.0, 1500.0))
    placed = {(row.species, row.compartment): row.placed_copies for row in specimen.composition}
    assert placed["g150", "plasma-membrane"] == 25
    assert placed["tmv", "cytosol"] == 2 * 7
    assert [filament.compartment for filament in specimen.filaments] == ["cytosol"] * 2
    tmv = next(m for m in specimen.molecules if m.species == "tmv")
    assert tmv.filament_index is not None
    assert np.unique(tmv.filament_index).tolist() == [0, 1]
    distance, radius = radii_from(specimen.membranes[0], points_of(tmv)[0])
    assert distance.max() < radius - specimen.membranes[0].profile.head_offset_angstrom
    assert CLEARANCE <= least_gap(specimen) < 12.0


def test_nucleic_acid_gives_way_to_what_is_wider_than_its_meshes() -> None:
    params = CellParams(
        kind="syn3a",
        diameter_angstrom=(1500.0, 1500.0),
        deformation=0.0,
        genome_base_pairs=50_000,  # strands some 90 Å apart: hardly a ribosome would fit between them
        components=(
            globule("g30", "cytosol", mg_per_ml=60.0),
            Component(species="ribosome", copies=12, compartment="cytosol"),
        ),
    )
    specimen = make(SpecimenParams(cells=(params,), thickness_angstrom=1900.0), (1900.0, 1900.0))
    assert [(m.species, len(m)) for m in specimen.molecules][1] == ("ribosome", 12)
    assert [row.species for row in specimen.composition] == ["g30", "ribosome"]
    (dna,) = specimen.filaments
    (matter,) = (part for part in specimen.scatterers if part.name == "dna")
    assert dna.length_angstrom == pytest.approx(170_000.0, rel=0.02)
    for molecules in specimen.molecules:
        radius = scatterer_radius_angstrom(STRUCTURES[molecules.species])
        for points in (dna.curve_angstrom_xyz, matter.positions_angstrom_xyz):
            gap, _ = cKDTree(points).query(points_of(molecules)[0])
            assert gap.min() >= dna.radius_angstrom + radius
    assert least_gap(specimen) >= CLEARANCE


def test_copies_of_a_cell_that_reaches_out_of_the_slab_are_those_of_its_part() -> None:
    component = globule("g150", "cytosol", copies=200)
    params = CellParams(kind="syn3a", diameter_angstrom=(1600.0, 1600.0), genome_base_pairs=0, components=(component,))
    specimen = make(SpecimenParams(cells=(params,), thickness_angstrom=1900.0), (800.0, 3000.0))
    (molecules,) = specimen.molecules
    share = (1600.0**2 * 3 - 800.0**2) * 800.0 / (2 * 1600.0**3)  # of a sphere between two planes
    assert len(molecules) == pytest.approx(200 * share, rel=0.05)
    assert np.abs(molecules.positions_angstrom_xyz[:, 0]).max() <= 400.0


def test_molecules_keep_off_film_gold_and_the_surfaces_of_a_wedge() -> None:
    params = SpecimenParams(
        components=(globule("g150", mg_per_ml=60.0), globule("g30", mg_per_ml=30.0)),
        thickness_angstrom=800.0,
        ice=IceParams(wedge_angstrom_per_micrometre=1000.0, hole_radius_angstrom=900.0),
        film=FilmParams(thickness_angstrom=200.0),
        gold=GoldParams(beads_per_square_micrometre=150.0, diameter_angstrom=120.0, diameter_spread=0.0),
    )
    specimen = make(params)
    points = np.concatenate([points_of(molecules)[0] for molecules in specimen.molecules])
    inner = points[(np.abs(points[:, 0]) < 1000.0) & (np.abs(points[:, 1]) < 900.0)]
    top = (800.0 - 0.1 * (inner[:, 0] + 1000.0)) / 2
    assert (np.abs(inner[:, 2]) <= top - params.margin_angstrom).all()
    assert (np.abs(inner[:, 2]) > top - params.margin_angstrom - 15.0).any()
    on_film = (np.hypot(inner[:, 0], inner[:, 1]) > 900.0) & (inner[:, 2] < 200.0 - top)
    assert not on_film.any()
    gold = next(part for part in specimen.scatterers if part.name == "gold")
    gap, _ = cKDTree(gold.positions_angstrom_xyz).query(points)
    assert gap.min() > CLEARANCE
    assert sum(row.volume_fraction for row in specimen.composition) == pytest.approx(90 * 1.23 * 6.02214e-4, rel=0.01)
    whole = 2000.0 * 1800.0 * 800.0
    asked = sum(row.requested_copies * row.mass_kda for row in specimen.composition)
    assert 0.7 < asked / (90.0 * whole * 6.02214e-7) < 0.87  # a wedge, a film and beads take their part


def test_shortage_in_a_cell_says_where_and_what_fits() -> None:
    held = (globule("g150", "cytosol", mg_per_ml=420.0),)
    params = CellParams(kind="syn3a", diameter_angstrom=(900.0, 900.0), genome_base_pairs=0, components=held)
    with pytest.raises(PackingError) as refusal:
        make(SpecimenParams(cells=(params,), thickness_angstrom=1300.0), (1300.0, 1300.0))
    text = str(refusal.value)
    for part in ("g150 in the cytosol", "asked (420 mg/ml)", "mg/ml in the cytosol (", "% of its volume)"):
        assert part in text


def test_impossible_cell_is_refused_at_once() -> None:
    held = (globule("g150", "cytosol", mg_per_ml=1000.0),)
    params = CellParams(kind="syn3a", diameter_angstrom=(900.0, 900.0), genome_base_pairs=0, components=held)
    with pytest.raises(PackingError, match=r"64% of the cytosol.*, but .* mg/ml would fill 74%"):
        make(SpecimenParams(cells=(params,), thickness_angstrom=1300.0), (1300.0, 1300.0))


def test_same_seed_same_bits(vesicles: Specimen) -> None:
    params = SpecimenParams(
        components=(globule("g30", mg_per_ml=20.0),),
        liposomes=(LiposomeParams(count=1, diameter_angstrom=500.0, components=(globule("g30", "lumen", copies=5),)),),
        thickness_angstrom=900.0,
    )
    first, second = make(params, (900.0, 900.0), 5), make(params, (900.0, 900.0), 5)
    for one, other in zip(first.molecules, second.molecules, strict=True):
        np.testing.assert_array_equal(one.positions_angstrom_xyz, other.positions_angstrom_xyz)
        np.testing.assert_array_equal(one.rotations, other.rotations)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"components": (globule("g30", "cytosol", copies=1),)}, "compartment = 'ice' in specimen.components"),
        ({"filaments": (FilamentParams(species="tmv", copies=1, compartment="cytosol"),)}, "a compartment that the"),
        (
            {"components": (globule("g30", copies=1),), "filaments": (FilamentParams(species="g30", copies=1),)},
            "g30 more than once",
        ),
        (
            {"cells": (CellParams(kind="syn3a", components=(globule("g30", "cytosol", copies=1),) * 2),)},
            "g30 in the cytosol more than once",
        ),
    ],
)
def test_bad_place_is_refused(params: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        SpecimenParams(**params)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compartment": "vacuole"}, "expected a compartment"),
        ({"species": "a_b"}, "use a hyphen"),
        ({"mass_kda": 0.0}, "positive mass"),
        ({"structure": "globule"}, "expected mass_kda for a globule"),
        ({"adsorbed_fraction": 1.5}, "adsorbed fraction of 0 to 1"),
        ({"adsorbed_fraction": 0.5, "compartment": "cytosol"}, "adsorbed_fraction = 0 in the cytosol"),
        ({"preferred_orientation": 2.0}, "adsorbed_fraction above 0"),
        ({"preferred_axis": (0.0, 0.0, 0.0)}, "preferred axis"),
        ({"cluster_size": 0.5}, "cluster size of 1 to 1000"),
    ],
)
def test_bad_component_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Component(**{"species": "a", "copies": 1, **change})  # type: ignore[arg-type]


def test_concentration_in_a_membrane_is_refused() -> None:
    with pytest.raises(ParameterError, match="number of copies for what is embedded"):
        Component(species="a", mg_per_ml=3.0, compartment="inner-membrane")


def test_one_species_with_two_looks_is_refused() -> None:
    cell = CellParams(
        kind="syn3a", components=(Component(species="a", copies=1, compartment="cytosol", structure="x.pdb"),)
    )
    params = SpecimenParams(components=(Component(species="a", copies=1, structure="y.pdb"),), cells=(cell,))
    with pytest.raises(ParameterError, match=r"species a: expected one structure.*y.pdb and x.pdb"):
        required_species(params)


def test_needed_species_are_those_of_ice_filaments_and_bodies() -> None:
    cell = CellParams(kind="syn3a", components=(globule("g30", "cytosol", copies=1),))
    params = SpecimenParams(
        components=(Component(species="g30", copies=1), Component(species="apoferritin", copies=2)),
        filaments=(FilamentParams(species="tmv", copies=1),),
        cells=(cell,),
    )
    needed = {item.species: item for item in required_species(params)}
    assert list(needed) == ["g30", "apoferritin", "tmv"]
    assert (needed["g30"].structure, needed["g30"].mass_kda) == ("globule", 30.0)
    assert needed["tmv"].structure == ""


def test_methods_name_all_that_is_switched_on() -> None:
    cell = CellParams(kind="minicell", components=(globule("g30", "cytosol", copies=1),))
    params = SpecimenParams(
        components=(
            Component(species="apoferritin", copies=2, adsorbed_fraction=0.5, preferred_orientation=4.0),
            Component(species="g150", copies=2, cluster_size=3.0),
        ),
        filaments=(FilamentParams(species="tmv", mg_per_ml=2.0, bundle_size=3.0),),
        cells=(cell,),
        liposomes=(LiposomeParams(count=4),),
        ice=IceParams(wedge_angstrom_per_micrometre=100.0),
        film=FilmParams(),
        gold=GoldParams(beads_per_square_micrometre=3.0),
    )
    text = methods_text(params)
    for part in ("apoferritin: 50%", "g150: 3 copies", "tmv 2 mg/ml", "bundles of 3", "minicell", "Liposomes (4"):
        assert part in text
    for part in ("10 nm per µm", "15 nm of amorphous carbon", "Gold beads", "1 species without"):
        assert part in text
