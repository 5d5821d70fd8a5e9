"""Masks, filaments and membranes of one author on disk, and the list of what belongs to them.

Masks, meshes and curves lie where copick 1.31 keeps them; what a mesh cannot say, and the list, are JSON documents in
folders of the run that copick does not look into: ``Membranes``, ``LabelSets``. The list is written last, so that
labels that were being saved when the machine stopped are never taken for complete ones.
"""

import glob
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import (
    SegmentationEntry,
    list_meshes,
    list_segmentations,
    mesh_path,
    read_config,
    read_segmentation,
    write_segmentation,
)
from tomoset.formats.copick_filaments import read_filaments, write_filaments
from tomoset.formats.copick_layout import sidecar_path
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.membrane_documents import meshes_of_membranes, read_membranes, write_membrane_facts
from tomoset.formats.meshes import read_meshes, write_meshes
from tomoset.model import ArraySource, FilamentTrace, Labels, MembraneSurface, Region, Segmentation
from tomoset.model.labels import SegmentationKind

__all__ = [
    "LabelSet",
    "label_set_authors",
    "load_filaments",
    "load_label_set",
    "load_membranes",
    "load_segmentations",
    "save_filaments",
    "save_label_set",
    "save_membranes",
    "save_segmentations",
]

FILAMENTS, MEMBRANES, SETS = "Filaments", "Membranes", "LabelSets"
_KINDS: tuple[SegmentationKind, ...] = ("semantic", "instance", "probability", "compartment")
_Trace = TypeVar("_Trace", FilamentTrace, MembraneSurface)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSet:
    """What belongs to one author's labels of one round.

    Parameters
    ----------
    files : tuple of str
        Relative to the run's folder.
    voxel_size_angstrom : float or None
        Of the tomogram they were made on; None where nothing was saved yet.
    method : str
    notes : dict of str to float
    """

    files: tuple[str, ...] = ()
    voxel_size_angstrom: float | None = None
    method: str = ""
    notes: dict[str, float] = field(default_factory=dict)


def save_segmentations(root: Path, labels: Labels) -> list[Path]:
    """Write every mask; returns the stores."""
    names = [(each.kind, each.name) for each in labels.segmentations]
    _refuse_twice(labels.run, [f"{kind} mask {name}" for kind, name in names])
    return [
        write_segmentation(root, labels.run, each, user=labels.user, session=labels.session)
        for each in labels.segmentations
    ]


def load_segmentations(
    root: Path, run: str, user: str, session: str, is_wanted: Callable[[float | None], bool]
) -> tuple[Segmentation, ...]:
    """Masks of one author and round whose voxel size is wanted; those of one class get the class's label."""
    entries = [
        entry
        for kind in _KINDS
        for entry in list_segmentations(root, run, kind)
        if (entry.user, entry.session) == (user, session)
    ]
    opened = [(entry, read_segmentation(entry.path)) for entry in entries]
    return tuple(_with_label(root, entry, mask) for entry, mask in opened if is_wanted(mask.voxel_size_angstrom))


def save_filaments(root: Path, labels: Labels) -> list[Path]:
    """Write the curves, one document a class."""
    _refuse_twice(labels.run, [f"filament {each.instance_id}" for each in labels.filaments])
    return [
        write_filaments(
            sidecar_path(root, labels.run, FILAMENTS, labels.user, labels.session, name),
            traces,
            run=labels.run,
            user=labels.user,
            session=labels.session,
            voxel_size_angstrom=labels.voxel_size_angstrom,
        )
        for name, traces in _by_class(labels.filaments).items()
    ]


def load_filaments(
    root: Path, run: str, user: str, session: str, is_wanted: Callable[[float | None], bool]
) -> tuple[FilamentTrace, ...]:
    """Filaments of one author and round."""
    found = [read_filaments(path) for path in _sidecars(root, run, FILAMENTS, user, session)]
    return tuple(each for traces, _, _, _, voxel in found if is_wanted(voxel) for each in traces)


def save_membranes(root: Path, labels: Labels) -> list[Path]:
    """Write the meshes and what they do not say, two files a class."""
    _refuse_twice(labels.run, [f"membrane {each.instance_id}" for each in labels.membranes])
    written = []
    for name, surfaces in _by_class(labels.membranes).items():
        mesh = mesh_path(root, labels.run, user=labels.user, session=labels.session, object_name=name)
        facts = sidecar_path(root, labels.run, MEMBRANES, labels.user, labels.session, name)
        write_meshes(mesh, meshes_of_membranes(surfaces))
        write_membrane_facts(facts, surfaces, run=labels.run, voxel_size_angstrom=labels.voxel_size_angstrom)
        written += [mesh, facts]
    return written


