"""A track is smoothed by what its own errors call for: not at all where it is known, strongly where it is not."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tomoset.motion.track_smoothing import smooth_track


def drift(n=10):
    course = np.concatenate([[0.0], np.cumsum(np.exp(-np.arange(n - 1) / 2))])
    track = course[:, None] * [2.0, -1.5]
    return track - track.mean(axis=0)


def test_a_well_known_track_is_left_as_it_is():
    rough = drift() + np.random.default_rng(0).normal(0, 0.5, (10, 2))
    rough -= rough.mean(axis=0)
    np.testing.assert_allclose(smooth_track(rough, 1e6 * np.eye(2)), rough, atol=1e-3)


def test_errors_shrink_on_average():
    rng, before, after = np.random.default_rng(1), [], []
    sigma = 0.3
    information = np.eye(2) / (sigma**2 * 10)  # of a pair; ten frames give 1 / sigma² each
    for _ in range(100):
        noisy = drift() + sigma * rng.standard_normal((10, 2))
        noisy -= noisy.mean(axis=0)
        before.append(np.square(noisy - drift()).sum(axis=1).mean())
        after.append(np.square(smooth_track(noisy, information) - drift()).sum(axis=1).mean())
    assert np.mean(after) < 0.7 * np.mean(before)


@given(x=st.floats(-50, 50), y=st.floats(-50, 50), slope=st.floats(-3, 3))
def test_shifts_and_constant_speeds_are_no_acceleration(x, y, slope):
    track = drift() + np.array([x, y])
    steady = slope * (np.arange(10) - 4.5)[:, None] * [1.0, 0.5]
    base = smooth_track(drift(), np.eye(2))
    np.testing.assert_allclose(smooth_track(track + steady, np.eye(2)), base + steady, atol=1e-6 * (1 + abs(slope)))


def test_four_frames_are_too_few_to_learn_from():
    few = np.random.default_rng(2).standard_normal((4, 2))
    np.testing.assert_array_equal(smooth_track(few, np.eye(2)), few - few.mean(axis=0))
