"""Labels: the same in every layout, inside their volume, with rotations that are rotations."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import TomosetError
from tomoset.formats.copick import list_picks, list_runs, list_tomograms, read_config, read_picks
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.geometry import Grid
from tomoset.release.check.findings import Finding

__all__ = ["check_label_agreement", "check_label_sets", "check_picks"]

_ORTHONORMAL = 1e-4
_AGREE_ANGSTROM = 0.1


def _grids(root: Path) -> dict[str, Grid]:
    """Grid of each run's tomogram in the copick project."""
    grids = {}
    for run in list_runs(root / "copick"):
        for entry in list_tomograms(root / "copick", run):
            grids[run] = open_volume_zarr(entry.path)[1]
    return grids


def check_picks(root: Path) -> list[Finding]:
    """Copick's picks: readable, inside their tomogram, orthonormal, of its voxel size."""
    if not (root / "copick").is_dir():
        return []
    findings = []
    try:
        grids = _grids(root)
    except (TomosetError, OSError, KeyError) as error:
        return [Finding(rule="copick", path="copick", message=str(error))]
    for run in list_runs(root / "copick"):
        for entry in list_picks(root / "copick", run):
            where = entry.path.relative_to(root).as_posix()
            try:
                stored = read_picks(entry.path)
            except TomosetError as error:
                findings.append(Finding(rule="copick", path=where, message=str(error)))
                continue
            findings += _picks_in(where, run, stored, grids.get(run))
            findings += _matrices(where, json.loads(entry.path.read_text("utf-8")))
    return findings


def _picks_in(where: str, run: str, stored: Any, grid: Grid | None) -> list[Finding]:
    findings = []
    if stored.run != run:
        findings.append(Finding(rule="copick", path=where, message=f"expected picks of {run}, found {stored.run}"))
    if grid is None:
        return [*findings, Finding(rule="copick", path=where, message=f"expected a tomogram of {run}, found none")]
    outside = int((~grid.contains(stored.picks.positions_angstrom_xyz)).sum())
    if outside:
        message = f"expected positions inside the volume, found {outside} outside"
        findings.append(Finding(rule="inside", path=where, message=message))
    spacing = stored.voxel_size_angstrom
    if spacing is not None and abs(spacing - grid.voxel_size_angstrom) > 1e-3 * grid.voxel_size_angstrom:
        message = f"expected voxels of {grid.voxel_size_angstrom:g} Å as its tomogram, found {spacing:g} Å"
        findings.append(Finding(rule="voxel size", path=where, message=message))
    return findings


def _matrices(where: str, document: dict[str, Any]) -> list[Finding]:
    matrices = np.array([p["transformation_"] for p in document["points"] or []], dtype=np.float64).reshape(-1, 4, 4)
    return _orthonormal(where, matrices[:, :3, :3])


def _orthonormal(where: str, turns: NDArray[np.float64]) -> list[Finding]:
    if not len(turns):
        return []
    off = np.abs(turns @ np.swapaxes(turns, 1, 2) - np.eye(3)).max(axis=(1, 2))
    off = np.maximum(off, np.abs(np.linalg.det(turns) - 1))
    bad = np.flatnonzero(~(off < _ORTHONORMAL))
    if not bad.size:
        return []
    message = f"expected right-handed rotations, found {bad.size} that are off by up to {off[bad].max():.2g}"
    return [Finding(rule="rotations", path=where, message=message)]


def check_label_sets(root: Path) -> list[Finding]:
    """Classes are the same wherever they are listed, with unique names and labels."""
    listed = dict(_class_tables(root))
    findings = []
    for where, table in listed.items():
        for what, values in (("names", [name for name, _ in table]), ("labels", [label for _, label in table])):
            twice = [str(value) for value, n in Counter(values).items() if n > 1]
            if twice:
                message = f"expected unique {what}, found {', '.join(twice)} twice"
                findings.append(Finding(rule="classes", path=where, message=message))
    sets = {where: frozenset(table) for where, table in listed.items()}
    if len(set(sets.values())) > 1:
        first = next(iter(sets))
        for where, classes in sets.items():
            if classes != sets[first]:
                difference = sorted(classes ^ sets[first])
                message = f"expected the classes of {first}, found differences: {difference}"
                findings.append(Finding(rule="classes", path=where, message=message))
    return findings


