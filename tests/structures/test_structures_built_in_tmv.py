"""Tobacco mosaic virus: the repeat makes an endless right-handed helix of the published dimensions."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from tomoset.geometry import rotation_about
from tomoset.structures import Structure, built_in_structure, potential_map

SUBUNITS, TURNS, REPEAT = 49, 3, 69.0


@pytest.fixture(scope="module")
def tmv() -> Structure:
    """One repeat."""
    return built_in_structure("tmv")


def stacked(structure: Structure, copies: range) -> np.ndarray:
    """Beads of several repeats."""
    return np.concatenate([structure.positions_angstrom_xyz + np.array([0.0, 0.0, REPEAT * k]) for k in copies])


def moved(structure: Structure, azimuth_deg: float, rise_angstrom: float) -> np.ndarray:
    """Beads of the repeat after a screw about z."""
    return structure.positions_angstrom_xyz @ rotation_about("z", azimuth_deg).T + np.array([0.0, 0.0, rise_angstrom])


def test_one_step_of_the_helix_maps_the_endless_stack_onto_itself(tmv: Structure) -> None:
    tree = cKDTree(stacked(tmv, range(-2, 3)))
    step_deg, rise = 360.0 * TURNS / SUBUNITS, REPEAT / SUBUNITS
    assert rise == pytest.approx(1.408, abs=5e-4)
    for steps in (1, 2, 16, -5):
        distance, partner = tree.query(moved(tmv, steps * step_deg, steps * rise))
        assert distance.max() < 1e-6
        strengths = np.tile(tmv.strengths_volt_angstrom3, 5)
        np.testing.assert_allclose(strengths[partner], tmv.strengths_volt_angstrom3)
    # The left-handed screw does not, nor 16 1/2 subunits a turn.
    assert tree.query(moved(tmv, -step_deg, rise))[0].max() > 2.0
    assert tree.query(moved(tmv, 16 * 360.0 / 16.5, 16 * rise))[0].max() > 2.0


def test_rna_winds_right_handed_without_a_break(tmv: Structure) -> None:
    xyz = stacked(tmv, range(2))
    strand = xyz[np.abs(np.hypot(xyz[:, 0], xyz[:, 1]) - 40.0) < 1e-6]
    strand = strand[np.argsort(strand[:, 2])]
    assert len(strand) == 2 * 2 * SUBUNITS
    azimuth = np.unwrap(np.arctan2(strand[:, 1], strand[:, 0]))
    assert (np.diff(azimuth) > 0).all()  # anticlockwise seen from +z while z grows: a right-handed screw
    turns = (azimuth[-1] - azimuth[0]) / (2 * np.pi) * len(strand) / (len(strand) - 1)
    assert turns == pytest.approx(2 * TURNS)
    assert np.ptp(np.linalg.norm(np.diff(strand, axis=0), axis=1)) < 1e-6  # across the seam as within


def test_tube_has_the_published_radii(tmv: Structure) -> None:
    # Three repeats, of which the middle one is read.
    stack = Structure(
        name="tmv",
        symmetry="C1",
        mass_kda=3 * tmv.mass_kda,
        positions_angstrom_xyz=stacked(tmv, range(-1, 2)),
        strengths_volt_angstrom3=np.tile(tmv.strengths_volt_angstrom3, 3),
        spreads_angstrom=np.tile(tmv.spreads_angstrom, 3),
        source=tmv.source,
    )
    volume = potential_map(stack, 3.0).volume_zyx
    half = len(volume) // 2
    middle = volume[half - 11 : half + 12].mean(axis=0)  # one repeat of 23 voxels
    y, x = np.indices(middle.shape) - half
    radius = 3.0 * np.hypot(x, y)
    rings = np.arange(0.0, 111.0, 3.0)
    profile = np.array([middle[(radius >= r) & (radius < r + 3)].mean() for r in rings])
    wall = profile[(rings >= 45) & (rings < 75)].mean()
    above = rings[profile > wall / 2] + 1.5
    assert above.min() == pytest.approx(20.0, abs=3.5)
    assert above.max() == pytest.approx(90.0, abs=5.0)
    assert profile[rings < 12].max() < 0.1 * wall
    assert profile[(rings >= 36) & (rings < 45)].mean() > 1.2 * wall  # the RNA's ring
    assert wall == pytest.approx(2.0, rel=0.25)  # coat protein fills some 60 % of the wall


def test_repeat_lies_about_the_origin_and_carries_its_rna(tmv: Structure) -> None:
    assert np.abs(tmv.positions_angstrom_xyz.mean(axis=0)).max() < 1e-6
    assert tmv.repeat_angstrom == REPEAT
    protein, rna = 49 * 17.5e3, 49 * 0.99e3
    assert tmv.strengths_volt_angstrom3.sum() == pytest.approx(4.05 * protein + 4.44 * rna, rel=1e-6)
    assert "helical" in tmv.source
    assert "RNA" in tmv.source
