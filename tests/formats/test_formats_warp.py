"""Warp's files: signs against Warp's own projection, written down here a second time."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, GeometryError, InputMissingError
from tomoset.formats.warp_tomostar import Tomostar, read_tomostar, write_tomostar
from tomoset.formats.warp_xml import WarpSeries, is_warp_series, read_warp_xml, write_warp_xml
from tomoset.geometry import TiltGeometry


def some_geometry(x_tilt: float = 0.0) -> TiltGeometry:
    rng = np.random.default_rng(1)
    return TiltGeometry(
        y_tilt_deg=np.linspace(-48, 51, 7),
        z_rot_deg=rng.normal(85.3, 0.4, 7),
        shift_xy_angstrom=rng.normal(0, 40, (7, 2)),
        x_tilt_deg=np.full(7, x_tilt),
    )


def warp_projects(angle: float, axis: float, level_x: float, offset: np.ndarray, point: np.ndarray) -> np.ndarray:
    """WarpLib/TiltSeries.cs: Euler(0, angle, −axis) (RELION's matrix) · RotX(level), plus the offset."""
    t, p = np.deg2rad(angle), np.deg2rad(-axis)
    euler = np.array(
        [
            [np.cos(p) * np.cos(t), np.sin(p), -np.cos(p) * np.sin(t)],
            [-np.sin(p) * np.cos(t), np.cos(p), np.sin(p) * np.sin(t)],
            [np.sin(t), 0.0, np.cos(t)],
        ]
    )
    c, s = np.cos(np.deg2rad(level_x)), np.sin(np.deg2rad(level_x))
    level = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    return (euler @ level @ point)[:2] + offset


BEAD = np.array([210.0, -330.0, 140.0])


def test_a_bead_is_where_warp_sees_it(tmp_path: Path) -> None:
    geometry = some_geometry(x_tilt=2.0)
    series = WarpSeries(geometry=geometry, use=np.ones(7, dtype=bool), dose_before_e_per_angstrom2=np.arange(7.0))
    write_warp_xml(tmp_path / "a.xml", series)
    text = (tmp_path / "a.xml").read_text()

    def column(name: str) -> list[float]:
        return [float(v) for v in text.split(f"<{name}>")[1].split("<")[0].split()]

    level = float(text.split('LevelAngleX="')[1].split('"')[0])
    rows = zip(*(column(n) for n in ("Angles", "AxisAngle", "AxisOffsetX", "AxisOffsetY")), strict=True)
    seen = [warp_projects(angle, axis, level, np.array([x, y]), BEAD) for angle, axis, x, y in rows]
    np.testing.assert_allclose(geometry.project(BEAD)[:, 0], seen, atol=1e-4)


def test_xml_comes_back(tmp_path: Path) -> None:
    series = WarpSeries(
        geometry=some_geometry(1.5),
        use=np.array([True] * 6 + [False]),
        dose_before_e_per_angstrom2=np.arange(7) * 3.0,
        movie_names=tuple(f"../frames/{i} a.eer" for i in range(7)),
        defocus_hand=-1,
        image_size_angstrom_xy=(4000.0, 3000.0),
    )
    back = read_warp_xml(write_warp_xml(tmp_path / "a.xml", series))
    np.testing.assert_allclose(back.geometry.project(BEAD), series.geometry.project(BEAD), atol=1e-4)
    np.testing.assert_array_equal(back.use, series.use)
    np.testing.assert_allclose(back.dose_before_e_per_angstrom2, series.dose_before_e_per_angstrom2)
    assert back.movie_names == series.movie_names
    assert back.defocus_hand == -1
    assert back.image_size_angstrom_xy == (4000.0, 3000.0)
    assert back.volume_size_angstrom_xyz is None
    assert is_warp_series(tmp_path / "a.xml")


def test_movement_and_a_constant_warp_are_part_of_the_shift(tmp_path: Path) -> None:
    grid = '<{0} Width="1" Height="1" Depth="{1}"{2}>{3}</{0}>'
    moved = "".join(f'<Node X="0" Y="0" Z="{z}" Value="{v}"/>' for z, v in enumerate((3.0, -4.0)))
    constant = '<Node Value="10"/><Node Value="10"/>'
    (tmp_path / "a.xml").write_text(
        "<TiltSeries><Angles>30\n-20</Angles><AxisAngle>80\n80</AxisAngle><AxisOffsetX>1\n2</AxisOffsetX>"
        + grid.format("GridMovementX", 2, "", moved)
        + grid.format("GridVolumeWarpZ", 1, ' Duration="2"', constant)
        + "</TiltSeries>"
    )
    series = read_warp_xml(tmp_path / "a.xml")
    lifted = BEAD + np.array([0.0, 0.0, 10.0])
    for i, (angle, x) in enumerate(((30.0, 1.0 - 3.0), (-20.0, 2.0 + 4.0))):
        expected = warp_projects(angle, 80.0, 0.0, np.array([x, 0.0]), lifted)
        np.testing.assert_allclose(series.geometry.project(BEAD)[i, 0], expected, atol=1e-9)
    assert not series.left_out


def test_real_series(shared_data: Path) -> None:
    series = read_warp_xml(shared_data / "relion" / "pytom_match_pick" / "gs04_ts_003.xml")
    assert series.geometry.n_tilts == 47
    assert series.use.all()
    assert series.movie_names[0].endswith("_-46.0_17.14.00.eer")
    assert series.geometry.y_tilt_deg[0] == -46.0  # Warp's 46
    np.testing.assert_allclose(series.geometry.shift_xy_angstrom[0], [-10.848754, 38.199642])
    assert not series.left_out
    refined = read_warp_xml(shared_data / "mdoc" / "cryocat_TS_017" / "017.xml")  # UTF-16, refined in M
    assert refined.geometry.n_tilts == 60
    assert {"GridMovementX", "GridAngleX", "GridVolumeWarpZ"} <= set(refined.left_out)
    assert not is_warp_series(shared_data / "labels" / "membrain" / "T1S4M8.xml")


def test_tomostar_comes_back_sorted(tmp_path: Path) -> None:
    geometry = some_geometry().select([3, 0, 6, 1])
    star = Tomostar(
        movie_names=("d.eer", "a.eer", "g.eer", "../x/b.eer"),
        geometry=geometry,
        dose_before_e_per_angstrom2=np.array([0.0, 9.0, 6.0, 3.0]),
        masked_fraction=np.array([0.0, 0.1, 0.2, 0.3]),
    )
    back = read_tomostar(write_tomostar(tmp_path / "a.tomostar", star))
    order = np.argsort(geometry.y_tilt_deg)
    assert back.movie_names == tuple(star.movie_names[i] for i in order)
    np.testing.assert_allclose(back.geometry.project(BEAD), geometry.select(order).project(BEAD), atol=1e-3)
    np.testing.assert_allclose(back.dose_before_e_per_angstrom2, [9.0, 3.0, 0.0, 6.0])
    np.testing.assert_allclose(back.masked_fraction, [0.1, 0.3, 0.0, 0.2])
    assert back.average_intensity is None
    assert back.has_shifts
    text = (tmp_path / "a.tomostar").read_text()
    assert "_wrpAngleTilt" in text
    assert "\ndata_\n" in text


TS_IMPORT = """
data_

loop_
_wrpMovieName #1
_wrpAngleTilt #2
_wrpAxisAngle #3
_wrpDose #4
_wrpAverageIntensity #5
_wrpMaskedFraction #6
  ../frameseries/a_031_-45.00_EER.eer   45.01  83.940       116.1  14.586  0.000
  ../frameseries/a_028_-42.00_EER.eer   42.01  83.940      104.49  15.289  0.000
"""


def test_a_file_of_ts_import_holds_no_shifts(tmp_path: Path) -> None:
    (tmp_path / "a.tomostar").write_text(TS_IMPORT)
    star = read_tomostar(tmp_path / "a.tomostar")
    assert not star.has_shifts
    np.testing.assert_allclose(star.geometry.y_tilt_deg, [-45.01, -42.01])
    np.testing.assert_allclose(star.average_intensity, [14.586, 15.289])


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    bent = some_geometry()
    tilted = some_geometry(3.0)
    star = Tomostar(movie_names=("a b.eer",) * 7, geometry=bent, dose_before_e_per_angstrom2=np.zeros(7))
    with pytest.raises(GeometryError, match="without blanks"):
        write_tomostar(tmp_path / "a.tomostar", star)
    with pytest.raises(GeometryError, match="tilt about x"):
        write_tomostar(
            tmp_path / "a.tomostar",
            Tomostar(movie_names=("a",) * 7, geometry=tilted, dose_before_e_per_angstrom2=np.zeros(7)),
        )
    with pytest.raises(InputMissingError):
        read_warp_xml(tmp_path / "no.xml")
    for text, match in (
        ("<Movie/>", "found <Movie>"),
        ("<TiltSeries><Angles>1\n2</Angles><Dose>1</Dose></TiltSeries>", "expected 2 finite numbers in <Dose>"),
        ("<TiltSeries><Angles>1\nx</Angles></TiltSeries>", "numbers in <Angles>"),
        ("no xml", "Warp's XML"),
    ):
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises(FormatError, match=match):
            read_warp_xml(tmp_path / "a.xml")
    (tmp_path / "b.tomostar").write_text("data_\n\nloop_\n_wrpMovieName #1\na.eer\n")
    with pytest.raises(FormatError, match="wrpMovieName and wrpAngleTilt"):
        read_tomostar(tmp_path / "b.tomostar")
