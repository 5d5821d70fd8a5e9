"""Counts are Poisson and the random numbers are those of Philox."""

import numpy as np
import pytest
from scipy import stats

from tomoset.microscope import _counting_kernels
from tomoset.microscope.camera import draw_gain, draw_hot_pixels, poisson_counts


@pytest.mark.parametrize("mean", [0.02, 0.3, 1.2, 1.4, 5.9, 15.0, 40.0])
def test_counts_pass_a_chi_square_test_on_five_million_samples(mean):
    drawn = poisson_counts(np.full((2048, 2560), mean, dtype=np.float32), key=(11, 12), frame=4)
    observed = np.bincount(drawn.ravel(), minlength=256).astype(float)
    expected = drawn.size * stats.poisson.pmf(np.arange(256), float(np.float32(mean)))
    expected[-1] += drawn.size * stats.poisson.sf(255, mean)
    keep = np.flatnonzero(expected >= 20)
    low, high = keep[0], keep[-1]
    pooled = [np.concatenate([[v[: low + 1].sum()], v[low + 1 : high], [v[high:].sum()]]) for v in (observed, expected)]
    assert 1e-3 < stats.chisquare(*pooled).pvalue < 1 - 1e-3


def test_neighbours_and_frames_are_independent():
    mean = np.full((1024, 1024), 3.0, dtype=np.float32)
    first, second = (poisson_counts(mean, key=(1, 2), frame=f).astype(float) - 3 for f in (0, 1))
    limit = 4 * 3 / np.sqrt(mean.size)
    assert abs((first * second).mean()) < limit
    for step in (1, 2, 64, 128, 256):
        flat = first.ravel()
        assert abs((flat[step:] * flat[:-step]).mean()) < limit


def test_mean_of_each_pixel_is_followed():
    mean = np.tile(np.array([0.0, 2.0, 20.0], dtype=np.float32), (3000, 100))
    drawn = poisson_counts(mean, key=(5, 6), frame=0)
    assert drawn[:, 0::3].max() == 0
    assert drawn[:, 1::3].mean() == pytest.approx(2.0, abs=0.02)
    assert drawn[:, 2::3].mean() == pytest.approx(20.0, abs=0.05)
    assert drawn[:, 2::3].var() == pytest.approx(20.0, rel=0.02)


def test_next_to_nothing_lies_beyond_the_largest_count_of_a_part():
    assert stats.poisson.sf(12, _counting_kernels.LARGEST_PART) < 1e-9


def test_random_bits_are_philox_4x32_10():
    # Known answers of Random123 (kat_vectors): counter and key all zero, and all ones.
    bits = np.empty((4, 64), dtype=np.uint32)
    _counting_kernels.philox_block(0, (0, 0, 0), (0, 0), bits)
    assert bits[:, 0].tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 0xFFFFFFFF
    _counting_kernels.philox_block(ones, (ones, ones, ones), (ones, ones), bits)
    assert bits[:, 0].tolist() == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def test_gain_has_mean_one_and_the_spread_asked_for():
    gain = draw_gain((128, 160), 0.05, 3)
    assert gain.dtype == np.float32
    assert gain.mean() == pytest.approx(1, abs=1e-5)
    assert gain.std() == pytest.approx(0.05, rel=0.1)


def test_hot_pixels_differ_between_series_and_not_between_calls():
    first, second = (draw_hot_pixels((100, 100), 0.01, run, 3)[0] for run in ("TS001", "TS002"))
    assert len(first) == 100
    assert len(np.unique(first)) == 100
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, draw_hot_pixels((100, 100), 0.01, "TS001", 3)[0])
