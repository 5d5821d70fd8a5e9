"""Every mdoc dialect is read, and written back without loss."""

# ruff: noqa: DTZ001 (the files name no time zone)

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, InputMissingError, OutputError
from tomoset.formats.mdoc import Mdoc, MdocSection, format_mdoc, parse_mdoc, read_mdoc, write_mdoc

# (sections, kinds, titles, first tilt angle) counted by eye and grep in the files themselves.
REAL = {
    "mdocfile/tilt_series.mdoc": (41, {"ZValue"}, 2, 0.000999877),
    "mdocfile/frame_set_single.mdoc": (1, {"FrameSet"}, 1, 32.984),
    "mdocfile/frame_set_multiple.mdoc": (21, {"FrameSet", "ZValue"}, 1, 32.986),
    "mdocfile/montage_section.mdoc": (63, {"ZValue", "MontSection"}, 2, -0.00654056),
    "mdocfile/montage_section_multiple.mdoc": (100, {"ZValue", "MontSection"}, 2, -0.0219973),
    "murfey/test_1.mdoc": (11, {"ZValue"}, 2, -0.00949884),
    "cryocat_TS_017/017.mdoc": (60, {"ZValue"}, 2, -52.0064),
    "etspy/SerialEM_MultiTilt_Test/test_000.mdoc": (2, {"ZValue"}, 2, -0.000488),
}


def section(*lines):
    return parse_mdoc("[ZValue = 0]\n" + "\n".join(lines)).sections[0]


@pytest.mark.parametrize("name", REAL)
def test_real_files_hold_what_they_hold(shared_data, name):
    n_sections, kinds, n_titles, first_tilt = REAL[name]
    mdoc = read_mdoc(shared_data / "mdoc" / name)
    assert len(mdoc.sections) == n_sections
    assert {s.kind for s in mdoc.sections} == kinds
    assert len(mdoc.titles) == n_titles
    assert mdoc.sections[0].tilt_deg == first_tilt


def test_every_real_file_comes_back_word_for_word(shared_data, tmp_path):
    paths = sorted((shared_data / "mdoc").rglob("*.mdoc"))
    assert len(paths) == 14
    for path in paths:
        mdoc = read_mdoc(path)
        again = write_mdoc(tmp_path / "again.mdoc", mdoc)
        assert read_mdoc(again) == mdoc
        # Blank lines, trailing blanks, the brackets and the place of a bare title may differ; no word may.
        original = [
            re.sub(r"^T = (.*)$", r"[T = \1]", ln.strip()) for ln in path.read_text().splitlines() if ln.strip()
        ]
        written = [ln.strip() for ln in again.read_text().splitlines() if ln.strip()]
        assert sorted(written) == sorted(original), path
        body = next(i for i, line in enumerate(original) if re.match(r"\[[FZM]", line))
        assert written[body:] == original[body:], path


def test_typed_values_of_a_krios_series(shared_data):
    mdoc = read_mdoc(shared_data / "mdoc/cryocat_TS_017/017.mdoc")
    first = mdoc.sections[0]
    assert mdoc.voltage_kv == 300
    assert mdoc.image_size_xy == (4096, 4096)
    assert first.exposure_dose_e_per_angstrom2 == 2.23843
    assert first.prior_dose_e_per_angstrom2 == 134.379
    assert first.sub_frame_name == "017_01.mrc"
    assert first.acquired_at == datetime(2023, 6, 6, 23, 19, 46)
    assert first.target_defocus_angstrom == 30_000
    assert first.pixel_spacing_angstrom == 1.971
    assert first.rotation_deg == 172.9
    assert first.n_sub_frames == 10
    assert first.frame_doses == ((0.023687, 3), (0.035531, 7))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (r"D:\DATA\Flo\frames\TS_01_000_0.0.mrc", "TS_01_000_0.0.mrc"),
        (r"\\192.168.10.81\Storage\Offload\\Scripting\x y_-3.0.eer", "x y_-3.0.eer"),
        ("/data/frames/a.tif  ", "a.tif"),
        ("a.tif", "a.tif"),
        (r"X:/mixed\b.tif", "b.tif"),
    ],
)
def test_sub_frame_name_is_the_last_component_on_any_system(path, name):
    assert section(f"SubFramePath = {path}").sub_frame_name == name


@pytest.mark.parametrize(
    "text",
    [
        "06-Jun-23  23:19:46",
        "06-Jun-2023 23:19:46",
        "06-JUN-23  23:19:46",
        "6-Jun-23  23:19:46.5",
        "2023-06-06 23:19:46",
    ],
)
def test_times_of_every_spelling(text):
    assert section(f"DateTime = {text}").acquired_at.replace(microsecond=0) == datetime(2023, 6, 6, 23, 19, 46)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("06-Jun-23  11:19:46 AM", 11),
        ("06-Jun-23  11:19:46 pm", 23),
        ("06-Jun-2023 12:19:46 a.m.", 0),
        ("06-Jun-23  12:19:46PM", 12),
        ("06-Jun-23  12:19:46,25", 12),
    ],
)
def test_hours_before_and_after_noon(text, hour):
    assert section(f"DateTime = {text}").acquired_at == datetime(2023, 6, 6, hour, 19, 46)


