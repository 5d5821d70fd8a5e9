"""Bilayer profiles and the lipids that make them up."""

import numpy as np
import pytest

from tomoset.model import BilayerProfile
from tomoset.specimen.bilayer import OUTER_MEMBRANE, PHOSPHOLIPID, SPREAD_ANGSTROM, outermost_angstrom, potential_volt
from tomoset.specimen.membranes import AREA_PER_LIPID_ANGSTROM2, make_lipids, make_membrane
from tomoset.specimen.shapes import Shape, random_ripples
from tomoset.structures.scattering import element_facts

VOLT_ANGSTROM2 = 47.8776


def test_phospholipid_is_as_high_as_mean_inner_potentials_say() -> None:
    heights = np.arange(-60, 60, 0.25)
    volt = potential_volt(PHOSPHOLIPID, heights)
    assert volt.max() == pytest.approx(2.5, abs=0.1)  # heads
    assert abs(heights[volt.argmax()]) == pytest.approx(19.5, abs=0.5)  # 39 Å from phosphate to phosphate
    assert potential_volt(PHOSPHOLIPID, np.array([9.0]))[0] == pytest.approx(1.5, abs=0.1)  # tails
    assert 0.4 < potential_volt(PHOSPHOLIPID, np.array([0.0]))[0] < 1.0  # their methyl ends
    assert volt.sum() * 0.25 == pytest.approx(sum(PHOSPHOLIPID.integrals_volt_angstrom), rel=1e-6)
    np.testing.assert_allclose(volt, potential_volt(PHOSPHOLIPID, -heights))


def test_phospholipid_integral_is_that_of_its_atoms() -> None:
    # Palmitoyl-oleoyl-phosphatidylethanolamine: C39 H76 N O8 P, 1180 Å3, 60 Å2 in each leaflet.
    atoms = {"C": 39, "H": 76, "N": 1, "O": 8, "P": 1}
    lipid = VOLT_ANGSTROM2 * sum(n * element_facts(symbol)[1] for symbol, n in atoms.items()) - 4.53 * 1180
    assert sum(PHOSPHOLIPID.integrals_volt_angstrom) == pytest.approx(2 * lipid / 60, rel=0.1)


def test_outer_membrane_is_thicker_and_denser_outside() -> None:
    heights = np.arange(0, 60, 0.25)
    outside, inside = potential_volt(OUTER_MEMBRANE, heights), potential_volt(OUTER_MEMBRANE, -heights)
    assert outside.sum() > 1.5 * inside.sum()
    assert outside.max() > inside.max()
    assert outermost_angstrom(OUTER_MEMBRANE) > outermost_angstrom(PHOSPHOLIPID) + 10
    assert potential_volt(OUTER_MEMBRANE, np.array([31.0]))[0] > 1.5
    assert potential_volt(OUTER_MEMBRANE, np.array([-31.0]))[0] < 0.1


@pytest.mark.parametrize("profile", [PHOSPHOLIPID, OUTER_MEMBRANE], ids=lambda p: p.name)
@pytest.mark.parametrize("radius", [250.0, 700.0])
def test_lipids_sum_to_the_profile_whatever_the_curvature(profile: BilayerProfile, radius: float) -> None:
    lipids = make_lipids(Shape.sphere(radius), profile, name="lipids", rng=np.random.default_rng(1))
    distances = np.linalg.norm(lipids.positions_angstrom_xyz.astype(np.float64), axis=1)
    heights = np.arange(-45.0, 60.0, 2.5)
    # A Gaussian point at distance d, averaged over the sphere of radius r: (1D Gaussian of d - r) / (4 π d r).
    found = np.array(
        [
            np.sum(
                lipids.strengths_volt_angstrom3
                * np.exp(-np.square((distances - r) / SPREAD_ANGSTROM) / 2)
                / (SPREAD_ANGSTROM * np.sqrt(2 * np.pi))
                / (4 * np.pi * r * distances)
            )
            for r in radius + heights
        ]
    )
    np.testing.assert_allclose(found, potential_volt(profile, heights), atol=0.08)


def test_a_lipid_stands_on_its_area_in_each_leaflet_evenly() -> None:
    shape = Shape.sphere(600.0, random_ripples(20.0, np.random.default_rng(2)))
    lipids = make_lipids(shape, PHOSPHOLIPID, name="lipids", rng=np.random.default_rng(3))
    area = 4 * np.pi * 600.0**2
    assert len(lipids) == pytest.approx(4 * area / AREA_PER_LIPID_ANGSTROM2, rel=0.05)
    heads = lipids.positions_angstrom_xyz[: len(lipids) // 4].astype(np.float64)
    np.testing.assert_allclose(shape.heights(heads), 19.5, atol=10)
    # Numbers in patches of some 30 lipids scatter far less than those of points thrown at random.
    direction = heads / np.linalg.norm(heads, axis=1, keepdims=True)
    z = (np.arange(400) + 0.5) / 200 - 1
    turn = np.arange(400) * np.pi * (3 - np.sqrt(5))
    middle = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=-1)
    counts = (direction @ middle.T > 1 - 2 * 30 / len(heads)).sum(axis=0)
    assert counts.mean() == pytest.approx(30, rel=0.05)
    assert counts.var() < 0.6 * counts.mean()


def test_leaflets_lie_the_head_distance_apart_on_a_fine_mesh() -> None:
    shape = Shape.sphere(300.0)
    membrane = make_membrane(shape, name="liposome", body=3, profile=PHOSPHOLIPID)
    outer, inner = membrane.leaflet_angstrom_xyz(1), membrane.leaflet_angstrom_xyz(-1)
    np.testing.assert_allclose(np.linalg.norm(outer - inner, axis=1), 39.0)
    np.testing.assert_allclose(shape.heights(outer), 19.5, atol=1e-6)
    middles = membrane.vertices_angstrom_xyz[membrane.faces].mean(axis=1)
    assert np.abs(shape.heights(middles)).max() < 2.5
    assert membrane.faces.dtype == np.int32
    assert membrane.body == 3


def test_the_same_stream_gives_the_same_lipids() -> None:
    first, second = (
        make_lipids(Shape.sphere(300.0), OUTER_MEMBRANE, name="lipids", rng=np.random.default_rng(8)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.positions_angstrom_xyz, second.positions_angstrom_xyz)
    np.testing.assert_array_equal(first.strengths_volt_angstrom3, second.strengths_volt_angstrom3)