def _class_tables(root: Path) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    config = root / "copick" / "copick_config.json"
    if config.is_file():
        try:
            yield "copick/copick_config.json", [(item.name, item.label) for item in read_config(config).objects]
        except TomosetError:
            objects = json.loads(config.read_text("utf-8")).get("pickable_objects", [])
            yield "copick/copick_config.json", [(o.get("name", ""), o.get("label", 0)) for o in objects]
    dataset = root / "dataset.json"
    if dataset.is_file():
        yield "dataset.json", [(o["name"], o["label"]) for o in json.loads(dataset.read_text("utf-8"))["objects"]]
    table = root / "ml" / "objects.parquet"
    if table.is_file():
        import pandas as pd

        frame = pd.read_parquet(table)
        yield "ml/objects.parquet", list(zip(frame["object"], frame["label"].astype(int), strict=True))


def check_label_agreement(root: Path) -> list[Finding]:
    """The same picks in copick, in the portal's points, in RELION's stars and in the tables: numbers and places."""
    layouts = {name: read(root) for name, read in _READERS.items()}
    there = {name: found for name, found in layouts.items() if found is not None}
    findings: list[Finding] = []
    if len(there) < 2:
        return findings
    first = next(iter(there))
    for name, found in there.items():
        for key in sorted(set(found) | set(there[first])):
            ours, theirs = there[first].get(key, _NONE), found.get(key, _NONE)
            where = f"{name}: {'/'.join(key)}"
            if len(ours) != len(theirs):
                message = f"expected {len(ours)} picks as in {first}, found {len(theirs)}"
                findings.append(Finding(rule="counts", path=where, message=message))
            elif len(ours) and np.abs(_sorted(ours) - _sorted(theirs)).max() > _AGREE_ANGSTROM:
                off = np.abs(_sorted(ours) - _sorted(theirs)).max()
                message = f"expected the places of {first}, found others, off by up to {off:.3g} Å"
                findings.append(Finding(rule="places", path=where, message=message))
    return findings


_NONE = np.zeros((0, 3))
Places = dict[tuple[str, str], NDArray[np.float64]]


def _sorted(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points[np.lexsort(np.round(points, 1).T)]


def _joined(parts: list[tuple[tuple[str, str], NDArray[np.float64]]]) -> Places:
    places: Places = {}
    for key, points in parts:
        places[key] = np.concatenate([places.get(key, _NONE), points])
    return places


def _copick_places(root: Path) -> Places | None:
    project = root / "copick"
    if not project.is_dir():
        return None
    parts = []
    for run in list_runs(project):
        for entry in list_picks(project, run):
            try:
                parts.append(((run, entry.object_name), read_picks(entry.path).picks.positions_angstrom_xyz))
            except TomosetError:
                continue
    return _joined(parts)


def _portal_places(root: Path) -> Places | None:
    top = root / "portal"
    if not top.is_dir():
        return None
    parts = []
    for path in sorted(top.glob("*/*/Reconstructions/VoxelSpacing*/Annotations/*/*.json")):
        document = json.loads(path.read_text("utf-8"))
        spacing = float(path.parents[2].name.removeprefix("VoxelSpacing"))
        for entry in document.get("files", []):
            file = top / entry.get("path", "")
            if file.suffix == ".ndjson" and file.is_file():
                points = [json.loads(line)["location"] for line in file.read_text("utf-8").splitlines()]
                places = np.array([[p["x"], p["y"], p["z"]] for p in points], dtype=np.float64).reshape(-1, 3) * spacing
                parts.append(((path.parents[4].name, document["annotation_object"]["name"]), places))
    return _joined(parts)


def _table_places(root: Path) -> Places | None:
    import pandas as pd

    table = root / "ml" / "picks.parquet"
    if not table.is_file():
        return None
    frame = pd.read_parquet(table)
    return {
        (str(run), str(name)): part[["x", "y", "z"]].to_numpy(dtype=np.float64)
        for (run, name), part in frame.groupby(["run", "object"])
    }


_READERS = {"copick": _copick_places, "portal": _portal_places, "ml": _table_places}
