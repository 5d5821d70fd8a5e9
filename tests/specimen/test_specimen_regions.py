"""Marks in the packing box: points, regions, and what stays free."""

import numpy as np

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
