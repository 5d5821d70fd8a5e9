"""IMOD's alignment files: signs and centres against IMOD's own formulas, written down here a second time."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, GeometryError, InputMissingError, PixelSizeError
from tomoset.formats.imod import (
    geometry_from_imod,
    imod_from_geometry,
    read_tlt,
    read_xf,
    unused_rows,
    write_tlt,
    write_xf,
    xf_distortion,
)
from tomoset.geometry import TiltGeometry, rotation_about

PIXEL = 5.0


def some_geometry(n=9, seed=0, x_tilt=True, axis=85.3):
    rng = np.random.default_rng(seed)
    return TiltGeometry(
        y_tilt_deg=np.linspace(-60, 60, n),
        z_rot_deg=axis + rng.normal(0, 0.5, n),
        shift_xy_angstrom=rng.normal(0, 40, (n, 2)),
        x_tilt_deg=rng.normal(0, 2, n) if x_tilt else None,
    )


def imod_aligned_position(xf, tilt_deg, xtilt_deg, position_xyz_px):
    """Where ``tilt`` looks for a point of its volume in the aligned image, pixels from the image centre.

    flib/tilt/tilt.f90: xp = x cosB + y sinA sinB + z cosA sinB, yp = y cosA − z sinA, with sinB and sinA negated on
    input; z counts the rows of its output, which run against our z.
    """
    x, y, z = position_xyz_px
    z_row = -z
    cos_b, sin_b = np.cos(np.deg2rad(tilt_deg)), -np.sin(np.deg2rad(tilt_deg))
    cos_a, sin_a = np.cos(np.deg2rad(xtilt_deg)), -np.sin(np.deg2rad(xtilt_deg))
    return np.stack([x * cos_b + y * sin_a * sin_b + z_row * cos_a * sin_b, y * cos_a - z_row * sin_a], -1)


@pytest.mark.parametrize("shape_yx", [(768, 864), (767, 863), (768, 863)])
def test_one_bead_lands_where_imod_looks_for_it(tmp_path, shape_yx):
    geometry = some_geometry()
    bead_px = np.array([101.0, -57.0, 23.0])
    imod = imod_from_geometry(geometry, PIXEL, image_shape_yx=shape_yx)
    write_xf(tmp_path / "a.xf", imod.xf)
    write_tlt(tmp_path / "a.tlt", imod.tilt_deg)
    write_tlt(tmp_path / "a.xtilt", imod.xtilt_deg)

    # our camera: pixel index of the bead in the raw images
    raw = geometry.project(bead_px * PIXEL)[:, 0] / PIXEL + np.array([n // 2 for n in shape_yx[::-1]])
    # IMOD: X' = A X + D about (N − 1) / 2, from the text on disk, parsed without our reader
    numbers = np.loadtxt(tmp_path / "a.xf")
    linear, moved = numbers[:, :4].reshape(-1, 2, 2), numbers[:, 4:]
    centre = (np.array(shape_yx[::-1]) - 1) / 2
    aligned = np.einsum("nij,nj->ni", linear, raw - centre) + moved
    expected = imod_aligned_position(imod.xf, np.loadtxt(tmp_path / "a.tlt"), np.loadtxt(tmp_path / "a.xtilt"), bead_px)
    np.testing.assert_allclose(aligned, expected, atol=1e-3)


def test_without_an_image_size_the_formula_is_that_of_aretomo3_warp_and_relion():
    geometry = some_geometry(x_tilt=False)
    xf = imod_from_geometry(geometry, PIXEL).xf
    angle = np.deg2rad(geometry.z_rot_deg)
    tx, ty = (geometry.shift_xy_angstrom / PIXEL).T
    # AreTomo3 CSaveXF.cpp: a11 = cos(−r), a12 = −sin(−r), a21 = sin(−r), a22 = cos(−r); shift = a · (−t)
    a11, a12, a21, a22 = np.cos(-angle), -np.sin(-angle), np.sin(-angle), np.cos(-angle)
    np.testing.assert_allclose(xf[:, 0, :2], np.stack([a11, a12], -1), atol=1e-12)
    np.testing.assert_allclose(xf[:, 1, :2], np.stack([a21, a22], -1), atol=1e-12)
    np.testing.assert_allclose(xf[:, 0, 2], -a11 * tx - a12 * ty, atol=1e-9)
    np.testing.assert_allclose(xf[:, 1, 2], -a21 * tx - a22 * ty, atol=1e-9)


@given(seed=st.integers(0, 200), axis=st.floats(-180, 180), sized=st.booleans())
def test_geometry_survives_the_round_trip(seed, axis, sized):
    geometry = some_geometry(seed=seed, axis=axis)
    shape = (100, 131) if sized else None
    imod = imod_from_geometry(geometry, PIXEL, image_shape_yx=shape)
    back = geometry_from_imod(imod.xf, imod.tilt_deg, PIXEL, xtilt_deg=imod.xtilt_deg, image_shape_yx=shape)
    np.testing.assert_allclose(back.image_from_specimen, geometry.image_from_specimen, atol=1e-12)
    np.testing.assert_allclose(back.shift_xy_angstrom, geometry.shift_xy_angstrom, atol=1e-9)


def test_text_keeps_a_thousandth_of_a_pixel_and_of_a_degree(tmp_path):
    imod = imod_from_geometry(some_geometry(), PIXEL)
    write_xf(tmp_path / "a.xf", imod.xf)
    write_tlt(tmp_path / "a.tlt", imod.tilt_deg)
    assert np.abs(read_xf(tmp_path / "a.xf") - imod.xf).max() <= 0.5e-4
    assert np.abs(read_tlt(tmp_path / "a.tlt", n_tilts=9) - imod.tilt_deg).max() <= 0.5e-4


def test_unused_tilts_become_identity_rows_and_are_recognised(tmp_path):
    geometry = some_geometry(x_tilt=False)
    use = np.ones(9, bool)
    use[[0, 8]] = False
    imod = imod_from_geometry(geometry, PIXEL, use=use)
    np.testing.assert_array_equal(imod.xf[0], np.eye(2, 3))
    assert unused_rows(imod.xf).tolist() == (~use).tolist()
    back = geometry_from_imod(imod.xf, imod.tilt_deg, PIXEL)
    np.testing.assert_allclose(back.z_rot_deg[~use], np.median(back.z_rot_deg[use]))
    np.testing.assert_array_equal(back.shift_xy_angstrom[~use], 0)
    np.testing.assert_allclose(back.shift_xy_angstrom[use], geometry.shift_xy_angstrom[use])


def test_the_reference_view_of_an_unrotated_series_is_not_unused():
    geometry = TiltGeometry(
        y_tilt_deg=[-3.0, 0, 3], z_rot_deg=np.zeros(3), shift_xy_angstrom=[[5.0, 5], [0, 0], [-5, 5]]
    )
    assert not unused_rows(imod_from_geometry(geometry, PIXEL).xf).any()
    assert not unused_rows(np.tile(np.eye(2, 3), (4, 1, 1))).any()  # a stack that is aligned already


def test_every_shared_alignment_reads_with_as_many_rows_in_all_files(shared_data):
    pairs = 0
    for file in sorted((shared_data / "imod").rglob("*.xf")):
        if "local" in file.name:
            with pytest.raises(FormatError, match="expected six numbers"):
                read_xf(file)
            continue
        xf = read_xf(file)
        magnification, anisotropy = xf_distortion(xf)
        assert np.all(np.abs(magnification - 1) < 0.01)
        assert np.all(anisotropy < 1.02)
        for suffix in (".tlt", ".rawtlt", ".xtilt"):
            angles = file.with_suffix(suffix)
            if angles.is_file():
                assert len(read_tlt(angles, n_tilts=len(xf))) == len(xf)
        if file.with_suffix(".tlt").is_file():
            pairs += 1
            geometry = geometry_from_imod(xf, read_tlt(file.with_suffix(".tlt")), 1.0)
            # what the peer does: solve A X + D = 0 for the raw position of the aligned centre
            np.testing.assert_allclose(
                np.einsum("nij,nj->ni", xf[:, :, :2], geometry.shift_xy_angstrom) + xf[:, :, 2], 0, atol=1e-6
            )
    assert pairs >= 8


def test_shared_angle_files_read(shared_data):
    names = ["*.tlt", "*.rawtlt", "*.xtilt"]
    files = [f for folder in ("imod", "mdoc", "relion") for name in names for f in (shared_data / folder).rglob(name)]
    assert len(files) >= 15
    for file in files:
        assert len(read_tlt(file)) >= 3
    many = read_tlt(shared_data / "relion" / "pytom_match_pick" / "test_angles_multi_column.rawtlt")
    np.testing.assert_allclose(many, np.arange(-51, 52, 3))


def test_a_real_patch_tracking_alignment_goes_through_unchanged(shared_data):
    base = shared_data / "imod" / "cryoet-alignment" / "convert" / "imod_1" / "tilt_1"
    xf, tilt = read_xf(base.with_suffix(".xf")), read_tlt(base.with_suffix(".tlt"))
    xtilt = read_tlt(base.with_suffix(".xtilt"))
    geometry = geometry_from_imod(xf, tilt, 1.54, xtilt_deg=xtilt, image_shape_yx=(3708, 3832))
    again = imod_from_geometry(geometry, 1.54, image_shape_yx=(3708, 3832))
    assert np.abs(again.xf[:, :, :2] - xf[:, :, :2]).max() < 1e-6
    assert np.abs(again.xf[:, :, 2] - xf[:, :, 2]).max() < 1e-3
    np.testing.assert_array_equal(again.tilt_deg, tilt)


def test_magnification_and_skew_are_not_dropped_silently(shared_data):
    xf, tilt = read_xf(shared_data / "imod/BB/BBa.xf"), read_tlt(shared_data / "imod/BB/BBa.tlt")
    geometry = geometry_from_imod(xf, tilt, 20.2, image_shape_yx=(512, 512))
    assert geometry.magnification is not None
    assert 0.001 < np.abs(geometry.magnification - 1).max() < 0.01
    # Any point of the aligned image, taken back through A X + D, is where the geometry projects it.
    aligned = np.array([100.0, -70.0])
    specimen = np.column_stack([aligned[0] / np.cos(np.deg2rad(tilt)), np.full(61, aligned[1]), np.zeros(61)]) * 20.2
    seen = np.stack([geometry.select([i]).project(specimen[i])[0, 0] for i in range(61)]) / 20.2 + 0.5  # our centre
    np.testing.assert_allclose(np.einsum("nij,nj->ni", xf[:, :, :2], seen) + xf[:, :, 2], [aligned] * 61, atol=1e-6)
    again = imod_from_geometry(geometry, 20.2, image_shape_yx=(512, 512))
    np.testing.assert_allclose(again.xf, xf, atol=1e-9)


def test_bending_is_refused_and_magnification_is_kept() -> None:
    geometry = some_geometry(x_tilt=False)
    field = np.zeros((9, 2, 6))
    field[3, 0, 4] = 12.0
    bent = dataclasses.replace(geometry, field_xy_angstrom=field, field_unit_angstrom=3000.0)
    with pytest.raises(GeometryError, match=r"bending up to 12.0 Å at 3000 Å from the centre"):
        imod_from_geometry(bent, PIXEL)
    larger = dataclasses.replace(geometry, magnification=np.linspace(0.99, 1.01, 9))
    imod = imod_from_geometry(larger, PIXEL)
    back = geometry_from_imod(np.round(imod.xf, 7), imod.tilt_deg, PIXEL)
    np.testing.assert_allclose(back.magnification, larger.magnification, atol=1e-6)
    assert back.field_xy_angstrom is None or np.abs(back.field_xy_angstrom).max() < 1e-6
    # Three digits, as AreTomo writes, are no distortion.
    assert geometry_from_imod(np.round(imod_from_geometry(geometry, PIXEL).xf, 3), [0] * 9, 1.0).magnification is None


def test_distortion_is_measured_exactly():
    rotation = rotation_about("z", -30.0)[:2, :2]
    stretch = rotation_about("z", 10.0)[:2, :2] @ np.diag([1.03, 0.99]) @ rotation_about("z", -10.0)[:2, :2]
    xf = np.concatenate([rotation @ stretch, [[0], [0]]], axis=1)[None]
    magnification, anisotropy = xf_distortion(xf)
    assert magnification[0] == pytest.approx(np.sqrt(1.03 * 0.99))
    assert anisotropy[0] == pytest.approx(1.03 / 0.99)
    assert geometry_from_imod(xf, [0.0], 1.0).z_rot_deg[0] == pytest.approx(30.0)
    with pytest.raises(FormatError, match="mirror"):
        geometry_from_imod([[[1.0, 0, 0], [0, -1, 0]]], [0.0], 1.0)


ROW = "1 0 0 1 0 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW + "0.9 0.1 -0.1", "line 2: expected six numbers"),
        (ROW + "\n" + ROW, "line 2"),
        ("1 0 0 1 0 zero\n", "'1 0 0 1 0 zero'"),
        ("1 0 0 1 nan 0\n", "line 1"),
        ("1 0 0 1 0 0 7\n", "line 1"),
        ("0 0 0 0 0 0\n", "singular"),
        ("", "at least one row"),
        (ROW, "3 rows, one a tilt, found 1"),
    ],
)
def test_bad_xf_files_are_refused_in_one_paragraph(tmp_path, text, message):
    (tmp_path / "a.xf").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        read_xf(tmp_path / "a.xf", n_tilts=3 if text == ROW else None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "message"), [("-60\nx\n", "line 2"), ("inf\n", "line 1"), ("999\n", "±360")])
def test_bad_tilt_files_are_refused(tmp_path, text, message):
    (tmp_path / "a.tlt").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_tlt(tmp_path / "a.tlt")


def test_binary_and_missing_files_are_named(tmp_path):
    Path(tmp_path / "a.xf").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FormatError, match="binary"):
        read_xf(tmp_path / "a.xf")
    with pytest.raises(InputMissingError, match="check the path"):
        read_tlt(tmp_path / "none.tlt")


def test_what_cannot_be_written_or_converted_is_refused(tmp_path):
    geometry = some_geometry()
    with pytest.raises(PixelSizeError, match="positive pixel size"):
        imod_from_geometry(geometry, 0.0)
    with pytest.raises(GeometryError, match="9 tilts"):
        imod_from_geometry(geometry, PIXEL, use=[True])
    with pytest.raises(GeometryError, match="finite transformations"):
        write_xf(tmp_path / "a.xf", np.full((1, 2, 3), np.nan))
    with pytest.raises(GeometryError, match="finite angles"):
        write_tlt(tmp_path / "a.tlt", [np.inf])
    with pytest.raises(FormatError, match=r"9 in \.xf, 3 in \.tlt"):
        geometry_from_imod(imod_from_geometry(geometry, PIXEL).xf, [0.0, 1, 2], PIXEL)
    assert list(tmp_path.iterdir()) == []
