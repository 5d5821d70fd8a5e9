"""Labels moved between tomograms: to where their rays meet, everything turned along, refused when nobody knows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.annotation.label_transfer import TomogramFrame, TransferParams, transfer_labels
from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry, angle_between_deg, random_rotations, rotation_about
from tomoset.model import (
    IGNORE,
    FilamentTrace,
    InMemory,
    Labels,
    MembraneSurface,
    Picks,
    Segmentation,
)

TILTS = np.arange(-45.0, 46.0, 3.0)
ROWS = tuple(range(len(TILTS)))


def geometry(rng, shift=30.0, axis=85.3):
    n = len(TILTS)
    return TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(n, axis), shift_xy_angstrom=rng.normal(0, shift, (n, 2)))


def frame(tilts, shape=(60, 120, 110), voxel=10.0, rows=ROWS):
    grid = Grid(shape_zyx=shape, voxel_size_angstrom=voxel)
    return TomogramFrame(run="TS1", grid=grid, geometry=tilts, tilt_indices=rows)


def moved_geometry(tilts, turn, shift_xyz):
    """The geometry of the same images when the specimen frame is turned and shifted: P(q) with q = turn p + shift."""
    forward = tilts.image_from_specimen @ turn.T
    y_tilt = np.rad2deg(np.arcsin(-forward[:, 2, 0]))
    z_rot = np.rad2deg(np.arctan2(forward[:, 1, 0], forward[:, 0, 0]))
    x_tilt = np.rad2deg(np.arctan2(forward[:, 2, 1], forward[:, 2, 2]))
    shifts = tilts.shift_xy_angstrom - (forward @ shift_xyz)[:, :2]
    return TiltGeometry(y_tilt_deg=y_tilt, z_rot_deg=z_rot, x_tilt_deg=x_tilt, shift_xy_angstrom=shifts)


def picks_in(source, rng, n=60, margin=100.0):
    points = rng.uniform(margin, source.grid.size_angstrom_xyz - margin, (n, 3))
    return Picks(object_name="a", positions_angstrom_xyz=points, rotations=random_rotations(n, rng))


def labels_with(source, *picks, **more):
    voxel = source.grid.voxel_size_angstrom
    return Labels(run="TS1", user="ada", session="1", voxel_size_angstrom=voxel, picks=picks, **more)


@given(st.integers(0, 10_000))
def test_a_rigid_motion_of_the_specimen_is_followed_exactly_and_back(seed):
    rng = np.random.default_rng(seed)
    source = frame(geometry(rng))
    turn = (
        rotation_about("z", rng.normal(0, 3))
        @ rotation_about("y", rng.normal(0, 2))
        @ rotation_about("x", rng.normal(0, 2))
    )
    shift = rng.normal(0, 25, 3)
    target = frame(moved_geometry(source.geometry, turn, shift), shape=(80, 150, 140), voxel=8.0)
    picks = picks_in(source, rng)
    moved = transfer_labels(labels_with(source, picks), source, target, TransferParams())
    expected = target.grid.volume_from_specimen(
        source.grid.specimen_from_volume(picks.positions_angstrom_xyz) @ turn.T + shift
    )
    inside = target.grid.contains(expected)
    np.testing.assert_allclose(moved.picks[0].positions_angstrom_xyz, expected[inside], atol=1e-4)
    assert angle_between_deg(moved.picks[0].rotations, turn @ picks.rotations[inside]).max() < 1e-5
    assert moved.notes["transfer_error_angstrom"] < 1e-4
    assert moved.notes["outside_the_volume"] == np.count_nonzero(~inside)
    assert moved.voxel_size_angstrom == 8.0
    back = transfer_labels(moved, target, source, TransferParams())
    np.testing.assert_allclose(back.picks[0].positions_angstrom_xyz, picks.positions_angstrom_xyz[inside], atol=1e-4)


def test_bending_is_followed_locally_and_its_size_is_stated_when_it_is_not():
    rng = np.random.default_rng(1)
    plain = geometry(rng)
    field = np.zeros((len(TILTS), 2, 6))
    field[:, 0, 3] = 12.0  # all views are stretched alike towards the edges: no rigid motion does that
    bent = replace(plain, field_xy_angstrom=field, field_unit_angstrom=500.0)
    source, target = frame(bent), frame(plain)
    labels = labels_with(source, picks_in(source, rng, 200))
    local = transfer_labels(labels, source, target, TransferParams())
    rigid = transfer_labels(labels, source, target, TransferParams(rigid_only=True))
    apart = local.picks[0].positions_angstrom_xyz - rigid.picks[0].positions_angstrom_xyz
    rms = np.sqrt(np.mean(np.sum(apart**2, axis=1)))
    assert rms > 2.0
    assert rigid.notes["transfer_local_angstrom"] == pytest.approx(rms, rel=1e-6)
    assert rigid.notes["transfer_error_angstrom"] > rms
    assert local.notes["transfer_error_angstrom"] < rms
    # the rays of a moved label go through what it showed in the source
    seen = bent.project(source.grid.specimen_from_volume(labels.picks[0].positions_angstrom_xyz))
    again = plain.project(target.grid.specimen_from_volume(local.picks[0].positions_angstrom_xyz))
    rays = np.sqrt(np.mean(np.sum((again - seen) ** 2, axis=-1)))
    worse = plain.project(target.grid.specimen_from_volume(rigid.picks[0].positions_angstrom_xyz))
    assert rays < 0.7 * np.sqrt(np.mean(np.sum((worse - seen) ** 2, axis=-1)))


def test_what_is_stated_of_independent_shift_errors_is_how_places_wander_with_the_weights_of_views():
    rng = np.random.default_rng(2)
    true = geometry(rng)
    wrong = replace(true, shift_xy_angstrom=true.shift_xy_angstrom + rng.normal(0, 20.0, (len(TILTS), 2)))
    source, target = frame(wrong), frame(true)
    labels = labels_with(source, picks_in(source, rng, 20))
    moved = transfer_labels(labels, source, target, TransferParams())
    seen = wrong.project(source.grid.specimen_from_volume(labels.picks[0].positions_angstrom_xyz))
    forward = true.image_from_specimen[:, :2].reshape(-1, 3)
    rays = np.moveaxis(seen - true.shift_xy_angstrom[:, None], 1, 0).reshape(20, -1)
    wander = []
    for _ in range(100):  # views that weigh 1 to 0.35, in any order of acquisition
        weight = np.sqrt(np.repeat(rng.permutation(np.linspace(1.0, 0.35, len(TILTS))), 2))
        place = np.linalg.lstsq(forward * weight[:, None], (rays * weight).T, rcond=None)[0].T
        there = target.grid.volume_from_specimen(place)
        wander.append(np.sum((there - moved.picks[0].positions_angstrom_xyz) ** 2, axis=1))
    stated = moved.notes["transfer_error_angstrom"]
    assert 1 / 1.5 < stated / np.sqrt(np.mean(wander)) < 1.5
    with pytest.raises(GeometryError, match="align better"):
        transfer_labels(labels, source, target, TransferParams(largest_error_angstrom=stated * 0.9))


def test_filaments_membranes_and_masks_go_along():
    rng = np.random.default_rng(3)
    source = frame(geometry(rng, 5.0), shape=(40, 50, 60))
    turn, shift = rotation_about("z", 90.0), np.array([0.0, 20.0, 0.0])
    target = frame(moved_geometry(source.geometry, turn, shift), shape=(40, 60, 50))
    centre = source.grid.specimen_origin_angstrom_xyz
    sheet = MembraneSurface(
        object_name="m",
        instance_id=1,
        vertices_angstrom_xyz=centre + np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0]]),
        faces=[[0, 1, 2]],
        normals=[[1.0, 0, 0]] * 3,
    )
    trace = FilamentTrace(
        object_name="f",
        instance_id=1,
        points_angstrom_xyz=centre + np.array([[0.0, 0, 0], [120, 0, 0]]),
        radius_angstrom=90.0,
    )
    gone = replace(trace, instance_id=2, points_angstrom_xyz=centre + np.array([[9000.0, 0, 0], [9120, 0, 0]]))
    mask = rng.integers(0, 4, source.grid.shape_zyx).astype(np.uint8)
    soft = rng.random(source.grid.shape_zyx).astype(np.float32)
    labels = labels_with(
        source,
        segmentations=(
            Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0),
            Segmentation(name="p", mask_zyx=InMemory(soft), voxel_size_angstrom=10.0, kind="probability"),
        ),
        membranes=(sheet,),
        filaments=(trace, gone),
    )
    moved = transfer_labels(labels, source, target, TransferParams())
    middle = target.grid.specimen_origin_angstrom_xyz
    np.testing.assert_allclose(moved.filaments[0].points_angstrom_xyz - middle, [[0, 20, 0], [0, 140, 0]], atol=1e-3)
    assert len(moved.filaments) == 1
    assert moved.notes["outside_the_volume"] == 1
    np.testing.assert_allclose(moved.membranes[0].normals, [[0, 1, 0]] * 3, atol=1e-6)
    # a quarter turn about z and two voxels along y: an index map without interpolation
    carried = moved.segmentations[0].mask_zyx.read()
    expected = np.full(target.grid.shape_zyx, IGNORE, np.uint8)
    probability = np.zeros(target.grid.shape_zyx, np.float32)
    for y in range(60):
        for x in range(50):
            from_x, from_y = (y - 30 - 2) + 30, -(x - 25) + 25
            if 0 <= from_x < 60 and 0 <= from_y < 50:
                expected[:, y, x], probability[:, y, x] = mask[:, from_y, from_x], soft[:, from_y, from_x]
    sure = expected != IGNORE
    assert (carried == expected)[sure].mean() > 0.999
    assert np.all(carried[:, :2] == IGNORE)
    inner = sure & (np.indices(sure.shape)[0] > 0) & (np.indices(sure.shape)[0] < 39)
    np.testing.assert_allclose(moved.segmentations[1].mask_zyx.read()[inner][::97], probability[inner][::97], atol=2e-2)


def test_what_cannot_be_moved_is_said():
    rng = np.random.default_rng(4)
    source = frame(geometry(rng))
    nothing = Picks(object_name="b", positions_angstrom_xyz=np.zeros((0, 3)), rotations=np.zeros((0, 3, 3)))
    labels = labels_with(source, picks_in(source, rng), nothing)
    assert [len(p) for p in transfer_labels(labels, source, source, TransferParams()).picks] == [60, 0]
    assert len(transfer_labels(labels_with(source, nothing), source, source, TransferParams()).picks[0]) == 0
    with pytest.raises(GeometryError, match="one series"):
        transfer_labels(labels, source, replace(source, run="TS2"), TransferParams())
    with pytest.raises(GeometryError, match="three or more views"):
        transfer_labels(labels, source, replace(source, tilt_indices=(0, 1)), TransferParams())
    with pytest.raises(GeometryError, match="same rows"):
        transfer_labels(labels, source, replace(source, geometry=source.geometry.select(range(9))), TransferParams())
    with pytest.raises(GeometryError, match="made in"):
        transfer_labels(replace(labels, voxel_size_angstrom=5.0), source, source, TransferParams())
    with pytest.raises(ParameterError, match="largest_error"):
        TransferParams(largest_error_angstrom=0.0)
