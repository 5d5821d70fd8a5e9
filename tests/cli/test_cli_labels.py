"""``tomoset convert`` with labels: what the user sees, and exit 2 where something has to be mended."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.copick import write_picks
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid, random_rotations
from tomoset.model import Picks

Run = Callable[..., tuple[int, str, str]]
GRID = Grid(shape_zyx=(20, 30, 40), voxel_size_angstrom=10.0)


@pytest.fixture
def picks(tmp_path: Path) -> Path:
    write_volume_zarr(tmp_path / "t.zarr", np.zeros(GRID.shape_zyx, dtype=np.float32), GRID)
    rng = np.random.default_rng(0)
    found = Picks(
        object_name="vlp",
        positions_angstrom_xyz=rng.uniform(0, 190, (3, 3)),
        rotations=random_rotations(3, rng),
        scores=np.ones(3),
    )
    return write_picks(tmp_path, "TS_1", found, user="me", session="1", voxel_size_angstrom=10.0)


def test_the_closing_line_says_what_is_lost(tomoset: Run, picks: Path, tmp_path: Path) -> None:
    code, out, _ = tomoset("convert", picks, tmp_path / "a.cbox", "--tomogram", tmp_path / "t.zarr", "--radius", 140)
    assert code == 0
    assert "3 picks of vlp; boxes of 280 Å; rotations dropped: cbox holds none" in out
    code, out, _ = tomoset(
        "convert", picks, tmp_path / "a.star", "--tomogram", tmp_path / "t.zarr", "--to", "stopgap", "--first-voxel", 1
    )
    assert code == 0
    assert "the first voxel is 1" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("a.cbox",), "counts in the tomogram's voxels: give --tomogram"),
        (("a.star", "--tomogram", "t.zarr"), "give --pixel-size"),
        (("a.cbox", "--tomogram", "other.zarr"), "expected labels of a tomogram of 20 Å, found those of one of 10 Å"),
        (("a.cbox", "--tomogram", "none.zarr"), "found no"),
        (("a.cbox", "--to", "magic"), "expected a format of copick, portal"),
        (("a.unknown",), "for labels"),
        (("a.mrc",), "expected one mask to write, found none"),
    ],
)
def test_what_can_be_mended_ends_in_one_paragraph(
    tomoset: Run, picks: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    other = Grid(shape_zyx=(4, 5, 6), voxel_size_angstrom=20.0)
    write_volume_zarr(tmp_path / "other.zarr", np.zeros(other.shape_zyx, dtype=np.float32), other)
    before = sorted(path.name for path in tmp_path.iterdir())
    arguments = [tmp_path / word if "." in word else word for word in options]
    code, _, error = tomoset("convert", picks, *arguments)
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == before
