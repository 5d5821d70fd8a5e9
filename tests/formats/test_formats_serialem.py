"""A SerialEM or Tomo 5 series comes in whole; what it lacks is noted, what contradicts itself is refused."""

import re
import shutil

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, InputMissingError, ParameterError, PixelSizeError
from tomoset.formats.mdoc import parse_mdoc, read_mdoc, write_mdoc
from tomoset.formats.movies import write_gain, write_tiff_movie
from tomoset.formats.serialem_export import ScopeSettings, movie_set_mdoc
from tomoset.formats.serialem_facts import acquisition_order, tilt_axis, wrap_deg
from tomoset.formats.serialem_import import read_movie_set, run_name
from tomoset.model import InMemory, Movie, MovieSet, Optics

SHAPE_YX = (12, 16)
TILTS = (0.0, 3.0, -3.0, -6.0, 6.0)  # dose-symmetric, in order of acquisition
DOSE = 3.2
SUB_FRAME = r"\\server\share\Data\\frames\TS 01_{:03d}.tif"


def section(index, tilt, **changed):
    fields = {
        "TiltAngle": f"{tilt}",
        "ExposureDose": f"{DOSE}",
        "PixelSpacing": "5.0",
        "RotationAngle": "175.3",
        "TargetDefocus": "-3.5",
        "PriorRecordDose": f"{index * DOSE:g}",
        "SubFramePath": SUB_FRAME.format(index),
        "ExposureTime": "1.0",
        "NumSubFrames": "2",
        # The third exposure is the first after midnight.
        "DateTime": f"{'30-Nov-15' if index < 2 else '01-Dec-15'}  {'23:58' if index < 2 else '00:02'}:0{index}",
    } | changed
    return f"[ZValue = {index}]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items() if v is not None)


HEADER = "PixelSpacing = 5.0\nVoltage = 200\nImageFile = TS.mrc\nImageSize = 16 12\nDataMode = 1\n\n"
TITLES = """\
[T = SerialEM: Krios      30-Nov-15  15:14:20    ]

[T =     Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 1]

"""


def frames(index):
    movie_tyx = np.full((2, *SHAPE_YX), index, np.uint8)
    movie_tyx[:, 1, 2] += 100
    return movie_tyx


class Raw:
    """A folder as the microscope left it, whose mdoc and movies a test may spoil."""

    def __init__(self, folder, tilts=TILTS):
        self.folder = folder
        self.tilts = tilts
        self.mdoc = folder / "TS_01 b.mrc.mdoc"
        (folder / "frames").mkdir(parents=True)
        for index in range(len(tilts)):
            write_tiff_movie(self.movie(index), frames(index), 5.0)
        self.write()

    def movie(self, index):
        return self.folder / "frames" / f"TS 01_{index:03d}.tif"

    def write(self, header=HEADER, titles=TITLES, per_tilt=(), **changed):
        per_tilt = dict(per_tilt)
        text = "\n".join(section(i, t, **(changed | per_tilt.get(i, {}))) for i, t in enumerate(self.tilts))
        self.mdoc.write_text(header + titles + text)


@pytest.fixture
def raw(tmp_path):
    return Raw(tmp_path / "raw")


def noted(movie_set, pattern):
    return [note for note in movie_set.notes if re.search(pattern, note)]


def test_a_whole_series_comes_in_sorted_with_its_facts(raw):
    gain_yx = np.linspace(0.9, 1.1, 192, dtype=np.float32).reshape(SHAPE_YX)
    gain = write_gain(raw.folder / "gain.mrc", gain_yx, 5.0)
    got = read_movie_set(raw.mdoc, gain_path=gain)
    assert got.notes == ()
    assert got.run == "TS-01-b"
    assert got.pixel_size_angstrom == 5
    assert got.nominal_tilt_axis_deg == 85.3
    assert got.optics == Optics(voltage_kv=200.0)
    np.testing.assert_array_equal(got.gain_yx.read(), gain_yx)
    assert [m.nominal_tilt_deg for m in got.movies] == [-6, -3, 0, 3, 6]
    assert [m.acquisition_order for m in got.movies] == [3, 2, 0, 1, 4]
    assert [m.dose_e_per_angstrom2 for m in got.movies] == [DOSE] * 5
    np.testing.assert_allclose([m.dose_before_e_per_angstrom2 for m in got.movies], DOSE * np.array([3, 2, 0, 1, 4]))
    assert {m.nominal_defocus_angstrom for m in got.movies} == {35_000.0}
    assert got.movies[0].name == "TS 01_003.tif"
    assert got.movies[0].acquired_at == "2015-12-01T00:02:03"
    for movie in got.movies:
        np.testing.assert_array_equal(movie.frames_tyx.read(), frames(movie.acquisition_order))


