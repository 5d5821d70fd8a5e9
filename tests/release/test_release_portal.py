"""The portal's tree: points in voxels, one mask an object, documents that hang together."""

import json
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import yaml
from small_dataset import SHAPE, VOXEL, a_run, an_info

from tomoset.errors import GeometryError
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import Picks
from tomoset.release.portal.annotations import points_of, write_points
from tomoset.release.portal.documents import release_time, tilt_series_document

GRID = Grid(shape_zyx=SHAPE, voxel_size_angstrom=VOXEL)


def picks_at(*positions: tuple[float, float, float]) -> Picks:
    return Picks(object_name="x", positions_angstrom_xyz=np.array(positions))


def written(picks: Picks, folder: Path) -> tuple[list[dict[str, Any]], str]:
    file = write_points(folder, "x", picks, GRID, folder)
    return [json.loads(line) for line in (folder / file.path).read_text().splitlines()], file.shape


def test_points_are_in_voxels_and_half_a_voxel_beyond_the_last_centre_is_still_inside(tmp_path: Path) -> None:
    points, shape = written(picks_at((25.0, 0.0, -4.0), (474.0, 390.0, 230.0)), tmp_path)
    assert shape == "Point"
    places = [point["location"] for point in points]
    assert places == [{"x": 2.5, "y": 0.0, "z": 0.0}, {"x": 47.0, "y": 39.0, "z": 23.0}]
    with pytest.raises(GeometryError, match=r"inside the volume of .*pick 1"):
        points_of(picks_at((0, 0, 0), (480.0, 0, 0)), GRID)


def test_oriented_points_carry_the_matrix_and_unknown_orientations_make_plain_points(tmp_path: Path) -> None:
    labels = a_run("TS1", 1).labels[0].picks[0]
    points, shape = written(labels, tmp_path)
    assert shape == "OrientedPoint"
    np.testing.assert_allclose(np.array([point["xyz_rotation_matrix"] for point in points]), labels.rotations)
    known = Picks(
        object_name="x",
        positions_angstrom_xyz=labels.positions_angstrom_xyz,
        rotations=labels.rotations,
        orientation_known=np.arange(5) > 0,
    )
    assert points_of(known, GRID).rotations is None


def test_every_path_in_the_documents_is_there(small_release: Path) -> None:
    top = small_release / "portal"
    named = []
    for path in top.rglob("*.json"):
        named += [value for value in _strings(json.loads(path.read_text())) if value.startswith("dataset/")]
    assert len(named) > 20
    assert [name for name in named if not (top / name).exists()] == []


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [value] if isinstance(value, str) else []


def test_masks_are_int8_and_belong_to_their_object(small_release: Path) -> None:
    folder = small_release / "portal" / "dataset" / "TS1"
    assert not list(folder.rglob("*apoferritin*segmentationmask*"))
    mask, grid = open_volume_zarr(next(folder.rglob("*liposome*_segmentationmask.zarr")))
    assert (mask.dtype.name, grid.voxel_size_angstrom) == ("int8", VOXEL)
    assert int(mask.read().sum()) == 4 * 15 * 24
    with mrcfile.open(next(folder.rglob("*liposome*_segmentationmask.mrc"))) as mrc:
        assert mrc.data.dtype.name == "int8"
    with mrcfile.open(next(folder.rglob("Tomograms/100/*.mrc"))) as mrc:
        assert mrc.is_volume()
        assert float(mrc.voxel_size.x) == pytest.approx(VOXEL)


def test_shared_files_are_the_same_file(small_release: Path) -> None:
    ours = small_release / "mrc" / "TS1" / "TS1_tomogram.mrc"
    theirs = next((small_release / "portal").rglob("TS1/Reconstructions/*/Tomograms/100/TS1.mrc"))
    assert ours.samefile(theirs)


def test_the_tilting_scheme_is_read_from_the_order_of_exposures() -> None:
    run = a_run("TS1", 1)
    document = tilt_series_document(run.series, an_info(), stack="a.mrc", raw_tlt="a.rawtlt")
    assert document["tilting_scheme"].startswith("dose-symmetric from 0")
    assert document["total_flux"] == pytest.approx(21.0)
    assert document["tilt_range"] == {"min": -45.0, "max": 45.0}
    assert document["tilt_series_quality"] == 5
    assert [row["z_index"] for row in document["per_section_parameter"]] == list(range(7))


def test_the_time_of_release_is_a_day_that_was_said() -> None:
    assert release_time(an_info().facts).isoformat() == "2026-10-01T00:00:00+00:00"


def test_the_ingestion_is_configured_from_the_documents(small_release: Path) -> None:
    config = yaml.safe_load((small_release / "portal" / "ingestion_config.yaml").read_text("utf-8"))
    assert config["voxel_spacings"][0]["sources"][0]["literal"]["value"] == [VOXEL]
    shapes = {shape for entry in config["annotations"] for source in entry["sources"] for shape in source}
    assert shapes == {"OrientedPoint", "Point", "SegmentationMask"}
    assert config["datasets"][0]["metadata"]["organism"] == {"name": "Equus caballus", "taxonomy_id": 9796}
