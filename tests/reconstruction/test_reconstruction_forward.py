"""The projection against the back-projection that it transposes, and against what a tent must give."""

import numpy as np
import pytest

from tomoset.errors import GeometryError
from tomoset.reconstruction import back_project_views, project_volume


@pytest.mark.parametrize("oversampling", [1, 2])
@pytest.mark.parametrize(("n_tilts", "shape_zyx"), [(7, (17, 150, 45)), (8, (40, 20, 70)), (1, (5, 1, 9))])
def test_projection_is_the_transpose_of_the_back_projection(n_tilts, shape_zyx, oversampling):
    rng = np.random.default_rng(n_tilts)
    tilt = np.sort(rng.uniform(-75, 75, n_tilts))
    views = rng.standard_normal((n_tilts, 50 * oversampling, shape_zyx[1])).astype(np.float32)
    volume = rng.standard_normal(shape_zyx).astype(np.float32)
    projected = project_volume(volume, tilt, views.shape[1], oversampling=oversampling)
    back = back_project_views(views, tilt, shape_zyx, oversampling=oversampling)
    one, other = np.vdot(projected.astype(float), views), np.vdot(volume.astype(float), back)
    size = np.linalg.norm(projected.astype(float)) * np.linalg.norm(views.astype(float))
    assert abs(one - other) < 1e-6 * size


def test_one_voxel_becomes_a_tent_where_the_geometry_says():
    volume = np.zeros((11, 3, 21), np.float32)
    volume[5 + 3, 1, 10 - 6] = 2.0
    tilt = np.array([-60.0, 0.0, 30.0])
    u = np.arange(31) - 15
    expected = 2 * np.maximum(
        0, 1 - np.abs(u - (-6 * np.cos(np.deg2rad(tilt)) + 3 * np.sin(np.deg2rad(tilt)))[:, None])
    )
    views = project_volume(volume, tilt, 31)
    np.testing.assert_allclose(views[:, :, 1], expected, atol=1e-6)
    assert not views[:, :, [0, 2]].any()


def test_projection_does_not_depend_on_threads():
    volume = np.random.default_rng(2).standard_normal((9, 200, 40)).astype(np.float32)
    tilt = np.linspace(-60, 60, 9)
    np.testing.assert_array_equal(project_volume(volume, tilt, 60), project_volume(volume, tilt, 60, workers=3))


def test_what_is_no_volume_is_refused():
    with pytest.raises(GeometryError, match="expected a volume"):
        project_volume(np.zeros((3, 10), np.float32), np.zeros(2), 4)
