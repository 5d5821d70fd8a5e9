"""Files of other people go through the conversion and keep their meaning."""

from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import GeometryError, ParameterError
from tomoset.formats.amira_labels import read_amira_labels
from tomoset.formats.mrc import read_volume
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.formats.picks_csv import read_picks_csv
from tomoset.formats.relion_tables import read_star
from tomoset.geometry import Grid
from tomoset.workflow.converting import convert_file


def tomogram(folder: Path, shape: tuple[int, int, int], voxel: float) -> Path:
    grid = Grid(shape_zyx=shape, voxel_size_angstrom=voxel)
    return write_volume_zarr(folder / "t.zarr", np.zeros(shape, dtype=np.int8), grid, dtype=np.int8)


def test_picks_of_relion_5_in_two_tomograms(shared_data: Path, tmp_path: Path) -> None:
    star = shared_data / "relion" / "cylindra" / "Picks" / "job_picks" / "particles.star"
    there = tomogram(tmp_path, (20, 164, 80), 10.0)
    said = convert_file(star, tmp_path / "a.csv", tomogram=there, name="mt")
    assert "5 picks of mt in 2 runs" in said
    found = read_picks_csv(tmp_path / "a.csv")
    assert {run: len(picks[0]) for run, picks in found.items()} == {"TS_01": 3, "TS_02": 2}
    np.testing.assert_allclose(
        found["TS_01"][0].positions_angstrom_xyz[0], np.add((-176.94, 765.48005, 11.16), (400, 820, 100))
    )
    with pytest.raises(GeometryError, match="outside"):
        convert_file(star, tmp_path / "b.csv", tomogram=tomogram(tmp_path, (20, 60, 80), 10.0), name="mt")


def test_refined_particles_keep_their_shifts(shared_data: Path, tmp_path: Path) -> None:
    star = shared_data / "relion" / "cylindra" / "Refine3D" / "job_refine" / "run_it050_data.star"
    table = read_star(star)["particles"]
    columns = [f"rlnCenteredCoordinate{a}Angst" for a in "XYZ"], [f"rlnOrigin{a}Angst" for a in "XYZ"]
    wanted = table.numbers(*columns[0]) - table.numbers(*columns[1])
    half = np.ceil(np.abs(wanted).max(axis=0) / 10.0).astype(int) + 2
    x, y, z = (int(n) * 2 for n in half)
    convert_file(star, tmp_path / "a.csv", tomogram=tomogram(tmp_path, (z, y, x), 10.0), name="mt")
    found = [picks[0] for picks in read_picks_csv(tmp_path / "a.csv").values()]
    positions = np.concatenate([each.positions_angstrom_xyz for each in found])
    np.testing.assert_allclose(positions, wanted + half * 10.0, atol=1e-6)
    assert all(each.rotations is not None for each in found)


@pytest.mark.parametrize("target", ["a.csv", "a.json", "a.mod", "a.cbox", "a.ndjson", "a.tbl"])
def test_the_challenges_picks_go_everywhere(shared_data: Path, tmp_path: Path, target: str) -> None:
    source = shared_data / "copick" / "apo-ferritin.json"
    with pytest.raises(ParameterError, match="voxel size: give --tomogram"):
        convert_file(source, tmp_path / target)
    there = tomogram(tmp_path, (47, 158, 158), 40.0)
    said = convert_file(source, tmp_path / target, tomogram=there)
    assert "36 picks of apo-ferritin" in said
    convert_file(tmp_path / target, tmp_path / "back.csv", tomogram=there, name="apo-ferritin")
    ((picks,),) = read_picks_csv(tmp_path / "back.csv").values()
    np.testing.assert_allclose(picks.positions_angstrom_xyz[0], [6072.464, 4038.0, 715.679], atol=1e-3)


def test_masks_of_shrec_become_label_fields_and_come_back(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "labels" / "deepfinder_shrec" / "1bxn.mrc"
    volume, _ = read_volume(source)
    said = convert_file(source, tmp_path / "a.am", name="1bxn")
    assert "materials 1bxn" in said
    values = np.asarray(volume.read())
    np.testing.assert_array_equal(read_amira_labels(tmp_path / "a.am").mask_zyx, values)
    assert (tmp_path / "a.am").stat().st_size < values.size / 4
    convert_file(tmp_path / "a.am", tmp_path / "b.mrc")
    np.testing.assert_array_equal(read_volume(tmp_path / "b.mrc")[0].read(), values)


def test_the_membrane_of_membrain_becomes_a_glb(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "labels" / "membrain" / "T1S4M8.obj"
    there = tomogram(tmp_path, (60, 48, 48), 112.0)
    with pytest.raises(ParameterError, match="--name"):
        convert_file(source, tmp_path / "a.glb", tomogram=there)
    assert "1 membranes of thylakoid" in convert_file(source, tmp_path / "a.glb", tomogram=there, name="thylakoid")
