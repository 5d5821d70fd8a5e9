"""Specimens hold what was asked for, without overlap, and say so when they cannot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tomoset.errors import PackingError, ParameterError
from tomoset.geometry import check_rotations
from tomoset.model import Specimen, stream
from tomoset.specimen import (
    Component,
    SpecimenParams,
    copies_from_mg_per_ml,
    make_specimen,
    methods_text,
    mg_per_ml_from_copies,
    scatterer_radius_angstrom,
)
from tomoset.structures import BUILT_IN_NAMES, Structure, built_in_structure

STRUCTURES = {name: built_in_structure(name) for name in BUILT_IN_NAMES}
SIZE_XY = (1500.0, 1300.0)


def rod(length: float, name: str = "rod") -> Structure:
    xyz = np.zeros((int(length // 5) + 1, 3))
    xyz[:, 2] = np.linspace(-length / 2, length / 2, len(xyz))
    return Structure(
        name=name,
        symmetry="C1",
        mass_kda=0.5 * len(xyz),
        positions_angstrom_xyz=xyz,
        strengths_volt_angstrom3=np.full(len(xyz), 2000.0),
        spreads_angstrom=np.full(len(xyz), 4.5),
        source="test",
    )


def mixture(**changes: object) -> SpecimenParams:
    components = (
        Component(species="proteasome", copies=6),
        Component(species="apoferritin", mg_per_ml=30.0),
        Component(species="pp7-vlp", copies=8),
    )
    settings_: dict[str, object] = {"components": components, "thickness_angstrom": 1000.0, **changes}
    return SpecimenParams(**settings_)  # type: ignore[arg-type]


def make(params: SpecimenParams, seed: int = 1, structures: dict[str, Structure] | None = None) -> Specimen:
    known = STRUCTURES if structures is None else structures
    return make_specimen("TS_001", params, size_xy_angstrom=SIZE_XY, structures=known, rng=stream(seed, "specimen"))


def all_points(
    specimen: Specimen, structures: dict[str, Structure]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Beads of every molecule in the specimen frame, the molecule they belong to, their radius."""
    points, owners, radii = [], [], []
    for molecules in specimen.molecules:
        structure = structures[molecules.species]
        for position, rotation in zip(molecules.positions_angstrom_xyz, molecules.rotations, strict=True):
            placed = (rotation @ structure.positions_angstrom_xyz.T).T + position
            owners.append(np.full(len(placed), len(owners)))
            points.append(placed)
            radii.append(np.full(len(placed), scatterer_radius_angstrom(structure)))
    return np.concatenate(points), np.concatenate(owners), np.concatenate(radii)


