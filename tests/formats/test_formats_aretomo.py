"""AreTomo's .aln: every tilt accounted for, sections from 0 or 1, the signs of AreTomo's own exporter."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, GeometryError, InputMissingError, PixelSizeError
from tomoset.formats.aretomo import (
    DarkFrame,
    aretomo_from_geometry,
    geometry_from_aretomo,
    read_aln,
    write_aln,
)
from tomoset.formats.imod import imod_from_geometry
from tomoset.geometry import TiltGeometry

PIXEL = 5.0
SHAPE = (768, 864)


def some_geometry(n=9, seed=0, order=None, axis=85.3):
    rng = np.random.default_rng(seed)
    tilt = np.linspace(-60, 60, n)
    return TiltGeometry(
        y_tilt_deg=tilt if order is None else tilt[order],
        z_rot_deg=axis + rng.normal(0, 0.3, n),
        shift_xy_angstrom=rng.normal(0, 40, (n, 2)),
    )


def test_one_bead_lands_where_aretomo_says(tmp_path):
    geometry = some_geometry()
    bead_px = np.array([310.0, -157.0, 63.0])
    write_aln(tmp_path / "a.aln", aretomo_from_geometry(geometry, PIXEL, image_shape_yx=SHAPE))
    # the table parsed without our reader; RELION's aretomo/utils.py: ROT -> ZRot, TILT -> YTilt, TX, TY -> shift
    table = np.loadtxt(tmp_path / "a.aln")
    rot, tilt = np.deg2rad(table[:, 1]), np.deg2rad(table[:, 9])
    x, y, z = bead_px
    u = x * np.cos(tilt) + z * np.sin(tilt)
    expected = np.stack([u * np.cos(rot) - y * np.sin(rot), u * np.sin(rot) + y * np.cos(rot)], -1) + table[:, 3:5]
    np.testing.assert_allclose(geometry.project(bead_px * PIXEL)[:, 0] / PIXEL, expected, atol=1e-3)


def test_the_path_to_xf_is_that_of_aretomos_own_exporter(shared_data):
    for file in sorted((shared_data / "aretomo" / "shrec21").glob("*.aln")):
        table = np.loadtxt(file)
        geometry, use = geometry_from_aretomo(read_aln(file), 10.0)
        assert use.all()
        rows = np.argsort(table[:, 0])  # CSaveXF.cpp writes line SEC of the stack
        r, t = np.deg2rad(table[rows, 1]), table[rows, 3:5]
        a11, a12, a21, a22 = np.cos(-r), -np.sin(-r), np.sin(-r), np.cos(-r)
        expected = np.stack([a11, a12, a21, a22, -a11 * t[:, 0] - a12 * t[:, 1], -a21 * t[:, 0] - a22 * t[:, 1]], -1)
        xf = imod_from_geometry(geometry, 10.0).xf
        np.testing.assert_allclose(np.concatenate([xf[:, :, :2].reshape(-1, 4), xf[:, :, 2]], 1), expected, atol=1e-9)
        np.testing.assert_array_equal(geometry.y_tilt_deg, table[rows, 9])


@given(
    seed=st.integers(0, 99),
    unused=st.sets(st.integers(0, 8), max_size=6),
    shuffled=st.booleans(),
    first=st.integers(0, 1),
)
def test_every_tilt_survives_the_round_trip(tmp_path_factory, seed, unused, shuffled, first):
    path = tmp_path_factory.mktemp("aln") / "a.aln"
    order = np.random.default_rng(seed).permutation(9) if shuffled else None
    geometry, use = some_geometry(seed=seed, order=order), np.ones(9, bool)
    use[list(unused)] = False
    written = aretomo_from_geometry(geometry, PIXEL, image_shape_yx=SHAPE, use=use, thickness_px=300)
    darks = tuple(dataclasses.replace(d, section=d.section - 1 + first) for d in written.dark_frames)
    write_aln(path, dataclasses.replace(written, first_section=first, dark_frames=darks))
    alignment = read_aln(path)
    assert alignment.first_section == first
    assert alignment.raw_size_xyn == (864, 768, 9)
    assert alignment.thickness_px == 300
    back, back_use = geometry_from_aretomo(alignment, PIXEL)
    np.testing.assert_array_equal(back_use, use)
    np.testing.assert_allclose(back.y_tilt_deg[use], geometry.y_tilt_deg[use], atol=1e-5)
    np.testing.assert_allclose(back.y_tilt_deg, geometry.y_tilt_deg, atol=0.0051)  # dark frames: two digits
    np.testing.assert_allclose(back.z_rot_deg[use], geometry.z_rot_deg[use], atol=1e-5)
    np.testing.assert_allclose(back.shift_xy_angstrom[use], geometry.shift_xy_angstrom[use], atol=1e-4 * PIXEL)
    np.testing.assert_array_equal(back.shift_xy_angstrom[~use], 0)


def text(sections, tilts, *, n, darks=""):
    rows = "".join(f"{s} 85.0 1.0 1.5 -2.5 1 1 1 0 {t}\n" for s, t in zip(sections, tilts, strict=True))
    return f"# RawSize = 100 80 {n}\n# NumPatches = 0\n{darks}# SEC ROT\n{rows}"


@pytest.mark.parametrize(
    ("sections", "darks", "first"),
    [
        ([0, 1, 2, 3], "", 0),
        ([1, 2, 3, 4], "", 1),
        ([1, 2, 3], "# DarkFrame = 3 4 9.0\n", 1),
        ([1, 2, 3], "# DarkFrame = 0 0 -6.0\n", 0),
        ([2, 3], "# DarkFrame = 0 1 -6.0\n# DarkFrame = 3 4 9.0\n", 1),
        ([1, 2], "# DarkFrame = 0 0 -6.0\n# DarkFrame = 3 3 9.0\n", 0),
    ],
)
def test_the_first_section_is_detected_from_numbers(tmp_path, sections, darks, first):
    tilts = [3 * (s - first) - 6 for s in sections]
    (tmp_path / "a.aln").write_text("Hello\n" + text(sections, tilts, n=4, darks=darks))
    alignment = read_aln(tmp_path / "a.aln")
    assert alignment.first_section == first
    geometry, use = geometry_from_aretomo(alignment, 2.0)
    np.testing.assert_array_equal(geometry.y_tilt_deg[use], tilts)
    np.testing.assert_array_equal(geometry.shift_xy_angstrom[use], [[3.0, -5.0]] * len(sections))


def test_dark_frames_of_old_files_are_placed_by_their_tilt(tmp_path):
    # old files write section 0 in every dark row; the stack here falls from +6 to −6 degrees
    darks = "# DarkFrame = 0 0 -6.0\n# DarkFrame = 4 0 6.0\n"
    (tmp_path / "a.aln").write_text(text([1, 2, 3], [3, 0, -3], n=5, darks=darks))
    geometry, use = geometry_from_aretomo(read_aln(tmp_path / "a.aln"), 2.0)
    np.testing.assert_array_equal(geometry.y_tilt_deg, [6, 3, 0, -3, -6])
    np.testing.assert_array_equal(use, [False, True, True, True, False])
    (tmp_path / "c.aln").write_text(text([2, 3, 4], [3, 0, -3], n=5, darks=darks))
    geometry, _ = geometry_from_aretomo(read_aln(tmp_path / "c.aln"), 2.0)
    np.testing.assert_array_equal(geometry.y_tilt_deg, [6, 3, 0, -3, -6])
    (tmp_path / "b.aln").write_text(text([1, 2, 3], [3, -3, 0], n=5, darks=darks))
    with pytest.raises(FormatError, match="write the section numbers"):
        geometry_from_aretomo(read_aln(tmp_path / "b.aln"), 2.0)


def test_local_rows_and_dark_frames_of_a_real_file_are_kept(shared_data, tmp_path):
    alignment = read_aln(shared_data / "imod" / "cryoet-alignment" / "test.aln")
    assert alignment.raw_size_xyn == (2032, 2032, 90)
    assert alignment.n_patches == 16
    np.testing.assert_allclose(alignment.local[1], [0, 1, -274.86, -757.91, -36.95, 11.98, 1.0])
    assert alignment.dark_frames[2] == DarkFrame(rank=88, section=0, tilt_deg=66.0)
    np.testing.assert_allclose(alignment.shift_xy_px[0], [24.786, -2.677])
    # the file is an excerpt: reading keeps what is there, converting refuses to invent the other 82 images
    with pytest.raises(FormatError, match=r"every one of 90 images.*found 4 aligned and 4 dark"):
        geometry_from_aretomo(alignment, 1.0)
    write_aln(tmp_path / "a.aln", alignment)
    again = read_aln(tmp_path / "a.aln")
    np.testing.assert_array_equal(again.local, alignment.local)
    assert again.dark_frames == alignment.dark_frames


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a RawSize"),
        ("# RawSize = 100 80 4\n", "0 rows"),
        ("# RawSize = 100 80\n1 85 1 0 0 1 1 1 0 3\n", "3 numbers for RawSize"),
        (text([1, 2], [0, 3], n=4) + "3 85.0 1.0\n", "line 6: expected ten numbers"),
        (text([1, 2], [0, "nan"], n=4), "line 5"),
        (text([1, 2], [0, "x"], n=4), "line 5"),
        (text([1, 1], [0, 3], n=4), "every section once"),
        (text([1, 9], [0, 3], n=4), "within the 4 images"),
        (text([0, 4], [0, 3], n=4), "within the 4 images"),
        (text([1], [0], n=1) + "0 0 1 2 3 4 1\n2 85.0 1.0 1.5 -2.5 1 1 1 0 3\n", "line 6"),
    ],
)
def test_bad_files_are_refused_in_one_paragraph(tmp_path, content, message):
    (tmp_path / "a.aln").write_text(content)
    with pytest.raises(FormatError, match=message) as caught:
        read_aln(tmp_path / "a.aln")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_converted_is_refused(tmp_path):
    geometry = some_geometry()
    with pytest.raises(InputMissingError):
        read_aln(tmp_path / "none.aln")
    with pytest.raises(PixelSizeError):
        aretomo_from_geometry(geometry, -1.0, image_shape_yx=SHAPE)
    with pytest.raises(GeometryError, match="at least one used"):
        aretomo_from_geometry(geometry, PIXEL, image_shape_yx=SHAPE, use=np.zeros(9, bool))
    tilted = dataclasses.replace(geometry, x_tilt_deg=np.full(9, 1.0))
    with pytest.raises(GeometryError, match="tilt about x"):
        aretomo_from_geometry(tilted, PIXEL, image_shape_yx=SHAPE)
    (tmp_path / "a.aln").write_text(text([1], [0], n=1).replace(" 1.0 1.5", " 1.01 1.5"))
    with pytest.raises(FormatError, match="GMAG"):
        geometry_from_aretomo(read_aln(tmp_path / "a.aln"), PIXEL)
