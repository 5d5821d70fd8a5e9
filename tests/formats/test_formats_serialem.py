"""A SerialEM or Tomo 5 series comes in whole; what it lacks is noted, what contradicts itself is refused."""

import re
import shutil

import mrcfile
import numpy as np
import pytest
from serialem_series import DOSE, HEADER, SHAPE_YX, SUB_FRAME, TILTS, Raw, frames, noted

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.mdoc import read_mdoc, write_mdoc
from tomoset.formats.movies import write_gain, write_tiff_movie
from tomoset.formats.serialem_export import ScopeSettings, movie_set_mdoc
from tomoset.formats.serialem_import import read_movie_set, run_name
from tomoset.model import InMemory, Movie, MovieSet, Optics


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


def test_a_reference_that_the_mdoc_names_is_asked_for(raw):
    raw.write(GainReference=r"X:\ref\SuperRef_1.dm4")
    assert noted(read_movie_set(raw.mdoc), r"although SuperRef_1\.dm4 is named as theirs: give it \(--gain\)")


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


# ---- movies and gain ----


def test_missing_movies_are_counted_and_the_first_named(raw):
    for index in (0, 1, 2, 4):
        raw.movie(index).unlink()
    with pytest.raises(
        InputMissingError, match=r"5 movies.*4 are not there: TS 01_000\.tif .*, TS 01_004\.tif \(6°\);"
    ):
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
    other = write_gain(raw.folder / "gain.mrc", np.ones((24, 30)), 2.5)
    with pytest.raises(FormatError, match=r"gain\.mrc: expected .*\(12, 16\).*found \(24, 30\)"):
        read_movie_set(raw.mdoc, gain_path=other)
    turned = write_gain(raw.folder / "turned.mrc", np.ones(SHAPE_YX[::-1]), 5.0)
    with pytest.raises(FormatError, match="fit turned: give --gain-orientation 1, 3, 5, 7"):
        read_movie_set(raw.mdoc, gain_path=turned)


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


def test_every_other_real_mdoc_is_refused_in_one_paragraph(shared_data):
    """None of them comes with its movies here; whatever an mdoc describes, it is told what is missing."""
    n = 0
    for path in sorted((shared_data / "mdoc").rglob("*.mdoc")):
        with pytest.raises(
            (FormatError, InputMissingError), match=r"expected .* found|expected .* are not there"
        ) as error:
            read_movie_set(path)
        assert "\n" not in str(error.value)
        n += 1
    assert n == 14


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
        # Its frame doses are per raw frame of an EER, seven times too small for these sums: shares only.
        first = next(m for m in got.movies if m.name == "017_01.mrc")
        shares = np.array([0.023687] * 3 + [0.035531] * 7)
        np.testing.assert_allclose(first.frame_dose_e_per_angstrom2, 2.23843 * shares / shares.sum())
        assert noted(got, "does not add up to the dose of 60 tilts")
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
