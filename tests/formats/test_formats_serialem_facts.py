"""What an mdoc says about order, dose, axis and pixel size, and what is concluded where it is silent."""

import re

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serialem_series import DOSE, HEADER, TILTS, frames, noted

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.formats.mdoc import parse_mdoc, read_mdoc
from tomoset.formats.serialem_facts import acquisition_order, tilt_axis, wrap_deg
from tomoset.formats.serialem_import import read_movie_set

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
