"""Proteins embedded in membranes: where they stand, how they stand, and what makes room for them."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomoset.errors import ParameterError
from tomoset.specimen.bilayer import PHOSPHOLIPID
from tomoset.specimen.components import Component
from tomoset.specimen.envelopes import Skin
from tomoset.specimen.membrane_proteins import Embedded, embed, occupied_region, places_on
from tomoset.specimen.membranes import make_lipids
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.poses import make_solid
from tomoset.specimen.shapes import Shape, random_ripples
from tomoset.structures import built_in_structure

SIZE = (1600.0, 1600.0, 1600.0)
STRUCTURES = {name: built_in_structure(name) for name in ("apoferritin", "proteasome")}


def _skin(radius: float = 500.0, name: str = "liposome") -> Skin:
    ripples = random_ripples(0.03 * radius, np.random.default_rng(0))
    return Skin(name=name, shape=Shape.sphere(radius, ripples), profile=PHOSPHOLIPID)


def _embedded(box: PackingBox, *components: Component, seed: int = 1, skin: Skin | None = None) -> Embedded:
    return embed(
        [skin or _skin()],
        components,
        box,
        STRUCTURES,
        size_angstrom_xyz=SIZE,
        clearance_angstrom=2.0,
        rng=np.random.default_rng(seed),
    )


def test_proteins_stand_on_the_surface_with_their_axis_along_the_normal() -> None:
    box, skin = PackingBox.empty(SIZE, 10.0), _skin()
    found = _embedded(
        box,
        Component(species="apoferritin", copies=20, compartment="liposome"),
        Component(species="proteasome", copies=15, compartment="liposome", membrane_offset_angstrom=60.0),
        Component(species="proteasome", mg_per_ml=3.0, compartment="lumen"),
    )
    assert [len(m) for m in found.molecules] == [20, 15]
    assert [(r.requested_copies, r.placed_copies, r.compartment) for r in found.placements] == [
        (20, 20, "liposome"),
        (15, 15, "liposome"),
    ]
    for molecules, offset in zip(found.molecules, (0.0, 60.0), strict=True):
        axis = molecules.rotations[:, :, 2]
        foot = molecules.positions_angstrom_xyz - offset * axis
        np.testing.assert_allclose(skin.shape.heights(foot), 0.0, atol=0.05)
        np.testing.assert_allclose(axis, skin.shape.normals(foot), atol=1e-3)
        np.testing.assert_allclose(np.linalg.det(molecules.rotations), 1.0)


def test_atoms_of_different_proteins_keep_apart() -> None:
    box = PackingBox.empty(SIZE, 8.0)
    found = _embedded(box, Component(species="apoferritin", copies=40, compartment="liposome"))
    solid = make_solid(STRUCTURES["apoferritin"], 8.0)
    molecules = found.molecules[0]
    clouds = [
        solid.points_angstrom_xyz @ turn.T + centre
        for turn, centre in zip(molecules.rotations, molecules.positions_angstrom_xyz, strict=True)
    ]
    nearest = min(
        cKDTree(clouds[i]).query(clouds[j])[0].min() for i in range(len(clouds)) for j in range(i) if len(clouds) > 1
    )
    assert nearest >= 2.0 + 2 * solid.ball_radius_angstrom
    assert not box.are_free(clouds[0])


def test_a_membrane_that_is_full_reports_fewer_than_asked() -> None:
    found = _embedded(
        PackingBox.empty(SIZE, 10.0),
        Component(species="apoferritin", copies=500, compartment="liposome"),
        skin=_skin(250.0),
    )
    row = found.placements[0]
    # 13 nm circles on 0.785 µm² x 10⁻⁶: at most some 50, random sequential insertion reaches about half of it.
    assert row.requested_copies == 500
    assert row.placed_copies == len(found.molecules[0])
    assert 15 < row.placed_copies < 55


def test_places_are_even_over_the_area_and_their_spin_is_uniform() -> None:
    shape = Shape.sphere(500.0)
    positions, rotations = places_on([shape, Shape.sphere(250.0)], 20_000, np.random.default_rng(2))
    radii = np.linalg.norm(positions, axis=1)
    assert (radii > 400).mean() == pytest.approx(0.8, abs=0.015)  # areas as 4 : 1
    outer = positions[radii > 400] / 500.0
    np.testing.assert_allclose(outer.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(outer.T @ outer / len(outer), np.eye(3) / 3, atol=0.02)
    # On a sphere the local east is z x normal.
    east = np.cross([0.0, 0.0, 1.0], rotations[:, :, 2])
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(rotations[:, :, 2], east)
    x = rotations[:, :, 0]
    spin = np.einsum("nd,nd->n", x, east) + 1j * np.einsum("nd,nd->n", x, north)
    np.testing.assert_allclose(np.abs(spin), 1.0, atol=1e-6)
    assert abs(spin.mean()) < 0.03
    assert abs((spin**2).mean()) < 0.03


def test_lipids_stay_out_of_the_proteins_and_in_elsewhere() -> None:
    skin = _skin()
    found = _embedded(PackingBox.empty(SIZE, 10.0), Component(species="apoferritin", copies=10, compartment="liposome"))
    occupied = occupied_region(found)
    assert occupied is not None
    lipids = make_lipids(skin.shape, skin.profile, name="lipids", rng=np.random.default_rng(1))
    positions = lipids.positions_angstrom_xyz.astype(np.float64)
    distances = cKDTree(found.points_angstrom_xyz).query(positions)[0]
    inside = occupied.contains(positions)
    assert inside[distances < found.ball_radius_angstrom - 2].all()
    assert not inside[distances > found.ball_radius_angstrom + 3 + 8].any()
    assert 0.01 < inside.mean() < 0.2


def test_nothing_embedded_takes_no_room() -> None:
    found = _embedded(PackingBox.empty(SIZE, 10.0), Component(species="apoferritin", copies=3, compartment="cytosol"))
    assert found.molecules == ()
    assert occupied_region(found) is None


def test_heights_above_a_membrane_are_for_membranes() -> None:
    with pytest.raises(ParameterError, match="heights are those above a membrane"):
        Component(species="apoferritin", copies=3, membrane_offset_angstrom=20.0)
    with pytest.raises(ParameterError, match="-1000 to 1000"):
        Component(species="apoferritin", copies=3, compartment="liposome", membrane_offset_angstrom=2e3)


def test_the_same_stream_gives_the_same_places() -> None:
    first, second = (
        _embedded(PackingBox.empty(SIZE, 10.0), Component(species="apoferritin", copies=5, compartment="liposome"))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.molecules[0].positions_angstrom_xyz, second.molecules[0].positions_angstrom_xyz)
    np.testing.assert_array_equal(first.molecules[0].rotations, second.molecules[0].rotations)
