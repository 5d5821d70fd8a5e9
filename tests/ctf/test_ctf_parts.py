"""The pieces of the CTF fit against brute force and against laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tomoset.ctf import CtfParams
from tomoset.ctf.likelihood import remove_smooth
from tomoset.ctf.series_fit import best_path, parabola_vertex
from tomoset.ctf.spectra import merge_tiles, ring_grid, tile_spectra


def brute_force_path(gain, cost):
    d = gain.shape[1]
    score = gain[0]
    distance = cost * np.abs(np.arange(d)[:, None] - np.arange(d)[None, :])
    for row in gain[1:]:
        score = (score[None, :] - distance).max(axis=1) + row
    return score.max()


@given(
    gain=arrays(float, (4, 9), elements=st.floats(0, 50, width=32)),
    cost=st.floats(0.0, 20.0),
)
def test_the_path_is_the_best_of_all(gain, cost):
    path = best_path(gain, cost)
    reached = gain[np.arange(4), path].sum() - cost * np.abs(np.diff(path)).sum()
    assert reached == pytest.approx(brute_force_path(gain, cost), abs=1e-6)


def test_the_path_never_leaves_what_is_allowed():
    gain = np.full((3, 6), -np.inf)
    gain[:, 2:4] = 1.0
    assert set(best_path(gain, 0.1)) <= {2, 3}


@given(vertex=st.floats(2.0, 7.0))
def test_the_vertex_of_a_parabola_is_exact(vertex):
    values = -np.square(np.arange(10) - vertex)
    assert parabola_vertex(values, int(np.argmax(values))) == pytest.approx(vertex, abs=1e-9)


def test_the_vertex_at_an_end_is_the_end():
    assert parabola_vertex(np.array([3.0, 2.0, 1.0]), 0) == 0.0


def test_smooth_functions_are_removed_and_nothing_more_the_second_time():
    grid = ring_grid((512, 512), 5.0, CtfParams())
    k = grid.frequency
    rows = np.stack([3 + 20 * k - 400 * k**2 + 900 * k**3, np.sin(2000 * k)])
    once = remove_smooth(rows, grid)
    np.testing.assert_allclose(once[0], 0, atol=1e-9)
    np.testing.assert_allclose(remove_smooth(once, grid), once, atol=1e-9)
    assert once[1].std() > 0.5


def noise(seed, shape_yx):
    return np.random.default_rng(seed).poisson(40.0, shape_yx).astype(np.float32)


@pytest.mark.parametrize("shape_yx", [(768, 768), (767, 801)])
def test_white_noise_has_power_one_in_every_ring(shape_yx):
    image = noise(0, shape_yx)
    grid = ring_grid(image.shape, 5.0, CtfParams())
    found = tile_spectra(image, grid, pixel_size_angstrom=5.0)
    assert found.n_tiles.sum() >= 25
    assert (found.power * grid.count).sum() / grid.count.sum() / len(found.power) == pytest.approx(1.0, abs=0.02)


def test_rings_reach_into_the_corners_but_not_beyond_the_band():
    grid = ring_grid((512, 512), 5.0, CtfParams())
    assert grid.frequency[-1] > 1.2 * 0.1
    empty = grid.count[:, -1] == 0
    along = np.abs(np.cos(2 * grid.azimuth)) > 0.9  # sectors beside x and y
    assert empty[along].all()
    assert not empty[~along].all()


def test_tiles_keep_their_place():
    image = noise(1, (512, 768))
    found = tile_spectra(image, ring_grid(image.shape, 5.0, CtfParams()), pixel_size_angstrom=5.0)
    x, y = np.unique(found.position_xy_angstrom[:, 0]), np.unique(found.position_xy_angstrom[:, 1])
    # The middle between the pixels lies half a pixel before index N // 2.
    np.testing.assert_allclose(x, 640 * np.arange(-2, 3) - 2.5)
    np.testing.assert_allclose(y, 640 * np.arange(-1, 2) - 2.5)


def test_merging_keeps_means_and_centres_of_gravity():
    image = noise(2, (1024, 1536))
    grid = ring_grid(image.shape, 5.0, CtfParams())
    found = tile_spectra(image, grid, pixel_size_angstrom=5.0)
    merged = merge_tiles(found, np.array([0.3, 0.1]), (6, 3))
    assert len(merged.n_tiles) <= 18
    assert merged.n_tiles.sum() == len(found.n_tiles)
    np.testing.assert_allclose(
        merged.n_tiles @ merged.position_xy_angstrom, found.position_xy_angstrom.sum(axis=0), atol=1e-6
    )
    np.testing.assert_allclose(np.einsum("t,tsr->sr", merged.n_tiles, merged.power), found.power.sum(axis=0), rtol=1e-4)
    assert merged.extent_angstrom > found.extent_angstrom


def test_masked_and_dark_tiles_are_left_out():
    image = noise(3, (512, 768))
    grid = ring_grid(image.shape, 5.0, CtfParams())
    mask = np.zeros((8, 12), dtype=bool)
    mask[:, 8:] = True  # the right third
    found = tile_spectra(image, grid, pixel_size_angstrom=5.0, mask_yx=mask)
    assert found.position_xy_angstrom[:, 0].max() < 700
    assert len(found.n_tiles) == 9 + 3  # tiles just half masked are kept
    image[:, :256] = 1.0
    dark = tile_spectra(image, grid, pixel_size_angstrom=5.0)
    assert dark.position_xy_angstrom[:, 0].min() > -1280
    assert tile_spectra(image, grid, pixel_size_angstrom=5.0, mask_yx=np.ones((4, 4), dtype=bool)) is None


@pytest.mark.parametrize("image", [np.zeros((512, 512)), np.full((512, 512), 3.0), np.full((512, 512), np.nan)])
def test_an_empty_image_has_no_spectrum(image):
    grid = ring_grid(image.shape, 5.0, CtfParams())
    assert tile_spectra(image.astype(np.float32), grid, pixel_size_angstrom=5.0) is None
