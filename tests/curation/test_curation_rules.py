"""Measurements see what is wrong, rules say it in words, and no row is ever lost."""

import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.curation import (
    REASONS,
    CurationParams,
    TiltVerdict,
    Verdict,
    apply_verdict,
    measure,
    methods_text,
    suggest,
)
from tomoset.curation.intensity import intensity_law
from tomoset.curation.series_cues import shift_jumps_angstrom
from tomoset.curation.thickness import half_agreement
from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import TiltGeometry
from tomoset.model import MotionTrack

PARAMS = CurationParams()


def judge(series, tomogram=None, params=PARAMS):
    return suggest(measure(series, tomogram), params)


def test_a_good_series_is_kept_whole(good_series, half_tomogram):
    verdict = judge(good_series, half_tomogram)
    assert (verdict.verdict, verdict.reason) == ("keep", "")
    assert all(tilt.use for tilt in verdict.tilts)
    assert [tilt.name for tilt in verdict.tilts] == [tilt.name for tilt in good_series.tilts]


@given(st.floats(0.05, 1.5), st.floats(5, 500), st.data())
def test_intensity_law_is_found_and_a_quarter_of_bad_tilts_does_not_move_it(attenuation, level, data):
    tilt = np.linspace(-60, 60, 41)
    counts = level * np.exp(-attenuation / np.cos(np.deg2rad(tilt)))
    bad = data.draw(st.lists(st.integers(0, 40), max_size=8, unique=True))
    spoiled = counts.copy()
    spoiled[bad] *= 0.2
    clean, law = intensity_law(counts, tilt), intensity_law(spoiled, tilt)
    assert clean.attenuation == pytest.approx(attenuation, rel=1e-6)
    np.testing.assert_allclose(clean.ratio, 1.0, rtol=1e-9)
    assert np.all(law.ratio[bad] < 0.6)
    assert np.all(np.delete(law.ratio, bad) > 0.7)


def test_intensity_law_of_nothing_and_of_one():
    np.testing.assert_array_equal(intensity_law([0.0, 0.0], [0.0, 3.0]).ratio, 0.0)
    assert intensity_law([5.0], [0.0]).ratio[0] == pytest.approx(1.0)
    with pytest.raises(GeometryError, match="one count for each tilt"):
        intensity_law([1.0, 2.0], [0.0])


def test_counts_give_the_thickness(good_series):
    m = measure(good_series)
    assert m.attenuation * PARAMS.mean_free_path_angstrom == pytest.approx(0.4 * 3950, rel=0.15)
    assert m.thickness_angstrom is None
    assert m.tilt_range_deg == pytest.approx(90)
    assert m.tilt_gap_deg == pytest.approx(3)


def test_half_tomograms_show_where_the_specimen_is(half_tomogram, good_series):
    m = measure(good_series, half_tomogram)
    assert m.thickness_angstrom == pytest.approx(24 * 20, abs=60)
    # Means of 16 voxels: signal 1 in half of the planes, noise 9 / 16 everywhere.
    assert m.half_correlation == pytest.approx(0.5 / (0.5 + 9 / 16), abs=0.05)
    assert half_agreement(replace(half_tomogram, odd_zyx=None)) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mean_counts": 5.0}, "beam blocked"),
        ({"mean_counts": 200.0}, "beam blocked"),
        ({"motion": MotionTrack(shift_xy_angstrom=np.array([[0.0, 0.0], [400.0, 0.0]]))}, "drift"),
    ],
)
def test_one_bad_tilt_is_named_and_the_rest_kept(good_series, change_tilt, changes, word):
    verdict = judge(change_tilt(good_series, 7, **changes))
    assert verdict.verdict == "keep"
    assert [tilt.name for tilt in verdict.tilts if not tilt.use] == ["tilt-07"]
    assert verdict.tilts[7].reason.startswith(word)
    assert word in REASONS