def load_membranes(
    root: Path, run: str, user: str, session: str, is_wanted: Callable[[float | None], bool]
) -> tuple[MembraneSurface, ...]:
    """Membranes of one author and round; meshes of other programs become membranes of which little is known."""
    found: list[MembraneSurface] = []
    for entry in list_meshes(root, run):
        if (entry.user, entry.session) != (user, session):
            continue
        facts = sidecar_path(root, run, MEMBRANES, user, session, entry.object_name)
        if facts.is_file():
            surfaces, voxel = read_membranes(facts, read_meshes(entry.path))
            found += surfaces if is_wanted(voxel) else ()
        else:
            found += (
                MembraneSurface(
                    object_name=entry.object_name,
                    instance_id=i + 1,
                    vertices_angstrom_xyz=mesh.vertices_angstrom_xyz,
                    faces=mesh.faces,
                    normals=mesh.normals,
                    closed=mesh.is_closed,
                    inferred=mesh.inferred,
                )
                for i, mesh in enumerate(read_meshes(entry.path))
            )
    return tuple(found)


def save_label_set(root: Path, labels: Labels, written: list[Path], *, add: bool) -> Path:
    """Write the list of what belongs together, then remove what the same author's last labels left behind.

    With ``add`` nothing is removed, and what was there before belongs to the new labels too.
    """
    path = _set_path(root, labels.run, labels.user, labels.session)
    before = load_label_set(root, labels.run, labels.user, labels.session)
    folder = root / "ExperimentRuns" / labels.run
    files = {each.relative_to(folder).as_posix() for each in written}
    if add:
        files |= {name for name in before.files if (folder / name).exists()}
    for name, value in labels.notes.items():
        if not np.isfinite(value):
            raise ParameterError(f"{path.name}: expected finite notes, found {name} = {value}; leave that note out")
    write_json_atomic(
        path,
        {
            "run_name": labels.run,
            "user_id": labels.user,
            "session_id": labels.session,
            "voxel_spacing": float(labels.voxel_size_angstrom),
            "method": labels.method or (before.method if add else ""),
            "notes": before.notes | labels.notes if add else labels.notes,
            "files": sorted(files),
        },
    )
    for left in set(before.files) - files:
        _remove_labels(folder, left)
    return path


def load_label_set(root: Path, run: str, user: str, session: str) -> LabelSet:
    """What one author's last labels were, empty where they were saved by another program."""
    path = _set_path(root, run, user, session)
    if not path.is_file():
        return LabelSet()
    document = read_json(path)
    with understood(path):
        return LabelSet(
            files=tuple(str(name) for name in document["files"]),
            voxel_size_angstrom=float(document["voxel_spacing"]),
            method=str(document["method"]),
            notes={str(name): float(value) for name, value in document["notes"].items()},
        )


def label_set_authors(root: Path, run: str) -> tuple[tuple[str, str], ...]:
    """Users and sessions whose labels of a run were saved whole, sorted."""
    found = []
    for path in sorted((root / "ExperimentRuns" / run / SETS).glob("*.json")):
        document = read_json(path)
        with understood(path):
            found.append((str(document["user_id"]), str(document["session_id"])))
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, eq=False)
class _AsLabel:
    """A mask of one class whose voxels hold the class's label."""

    mask: ArraySource
    label: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.mask.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return np.dtype(np.uint8)

    def read(self, region: Region = ()) -> NDArray[Any]:
        """Elements of a region."""
        return np.where(self.mask.read(region) > 0, np.uint8(self.label), np.uint8(0))


def _with_label(root: Path, entry: SegmentationEntry, mask: Segmentation) -> Segmentation:
    """In copick a mask of one class holds 1 there; in ours the label of the class."""
    if entry.is_multilabel or entry.kind != "semantic" or not (root / "copick_config.json").is_file():
        return mask
    label = {item.name: item.label for item in read_config(root / "copick_config.json").objects}.get(entry.name)
    if label is None:
        return mask
    return Segmentation(
        name=mask.name, mask_zyx=_AsLabel(mask.mask_zyx, label), voxel_size_angstrom=mask.voxel_size_angstrom
    )


def _set_path(root: Path, run: str, user: str, session: str) -> Path:
    return sidecar_path(root, run, SETS, user, session)


def _sidecars(root: Path, run: str, folder: str, user: str, session: str) -> list[Path]:
    paths = ((root / "ExperimentRuns" / run) / folder).glob(f"{glob.escape(f'{user}_{session}')}_*.json")
    return sorted(path for path in paths if not path.name.startswith("."))


def _by_class(traces: tuple[_Trace, ...]) -> dict[str, list[_Trace]]:
    by_class: dict[str, list[_Trace]] = {}
    for each in traces:
        by_class.setdefault(each.object_name, []).append(each)
    return by_class


def _refuse_twice(run: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(
            f"{run}: expected each label once, found {twice[0]} {names.count(twice[0])} times; one would overwrite "
            "the other: give them different names or numbers"
        )


def _remove_labels(folder: Path, name: str) -> None:
    """Remove a file or store of earlier labels, and nothing outside of the run's folder."""
    import shutil

    path = folder / name
    if folder.resolve() not in path.resolve().parents:
        return
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
