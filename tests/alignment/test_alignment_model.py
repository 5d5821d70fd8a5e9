"""The slab model, its Newton step and the peaks."""

import numpy as np
import pytest
from alignment_phantom import make_phantom
from scipy import ndimage

from tomoset.alignment.common_frame import Pose, make_frame, resample_views, spline_coefficients
from tomoset.alignment.markers import local_tops
from tomoset.alignment.peaks import find_peak
from tomoset.alignment.preprocess import prepare_views
from tomoset.alignment.refinement import newton_step, scan_thickness
from tomoset.alignment.signal_model import (
    make_slab_model,
    parallax_coherence,
    shot_noise_signal,
    signal_from_neighbours,
)
from tomoset.geometry import remove_gauge
from tomoset.model import Silent


@pytest.fixture(scope="module")
def true_state():
    phantom = make_phantom(2, tilt_deg=np.arange(-45.0, 46.0, 4.5), density=1.5)
    views = prepare_views(phantom.series, 10.0, Silent())
    coefficients = spline_coefficients(views)
    frame = make_frame(views, 86.0, 500.0, 30.0)
    pose = Pose(axis_deg=86.0, shift_uv_angstrom=phantom.truth.shift_uv_angstrom())
    values = resample_views(coefficients, views, frame, pose)
    signal = signal_from_neighbours(views, frame, values, 1500.0)
    return views, coefficients, frame, pose, values, signal


def test_prepared_views_are_white(true_state):
    views, _, _, _, values, _ = true_state
    assert views.n == 21
    assert np.mean(np.abs(values) ** 2) == pytest.approx(1.0, abs=0.1)


def test_coherence_follows_the_height_profile():
    """Two views of points with Gaussian heights: the mean of exp(2 π i kx z Δtan) is the closed form."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 1500 / np.sqrt(12), 200_000)
    kx, difference = 1 / 400.0, 0.3
    measured = np.mean(np.cos(2 * np.pi * kx * z * difference))
    assert float(parallax_coherence(kx, difference, 1500.0)) == pytest.approx(measured, abs=0.005)


def test_signal_spectra_from_power_and_from_neighbours_are_alike(true_state):
    views, _, _, _, _, signal = true_state
    k = views.frequency_per_angstrom
    band = (k > 1 / 150) & (k < 1 / 50)
    # Ice noise, which is new in every view, counts as signal only in the first.
    ratio = signal[band].sum() / shot_noise_signal(views)[band].sum()
    assert 0.5 < ratio < 1.1


def test_one_newton_step_takes_a_planted_error_back(true_state):
    views, coefficients, frame, true_pose, _, signal = true_state
    model = make_slab_model(views, frame, signal, 1500.0)
    limits = (80.0, 90.0)
    settled = true_pose
    for _ in range(4):
        settled = newton_step(coefficients, views, frame, model, settled, axis_limits_deg=limits).pose
    planted = np.random.default_rng(0).normal(0, 2.0, (views.n, 2))
    off = Pose(axis_deg=settled.axis_deg + 0.4, shift_uv_angstrom=settled.shift_uv_angstrom + planted)
    step = newton_step(coefficients, views, frame, model, off, axis_limits_deg=limits)
    left, _ = remove_gauge(step.pose.shift_uv_angstrom - settled.shift_uv_angstrom, views.tilt_deg)
    assert np.sqrt(np.mean(left[:, 1] ** 2)) < 0.8
    assert abs(step.pose.axis_deg - settled.axis_deg) < 0.25
    again = newton_step(coefficients, views, frame, model, step.pose, axis_limits_deg=limits)
    left, _ = remove_gauge(again.pose.shift_uv_angstrom - settled.shift_uv_angstrom, views.tilt_deg)
    assert np.all(np.sqrt(np.mean(left**2, axis=0)) < [1.0, 0.4])


def test_thickness_is_found_by_likelihood(true_state):
    views, _, frame, _, values, signal = true_state
    for guess in (800.0, 2500.0):
        assert 1000.0 < scan_thickness(views, frame, values, signal, guess) < 2000.0


def test_precision_is_the_inverse_of_the_model(true_state):
    views, _, frame, _, values, signal = true_state
    model = make_slab_model(views, frame, signal, 1500.0)
    inverse = np.linalg.inv(model.precision_cnn[100].astype(float))
    np.testing.assert_allclose(np.diag(inverse), 1.0, atol=1e-3)
    some = np.flatnonzero(model.cell == 100)[0]
    np.testing.assert_allclose(model.weigh(values)[some], model.precision_cnn[100] @ values[some], rtol=1e-4)
    # A shift of everything is no information: rows of the Fisher matrices sum to zero.
    np.testing.assert_allclose(model.fisher_y.sum(axis=1), 0.0, atol=1e-6 * np.abs(model.fisher_y).max())


def test_peaks_are_found_between_pixels():
    y, x = np.mgrid[:64, :80].astype(float)
    shift = (7.3, -4.6)
    bump = np.exp(-(((x - shift[0] + 40) % 80 - 40) ** 2 + ((y - shift[1] + 32) % 64 - 32) ** 2) / (2 * 3.0**2))
    peak = find_peak(bump, (20, 20))
    np.testing.assert_allclose(peak.shift_xy, shift, atol=0.03)
    near = find_peak(bump, (4, 4))
    assert np.hypot(*near.shift_xy) < 5.5


@pytest.mark.parametrize("reach", [1, 4])
def test_tops_are_those_of_a_maximum_filter(reach):
    volume = np.random.default_rng(0).normal(size=(20, 24, 28)).astype(np.float32)
    highest = ndimage.maximum_filter(volume, size=2 * reach + 1)
    expected = np.nonzero((volume == highest) & (volume > 1.0))
    np.testing.assert_array_equal(local_tops(volume, 1.0, reach), expected)
    assert 5 < expected[0].size < 1000
