"""The pieces of the CTF fit against brute force and against laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tomoset.ctf import CtfParams
from tomoset.ctf.likelihood import remove_smooth
from tomoset.ctf.series_fit import best_path, parabola_vertex
from tomoset.ctf.spectra import ring_grid, tile_spectra


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


def test_white_noise_has_power_one_in_every_ring():
    rng = np.random.default_rng(0)
    image = rng.poisson(40.0, (768, 768)).astype(np.float32)
    grid = ring_grid(image.shape, 5.0, CtfParams())
    found = tile_spectra(image, grid, np.zeros(2), pixel_size_angstrom=5.0, step_angstrom=100.0)
    assert found.power.shape[1] == 1
    assert found.n_tiles.sum() == 25
    assert found.power.mean() == pytest.approx(1.0, abs=0.02)


def test_tiles_are_sorted_by_their_height():
    rng = np.random.default_rng(1)
    image = rng.poisson(40.0, (512, 768)).astype(np.float32)
    grid = ring_grid(image.shape, 5.0, CtfParams())
    found = tile_spectra(image, grid, np.array([0.5, 0.0]), pixel_size_angstrom=5.0, step_angstrom=100.0)
    # Five columns of tiles 640 Å apart rise by 320 Å each; their mean is the image centre (half a pixel off).
    assert np.diff(found.height_step).tolist() in ([3, 3, 3, 3], [3, 3, 3, 4], [4, 3, 3, 3], [3, 3, 4, 3], [3, 4, 3, 3])
    assert abs(found.height_step.sum()) <= 2
    assert found.n_tiles.sum(axis=0).tolist() == [3] * 5


@pytest.mark.parametrize("image", [np.zeros((512, 512)), np.full((512, 512), 3.0), np.full((512, 512), np.nan)])
def test_an_empty_image_has_no_spectrum(image):
    grid = ring_grid(image.shape, 5.0, CtfParams())
    image = image.astype(np.float32)
    assert tile_spectra(image, grid, np.zeros(2), pixel_size_angstrom=5.0, step_angstrom=100.0) is None
