"""Weights of the views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.reconstruction import ReconstructionParams, iterate_views
from tomoset.reconstruction.weighting import (
    across_axis_filter,
    band_edge,
    defocus_levels,
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


BIN = 1e-6
TILTS = np.arange(-60.0, 61.0, 3.0)


def weight(k, index, tilt, **params):
    params = ReconstructionParams(voxel_size_angstrom=10.0, thickness_angstrom=1500.0, **params)
    return across_axis_filter(k, index, tilt, params, bin_per_angstrom=BIN)


def test_exact_filter_is_the_ramp_where_slices_overlap_densely():
    tilt = np.arange(-90.0, 90.0, 0.5)
    k = np.linspace(2e-3, 0.03, 50)
    exact, ramp = weight(k, 180, tilt, filter="exact"), weight(k, 180, tilt, filter="ramp")
    np.testing.assert_allclose(exact, ramp, rtol=0.05)
    few = np.array([-60.0, 0.0, 60.0])
    np.testing.assert_allclose(weight(k, 0, few, filter="exact"), 1 / 1500.0)
    np.testing.assert_allclose(weight(k, 0, few, filter="exact", specimen_thickness_angstrom=3000.0), 1 / 3000.0)


def test_hamming_damps_the_end_of_the_ramp_to_a_tenth():
    k = np.array([1e-4, 0.05])
    ratio = weight(k, 5, TILTS, filter="hamming") / weight(k, 5, TILTS, filter="ramp")
    np.testing.assert_allclose(ratio, [1.0, 0.1], atol=1e-3)


def test_imods_ramp_ends_at_its_cutoff_and_falls_as_a_gaussian():
    k = np.array([0.0, 0.01, 0.035, 0.0385, 0.042])  # of 0.1 cycles an ångström, 10 Å voxels
    found = weight(k, 20, TILTS, filter="imod") / np.deg2rad(3.0)
    expected = [0.2 * BIN, 0.01, 0.035, 0.035 * np.exp(-0.5), 0.035 * np.exp(-2.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    sharper = weight(k, 20, TILTS, filter="imod", imod_cutoff_cycles_per_voxel=0.4, imod_falloff_cycles_per_voxel=0.01)
    np.testing.assert_allclose(sharper[3:] / np.deg2rad(3.0), [0.0385, 0.04 * np.exp(-2.0)], rtol=1e-9)


@pytest.mark.parametrize(("asked", "meant"), [(1, 1), (10, 10), (15, 15), (20, 19), (30, 27), (50, 39)])
def test_imods_sirt_like_weights_are_imods(asked, meant):
    k = np.array([1e-4, 2e-3, 0.01, 0.035])
    ratio = weight(k, 20, TILTS, filter="imod-sirt", sirt_iterations=asked) / weight(k, 20, TILTS, filter="imod")
    per_pixel = k * 10.0
    expected = 1 - (1 - 0.00195 / per_pixel.clip(0.00195)) ** (meant + 0.3)
    np.testing.assert_allclose(ratio, expected, rtol=1e-9)


@pytest.mark.parametrize("iterations", [1, 5, 40])
def test_sirt_like_weights_do_what_iterations_do(iterations):
    """SIRT itself, on a volume with waves across the axis of one view's plane: how much of the wave has come."""
    tilt = np.arange(-60.0, 61.0, 4.0)
    depth, width = 60, 161
    x = np.arange(width) - width // 2
    k = 3 / 40  # cycles a voxel
    wave = np.cos(2 * np.pi * k * x)[None, :] * np.ones(depth)[:, None]
    # Only the view at 0° sees the wave; the others see nothing of it.
    views = np.zeros((tilt.size, 2 * width, 1), np.float32)
    at = np.arange(2 * width) - width
    views[tilt.size // 2, :, 0] = depth * np.cos(2 * np.pi * k * at)
    volume, _ = iterate_views(views, tilt, (depth, 1, width), iterations=iterations)
    inner = (slice(None), slice(40, -40))
    came = np.sum(volume[:, 0][inner] * wave[inner]) / np.sum(wave[inner] ** 2)
    params = ReconstructionParams(
        voxel_size_angstrom=1.0, thickness_angstrom=float(depth), filter="sirt-like", sirt_iterations=iterations
    )
    filtered = across_axis_filter(np.array([k]), tilt.size // 2, tilt, params, bin_per_angstrom=BIN)[0] * depth
    assert came == pytest.approx(filtered, rel=0.2)


def test_dose_filters_keep_white_noise_white_and_damp_late_views():
    k = np.linspace(0, 0.05, 30)
    weights = dose_filters(k, np.arange(1.5, 100, 3.0), 300.0)
    np.testing.assert_allclose(np.mean(weights**2, axis=0), 1.0)
    assert np.all(np.diff(weights[:, 10]) < 0)
    np.testing.assert_allclose(weights[:, 0], 1.0)


def test_band_edge_ends_at_nyquist():
    np.testing.assert_allclose(band_edge(np.array([0, 0.94, 0.975, 1.0, 1.2]), 1.0), [1, 1, 0.5, 0, 0], atol=1e-12)


@given(
    st.floats(-70, 70),
    st.sampled_from([-1, 0, 1]),
    st.floats(100, 1e4),
    st.floats(-500, 500),
    st.floats(0, 1000),
    st.floats(-200, 200),
)
def test_levels_reproduce_the_defocus_of_every_place(tilt, hand, half, centre, depth, middle):
    reach_u, reach_z = (centre - half, centre + half), (middle - depth, middle + depth)
    levels = defocus_levels(tilt, hand, reach_u, reach_z, cut_per_angstrom=0.05, voltage_kv=300.0)
    u = np.linspace(*reach_u, 41)
    for z in np.linspace(*reach_z, 5):
        shares = np.stack([levels.weights(s, u, z) for s in range(levels.offset_angstrom.size)])
        np.testing.assert_allclose(shares.sum(axis=0), 1.0)
        angle = np.deg2rad(tilt)
        expected = hand * (z / np.cos(angle) - np.tan(angle) * u)
        error = np.abs(levels.offset_angstrom @ shares - expected).max()
        # One level is enough while the phase at Nyquist stays within half of 0.5 rad; more interpolate exactly.
        assert error <= 1e-6 * (half + depth + 700) if levels.offset_angstrom.size > 1 else error < 1700
