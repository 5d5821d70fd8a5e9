"""Marks in the packing box: points, regions, and what stays free."""

import numpy as np

from tomoset.model import IceLayer
from tomoset.specimen import PackingBox
from tomoset.specimen.regions import Region


def _taken(box: PackingBox) -> np.ndarray:
    return np.unpackbits(box.bits_zyb, axis=2, bitorder="little")[:, :, : box.shape_zyx[2]].astype(bool)


def _centres_xyz(box: PackingBox) -> np.ndarray:
    index = np.moveaxis(np.indices(box.shape_zyx), 0, -1)
    return (index - (np.array(box.shape_zyx) - 1) / 2)[..., ::-1] * box.voxel_angstrom


def _ball(radius: float, centre: tuple[float, float, float]) -> Region:
    middle = np.array(centre)
    return Region(
        contains=lambda points: np.linalg.norm(points - middle, axis=1) <= radius,
        lower_angstrom_xyz=tuple(middle - radius),
        upper_angstrom_xyz=tuple(middle + radius),
    )


def test_region_takes_exactly_its_voxels_or_all_others() -> None:
    inside = np.linalg.norm(_centres_xyz(PackingBox.empty((205, 180, 150), 5.0)) - [10, -15, 5], axis=-1) <= 40
    for outside in (False, True):
        box = PackingBox.empty((205, 180, 150), 5.0)
        box.mark_region(_ball(40, (10, -15, 5)), outside=outside)
        np.testing.assert_array_equal(_taken(box), ~inside if outside else inside)


def test_marked_points_wrap_sideways_and_end_at_the_walls() -> None:
    box = PackingBox.empty((200, 200, 100), 5.0)
    box.mark_points(np.array([[99.0, 0.0, 48.0]]), 20.0)
    offset = _centres_xyz(box) - [99.0, 0.0, 48.0]
    offset[..., :2] -= 200 * np.round(offset[..., :2] / 200)
    np.testing.assert_array_equal(_taken(box), np.linalg.norm(offset, axis=-1) <= 20)


def test_points_are_free_until_their_voxel_is_taken_and_never_beyond_the_walls() -> None:
    box = PackingBox.empty((200, 200, 100), 5.0)
    inside, beyond = np.array([[10.0, 10.0, 0.0]]), np.array([[10.0, 10.0, 60.0]])
    assert box.are_free(inside)
    assert not box.are_free(np.concatenate([inside, beyond]))
    box.mark_points(inside, 6.0)
    assert not box.are_free(inside)


def test_large_region_is_marked_as_if_every_voxel_were_asked() -> None:
    """Beyond two million voxels only cells of a lattice that a surface runs through are asked voxel by voxel."""
    asked = 0
    middle = np.array([20.0, -35.0, 10.0])

    def shell(points: np.ndarray) -> np.ndarray:
        nonlocal asked
        asked += len(points)
        distance = np.linalg.norm(points - middle, axis=1)
        return (distance <= 380.0) & (distance > 340.0)

    region = Region(contains=shell, lower_angstrom_xyz=tuple(middle - 380), upper_angstrom_xyz=tuple(middle + 380))
    box = PackingBox.empty((900, 905, 860), 5.0)
    distance = np.linalg.norm(_centres_xyz(box) - middle, axis=-1)
    expected = (distance <= 380) & (distance > 340)
    volume = box.mark_region(region)
    np.testing.assert_array_equal(_taken(box), expected)
    assert volume == expected.sum() * 125.0
    assert asked < 0.4 * expected.size


def test_region_over_an_edge_is_marked_on_the_opposite_side_too() -> None:
    box = PackingBox.empty((300, 280, 150), 5.0)
    box.mark_region(_ball(40, (140, -130, 5)))
    offset = _centres_xyz(box) - [140, -130, 5]
    offset[..., 0] -= 300 * np.round(offset[..., 0] / 300)
    offset[..., 1] -= 280 * np.round(offset[..., 1] / 280)
    np.testing.assert_array_equal(_taken(box), np.linalg.norm(offset, axis=-1) <= 40)


def test_growth_reaches_the_neighbours_along_each_axis() -> None:
    from scipy import ndimage

    for outside in (False, True):
        box = PackingBox.empty((205, 180, 150), 5.0)
        inside = np.linalg.norm(_centres_xyz(box) - [10, -15, 5], axis=-1) <= 40
        volume = box.mark_region(_ball(40, (10, -15, 5)), outside=outside, grow_angstrom=7.0)
        marked = ~inside if outside else inside
        grown = ndimage.binary_dilation(marked, np.ones((3, 3, 3)), iterations=2)
        np.testing.assert_array_equal(_taken(box), grown)
        assert volume == marked.sum() * 125.0


def test_voxels_that_are_not_wholly_in_the_ice_are_taken() -> None:
    x = np.arange(-6, 7) * 50.0
    top = np.broadcast_to((60.0 + 0.2 * x).astype(np.float32), (11, 13)).copy()
    ice = IceLayer(bottom_angstrom_yx=-top, top_angstrom_yx=top, spacing_angstrom=50.0)
    box = PackingBox.empty((500, 400, 200), 5.0)
    box.mark_beyond_ice(ice, 10.0)
    centres = _centres_xyz(box)
    room = 60.0 + 0.2 * centres[..., 0] - 10.0 - 2.5
    np.testing.assert_array_equal(_taken(box), np.abs(centres[..., 2]) > room + 1e-4)


def test_a_box_elsewhere_has_its_own_centre() -> None:
    box = PackingBox.empty((100, 100, 100), 5.0, (500.0, -200.0, 50.0))
    box.mark_region(_ball(30, (510, -190, 45)))
    points = np.array([[510.0, -190.0, 45.0], [545.0, -200.0, 50.0]])
    assert not box.are_free(points[:1])
    assert box.are_free(points[1:])
    np.testing.assert_allclose(box.positions_angstrom_xyz(box.voxels_zyx(points)), points)


def test_voxels_that_do_not_lie_wholly_in_a_region_are_outside_of_it() -> None:
    box = PackingBox.empty((205, 180, 150), 5.0, (10.0, 0.0, 0.0))
    box.mark_outside(_ball(60, (20, -15, 5)))
    steps = np.array([-2.5, 2.5])
    corners = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    centres = _centres_xyz(box) + np.array([10.0, 0.0, 0.0])
    farthest = np.linalg.norm(centres[..., None, :] + corners - [20, -15, 5], axis=-1).max(axis=-1)
    np.testing.assert_array_equal(_taken(box), farthest > 60)