def least_gap(specimen: Specimen, structures: dict[str, Structure], within: float = 40.0) -> float:
    """Smallest gap between surfaces of different molecules, the slab repeated in x and y."""
    points, owner, radius = all_points(specimen, structures)
    x, y, _ = specimen.size_angstrom_xyz
    wrapped = np.column_stack([points[:, 0] % x, points[:, 1] % y, points[:, 2] + 5000.0])
    pairs = cKDTree(wrapped, boxsize=(x, y, 20000.0)).query_pairs(within, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    apart = np.abs(wrapped[pairs[:, 0]] - wrapped[pairs[:, 1]])
    apart[:, :2] = np.minimum(apart[:, :2], np.array([x, y]) - apart[:, :2])
    return float((np.linalg.norm(apart, axis=1) - radius[pairs].sum(axis=1)).min(initial=within))


@pytest.fixture(scope="module")
def crowded() -> Specimen:
    return make(mixture())


def test_every_copy_asked_for_is_there(crowded: Specimen) -> None:
    volume = SIZE_XY[0] * SIZE_XY[1] * 1000.0
    rows = {row.species: row for row in crowded.composition}
    expected = round(30.0 * volume * 6.02214076e-7 / 480.0)
    assert [row.species for row in crowded.composition] == ["proteasome", "apoferritin", "pp7-vlp"]
    assert rows["apoferritin"].requested_copies == rows["apoferritin"].placed_copies == expected
    assert rows["apoferritin"].placed_mg_per_ml == pytest.approx(30.0, rel=0.02)
    assert rows["proteasome"].placed_copies == 6
    assert rows["proteasome"].requested_mg_per_ml == pytest.approx(6 * 673.4e3 / 6.02214076e23 / volume * 1e27)
    assert [len(m) for m in crowded.molecules] == [row.placed_copies for row in crowded.composition]
    assert crowded.size_angstrom_xyz == (*SIZE_XY, 1000.0)


def test_no_two_molecules_come_closer_than_the_clearance(crowded: Specimen) -> None:
    gap = least_gap(crowded, STRUCTURES)
    assert 2.0 <= gap < 12.0  # and they do come close: the test is not of a dilute specimen


@pytest.mark.parametrize("voxel", [4.0, 8.0])
def test_clearance_holds_for_any_grid_and_a_wide_one_is_kept(voxel: float) -> None:
    specimen = make(mixture(clearance_angstrom=15.0, packing_voxel_angstrom=voxel), seed=4)
    assert least_gap(specimen, STRUCTURES, within=60.0) >= 15.0


def test_molecules_stay_off_both_surfaces_and_fill_the_slab(crowded: Specimen) -> None:
    points, _, _ = all_points(crowded, STRUCTURES)
    assert np.abs(points[:, 2]).max() <= 500.0 - 20.0
    assert np.abs(points[:, 2]).max() > 500.0 - 60.0
    centres = np.concatenate([m.positions_angstrom_xyz for m in crowded.molecules])
    assert np.abs(centres[:, 0]).max() <= SIZE_XY[0] / 2
    assert np.abs(centres[:, 1]).max() <= SIZE_XY[1] / 2
    assert np.all(np.abs(centres.mean(axis=0)) < 0.2 * np.array([*SIZE_XY, 1000.0]))


def test_nothing_is_put_into_a_closed_shell() -> None:
    """Small molecules would find the most room inside the VLPs and ferritins, where none can get in."""
    params = SpecimenParams(
        components=(Component(species="pp7-vlp", copies=6), Component(species="rod", copies=2500)),
        thickness_angstrom=800.0,
        allow_short=True,
    )
    structures = {**STRUCTURES, "rod": rod(30.0)}
    specimen = make(params, structures=structures)
    shells, rods = specimen.molecules
    assert len(rods) > 500
    distance, _ = cKDTree(shells.positions_angstrom_xyz).query(rods.positions_angstrom_xyz)
    assert distance.min() > 125.0


def test_rotations_are_proper_and_isotropic() -> None:
    params = SpecimenParams(components=(Component(species="rod", copies=400),), thickness_angstrom=800.0)
    specimen = make(params, structures={"rod": rod(40.0)})
    rotations = check_rotations(specimen.molecules[0].rotations)
    axes = rotations[:, :, 2]
    np.testing.assert_allclose(np.mean(axes**2, axis=0), 1 / 3, atol=0.06)
    assert np.abs(axes.mean(axis=0)).max() < 0.12
    fraction = specimen.molecules[0].positions_angstrom_xyz[:, 0] / 5.0 % 1.0
    assert np.histogram(fraction, 5, (0, 1))[0].min() > 30  # positions do not sit on the packing grid


def test_same_stream_same_specimen_and_another_stream_another() -> None:
    params = SpecimenParams(components=(Component(species="apoferritin", copies=20),), thickness_angstrom=600.0)
    first, second, third = (make(params, seed).molecules[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.positions_angstrom_xyz, second.positions_angstrom_xyz)
    np.testing.assert_array_equal(first.rotations, second.rotations)
    assert np.abs(first.positions_angstrom_xyz - third.positions_angstrom_xyz).max() > 10.0


def test_rod_longer_than_the_ice_lies_flat() -> None:
    params = SpecimenParams(components=(Component(species="rod", copies=10),), thickness_angstrom=400.0)
    specimen = make(params, structures={"rod": rod(700.0)})
    assert np.abs(specimen.molecules[0].rotations[:, 2, 2]).max() < 0.55


def test_zero_is_an_amount() -> None:
    params = SpecimenParams(
        components=(Component(species="apoferritin", mg_per_ml=0.0), Component(species="proteasome", copies=1))
    )
    specimen = make(params)
    assert [len(m) for m in specimen.molecules] == [0, 1]
    empty = make(SpecimenParams(components=()))
    assert empty.molecules == ()


def test_shortage_is_an_error_that_says_what_fits() -> None:
    params = SpecimenParams(
        components=(Component(species="pp7-vlp", mg_per_ml=150.0), Component(species="apoferritin", copies=4)),
        thickness_angstrom=800.0,
    )
    with pytest.raises(PackingError) as refusal:
        make(params)
    text = str(refusal.value)
    assert "pp7-vlp: 56 asked" in text
    assert "placed (" in text
    assert "allow_short = true" in text
    assert "apoferritin:" not in text  # it found room


def test_short_specimen_is_accepted_on_request_and_says_so() -> None:
    params = SpecimenParams(
        components=(Component(species="pp7-vlp", mg_per_ml=150.0),), thickness_angstrom=800.0, allow_short=True
    )
    specimen = make(params)
    row = specimen.composition[0]
    assert 10 < row.placed_copies < row.requested_copies
    assert row.placed_mg_per_ml < row.requested_mg_per_ml
    assert least_gap(specimen, STRUCTURES) >= 2.0


def test_impossible_concentration_is_refused_at_once() -> None:
    with pytest.raises(PackingError, match=r"2000 mg/ml.*would fill 148%"):
        make(SpecimenParams(components=(Component(species="apoferritin", mg_per_ml=2000.0),)))


@pytest.mark.parametrize("thickness", [100.0, 300.0])
def test_molecule_larger_than_the_ice_is_refused(thickness: float) -> None:
    params = SpecimenParams(components=(Component(species="pp7-vlp", copies=1),), thickness_angstrom=thickness)
    with pytest.raises(PackingError, match=r"pp7-vlp \(28\d Å across\) does not fit"):
        make(params)


def test_molecule_wider_than_the_slab_is_refused() -> None:
    params = SpecimenParams(components=(Component(species="rod", copies=1),))
    with pytest.raises(PackingError, match=r"slab of at least 20\d\d Å"):
        make(params, structures={"rod": rod(2000.0)})


def test_unknown_species_lists_what_there_is() -> None:
    with pytest.raises(ParameterError, match=r"apoferritin, .*pp7-vlp, proteasome.*\), found ribosom;"):
        make(SpecimenParams(components=(Component(species="ribosom", copies=1),)))


def test_slab_without_area_is_refused() -> None:
    with pytest.raises(ParameterError, match="positive size"):
        make_specimen("TS", mixture(), size_xy_angstrom=(0.0, 100.0), structures=STRUCTURES, rng=stream(0, "x"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thickness_angstrom": -1500.0}, "positive ice thickness"),
        ({"thickness_angstrom": float("nan")}, "positive ice thickness"),
        ({"margin_angstrom": 500.0}, "margin between 0 and half"),
        ({"margin_angstrom": -1.0}, "margin between 0 and half"),
        ({"clearance_angstrom": -2.0}, "clearance between"),
        ({"packing_voxel_angstrom": 0.0}, "packing voxel"),
        ({"components": (Component(species="a", copies=1), Component(species="a", copies=2))}, "a more than once"),
    ],
)
def test_bad_slab_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        mixture(**change)


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({}, "neither"),
        ({"mg_per_ml": 1.0, "copies": 3}, "both"),
        ({"mg_per_ml": -1.0}, r"zero or more, .*found -1"),
        ({"copies": -1}, "zero or more"),
        ({"mg_per_ml": float("inf")}, r"zero or more, .*found inf"),
    ],
)
def test_bad_amount_is_refused(amounts: dict[str, float], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Component(species="apoferritin", **amounts)  # type: ignore[arg-type]


@settings(max_examples=50)
@given(st.floats(0.0, 400.0), st.floats(10.0, 5000.0), st.floats(1e7, 1e12))
def test_concentration_and_copies_agree_to_half_a_copy(mg_per_ml: float, mass_kda: float, volume: float) -> None:
    copies = copies_from_mg_per_ml(mg_per_ml, mass_kda, volume)
    one = mg_per_ml_from_copies(1, mass_kda, volume)
    assert abs(mg_per_ml_from_copies(copies, mass_kda, volume) - mg_per_ml) <= 0.5 * one * (1 + 1e-9)


def test_progress_is_told_of_each_species() -> None:
    told: list[tuple[str, int, int]] = []

    class Listener:
        def step(self, what: str, done: int, total: int) -> None:
            told.append((what, done, total))

    params = SpecimenParams(
        components=(Component(species="apoferritin", copies=2), Component(species="pp7-vlp", copies=1))
    )
    make_specimen(
        "TS", params, size_xy_angstrom=SIZE_XY, structures=STRUCTURES, rng=stream(1, "x"), progress=Listener()
    )
    assert told == [("packing", 1, 2), ("packing", 2, 2)]


def test_methods_sentence_names_what_matters() -> None:
    text = methods_text(mixture())
    assert text.endswith(".")
    for part in ("apoferritin 30 mg/ml", "proteasome 6 copies", "100 nm", "2 Å apart", "20 Å from"):
        assert part in text
