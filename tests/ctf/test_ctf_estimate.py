"""Defocus, astigmatism and hand of ice sheets whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.ctf import CtfParams, ctf_curve, estimate_ctf, methods_text
from tomoset.errors import ParameterError
from tomoset.geometry import TiltGeometry
from tomoset.model import InMemory, Optics, Resources, Silent, Tilt, TiltSeries
from tomoset.physics import ctf, defocus_along, rfft_axes_2d

SHAPE = (512, 576)
PIXEL = 5.0
AXIS = 85.3
COUNTS = 50.0
TILTS = np.array([-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0])
OPTICS = Optics()


def sheet(
    *,
    hand=1,
    seed=0,
    noise=0.035,
    astigmatism=(0.0, 0.0),
    tilts=TILTS,
    dark=(),
    faint=(),
    plane=(0.0, 0.0),
    shape=SHAPE,
    nominal=None,
):
    """White phase noise of a tilted sheet, each strip at the defocus of its own height; and the true defocus."""
    rng = np.random.default_rng(seed)
    n = len(tilts)
    geometry = TiltGeometry(
        y_tilt_deg=tilts + plane[0],
        x_tilt_deg=np.full(n, plane[1]),
        z_rot_deg=np.full(n, AXIS),
        shift_xy_angstrom=np.zeros((n, 2)),
    )
    ny, nx = shape
    x, y = np.meshgrid((np.arange(nx) - nx // 2) * PIXEL, (np.arange(ny) - ny // 2) * PIXEL)
    ky, kx = rfft_axes_2d(shape, PIXEL)
    defocus = 35000 + 600 * rng.standard_normal(n)
    images = np.zeros((n, ny, nx), dtype=np.float32)
    for i, rotation in enumerate(geometry.image_from_specimen):
        strength = 0.002 if i in faint else noise
        spectrum = np.fft.rfft2(2 * strength * rng.standard_normal(shape))
        # The specimen point (z = 0) that is imaged at (x, y), by the geometry's own matrices.
        plane = np.linalg.solve(rotation[:2, :2], np.stack([x.ravel(), y.ravel()]))
        height = hand * (rotation[2, :2] @ plane).reshape(shape)
        nodes = np.linspace(height.min() - 1, height.max() + 1, 7)
        contrast = np.zeros(shape)
        for node in nodes:
            mean = defocus[i] + node
            u, v = mean + astigmatism[0] / 2, mean - astigmatism[0] / 2
            local = defocus_along(np.arctan2(ky, kx), u, v, astigmatism[1])
            transfer = ctf(np.hypot(ky, kx), local, voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.07)
            strip = np.clip(1 - np.abs(height - node) / (nodes[1] - nodes[0]), 0, 1)
            contrast += strip * np.fft.irfft2(spectrum * transfer, s=shape)
        if i not in dark:
            images[i] = rng.poisson(np.clip(COUNTS * (1 + contrast), 0, None))
    rows = tuple(
        Tilt(
            name=f"tilt{i}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=COUNTS,
            nominal_defocus_angstrom=nominal,
        )
        for i, angle in enumerate(tilts)
    )
    series = TiltSeries(
        run="TS1",
        pixel_size_angstrom=PIXEL,
        tilts=rows,
        images_nyx=InMemory(images),
        nominal_tilt_axis_deg=AXIS,
        optics=OPTICS,
    )
    return series, defocus


def estimate(series, params=None, **resources):
    return estimate_ctf(series, params or CtfParams(), resources=Resources(**resources), progress=Silent())


def found_defocus(series):
    return np.array([tilt.ctf.defocus_angstrom for tilt in series.tilts])


@pytest.fixture(scope="module")
def positive():
    series, defocus = sheet()
    return estimate(series), defocus


def test_defocus_is_found_at_every_tilt(positive):
    series, defocus = positive
    np.testing.assert_allclose(found_defocus(series), defocus, rtol=0.01)
    for tilt in series.tilts:
        assert tilt.ctf.score > 0.8
        assert tilt.ctf.resolution_angstrom < 13


def test_the_hand_is_the_sign_of_the_gradient(positive):
    series, _ = positive
    assert series.defocus_hand == 1
    assert series.diagnostics["ctf.hand_score_difference"] > 100
    mirrored, defocus = sheet(hand=-1, seed=1)
    mirrored = estimate(mirrored)
    assert mirrored.defocus_hand == -1
    assert mirrored.diagnostics["ctf.hand_score_difference"] < -100
    np.testing.assert_allclose(found_defocus(mirrored), defocus, rtol=0.01)


def test_no_gradient_means_no_hand_and_still_a_good_defocus():
    flat, defocus = sheet(hand=0, seed=2)
    flat = estimate(flat)
    assert flat.defocus_hand == 0
    assert flat.diagnostics["ctf.best_hand"] == 0
    np.testing.assert_allclose(found_defocus(flat), defocus, rtol=0.01)


def test_astigmatism_is_measured_where_it_is_and_not_invented(positive):
    series, defocus = positive
    assert all(t.ctf.defocus_u_angstrom - t.ctf.defocus_v_angstrom < 200 for t in series.tilts)
    astigmatic, defocus = sheet(astigmatism=(1000.0, 30.0), seed=3)
    astigmatic = estimate(astigmatic)
    for tilt, true in zip(astigmatic.tilts, defocus, strict=True):
        assert tilt.ctf.defocus_u_angstrom - tilt.ctf.defocus_v_angstrom == pytest.approx(1000, abs=200)
        assert tilt.ctf.astigmatism_deg == pytest.approx(30, abs=8)
        assert tilt.ctf.defocus_angstrom == pytest.approx(true, rel=0.01)
    little = estimate(astigmatic, CtfParams(max_astigmatism_angstrom=400.0))
    assert little.diagnostics["ctf.astigmatism_angstrom"] == pytest.approx(400, abs=1)
    none = estimate(astigmatic, CtfParams(max_astigmatism_angstrom=0.0))
    assert all(t.ctf.defocus_u_angstrom == t.ctf.defocus_v_angstrom for t in none.tilts)


def test_a_dark_tilt_keeps_its_row_and_harms_nobody():
    series, defocus = sheet(dark=(1,), seed=4)
    flagged = series.with_tilts(
        replace(t, use=i != 1, reason="dark" if i == 1 else "") for i, t in enumerate(series.tilts)
    )
    found = estimate(estimate(flagged))
    assert found.tilts[1].ctf is None
    assert found.tilts[1].reason == "dark; no CTF: the image is empty"
    assert not found.tilts[1].use
    others = [0, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([found.tilts[i].ctf.defocus_angstrom for i in others], defocus[others], rtol=0.01)
    assert found.diagnostics["ctf.empty_images"] == 1
    with pytest.raises(ParameterError, match="no CTF estimate"):
        ctf_curve(found, 1, CtfParams())


@pytest.mark.parametrize("tilts", [[0.0], [40.0], [-3.0, 3.0]])
def test_one_or_two_tilts_are_enough_for_their_defocus_but_not_for_a_sure_hand(tilts):
    series, defocus = sheet(seed=11, tilts=np.array(tilts))
    found = estimate(series)
    np.testing.assert_allclose(found_defocus(found), defocus, rtol=0.01)
    assert found.defocus_hand in {0, 1}
    assert all(tilt.ctf.defocus_error_angstrom > 0 for tilt in found.tilts)


def test_a_series_of_empty_images_does_not_fail():
    series, _ = sheet(dark=range(7))
    found = estimate(series)
    assert [tilt.ctf for tilt in found.tilts] == [None] * 7
    assert found.defocus_hand == 0


def test_the_angle_of_the_specimens_plane_is_found_about_and_across_the_axis():
    inclined, defocus = sheet(plane=(8.0, -6.0), seed=7, hand=-1)
    found = estimate(inclined)
    assert found.defocus_hand == -1
    for name, true in (("about", 8.0), ("across", -6.0)):
        error = found.diagnostics[f"ctf.plane_tilt_{name}_axis_error_deg"]
        assert error < 2.5
        assert abs(found.diagnostics[f"ctf.plane_tilt_{name}_axis_deg"] - true) < 3.5 * error
    np.testing.assert_allclose(found_defocus(found), defocus, rtol=0.01)


def test_standard_errors_are_of_the_size_of_the_errors(positive):
    series, defocus = positive
    claimed = np.array([tilt.ctf.defocus_error_angstrom for tilt in series.tilts])
    assert np.all((claimed > 20) & (claimed < 200))
    assert np.sqrt(np.mean(((found_defocus(series) - defocus) / claimed) ** 2)) < 2


@pytest.mark.parametrize("nominal", [34000.0, 60000.0, 0.0, -35000.0, 3.5])
def test_a_microscopes_target_helps_or_does_no_harm(nominal):
    series, defocus = sheet(seed=8, nominal=nominal, tilts=TILTS[::2])
    np.testing.assert_allclose(found_defocus(estimate(series)), defocus, rtol=0.01)


def test_images_of_odd_sizes_are_as_good():
    series, defocus = sheet(seed=9, shape=(511, 577), tilts=TILTS[::2])
    np.testing.assert_allclose(found_defocus(estimate(series)), defocus, rtol=0.01)


def test_what_masks_cover_is_not_looked_at():
    series, defocus = sheet(seed=10, tilts=TILTS[::2])
    images = np.array(series.images_nyx.read(()))
    images[:, :, 320:] = np.random.default_rng(0).poisson(COUNTS, images[:, :, 320:].shape)
    images[:, :, 320:] += 30 * (np.arange(256) % 8 < 4)  # a grating
    masks = np.zeros((4, 16, 18), dtype=bool)
    masks[:, :, 10:] = True
    masked = replace(series, images_nyx=InMemory(images), masks_nyx=masks)
    np.testing.assert_allclose(found_defocus(estimate(masked)), defocus, rtol=0.012)
    covered = estimate(replace(masked, masks_nyx=np.ones_like(masks)))
    assert all(tilt.ctf is None for tilt in covered.tilts)


def test_a_faint_tilt_stays_between_its_neighbours():
    series, defocus = sheet(faint=(0, 6), seed=5)
    found = estimate(series)
    assert abs(found.tilts[0].ctf.defocus_angstrom - defocus[1]) < 2500
    assert abs(found.tilts[6].ctf.defocus_angstrom - defocus[5]) < 2500
    assert found.tilts[6].ctf.resolution_angstrom > 20  # and it says that it knows nothing
    assert found.tilts[6].reason == "defocus from the series: the tilt's own rings are weak"
    assert found.tilts[6].use
    assert found.tilts[6].ctf.defocus_error_angstrom > 3 * found.tilts[3].ctf.defocus_error_angstrom
    assert found.diagnostics["ctf.weak_tilts"] == 2


def test_images_of_bare_noise_have_no_hand_and_finite_numbers():
    series, _ = sheet(noise=0.0, seed=6)
    found = estimate(series)
    assert found.defocus_hand == 0
    assert np.isfinite(found_defocus(found)).all()
    low, high = CtfParams().search_range_angstrom
    assert np.all((found_defocus(found) > low - 3000) & (found_defocus(found) < high + 3000))


def test_workers_never_change_the_answer(positive):
    series, _ = positive
    again = estimate(series, workers=3)
    assert [tilt.ctf for tilt in again.tilts] == [tilt.ctf for tilt in series.tilts]


def test_the_curve_follows_the_spectrum_and_its_zeros(positive):
    series, defocus = positive
    for index in (0, 3):
        curve = ctf_curve(series, index, CtfParams())
        k = curve.frequency_per_angstrom
        assert curve.score > 0.8
        assert np.corrcoef(curve.spectrum, curve.model)[0, 1] > 0.8
        # At the zeros of the true CTF the model touches zero.
        true = ctf(k, defocus[index], voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.07)
        assert curve.model[np.abs(true) < 0.05].max() < 0.05 * curve.model.max()


def test_a_nominal_defocus_narrows_the_search(positive):
    series, defocus = positive
    params = CtfParams(nominal_defocus_angstrom=34000.0, nominal_range_angstrom=4000.0)
    np.testing.assert_allclose(found_defocus(estimate(series, params)), defocus, rtol=0.01)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"tile_angstrom": 100.0}, "tile_angstrom"),
        ({"finest_angstrom": 50.0}, "coarsest_angstrom"),
        ({"defocus_min_angstrom": -1.0}, "defocus_min_angstrom"),
        ({"hand_threshold": 0.0}, "hand_threshold"),
        ({"max_astigmatism_angstrom": -1.0}, "max_astigmatism"),
        ({"thickness_angstrom": -1.0}, "thickness"),
    ],
)
def test_params_out_of_range_are_refused(wrong, text):
    with pytest.raises(ParameterError, match=text):
        CtfParams(**wrong)


def test_a_nominal_defocus_outside_the_range_is_refused():
    with pytest.raises(ParameterError, match="unit and sign"):
        CtfParams(nominal_defocus_angstrom=3.5)


def test_images_too_coarse_for_thon_rings_are_refused(positive):
    series, _ = positive
    with pytest.raises(ParameterError, match="rings"):
        estimate(replace(series, pixel_size_angstrom=18.0))


def test_the_methods_sentence_names_the_settings():
    assert "1000 Å tiles" in methods_text(CtfParams(tile_angstrom=1000.0))
