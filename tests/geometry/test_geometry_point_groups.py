"""Point groups: closed, of the right order, with their axes where the field expects them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.geometry import check_rotations, point_group, quaternions_from_matrices, random_rotations, rotation_about

ORDERS = {"C1": 1, "C2": 2, "C7": 7, "C60": 60, "D1": 2, "D2": 4, "D7": 14, "T": 12, "O": 24, "I": 60}
GOLDEN = (1 + 5**0.5) / 2


def holds(group, rotation):
    return bool(np.any(np.abs(group.rotations - rotation).max(axis=(1, 2)) < 1e-9))


def turn(axis_xyz, angle_deg):
    from scipy.spatial.transform import Rotation

    axis = np.asarray(axis_xyz, float)
    return Rotation.from_rotvec(np.deg2rad(angle_deg) * axis / np.linalg.norm(axis)).as_matrix()


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_groups_are_closed_and_hold_every_element_once(name, order):
    group = point_group(name)
    assert group.order == order
    check_rotations(group.rotations)
    np.testing.assert_array_equal(group.rotations[0], np.eye(3))
    products = (group.rotations[:, None] @ group.rotations[None]).reshape(-1, 3, 3)
    distance = np.abs(products[:, None] - group.rotations[None]).max(axis=(2, 3))
    assert distance.min(axis=1).max() < 1e-9  # closed
    assert np.all((distance < 1e-6).sum(axis=1) == 1)  # each once
    inverse = np.abs(np.swapaxes(group.rotations, 1, 2)[:, None] - group.rotations[None]).max(axis=(2, 3))
    assert inverse.min(axis=1).max() < 1e-9


@pytest.mark.parametrize(
    ("name", "fold", "axes"),
    [
        ("C7", 7, [(0, 0, 1)]),
        ("D7", 7, [(0, 0, 1)]),
        ("D7", 2, [(1, 0, 0)]),
        ("T", 2, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
        ("T", 3, [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]),
        ("O", 4, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
        ("O", 3, [(1, 1, 1), (1, -1, 1)]),
        ("O", 2, [(1, 1, 0), (0, 1, -1)]),
        ("I", 2, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]),
        ("I", 3, [(1, 1, 1)]),
        ("I", 5, [(0, 1, GOLDEN), (0, -1, GOLDEN), (1, GOLDEN, 0), (GOLDEN, 0, 1)]),
    ],
)
def test_axes_are_where_the_page_says(name, fold, axes):
    for axis in axes:
        assert holds(point_group(name), turn(axis, 360 / fold)), (name, fold, axis)


def test_groups_have_no_axes_of_their_mirror_setting():
    assert not holds(point_group("I"), turn((0, GOLDEN, 1), 72))  # the "2 5 3" setting turned by 90 degrees
    assert not holds(point_group("T"), turn((0, 0, 1), 90))
    assert not holds(point_group("D7"), turn((0, 1, 0), 180))


@given(name=st.sampled_from(sorted(ORDERS)), seed=st.integers(0, 1000))
def test_symmetric_poses_cannot_be_told_apart(name, seed):
    rng = np.random.default_rng(seed)
    group = point_group(name)
    pose, other = random_rotations(2, rng)
    element = group.rotations[rng.integers(group.order)]
    assert group.angle_between_deg(pose, pose @ element) < 1e-5
    # the distance is symmetric, below the plain angle and blind to symmetry on either side
    distance = group.angle_between_deg(pose, other)
    assert group.angle_between_deg(other, pose) == pytest.approx(distance, abs=1e-5)
    assert group.angle_between_deg(pose @ element, other) == pytest.approx(distance, abs=1e-5)
    quaternion = quaternions_from_matrices(pose.T @ other)
    assert distance <= np.rad2deg(2 * np.arccos(min(1.0, quaternion[0]))) + 1e-5


def test_symmetry_acts_on_the_particle_side():
    # a turn of the tomogram by a symmetry angle about the tomogram's axis is a real change of a tilted pose
    pose = rotation_about("x", 50.0)
    assert point_group("C4").angle_between_deg(pose, pose @ rotation_about("z", 90.0)) < 1e-6
    assert point_group("C4").angle_between_deg(pose, rotation_about("z", 90.0) @ pose) > 30


def test_angles_broadcast_over_many_poses():
    rng = np.random.default_rng(0)
    poses = random_rotations(6, rng).reshape(2, 3, 3, 3)
    assert point_group("O").angle_between_deg(poses, np.eye(3)).shape == (2, 3)


@pytest.mark.parametrize("name", ["", "C0", "C", "S4", "I2", "D", "octahedral", "C-1"])
def test_symbols_of_no_such_group_are_refused(name):
    with pytest.raises(ParameterError, match="expected a point group Cn, Dn, T, O or I"):
        point_group(name)


def test_case_and_blanks_do_not_matter():
    assert point_group(" d7 ").name == "D7"
