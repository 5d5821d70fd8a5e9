"""What an mdoc says about order, dose, axis and pixel size, and what is concluded where it is silent."""

import re

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serialem_series import DOSE, HEADER, SHAPE_YX, TILTS, frames, noted

from eer_encoder import metadata, write_eer
from tomoset.errors import ParameterError, PixelSizeError
from tomoset.formats.eer import EerGrouping
from tomoset.formats.mdoc import parse_mdoc, read_mdoc
from tomoset.formats.serialem_facts import acquisition_order, doubtful_signs, tilt_axis, wrap_deg
from tomoset.formats.serialem_import import ImportChoices, read_movie_set

# ---- order of acquisition ----


def test_order_falls_back_to_prior_dose_then_to_the_files_order(raw):
    raw.write(DateTime=None)
    got = read_movie_set(raw.mdoc)
    assert [m.acquisition_order for m in got.movies] == [3, 2, 0, 1, 4]
    assert noted(got, "missing or unreadable; the order of PriorRecordDose")
    raw.write(DateTime="01-Jan-20  00:00:00", PriorRecordDose=None)
    got = read_movie_set(raw.mdoc)
    assert [m.acquisition_order for m in got.movies] == [3, 2, 0, 1, 4]
    assert noted(got, "all the same and PriorRecordDose too; the mdoc's own order")
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], DOSE * np.array([3, 2, 0, 1, 4]))
    assert noted(got, "PriorRecordDose is missing; the dose before each tilt is the sum")


def test_order_does_not_follow_the_place_in_a_sorted_mdoc(raw):
    """An mdoc that was sorted by tilt: times, not places, say what came first; sums follow time."""
    lines = raw.mdoc.read_text().split("[ZValue")
    by_tilt = sorted(lines[1:], key=lambda s: float(re.search(r"TiltAngle = (\S+)", s)[1]))
    text = "[ZValue".join([lines[0], *by_tilt])
    raw.mdoc.write_text(re.sub("PriorRecordDose.*\n", "", text))
    got = read_movie_set(raw.mdoc)
    assert [m.acquisition_order for m in got.movies] == [3, 2, 0, 1, 4]
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], DOSE * np.array([3, 2, 0, 1, 4]))


def test_both_spellings_of_the_year_in_one_file(raw):
    raw.write(per_tilt={4: {"DateTime": "01-Dec-2015  00:02:09"}, 0: {"DateTime": "30-Nov-2015 23:57:59"}})
    assert [m.acquisition_order for m in read_movie_set(raw.mdoc).movies] == [3, 2, 0, 1, 4]


@given(st.permutations(range(6)))
def test_order_is_a_permutation_that_follows_time(minutes):
    text = "".join(f"[ZValue = {i}]\nDateTime = 01-Jan-20  10:{m:02d}:00\n" for i, m in enumerate(minutes))
    order, notes = acquisition_order(parse_mdoc(text).sections)
    assert order == list(minutes)
    assert notes == ()


# ---- dose ----


def test_dose_is_summed_over_frames_or_given_or_asked_for(raw):
    raw.write(ExposureDose="0", FrameDosesAndNumber="1.5 1  0.5 1")
    got = read_movie_set(raw.mdoc)
    assert [m.dose_e_per_angstrom2 for m in got.movies] == [2.0] * 5
    assert noted(got, "FrameDosesAndNumber")
    raw.write(ExposureDose=None)
    with pytest.raises(ParameterError, match=r"TS_01 b.*ExposureDose.*5 of 5.*dose_per_tilt"):
        read_movie_set(raw.mdoc)
    raw.write(per_tilt={2: {"ExposureDose": None}})
    with pytest.raises(ParameterError, match="1 of 5"):
        read_movie_set(raw.mdoc)
    got = read_movie_set(raw.mdoc, dose_per_tilt=4.0)
    assert [m.dose_e_per_angstrom2 for m in got.movies] == [4.0] * 5
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], 4.0 * np.array([3, 2, 0, 1, 4]))
    assert noted(got, "4 e/Å² per tilt, stands for ExposureDose")


