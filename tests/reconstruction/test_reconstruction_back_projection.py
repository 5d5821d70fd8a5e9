"""The compiled sum against a plain float64 one."""

import numpy as np
import pytest

from tomoset.errors import GeometryError
from tomoset.reconstruction import back_project_views


def brute_force(views, tilt_deg, shape_zyx, oversampling):
    """Sum in float64 with np.interp, written without looking at the kernel."""
    nz, ny, nx = shape_zyx
    u = (np.arange(views.shape[1]) - views.shape[1] // 2) / oversampling
    z, x = np.meshgrid(np.arange(nz) - nz // 2, np.arange(nx) - nx // 2, indexing="ij")
    volume = np.zeros(shape_zyx)
    for view, tilt in zip(views.astype(float), np.deg2rad(tilt_deg), strict=True):
        at = x * np.cos(tilt) + z * np.sin(tilt)
        for y in range(ny):
            # np.interp holds the ends; one zero beyond each end makes it fall as the kernel does.
            edge = np.concatenate([[0], view[:, y], [0]])
            where = np.concatenate([[u[0] - 1 / oversampling], u, [u[-1] + 1 / oversampling]])
            volume[:, y] += np.interp(at, where, edge, left=0, right=0)
    return volume


@pytest.mark.parametrize("oversampling", [1, 2])
@pytest.mark.parametrize(("n_tilts", "shape_zyx"), [(7, (17, 150, 45)), (8, (32, 20, 33)), (1, (5, 1, 9))])
def test_white_noise_agrees_with_a_plain_float64_sum(n_tilts, shape_zyx, oversampling):
    rng = np.random.default_rng(n_tilts)
    views = rng.standard_normal((n_tilts, 50 * oversampling, shape_zyx[1])).astype(np.float32)
    tilt = np.sort(rng.uniform(-65, 65, n_tilts))
    ours = back_project_views(views, tilt, shape_zyx, oversampling=oversampling)
    theirs = brute_force(views, tilt, shape_zyx, oversampling)
    assert np.abs(ours - theirs).max() < 1e-5 * np.sqrt(n_tilts) * 4
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999


def test_a_mirrored_or_shifted_sum_would_be_seen():
    rng = np.random.default_rng(0)
    views = rng.standard_normal((9, 64, 8)).astype(np.float32)
    tilt = np.linspace(-60, 60, 9)
    ours = back_project_views(views, tilt, (16, 8, 48))
    for wrong in (brute_force(views, -tilt, (16, 8, 48), 1), np.roll(brute_force(views, tilt, (16, 8, 48), 1), 1, 2)):
        assert np.corrcoef(ours.ravel(), wrong.ravel())[0, 1] < 0.9


def test_images_seen_as_views_give_what_their_copies_give():
    images = np.random.default_rng(6).standard_normal((5, 150, 45)).astype(np.float32)
    views, tilt = images.transpose(0, 2, 1), np.linspace(-40, 50, 5)
    assert not views.flags.c_contiguous
    np.testing.assert_array_equal(
        back_project_views(views, tilt, (8, 150, 40)),
        back_project_views(np.ascontiguousarray(views), tilt, (8, 150, 40)),
    )


def test_views_of_the_wrong_shape_are_refused():
    with pytest.raises(GeometryError, match="expected views of shape"):
        back_project_views(np.zeros((3, 10, 4), np.float32), np.zeros(2), (4, 4, 4))
