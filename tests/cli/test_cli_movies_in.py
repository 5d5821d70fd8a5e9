"""Every known way in which raw movies go wrong: a note that the user sees, or one clear paragraph and exit code 2.

Trap (threads where people met it) -> tests; those without a file are in this module.

- missing mdoc fields (emClarity, Warp 310) -> test_an_mdoc_that_lacks_something,
  test_formats_serialem_facts::test_order_falls_back_to_prior_dose_then_to_the_files_order
- unordered mdoc fields; ExposureTime before SubFramePath (AreTomo3 67) ->
  test_exposure_time_before_sub_frame_path, test_formats_mdoc::test_the_order_of_fields_does_not_matter
- Tomo 5's axis, 86.68 or 3 (Warp 183, 461) -> test_the_axis_of_tomo5,
  test_formats_serialem_facts::test_tomo5_axis_goes_with_the_rotation_angle
- another wrong axis (Warp 131, 338) -> test_formats_serialem_facts::test_tilt_axis_of_every_dialect
- sign-inverted angles (Warp 432) -> test_angles_of_the_other_sign
- dose off by one (Warp 432) -> test_formats_serialem_facts::test_a_prior_dose_that_counts_each_exposure_itself
- zero dose -> test_an_mdoc_that_lacks_something
- missing ExposureDose, Tomo 5.24 (AreTomo3 61) -> test_an_mdoc_that_lacks_something,
  test_formats_serialem_facts::test_a_tomo5_series_with_decimal_commas
- absent frames, absent frame file (Warp 431) -> test_missing_movies_are_refused_or_skipped,
  test_cli_bad_input::test_a_truncated_movie, test_formats_serialem::test_a_truncated_movie_is_named_with_its_frames
- sorted mdocs without times (Warp 310, PACEtomo 34) -> test_a_sorted_mdoc_without_times
- trailing spaces (Warp 310) -> test_trailing_spaces_and_foreign_line_ends
- locale comma (Warp 461) -> test_decimal_commas,
  test_formats_serialem_facts::test_a_tomo5_series_with_decimal_commas
- UNC and Windows SubFramePath (Warp 143) -> test_paths_of_other_systems
- FrameSet or ZValue (RELION 1135, mdocfile 13) -> test_frame_sets_are_tilts_too,
  test_formats_serialem::test_real_series_come_in_when_their_movies_are_there
- mdocs of single movies beside that of the series -> test_mdocs_of_single_movies_are_left_aside
- MontSection, montages (mdocfile 13) -> test_the_mdoc_of_something_else
- RotationAndFlip and gain flips (tomotools PR 1, scipion-em-xmipp 133, AreTomo3 33) ->
  test_a_gain_that_is_turned, test_formats_gain_reference
- reciprocal gains, zeros and infinities in it -> test_a_gain_of_odd_values, test_formats_gain_reference
- DigitalMicrograph gains -> test_formats_movies::test_what_is_no_gain_reference_is_refused
- midnight -> test_a_series_across_midnight,
  test_formats_serialem::test_a_whole_series_comes_in_sorted_with_its_facts
- dates of 12 hours -> test_dates_of_twelve_hours, test_formats_mdoc::test_hours_before_and_after_noon
- duplicated tilts -> test_a_tilt_recorded_twice, test_formats_serialem::test_tilts_recorded_twice_are_both_kept
- a movie shared by two tilts (RELION 1165) -> test_a_movie_shared_by_two_tilts
- dark tilts (AreTomo3 51, AreTomo2 17, RELION 1175) -> test_a_dark_tilt_keeps_its_row
- one tilt only -> test_one_tilt_only
- frame doses for another number of frames -> test_formats_serialem_facts::test_frame_doses_fit_or_are_noted
- EER: groups, leftovers, upside-down gains -> test_eer_movies_come_in_grouped, test_formats_eer,
  test_formats_gain_reference::test_a_falcons_mrc_reference_lies_upside_down_and_divides
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eer_encoder import write_eer
from tomoset.formats.movies import write_gain, write_tiff_movie
from tomoset.workflow.raw_files import read_raw
from tomoset.workflow.series_files import load_series

Run = Callable[..., tuple[int, str, str]]
HERE = Path(__file__).resolve()


class Import:
    """``tomoset init`` on a spoilt copy of good movies."""

    def __init__(self, tomoset: Run, raw: Path) -> None:
        self.tomoset, self.raw, self.mdoc = tomoset, raw, raw / "TS1.mdoc"
        self.project = raw.parent / "project"

    def spoil(self, *pairs: tuple[str, str]) -> None:
        text = self.mdoc.read_text()
        for pattern, replacement in pairs:
            text, n = re.subn(pattern, replacement, text, flags=re.MULTILINE)
            assert n, f"{pattern!r} is not in the mdoc"
        self.mdoc.write_text(text)

    def __call__(self, *options: object) -> tuple[int, str]:
        """Exit code, and what the user sees; a refusal leaves no project and is one paragraph."""
        code, out, error = self.tomoset("init", self.project, "--movies", self.raw / "*.mdoc", *options)
        assert "Traceback" not in error
        assert (code == 2) == bool(error), (code, out, error)
        assert code == 0 or not self.project.exists()
        return code, error or out

    def movies(self) -> Any:
        return read_raw(self.project / "Raw" / "TS1").movies


@pytest.fixture
def bring(tomoset: Run, raw: Path) -> Import:
    return Import(tomoset, raw)


def test_every_test_that_is_listed_above_exists() -> None:
    for name in re.findall(r"\btest_\w+(?:::test_\w+)?", __doc__ or ""):
        module, _, function = name.rpartition("::")
        module, function = (module, function) if module else (HERE.stem, name)
        if function.startswith(("test_formats_", "test_cli_")):
            module, function = function, ""
        (path,) = HERE.parents[1].rglob(f"{module}.py")
        assert f"def {function}" in path.read_text()


def test_good_movies_need_no_note_but_that_there_is_no_gain(bring: Import) -> None:
    code, out = bring("--gain", bring.raw / "gain.mrc")
    assert code == 0
    assert "note:" not in out
    document = json.loads((bring.project / "Raw" / "TS1" / "source.json").read_text())
    assert sorted(document) == ["gain", "mdoc"]


LACKS = [
    (r"^ExposureDose = .*$", "ExposureDose = 0", "", "doses of the frames"),  # zero dose
    (r"^ExposureDose = .*\n", "", "", "doses of the frames"),  # Tomo 5.24
    (r"^(ExposureDose|FrameDosesAndNumber) = .*\n", "", "--dose-per-tilt", "--dose-per-tilt"),
    (r"^PriorRecordDose = .*\n", "", "", "PriorRecordDose is missing"),
    (r"^DateTime = .*\n", "", "", "order of PriorRecordDose"),
    (r"^(DateTime|PriorRecordDose) = .*\n", "", "", "mdoc's own order"),
    (r"^Voltage = .*\n", "", "", "300 kV"),
    (r"^PixelSpacing = .*\n", "", "--pixel-size", "--pixel-size"),
    (r"^RotationAngle = .*\n", "", "", "source.json"),  # the title holds it
    (r"^\[T = .*\n", "", "", "RotationAngle minus 90"),
    (r"^(RotationAngle = .*|\[T = .*)\n", "", "--tilt-axis", "--tilt-axis"),
    (r"^TiltAngle = .*\n", "", "refused", "TiltAngle"),
    (r"^SubFramePath = .*\n", "", "refused", "SubFramePath"),
    (r"^NumSubFrames = .*\n", "", "", ""),
    (r"^TargetDefocus = .*\n", "", "", ""),
]


@pytest.mark.parametrize(("pattern", "replacement", "mended_by", "said"), LACKS)
def test_an_mdoc_that_lacks_something(bring: Import, pattern: str, replacement: str, mended_by: str, said: str) -> None:
    """A note names the fallback; what no file tells is asked for, and then taken."""
    bring.spoil((pattern, replacement))
    code, seen = bring()
    assert code == (2 if mended_by else 0)
    if said != "source.json":
        assert said in seen
    if mended_by.startswith("--"):
        value = {"--dose-per-tilt": 3.0, "--pixel-size": 4.0, "--tilt-axis": 85.3}[mended_by]
        assert bring(mended_by, value)[0] == 0
    if not mended_by or mended_by.startswith("--"):
        assert [m.dose_before_e_per_angstrom2 for m in bring.movies()] == pytest.approx([6.0, 0.0, 3.0])
        assert [m.acquisition_order for m in bring.movies()] == [2, 0, 1]


def test_exposure_time_before_sub_frame_path(bring: Import) -> None:
    bring.spoil((r"^(SubFramePath = .*)\n(ExposureTime = .*)$", r"\2\n\1"))
    assert bring()[0] == 0
    assert [m.exposure_time_s for m in bring.movies()] == [1.0] * 3
    assert [m.name for m in bring.movies()] == ["m_2.tif", "m_0.tif", "m_1.tif"]


@pytest.mark.parametrize(
    ("title", "rotation", "axis"), [(-86.68, 176.68, "86.68"), (-86.68, -3.32, "-3.32"), (-86.68, 3.32, "-86.68")]
)
def test_the_axis_of_tomo5(bring: Import, title: float, rotation: float, axis: str) -> None:
    """What TiltAxisAngle means follows from RotationAngle, as in IMOD; the note says it, and how to say otherwise."""
    bring.spoil(
        (r"^\[T =     Tilt axis angle.*$", f"[T =   TiltAxisAngle = {title}  Binning = 1  SpotSize = 6]"),
        (r"^RotationAngle = .*$", f"RotationAngle = {rotation}"),
    )
    code, out = bring()
    assert code == 0
    assert f"means a tilt axis of {axis} degrees" in out
    assert "--tilt-axis" in out


def test_angles_of_the_other_sign(bring: Import) -> None:
    for order, tilt in ((0, 0.0), (1, 3.0), (2, -3.0)):
        (bring.raw / f"m_{order}.tif").rename(bring.raw / f"TS1_00{order}_{tilt:.1f}_x.tif")
        bring.spoil((rf"m_{order}\.tif", f"TS1_00{order}_{tilt:.1f}_x.tif"))
    _, out = bring("--gain", bring.raw / "gain.mrc")
    assert "note:" not in out
    assert [m.nominal_tilt_deg for m in bring.movies()] == [-3, 0, 3]
    bring.project.rename(bring.raw.parent / "first")
    code, out = bring("--invert-tilts")
    assert code == 0
    assert "the other sign" in out
    assert [m.name for m in bring.movies()] == ["TS1_001_3.0_x.tif", "TS1_000_0.0_x.tif", "TS1_002_-3.0_x.tif"]
    assert [m.nominal_tilt_deg for m in bring.movies()] == [-3, 0, 3]


def test_missing_movies_are_refused_or_skipped(bring: Import) -> None:
    (bring.raw / "m_1.tif").unlink()
    code, error = bring()
    assert code == 2
    assert "m_1.tif (3°)" in error
    assert "--skip-missing" in error
    code, out = bring("--skip-missing")
    assert code == 0
    assert "1 of 3 movies are not there, their tilts were skipped: m_1.tif (3°)." in out
    assert [(m.nominal_tilt_deg, m.acquisition_order) for m in bring.movies()] == [(-3, 1), (0, 0)]
    assert [m.dose_before_e_per_angstrom2 for m in bring.movies()] == [6.0, 0.0]  # what was skipped did its damage
    code, plan, error = bring.tomoset("plan", bring.project, "--json")
    assert (code, error) == (0, "")
    assert json.loads(plan)[0]["run"] == "TS1"


def test_no_movie_at_all_is_refused_even_so(bring: Import) -> None:
    for path in bring.raw.glob("m_*.tif"):
        path.unlink()
    code, error = bring("--skip-missing")
    assert code == 2
    assert "3 are not there" in error


def test_a_sorted_mdoc_without_times(bring: Import) -> None:
    bring.spoil((r"^DateTime = .*\n", ""))
    header, *sections = bring.mdoc.read_text().split("[ZValue")
    sections.sort(key=lambda s: float(re.search(r"TiltAngle = (\S+)", s)[1]))  # type: ignore[index]
    bring.mdoc.write_text("[ZValue".join([header, *sections]))
    code, out = bring()
    assert code == 0
    assert "order of PriorRecordDose" in out
    assert [m.acquisition_order for m in bring.movies()] == [2, 0, 1]


def test_trailing_spaces_and_foreign_line_ends(bring: Import) -> None:
    lines = bring.mdoc.read_text().splitlines()
    bring.mdoc.write_bytes("".join(f"{line}   \t\r\n" for line in lines).encode())
    assert bring("--gain", bring.raw / "gain.mrc")[0] == 0
    assert len(bring.movies()) == 3


def test_decimal_commas(bring: Import) -> None:
    bring.spoil((r"(?<= )(-?\d+)\.(\d+)", r"\1,\2"), (r"^PixelSpacing = 4$", "PixelSpacing = 4,00"))
    assert bring("--gain", bring.raw / "gain.mrc")[0] == 0
    assert [m.nominal_tilt_deg for m in bring.movies()] == [-3, 0, 3]


@pytest.mark.parametrize(
    "folder", ["X:\\data\\frames\\", "\\\\\\\\server\\share\\\\frames\\", "/mnt/x y/", "X:/mixed\\"]
)
def test_paths_of_other_systems(bring: Import, folder: str) -> None:
    text = bring.mdoc.read_text().replace("SubFramePath = ", f"SubFramePath = {folder}")
    bring.mdoc.write_text(text)
    assert bring()[0] == 0
    assert len(bring.movies()) == 3


def test_frame_sets_are_tilts_too(bring: Import) -> None:
    bring.spoil((r"^\[ZValue", "[FrameSet"))
    assert bring()[0] == 0
    assert len(bring.movies()) == 3


def test_mdocs_of_single_movies_are_left_aside(bring: Import) -> None:
    text = bring.mdoc.read_text()
    one = text[text.index("[ZValue = 1]") : text.index("[ZValue = 2]")].replace("ZValue = 1", "FrameSet = 0")
    (bring.raw / "m_1.tif.mdoc").write_text(text[: text.index("[ZValue = 0]")] + one)
    code, out = bring()
    assert code == 0
    assert "1 mdoc files of single movies were left aside (m_1.tif.mdoc is the first)" in out
    assert len(bring.movies()) == 3
    bring.project.rename(bring.raw.parent / "first")
    bring.mdoc.unlink()
    code, out = bring()
    assert "This is the mdoc of one movie; import that of the whole series" in out


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        (r"^(TiltAngle = 3)$", r"\1\nPieceCoordinates = 10 20 0", "montage"),
        (r"^\[ZValue", "[MontSection", "found none"),
        (r"^(TiltAngle = 3)$", r"\1\nFrameTSStartEndFrames = 4 8", "one movie over all tilts"),
    ],
)
def test_the_mdoc_of_something_else(bring: Import, pattern: str, replacement: str, said: str) -> None:
    bring.spoil((pattern, replacement))
    code, error = bring()
    assert code == 2
    assert said in error


def test_a_gain_that_is_turned(bring: Import) -> None:
    values = np.random.default_rng(2).normal(1, 0.1, (48, 32)).astype(np.float32)
    write_gain(bring.raw / "turned.mrc", values, 4.0)
    code, error = bring("--gain", bring.raw / "turned.mrc")
    assert code == 2
    assert "--gain-orientation 1, 3, 5, 7" in error
    code, error = bring("--gain", bring.raw / "turned.mrc", "--gain-orientation", "9")
    assert code == 2
    assert "auto or a code 0 to 7" in error
    code, out = bring("--gain", bring.raw / "turned.mrc", "--gain-orientation", 3)
    assert code == 0
    assert "turned by 270° counter-clockwise" in out
    folder = bring.project / "Raw" / "TS1"
    assert json.loads((folder / "source.json").read_text())["gain_orientation"] == 3
    gain = read_raw(folder).gain_yx
    assert gain is not None
    np.testing.assert_array_equal(gain.read(), np.rot90(values))  # clockwise where row 0 is on top


def test_rotation_and_flip_is_told(bring: Import) -> None:
    bring.spoil((r"^(TiltAngle = .*)$", r"\1\nRotationAndFlip = 4"))
    _, out = bring("--gain", bring.raw / "gain.mrc")
    assert "RotationAndFlip is 4 (mirrored left to right)" in out
    assert "--gain-orientation 4" in out


def test_a_gain_of_odd_values(bring: Import) -> None:
    values = np.full((32, 48), 2.0, np.float32)
    values[3, 3:5] = 0, np.nan
    write_gain(bring.raw / "odd.mrc", values, 4.0)
    code, out = bring("--gain", bring.raw / "odd.mrc", "--gain-use", "divide")
    assert code == 0
    assert "divide" in out
    assert "not finite" in out
    assert "1 values of the gain reference are 0" in out
    gain = read_raw(bring.project / "Raw" / "TS1").gain_yx
    assert gain is not None
    assert sorted(set(gain.read().ravel().tolist())) == [0.0, 1.0]
    bring.project.rename(bring.raw.parent / "first")
    code, error = bring("--gain", bring.raw / "odd.mrc", "--gain-use", "add")
    assert code == 2
    assert "auto, multiply or divide" in error


def test_a_series_across_midnight(bring: Import) -> None:
    bring.spoil(
        (r"01-Jan-25  00:00:00$", "31-Dec-24  23:58:00"),
        (r"01-Jan-25  00:01:00$", "31-Dec-24  23:59:30"),
        (r"^PriorRecordDose = .*\n", ""),
    )
    assert bring()[0] == 0
    assert [m.acquisition_order for m in bring.movies()] == [2, 0, 1]
    assert [m.dose_before_e_per_angstrom2 for m in bring.movies()] == pytest.approx([6.0, 0.0, 3.0])


@pytest.mark.parametrize("mark", [" AM", ""])
def test_dates_of_twelve_hours(bring: Import, mark: str) -> None:
    """From 12:58 to 1:02 at night: AM and PM are understood, and without them the dose tells the order."""
    for minute, text in (("00", "12:58:00"), ("01", "12:59:30"), ("02", "1:02:00")):
        bring.spoil((rf"01-Jan-25  00:{minute}:00$", f"01-Jan-25  {text}{mark}"))
    code, out = bring()
    assert code == 0
    assert ("a clock of 12 hours" in out) == (not mark)
    assert [m.acquisition_order for m in bring.movies()] == [2, 0, 1]


def test_a_tilt_recorded_twice(bring: Import) -> None:
    bring.spoil((r"^TiltAngle = -3$", "TiltAngle = 3.01"))
    code, out = bring()
    assert code == 0
    assert "recorded more than once, all kept: 3.01 degrees" in out
    assert [m.acquisition_order for m in bring.movies()] == [0, 1, 2]


def test_a_movie_shared_by_two_tilts(bring: Import) -> None:
    bring.spoil((r"m_2\.tif", "m_1.tif"))
    code, error = bring()
    assert code == 2
    assert "named by more than one tilt (m_1.tif)" in error


def test_what_is_not_for_a_simulation_is_refused_there(bring: Import, tomoset: Run) -> None:
    for option in ("--skip-missing", "--invert-tilts"):
        code, _, error = tomoset("init", bring.project, "--recipe", "tiny", option)
        assert code == 2
        assert f"expected {option} together with --movies" in error


def with_images(bring: Import, electrons: tuple[float, ...] = (5.0, 5.0, 5.0)) -> None:
    """Frames that are large enough for every stage, of so many electrons a pixel."""
    for order, mean in enumerate(electrons):
        frames = np.random.default_rng(order).poisson(mean, (3, 128, 160)).astype(np.uint8)
        write_tiff_movie(bring.raw / f"m_{order}.tif", frames, 4.0)
    bring.spoil((r"^ImageSize = .*$", "ImageSize = 160 128"))


def test_one_tilt_only(bring: Import, tomoset: Run) -> None:
    """It comes in with a note; the stage that needs more tilts says so in one paragraph."""
    with_images(bring)
    text = bring.mdoc.read_text()
    bring.mdoc.write_text(text[: text.index("[ZValue = 1]")])
    code, out = bring()
    assert code == 0
    assert "one tilt only; it cannot be reconstructed" in out
    code, _, error = tomoset("run", bring.project, "--json")
    assert code == 2
    assert "Traceback" not in error
    assert re.search(r"TS1: expected at least \d+ used tilts to align, found 1", error)
    assert "\n\n" not in error


def test_a_dark_tilt_keeps_its_row(bring: Import, tomoset: Run) -> None:
    with_images(bring, (5.0, 0.02, 5.0))
    assert bring()[0] == 0
    code, _, error = tomoset("run", bring.project, "--until", "images", "--json")
    assert (code, error) == (0, "")
    series = load_series(bring.project / "TiltSeries" / "TS1", "motion.json")
    assert [(tilt.nominal_tilt_deg, tilt.use) for tilt in series.tilts] == [(-3, True), (0, True), (3, False)]
    assert "dark" in series.tilts[2].reason


def test_eer_movies_come_in_grouped(bring: Import) -> None:
    for order in range(3):
        frames = np.random.default_rng(order).random((26, 32, 48)) < 0.1
        write_eer(bring.raw / f"m_{order}.eer", frames)
    bring.spoil((r"\.tif$", ".eer"), (r"^(NumSubFrames|FrameDosesAndNumber) = .*\n", ""))
    code, out = bring()
    assert code == 0
    assert "6 frames a tilt of 4 to 5 raw frames each; none was left out" in out
    assert [m.frames_tyx.shape for m in bring.movies()] == [(6, 32, 48)] * 3
    bring.project.rename(bring.raw.parent / "first")
    code, out = bring("--eer-frames", 4)
    assert "7 frames a tilt of 2 to 4 raw frames" in out
    bring.project.rename(bring.raw.parent / "second")
    code, out = bring("--eer-dose", 1.5)
    assert "4 frames a tilt of 6 to 7" in out
    bring.project.rename(bring.raw.parent / "third")
    code, error = bring("--eer-dose", 0)
    assert code == 2
    assert "positive dose per group" in error
