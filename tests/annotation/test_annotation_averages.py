"""Averages of labeled particles: what was planted comes back through the wedge, and random places show nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import affine_transform, map_coordinates

from tomoset.annotation._average_kernels import rotate_add
from tomoset.annotation.averaging import average_halves, random_places, shell_correlation, wedge_coverage
from tomoset.annotation.class_evidence import EvidenceParams, evidence_methods_text, gather_evidence
from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import Grid, TiltGeometry, point_group, random_rotations
from tomoset.model import InMemory, PickableObject, Picks, Resources, Silent, Tomogram
from tomoset.structures import built_in_structure, potential_map

VOXEL = 10.0
ITEM = PickableObject(name="proteasome", label=1, radius_angstrom=90.0, symmetry="D7")
TILTS = np.arange(-45.0, 46.0, 3.0)
GEOMETRY = TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(31, 85.0), shift_xy_angstrom=np.zeros((31, 2)))


def planted(rng, *, noise=1.0, shape=(48, 120, 120), contrast="dark", wedge=True):
    """A tomogram of particles at fractional positions, seen through the wedge, with noise in every voxel."""
    template = potential_map(built_in_structure("proteasome"), VOXEL, resolution_angstrom=20.0).volume_zyx
    half = template.shape[0] // 2
    grid = Grid(shape_zyx=shape, voxel_size_angstrom=VOXEL)
    y, x = np.meshgrid(np.arange(18, 110, 27), np.arange(18, 110, 27), indexing="ij")
    index = np.stack([np.full(y.size, 24), y.ravel(), x.ravel()], 1) + rng.uniform(-1.5, 1.5, (y.size, 3))
    poses = random_rotations(len(index), rng)
    volume = np.zeros(shape)
    for centre, pose in zip(index, poses, strict=True):
        corner = np.round(centre).astype(int) - half
        back = pose.T[::-1, ::-1]  # zyx: value at q is the template's at Rᵀ (q − c)
        offset = half - back @ (centre - corner)
        volume[tuple(slice(c, c + 2 * half) for c in corner)] += affine_transform(template, back, offset, order=1)
    volume /= volume.std()
    volume += rng.normal(0, noise, shape)
    if wedge:
        edge = 64  # finer than the particles' boxes are
        seen = wedge_coverage(GEOMETRY, edge, VOXEL)
        kz, ky, kx = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij")
        at = np.stack([kz, ky, kx]) * edge + edge // 2
        volume = np.fft.ifftn(np.fft.fftn(volume) * map_coordinates(seen, at, order=1, mode="nearest")).real
    sign = -1 if contrast == "dark" else 1
    tomogram = Tomogram(
        run="TS1",
        grid=grid,
        volume_zyx=InMemory((sign * volume).astype(np.float32)),
        contrast=contrast,
        tilt_indices=tuple(range(31)),
        geometry=GEOMETRY,
    )
    picks = Picks(object_name="proteasome", positions_angstrom_xyz=grid.position_angstrom_xyz(index), rotations=poses)
    return tomogram, picks, template


def evidence(sets, **more):
    return gather_evidence(
        sets,
        ITEM,
        EvidenceParams(n_random=2),
        rng=np.random.default_rng(0),
        resources=Resources(),
        progress=Silent(),
        template=built_in_structure("proteasome"),
        **more,
    )


def test_rotating_and_adding_is_what_interpolation_gives():
    rng = np.random.default_rng(0)
    box = rng.normal(size=(34, 34, 34)).astype(np.float32)
    turn, centre = random_rotations(1, rng)[0], np.array([16.3, 17.1, 16.8])
    out = np.ones((32, 32, 32), np.float32)
    rotate_add(box.ravel(), 34, turn, centre, 14.0, out)
    offsets = np.stack(np.meshgrid(*(np.arange(32) - 16,) * 3, indexing="ij"), -1)
    at = centre + (offsets[..., ::-1] @ turn.T)[..., ::-1]
    expected = 1 + map_coordinates(box, np.moveaxis(at, -1, 0), order=1)
    inside = (offsets**2).sum(-1) <= 14**2
    np.testing.assert_allclose(out[inside], expected[inside], atol=2e-4)
    assert np.all(out[~inside] == 1)


def test_the_wedge_is_where_views_are_and_full_inside():
    seen = wedge_coverage(GEOMETRY, 32, VOXEL)
    middle = 16
    assert seen[middle, middle, middle] == 1
    # the axis is along y of the specimen frame: kz is never seen, kx and ky are
    assert seen[middle + 10, middle, middle] < 1e-3
    assert seen[middle, middle, middle + 10] > 0.9
    assert 0.4 < np.mean(seen) < 0.65  # 90° of 180°


def test_what_was_planted_comes_back_and_random_places_show_nothing():
    tomogram, picks, _ = planted(np.random.default_rng(1), shape=(48, 120, 300))
    found = evidence([(tomogram, picks)])
    assert found.n_particles == len(picks)
    assert found.correlation > 0.8
    assert max(np.abs(found.random_correlation)) < 0.4
    assert found.resolution_angstrom < 35
    assert found.half_correlation > 0.9
    assert abs(found.random_half_correlation) < 0.6
    assert found.coverage > 0.98
    light = replace(tomogram, contrast="light", volume_zyx=InMemory(-tomogram.volume_zyx.read()))
    np.testing.assert_allclose(evidence([(light, picks)]).correlation, found.correlation)


def test_wrong_poses_and_wrong_places_are_worse():
    rng = np.random.default_rng(2)
    tomogram, picks, _ = planted(rng, noise=0.5)
    right = evidence([(tomogram, picks)])
    turned = replace(picks, rotations=random_rotations(len(picks), rng))
    moved = replace(picks, positions_angstrom_xyz=picks.positions_angstrom_xyz + rng.normal(0, 40, (len(picks), 3)))
    assert evidence([(tomogram, turned)]).correlation < right.correlation - 0.1
    assert evidence([(tomogram, moved)]).correlation < right.correlation - 0.1
    # equivalent poses are no other poses
    group = point_group("D7")
    other = replace(picks, rotations=picks.rotations @ group.rotations[rng.integers(0, 14, len(picks))])
    assert evidence([(tomogram, other)]).correlation == pytest.approx(right.correlation, abs=0.02)


def test_the_share_of_right_labels_is_found_although_the_average_hardly_suffers():
    rng = np.random.default_rng(6)
    tomogram, picks, _ = planted(rng, shape=(48, 120, 300), noise=0.5)
    right = evidence([(tomogram, picks)])
    assert right.share_alike > 0.9
    nowhere = random_places(tomogram.grid, picks.positions_angstrom_xyz, 90.0, 8, rng)
    false = Picks(object_name="proteasome", positions_angstrom_xyz=nowhere, rotations=random_rotations(8, rng))
    mixed = Picks(
        object_name="proteasome",
        positions_angstrom_xyz=np.concatenate([picks.positions_angstrom_xyz, nowhere]),
        rotations=np.concatenate([picks.rotations, false.rotations]),
    )
    found = evidence([(tomogram, mixed)])
    assert found.share_alike == pytest.approx(16 / 24, abs=0.15)
    assert found.correlation > right.correlation - 0.1
    assert np.isnan(evidence([(tomogram, picks.select(range(4)))]).share_alike)


def test_counting_the_wedge_restores_what_it_takes():
    """Poses that all hide the same direction but for one: without the count the average stays smeared."""
    tomogram, picks, _ = planted(np.random.default_rng(3), noise=0.05)
    whole = average_halves([(tomogram, picks)], ITEM, rng=np.random.default_rng(0))
    unhidden, same_picks, _ = planted(np.random.default_rng(3), noise=0.05, wedge=False)
    complete = average_halves([(unhidden, same_picks)], ITEM, rng=np.random.default_rng(0))
    shells = shell_correlation(whole.whole_zyx, complete.whole_zyx)
    assert np.nanmin(shells[1:9]) > 0.9


def test_edges_missing_poses_and_many_tomograms():
    rng = np.random.default_rng(4)
    tomogram, picks, _ = planted(rng)
    outside = Picks(
        object_name="proteasome",
        positions_angstrom_xyz=[[-500.0, 0, 0], [10.0, 10.0, 10.0]],
        rotations=np.tile(np.eye(3), (2, 1, 1)),
        orientation_known=[True, False],
    )
    found = average_halves([(tomogram, picks), (tomogram, outside)], ITEM, rng=rng)
    assert found.n_particles == len(picks) + 1
    assert found.n_left_out == 1
    assert np.all(np.isfinite(found.half_zyx))
    assert average_halves([(tomogram, picks)], ITEM, rng=rng, most=7).n_particles == 7
    with pytest.raises(GeometryError, match="known orientation"):
        average_halves([(tomogram, replace(picks, rotations=None))], ITEM, rng=rng)
    coarse = replace(tomogram, grid=replace(tomogram.grid, voxel_size_angstrom=12.0))
    with pytest.raises(GeometryError, match="one voxel size"):
        average_halves([(tomogram, picks), (coarse, picks)], ITEM, rng=rng)


def test_random_places_keep_away_from_labels():
    rng = np.random.default_rng(5)
    grid = Grid(shape_zyx=(60, 100, 100), voxel_size_angstrom=10.0)
    taken = rng.uniform(0, 600, (40, 3))
    places = random_places(grid, taken, 50.0, 100, rng)
    assert len(places) == 100
    assert np.linalg.norm(places[:, None] - taken[None], axis=-1).min() > 100
    full = np.stack(np.meshgrid(*([np.arange(0, 1000, 50.0)] * 3)), -1).reshape(-1, 3)
    assert len(random_places(grid, full, 50.0, 100, rng)) == 0


def test_parameters_and_methods():
    assert "35 Å" in evidence_methods_text(EvidenceParams())
    with pytest.raises(ParameterError, match="n_random"):
        EvidenceParams(n_random=0)
