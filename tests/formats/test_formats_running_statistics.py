"""Statistics by sections are those of the whole, however large the mean or many the values."""

import numpy as np
import pytest

from tomoset.formats.running_statistics import RunningStatistics

N = 200_003  # three whole blocks and a bit


def statistics(values, parts=7):
    found = RunningStatistics()
    for part in np.array_split(values, parts):
        found.add(part)
    return found


@pytest.mark.parametrize(("mean", "spread"), [(0, 1), (1e4, 1), (-3e6, 2.0), (1e-12, 1e-15), (0, 1e20), (5e30, 1e30)])
def test_mean_and_deviation_keep_their_digits(mean, spread):
    values = np.random.default_rng(1).normal(mean, spread, N).astype(np.float32)
    found, exact = statistics(values), values.astype(np.float64)
    assert found.count == N
    assert (found.minimum, found.maximum) == (exact.min(), exact.max())
    assert found.mean == pytest.approx(exact.mean(), abs=1e-6 * exact.std())
    assert found.deviation == pytest.approx(exact.std(), rel=1e-6)


def test_blocks_of_different_means_are_told_apart():
    values = np.repeat(np.float32([0, 1e6, -5, 1e6 + 1]), 70_000) + np.float32(0.5)
    found, exact = statistics(values, 1), values.astype(np.float64)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-7)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-5)  # two values only: roundings add up


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16"])
def test_every_type_of_a_file_is_taken(dtype):
    values = (np.random.default_rng(2).random((40, 50, 60)) * 100).astype(dtype)
    found, exact = statistics(values), values.astype(np.float64)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-7)
    assert found.deviation == pytest.approx(exact.std(), rel=1e-6)


@pytest.mark.parametrize("value", [0, 3.25, -1e25])
def test_a_constant_has_no_deviation(value):
    found = statistics(np.full(N, value, np.float32))
    assert found.minimum == found.maximum == np.float32(value)
    assert found.mean == pytest.approx(value, rel=1e-6)
    assert found.deviation == pytest.approx(0, abs=1e-7 * abs(value))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_not_hidden(bad):
    values = np.ones(N, np.float32)
    values[100] = bad
    found = statistics(values)
    assert not np.isfinite(found.maximum)
    assert not np.isfinite(found.mean)
