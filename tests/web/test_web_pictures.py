"""Sections and grey levels against direct arithmetic; the cache within its bytes."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tomoset.errors import ParameterError
from tomoset.web import pictures
from tomoset.web.image_cache import ImageCache


class CountingSource:
    """An array that remembers the largest region read from it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.largest = array, 0
        self.shape, self.dtype = array.shape, array.dtype

    def read(self, region: tuple = ()) -> np.ndarray:
        part = self.array[region]
        self.largest = max(self.largest, part.nbytes)
        return part


@given(axis=st.integers(0, 2), centre=st.integers(0, 8), thickness=st.integers(1, 30))
def test_slab_is_the_mean_of_its_slices(axis: int, centre: int, thickness: int) -> None:
    volume = np.random.default_rng(0).normal(size=(9, 10, 11)).astype(np.float32)
    first, last = max(0, centre - (thickness - 1) // 2), centre + thickness // 2 + 1
    expected = np.take(volume, range(first, min(last, volume.shape[axis])), axis=axis).mean(axis=axis)
    found = pictures.slab_mean(CountingSource(volume), axis, centre, thickness)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_slab_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = np.random.default_rng(0).normal(size=(32, 16, 16)).astype(np.float32)
    monkeypatch.setattr(pictures, "_READ_BYTES", 4 * 16 * 16 * 4)
    source = CountingSource(volume)
    found = pictures.slab_mean(source, 0, 16, 31)
    assert source.largest == 4 * 16 * 16 * 4
    np.testing.assert_allclose(found, volume[1:].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(("centre", "thickness"), [(-1, 1), (9, 1), (4, 0)])
def test_slab_outside_is_refused(centre: int, thickness: int) -> None:
    with pytest.raises(ParameterError, match="expected"):
        pictures.slab_mean(CountingSource(np.zeros((9, 4, 4), np.float32)), 0, centre, thickness)


def test_fit_within_averages_areas() -> None:
    image = np.arange(64, dtype=np.float32).reshape(8, 8)
    expected = image.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(pictures.fit_within(image, 4), expected, rtol=1e-6)
    assert pictures.fit_within(image, 8) is image


def test_fit_within_keeps_the_mean_of_odd_sizes() -> None:
    image = np.random.default_rng(1).normal(5.0, 1.0, (301, 501)).astype(np.float32)
    small = pictures.fit_within(image, 100)
    assert small.shape == (60, 100)
    assert small.mean() == pytest.approx(image.mean(), abs=2e-3)


def _levels(image: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(pictures.grey_png(image, low, high))))


def test_grey_levels_stretch_between_percentiles() -> None:
    ramp = np.linspace(-3.0, 7.0, 1001, dtype=np.float32)[None]
    levels = _levels(ramp, 10.0, 90.0)[0]
    assert levels[:100].max() == 0
    assert levels[901:].min() == 255
    assert levels[500] == 128
    assert np.all(np.diff(levels.astype(int)) >= 0)


def test_flat_empty_and_unfinished_images_have_pictures() -> None:
    assert np.all(_levels(np.full((4, 4), 3.0, np.float32), 1.0, 99.0) == 128)
    assert np.all(_levels(np.full((4, 4), np.nan, np.float32), 1.0, 99.0) == 0)
    holed = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    holed[0, 0] = np.nan
    assert _levels(holed, 0.0, 100.0)[-1, 0] == 0


def test_cache_keeps_the_latest_within_its_bytes() -> None:
    cache, made = ImageCache(max_bytes=3 * 400), []

    def image(key: int) -> np.ndarray:
        made.append(key)
        return np.full((10, 10), key, np.float32)

    for key in (1, 2, 3, 1, 4, 1, 2):
        assert cache.get(key, lambda key=key: image(key))[0, 0] == key
        assert cache.n_bytes <= 1200
    assert made == [1, 2, 3, 4, 2]  # 2 was the one looked at longest ago when 4 came


def test_cache_does_not_keep_what_is_too_large() -> None:
    cache = ImageCache(max_bytes=100)
    assert cache.get("big", lambda: np.zeros((10, 10), np.float32)).shape == (10, 10)
    assert cache.n_bytes == 0
