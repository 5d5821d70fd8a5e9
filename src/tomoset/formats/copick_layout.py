"""Where copick 1.x keeps things in a filesystem project, and which names it can bear."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tomoset.errors import FormatError, ParameterError
from tomoset.model.labels import SegmentationKind

__all__ = [
    "MeshEntry",
    "PicksEntry",
    "SegmentationEntry",
    "TomogramEntry",
    "check_copick_name",
    "list_meshes",
    "list_picks",
    "list_runs",
    "list_segmentations",
    "list_tomograms",
    "mesh_path",
    "picks_path",
    "replace_refused",
    "segmentation_kind",
    "segmentation_path",
    "sidecar_path",
    "split_segmentation_name",
    "tomogram_path",
]

PathLike = str | os.PathLike[str]

# What copick 1.31 replaces by a hyphen in names of objects, users and sessions.
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1F\x7F\s_]')
_MULTILABEL = "-multilabel"
_SPACING_FOLDER = re.compile(r"VoxelSpacing(\d+(?:\.\d+)?)")
# The first two are copick's own (1.31); it knows no probabilities, and lists no folder that it does not know.
_FOLDERS: dict[SegmentationKind, str] = {
    "semantic": "Segmentations",
    "instance": "InstanceSegmentations",
    "probability": "ProbabilityMaps",
    "compartment": "Compartments",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PicksEntry:
    """A picks file of a run."""

    path: Path
    user: str
    session: str
    object_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TomogramEntry:
    """A tomogram of a run."""

    path: Path
    voxel_size_angstrom: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshEntry:
    """A file of meshes of a run."""

    path: Path
    user: str
    session: str
    object_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationEntry:
    """A segmentation of a run."""

    path: Path
    voxel_size_angstrom: float
    user: str
    session: str
    name: str
    is_multilabel: bool
    kind: SegmentationKind = "semantic"


def check_copick_name(name: str, what: str) -> str:
    """Return ``name``, or refuse what copick would split or rewrite.

    Raises
    ------
    ParameterError
        If the name is empty, holds an underscore, blank or path sign, or begins or ends with a hyphen.
    """
    if not name or _REFUSED.search(name) or name.strip("-") != name:
        raise ParameterError(
            f"{what} {name!r}: expected letters, digits, dots and hyphens, because copick splits file names at '_' "
            f"and rewrites other signs; use {replace_refused(name)!r}"
        )
    return name


def replace_refused(name: str) -> str:
    """Return the name with a hyphen for every sign that copick would split or rewrite; ``"name"`` if none is left."""
    return _REFUSED.sub("-", name).strip("-") or "name"


def picks_path(root: PathLike, run: str, *, user: str, session: str, object_name: str) -> Path:
    """Path of a picks file: ``ExperimentRuns/<run>/Picks/<user>_<session>_<object>.json``."""
    parts = _checked(user=user, session=session, object_name=object_name)
    return _run_folder(root, run) / "Picks" / f"{'_'.join(parts)}.json"


def tomogram_path(root: PathLike, run: str, *, voxel_size_angstrom: float, kind: str) -> Path:
    """Path of a tomogram: ``ExperimentRuns/<run>/VoxelSpacing10.000/<kind>.zarr``."""
    check_copick_name(kind, "tomogram kind")
    return _run_folder(root, run) / f"VoxelSpacing{voxel_size_angstrom:.3f}" / f"{kind}.zarr"


def segmentation_path(
    root: PathLike,
    run: str,
    *,
    voxel_size_angstrom: float,
    user: str,
    session: str,
    name: str,
    is_multilabel: bool,
    kind: SegmentationKind = "semantic",
) -> Path:
    """Path of a segmentation: ``…/Segmentations/10.000_<user>_<session>_<name>[-multilabel].zarr``.

    Instances lie in copick's folder ``InstanceSegmentations``, probabilities in ``ProbabilityMaps``.
    """
    parts = _checked(user=user, session=session, name=name)
    if name.endswith(_MULTILABEL):
        raise ParameterError(f"segmentation name {name!r}: '{_MULTILABEL}' is added by the format; leave it out")
    suffix = _MULTILABEL if is_multilabel and kind == "semantic" else ""
    stem = "_".join((f"{voxel_size_angstrom:.3f}", *parts))
    return _run_folder(root, run) / _FOLDERS[kind] / f"{stem}{suffix}.zarr"


def mesh_path(root: PathLike, run: str, *, user: str, session: str, object_name: str) -> Path:
    """Path of the meshes of one class: ``ExperimentRuns/<run>/Meshes/<user>_<session>_<object>.glb``."""
    parts = _checked(user=user, session=session, object_name=object_name)
    return _run_folder(root, run) / "Meshes" / f"{'_'.join(parts)}.glb"


def sidecar_path(root: PathLike, run: str, folder: str, *names: str) -> Path:
    """Path of a JSON document that copick does not look for: ``ExperimentRuns/<run>/<folder>/<names with _>.json``."""
    return _run_folder(root, run) / folder / f"{'_'.join(check_copick_name(name, folder) for name in names)}.json"


def list_runs(root: PathLike) -> tuple[str, ...]:
    """Names of the runs of a project, sorted."""
    folder = Path(root) / "ExperimentRuns"
    return tuple(sorted(p.name for p in folder.glob("*") if p.is_dir() and not p.name.startswith(".")))


def list_picks(root: PathLike, run: str) -> tuple[PicksEntry, ...]:
    """Picks files of a run, sorted by name; files whose names copick could not have written are left to their owner."""
    entries = []
    for path in _visible(_run_folder(root, run) / "Picks", "*.json"):
        parts = path.stem.split("_")
        if len(parts) == 3:
            entries.append(PicksEntry(path=path, user=parts[0], session=parts[1], object_name=parts[2]))
    return tuple(entries)


def list_tomograms(root: PathLike, run: str) -> tuple[TomogramEntry, ...]:
    """Tomograms of a run, sorted by voxel size and name; feature volumes are no tomograms."""
    entries = []
    for folder in _visible(_run_folder(root, run), "VoxelSpacing*"):
        match = _SPACING_FOLDER.fullmatch(folder.name)
        if match:
            entries += [
                TomogramEntry(path=path, voxel_size_angstrom=float(match[1]), kind=path.stem)
                for path in _visible(folder, "*.zarr")
                if not path.stem.endswith("_features")
            ]
    return tuple(sorted(entries, key=lambda e: (e.voxel_size_angstrom, e.kind)))


def list_meshes(root: PathLike, run: str) -> tuple[MeshEntry, ...]:
    """Files of meshes of a run, sorted by name."""
    found = ((path, path.stem.split("_")) for path in _visible(_run_folder(root, run) / "Meshes", "*.glb"))
    return tuple(
        MeshEntry(path=path, user=parts[0], session=parts[1], object_name=parts[2])
        for path, parts in found
        if len(parts) == 3
    )


def segmentation_kind(path: Path) -> SegmentationKind:
    """Kind of a segmentation, from the folder it lies in; semantic in folders of another name."""
    return next((kind for kind, folder in _FOLDERS.items() if path.parent.name == folder), "semantic")


def list_segmentations(root: PathLike, run: str, kind: SegmentationKind = "semantic") -> tuple[SegmentationEntry, ...]:
    """Segmentations of a run and a kind, sorted by name."""
    entries = []
    for path in _visible(_run_folder(root, run) / _FOLDERS[kind], "*.zarr"):
        if len(path.stem.split("_")) == 4:
            voxel, user, session, name, multilabel = split_segmentation_name(path)
            entries.append(
                SegmentationEntry(
                    path=path,
                    voxel_size_angstrom=voxel,
                    user=user,
                    session=session,
                    name=name,
                    is_multilabel=multilabel,
                    kind=kind,
                )
            )
    return tuple(entries)


def split_segmentation_name(path: Path) -> tuple[float, str, str, str, bool]:
    """Voxel size in Å, user, session, name and whether it is multilabel, from a segmentation's file name.

    Raises
    ------
    FormatError
        If the name is not of copick's form.
    """
    parts = path.stem.split("_")
    if len(parts) != 4 or not re.fullmatch(r"\d+(\.\d+)?", parts[0]):
        raise FormatError(
            f"{path.name}: expected '<voxel size>_<user>_<session>_<name>[-multilabel].zarr', found another name; "
            "rename the segmentation"
        )
    name = parts[3]
    return float(parts[0]), parts[1], parts[2], name.removesuffix(_MULTILABEL), name.endswith(_MULTILABEL)


def _run_folder(root: PathLike, run: str) -> Path:
    if not run or run.startswith(".") or any(c in run for c in '/\\:*?"<>|'):
        raise ParameterError(f"run {run!r}: expected a name that can be a folder; use letters, digits and hyphens")
    return Path(root) / "ExperimentRuns" / run


def _visible(folder: Path, pattern: str) -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if not p.name.startswith("."))


def _checked(**names: str) -> list[str]:
    return [check_copick_name(name, what.replace("_", " ")) for what, name in names.items()]
