"""The measure of motion, defocus and alignment: nothing for the truth itself, the planted error for a planted error."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.benchmark.processing import alignment_residual, measure_processing, true_defocus_at_centre_angstrom
from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, quadratic_terms
from tomoset.model import CtfEstimate, InMemory, MotionTrack, SeriesTruth, Specimen, Tilt, TiltSeries

TILTS = np.arange(-45.0, 46.0, 9.0)
N = len(TILTS)
LENGTH = st.floats(-100, 100)


def geometry(*, seed=3, axis=85.3, shift=None):
    drawn = np.random.default_rng(seed).normal(0, 40, (N, 2)) if shift is None else shift
    return TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(N, axis), shift_xy_angstrom=drawn)


def moved(true, translation_angstrom_xyz):
    """The same images, the specimen's origin named elsewhere."""
    return replace(true, shift_xy_angstrom=true.project([translation_angstrom_xyz])[:, 0])


def truth(hand=1, seed=3):
    rng = np.random.default_rng(seed)
    tracks = rng.normal(0, 5, (N, 4, 2))
    return SeriesTruth(
        specimen=Specimen(run="TS1", size_angstrom_xyz=(1e4, 1e4, 1500.0), molecules=(), composition=()),
        objects=(),
        geometry=geometry(seed=seed),
        frame_shift_xy_angstrom=tracks - tracks.mean(axis=1, keepdims=True),
        defocus_angstrom=35000 + 300 * rng.standard_normal(N),
        defocus_hand=hand,
    )


def perfect(true, *, defocus_factor=1.0):
    """A series whose estimates are the truth."""
    defoci = defocus_factor * true_defocus_at_centre_angstrom(true)
    rows = tuple(
        Tilt(
            name=f"t{i}", nominal_tilt_deg=float(a), acquisition_order=i, dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i, mean_counts=80.0,
            motion=MotionTrack(shift_xy_angstrom=true.frame_shift_xy_angstrom[i]),
            ctf=CtfEstimate(
                defocus_u_angstrom=float(defoci[i]), defocus_v_angstrom=float(defoci[i]), astigmatism_deg=0.0,
                score=1.0, resolution_angstrom=10.0,
            ),
        )
        for i, a in enumerate(TILTS)
    )  # fmt: skip
    images = InMemory(np.zeros((N, 2, 2), np.float32))
    return TiltSeries(
        run="TS1", pixel_size_angstrom=5.0, tilts=rows, images_nyx=images, geometry=true.geometry,
        defocus_hand=true.defocus_hand,
    )  # fmt: skip


@pytest.mark.parametrize("hand", [1, -1])
def test_the_truth_has_no_error(hand):
    true = truth(hand)
    found = measure_processing(perfect(true), true)
    errors = [
        found.motion_rms_pixel, found.axis_error_deg, found.shift_u_rms_angstrom, found.shift_v_rms_angstrom,
        found.defocus_zero_tilt_relative, found.defocus_rms_relative,
    ]  # fmt: skip
    np.testing.assert_allclose(errors, 0, atol=1e-9)
    assert found.hand_is_right is True


def test_the_hand_is_right_wrong_or_not_known():
    true = truth()
    for hand, expected in ((1, True), (-1, False), (0, None)):
        assert measure_processing(replace(perfect(true), defocus_hand=hand), true).hand_is_right is expected


@given(x=LENGTH, y=LENGTH, z=LENGTH)
def test_where_the_origin_is_does_not_count(x, y, z):
    true = geometry()
    residual, axis_error = alignment_residual(moved(true, (x, y, z)), true)
    np.testing.assert_allclose(residual, 0, atol=1e-9)
    assert axis_error == 0


@given(x=LENGTH, y=LENGTH, z=LENGTH, error=st.floats(-0.5, 0.5))
def test_with_a_wrong_axis_the_gauge_leaks_by_no_more_than_the_turn_times_the_translation(x, y, z, error):
    true = geometry()
    wrong = moved(geometry(axis=85.3 + error, shift=true.shift_xy_angstrom), (x, y, z))
    residual, axis_error = alignment_residual(wrong, true)
    assert axis_error == pytest.approx(error)
    assert np.abs(residual).max() <= np.deg2rad(abs(error)) * np.linalg.norm((x, y, z)) + 1e-9


def test_an_axis_error_is_counted_across_the_full_turn():
    _, error = alignment_residual(geometry(axis=-179.5), geometry(axis=179.5))
    assert error == pytest.approx(1.0)


