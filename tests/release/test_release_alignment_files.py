"""Every file of an aligned series, read back: the same geometry and defocus, every tilt accounted for, losses named."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import GeometryError
from tomoset.formats.aretomo import geometry_from_aretomo, read_aln
from tomoset.formats.ctffind import read_ctffind
from tomoset.formats.imod import geometry_from_imod, read_tlt, read_xf, unused_rows
from tomoset.formats.imod_defocus import estimates_by_view, read_imod_defocus
from tomoset.formats.portal_alignment import read_portal_alignment
from tomoset.formats.relion_star import read_series_index, read_series_star
from tomoset.formats.warp_tomostar import read_tomostar
from tomoset.formats.warp_xml import read_warp_xml
from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Tilt, TiltSeries
from tomoset.release import write_exchange_files

N, PIXEL, SHAPE = 9, 5.0, (64, 96)
UNUSED = 2
BEADS = np.random.default_rng(2).uniform(-200, 200, (15, 3))
WHOLE = "Every file holds the whole alignment.\n"


def a_series(**changes: object) -> TiltSeries:
    rng = np.random.default_rng(1)
    tilts = tuple(
        Tilt(
            name=f"a_{i}.tif",
            nominal_tilt_deg=-24.0 + 6 * i,
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=6.0,
            use=i != UNUSED,
            reason="" if i != UNUSED else "blocked: counts 0.10 of the law",
            masked_fraction=0.01 * i,
            ctf=CtfEstimate(
                defocus_u_angstrom=35000.0 + 100 * i,
                defocus_v_angstrom=34000.0 + 90 * i,
                astigmatism_deg=20.0 + i,
                score=0.3,
                resolution_angstrom=9.0,
            ),
        )
        for i in range(N)
    )
    shift = rng.normal(0, 40, (N, 2))
    shift[UNUSED] = 0
    geometry = TiltGeometry(
        y_tilt_deg=np.linspace(-24, 24, N), z_rot_deg=85 + rng.normal(0, 0.1, N), shift_xy_angstrom=shift
    )
    images = InMemory(np.zeros((N, *SHAPE), dtype=np.float32))
    made = TiltSeries(
        run="TS1",
        pixel_size_angstrom=PIXEL,
        tilts=tilts,
        images_nyx=images,
        odd_nyx=images,
        even_nyx=images,
        nominal_tilt_axis_deg=84.0,
        geometry=geometry,
        defocus_hand=-1,
    )
    return replace(made, **changes)


def bent(series: TiltSeries) -> TiltSeries:
    rng = np.random.default_rng(5)
    field = np.zeros((N, 2, 6))
    field[:, :, 3:] = rng.normal(0, 8, (N, 2, 3))
    assert series.geometry is not None
    geometry = replace(
        series.geometry,
        magnification=1 + rng.normal(0, 1e-3, N),
        field_xy_angstrom=field,
        field_unit_angstrom=240.0,
    )
    return replace(series, geometry=geometry)


def close(found: TiltGeometry, series: TiltSeries, rows: np.ndarray | None = None, px: float = 1e-3) -> None:
    assert series.geometry is not None
    rows = series.used if rows is None else rows
    moved = found.project(BEADS) - series.geometry.select(rows).project(BEADS)
    assert np.abs(moved).max() < px * PIXEL


def read_imod(folder: Path) -> tuple[TiltGeometry, np.ndarray]:
    xf = read_xf(folder / "TS1.xf", n_tilts=N)
    tilt, xtilt = (read_tlt(folder / f"TS1.{end}", n_tilts=N) for end in ("tlt", "xtilt"))
    return geometry_from_imod(xf, tilt, PIXEL, xtilt_deg=xtilt, image_shape_yx=SHAPE), ~unused_rows(xf)


def test_every_file_says_the_same(tmp_path: Path) -> None:
    series = a_series()
    paths = write_exchange_files(tmp_path, series, "TiltSeries/TS1/")
    written = {path.relative_to(tmp_path).as_posix() for path in paths}
    names = ["rawtlt", "tlt", "xtilt", "xf", "defocus", "aln", "tomostar", "xml"]
    stars = ("aligned_tilt_series.star", "tilt_series/TS1.star", "tilt_series/TS1_excluded.star")
    assert written == {
        *(f"TS1.{name}" for name in names),
        *("TS1_CTF.txt", "TS1_portal.json", "TS1_exports.txt"),
        *(f"relion/{star}" for star in stars),
    }
    assert written == {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    used = np.array([tilt.use for tilt in series.tilts])

    imod, flags = read_imod(tmp_path)
    np.testing.assert_array_equal(flags, used)
    close(imod.select(series.used), series)
    aretomo, flags = geometry_from_aretomo(read_aln(tmp_path / "TS1.aln"), PIXEL)
    np.testing.assert_array_equal(flags, used)
    close(aretomo.select(series.used), series)
    star = read_tomostar(tmp_path / "TS1.tomostar")
    assert star.movie_names == tuple(tilt.name for tilt in series.tilts if tilt.use)
    close(star.geometry, series)
    xml = read_warp_xml(tmp_path / "TS1.xml")
    np.testing.assert_array_equal(xml.use, used)
    assert xml.defocus_hand == -1
    close(xml.geometry.select(series.used), series)
    portal = read_portal_alignment(tmp_path / "TS1_portal.json", PIXEL)
    np.testing.assert_array_equal(portal.section, series.used)
    close(portal.geometry, series)
    np.testing.assert_allclose(read_tlt(tmp_path / "TS1.rawtlt"), series.nominal_tilt_deg)

    relion = read_series_star(tmp_path / "relion" / "tilt_series" / "TS1.star")
    assert [tilt.use for tilt in relion.tilts] == used.tolist()
    assert relion.tilts[UNUSED].reason == series.tilts[UNUSED].reason
    assert relion.image_names[0] == "000001@TiltSeries/TS1/TS1.mrc"
    assert relion.geometry is not None
    close(relion.geometry, series, np.arange(N))
    (entry,) = read_series_index(tmp_path / "relion" / "aligned_tilt_series.star")
    assert entry.defocus_hand == -1

    assert "TS1.tomostar: tilts that are not used have no row: a_2.tif (blocked" in exports(tmp_path)


def test_defocus_of_every_tilt(tmp_path: Path) -> None:
    series = a_series()
    write_exchange_files(tmp_path, series, "")
    table = read_ctffind(tmp_path / "TS1_CTF.txt")
    views = estimates_by_view(read_imod_defocus(tmp_path / "TS1.defocus"), N)
    assert table.defocus_hand == -1
    for tilt, line, view in zip(series.tilts, table.estimates, views, strict=True):
        assert tilt.ctf is not None
        for found, atol in ((line, 0.006), (view, 0.06)):
            assert found is not None
            assert found.defocus_u_angstrom == pytest.approx(tilt.ctf.defocus_u_angstrom, abs=atol)
            assert found.defocus_v_angstrom == pytest.approx(tilt.ctf.defocus_v_angstrom, abs=atol)
            assert found.astigmatism_deg == pytest.approx(tilt.ctf.astigmatism_deg, abs=0.006)


def exports(folder: Path) -> str:
    return (folder / "TS1_exports.txt").read_text()


def test_nothing_is_said_where_nothing_is_lost(tmp_path: Path) -> None:
    series = a_series()
    tilts = tuple(replace(tilt, use=True, reason="") for tilt in series.tilts)
    write_exchange_files(tmp_path, replace(series, tilts=tilts), "")
    assert exports(tmp_path) == WHOLE


def test_magnification_and_bending_are_kept_or_named(tmp_path: Path) -> None:
    series = bent(a_series())
    write_exchange_files(tmp_path, series, "")
    said = exports(tmp_path).splitlines()
    assert not any(line.startswith("TS1.aln") for line in said)  # patches hold both
    for name in ("TS1.tomostar", "TS1.xml", "TS1_portal.json", "TS1.star"):
        assert any(line.startswith(f"{name}: magnification up to") and "bending up to" in line for line in said), name
    assert any(line.startswith("TS1.xf: bending up to") for line in said)
    xf, _ = read_imod(tmp_path)
    assert xf.magnification is not None
    assert series.geometry is not None
    np.testing.assert_allclose(
        xf.magnification[series.used],
        series.geometry.magnification[series.used],
        atol=1e-6,  # type: ignore[index]
    )


def test_a_tilt_about_x_goes_where_it_can(tmp_path: Path) -> None:
    series = a_series()
    assert series.geometry is not None
    write_exchange_files(tmp_path, series, "")
    turned = replace(series, geometry=replace(series.geometry, x_tilt_deg=np.full(N, 1.5)))
    write_exchange_files(tmp_path, turned, "")
    said = exports(tmp_path)
    for name in ("TS1.aln", "TS1.tomostar"):
        assert f"{name} was not written" in said
        assert not (tmp_path / name).exists()  # nor is that of the earlier alignment left
    imod, _ = read_imod(tmp_path)
    close(imod.select(turned.used), turned)
    close(read_warp_xml(tmp_path / "TS1.xml").geometry.select(turned.used), turned)


def test_tilts_without_defocus(tmp_path: Path) -> None:
    series = a_series(defocus_hand=0)
    tilts = tuple(replace(tilt, ctf=None) if i == 5 else tilt for i, tilt in enumerate(series.tilts))
    write_exchange_files(tmp_path, replace(series, tilts=tilts), "")
    said = exports(tmp_path)
    assert "TS1_CTF.txt: lines of zeros for tilts without an estimate: a_5.tif" in said
    assert "TS1.star: excluded, because they have no estimate of defocus: a_5.tif" in said
    assert "TS1.star: the sign of the defocus gradient is undetermined" in said
    assert not read_series_star(tmp_path / "relion" / "tilt_series" / "TS1.star").tilts[5].use
    none = replace(series, tilts=tuple(replace(tilt, ctf=None) for tilt in series.tilts))
    write_exchange_files(tmp_path / "none", none, "")
    assert "TS1.defocus was not written" in exports(tmp_path / "none")


def test_a_series_before_alignment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="expected an aligned series"):
        write_exchange_files(tmp_path, a_series(geometry=None), "")
