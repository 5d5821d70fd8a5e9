"""Weights of the views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.reconstruction.weighting import (
    across_axis_filter,
    band_edge,
    defocus_strips,
    dose_filters,
    tilt_steps_rad,
)


@given(st.lists(st.floats(-70, 70), min_size=2, max_size=40, unique_by=lambda a: round(a, 3)))
def test_tilt_steps_follow_their_views_in_any_order(tilts):
    tilts = np.array(tilts)
    steps = tilt_steps_rad(tilts)
    order = np.argsort(tilts)
    assert np.all(steps > 0)
    np.testing.assert_allclose(steps[order], tilt_steps_rad(tilts[order]))
    span = np.deg2rad(np.ptp(tilts))
    gaps = np.deg2rad(np.diff(tilts[order]))
    # The views stand for the whole range and half a step beyond each end.
    np.testing.assert_allclose(steps.sum(), span + 0.5 * (gaps[0] + gaps[-1]), rtol=1e-9)


def test_tilt_steps_refuse_what_spans_nothing():
    assert tilt_steps_rad(np.array([3.0])) == pytest.approx(np.pi)
    for wrong in (np.array([]), np.array([5.0, 5.0])):
        with pytest.raises(GeometryError):
            tilt_steps_rad(wrong)


def test_exact_filter_is_the_ramp_where_slices_overlap_densely():
    tilt = np.arange(-90.0, 90.0, 0.5)
    k = np.linspace(2e-3, 0.03, 50)
    common = {"cut_per_angstrom": 0.05, "thickness_angstrom": 1500.0, "bin_per_angstrom": 1e-6}
    exact = across_axis_filter(k, 180, tilt, kind="exact", **common)
    ramp = across_axis_filter(k, 180, tilt, kind="ramp", **common)
    np.testing.assert_allclose(exact, ramp, rtol=0.05)
    alone = across_axis_filter(k, 0, np.array([-60.0, 0.0, 60.0]), kind="exact", **common)
    np.testing.assert_allclose(alone, 1 / 1500.0)


def test_hamming_damps_the_end_of_the_ramp_to_a_tenth():
    k = np.array([1e-4, 0.05])
    common = {"cut_per_angstrom": 0.05, "thickness_angstrom": 1500.0, "bin_per_angstrom": 1e-6}
    tilt = np.arange(-60.0, 61.0, 3.0)
    ratio = across_axis_filter(k, 5, tilt, kind="hamming", **common) / across_axis_filter(
        k, 5, tilt, kind="ramp", **common
    )
    np.testing.assert_allclose(ratio, [1.0, 0.1], atol=1e-3)


def test_dose_filters_keep_white_noise_white_and_damp_late_views():
    k = np.linspace(0, 0.05, 30)
    weights = dose_filters(k, np.arange(1.5, 100, 3.0), 300.0)
    np.testing.assert_allclose(np.mean(weights**2, axis=0), 1.0)
    assert np.all(np.diff(weights[:, 10]) < 0)
    np.testing.assert_allclose(weights[:, 0], 1.0)


def test_band_edge_ends_at_nyquist():
    np.testing.assert_allclose(band_edge(np.array([0, 0.94, 0.975, 1.0, 1.2]), 1.0), [1, 1, 0.5, 0, 0], atol=1e-12)


@given(st.floats(-70, 70), st.sampled_from([-1, 0, 1]), st.floats(100, 1e4), st.floats(-500, 500))
def test_strips_reproduce_the_gradient(tilt, hand, half, centre):
    strips = defocus_strips(tilt, hand, half, centre, cut_per_angstrom=0.05, voltage_kv=300.0)
    u = np.linspace(-half, half, 41) + centre
    shares = np.stack([strips.weights(s, u) for s in range(strips.offset_angstrom.size)])
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    expected = -hand * np.tan(np.deg2rad(tilt)) * (u - centre)
    error = np.abs(strips.offset_angstrom @ shares - expected).max()
    # One strip is enough while the phase at Nyquist stays within half of 0.5 rad; more strips interpolate exactly.
    assert error <= 1e-6 * half if strips.offset_angstrom.size > 1 else error < 1700
