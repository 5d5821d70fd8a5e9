"""Grids: indices are zyx, positions are xyz in Å, and binning says where its voxels went."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError, PixelSizeError
from tomoset.geometry import Grid, bin_volume, specimen_origin_index_zyx

GRIDS = st.builds(
    lambda shape, voxel: Grid(shape_zyx=shape, voxel_size_angstrom=voxel),
    st.tuples(*[st.integers(1, 500)] * 3),
    st.floats(0.1, 100),
)
POINTS = st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 3), min_size=1, max_size=5).map(np.array)


@given(grid=GRIDS, points=POINTS)
def test_index_and_position_are_inverse(grid, points):
    np.testing.assert_allclose(grid.position_angstrom_xyz(grid.index_zyx(points)), points, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(grid.volume_from_specimen(grid.specimen_from_volume(points)), points, atol=1e-8)


def test_the_axes_are_swapped_in_one_place_only():
    grid = Grid(shape_zyx=(10, 20, 30), voxel_size_angstrom=4.0)
    assert grid.position_angstrom_xyz((1, 2, 3)).tolist() == [12, 8, 4]
    assert grid.size_angstrom_xyz.tolist() == [120, 80, 40]


@given(grid=GRIDS)
def test_the_specimens_origin_is_the_voxel_n_over_2(grid):
    index = grid.index_zyx(grid.volume_from_specimen(np.zeros(3)))
    np.testing.assert_allclose(index, [n // 2 for n in grid.shape_zyx], atol=1e-9)
    assert specimen_origin_index_zyx(grid.shape_zyx) == tuple(n // 2 for n in grid.shape_zyx)


def test_contains_ends_at_the_last_voxel_centre():
    grid = Grid(shape_zyx=(3, 4, 5), voxel_size_angstrom=2.0)
    inside = grid.contains([[0, 0, 0], [8, 6, 4], [8.01, 6, 4], [-0.01, 0, 0], [0, 6.01, 0]])
    assert inside.tolist() == [True, True, False, False, False]


@given(shape=st.tuples(*[st.integers(4, 12)] * 3), factor=st.integers(1, 4), seed=st.integers(0, 50))
def test_binning_keeps_the_mean_of_every_block(shape, factor, seed):
    volume = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    grid = Grid(shape_zyx=shape, voxel_size_angstrom=3.0)
    binned, coarse, offset = bin_volume(volume, grid, factor)
    assert binned.dtype == np.float32
    assert coarse.shape_zyx == binned.shape == tuple(n // factor for n in shape)
    assert coarse.voxel_size_angstrom == 3.0 * factor
    z, y, x = (int(n) for n in np.random.default_rng(seed).integers(0, binned.shape))
    block = volume[z * factor : (z + 1) * factor, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
    assert binned[z, y, x] == pytest.approx(block.mean(), abs=1e-5)
    # the block's own centre is where grid and offset say the coarse voxel is
    centre = grid.position_angstrom_xyz((np.array([z, y, x]) + 0.5) * factor - 0.5)
    np.testing.assert_allclose(coarse.position_angstrom_xyz((z, y, x)) + offset, centre)


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, -1, 1), (4, 4), (4, 4, 4, 4)])
def test_grids_that_cannot_exist_are_refused(shape):
    with pytest.raises(GeometryError, match="three positive dimensions"):
        Grid(shape_zyx=shape, voxel_size_angstrom=1.0)


@pytest.mark.parametrize("voxel", [0.0, -1.0, np.nan, np.inf])
def test_voxel_sizes_that_are_none_are_refused(voxel):
    with pytest.raises(PixelSizeError, match="positive"):
        Grid(shape_zyx=(1, 1, 1), voxel_size_angstrom=voxel)


def test_binning_refuses_what_does_not_fit():
    volume = np.zeros((4, 5, 6))
    for factor in (0, 5):
        with pytest.raises(GeometryError, match="between 1 and 4"):
            bin_volume(volume, Grid(shape_zyx=(4, 5, 6), voxel_size_angstrom=1.0), factor)
    with pytest.raises(GeometryError, match="grid's shape"):
        bin_volume(volume, Grid(shape_zyx=(4, 5, 7), voxel_size_angstrom=1.0), 2)
