"""Conversions between programs' files keep every tilt and every pick."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError
from tomoset.formats.aretomo import geometry_from_aretomo, read_aln
from tomoset.formats.copick import list_picks, read_picks, write_config, write_picks
from tomoset.formats.imod import write_tlt, write_xf
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.formats.portal_alignment import write_portal_alignment
from tomoset.formats.warp_tomostar import read_tomostar
from tomoset.formats.warp_xml import read_warp_xml
from tomoset.geometry import Grid, TiltGeometry, random_rotations
from tomoset.model import PickableObject, Picks
from tomoset.workflow.converting import convert_file
from tomoset.workflow.foreign_alignments import is_alignment, read_alignment, source_files

PIXEL = 2.077


def test_aretomo_to_imod_and_back_keeps_every_tilt(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "aretomo" / "shrec21" / "model_0.aln"
    convert_file(source, tmp_path / "a.xf", pixel_size_angstrom=PIXEL)
    size = read_aln(source).raw_size_xyn[:2]
    convert_file(tmp_path / "a.xf", tmp_path / "b.aln", pixel_size_angstrom=PIXEL, image_size_xy=size)
    before, used_before = geometry_from_aretomo(read_aln(source), PIXEL)
    after, used_after = geometry_from_aretomo(read_aln(tmp_path / "b.aln"), PIXEL)
    np.testing.assert_array_equal(used_before, used_after)
    np.testing.assert_allclose(after.shift_xy_angstrom, before.shift_xy_angstrom, atol=1e-3 * PIXEL)
    np.testing.assert_allclose(after.y_tilt_deg, before.y_tilt_deg, atol=1e-4)
    np.testing.assert_allclose(after.z_rot_deg, before.z_rot_deg, atol=1e-4)


BEAD = np.array([310.0, -220.0, 90.0])


@pytest.mark.parametrize("middle", ["a.xml", "a.json", "a.xf"])
def test_every_format_keeps_where_a_bead_is_seen(shared_data: Path, tmp_path: Path, middle: str) -> None:
    source = shared_data / "aretomo" / "shrec21" / "model_1.aln"
    size = read_aln(source).raw_size_xyn[:2]
    convert_file(source, tmp_path / middle, pixel_size_angstrom=PIXEL)
    convert_file(tmp_path / middle, tmp_path / "b.aln", pixel_size_angstrom=PIXEL, image_size_xy=size)
    before, used = geometry_from_aretomo(read_aln(source), PIXEL)
    after, used_after = geometry_from_aretomo(read_aln(tmp_path / "b.aln"), PIXEL)
    np.testing.assert_array_equal(used_after, used)
    difference = after.project(BEAD)[used] - before.project(BEAD)[used]
    assert np.abs(difference).max() < 1e-3 * PIXEL


def test_a_star_of_relion_becomes_warps_files(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "relion" / "relion5_import_TS_01" / "AlignTiltSeries" / "tilt_series" / "TS_01.star"
    said = convert_file(source, tmp_path / "a.tomostar")
    star, relion = read_tomostar(tmp_path / "a.tomostar"), read_alignment(source, None)
    assert said.endswith(f"{len(relion.use)} tilts, {relion.use.sum()} used")
    np.testing.assert_allclose(star.geometry.project(BEAD), relion.geometry.project(BEAD), atol=1e-3)
    assert star.movie_names == relion.movie_names
    convert_file(source, tmp_path / "a.xml")
    xml = read_warp_xml(tmp_path / "a.xml")
    np.testing.assert_allclose(xml.dose_before_e_per_angstrom2, relion.dose_before_e_per_angstrom2)
    with pytest.raises(ParameterError, match="--image-size"):
        convert_file(source, tmp_path / "a.xf", pixel_size_angstrom=PIXEL)


def test_a_tomostar_needs_movies_and_shifts(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="names the movie"):
        convert_file(
            shared_data / "aretomo" / "shrec21" / "model_0.aln", tmp_path / "a.tomostar", pixel_size_angstrom=PIXEL
        )
    (tmp_path / "b.tomostar").write_text("data_\n\nloop_\n_wrpMovieName #1\n_wrpAngleTilt #2\na.eer 3.0\nb.eer 0.0\n")
    with pytest.raises(FormatError, match="found the nominal geometry"):
        convert_file(tmp_path / "b.tomostar", tmp_path / "b.xml")


def test_sections_that_the_portal_left_out_are_unused(tmp_path: Path) -> None:
    geometry = TiltGeometry(
        y_tilt_deg=[-10.0, 0.0, 10.0, 20.0], z_rot_deg=[80.0] * 4, shift_xy_angstrom=[[1.0, 2.0]] * 4
    )
    source = write_portal_alignment(tmp_path / "a.json", geometry, PIXEL, use=[True, False, True, True])
    read = read_alignment(source, PIXEL)
    assert read.use.tolist() == [True, False, True, True]
    np.testing.assert_allclose(read.geometry.y_tilt_deg, geometry.y_tilt_deg)
    assert "sections 1 have no entry" in read.notes[0]


TILT_COM = "$tilt -StandardInput\nTILTFILE a.tlt\nOFFSET 2.0\nEXCLUDELIST 2\nLOCALFILE alocal.xf\n"


def test_tilt_com_beside_an_xf_counts(tmp_path: Path) -> None:
    xf = np.repeat(np.eye(2, 3)[None], 3, axis=0)
    xf[:, :, 2] = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    write_xf(tmp_path / "a.xf", xf)
    write_tlt(tmp_path / "a.tlt", [-3.0, 0.0, 3.0])
    (tmp_path / "tilt.com").write_text(TILT_COM)
    read = read_alignment(tmp_path / "a.xf", PIXEL, (64, 64))
    np.testing.assert_allclose(read.geometry.y_tilt_deg, [-1.0, 2.0, 5.0])
    assert read.use.tolist() == [True, False, True]
    assert any("LOCALFILE" in note for note in read.notes)
    assert [path.name for path in source_files(tmp_path / "a.xf")] == ["a.xf", "a.tlt", "tilt.com"]
    (tmp_path / "tilt.com").write_text(TILT_COM.replace("a.tlt", "other.tlt"))
    assert read_alignment(tmp_path / "a.xf", PIXEL, (64, 64)).use.all()


def test_picks_are_no_alignment(shared_data: Path) -> None:
    assert not is_alignment(shared_data / "copick" / "apo-ferritin.json")


def test_picks_survive_the_way_to_relion_and_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    grid = Grid(shape_zyx=(20, 40, 30), voxel_size_angstrom=10.0)
    tomogram = tmp_path / "wbp.zarr"
    write_volume_zarr(tomogram, np.zeros(grid.shape_zyx, dtype=np.float32), grid)
    item = PickableObject(name="vlp", label=1, radius_angstrom=140.0)
    write_config(tmp_path / "copick_config.json", (item,), name="x")
    picks = Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(0, 190, (7, 3)),
        rotations=random_rotations(7, rng),
        scores=rng.uniform(size=7),
    )
    path = write_picks(tmp_path, "TS1", picks, user="me", session="1", voxel_size_angstrom=10.0)
    star = tmp_path / "vlp.star"
    convert_file(path, star, pixel_size_angstrom=PIXEL, tomogram=tomogram)
    convert_file(star, tmp_path, pixel_size_angstrom=PIXEL, tomogram=tomogram, name="vlp")
    back = next(read_picks(e.path).picks for e in list_picks(tmp_path, "TS1") if e.user == "relion")
    np.testing.assert_allclose(back.positions_angstrom_xyz, picks.positions_angstrom_xyz, atol=1e-4)
    np.testing.assert_allclose(back.rotations, picks.rotations, atol=1e-6)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="found none at"):
        convert_file(tmp_path / "no.aln", tmp_path / "x.xf")
    (tmp_path / "x.aln").write_text("")
    with pytest.raises(ParameterError, match="--pixel-size"):
        convert_file(tmp_path / "x.aln", tmp_path / "x.xf")
    with pytest.raises(ParameterError, match="ending"):
        convert_file(tmp_path / "x.aln", tmp_path / "x.mrc", pixel_size_angstrom=1.0)
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(ParameterError, match="expected an alignment"):
        convert_file(tmp_path / "x.txt", tmp_path / "x.xf")
