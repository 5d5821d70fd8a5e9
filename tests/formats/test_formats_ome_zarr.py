"""OME-Zarr 0.4 volumes: what is written is where it was, at every level."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError, PixelSizeError
from tomoset.formats import ome_zarr
from tomoset.formats.ome_zarr import (
    level_names,
    open_level_zarr,
    open_volume_zarr,
    write_mask_zarr,
    write_volume_zarr,
)
from tomoset.geometry import Grid, bin_volume
from tomoset.model import ArraySource, InMemory


def noise(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@given(shape=st.tuples(*[st.integers(1, 20)] * 3), voxel=st.floats(0.5, 50))
def test_a_volume_comes_back_bit_for_bit_with_its_voxel_size(tmp_path_factory, shape, voxel):
    path = tmp_path_factory.mktemp("zarr") / "v.zarr"
    volume = noise(shape)
    write_volume_zarr(path, volume, Grid(shape_zyx=shape, voxel_size_angstrom=voxel))
    source, grid = open_volume_zarr(path)
    assert isinstance(source, ArraySource)
    assert grid == Grid(shape_zyx=shape, voxel_size_angstrom=voxel)
    assert source.dtype == np.float32
    np.testing.assert_array_equal(source.read(), volume)
    np.testing.assert_array_equal(source.read((slice(0, 1), 0)), volume[0:1, 0])


def test_levels_are_block_means_and_say_where_their_voxels_are(tmp_path):
    shape = (9, 14, 21)
    volume, grid = noise(shape), Grid(shape_zyx=shape, voxel_size_angstrom=10.0)
    write_volume_zarr(tmp_path / "v.zarr", volume, grid)
    assert level_names(tmp_path / "v.zarr") == ("0", "1", "2")
    for level in (1, 2):
        source, coarse, offset = open_level_zarr(tmp_path / "v.zarr", level)
        expected, expected_grid, expected_offset = bin_volume(volume, grid, 2**level)
        assert coarse == expected_grid
        np.testing.assert_allclose(offset, expected_offset)
        np.testing.assert_allclose(source.read(), expected, atol=1e-6)


def test_one_bead_has_one_position_on_every_level(tmp_path):
    # a symmetric blob between voxels: its centre of mass must not walk with the level
    z, y, x = np.indices((64, 64, 64))
    centre = np.array([31.3, 27.9, 35.1])
    blob = np.exp(-((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2) / (2 * 16)).astype(np.float32)
    write_volume_zarr(tmp_path / "v.zarr", blob, Grid(shape_zyx=blob.shape, voxel_size_angstrom=4.0))
    for level in range(3):
        source, grid, offset = open_level_zarr(tmp_path / "v.zarr", level)
        values = source.read().astype(np.float64)
        index = [np.sum(values * i) / values.sum() for i in np.indices(values.shape)]
        np.testing.assert_allclose(grid.position_angstrom_xyz(index) + offset, centre[::-1] * 4.0, atol=1e-3)


def test_every_block_is_written_once_and_levels_meet_at_block_borders(tmp_path, monkeypatch):
    # blocks of 16 voxels instead of 512 make many borders in a small volume
    monkeypatch.setattr(ome_zarr, "CHUNK", 4)
    monkeypatch.setattr(ome_zarr, "_BLOCK", 16)
    shape = (33, 17, 50)
    volume, grid = noise(shape), Grid(shape_zyx=shape, voxel_size_angstrom=2.0)
    largest = []

    class Recording(InMemory):
        def read(self, region=()):
            piece = InMemory.read(self, region)
            largest.append(max(piece.shape))
            return piece

    write_volume_zarr(tmp_path / "v.zarr", Recording(volume), grid)
    assert max(largest) == 16  # the source is never read whole
    for level in range(3):
        source, _, _ = open_level_zarr(tmp_path / "v.zarr", level)
        np.testing.assert_allclose(source.read(), bin_volume(volume, grid, 2**level)[0], atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "bool"])
def test_masks_keep_labels_and_thin_structures(tmp_path, dtype):
    mask = np.zeros((16, 16, 16), dtype=dtype)
    mask[:, 7, :] = 1
    if dtype != "bool":
        mask[3, 3, 3] = 5
    write_mask_zarr(tmp_path / "m.zarr", mask, Grid(shape_zyx=mask.shape, voxel_size_angstrom=10.0))
    for level in range(3):
        source, _, _ = open_level_zarr(tmp_path / "m.zarr", level)
        values = source.read()
        assert values.dtype == ("uint8" if dtype == "bool" else dtype)
        assert set(np.unique(values)) <= {0, 1, 5}
        assert np.all(values[:, 7 >> level, :] >= 1)  # a mean would have rounded the plane away
        if dtype != "bool":
            assert values[3 >> level, 3 >> level, 3 >> level] == 5


def test_float_masks_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="expected labels as uint8"):
        write_mask_zarr(tmp_path / "m.zarr", np.zeros((2, 2, 2)), Grid(shape_zyx=(2, 2, 2), voxel_size_angstrom=1.0))
    assert list(tmp_path.iterdir()) == []


def test_metadata_are_those_of_ome_ngff_0_4_in_zarr_format_2(tmp_path):
    shape = (130, 20, 20)
    write_volume_zarr(tmp_path / "v.zarr", noise(shape), Grid(shape_zyx=shape, voxel_size_angstrom=10.012))
    assert json.loads((tmp_path / "v.zarr" / ".zgroup").read_text()) == {"zarr_format": 2}
    multiscale = json.loads((tmp_path / "v.zarr" / ".zattrs").read_text())["multiscales"][0]
    assert multiscale["version"] == "0.4"
    assert multiscale["axes"] == [{"name": a, "type": "space", "unit": "angstrom"} for a in "zyx"]
    assert [d["path"] for d in multiscale["datasets"]] == ["0", "1", "2"]
    scale, translation = multiscale["datasets"][2]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [pytest.approx(40.048)] * 3}
    assert translation == {"type": "translation", "translation": [pytest.approx(15.018)] * 3}
    array = json.loads((tmp_path / "v.zarr" / "0" / ".zarray").read_text())
    assert array["zarr_format"] == 2
    assert array["dimension_separator"] == "/"
    assert array["chunks"] == [128, 20, 20]
    assert array["dtype"] == "<f4"
    assert array["compressor"]["id"] == "blosc"
    assert array["compressor"]["shuffle"] == 1
    assert (tmp_path / "v.zarr" / "0" / "1" / "0" / "0").is_file()


def test_a_failed_write_keeps_the_old_volume(tmp_path):
    grid = Grid(shape_zyx=(4, 4, 4), voxel_size_angstrom=1.0)
    write_volume_zarr(tmp_path / "v.zarr", np.ones(grid.shape_zyx, np.float32), grid)

    class Broken(InMemory):
        def read(self, region=()):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_volume_zarr(tmp_path / "v.zarr", Broken(np.zeros(grid.shape_zyx)), grid)
    assert [p.name for p in tmp_path.iterdir()] == ["v.zarr"]
    assert open_volume_zarr(tmp_path / "v.zarr")[0].read().min() == 1


def edit(path, change):
    attributes = json.loads((path / ".zattrs").read_text())
    change(attributes["multiscales"][0])
    (path / ".zattrs").write_text(json.dumps(attributes))


@pytest.fixture
def written(tmp_path):
    write_volume_zarr(tmp_path / "v.zarr", noise((4, 4, 4)), Grid(shape_zyx=(4, 4, 4), voxel_size_angstrom=10.0))
    return tmp_path / "v.zarr"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: [d.pop("coordinateTransformations") for d in m["datasets"]], PixelSizeError, "found none"),
        (lambda m: m["axes"][0].pop("unit"), PixelSizeError, "unit"),
        (lambda m: [a.update(unit="second") for a in m["axes"]], PixelSizeError, "second"),
        (lambda m: m["datasets"][0]["coordinateTransformations"][0].update(scale=[1, 2, 3]), PixelSizeError, "cubic"),
        (lambda m: m["datasets"][0]["coordinateTransformations"][0].update(scale=[0, 0, 0]), PixelSizeError, "cubic"),
        (lambda m: m.update(axes=[{"name": n} for n in "czyx"]), FormatError, "axes z, y, x"),
        (lambda m: m.update(datasets=[]), FormatError, "multiscales"),
        (lambda m: m["datasets"][0].update(path="7"), FormatError, "'7'"),
    ],
)
def test_bad_metadata_are_refused_in_one_paragraph(written, change, error, message):
    edit(written, change)
    with pytest.raises(error, match=message) as caught:
        open_volume_zarr(written)
    assert "\n" not in str(caught.value)


def test_other_units_become_angstrom(written):
    edit(written, lambda m: [a.update(unit="nanometer") for a in m["axes"]])
    assert open_volume_zarr(written)[1].voxel_size_angstrom == pytest.approx(100.0)


def test_image_wide_scale_multiplies(written):
    edit(written, lambda m: m.update(coordinateTransformations=[{"type": "scale", "scale": [2.0, 2.0, 2.0]}]))
    assert open_volume_zarr(written)[1].voxel_size_angstrom == pytest.approx(20.0)
    assert open_level_zarr(written, 1)[2] == pytest.approx([10.0] * 3)


def test_missing_and_wrong_things_are_named(tmp_path, written):
    with pytest.raises(InputMissingError, match="expected an OME-Zarr folder"):
        open_volume_zarr(tmp_path / "none.zarr")
    (tmp_path / "plain").mkdir()
    with pytest.raises(FormatError, match="expected a zarr group"):
        open_volume_zarr(tmp_path / "plain")
    with pytest.raises(ParameterError, match="level from 0 to 2"):
        open_level_zarr(written, 3)
    with pytest.raises(GeometryError, match="grid's shape"):
        write_volume_zarr(tmp_path / "x.zarr", noise((4, 4, 4)), Grid(shape_zyx=(4, 4, 5), voxel_size_angstrom=1.0))


def test_format_3_volumes_of_others_are_read(tmp_path):
    import zarr

    group = zarr.open_group(str(tmp_path / "v3.zarr"), mode="w", zarr_format=3)
    group.create_array("s0", shape=(3, 4, 5), chunks=(3, 4, 5), dtype="float32")[...] = noise((3, 4, 5))
    axes = [{"name": a, "type": "space", "unit": "angstrom"} for a in "zyx"]
    datasets = [{"path": "s0", "coordinateTransformations": [{"type": "scale", "scale": [5.0] * 3}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    source, grid = open_volume_zarr(tmp_path / "v3.zarr")
    assert grid == Grid(shape_zyx=(3, 4, 5), voxel_size_angstrom=5.0)
    np.testing.assert_array_equal(source.read(), noise((3, 4, 5)))
