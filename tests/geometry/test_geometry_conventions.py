"""The signs of the tilt geometry, each pinned by one bead; docs/conventions.md quotes these tests."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, rotation_about

BEAD = np.array([300.0, -200.0, 120.0])
ANGLE = st.floats(-180, 180)


def one_view(tilt=0.0, axis=0.0, shift=(0.0, 0.0), x_tilt=0.0):
    return TiltGeometry(y_tilt_deg=[tilt], z_rot_deg=[axis], shift_xy_angstrom=[shift], x_tilt_deg=[x_tilt])


@given(tilt=st.floats(-80, 80))
def test_with_the_axis_along_y_u_is_x_cos_t_plus_z_sin_t(tilt):
    t = np.deg2rad(tilt)
    expected = [300 * np.cos(t) + 120 * np.sin(t), -200.0]
    np.testing.assert_allclose(one_view(tilt).project([BEAD])[0, 0], expected, atol=1e-9)


def test_positive_tilt_moves_a_high_bead_towards_plus_u():
    assert one_view(30.0).project([[0, 0, 100.0]])[0, 0, 0] > 0


def test_the_axis_angle_turns_counter_clockwise_from_image_y_towards_minus_x():
    on_axis = [[0.0, 100.0, 0.0]]
    np.testing.assert_allclose(one_view(45.0, axis=0.0).project(on_axis)[0, 0], [0, 100], atol=1e-12)
    np.testing.assert_allclose(one_view(45.0, axis=90.0).project(on_axis)[0, 0], [-100, 0], atol=1e-12)
    np.testing.assert_allclose(
        one_view(45.0, axis=30.0).project(on_axis)[0, 0], [-50, 100 * np.cos(np.pi / 6)], atol=1e-12
    )


def test_shifts_say_where_the_specimens_origin_lands():
    geometry = one_view(20.0, axis=85.0, shift=(12.0, -7.0), x_tilt=3.0)
    np.testing.assert_allclose(geometry.project(np.zeros(3))[0, 0], [12, -7], atol=1e-12)


def test_x_tilt_comes_first_and_z_rot_last():
    geometry = one_view(35.0, axis=70.0, x_tilt=20.0)
    expected = rotation_about("z", 70.0) @ rotation_about("y", 35.0) @ rotation_about("x", 20.0)
    np.testing.assert_allclose(geometry.image_from_specimen[0], expected, atol=1e-15)
    np.testing.assert_allclose(geometry.project([BEAD])[0, 0], (expected @ BEAD)[:2], atol=1e-12)


@given(tilt=st.floats(-80, 80), axis=ANGLE)
def test_height_is_camera_z_which_points_to_the_source_and_does_not_see_the_axis_angle(tilt, axis):
    t = np.deg2rad(tilt)
    height = one_view(tilt, axis).height_angstrom([BEAD])[0, 0]
    assert height == pytest.approx(-300 * np.sin(t) + 120 * np.cos(t), abs=1e-9)


@given(tilt=st.floats(-60, 60), axis=ANGLE, x_tilt=st.floats(-10, 10))
def test_the_gradient_of_the_plane_is_its_height_where_it_is_imaged(tilt, axis, x_tilt):
    geometry = one_view(tilt, axis, x_tilt=x_tilt)
    points = np.array([[1000.0, 0, 0], [0, 700.0, 0], [-300.0, 400.0, 0]])
    predicted = geometry.project(points)[0] @ geometry.plane_gradient_xy[0]
    np.testing.assert_allclose(predicted, geometry.height_angstrom(points)[0], atol=1e-6)


def test_the_side_of_plus_u_sinks_at_positive_tilt():
    np.testing.assert_allclose(one_view(45.0).plane_gradient_xy, [[-1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(one_view(45.0, axis=90.0).plane_gradient_xy, [[0.0, -1.0]], atol=1e-12)


def test_the_camera_frame_is_right_handed():
    np.testing.assert_allclose(np.linalg.det(one_view(33.0, 85.3, x_tilt=2.0).image_from_specimen), 1.0)


@given(tilt=st.floats(-80, 80), axis=ANGLE, shift=st.tuples(st.floats(-99, 99), st.floats(-99, 99)))
def test_u_is_across_the_axis_and_v_along_it(tilt, axis, shift):
    geometry = one_view(tilt, axis, shift)
    u, v = geometry.shift_uv_angstrom()[0]
    a = np.deg2rad(axis)
    along, across = np.array([-np.sin(a), np.cos(a)]), np.array([np.cos(a), np.sin(a)])
    np.testing.assert_allclose([u, v], [np.dot(shift, across), np.dot(shift, along)], atol=1e-9)


@given(tilt=st.floats(-60, 60), axis=ANGLE)
def test_an_axis_named_from_its_other_end_with_the_tilts_negated_is_the_same_images_turned_specimen(tilt, axis):
    # z_rot + 180 and −tilt: the specimen turned by 180 degrees about z gives the same images
    turned = BEAD * [-1, -1, 1]
    np.testing.assert_allclose(
        one_view(tilt, axis).project([BEAD]), one_view(-tilt, axis + 180).project([turned]), atol=1e-9
    )


def test_a_flipped_hand_is_the_negated_tilt_of_the_mirrored_specimen():
    # mirroring z and negating tilts leaves the images and mirrors the volume: only the defocus gradient tells
    mirrored = BEAD * [1, 1, -1]
    np.testing.assert_allclose(one_view(25.0).project([BEAD]), one_view(-25.0).project([mirrored]), atol=1e-12)
    here, there = one_view(25.0).height_angstrom([BEAD]), one_view(-25.0).height_angstrom([mirrored])
    np.testing.assert_allclose(here, -there)


def test_many_points_and_views_have_the_shape_views_by_points():
    geometry = TiltGeometry(y_tilt_deg=np.arange(5.0), z_rot_deg=np.zeros(5), shift_xy_angstrom=np.zeros((5, 2)))
    assert geometry.n_tilts == 5
    assert geometry.project(np.zeros((7, 3))).shape == (5, 7, 2)
    assert geometry.height_angstrom(np.zeros((7, 3))).shape == (5, 7)
    assert geometry.x_tilt_deg.tolist() == [0] * 5


def test_selection_keeps_rows_together_and_in_the_order_given():
    geometry = TiltGeometry(
        y_tilt_deg=[0.0, 1, 2], z_rot_deg=[10.0, 11, 12], shift_xy_angstrom=[[0, 0], [1, 1], [2, 2]]
    )
    chosen = geometry.select([2, 0])
    assert (chosen.y_tilt_deg.tolist(), chosen.z_rot_deg.tolist()) == ([2, 0], [12, 10])
    assert chosen.shift_xy_angstrom.tolist() == [[2, 2], [0, 0]]
    assert geometry.select([False, True, True]).y_tilt_deg.tolist() == [1, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"z_rot_deg": [0.0]},
        {"shift_xy_angstrom": np.zeros((3, 2))},
        {"shift_xy_angstrom": np.zeros((2, 3))},
        {"x_tilt_deg": [0.0]},
        {"y_tilt_deg": np.zeros((2, 1))},
        {"y_tilt_deg": [0.0, np.nan]},
        {"shift_xy_angstrom": np.full((2, 2), np.inf)},
    ],
)
def test_geometries_that_do_not_fit_are_refused(change):
    good = {"y_tilt_deg": [0.0, 1], "z_rot_deg": [0.0, 0], "shift_xy_angstrom": np.zeros((2, 2))}
    TiltGeometry(**good)
    with pytest.raises(GeometryError, match=r"a geometry of 2 tilts|finite numbers"):
        TiltGeometry(**(good | change))


def test_every_test_that_the_page_of_conventions_quotes_exists():
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "conventions.md").read_text(encoding="utf-8")
    quoted = re.findall(r"`(\w+/test_\w+)::(test_\w+)`", page)
    assert len(quoted) >= 25
    for file, name in quoted:
        path = root / "tests" / f"{file}.py"
        assert path.is_file(), f"{path} is quoted in docs/conventions.md and does not exist"
        assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{file}::{name} is quoted and does not exist"
