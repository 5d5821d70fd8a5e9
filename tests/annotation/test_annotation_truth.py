"""The truth follows the tomogram through any rigid re-definition of the specimen frame."""

import numpy as np
import pytest

from tomoset.annotation.frames import fit_specimen_frames
from tomoset.annotation.truth import truth_labels
from tomoset.errors import GeometryError
from tomoset.geometry import Grid, TiltGeometry, angle_between_deg, random_rotations, rotation_about
from tomoset.model import InMemory, Molecules, PickableObject, SeriesTruth, Specimen, Tomogram

TILTS = np.arange(-45.0, 46.0, 3.0)
EXTENT = (3800.0, 4300.0, 1500.0)


def true_geometry(seed=1, z_rot=85.97):
    rng = np.random.default_rng(seed)
    return TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(31, z_rot), shift_xy_angstrom=rng.normal(0, 40.0, (31, 2)))


def moved(geometry, rotation, translation):
    """The geometry of the same images for a specimen frame with p' = R p + t, when R is a turn about y."""
    angle = np.rad2deg(np.arctan2(rotation[0, 2], rotation[0, 0]))
    shift = geometry.shift_xy_angstrom - np.einsum(
        "nij,j->ni", geometry.image_from_specimen[:, :2], rotation.T @ translation
    )
    return TiltGeometry(y_tilt_deg=geometry.y_tilt_deg - angle, z_rot_deg=geometry.z_rot_deg, shift_xy_angstrom=shift)


def series_truth(geometry, seed=2, n=40):
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-0.55, 0.55, (n, 3)) * EXTENT
    molecules = Molecules(species="apoferritin", positions_angstrom_xyz=positions, rotations=random_rotations(n, rng))
    specimen = Specimen(run="TS-1", size_angstrom_xyz=EXTENT, molecules=(molecules,), composition=())
    objects = (
        PickableObject(name="apoferritin", label=1, radius_angstrom=60.0, symmetry="O"),
        PickableObject(name="proteasome", label=2, radius_angstrom=75.0, symmetry="D7"),
    )
    return SeriesTruth(
        specimen=specimen,
        objects=objects,
        geometry=geometry,
        frame_shift_xy_angstrom=np.zeros((31, 8, 2)),
        defocus_angstrom=np.full(31, 35000.0),
        defocus_hand=1,
    )


def tomogram(geometry, used=range(31)):
    grid = Grid(shape_zyx=(18, 43, 38), voxel_size_angstrom=100.0)
    return Tomogram(
        run="TS-1",
        grid=grid,
        volume_zyx=InMemory(np.zeros(grid.shape_zyx, np.float32)),
        tilt_indices=tuple(used),
        geometry=geometry,
    )


def test_the_same_geometry_changes_nothing():
    truth = series_truth(true_geometry())
    volume = tomogram(truth.geometry)
    labels = truth_labels(truth, volume)
    specimen = volume.grid.volume_from_specimen(truth.specimen.molecules[0].positions_angstrom_xyz)
    inside = volume.grid.contains(specimen)
    assert 0 < inside.sum() < 40
    picks = labels.of("apoferritin")
    np.testing.assert_allclose(picks.positions_angstrom_xyz, specimen[inside], atol=1e-6)
    assert picks.rotations is not None
    np.testing.assert_allclose(picks.rotations, truth.specimen.molecules[0].rotations[inside], atol=1e-9)
    assert labels.notes["geometry_residual_angstrom"] < 1e-6
    assert labels.notes["outside_the_volume"] == 40 - inside.sum()
    assert len(labels.of("proteasome")) == 0
    assert (labels.user, labels.session) == ("ground-truth", "0")