def test_unreadable_or_missing_values_are_none():
    got = section("DateTime = yesterday", "ExposureDose =", "TiltAngle = NaN")
    assert got.acquired_at is None
    assert got.exposure_dose_e_per_angstrom2 is None
    assert got.tilt_deg is None
    assert got.prior_dose_e_per_angstrom2 is None
    assert got.frame_doses == ()


def test_decimal_commas_and_exponents():
    got = section("TiltAngle = -12,5", "StagePosition = 1,25 -3,5", "Intensity = 9.37679e-005", "PixelSpacing = 2,5e-1")
    assert got.tilt_deg == -12.5
    assert got.numbers("StagePosition") == (1.25, -3.5)
    assert got.number("Intensity") == 9.37679e-5
    assert got.pixel_spacing_angstrom == 0.25


def test_the_last_of_a_duplicated_key_counts_and_none_is_lost():
    got = section("TiltAngle = 1", "Note = a", "TiltAngle = 2")
    assert got.tilt_deg == 2
    assert got.fields == (("TiltAngle", "1"), ("Note", "a"), ("TiltAngle", "2"))


def test_trailing_blanks_crlf_bom_latin1_comments_and_continued_lines(tmp_path):
    path = tmp_path / "x.mdoc"
    lines = (
        "\ufeffPixelSpacing = 1.5   ",
        "# a comment",
        "",
        "[T = SerialEM: µ  ]  ",
        "[ZValue = 0] ",
        "Note = one",
        " two",
    )
    path.write_bytes("\r\n".join(lines).encode())
    mdoc = read_mdoc(path)
    assert mdoc.pixel_spacing_angstrom == 1.5
    assert mdoc.titles == ("SerialEM: µ  ",)
    assert mdoc.sections[0].get("Note") == "one two"
    path.write_bytes("[ZValue = 0]\nNavigatorLabel = 3 µm\n".encode("latin-1"))
    assert read_mdoc(path).sections[0].get("NavigatorLabel") == "3 µm"


def test_what_is_no_mdoc_is_refused(tmp_path):
    with pytest.raises(InputMissingError, match="found none"):
        read_mdoc(tmp_path / "absent.mdoc")
    path = tmp_path / "x.mdoc"
    for content, message in ((b"", "cut off"), (b"\0\0", "binary"), (b"hello\n", "line 1"), (b"[ZValue = a]", "'a'")):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message):
            read_mdoc(path)
    with pytest.raises(FormatError, match=r"ZValue = 0.*TiltAngle.*'flat'"):
        _ = section("TiltAngle = flat").tilt_deg


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        write_mdoc(blocked / "x.mdoc", Mdoc(fields=(("Voltage", "300"),)))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


VALUES = {
    "TiltAngle": "-3.01",
    "SubFramePath": r"D:\f\m_003.tif",
    "ExposureTime": "0.5",
    "ExposureDose": "3.2",
    "PriorRecordDose": "6.4",
    "DateTime": "30-Nov-15  15:22:37",
    "TargetDefocus": "-4",
    "RotationAngle": "175.3",
    "NumSubFrames": "8",
}


@given(st.permutations(sorted(VALUES)))
def test_the_order_of_fields_does_not_matter(keys):
    got = section(*(f"{key} = {VALUES[key]}" for key in keys))
    assert [key for key, _ in got.fields] == keys
    assert got.tilt_deg == -3.01
    assert got.sub_frame_name == "m_003.tif"
    assert got.exposure_dose_e_per_angstrom2 == 3.2
    assert got.prior_dose_e_per_angstrom2 == 6.4
    assert got.acquired_at == datetime(2015, 11, 30, 15, 22, 37)
    assert got.target_defocus_angstrom == 40_000
    assert got.rotation_deg == 175.3
    assert got.n_sub_frames == 8


words = st.text("abcXYZ019.,_-µ\\:", min_size=1, max_size=12)
keys = st.text("abcXYZ", min_size=2, max_size=8)
fields = st.lists(st.tuples(keys, words), max_size=5).map(tuple)


@given(fields, st.lists(words, max_size=3), st.lists(st.tuples(st.integers(0, 99), fields), min_size=1, max_size=4))
def test_what_is_written_is_what_is_read(header, titles, sections):
    mdoc = Mdoc(
        fields=header,
        titles=tuple(titles),
        sections=tuple(MdocSection(index=index, fields=rows) for index, rows in sections),
    )
    assert parse_mdoc(format_mdoc(mdoc)) == mdoc