def test_a_dose_given_replaces_the_microscopes_and_says_so(raw):
    got = read_movie_set(raw.mdoc, dose_per_tilt=4.0)
    assert [m.dose_before_e_per_angstrom2 for m in got.movies] == [12, 8, 0, 4, 16]
    assert noted(got, r"replaces ExposureDose \(mean 3.2\)")
    assert noted(got, "PriorRecordDose does not go with")
    assert read_movie_set(raw.mdoc, dose_per_tilt=3.21).movies[0].dose_e_per_angstrom2 == DOSE
    with pytest.raises(ParameterError, match="positive dose"):
        read_movie_set(raw.mdoc, dose_per_tilt=0.0)


def test_a_prior_dose_of_zero_everywhere_is_no_prior_dose(raw):
    raw.write(PriorRecordDose="0")
    got = read_movie_set(raw.mdoc)
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], DOSE * np.array([3, 2, 0, 1, 4]))


def test_a_prior_dose_that_counts_each_exposure_itself(raw):
    """It may be a preview as well: taken as written, and told."""
    raw.write(per_tilt={i: {"PriorRecordDose": f"{(i + 1) * DOSE:g}"} for i in range(5)})
    got = read_movie_set(raw.mdoc)
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], DOSE * np.array([4, 3, 1, 2, 5]))
    assert noted(got, r"PriorRecordDose is 3\.2 e/Å², as much as one exposure, at the first tilt already")


def test_a_prior_dose_that_starts_again_is_not_used(raw):
    raw.write(per_tilt={i: {"PriorRecordDose": f"{(i % 3) * DOSE:g}"} for i in range(5)})
    got = read_movie_set(raw.mdoc)
    assert [m.acquisition_order for m in got.movies] == [3, 2, 0, 1, 4]
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], DOSE * np.array([3, 2, 0, 1, 4]))
    assert noted(got, "PriorRecordDose falls in the course of the series")


def test_a_clock_that_contradicts_the_dose_gives_way(raw):
    """12 hours without AM or PM: 12:58, 12:59, 1:00 …"""
    times = ("12:58", "12:59", "1:00", "1:01", "1:02")
    raw.write(per_tilt={i: {"DateTime": f"30-Nov-15  {time}:00"} for i, time in enumerate(times)})
    got = read_movie_set(raw.mdoc)
    assert [m.acquisition_order for m in got.movies] == [3, 2, 0, 1, 4]
    assert noted(got, "contradict PriorRecordDose")


@pytest.mark.parametrize(
    ("field", "shares", "note"),
    [
        ("1.6 2", None, None),
        ("0.8 1  2.4 1", (0.25, 0.75), None),
        ("0.4 1  1.2 1", (0.25, 0.75), "does not add up to the dose of 5 tilts"),
        ("0.4 8", None, "for another number of frames than 5 movies hold"),
        ("0 2", None, None),
        (None, None, None),
    ],
)
def test_frame_doses_fit_or_are_noted(raw, field, shares, note):
    raw.write(FrameDosesAndNumber=field)
    got = read_movie_set(raw.mdoc)
    for movie in got.movies:
        if shares is None:
            assert movie.frame_dose_e_per_angstrom2 is None
        else:
            np.testing.assert_allclose(movie.frame_dose_e_per_angstrom2, DOSE * np.array(shares))
    assert bool(noted(got, "FrameDoses")) == (note is not None)
    assert note is None or noted(got, note)


# ---- EER ----


def as_eer(raw, n_frames, xml=b""):
    for index in range(len(raw.tilts)):
        frames = np.random.default_rng(index).random((n_frames, *SHAPE_YX)) < 0.2
        write_eer(raw.movie(index).with_suffix(".eer"), frames, xml=xml)
    raw.mdoc.write_text(raw.mdoc.read_text().replace(".tif", ".eer"))