def test_errors_across_and_along_are_told_apart():
    true = geometry()
    a = np.deg2rad(85.3)
    kick = 8.0 * np.cos(np.pi * np.arange(N))[:, None]
    for side, direction in enumerate(([np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)])):
        estimated = replace(true, shift_xy_angstrom=true.shift_xy_angstrom + kick * np.array(direction))
        residual, _ = alignment_residual(estimated, true)
        rms = np.sqrt(np.mean(residual**2, axis=0))
        assert rms[side] == pytest.approx(8.0, rel=0.05)  # the gauge takes a little of any error
        assert rms[1 - side] < 1e-9


def test_planted_errors_of_motion_and_defocus_come_back():
    true = truth()
    series = perfect(true, defocus_factor=1.02)
    kick = np.array([[3.0, -3.0], [-3.0, 3.0], [3.0, -3.0], [-3.0, 3.0]])
    rows = [replace(t, motion=MotionTrack(shift_xy_angstrom=t.motion.shift_xy_angstrom + kick)) for t in series.tilts]
    found = measure_processing(series.with_tilts(rows), true)
    assert found.motion_rms_pixel == pytest.approx(3.0 / 5.0)
    assert found.defocus_zero_tilt_relative == pytest.approx(0.02)
    assert found.defocus_rms_relative == pytest.approx(0.02)


def test_a_track_stands_for_the_mean_of_the_motion_over_the_field():
    rng = np.random.default_rng(8)
    local = rng.normal(0, 4, (N, 4, 2, 6))
    true = replace(truth(), local_motion=local - local.mean(axis=1, keepdims=True), field_angstrom=3000.0)
    images = InMemory(np.zeros((N, 480, 800), np.float32))
    x, y = np.meshgrid(np.arange(800) - 399.5, np.arange(480) - 239.5)
    terms = quadratic_terms(np.stack([x, y], axis=-1) * 5.0 / 3000.0).mean(axis=(0, 1))
    series = replace(perfect(true), images_nyx=images)
    rows = [
        replace(t, motion=MotionTrack(shift_xy_angstrom=true.frame_shift_xy_angstrom[i] + true.local_motion[i] @ terms))
        for i, t in enumerate(series.tilts)
    ]
    assert measure_processing(series.with_tilts(rows), true).motion_rms_pixel < 1e-4
    assert measure_processing(series, true).motion_rms_pixel > 0.1


def test_tilts_that_are_not_used_do_not_count():
    true = truth()
    series = perfect(true)
    bad = series.geometry.shift_xy_angstrom.copy()
    bad[0] = 1000.0
    rows = [replace(series.tilts[0], use=False, ctf=None, motion=None), *series.tilts[1:]]
    spoilt = replace(series.with_tilts(rows), geometry=replace(series.geometry, shift_xy_angstrom=bad))
    found = measure_processing(spoilt, true)
    assert max(found.shift_u_rms_angstrom, found.shift_v_rms_angstrom, found.motion_rms_pixel) < 1e-9
    assert len(found.tilt_deg) == len(found.shift_residual_uv_angstrom) == N - 1


@pytest.mark.parametrize("hand", [1, -1])
def test_the_defocus_under_the_centre_is_that_of_the_bead_imaged_there(hand):
    # The origin lands 50 Å across from the centre: a bead of the plane z = 0 at x = −50 / cos 40° is seen there.
    view = TiltGeometry(y_tilt_deg=[40.0], z_rot_deg=[0.0], shift_xy_angstrom=[[50.0, 7.0]])
    bead = np.array([[-50.0 / np.cos(np.deg2rad(40.0)), -7.0, 0.0]])
    np.testing.assert_allclose(view.project(bead)[0, 0], 0, atol=1e-12)
    one = replace(truth(hand), geometry=view, defocus_angstrom=np.array([30000.0]))
    expected = 30000.0 + hand * view.height_angstrom(bead)[0, 0]
    assert expected == pytest.approx(30000.0 + hand * 50.0 * np.tan(np.deg2rad(40.0)))
    np.testing.assert_allclose(true_defocus_at_centre_angstrom(one), [expected])


def test_a_series_that_is_not_aligned_is_refused():
    true = truth()
    with pytest.raises(GeometryError, match="aligned series of 11"):
        measure_processing(replace(perfect(true), geometry=None), true)
