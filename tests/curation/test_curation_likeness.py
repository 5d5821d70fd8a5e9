"""Views of one slab know one another by their correlation; a view of something else is a stranger at any angle."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tomoset.curation.likeness import neighbour_likeness

PIXEL = 20.0
SIDE = 112
TILTS = np.arange(-45.0, 46.0, 5.0)
AXIS = 30.0
THICKNESS = 800.0


def slab_views(seed, tilts=TILTS, n=300, noise=0.15):
    """Points in a slab, seen at each tilt twice with independent noise, every view shifted at random."""
    rng = np.random.default_rng(seed)
    half = 0.9 * SIDE * PIXEL
    points = rng.uniform(-1, 1, (n, 3)) * [half, half, THICKNESS / 2]
    views = []
    for t in np.deg2rad(tilts):
        u = points[:, 0] * np.cos(t) + points[:, 2] * np.sin(t) + rng.normal(0, 60)
        v = points[:, 1] + rng.normal(0, 60)
        a = np.deg2rad(AXIS)
        xy = np.stack([u * np.cos(a) - v * np.sin(a), u * np.sin(a) + v * np.cos(a)]) / PIXEL + SIDE // 2
        image = np.zeros((SIDE, SIDE))
        x, y = np.round(xy).astype(int)
        inside = (x >= 0) & (x < SIDE) & (y >= 0) & (y < SIDE)
        np.add.at(image, (y[inside], x[inside]), -1.0)
        image = 10 + 3 * gaussian_filter(image, 1.0)
        views.append(tuple((image + noise * rng.standard_normal(image.shape)).astype(np.float32) for _ in range(2)))
    return views


def look(views, tilts=TILTS, trusted=None):
    trusted = np.ones(len(views), dtype=bool) if trusted is None else trusted
    return neighbour_likeness(
        views, PIXEL, trusted=trusted, tilt_deg=tilts, axis_deg=AXIS, thickness_angstrom=THICKNESS
    )


def test_views_of_one_slab_are_as_alike_as_expected_whatever_lies_between_their_angles():
    kept = np.delete(np.arange(len(TILTS)), [3, 4, 9, 10, 11])  # gaps of 15 and 20 degrees
    views = slab_views(0)
    found = look([views[i] for i in kept], TILTS[kept])
    assert np.all(found.ratio > 0.75)
    assert np.all(found.ratio < 1.4)
    assert np.isnan(found.better_tilt_deg).all()


def test_a_stranger_is_known_and_its_neighbours_are_not_taken_for_one():
    views = slab_views(0)
    views[7] = slab_views(1)[7]
    views[18] = slab_views(1)[18]  # the last: its neighbour keeps views on one side only
    found = look(views)
    assert set(np.flatnonzero(found.ratio < 0.65)) == {7, 18}
    assert np.all(found.height[[7, 18]] < 9)


def test_a_view_from_another_angle_is_told_where_it_belongs():
    views = slab_views(2)
    views[2], views[13] = views[13], views[2]
    found = look(views)
    assert abs(found.better_tilt_deg[2] - TILTS[13]) <= 5
    assert abs(found.better_tilt_deg[13] - TILTS[2]) <= 5
    assert np.isnan(np.delete(found.better_tilt_deg, [2, 13])).all()


def test_untrusted_views_are_compared_but_nothing_is_compared_with_them():
    views = slab_views(3)
    views[9] = slab_views(4)[9]
    trusted = np.arange(len(TILTS)) != 9
    found = look(views, trusted=trusted)
    assert found.ratio[9] < 0.65
    assert np.delete(found.ratio, 9).min() > 0.75


@pytest.mark.parametrize("noise", [0.15, 40.0])
def test_noise_alone_excludes_nobody(noise):
    found = look(slab_views(5, n=0 if noise < 1 else 300, noise=noise))
    assert np.nanmin(found.ratio) > 0.65
    assert np.isnan(found.better_tilt_deg).all()


def test_missing_images_and_too_few_views_give_no_numbers():
    views = slab_views(6)
    views[4] = None
    found = look(views)
    assert np.isnan(found.ratio[4])
    assert np.isfinite(np.delete(found.ratio, 4)).all()
    assert np.isnan(look(views[:2], TILTS[:2]).ratio).all()
    assert np.isnan(look([None, None], TILTS[:2]).height).all()
