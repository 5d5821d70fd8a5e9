"""Findings about labels: each names the pick that is wrong, and nothing is said of labels that are fine."""

from dataclasses import replace

import numpy as np

from tomoset.annotation.conflicts import find_conflicts, find_disagreeing_poses, find_obstructed
from tomoset.annotation.label_transfer import TomogramFrame
from tomoset.geometry import Grid, TiltGeometry, point_group, random_rotations, rotation_about
from tomoset.model import FilamentTrace, Labels, PickableObject, PickFlag, Picks

OBJECTS = (
    PickableObject(name="core", label=1, radius_angstrom=75.0, symmetry="D7"),
    PickableObject(name="rod", label=2, radius_angstrom=90.0, symmetry="C1"),
)
TILTS = np.arange(-45.0, 46.0, 5.0)
GRID = Grid(shape_zyx=(60, 150, 150), voxel_size_angstrom=10.0)
SHIFTS = np.random.default_rng(0).normal(0, 30, (len(TILTS), 2))
FRAME = TomogramFrame(
    run="TS1",
    grid=GRID,
    geometry=TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(len(TILTS), 85.0), shift_xy_angstrom=SHIFTS),
    tilt_indices=tuple(range(len(TILTS))),
)


def labels_of(*picks, user="ada", **more):
    return Labels(run="TS1", user=user, session="1", voxel_size_angstrom=10.0, picks=picks, **more)


def grid_of_places(n=16):
    x, y = np.meshgrid(np.arange(200, 1400, 300.0), np.arange(200, 1400, 300.0))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, 300.0)], 1)[:n]


def test_good_labels_have_no_findings():
    rng = np.random.default_rng(1)
    pose = point_group("D7").representatives(random_rotations(16, rng))
    picks = Picks(object_name="core", positions_angstrom_xyz=grid_of_places(), rotations=pose)
    assert find_conflicts(labels_of(picks), OBJECTS, FRAME) == []
    anywhere = replace(picks, rotations=random_rotations(16, rng))  # as a simulator draws them: no pose is preferred
    assert find_conflicts(labels_of(anywhere), OBJECTS, FRAME) == []


def test_a_pose_unlike_the_others_is_named():
    rng = np.random.default_rng(2)
    group = point_group("D7")
    pose = group.representatives(random_rotations(16, rng))
    pose[5] = pose[5] @ group.rotations[3]
    picks = Picks(object_name="core", positions_angstrom_xyz=grid_of_places(), rotations=pose)
    (found,) = find_conflicts(labels_of(picks), OBJECTS, FRAME)
    assert (found.kind, found.index) == ("not representative", 5)
    assert find_conflicts(labels_of(replace(picks, orientation_known=np.arange(16) != 5)), OBJECTS, FRAME) == []


def test_the_surer_of_two_at_one_site_is_kept_and_segments_may_be_near():
    twice = Picks(object_name="core", positions_angstrom_xyz=[[300.0, 300, 300], [320.0, 300, 300]], scores=[1.0, 2.0])
    (found,) = find_conflicts(labels_of(twice), OBJECTS, FRAME)
    assert (found.kind, found.index) == ("duplicate", 0)
    near = np.stack([np.arange(300, 600, 23.0), np.full(14, 300.0), np.full(14, 300.0)], 1)
    along = Picks(object_name="rod", positions_angstrom_xyz=near, instance_ids=np.full(14, 1))
    trace = FilamentTrace(object_name="rod", instance_id=1, points_angstrom_xyz=near[[0, -1]], radius_angstrom=90.0)
    assert find_conflicts(labels_of(along, filaments=(trace,)), OBJECTS, FRAME) == []
    other = replace(trace, instance_id=2)
    (found,) = find_conflicts(labels_of(along, filaments=(other,)), OBJECTS, FRAME)
    assert (found.kind, found.index) == ("no trace", 0)
    assert "individual 1" in found.problem


def test_picks_on_a_gold_bead_are_found_and_those_above_it_are_not():
    bead = np.array([[700.0, 700.0, 100.0]])
    above = np.array([[700.0, 700.0, 500.0]])
    size = np.array([2000.0, 2000.0])
    pixel, n = 50.0, 40
    masks = np.zeros((len(TILTS), n, n), np.bool_)
    y, x = (np.indices((n, n)) + 0.5) * pixel
    centre = FRAME.geometry.project(GRID.specimen_from_volume(bead))[:, 0] + size / 2
    for view, (cx, cy) in enumerate(centre):
        masks[view] = np.hypot(x - cx, y - cy) < 100.0
    picks = Picks(object_name="core", positions_angstrom_xyz=np.concatenate([bead, above, bead]))
    found = find_obstructed(labels_of(picks), FRAME, masks, (2000.0, 2000.0), (1000.0, 1000.0))
    assert [f.index for f in found] == [0, 2]
    known = replace(picks, flags=[0, 0, PickFlag.EXCLUDED_REGION])
    found = find_obstructed(labels_of(known), FRAME, masks, (2000.0, 2000.0), (1000.0, 1000.0))
    assert [f.index for f in found] == [0]
    assert "of the views" in str(found[0])


def test_axes_that_differ_between_authors_are_told_from_noise():
    rng = np.random.default_rng(3)
    pose = random_rotations(16, rng)
    equal = pose @ point_group("D7").rotations[rng.integers(0, 14, 16)] @ rotation_about("z", rng.normal(0, 5, 16))
    picks = Picks(object_name="core", positions_angstrom_xyz=grid_of_places(), rotations=pose)
    first = labels_of(picks)
    assert find_disagreeing_poses(first, labels_of(replace(picks, rotations=equal), user="bob"), OBJECTS) == []
    other_axes = labels_of(replace(picks, rotations=pose @ rotation_about("x", 90.0)), user="bob")
    (found,) = find_disagreeing_poses(first, other_axes, OBJECTS)
    assert "16 particles" in found.problem
    assert "bob/1" in found.problem
    few = labels_of(replace(picks, rotations=pose @ rotation_about("x", 90.0)).select(range(4)), user="bob")
    assert find_disagreeing_poses(first, few, OBJECTS) == []