def test_a_failed_ctf_and_a_jump_of_the_shift_are_named(good_series, change_tilt):
    ctf = replace(good_series.tilts[3].ctf, score=-0.1)
    series = change_tilt(good_series, 3, ctf=ctf)
    shift = series.geometry.shift_xy_angstrom.copy()
    shift[20] += (900.0, 0.0)
    series = replace(
        series,
        geometry=TiltGeometry(
            y_tilt_deg=series.geometry.y_tilt_deg, z_rot_deg=series.geometry.z_rot_deg, shift_xy_angstrom=shift
        ),
    )
    verdict = judge(series)
    assert {t.name: t.reason.split(":")[0] for t in verdict.tilts if not t.use} == {
        "tilt-03": "CTF failed",
        "tilt-20": "failed alignment",
    }


def test_shift_jumps_ignore_untrusted_neighbours():
    shift = np.zeros((7, 2))
    shift[[2, 3, 4]] = 1000.0
    jumps = shift_jumps_angstrom(shift, np.arange(7.0), [0, 1, 5, 6])
    np.testing.assert_allclose(jumps[[0, 1, 5, 6]], 0)
    np.testing.assert_allclose(jumps[[2, 3, 4]], 1000 * np.sqrt(2))
    np.testing.assert_allclose(shift_jumps_angstrom(shift[:1], [0.0], [0]), 0)


def test_what_a_stage_excluded_stays_excluded_with_its_reason(good_series, change_tilt):
    series = change_tilt(good_series, 0, use=False, reason="dark: no electrons")
    verdict = judge(series)
    assert verdict.tilts[0] == TiltVerdict(name="tilt-00", use=False, reason="dark: no electrons")


@pytest.mark.parametrize(
    ("change", "word", "reason"),
    [
        ({"n_tilts_min": 40}, "reject", "too few tilts"),
        ({"tilt_range_min_deg": 100.0}, "reject", "too few tilts"),
        ({"thickness_max_angstrom": 500.0}, "reject", "too thick"),
        ({"thickness_max_angstrom": 1300.0}, "unsure", "too thick"),
        ({"alignment_error_max_angstrom": 2.0}, "unsure", "failed alignment"),
        ({"tilt_gap_max_deg": 2.0}, "unsure", "too few tilts"),
        ({"half_correlation_min": 0.9}, "unsure", "empty"),
        ({"motion_max_angstrom": 0.5}, "reject", "too few tilts"),
    ],
)
def test_every_threshold_decides(good_series, half_tomogram, change, word, reason):
    verdict = judge(good_series, half_tomogram, replace(PARAMS, **change))
    assert (verdict.verdict, verdict.reason.split(":")[0]) == (word, reason)


def test_measurements_and_verdict_can_be_written_as_json(good_series, half_tomogram):
    m = measure(good_series, half_tomogram)
    document = json.loads(json.dumps({"m": dataclasses.asdict(m), "v": dataclasses.asdict(suggest(m, PARAMS))}))
    assert len(document["m"]["tilts"]) == 31
    assert document["v"]["verdict"] == "keep"


def test_applying_a_verdict_keeps_every_row(good_series):
    verdict = Verdict(
        run="TS1", verdict="keep", tilts=(TiltVerdict(name="tilt-05", use=False, reason="other: ice on top"),)
    )
    judged = apply_verdict(good_series, verdict)
    assert len(judged.tilts) == 31
    assert list(judged.used) == [i for i in range(31) if i != 5]
    assert judged.tilts[5].reason == "other: ice on top"
    with pytest.raises(ParameterError, match="does not have"):
        apply_verdict(good_series, replace(verdict, tilts=(TiltVerdict(name="nobody", use=True),)))
    with pytest.raises(ParameterError, match="verdict on TS1"):
        apply_verdict(good_series, replace(verdict, run="TS2"))


def test_verdicts_and_thresholds_that_mean_nothing_are_refused():
    with pytest.raises(ParameterError, match="needs a reason"):
        Verdict(run="TS1", verdict="reject")
    with pytest.raises(ParameterError, match="keep, unsure or reject"):
        Verdict(run="TS1", verdict="maybe", reason="other")
    for wrong in (
        {"motion_max_angstrom": -1.0},
        {"intensity_ratio_min": 2.0},
        {"mean_free_path_angstrom": 0.0},
        {"ctf_score_min": float("nan")},
    ):
        with pytest.raises(ParameterError, match="curation"):
            CurationParams(**wrong)


def test_methods_text_names_the_thresholds():
    assert "150 Å" in methods_text(PARAMS)
