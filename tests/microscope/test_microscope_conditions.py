"""The laws that the draws of a series obey, one imperfection at a time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import ParameterError
from tomoset.geometry import TiltGeometry, quadratic_terms
from tomoset.microscope.conditions import draw_conditions
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.reach import (
    deformation_reach_xy,
    frame_aspect_xy,
    largest_axis_error_deg,
    largest_extra_defocus_angstrom,
    largest_extra_shift_angstrom,
)
from tomoset.microscope.scheme import acquisition_order, nominal_tilts_deg
from tomoset.microscope.targets import draw_target, target_number, target_offset_xy
from tomoset.model import deformation_terms

PINNED = {
    "axis": 84.52352567018708,
    "shift": [8.905385523051551, 19.4550280492477],
    "tilt": -42.01126674091629,
    "defocus": 35105.10455117138,
    "drift": [-6.565340119833862, 18.118389143211854],
}
FIRST_NOMINAL = 15  # the view at 0° of the default 31


def draw(run="TS001", seed=4, **changes):
    return draw_conditions(MicroscopeParams(**changes), run, seed)


def over_series(quantity, n=40, **changes):
    return np.array([quantity(draw(f"TS{i + 1:03d}", **changes)) for i in range(n)])


def test_draws_of_before_keep_their_bits():
    c = draw(tilt_error_deg=0.1)
    assert c.names[0] == "TS001_031_-45.0.tif"
    np.testing.assert_allclose(c.geometry.z_rot_deg, PINNED["axis"], rtol=1e-14)
    np.testing.assert_allclose(c.geometry.shift_xy_angstrom[0], PINNED["shift"], rtol=1e-14)
    np.testing.assert_allclose(c.geometry.y_tilt_deg[1], PINNED["tilt"], rtol=1e-14)
    np.testing.assert_allclose(c.defocus_angstrom[2], PINNED["defocus"], rtol=1e-14)
    np.testing.assert_allclose(c.frame_shift_xy_angstrom[3, 0], PINNED["drift"], rtol=1e-13)


def test_what_is_off_leaves_no_trace():
    c = draw()
    assert c.deformation is None
    assert c.local_motion is None
    assert set(c.condition) == {"good"}
    assert c.missing_tilts_deg == ()
    assert np.all(c.magnification == 1)
    assert np.all(c.intensity_factor == 1)
    assert not c.astigmatism_angstrom.any()
    assert not c.frame_blur_xy_angstrom.any()
    assert not c.image_shift_xy_angstrom.any()
    assert np.all(np.isinf(c.blocked_half_plane[:, 2]))
    assert np.all(c.lens_defocus_angstrom == 35000.0)
    assert largest_extra_shift_angstrom(MicroscopeParams()) == 0


def test_one_imperfection_does_not_change_the_draws_of_another():
    everything = {
        "astigmatism_angstrom": 300.0,
        "astigmatism_jitter_angstrom": 100.0,
        "axis_jitter_deg": 0.1,
        "deformation_angstrom": 20.0,
        "local_motion_angstrom": 3.0,
        "magnification_error": 1e-3,
        "defocus_drift_angstrom": 500.0,
    }
    quiet, busy = draw(), draw(**everything)
    np.testing.assert_array_equal(quiet.geometry.shift_xy_angstrom, busy.geometry.shift_xy_angstrom)
    np.testing.assert_array_equal(quiet.frame_shift_xy_angstrom, busy.frame_shift_xy_angstrom)
    for name, value in everything.items():
        alone = draw(**{name: value})
        if name == "deformation_angstrom":
            np.testing.assert_array_equal(alone.deformation, busy.deformation)
        if name == "local_motion_angstrom":
            np.testing.assert_array_equal(alone.local_motion, busy.local_motion)
        if name == "magnification_error":
            np.testing.assert_array_equal(alone.magnification, busy.magnification)


@pytest.mark.parametrize(
    ("change", "quantity", "sigma"),
    [
        ({"magnification_error": 1e-3}, lambda c: c.magnification - 1, 1e-3),
        ({"axis_jitter_deg": 0.2, "axis_error_deg": 0.0}, lambda c: c.geometry.z_rot_deg - 85.3, 0.2),
        (
            {"astigmatism_jitter_angstrom": 120.0},
            lambda c: c.astigmatism_angstrom * np.cos(2 * np.deg2rad(c.astigmatism_deg)),
            120.0,
        ),
        (
            {"defocus_drift_angstrom": 800.0, "defocus_jitter_angstrom": 0.0},
            lambda c: [c.defocus_angstrom[0] - c.defocus_angstrom[FIRST_NOMINAL]],
            800.0,
        ),
    ],
)
def test_standard_deviations_are_those_asked_for(change, quantity, sigma):
    drawn = over_series(quantity, n=100, **change)
    assert abs(drawn.mean()) < 0.25 * sigma
    assert drawn.std() == pytest.approx(sigma, rel=0.15)
    assert np.abs(drawn).max() <= 4 * sigma * (1 + 1e-9)


def test_astigmatism_has_the_mean_and_angle_asked_for():
    still = draw(astigmatism_angstrom=400.0, astigmatism_deg=30.0)
    assert np.all(still.astigmatism_angstrom == 400)
    assert np.all(still.astigmatism_deg == 30)
    c = draw(astigmatism_angstrom=400.0, astigmatism_deg=30.0, astigmatism_jitter_angstrom=40.0)
    twice = 2 * np.deg2rad(c.astigmatism_deg)
    mean = np.array([np.mean(c.astigmatism_angstrom * f(twice)) for f in (np.cos, np.sin)])
    np.testing.assert_allclose(mean, 400 * np.array([np.cos(np.pi / 3), np.sin(np.pi / 3)]), atol=40)
    assert c.astigmatism_angstrom.std() == pytest.approx(40, rel=0.4)


@pytest.mark.parametrize("hand", [1, -1])
def test_a_specimen_off_the_eucentric_height_moves_and_changes_focus_as_the_geometry_says(hand):
    on, off = (draw(eucentric_error_angstrom=e, defocus_hand=hand, axis_jitter_deg=0.1) for e in (0.0, 2000.0))
    moved = off.geometry.shift_xy_angstrom - on.geometry.shift_xy_angstrom
    view = np.argmax(np.abs(moved[:, 1]))
    axis = np.deg2rad(on.geometry.z_rot_deg)
    height = moved[view, 1] / np.sin(axis[view]) / np.sin(np.deg2rad(on.geometry.y_tilt_deg[view]))
    assert 0 < abs(height) < 8000
    expected = on.geometry.project([[0.0, 0.0, height]])[:, 0] - on.geometry.project([[0.0, 0.0, 0.0]])[:, 0]
    np.testing.assert_allclose(moved, expected, atol=1e-9)
    rise = on.geometry.height_angstrom([[0.0, 0.0, height]])[:, 0]
    np.testing.assert_allclose(
        off.defocus_angstrom - on.defocus_angstrom, hand * (rise - rise[FIRST_NOMINAL]), atol=1e-9
    )


def test_a_pretilted_specimen_is_tilted_by_stage_and_pretilt():
    c = draw(pretilt_deg=-9.0, start_tilt_deg=9.0, tilt_min_deg=-36.0, tilt_max_deg=54.0)
    np.testing.assert_allclose(c.geometry.y_tilt_deg, c.nominal_tilt_deg - 9)
    assert c.geometry.y_tilt_deg[np.argmin(c.acquisition_order)] == 0


def edge_points():
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.concatenate([np.stack([np.cos(angle), np.sin(angle), np.full(48, z)], axis=1) for z in (-0.5, 0.0, 0.5)])


@pytest.mark.parametrize("run", ["TS001", "TS002", "TS003"])
def test_deformation_has_its_size_at_the_edge_and_comes_mostly_early(run):
    c = draw(run, deformation_angstrom=25.0, missing_fraction=0.1)
    n = len(c.names)
    assert c.deformation.shape == (n, 3, 10)
    np.testing.assert_allclose(c.deformation.mean(axis=0), 0, atol=1e-9)
    assert not c.deformation[:, :, 0].any()
    by_time = c.deformation[np.argsort(c.acquisition_order)]
    since_first = np.einsum("nat,pt->npa", by_time - by_time[0], deformation_terms(edge_points()))
    rms = np.sqrt(np.mean(np.sum(since_first**2, axis=2), axis=1))
    assert rms[-1] == pytest.approx(25.0)
    assert np.all(np.diff(rms) > 0)
    assert rms[n // 4] > 0.5 * rms[-1]


def test_local_motion_has_its_size_and_is_strongest_at_the_start():
    c = draw(local_motion_angstrom=4.0)
    ny, nx = 768, 864
    x, y = np.meshgrid((np.arange(60) + 0.5) / 30 - 1, ((np.arange(60) + 0.5) / 30 - 1) * ny / nx)
    terms = quadratic_terms(np.stack([x, y], axis=-1).reshape(-1, 2))
    motion = np.einsum("ntak,pk->ntpa", c.local_motion, terms)
    assert np.sqrt(np.mean(np.sum(motion**2, axis=3))) == pytest.approx(4.0, rel=1e-3)
    np.testing.assert_allclose(c.local_motion.mean(axis=1), 0, atol=1e-9)
    assert not c.local_motion[..., 0].any()
    steps = np.sqrt(np.mean(np.sum(np.diff(motion, axis=1) ** 2, axis=3), axis=2)).mean(axis=0)
    assert np.all(np.diff(steps) < 0)
    assert steps[0] > 3 * steps[-1]
    of_movie = np.sqrt(np.mean(np.sum(motion**2, axis=3), axis=(1, 2)))[np.argsort(c.acquisition_order)]
    assert np.all(np.diff(of_movie) < 0)


def test_a_single_view_or_frame_does_not_deform():
    one = {"tilt_min_deg": 0.0, "tilt_max_deg": 0.0, "n_frames": 1, "total_dose_e_per_angstrom2": 3.0}
    c = draw(**one, deformation_angstrom=9.0, local_motion_angstrom=9.0)
    assert not c.deformation.any()
    assert not c.local_motion.any()


@given(st.integers(0, 2000), st.floats(10, 60), st.sampled_from([(200, 300), (300, 200), (256, 256)]))
def test_no_draw_goes_beyond_the_reach_that_the_field_of_view_allows_for(seed, largest, shape):
    series = {
        "frame_shape_yx": shape,
        "tilt_min_deg": -largest,
        "tilt_max_deg": largest,
        "tilt_step_deg": largest,
        "n_frames": 4,
        "total_dose_e_per_angstrom2": 9.0,
    }
    params = MicroscopeParams(
        **series,
        axis_jitter_deg=0.2,
        eucentric_error_angstrom=300.0,
        deformation_angstrom=15.0,
        local_motion_angstrom=3.0,
        magnification_error=2e-3,
        astigmatism_angstrom=500.0,
        astigmatism_jitter_angstrom=100.0,
        defocus_drift_angstrom=300.0,
    )
    c = draw_conditions(params, "TS001", seed)
    still = draw_conditions(MicroscopeParams(**series), "TS001", seed)
    assert np.abs(c.geometry.z_rot_deg - params.tilt_axis_deg).max() <= largest_axis_error_deg(params)
    defocus = np.abs(c.defocus_angstrom - still.defocus_angstrom) + 0.5 * c.astigmatism_angstrom
    assert defocus.max() <= largest_extra_defocus_angstrom(params)
    rng = np.random.default_rng(seed)
    aspect, reach = np.array(frame_aspect_xy(params)), np.array([*deformation_reach_xy(params), 1.0])
    deformed = np.einsum("nak,pk->npa", c.deformation, deformation_terms(rng.uniform(-reach, reach, (200, 3))))
    local = np.einsum("ntak,pk->ntpa", c.local_motion, quadratic_terms(rng.uniform(-aspect, aspect, (200, 2))))
    most = np.linalg.norm(deformed, axis=2).max() + np.linalg.norm(local, axis=3).max()
    most += np.linalg.norm(c.geometry.shift_xy_angstrom - still.geometry.shift_xy_angstrom, axis=1).max()
    most += np.abs(c.magnification - 1).max() * np.hypot(*aspect) * params.field_angstrom
    assert most <= largest_extra_shift_angstrom(params)


# ---- views that go wrong ----

BAD = {"dark_fraction": 0.08, "blocked_fraction": 0.08, "blurred_fraction": 0.08, "missing_fraction": 0.08}


def test_bad_views_occur_as_often_as_asked_and_are_the_same_again():
    drawn = [draw(f"TS{i:03d}", **BAD) for i in range(1, 41)]
    labels = [label for c in drawn for label in c.condition]
    planned = 40 * 31
    for label in ("dark", "blocked", "blurred"):
        assert labels.count(label) / planned == pytest.approx(0.08, abs=0.025)
    assert (planned - len(labels)) / planned == pytest.approx(0.08, abs=0.025)
    for c, again in zip(drawn[:5], (draw(f"TS{i:03d}", **BAD) for i in range(1, 6)), strict=True):
        assert c.condition == again.condition
        assert c.missing_tilts_deg == again.missing_tilts_deg


def test_a_missing_view_has_no_row_and_the_others_keep_order_and_draws():
    whole = draw()
    c = draw(missing_fraction=0.2)
    assert c.missing_tilts_deg
    assert 0.0 not in c.missing_tilts_deg
    kept = np.flatnonzero(~np.isin(whole.nominal_tilt_deg, c.missing_tilts_deg))
    assert len(c.names) == len(kept) == len(c.condition) == 31 - len(c.missing_tilts_deg)
    np.testing.assert_array_equal(c.nominal_tilt_deg, whole.nominal_tilt_deg[kept])
    np.testing.assert_array_equal(c.acquisition_order, whole.acquisition_order[kept])
    np.testing.assert_array_equal(c.geometry.shift_xy_angstrom, whole.geometry.shift_xy_angstrom[kept])
    np.testing.assert_array_equal(c.frame_shift_xy_angstrom, whole.frame_shift_xy_angstrom[kept])


@pytest.mark.parametrize("seed", range(20))
def test_a_third_of_the_views_at_most_is_bad(seed):
    c = draw(seed=seed, missing_fraction=0.33)
    assert len(c.missing_tilts_deg) <= 10
    assert 0.0 in c.nominal_tilt_deg


def test_dark_blocked_and_blurred_views_are_what_their_label_says():
    params = MicroscopeParams(**BAD)
    height, width = (n * params.pixel_size_angstrom for n in params.frame_shape_yx)
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 201) * width, np.linspace(-0.5, 0.5, 201) * height)
    seen = set()
    for run in range(1, 16):
        c = draw_conditions(params, f"TS{run:03d}", 4)
        for view, label in enumerate(c.condition):
            seen.add(label)
            nx, ny, offset = c.blocked_half_plane[view]
            covered = np.mean(nx * x + ny * y > offset)
            if label == "blocked":
                assert 0.05 < covered < 0.65
                assert np.hypot(nx, ny) == pytest.approx(1)
                across = np.deg2rad(c.geometry.z_rot_deg[view])
                assert abs(nx * np.cos(across) + ny * np.sin(across)) > np.cos(np.deg2rad(15.1))
            else:
                assert covered == 0
            assert (c.intensity_factor[view] < 1) == (label == "dark")
            assert 0.01 <= c.intensity_factor[view] <= 1
            blur = np.linalg.norm(c.frame_blur_xy_angstrom[view], axis=1)
            assert np.all((blur >= 20) & (blur <= 40)) if label == "blurred" else not blur.any()
    assert seen == {"good", "dark", "blocked", "blurred"}


def test_a_blurred_view_goes_as_far_from_frame_to_frame_as_within_the_frames():
    fractions = {"blurred_fraction": 0.3}
    still, c = draw(drift_angstrom=0.0), draw(drift_angstrom=0.0, **fractions)
    assert not still.frame_shift_xy_angstrom.any()
    view = c.condition.index("blurred")
    path, blur = c.frame_shift_xy_angstrom[view], c.frame_blur_xy_angstrom[view]
    np.testing.assert_allclose(np.diff(path, axis=0), 0.5 * (blur[1:] + blur[:-1]), atol=1e-9)
    np.testing.assert_allclose(path.mean(axis=0), 0, atol=1e-9)


# ---- order and targets ----


def test_groups_grow_on_their_side_beyond_an_angle():
    tilts = np.arange(-30.0, 31, 3)
    order = acquisition_order(tilts, "dose-symmetric", 1, group_grows_from_deg=6.0)
    assert tilts[np.argsort(order)].tolist()[:13] == [0, 3, -3, 6, 9, -6, -9, 12, 15, 18, -12, -15, -18]


@pytest.mark.parametrize("scheme", ["dose-symmetric", "bidirectional"])
def test_a_series_starts_at_the_tilt_asked_for(scheme):
    tilts = nominal_tilts_deg(MicroscopeParams(tilt_min_deg=-50.0, tilt_max_deg=70.0))
    order = acquisition_order(tilts, scheme, 2, start_tilt_deg=10.0)
    assert tilts[np.argmin(order)] == 10
    assert sorted(order.tolist()) == list(range(len(tilts)))


def test_parallel_targets_share_a_stage_position_and_are_followed_by_image_shift_and_lens():
    params = MicroscopeParams(parallel_targets=3, pretilt_deg=12.0, start_tilt_deg=-12.0, defocus_hand=-1)
    drawn = {run: draw_conditions(params, run, 4) for run in ("TS001", "TS002", "TS003", "TS004")}
    stages = [c.stage_position_angstrom_xyz for c in drawn.values()]
    assert stages[0] == stages[1] == stages[2] != stages[3]
    assert not drawn["TS001"].image_shift_xy_angstrom.any()
    assert not drawn["TS004"].image_shift_xy_angstrom.any()
    nominal = nominal_tilts_deg(params)
    nominal_geometry = TiltGeometry(
        y_tilt_deg=nominal + 12, z_rot_deg=np.full(31, 85.3), shift_xy_angstrom=np.zeros((31, 2))
    )
    for run in ("TS002", "TS003"):
        c, target = drawn[run], draw_target(params, run, 4)
        place = [[*target.offset_xy_angstrom, 0.0]]
        np.testing.assert_allclose(c.image_shift_xy_angstrom, nominal_geometry.project(place)[:, 0], atol=1e-6)
        rise = nominal_geometry.height_angstrom(place)[:, 0]
        np.testing.assert_allclose(c.lens_defocus_angstrom - rise, 35000.0, atol=1e-6)


def test_targets_are_neighbours_of_different_places():
    places = [target_offset_xy(i) for i in range(25)]
    assert len(set(places)) == 25
    assert max(max(abs(x), abs(y)) for x, y in places) == 2
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in pairwise(places))
    assert target_number("TS012") == ("TS", 11)
    assert target_number("lamella-3-7") == ("lamella-3-", 6)
    assert target_number("tomogram") == ("tomogram", 0)


def test_the_frames_format_changes_names_only():
    tiff, mrc = draw(), draw(frame_format="mrc")
    assert mrc.names[0] == "TS001_031_-45.0.mrc"
    assert mrc.keys == tiff.keys == tiff.names
    np.testing.assert_array_equal(tiff.geometry.shift_xy_angstrom, mrc.geometry.shift_xy_angstrom)


@pytest.mark.parametrize(
    "change",
    [
        {"pretilt_deg": 50.0},
        {"tilt_max_deg": 80.0, "tilt_error_deg": 3.0},
        {"start_tilt_deg": 60.0},
        {"pretilt_deg": float("inf")},
        {"group_size": 0},
        {"parallel_targets": 0},
        {"target_spacing_angstrom": 0.0},
        {"astigmatism_angstrom": -1.0},
        {"magnification_error": 0.1},
        {"deformation_angstrom": float("nan")},
        {"dark_fraction": 0.2, "missing_fraction": 0.2},
        {"blurred_fraction": -0.1},
        {"dead_pixel_fraction": 0.1},
        {"coincidence_pixels": 0.5},
        {"coincidence_pixels": 16.0},
        {"dose_rate_e_per_pixel_s": 0.0},
        {"internal_frames_per_s": -1.0},
        {"mtf": "k2"},
        {"propagation": "magic"},
        {"frame_format": "eer"},
        {"slab_angstrom": 0.0},
        {"ice_correlation_dose_e_per_angstrom2": -1.0},
        {"illumination_half_angle_mrad": -0.1},
    ],
)
def test_impossible_imperfections_are_refused(change):
    with pytest.raises(ParameterError, match="expected"):
        MicroscopeParams(**change)


def test_exposure_time_and_internal_frames_follow_the_dose_rate():
    params = MicroscopeParams(pixel_size_angstrom=2.077, frame_shape_yx=(4092, 5760), n_frames=10)
    electrons = 100 / 31 * 2.077**2
    assert params.exposure_time_s == pytest.approx(electrons / 15)
    assert params.internal_frames_per_frame == pytest.approx(electrons / 150 * 1500)
    assert MicroscopeParams(internal_frames_per_s=1e-3).internal_frames_per_frame == 1