def test_eer_frames_are_grouped_by_the_dose_of_the_mdoc(raw):
    raw.write(NumSubFrames="26", FrameDosesAndNumber="0.123077 26")
    as_eer(raw, 26)
    got = read_movie_set(raw.mdoc)  # 3.2 e/Å² in groups of 0.5 would be of 4.06 frames; 26 is no multiple of 4
    for movie in got.movies:
        assert movie.frames_tyx.shape[0] == 6
        sizes = np.diff(movie.frames_tyx.limits)
        np.testing.assert_allclose(movie.frame_dose_e_per_angstrom2, sizes * DOSE / 26)
        assert movie.frame_dose_e_per_angstrom2.sum() == pytest.approx(DOSE)
    assert noted(got, "6 frames a tilt of 4 to 5 raw frames each; none was left out")
    choices = ImportChoices(eer=EerGrouping(frames_per_group=13))
    got = read_movie_set(raw.mdoc, choices=choices)
    assert {m.frames_tyx.shape[0] for m in got.movies} == {2}
    assert {m.frame_dose_e_per_angstrom2 is None for m in got.movies} == {True}


def test_unequal_doses_of_raw_frames_are_summed_in_their_groups(raw):
    raw.write(NumSubFrames="8", FrameDosesAndNumber="0.2 4  0.6 4")
    as_eer(raw, 8)
    got = read_movie_set(raw.mdoc, choices=ImportChoices(eer=EerGrouping(frames_per_group=3)))
    for movie in got.movies:
        assert movie.frames_tyx.limits.tolist() == [0, 3, 6, 8]
        np.testing.assert_allclose(movie.frame_dose_e_per_angstrom2, [0.6, 1.4, 1.2])


def test_an_eer_header_tells_what_the_mdoc_does_not(raw):
    raw.write(
        header=HEADER.replace("PixelSpacing = 5.0\n", ""), PixelSpacing=None, ExposureDose=None, ExposureTime=None
    )
    xml = metadata(totalDose=52.0, sensorPixelSize__width=4e-10, exposureTime=2.5, eerGainReference="/x/y.gain")
    as_eer(raw, 20, xml)
    got = read_movie_set(raw.mdoc)
    assert got.pixel_size_angstrom == pytest.approx(4.0)
    assert [m.dose_e_per_angstrom2 for m in got.movies] == pytest.approx([3.25] * 5)
    assert {m.exposure_time_s for m in got.movies} == {2.5}
    assert noted(got, "nominal 4 Å")
    assert noted(got, "the camera counted")
    assert noted(got, r"although y\.gain is named as theirs: give it")
    raw.write()
    as_eer(raw, 20, xml)
    got = read_movie_set(raw.mdoc)
    assert (got.pixel_size_angstrom, got.movies[0].dose_e_per_angstrom2) == (5.0, DOSE)


# ---- tilt axis ----


@pytest.mark.parametrize(
    ("title", "rotation", "axis", "note"),
    [
        ("Tilt axis angle = 85.3, binning = 1", 175.3, 85.3, None),
        ("    Tilt axis angle = -86.7, binning = 1", 3.34915, -86.7, None),
        ("Tilt axis angle = 84,8, binning = 1", None, 84.8, None),
        ("Tilt axis angle = 85.3, binning = 1", 90.0, 85.3, "although RotationAngle minus 90 is 0"),
        ("SerialEM", 178.414, 88.414, "RotationAngle minus 90"),
        ("SerialEM", -175.0, 95.0, "RotationAngle minus 90"),
        ("TiltAxisAngle = -175.84  Binning = 2  SpotSize = 6", 85.84, 85.84, "Tomo 5"),
        ("  TiltAxisAngle = -175,84  Binning = 2", None, 85.84, "Tomo 5"),
        ("TiltAxisAngle = -86.68  Binning = 1", None, -3.32, "Tomo 5"),
    ],
)
def test_tilt_axis_of_every_dialect(title, rotation, axis, note):
    text = f"[T = {title}]\n[ZValue = 0]\nTiltAngle = 0\n" + ("" if rotation is None else f"RotationAngle = {rotation}")
    mdoc = parse_mdoc(text)
    got, notes = tilt_axis(mdoc, mdoc.sections)
    assert got == pytest.approx(axis, abs=1e-9)
    assert (len(notes) == 0) if note is None else (note in notes[0])


