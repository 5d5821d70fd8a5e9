"""A damaged file of a project is named, whatever is wrong with it, and never a traceback."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.curation import Measurements, Verdict
from tomoset.errors import FormatError, RecipeError
from tomoset.formats.ome_zarr import open_volume_zarr, write_volume_zarr
from tomoset.geometry import Grid
from tomoset.workflow.curation_files import load_suggestion, save_curation
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.raw_files import read_raw
from tomoset.workflow.recipe import read_recipe_file
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram
from tomoset.workflow.truth_files import load_truth

GRID = Grid(shape_zyx=(4, 8, 8), voxel_size_angstrom=12.0)


def _series(root: Path) -> tuple[Path, Callable[[], object]]:
    folder = ProjectLayout(root).series("TS1")
    return folder / "series.json", lambda: load_series(folder, "series.json")


def _pointer(root: Path) -> tuple[Path, Callable[[], object]]:
    folder = ProjectLayout(root).raw_run("TS1")
    return folder / "source.json", lambda: read_raw(folder)


def _suggestion(root: Path) -> tuple[Path, Callable[[], object]]:
    layout = ProjectLayout(root)
    return layout.curation("TS1"), lambda: load_suggestion(layout, "TS1")


def _truth(root: Path) -> tuple[Path, Callable[[], object]]:
    folder = ProjectLayout(root).truth("TS1")
    folder.mkdir(parents=True)
    np.savez(folder / "specimen.npz", positions_0=np.zeros((1, 3)))
    return folder / "truth.json", lambda: load_truth(folder)


def _tomogram(root: Path) -> tuple[Path, Callable[[], object]]:
    layout = ProjectLayout(root)
    path = layout.tomogram("TS1", 12.0, "wbp")
    write_volume_zarr(path, np.zeros(GRID.shape_zyx, dtype=np.float32), GRID)
    return path.with_suffix(".json"), lambda: load_tomogram(layout, "TS1", 12.0)


@pytest.mark.parametrize("kind", [_series, _pointer, _suggestion, _truth, _tomogram])
@pytest.mark.parametrize("content", [b'{"run": ', b"[]", b"{}", b"\xff\xfe"])
def test_a_damaged_document(
    kind: Callable[[Path], tuple[Path, Callable[[], object]]], content: bytes, tmp_path: Path
) -> None:
    path, load = kind(tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(FormatError, match="expected") as caught:
        load()
    assert path.name in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"[]"])
def test_damaged_poses(content: bytes, tmp_path: Path) -> None:
    path, load = _truth(tmp_path)
    path.write_text("{}")
    path.with_name("specimen.npz").write_bytes(content)
    with pytest.raises(FormatError, match=r"specimen\.npz: expected NumPy arrays"):
        load()


def test_a_recipe_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b'title = "\xe9"\n')
    with pytest.raises(RecipeError, match="UTF-8"):
        read_recipe_file(path)


@pytest.mark.parametrize("content", [b'{"a": ', b'{"a": 1}', b"[]", None])
def test_a_volume_with_damaged_metadata(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "wbp.zarr"
    write_volume_zarr(path, np.zeros(GRID.shape_zyx, dtype=np.float32), GRID)
    if content is None:
        (path / "0" / ".zarray").unlink()
    else:
        (path / "0" / ".zarray").write_bytes(content)
    with pytest.raises(FormatError, match=r"wbp\.zarr: expected the array '0'"):
        open_volume_zarr(path)


def test_a_volume_with_a_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "wbp.zarr"
    write_volume_zarr(path, np.ones(GRID.shape_zyx, dtype=np.float32), GRID)
    (path / "0" / "0" / "0" / "0").write_bytes(b"no blosc")
    with pytest.raises(FormatError, match="cannot be decoded"):
        open_volume_zarr(path)[0].read()


def test_a_measurement_that_is_undefined_is_null(tmp_path: Path) -> None:
    """NaN is no JSON: other programs could not read the document."""
    layout = ProjectLayout(tmp_path)
    measured: dict[str, object] = dict.fromkeys(Measurements.__dataclass_fields__)
    measured |= {"run": "TS1", "tilts": (), "half_correlation": float("nan")}
    path = save_curation(
        layout,
        "TS1",
        Measurements(**measured),  # type: ignore[arg-type]
        Verdict(run="TS1", verdict="keep"),
    )
    assert json.loads(path.read_text(), parse_constant=pytest.fail)["measurements"]["half_correlation"] is None
    suggestion = load_suggestion(layout, "TS1")
    assert suggestion is not None
    assert suggestion.verdict == "keep"
