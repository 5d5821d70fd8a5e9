"""Bars, film, crystals and gold are masked; what is rich in structure is a specimen and never is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantom_series import COUNTS, PIXEL, SIDE, counted, fine_structure, without_halves

from tomoset.curation import MaskParams, find_masks
from tomoset.curation.obstacles import at_pixels, coarse_mean, mask_shape_yx
from tomoset.errors import ParameterError
from tomoset.model import InMemory, Resources, Silent

Y, X = (np.mgrid[:SIDE, :SIDE] - SIDE // 2) * PIXEL
ICE = COUNTS * (1 + fine_structure(1, strength=0.01))


def masked(series, **changes):
    return find_masks(series, MaskParams(**changes), resources=Resources(workers=2), progress=Silent())


def overlap(series, truth):
    """Share of the truth that is masked, and of the rest that is."""
    mask = at_pixels(series.masks_nyx[0], truth.shape)
    return mask[truth].mean(), mask[~truth].mean()


def test_open_ice_is_not_masked_and_every_tilt_is_told_so():
    series = masked(counted([ICE, 0.7 * ICE, 0.03 * ICE]))
    assert series.masks_nyx.shape == (3, 26, 26)
    assert series.masks_nyx.dtype == bool
    assert [tilt.masked_fraction for tilt in series.tilts] == [0.0, 0.0, 0.0]
    assert all(tilt.use for tilt in series.tilts)


@pytest.mark.parametrize("halves", [True, False])
def test_a_bar_is_masked_however_much_it_covers(halves):
    for share in (0.15, 0.6):
        bar = (share - 0.5) * SIDE * PIXEL > X
        series = counted([np.where(bar, 0.0, ICE)])
        found, vain = overlap(masked(series if halves else without_halves(series)), bar)
        assert found > 0.97
        assert vain < 0.12


@pytest.mark.parametrize("halves", [True, False])
def test_film_is_masked_by_its_step_but_a_slope_of_the_ice_is_not(halves):
    film = X + 0.3 * Y > 150.0
    series = counted([np.where(film, 0.85, 1.0) * ICE, (1 - 0.15 * (X / X.max())) * ICE])
    series = masked(series if halves else without_halves(series))
    found, vain = overlap(series, film)
    assert found > 0.95
    assert vain < 0.15
    assert series.tilts[1].masked_fraction == 0.0


@pytest.mark.parametrize("halves", [True, False])
def test_a_cell_as_dark_as_film_is_kept_for_its_structure(halves):
    cell = np.hypot(X, Y) < 400.0
    inside = 0.85 * (1 + fine_structure(2, strength=0.11))
    series = counted([np.where(cell, inside, 1.0) * ICE])
    series = masked(series if halves else without_halves(series), gold_contrast_min=2.0)
    assert series.tilts[0].masked_fraction == 0.0


def test_gold_is_masked_and_a_dark_particle_is_not():
    depth = {(-300.0, -300.0): 0.5, (200.0, 100.0): 0.45, (300.0, -350.0): 0.1}
    image = ICE.copy()
    for (x, y), d in depth.items():
        image[np.hypot(X - x, Y - y) < 50.0] *= 1 - d
    series = masked(counted([image]))
    mask = at_pixels(series.masks_nyx[0], image.shape)
    seen = {place: mask[np.hypot(X - place[0], Y - place[1]) < 40.0].mean() for place in depth}
    assert [round(share) for share in seen.values()] == [1, 1, 0]
    assert mask.mean() < 0.06
    assert masked(counted([image]), gold_contrast_min=2.0).tilts[0].masked_fraction == 0.0


def test_the_masks_are_the_same_for_any_number_of_workers_and_any_scale_of_counts():
    film = np.where(X > 200.0, 0.8, 1.0) * ICE
    series = counted([film, film[::-1]])
    one = find_masks(series, MaskParams(), resources=Resources(workers=1), progress=Silent()).masks_nyx
    np.testing.assert_array_equal(masked(series).masks_nyx, one)
    scaled = replace(
        series,
        images_nyx=InMemory(2 * series.images_nyx.read(())),
        odd_nyx=InMemory(2 * series.odd_nyx.read(())),
        even_nyx=InMemory(2 * series.even_nyx.read(())),
    )
    np.testing.assert_array_equal(masked(scaled).masks_nyx, one)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_coarse_means_keep_the_mean_and_cover_the_same_field(ny, nx, data):
    shape = (data.draw(st.integers(1, ny)), data.draw(st.integers(1, nx)))
    image = np.arange(ny * nx, dtype=np.float64).reshape(ny, nx)
    coarse = coarse_mean(image, shape)
    assert coarse.shape == shape
    assert image.min() <= coarse.min()
    assert coarse.max() <= image.max()
    np.testing.assert_allclose(coarse_mean(np.full((ny, nx), 3.0), shape), 3.0)
    np.testing.assert_array_equal(at_pixels(np.arange(np.prod(shape)).reshape(shape), (ny, nx)).shape, (ny, nx))


def test_masks_are_no_finer_than_images_and_thresholds_mean_something():
    assert mask_shape_yx((1024, 960), 2.0, MaskParams()) == (41, 38)
    assert mask_shape_yx((4, 4), 90.0, MaskParams()) == (4, 4)
    for wrong in ({"pixel_angstrom": 0.0}, {"opaque_max": 1.5}, {"texture_max": float("nan")}):
        with pytest.raises(ParameterError, match=r"curation\.masks"):
            MaskParams(**wrong)