@pytest.mark.parametrize(
    ("title", "rotation", "axis"),
    [
        (-175.84, 85.84, 85.84),
        (-86.68, -3.32, -3.32),
        (-86.68, 3.32, -86.68),
        (-86.68, 176.68, 86.68),
        (10.0, 10.0, 10.0),
    ],
)
def test_tomo5_axis_goes_with_the_rotation_angle(title, rotation, axis):
    """The three meanings that IMOD's alignframes tells apart, and one that is none of them."""
    mdoc = parse_mdoc(f"[T = TiltAxisAngle = {title}  Binning = 1]\n[ZValue = 0]\nRotationAngle = {rotation}\n")
    got, notes = tilt_axis(mdoc, mdoc.sections)
    assert got == pytest.approx(axis)
    assert ("does not go with it" in notes[0]) == (title == 10)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("0.0", "3.0", "-3.0", "-6.0", "6.0"), 0),
        (("-0.0", "-3.0", "3.0", "6.0", "-6.0"), 1),
        (("0.0", "-3.0", "3.0", "6.0", "x"), 0),
        (("0.0", "-3.0", "3.0", "x", "x"), 0),
    ],
)
def test_names_that_contradict_the_signs_are_told(names, expected):
    text = "".join(
        f"[ZValue = {i}]\nTiltAngle = {t}\nSubFramePath = TS_1_{i:03d}_{name}_Oct08_07.46.46.tif\n"
        for i, (t, name) in enumerate(zip(TILTS, names, strict=True))
    )
    assert len(doubtful_signs(parse_mdoc(text).sections)) == expected


def test_title_and_rotation_agree_in_every_real_series(shared_data):
    n = 0
    for path in sorted((shared_data / "mdoc").rglob("*.mdoc")):
        mdoc = read_mdoc(path)
        if any("Tilt axis angle" in title for title in mdoc.titles):
            _, notes = tilt_axis(mdoc, mdoc.sections)
            assert notes == (), path
            n += 1
    assert n == 12


def test_a_tilt_axis_given_wins_and_none_at_all_is_an_error(raw):
    assert read_movie_set(raw.mdoc, tilt_axis_deg=-94.7).nominal_tilt_axis_deg == pytest.approx(-94.7)
    raw.write(titles="", RotationAngle=None)
    with pytest.raises(ParameterError, match="tilt axis"):
        read_movie_set(raw.mdoc)
    assert read_movie_set(raw.mdoc, tilt_axis_deg=265.3).nominal_tilt_axis_deg == pytest.approx(-94.7)


def test_a_tomo5_series_with_decimal_commas(raw):
    """Tomo 5 on a computer with a continental locale: commas, long years, its own titles, no ExposureDose (5.24)."""
    titles = "[T = Tomography: KRIOS  13-Jan-2025  17:15:32]\n\n[T =   TiltAxisAngle = -176,73  Binning = 1]\n\n"
    raw.write(
        header=HEADER.replace("5.0", "5,00").replace("200", "300,00").replace("DataMode = 1", "DataMode = 6"),
        titles=titles,
        ExposureDose=None,
        PixelSpacing="5,00",
        RotationAngle="86,73",
        PriorRecordDose=None,
        FrameDosesAndNumber="1,60 2",
        per_tilt={i: {"TiltAngle": f"{t:.2f}".replace(".", ",")} for i, t in enumerate(TILTS)},
    )
    got = read_movie_set(raw.mdoc)
    assert got.nominal_tilt_axis_deg == 86.73
    assert got.optics.voltage_kv == 300
    assert [m.nominal_tilt_deg for m in got.movies] == [-6, -3, 0, 3, 6]
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], 3.2 * np.array([3, 2, 0, 1, 4]))
    assert len(got.notes) == 4  # axis, frame doses, prior doses, gain


