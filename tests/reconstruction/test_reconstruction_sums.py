"""Sums in registers against the plain loops that say what they mean."""

import numpy as np
import pytest
from numba import njit

from tomoset.reconstruction import _lanes, _sums


@pytest.fixture
def table():
    rng = np.random.default_rng(5)
    values = rng.standard_normal(40 * 64).astype(np.float32)
    offsets = (64 * rng.integers(0, 38, (3, 29))).astype(np.uint32)
    return values, offsets, rng.uniform(0, 1, (3, 29)).astype(np.float32)


def test_pairs_are_summed_bit_for_bit_as_by_plain_loops(table):
    out = np.full((2, 200), 7, np.float32)
    for sums, line in zip((_lanes, _sums), out, strict=True):
        sums.sum_pairs(*table, 1, line, 100)
    np.testing.assert_array_equal(out[0], out[1])
    values, offsets, weights = (a.astype(float) for a in table)
    first = offsets[1].astype(int)[:, None] + np.arange(64)
    expected = ((1 - weights[1, :, None]) * values[first] + weights[1, :, None] * values[first + 64]).sum(axis=0)
    np.testing.assert_allclose(out[0, 100:164], expected, atol=1e-5)
    assert np.all(out[0, :100] == 7)
    assert np.all(out[0, 164:] == 7)


def test_entries_are_added_bit_for_bit_as_by_plain_loops(table):
    values, offsets, weights = table
    out = np.full((2, 200), 7, np.float32)
    for sums, line in zip((_lanes, _sums), out, strict=True):
        sums.sum_entries(values, offsets, weights, 2, 4, 20, 32, line, 50)
    np.testing.assert_array_equal(out[0], out[1])
    at = offsets[2, 4:20].astype(int)[:, None] + 32 + np.arange(64)
    expected = 7 + (weights[2, 4:20, None].astype(float) * values[at]).sum(axis=0)
    np.testing.assert_allclose(out[0, 50:114], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(32, 64), (16, 16), (33, 50), (5, 64), (32, 7), (1, 1)])
def test_turning_is_a_transposition(shape):
    source = np.random.default_rng(1).standard_normal(4000).astype(np.float32)
    expected = np.lib.stride_tricks.as_strided(source[11:], shape, (70 * 4, 4)).T
    for sums in (_lanes, _sums):
        target = np.zeros(6000, np.float32)
        sums.turn(source, 11, 70, shape, target, 9, 80)
        found = np.lib.stride_tricks.as_strided(target[9:], shape[::-1], (80 * 4, 4))
        np.testing.assert_array_equal(found, expected)
        assert np.count_nonzero(target) == expected.size


def test_four_by_four_is_the_weighted_sum_of_sixteen_samples():
    rng = np.random.default_rng(2)
    image, table = rng.standard_normal((30, 41)).astype(np.float32), rng.uniform(0, 1, (7, 4)).astype(np.float32)

    def read(sums, y, x, of_y, of_x):
        @njit
        def call(image, table):
            return sums_four(
                image, np.uint64(y * 41 + x), np.uint64(41), table, np.uint64(4 * of_y), np.uint64(4 * of_x)
            )

        sums_four = sums.four_by_four
        return call(image.ravel(), table.ravel())

    for y, x, of_y, of_x in ((0, 0, 0, 6), (26, 37, 3, 1), (11, 5, 6, 6)):
        expected = table[of_y].astype(float) @ image[y : y + 4, x : x + 4].astype(float) @ table[of_x].astype(float)
        for sums in (_lanes, _sums):
            assert read(sums, y, x, of_y, of_x) == pytest.approx(expected, abs=1e-6)
