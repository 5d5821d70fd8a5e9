"""Labels from one program's files to another's, in one frame, with a word on everything that is lost."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from tomoset.errors import GeometryError, ParameterError
from tomoset.formats.copick import list_runs, list_tomograms, read_config
from tomoset.formats.copick_label_parts import load_label_set
from tomoset.model import FilamentTrace, Labels, MembraneSurface, PickableObject, Picks
from tomoset.workflow.label_exchange import (
    UNKNOWN_RUN,
    Frame,
    LabelRequest,
    check_frame,
    class_names,
    format_of_source,
    format_of_target,
    tidy_name,
)
from tomoset.workflow.label_files import load_labels, save_labels
from tomoset.workflow.label_frames import check_origin, keep_origin
from tomoset.workflow.label_losses import HOLDS, losses
from tomoset.workflow.label_readers import read_foreign_labels
from tomoset.workflow.label_writers import write_foreign_labels
from tomoset.workflow.layout import ProjectLayout

__all__ = ["convert_labels", "is_labels"]

_Named = TypeVar("_Named", Picks, FilamentTrace, MembraneSurface)
Renaming = Callable[[str], str]
_VOXEL_TOLERANCE = 1e-3


def is_labels(source: Path, asked: str = "") -> bool:
    """Whether a file or folder holds labels of a kind that is read."""
    return bool(format_of_source(source, asked))


def convert_labels(source: Path, target: Path, ask: LabelRequest) -> str:
    """Convert; see :func:`tomoset.workflow.converting.convert_file`."""
    ask = dataclasses.replace(ask, objects=_objects(source, target))
    frames = read_foreign_labels(source, format_of_source(source, ask.source_format), ask)
    said = list(dict.fromkeys(note for frame in frames for note in frame.notes))
    for frame in frames:
        said += check_frame(frame, frame.grid, source.name)
    frames = _of_class(frames, ask.name, said)
    kind = format_of_target(target, ask.target_format, frames)
    into_project = kind == "copick" and target.suffix != ".json"
    if kind == "copick":
        frames = [_tidied(frame, said) for frame in frames]
    holding = "project" if into_project else kind
    if len(frames) > 1 and not HOLDS[holding].many_runs:
        runs = ", ".join(frame.labels.run for frame in frames)
        raise ParameterError(f"{target.name}: expected labels of one tomogram, found {runs}; choose with --run")
    lost = losses(frames, holding)
    said += _into_project(target, frames) if into_project else write_foreign_labels(target, kind, frames, ask)
    return "; ".join([f"{target}: {_summary(frames, holding)}", *said, *lost])


def _objects(source: Path, target: Path) -> tuple[PickableObject, ...]:
    configs = [folder / "copick_config.json" for folder in (target, source)]
    return next((read_config(config).objects for config in configs if config.is_file()), ())


def _of_class(frames: Sequence[Frame], name: str, said: list[str]) -> list[Frame]:
    """Of several classes the one asked for; a single one gets the name asked for."""
    names = class_names(frames)
    if not name or not names or names == (name,):
        return list(frames)
    if name in names:
        said.append(f"classes {', '.join(other for other in names if other != name)} not asked for")
        return [_with_classes(frame, lambda old: name if old == name else "") for frame in frames]
    if len(names) > 1:
        raise ParameterError(f"--name: expected one of the classes {', '.join(names)}, found {name}")
    said.append(f"class {names[0]!r} is now {name!r}")
    return [_with_classes(frame, lambda _: name) for frame in frames]


def _tidied(frame: Frame, said: list[str]) -> Frame:
    tidy = _with_classes(frame, lambda name: tidy_name(name, said))
    masks = tuple(dataclasses.replace(each, name=tidy_name(each.name, said)) for each in tidy.labels.segmentations)
    return dataclasses.replace(tidy, labels=dataclasses.replace(tidy.labels, segmentations=masks))


def _with_classes(frame: Frame, new_name: Renaming) -> Frame:
    """Give every class another name; those whose new name is empty are left out."""
    labels = frame.labels
    return dataclasses.replace(
        frame,
        labels=dataclasses.replace(
            labels,
            picks=_renamed(labels.picks, new_name),
            filaments=_renamed(labels.filaments, new_name),
            membranes=_renamed(labels.membranes, new_name),
        ),
    )


def _renamed(each_of: tuple[_Named, ...], new_name: Renaming) -> tuple[_Named, ...]:
    pairs = [(each, new_name(each.object_name)) for each in each_of]
    return tuple(dataclasses.replace(each, object_name=name) for each, name in pairs if name)


def _into_project(target: Path, frames: Sequence[Frame]) -> list[str]:
    """Save labels into a project; the same author's labels of other classes stay."""
    config = read_config(target / "copick_config.json")
    layout = ProjectLayout(config.root)
    said: list[str] = []
    for frame in frames:
        _check_run(layout, frame.labels.run)
        _check_tomogram(layout, frame.labels)
        check_origin(layout, frame.labels, "keep the new ones under another --session")
    for frame in frames:
        save_labels(layout, _numbered_anew(layout, frame.labels, said), add=True)
        keep_origin(layout, frame.labels)
    unknown = sorted(set(class_names(frames)) - {item.name for item in config.objects})
    if unknown:
        said.append(f"{', '.join(unknown)} not among the objects of copick_config.json: add them there")
    who = dict.fromkeys(f"{frame.labels.user} (session {frame.labels.session})" for frame in frames)
    return [f"by {', '.join(who)}", *said]