@given(st.floats(-1000, 1000))
def test_wrapping_keeps_the_direction(angle):
    got = wrap_deg(angle)
    assert -180 < got <= 180
    assert np.cos(np.deg2rad(got)) == pytest.approx(np.cos(np.deg2rad(angle)), abs=1e-9)
    assert np.sin(np.deg2rad(got)) == pytest.approx(np.sin(np.deg2rad(angle)), abs=1e-9)


# ---- pixel size and voltage ----


def test_pixel_size_missing_given_or_contradicted(raw):
    raw.write(header=HEADER.replace("PixelSpacing = 5.0\n", ""), PixelSpacing="0")
    with pytest.raises(PixelSizeError, match=r"found 0; give the pixel size.*--pixel-size"):
        read_movie_set(raw.mdoc)
    assert read_movie_set(raw.mdoc, pixel_size_angstrom=4.9).pixel_size_angstrom == 4.9
    raw.write()
    assert read_movie_set(raw.mdoc, pixel_size_angstrom=5.004).pixel_size_angstrom == 5.0
    with pytest.raises(PixelSizeError, match=r"5 Å by the mdoc.*5\.1 Å by the pixel size given"):
        read_movie_set(raw.mdoc, pixel_size_angstrom=5.1)
    with pytest.raises(PixelSizeError, match="positive"):
        read_movie_set(raw.mdoc, pixel_size_angstrom=-1.0)
    raw.write(per_tilt={3: {"PixelSpacing": "4.0"}})
    with pytest.raises(PixelSizeError, match=r"4 Å by .* 5 Å by"):
        read_movie_set(raw.mdoc)


def as_mrc(raw, pixel_size):
    for index in range(len(raw.tilts)):
        with mrcfile.new(raw.movie(index).with_suffix(".mrc")) as peer:
            peer.set_data(frames(index).astype(np.int16))
            peer.voxel_size = pixel_size
    raw.mdoc.write_text(raw.mdoc.read_text().replace(".tif", ".mrc"))


@pytest.mark.parametrize(("pixel_size", "note"), [(5.0, False), (0.0, False), (1.0, True)])
def test_mrc_headers_that_agree_or_know_nothing(raw, pixel_size, note):
    as_mrc(raw, pixel_size)
    got = read_movie_set(raw.mdoc)
    assert got.pixel_size_angstrom == 5
    assert bool(noted(got, "exactly 1 Å")) == note


def test_an_mrc_header_that_contradicts_the_mdoc(raw):
    as_mrc(raw, 2.5)
    with pytest.raises(PixelSizeError, match=r"5 Å by the mdoc.*2\.5 Å by the movies' headers"):
        read_movie_set(raw.mdoc)


def test_frames_larger_than_the_recorded_image(raw):
    """Frames are saved unbinned while the mdoc describes a binned image: its pixel size is not theirs."""
    raw.write(header=HEADER.replace("16 12", "4 3"))
    with pytest.raises(PixelSizeError, match=r"\(4, 3\).*\(16, 12\).*probably 1\.25"):
        read_movie_set(raw.mdoc)
    assert read_movie_set(raw.mdoc, pixel_size_angstrom=1.25).pixel_size_angstrom == 1.25
    with pytest.raises(PixelSizeError, match="4 times larger"):
        read_movie_set(raw.mdoc, pixel_size_angstrom=5.0)


def test_voltage_missing_or_given(raw):
    raw.write(header=HEADER.replace("Voltage = 200\n", ""))
    got = read_movie_set(raw.mdoc)
    assert got.optics.voltage_kv == 300
    assert noted(got, "no voltage; 300 kV")
    raw.write()
    got = read_movie_set(raw.mdoc, voltage_kv=300.0)
    assert got.optics.voltage_kv == 300
    assert noted(got, "300 kV, replaces the mdoc's 200 kV")