def test_without_a_gain_reference_the_notes_say_so(raw):
    got = read_movie_set(raw.mdoc)
    assert got.gain_yx is None
    assert got.notes == ("No gain reference was given; frames are taken as already corrected.",)


@pytest.mark.parametrize("place", ["frames", "Frames", ".", "elsewhere", "elsewhere/frames"])
def test_movies_are_found_beside_the_mdoc_or_where_one_says(raw, place):
    target = raw.folder / place
    if place != "frames":
        target.mkdir(parents=True, exist_ok=True)
        for index in range(len(TILTS)):
            raw.movie(index).rename(target / raw.movie(index).name)
    folder = raw.folder / "elsewhere" if "elsewhere" in place else None
    assert len(read_movie_set(raw.mdoc, movie_folder=folder).movies) == 5


def test_what_is_written_for_a_movie_set_comes_back(tmp_path):
    times = ["2026-01-31T23:59:40", "2026-02-01T00:00:10", "2026-02-01T00:00:40"]
    tilts, order = (-3.0, 0.0, 3.0), (2, 0, 1)
    movies = tuple(
        Movie(
            name=f"TS-1_{order[i]:03d}.tif",
            frames_tyx=InMemory(frames(i)),
            nominal_tilt_deg=tilts[i],
            acquisition_order=order[i],
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * order[i],
            nominal_defocus_angstrom=35_000.0 + 100 * i,
            acquired_at=times[order[i]],
        )
        for i in range(3)
    )
    made = MovieSet(run="TS-1", movies=movies, pixel_size_angstrom=5.0, gain_yx=None, nominal_tilt_axis_deg=85.3)
    for movie in movies:
        write_tiff_movie(tmp_path / "frames" / movie.name, movie.frames_tyx.read(), 5.0)
    path = write_mdoc(tmp_path / "TS-1.mdoc", movie_set_mdoc(made, settings=ScopeSettings(movie_folder="D:\\frames")))
    got = read_movie_set(path)
    assert (got.run, got.pixel_size_angstrom, got.nominal_tilt_axis_deg) == ("TS-1", 5.0, 85.3)
    assert got.optics == made.optics
    assert noted(got, "gain") == list(got.notes)
    for a, b in zip(got.movies, movies, strict=True):
        assert _facts(a) == pytest.approx(_facts(b))
        assert (a.name, a.acquired_at) == (b.name, b.acquired_at)
        np.testing.assert_array_equal(a.frames_tyx.read(), b.frames_tyx.read())
    fields = [key for key, _ in read_mdoc(path).sections[0].fields]
    assert fields.index("ExposureTime") > fields.index("SubFramePath")
    assert read_mdoc(path).sections[0].get("DateTime") == "31-Jan-26  23:59:40"
    assert "Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 1" in read_mdoc(path).titles[1]


def _facts(movie):
    return (
        movie.nominal_tilt_deg,
        movie.acquisition_order,
        movie.dose_e_per_angstrom2,
        movie.dose_before_e_per_angstrom2,
        movie.nominal_defocus_angstrom,
    )


