"""Decoys, exclusion by matter, and subtraction."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from tomoset.annotation.templates.competition import Hits
from tomoset.annotation.templates.decoys import filament_decoy, membrane_decoy
from tomoset.annotation.templates.exclusion import Claims, choose_exclusively, in_company
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.refine import Refiner, patch_around
from tomoset.annotation.templates.residual import add_template, nearest_voxel, resettle, rewhitened, subtract
from tomoset.annotation.templates.template_spectrum import template_spectrum
from tomoset.annotation.templates.whitening import WhitenedVolume
from tomoset.errors import ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import PickableObject
from tomoset.structures import built_in_structure

VOXEL = 40.0 / 3.0
PROTEASOME = built_in_structure("proteasome")


def flat_weight(n=24):
    weight = np.ones((n, n, n // 2 + 1), np.float32)
    weight[0, 0, 0] = 0
    return weight


def refiner(structure=PROTEASOME, step_deg=8.0):
    return Refiner(template_spectrum(structure, VOXEL), flat_weight(), structure.radius_angstrom, VOXEL, step_deg)


def noise_volume(shape=(40, 40, 40), sigma=1.0, seed=0):
    rng = np.random.default_rng(seed)
    return Prepared(WhitenedVolume(rng.normal(0, sigma, shape).astype(np.float32), VOXEL, shape), flat_weight())


def hits(positions, rotations, z=1.0, norm=1.0):
    n = len(positions)
    return Hits(np.asarray(positions, float), np.asarray(rotations), np.full(n, float(z)), np.full(n, float(norm)))


def test_what_is_added_is_taken_away_again():
    world, fit = noise_volume(), refiner()
    rotations = random_rotations(2, np.random.default_rng(1))
    places = np.array([[200.0, 260.0, 251.0], [350.0, 260.0, 260.0]])
    before = world.white.volume_zyx.copy()
    for place, rotation in zip(places, rotations, strict=True):
        add_template(world, fit, place, rotation, 0.8)
    taken = subtract(world, hits(places, rotations), fit, 2.0)
    np.testing.assert_allclose(taken, 0.8, atol=4 / fit.norm(rotations[0]))
    assert np.abs(world.white.volume_zyx - before).max() < 0.5


def test_an_added_template_scores_its_amplitude_times_its_norm():
    world, fit = noise_volume(sigma=0.0), refiner()
    rotation = random_rotations(1, np.random.default_rng(2))[0]
    place = np.array([255.0, 261.0, 270.0])
    add_template(world, fit, place, rotation, 1.5)
    index, offset = nearest_voxel(place, VOXEL)
    z, norm = fit.score(patch_around(world.white.volume_zyx, index, fit.half), rotation, offset)
    assert z == pytest.approx(1.5 * norm, rel=5e-3)
    assert norm == pytest.approx(fit.norm(rotation), rel=1e-9)


def test_a_particle_beside_a_subtracted_one_is_fitted_alone():
    """Two touching particles, first subtracted a little off: settling brings both where they are."""
    world, fit = noise_volume(sigma=0.3), refiner()
    rotations = random_rotations(2, np.random.default_rng(3))
    places = np.array([[200.0, 260.0, 260.0], [330.0, 260.0, 260.0]])
    for place, rotation in zip(places, rotations, strict=True):
        add_template(world, fit, place, rotation, 1.0)
    off = hits(places + np.array([4.0, -3.0, 2.0]), rotations)
    amplitudes = subtract(world, off, fit, 2.0)
    found, amplitudes = resettle(world, off, PROTEASOME, fit, amplitudes)
    found, amplitudes = resettle(world, found, PROTEASOME, fit, amplitudes)
    assert np.linalg.norm(found.positions_angstrom_xyz - places, axis=1).max() < 1.0
    np.testing.assert_allclose(amplitudes, 1.0, atol=0.03)
    np.testing.assert_allclose(found.z, found.norm, rtol=0.05)


def test_a_residual_is_white_again_and_its_weights_follow():
    world = noise_volume((48, 48, 48), sigma=0.5)
    again = rewhitened(world, 1)
    assert again.white.volume_zyx.std() == pytest.approx(1.0, rel=0.05)
    assert np.median(again.weight_box_zyx) == pytest.approx(2.0, rel=0.1)
    assert world.white.volume_zyx.std() == pytest.approx(0.5, rel=0.02)


def test_the_better_score_takes_the_place_and_touching_neighbours_keep_theirs():
    thyroglobulin, bsa = built_in_structure("thyroglobulin"), built_in_structure("bsa")
    rotation = np.eye(3)
    inside = thyroglobulin.positions_angstrom_xyz[0]
    beside = np.array([0.0, 0.0, thyroglobulin.positions_angstrom_xyz[:, 2].max() + 30.0])
    claims = [
        Claims(thyroglobulin, hits([[0, 0, 0]], [rotation]), np.array([90.0])),
        Claims(bsa, hits([inside, beside], [rotation] * 2), np.array([30.0, 20.0])),
    ]
    chosen = choose_exclusively(claims, 0.75)
    assert list(chosen[0]) == [0]
    assert list(chosen[1]) == [1]
    taken = [(thyroglobulin, hits([[0, 0, 0]], [rotation]))]
    assert list(choose_exclusively(claims[1:], 0.75, taken)[0]) == [1]


def test_pieces_of_one_filament_may_overlap_and_leave_no_room_for_particles():
    item = PickableObject(name="tmv", label=1, radius_angstrom=90.0)
    piece = filament_decoy(item, built_in_structure("tmv"))
    assert piece.decoy
    along = np.arange(4) * 80.0
    axis = np.stack([np.zeros(4), np.zeros(4), along], axis=-1)
    bsa = built_in_structure("bsa")
    claims = [
        Claims(piece.structure, hits(axis, np.tile(np.eye(3), (4, 1, 1))), np.array([9.0, 8.0, 7.0, 6.0]), True),
        Claims(bsa, hits([[60.0, 0.0, 120.0], [150.0, 0.0, 120.0]], [np.eye(3)] * 2), np.array([5.0, 5.0])),
    ]
    chosen = choose_exclusively(claims, 0.75)
    assert sorted(chosen[0]) == [0, 1, 2, 3]
    assert list(chosen[1]) == [1]


def test_decoys_have_the_matter_of_what_they_stand_for():
    tmv = built_in_structure("tmv")
    piece = filament_decoy(PickableObject(name="tmv", label=1, radius_angstrom=90.0), tmv).structure
    copies = piece.mass_kda / tmv.mass_kda
    assert piece.strengths_volt_angstrom3.sum() == pytest.approx(copies * tmv.strengths_volt_angstrom3.sum(), rel=1e-6)
    turned = piece.positions_angstrom_xyz * np.array([1, -1, -1])
    distance, _ = KDTree(piece.positions_angstrom_xyz).query(turned)
    assert distance.max() < 1e-6  # two-fold axes across the filament
    patch = membrane_decoy(PickableObject(name="liposome", label=2, radius_angstrom=25.0, is_particle=False)).structure
    area = np.pi * 90.0**2
    assert patch.strengths_volt_angstrom3.sum() == pytest.approx(area * 2 * (23.2 + 17.7), rel=0.05)
    with pytest.raises(ParameterError, match="repeat"):
        filament_decoy(PickableObject(name="bsa", label=3, radius_angstrom=40.0), built_in_structure("bsa"))


def test_pieces_without_company_are_something_else():
    """Three flat pieces side by side and one alone; three long ones in a row and one beside them."""
    patch = membrane_decoy(PickableObject(name="liposome", label=2, radius_angstrom=25.0, is_particle=False)).structure
    flat = [[0.0, 0, 0], [60, 0, 0], [30, 50, 5], [30, 20, 90]]
    assert in_company(hits(flat, [np.eye(3)] * 4), patch, 2).tolist() == [True, True, True, False]
    piece = filament_decoy(
        PickableObject(name="tmv", label=1, radius_angstrom=90.0), built_in_structure("tmv")
    ).structure
    row = [[0.0, 0, 0], [5, 0, 100], [0, 0, 200], [150, 0, 100]]
    assert in_company(hits(row, [np.eye(3)] * 4), piece, 1).tolist() == [True, True, True, False]
    turned = np.array([np.eye(3), np.eye(3)[[2, 0, 1]]])
    assert not in_company(hits([[0.0, 0, 0], [60, 0, 0]], turned), patch, 1).any()
    assert len(in_company(hits(np.zeros((0, 3)), np.zeros((0, 3, 3))), patch, 1)) == 0
