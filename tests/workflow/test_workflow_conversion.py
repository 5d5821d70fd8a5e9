"""Conversions between programs' files keep every tilt and every pick."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.aretomo import geometry_from_aretomo, read_aln
from tomoset.formats.copick import list_picks, read_picks, write_config, write_picks
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid, random_rotations
from tomoset.model import PickableObject, Picks
from tomoset.workflow.converting import convert_file

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