def test_labels_follow_a_translated_and_turned_specimen():
    truth = series_truth(true_geometry())
    turn, translation = rotation_about("y", 1.5), np.array([33.0, -12.0, 51.0])
    volume = tomogram(moved(truth.geometry, turn, translation))
    labels = truth_labels(truth, volume)
    expected = volume.grid.volume_from_specimen(
        truth.specimen.molecules[0].positions_angstrom_xyz @ turn.T + translation
    )
    expected = expected[volume.grid.contains(expected)]
    found = labels.of("apoferritin").positions_angstrom_xyz
    assert np.abs(found - expected).max() < 0.1
    assert labels.notes["geometry_residual_angstrom"] < 1e-3
    assert labels.notes["frame_turn_deg"] == pytest.approx(1.5, abs=1e-4)


def test_particles_project_to_where_they_are_in_the_images():
    """Whatever the estimate, the labels seen through it must lie on the particles seen through the truth."""
    truth = series_truth(true_geometry())
    turn = rotation_about("y", -0.8)
    geometry = moved(truth.geometry, turn, np.array([-20.0, 5.0, 10.0]))
    fit = fit_specimen_frames(truth.geometry, geometry, EXTENT)
    points = truth.specimen.molecules[0].positions_angstrom_xyz
    np.testing.assert_allclose(geometry.project(fit.apply(points)), truth.geometry.project(points), atol=1e-3)


def test_an_axis_error_is_compensated_and_what_is_left_is_reported():
    truth = series_truth(true_geometry())
    true = truth.geometry
    estimated = TiltGeometry(
        y_tilt_deg=true.y_tilt_deg, z_rot_deg=true.z_rot_deg - 0.7, shift_xy_angstrom=true.shift_xy_angstrom
    )
    fit = fit_specimen_frames(true, estimated, EXTENT)
    assert angle_between_deg(fit.rotation, rotation_about("z", 0.7)) < 0.2
    without = np.sqrt(np.mean((estimated.project(np.eye(3) * 1500) - true.project(np.eye(3) * 1500)) ** 2) * 2)
    assert fit.residual_angstrom < without  # the turn helps, but an axis error is a real disagreement
    assert fit.residual_angstrom > 0.5


def test_noise_in_the_shifts_is_the_residual():
    true = true_geometry()
    noise = np.random.default_rng(5).normal(0, 3.0, (31, 2))
    estimated = TiltGeometry(
        y_tilt_deg=true.y_tilt_deg, z_rot_deg=true.z_rot_deg, shift_xy_angstrom=true.shift_xy_angstrom + noise
    )
    fit = fit_specimen_frames(true, estimated, EXTENT)
    assert fit.residual_angstrom == pytest.approx(3.0 * np.sqrt(2), rel=0.15)
    assert np.linalg.norm(fit.translation_angstrom_xyz) < 4.0


def test_only_the_tilts_that_were_used_decide():
    truth = series_truth(true_geometry())
    shift = truth.geometry.shift_xy_angstrom.copy()
    shift[30] += 500.0
    broken = TiltGeometry(
        y_tilt_deg=truth.geometry.y_tilt_deg, z_rot_deg=truth.geometry.z_rot_deg, shift_xy_angstrom=shift
    )
    assert truth_labels(truth, tomogram(broken, range(30))).notes["geometry_residual_angstrom"] < 1e-6
    assert truth_labels(truth, tomogram(broken)).notes["geometry_residual_angstrom"] > 50


def test_an_axis_named_from_the_other_end_is_the_same_axis():
    true = true_geometry()
    reversed_axis = TiltGeometry(
        y_tilt_deg=-true.y_tilt_deg, z_rot_deg=true.z_rot_deg - 180.0, shift_xy_angstrom=true.shift_xy_angstrom
    )
    fit = fit_specimen_frames(true, reversed_axis, EXTENT)
    assert fit.residual_angstrom < 1e-6
    assert angle_between_deg(fit.rotation, rotation_about("z", 180.0)) < 1e-6


def test_another_number_of_rows_is_refused():
    truth = series_truth(true_geometry())
    with pytest.raises(GeometryError, match="31 tilts"):
        truth_labels(truth, tomogram(truth.geometry.select(range(20)), range(20)))
    with pytest.raises(GeometryError, match="three or more"):
        truth_labels(truth, tomogram(truth.geometry, (1, 2)))