def test_our_mdoc_is_read_by_the_peer(tmp_path, raw):
    mdocfile = pytest.importorskip("mdocfile")
    path = write_mdoc(tmp_path / "x.mdoc", movie_set_mdoc(read_movie_set(raw.mdoc)))
    table = mdocfile.read(path)
    assert table["TiltAngle"].tolist() == list(TILTS)
    assert [p.name for p in table["SubFramePath"]] == [f"TS 01_{i:03d}.tif" for i in range(5)]
    assert table["PixelSpacing"].tolist() == [5.0] * 5


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


# ---- movies and gain ----


def test_missing_movies_are_counted_and_the_first_named(raw):
    for index in (0, 1, 2, 4):
        raw.movie(index).unlink()
    with pytest.raises(InputMissingError, match=r"5 movies.*4 are not there: TS 01_000\.tif, .*, TS 01_002\.tif, …"):
        read_movie_set(raw.mdoc)
    with pytest.raises(InputMissingError, match="absent"):
        read_movie_set(raw.folder / "absent.mdoc")


def test_two_tilts_of_one_movie_are_refused(raw):
    raw.write(per_tilt={4: {"SubFramePath": SUB_FRAME.format(1)}})
    with pytest.raises(FormatError, match=r"one movie a tilt.*TS 01_001\.tif"):
        read_movie_set(raw.mdoc)


def test_a_truncated_movie_is_named_with_its_frames(raw):
    raw.write(NumSubFrames="3")
    with pytest.raises(FormatError, match=r"TS 01_000\.tif: expected 3 frames, found 2"):
        read_movie_set(raw.mdoc)
    raw.write(NumSubFrames="1")
    assert noted(read_movie_set(raw.mdoc), "5 movies hold more frames")
    raw.write()
    whole = raw.movie(3).read_bytes()
    raw.movie(3).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"TS 01_003\.tif: expected 2 frames, found [01]"):
        read_movie_set(raw.mdoc)


def test_movies_of_different_sizes_are_refused(raw):
    write_tiff_movie(raw.movie(2), frames(2)[:, :-1], 5.0)
    with pytest.raises(FormatError, match=r"one size.*TS 01_002\.tif"):
        read_movie_set(raw.mdoc)


def test_a_gain_reference_of_another_size(raw):
    other = write_gain(raw.folder / "gain.mrc", np.ones((24, 32)), 2.5)
    with pytest.raises(FormatError, match=r"gain\.mrc: expected .*\(12, 16\).*found \(24, 32\)"):
        read_movie_set(raw.mdoc, gain_path=other)
    turned = write_gain(raw.folder / "turned.mrc", np.ones(SHAPE_YX[::-1]), 5.0)
    with pytest.raises(FormatError, match="fit transposed"):
        read_movie_set(raw.mdoc, gain_path=turned)
    fitting = write_gain(raw.folder / "fits.mrc", np.ones(SHAPE_YX), 5.0)
    raw.write(RotationAndFlip="7")
    assert noted(read_movie_set(raw.mdoc, gain_path=fitting), "RotationAndFlip is 7")


def test_tilts_recorded_twice_are_both_kept(tmp_path):
    raw = Raw(tmp_path / "raw", tilts=(0.0, 3.0, 3.01, -3.0))
    got = read_movie_set(raw.mdoc)
    assert [m.name[-7:-4] for m in got.movies] == ["003", "000", "001", "002"]
    assert noted(got, "more than once, all kept: 3.01 degrees")


def test_one_tilt_only_comes_in_with_a_note(tmp_path):
    got = read_movie_set(Raw(tmp_path / "raw", tilts=(0.0,)).mdoc)
    assert len(got.movies) == 1
    assert noted(got, "one tilt only")


# ---- kinds of mdoc, names ----


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mdocfile/montage_section.mdoc", "montage"),
        ("mdocfile/montage_section_multiple.mdoc", "montage"),
        ("mdocfile/frame_set_multiple.mdoc", "one movie over all tilts"),
        ("etspy/SerialEM_MultiTilt_Test/test_000.mdoc", "stack of images"),
    ],
)
def test_other_kinds_of_mdoc_are_named_for_what_they_are(shared_data, name, message):
    with pytest.raises(FormatError, match=message):
        read_movie_set(shared_data / "mdoc" / name)


