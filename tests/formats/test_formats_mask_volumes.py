"""Masks as MRC and OME-Zarr: type and range say what they are, and values survive."""

import numpy as np
import pytest

from tomoset.errors import FormatError, ParameterError
from tomoset.formats.mask_volumes import largest_value, open_grid, read_mask, write_mask
from tomoset.formats.mrc import open_mrc, write_volume
from tomoset.geometry import Grid
from tomoset.model import InMemory, Segmentation

GRID = Grid(shape_zyx=(5, 6, 7), voxel_size_angstrom=13.48)


def mask(values, kind):
    return Segmentation(name="x", mask_zyx=InMemory(values), voxel_size_angstrom=13.48, kind=kind)


@pytest.mark.parametrize("ending", [".mrc", ".zarr"])
@pytest.mark.parametrize(
    ("kind", "high", "dtype", "stored"),
    [
        ("semantic", 100, np.uint8, "int8"),
        ("semantic", 255, np.uint8, "uint16"),
        ("instance", 60000, np.uint32, "uint16"),
        ("probability", 1, np.float32, "float32"),
    ],
)
def test_masks_come_back_as_what_they_were(tmp_path, ending, kind, high, dtype, stored):
    rng = np.random.default_rng(0)
    values = (rng.uniform(size=GRID.shape_zyx) * high).astype(dtype)
    values[0, 0, 0] = high
    path = write_mask(tmp_path / f"m{ending}", mask(values, kind), GRID)
    back, grid = read_mask(path, "x")
    assert (back.kind, back.mask_zyx.dtype, grid.shape_zyx) == (kind, np.dtype(dtype), GRID.shape_zyx)
    assert grid.voxel_size_angstrom == pytest.approx(13.48, rel=1e-6)
    np.testing.assert_array_equal(back.mask_zyx.read(), values)
    np.testing.assert_array_equal(back.mask_zyx.read((slice(1, 3), 2)), values[1:3, 2])
    assert largest_value(back.mask_zyx) == high
    if ending == ".mrc":
        assert open_mrc(path).dtype == np.dtype(stored)


def test_individuals_that_an_mrc_cannot_number_are_refused(tmp_path):
    values = np.full(GRID.shape_zyx, 70000, dtype=np.uint32)
    with pytest.raises(ParameterError, match="found 70000"):
        write_mask(tmp_path / "m.mrc", mask(values, "instance"), GRID)
    assert read_mask(write_mask(tmp_path / "m.zarr", mask(values, "instance"), GRID), "x")[0].kind == "instance"


@pytest.mark.parametrize(("value", "message"), [(np.nan, "NaN"), (-0.5, "density"), (1.5, "density")])
def test_what_is_no_mask_is_told(tmp_path, value, message):
    values = np.full(GRID.shape_zyx, 0.5, dtype=np.float32)
    values[2, 2, 2] = value
    write_volume(tmp_path / "d.mrc", values, 10.0)
    with pytest.raises(FormatError, match=message):
        read_mask(tmp_path / "d.mrc", "x")
    assert open_grid(tmp_path / "d.mrc")[1].voxel_size_angstrom == pytest.approx(10.0)
