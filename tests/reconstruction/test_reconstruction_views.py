"""Images to aligned views: transforms that leave out zeros, taps between samples, and phases corrected by place."""

import numpy as np
import pytest
import scipy.fft

from tomoset.model import Optics
from tomoset.reconstruction import ReconstructionParams
from tomoset.reconstruction.focus import corrected_spectra
from tomoset.reconstruction.image_spectra import image_rows, spectrum_of_rows
from tomoset.reconstruction.plan import make_plan
from tomoset.reconstruction.taps import POSITIONS, tap_table, tap_transfer
from tomoset.reconstruction.views import filtered_views, make_filters


def test_pruned_transforms_are_the_whole_ones():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((37, 50)).astype(np.float32)
    padded = np.zeros((48, 64), np.float32)
    padded[:37, :50] = rows
    whole = scipy.fft.rfft2(padded)
    np.testing.assert_allclose(spectrum_of_rows(rows, (48, 64), 20), whole[:, :20], atol=1e-4)
    whole[:, 20:] = 0
    np.testing.assert_allclose(
        image_rows(whole[:, :20].copy(), (48, 64), slice(5, 41)), scipy.fft.irfft2(whole, s=(48, 64))[5:41], atol=1e-5
    )


@pytest.mark.parametrize(("cycles", "most"), [(0.0, 0.002), (0.2, 0.004), (0.3, 0.007), (0.39, 0.012)])
def test_taps_read_a_wave_between_its_samples(cycles, most):
    """Within the aliases that are stated; a cubic spline leaves twenty times more at the end of the band."""
    at = np.random.default_rng(4).uniform(2, 60, 500)
    low = np.floor(at).astype(int)
    weights = tap_table()[((at - low) * POSITIONS).astype(int)]
    samples = np.exp(2j * np.pi * cycles * (low[:, None] + np.arange(-1, 3)))
    read = (weights * samples).sum(axis=1) / tap_transfer(np.array(cycles))
    error = read - np.exp(2j * np.pi * cycles * at)
    assert np.sqrt(np.mean(np.abs(error) ** 2)) < most


def waves_at(series, params, index=0):
    """The rows (u, v) of one view as ``filtered_views`` makes them."""
    plan = make_plan(series, params)
    filters = make_filters(series, params, plan)
    rows = np.zeros((-(-plan.rows.n_v // 64), plan.rows.n_u, 64), np.float32)
    image = series.images_nyx.read()[index] / 100 - 1
    filtered_views(image.astype(np.float32), [plan], filters, index, [rows])
    return plan, rows.transpose(1, 0, 2).reshape(plan.rows.n_u, -1)[:, : plan.rows.n_v]


@pytest.mark.parametrize("axis_deg", [0.0, 30.0, 85.3, -95.0])
def test_a_blob_is_carried_to_where_its_view_is_turned(bead_series, axis_deg):
    """An unfiltered view of a Gaussian is that Gaussian, at the samples' own places."""
    bead = np.array([63.0, -41.0, 0.0])
    series = bead_series(beads_xyz=bead, axis_deg=axis_deg, shifts=20.0, sigma=25.0, tilts=[0.0, 20.0])
    params = ReconstructionParams(
        thickness_angstrom=100.0, method="sirt", dose_weighting=False, ctf_correction="none"
    )  # fmt: skip
    plan, rows = waves_at(series, params)
    u = (np.arange(plan.rows.n_u) - plan.rows.centre_u) * plan.rows.step_u_angstrom
    v = (np.arange(plan.rows.n_v) - plan.rows.centre_v) * plan.rows.step_v_angstrom
    expected = -0.1 * np.exp(-((u[:, None] - bead[0]) ** 2 + (v[None, :] - bead[1]) ** 2) / 2 / 25.0**2)
    near = np.abs(expected) > 1e-3
    assert near.sum() > 50
    np.testing.assert_allclose(rows[near], expected[near], atol=6e-3 * 0.1)


@pytest.mark.parametrize("axis_deg", [3.0, 85.3, 40.0])
def test_each_place_gets_the_phases_of_its_own_defocus(bead_series, axis_deg):
    """The blend of levels against a correction of the whole image for each pixel's two levels, summed in float64."""
    series = bead_series(
        beads_xyz=np.zeros(3), axis_deg=axis_deg, shape_yx=(96, 110), pixel=4.0, tilts=[-60.0, 60.0], ctf=6000.0, hand=1
    )
    noise = np.random.default_rng(1).normal(0, 0.1, (96, 110))
    params = ReconstructionParams(voxel_size_angstrom=4.0, thickness_angstrom=40.0, dose_weighting=False)
    series = type(series)(**{f: getattr(series, f) for f in series.__slots__} | {"optics": Optics(voltage_kv=20.0)})
    plan = make_plan(series, params)
    filters = make_filters(series, params, plan)
    frame, levels, optics = plan.source, filters.levels[1], filters.optics[1]
    assert len(optics) > 3
    assert frame.plain_yx == frame.padded_yx
    spectrum = spectrum_of_rows(noise.astype(np.float32), frame.padded_yx, frame.columns)
    (found,) = corrected_spectra(spectrum, [plan], 1, levels, optics)
    n_rows = frame.rows_at(frame.plain_yx)
    image = image_rows(found, frame.plain_yx, slice(0, n_rows))
    ky = np.fft.fftfreq(frame.padded_yx[0], 4.0)[:, None]
    kx = np.arange(frame.columns)[None, :] / (frame.padded_yx[1] * 4.0)
    k2, turn = kx**2 + ky**2, np.deg2rad(axis_deg)
    y = (np.arange(n_rows) - frame.taper - 48)[:, None] * 4.0
    x = (np.arange(frame.plain_yx[1]) - frame.taper - 55)[None, :] * 4.0
    from_axis = x * np.cos(turn) + y * np.sin(turn)
    expected = np.zeros(image.shape)
    for level, line in enumerate(optics):
        phase = line[1] * k2 * (line[2] - line[5] * k2) + line[6]
        flipped = spectrum * np.sign(np.sin(phase))
        flipped[frame.padded_yx[0] // 2] = 0
        whole = np.fft.irfft2(np.pad(flipped, ((0, 0), (0, 1))), s=frame.padded_yx)[:n_rows]
        expected += levels.weights(level, from_axis, 0.0) * whole
    # What is blended has no frequencies but those that the spectrum keeps.
    kept = spectrum_of_rows(expected, frame.padded_yx, frame.columns).astype(np.complex64)
    expected = image_rows(kept, frame.padded_yx, slice(0, n_rows))
    assert np.std(image - expected) < 1e-3 * np.std(expected)