def test_an_mdoc_without_tilts_or_angles_is_refused(raw):
    raw.write(TiltAngle=None)
    with pytest.raises(FormatError, match=r"TiltAngle.*\[ZValue = 0\]"):
        read_movie_set(raw.mdoc)
    raw.mdoc.write_text(HEADER)
    with pytest.raises(FormatError, match="found none"):
        read_movie_set(raw.mdoc)


@pytest.mark.parametrize(
    ("name", "n_tilts", "given"),
    [
        ("mdocfile/tilt_series.mdoc", 41, {"dose_per_tilt": 3.0, "pixel_size_angstrom": 5.4}),
        ("mdocfile/frame_set_single.mdoc", 1, {}),
        ("murfey/test_1.mdoc", 11, {"dose_per_tilt": 3.0}),
        ("cryocat_TS_017/017.mdoc", 60, {}),
    ],
)
def test_real_series_come_in_when_their_movies_are_there(shared_data, tmp_path, name, n_tilts, given):
    """The movies are made here, small; everything else is what the microscopes wrote."""
    mdoc = read_mdoc(shared_data / "mdoc" / name)
    width, height = mdoc.image_size_xy or (16, 12)
    shape_yx = (max(height // 256, 1), max(width // 256, 1))
    text = (shared_data / "mdoc" / name).read_text()
    small = tmp_path / "TS.mdoc"
    small.write_text(re.sub(r"ImageSize = .*", f"ImageSize = {shape_yx[1]} {shape_yx[0]}", text))
    for s in mdoc.sections:
        frames_tyx = np.ones((s.n_sub_frames, *shape_yx), np.uint8)
        as_tiff = write_tiff_movie(tmp_path / "m.tif", frames_tyx, 1.0)
        if s.sub_frame_name.endswith(".tif"):
            shutil.copy(as_tiff, tmp_path / s.sub_frame_name)
        else:
            with mrcfile.new(tmp_path / s.sub_frame_name, frames_tyx):
                pass
    got = read_movie_set(small, **given)
    tilts = [m.nominal_tilt_deg for m in got.movies]
    assert len(tilts) == n_tilts
    assert tilts == sorted(tilts)
    assert sorted(m.acquisition_order for m in got.movies) == list(range(n_tilts))
    if name.endswith("017.mdoc"):
        np.testing.assert_allclose(tilts, np.loadtxt(shared_data / "mdoc/cryocat_TS_017/017.tlt"), atol=0.006)
        after = [m.dose_before_e_per_angstrom2 + m.dose_e_per_angstrom2 for m in got.movies]
        corrected = np.loadtxt(shared_data / "mdoc/cryocat_TS_017/017_corrected_dose.txt")
        np.testing.assert_allclose(after, corrected, atol=0.01)
        assert got.nominal_tilt_axis_deg == 82.9
    if name.endswith("tilt_series.mdoc"):
        assert got.movies[20].nominal_tilt_deg == 0.000999877
        assert got.movies[20].acquisition_order == 0
        assert noted(got, "no voltage")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("raw/TS_01.mrc.mdoc", "TS-01"),
        ("TS 01.mdoc", "TS-01"),
        ("a__b.st.MDOC", "a-b"),
        ("lamella_3.1_x.eer.mdoc", "lamella-3.1-x"),
        ("_.mdoc", "series"),
        ("Größe_1.mdoc", "Gr-e-1"),
    ],
)
def test_run_names_are_safe_for_copick(path, name):
    assert run_name(path) == name


def test_a_run_name_that_copick_would_refuse(raw):
    assert read_movie_set(raw.mdoc, run="TS-7").run == "TS-7"
    with pytest.raises(ParameterError, match="TS_7"):
        read_movie_set(raw.mdoc, run="TS_7")


def test_importing_formats_is_quick():
    import subprocess
    import sys

    code = (
        "import sys, tomoset.formats.serialem_import, tomoset.formats.serialem_export\n"
        "print([m for m in ('tifffile', 'mrcfile', 'mdocfile', 'pandas', 'scipy', 'torch') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
