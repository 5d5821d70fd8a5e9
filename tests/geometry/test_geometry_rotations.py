"""Rotations are active, right-handed and act on xyz columns; quaternions are scalar first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tomoset.errors import GeometryError
from tomoset.geometry import (
    angle_between_deg,
    check_rotations,
    matrices_from_quaternions,
    quaternions_from_matrices,
    random_rotations,
    rotation_about,
)

QUATERNIONS = st.tuples(*[st.floats(-1, 1)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 1e-3)


@pytest.mark.parametrize(
    ("axis", "from_xyz", "to_xyz"),
    [("x", [0, 1, 0], [0, 0, 1]), ("y", [0, 0, 1], [1, 0, 0]), ("z", [1, 0, 0], [0, 1, 0])],
)
def test_positive_turns_follow_the_right_hand(axis, from_xyz, to_xyz):
    np.testing.assert_allclose(rotation_about(axis, 90.0) @ from_xyz, to_xyz, atol=1e-15)


def test_a_chain_of_turns_is_scipys():
    ours = rotation_about("z", 70.0) @ rotation_about("y", 35.0) @ rotation_about("x", 20.0)
    np.testing.assert_allclose(ours, Rotation.from_euler("xyz", [20, 35, 70], degrees=True).as_matrix(), atol=1e-15)


def test_angles_broadcast():
    angles = np.arange(6.0).reshape(2, 3)
    turned = rotation_about("y", angles)
    assert turned.shape == (2, 3, 3, 3)
    np.testing.assert_array_equal(turned[1, 2], rotation_about("y", 5.0))


@given(QUATERNIONS)
def test_quaternions_are_scipys_and_come_back_with_positive_scalar(q):
    matrix = matrices_from_quaternions(q)
    np.testing.assert_allclose(matrix, Rotation.from_quat(q, scalar_first=True).as_matrix(), atol=1e-12)
    back = quaternions_from_matrices(matrix)
    assert back[0] >= 0
    assert np.linalg.norm(back) == pytest.approx(1.0)
    assert abs(back @ q) / np.linalg.norm(q) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("angle", [0.0, 1e-6, 90.0, 179.9999999, 180.0])
def test_half_turns_lose_no_digits(axis, angle):
    rotation = rotation_about(axis, angle)
    np.testing.assert_allclose(matrices_from_quaternions(quaternions_from_matrices(rotation)), rotation, atol=1e-14)


@given(seed=st.integers(0, 10**6), angle=st.floats(0, 180))
def test_the_angle_between_is_the_angle_turned_and_does_not_depend_on_the_frame(seed, angle):
    rng = np.random.default_rng(seed)
    a, frame = random_rotations(2, rng)
    axis = random_rotations(1, rng)[0]
    b = a @ axis @ rotation_about("z", angle) @ axis.T
    assert angle_between_deg(a, b) == pytest.approx(angle, abs=2e-6)
    assert angle_between_deg(b, a) == pytest.approx(angle, abs=2e-6)
    assert angle_between_deg(frame @ a, frame @ b) == pytest.approx(angle, abs=2e-6)


def test_small_angles_keep_their_digits():
    assert angle_between_deg(np.eye(3), rotation_about("x", 1e-9)) == pytest.approx(1e-9, rel=1e-6)


def test_random_rotations_are_uniform():
    rotations = random_rotations(20000, np.random.default_rng(1))
    check_rotations(rotations)
    # mean of the matrices is 0; the angle has the Haar distribution (theta − sin theta) / pi
    assert np.abs(rotations.mean(axis=0)).max() < 0.02
    angle = np.sort(np.deg2rad(angle_between_deg(np.eye(3), rotations)))
    expected = (angle - np.sin(angle)) / np.pi
    assert np.abs(expected - np.linspace(0, 1, len(angle))).max() < 0.015


@pytest.mark.parametrize(
    "bad",
    [np.eye(2), np.zeros((3, 3)), np.diag([1.0, 1, -1]), 1.001 * np.eye(3), np.full((3, 3), np.nan), np.ones(3)],
)
def test_what_is_no_rotation_is_refused_by_name(bad):
    with pytest.raises(GeometryError, match="poses"):
        check_rotations(bad, "poses")


def test_no_rotations_are_rotations():
    assert check_rotations(np.zeros((0, 3, 3))).shape == (0, 3, 3)
