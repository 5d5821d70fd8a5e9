"""Each cue sees what it is for, against the series' own trend, and good tilts pass them all."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantom_series import COUNTS, SIDE, counted, fine_structure
from scipy.ndimage import gaussian_filter1d

from tomoset.curation import (
    CurationParams,
    MaskParams,
    TiltVerdict,
    Verdict,
    find_masks,
    measure,
    overruled,
    suggest,
)
from tomoset.curation.image_cues import _comparing_factor, image_cues
from tomoset.curation.intensity import intensity_law
from tomoset.curation.outliers import least_trimmed_line, robust_centre_and_scale, robust_trend
from tomoset.errors import ParameterError
from tomoset.model import MotionTrack, Resources, Silent

N = 15
FEW = CurationParams(n_tilts_min=3, tilt_range_min_deg=5.0)
SPECIMEN = COUNTS * (1 + fine_structure(3))


def verdicts(expected_nyx, change=None):
    series = counted(expected_nyx)
    series = find_masks(series, MaskParams(), resources=Resources(workers=1), progress=Silent())
    series = series if change is None else change(series)
    return {t.name: t.reason for t in suggest(measure(series), FEW).tilts if not t.use}


def test_good_views_pass():
    assert verdicts([SPECIMEN] * N) == {}


def test_each_fault_is_found_and_named():
    views = [SPECIMEN.copy() for _ in range(N)]
    views[2] *= 0.05
    views[5][:, : SIDE // 4] = 0.0
    views[8] = gaussian_filter1d(views[8], 3.0, axis=1)
    views[11] = COUNTS * (1 + fine_structure(4))
    found = verdicts(views)
    assert {name: reason.split(":")[0] for name, reason in found.items()} == {
        "tilt-02": "beam blocked",
        "tilt-05": "beam blocked",
        "tilt-08": "drift",
        "tilt-11": "wrong area",
    }
    assert "of the image is masked" in found["tilt-05"]
    assert "blurred" in found["tilt-08"]


def test_a_film_in_every_view_excludes_none_and_one_that_grows_neither():
    columns = np.arange(SIDE)[None]
    views = [np.where(columns < 30 + 3 * i, 0.8, 1.0) * SPECIMEN for i in range(N)]
    series = counted(views)
    masked = find_masks(series, MaskParams(), resources=Resources(workers=1), progress=Silent())
    shares = [tilt.masked_fraction for tilt in masked.tilts]
    assert shares[0] == pytest.approx(30 / SIDE, abs=0.06)
    assert shares[-1] == pytest.approx(72 / SIDE, abs=0.06)
    assert verdicts(views) == {}


def test_motion_is_judged_against_the_series_own():
    def moving(length):
        def change(series):
            rng = np.random.default_rng(1)
            tracks = [np.cumsum(rng.normal(0, 2, (6, 2)), axis=0) for _ in series.tilts]
            tracks[4] = np.outer(np.arange(6.0), [length, 0.0])
            rows = zip(series.tilts, tracks, strict=True)
            return series.with_tilts(replace(t, motion=MotionTrack(shift_xy_angstrom=track)) for t, track in rows)

        return change

    views = [SPECIMEN] * N
    assert verdicts(views, moving(3.0)) == {}
    assert list(verdicts(views, moving(20.0))) == ["tilt-04"]
    assert verdicts(views, moving(20.0))["tilt-04"].startswith("drift: 100 Å")


def test_shot_noise_adds_nothing_to_fine_detail():
    empty, full = counted([np.full((SIDE, SIDE), COUNTS)] * 3), counted([SPECIMEN] * 3)
    nothing, something = image_cues(empty), image_cues(full)
    assert np.all(np.abs(nothing.fine_power) < 4 * nothing.fine_error)
    # White contrast of variance 0.06² is a power of 0.06² in every band; the rest is coarser.
    assert np.all(np.abs(something.fine_power - 0.0036) < 4 * something.fine_error)


@given(st.floats(0.5, 60.0), st.integers(32, 8000))
def test_views_are_compared_on_pixels_that_fit_their_field(pixel, side):
    factor = _comparing_factor(pixel, side)
    assert factor >= 1
    assert factor * pixel <= max(40.0, pixel)
    # Coarser than 20 Å only where enough pixels are left.
    assert factor * pixel <= max(20.0, pixel) or side / (factor - 1) > 360


def test_images_too_small_to_tell_are_not_measured(good_series):
    row = measure(good_series).tilts[0]
    assert row.fine_detail_ratio is None
    assert row.likeness is None
    assert row.masked_fraction is None


@given(st.floats(-2, 0), st.floats(-3, 3), st.lists(st.integers(0, 29), max_size=11, unique=True), st.floats(0.3, 5))
def test_a_line_stands_against_a_third_of_wild_points(slope, level, wild, distance):
    x = np.linspace(1, 2, 30)
    y = level + slope * x
    y[wild] -= distance * (1 + np.arange(len(wild)))
    found_level, found_slope, misfit = least_trimmed_line(x, y, steepest=0.0)
    assert found_slope == pytest.approx(slope, abs=1e-6)
    assert found_level == pytest.approx(level, abs=1e-6)
    assert misfit == pytest.approx(0, abs=1e-9)


def test_a_pretilt_is_found_where_the_counts_ask_for_it():
    tilt = np.linspace(-60, 50, 38)
    counts = 100 * np.exp(-0.6 / np.cos(np.deg2rad(tilt + 10)))
    law = intensity_law(counts, tilt)
    assert law.pretilt_deg == 10
    assert law.attenuation == pytest.approx(0.6, rel=1e-6)
    np.testing.assert_allclose(law.ratio, 1.0, rtol=1e-6)
    assert law.untilted_counts == pytest.approx(100 * np.exp(-0.6 / np.cos(np.deg2rad(10))), rel=1e-6)
    assert intensity_law(100 * np.exp(-0.6 / np.cos(np.deg2rad(tilt))), tilt).pretilt_deg == 0


def test_a_trend_is_that_of_the_trusted_values():
    rng = np.random.default_rng(2)
    terms = rng.uniform(0, 1, (40, 2))
    values = 1 + terms @ [2.0, -3.0] + rng.normal(0, 0.01, 40)
    trusted = np.ones(40, dtype=bool)
    values[:6], trusted[:3], values[7] = 50.0, False, np.nan
    expected, scale = robust_trend(terms, values, trusted)
    np.testing.assert_allclose(expected, 1 + terms @ [2.0, -3.0], atol=0.02)
    assert scale == pytest.approx(0.01, rel=0.5)
    assert robust_trend(terms, np.full(40, np.nan), trusted)[1] == 0.0
    assert robust_centre_and_scale([]) == (0.0, 0.0)


def test_a_person_overrules_the_rules_but_not_the_alignment(good_series):
    rules = Verdict(
        run="TS1",
        verdict="keep",
        tilts=(TiltVerdict(name="tilt-00", use=False, reason="drift: 99 Å"), TiltVerdict(name="tilt-01", use=True)),
    )
    person = Verdict(
        run="TS1",
        verdict="keep",
        who="ada",
        tilts=(TiltVerdict(name="tilt-00", use=True), TiltVerdict(name="tilt-01", use=False, reason="other: ice")),
    )
    said = overruled(rules, person, replace(good_series, geometry=None))
    assert said.tilts == person.tilts
    assert overruled(rules, None, good_series) == rules
    unplaced = good_series.with_tilts(replace(t, use=t.name != "tilt-00") for t in good_series.tilts)
    assert overruled(rules, person, unplaced).tilts == (rules.tilts[0], person.tilts[1])
    with pytest.raises(ParameterError, match="TS1"):
        overruled(rules, replace(person, run="TS2"), good_series)