def _check_run(layout: ProjectLayout, run: str) -> None:
    """Refuse the run that stands for an unknown one, unless the project has a run of this name."""
    if run.partition("-")[0] == UNKNOWN_RUN and not layout.experiment(run).is_dir():
        raise ParameterError(
            f"{layout.root.name}: expected the run that the labels belong to, found none in their file; give --run "
            f"({', '.join(list_runs(layout.root)[:8]) or 'the project has none yet'})"
        )


def _check_tomogram(layout: ProjectLayout, labels: Labels) -> None:
    sizes = sorted({entry.voxel_size_angstrom for entry in list_tomograms(layout.root, labels.run)})
    voxel = labels.voxel_size_angstrom
    if sizes and min(abs(size - voxel) for size in sizes) > _VOXEL_TOLERANCE * voxel:
        raise GeometryError(
            f"{labels.run}: expected labels of a tomogram of {', '.join(f'{size:g}' for size in sizes)} Å, found those "
            f"of one of {voxel:g} Å; give the project's tomogram with --tomogram"
        )
    saved = load_label_set(layout.root, labels.run, labels.user, labels.session).voxel_size_angstrom
    if saved is not None and abs(saved - voxel) > _VOXEL_TOLERANCE * voxel:
        raise GeometryError(
            f"{labels.run}: {labels.user} (session {labels.session}) has labels of the tomogram of {saved:g} Å, found "
            f"new ones of {voxel:g} Å; keep both with another --session"
        )


def _numbered_anew(layout: ProjectLayout, labels: Labels, said: list[str]) -> Labels:
    """Raise the numbers of filaments and membranes above those that the author's other classes there have."""
    before = load_labels(layout, labels.run, labels.user, labels.session, None, labels.voxel_size_angstrom)
    curves = {each.object_name for each in labels.filaments}
    surfaces = {each.object_name for each in labels.membranes}
    taken = {each.instance_id for each in before.filaments if each.object_name not in curves}
    above = max(taken) if taken & {each.instance_id for each in labels.filaments} else 0
    taken = {each.instance_id for each in before.membranes if each.object_name not in surfaces}
    over = max(taken) if taken & {each.instance_id for each in labels.membranes} else 0
    if above or over:
        said.append(f"{labels.run}: instances numbered from {max(above, over) + 1}, because others have lower numbers")
    return dataclasses.replace(
        labels,
        picks=tuple(_raised(each, above) if each.object_name in curves else each for each in labels.picks),
        filaments=tuple(dataclasses.replace(f, instance_id=f.instance_id + above) for f in labels.filaments),
        membranes=tuple(dataclasses.replace(m, instance_id=m.instance_id + over) for m in labels.membranes),
    )


def _raised(picks: Picks, by: int) -> Picks:
    ids = picks.instance_ids
    return picks if ids is None else dataclasses.replace(picks, instance_ids=np.where(ids > 0, ids + by, 0))


def _summary(frames: Sequence[Frame], holding: str) -> str:
    """How much of what the format holds there is."""
    parts = HOLDS[holding].parts.split()
    said = []
    for name in class_names(frames):
        picks = sum(len(each) for frame in frames for each in frame.labels.picks if each.object_name == name)
        curves = sum(each.object_name == name for frame in frames for each in frame.labels.filaments)
        surfaces = sum(each.object_name == name for frame in frames for each in frame.labels.membranes)
        counts = (("picks", "picks", picks), ("filaments", "filaments", curves), ("membranes", "membranes", surfaces))
        said += [f"{n} {word} of {name}" for part, word, n in counts if part in parts and (n or part == "picks")]
    masks = sum(len(frame.labels.segmentations) for frame in frames)
    said += [f"{masks} mask{'s' * (masks != 1)}"] if masks and "masks" in parts else []
    where = f" in {len(frames)} runs" if len(frames) > 1 else ""
    return (", ".join(said) or "nothing") + where
