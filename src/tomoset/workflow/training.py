"""Train a network on the labels of projects, and keep it as a file."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tomoset.annotation import DetectorParams, NetworkModel, SegmenterParams, train_detector, train_segmenter
from tomoset.annotation.networks import Checkpoints, Course, TargetDomain, save_model
from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.atomic import atomic_path
from tomoset.model import PickableObject, Progress, Resources
from tomoset.networks import TrainingParams
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.scratch import scratch_allocator
from tomoset.workflow.training_target import target_domain
from tomoset.workflow.training_views import Labeled, LabelSource, labeled_views

__all__ = ["ModelKind", "TrainingChoice", "label_source", "train_on_projects"]

ModelKind = Literal["detector", "segmenter"]

_KEEP_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingChoice:
    """What to train, and on what.

    Parameters
    ----------
    kind : {"detector", "segmenter"}
    labels : (str, str) or None
        User and session; None for the truth of simulated projects.
    targets : tuple of str
        Classes to learn; all of the first project's when empty.
    errors_angstrom : tuple of float
        Errors of the alignment that are added, Å rms per axis and view, a reconstruction of every series for each.
    steps : int
    width : int
        Channels of the network at half resolution.
    crop : int
        Edge of a training crop, voxels.
    seed : int
    minutes : float or None
        Processor time after which the training is left for another call to go on with.
    like : Path or None
        Project of the tomograms that shall be labeled: those trained on get their amplitude spectrum.
    noise : tuple of Path
        MRC volumes of empty ice from those, which are added to what is trained on.
    """

    kind: ModelKind = "detector"
    labels: LabelSource = None
    targets: tuple[str, ...] = ()
    errors_angstrom: tuple[float, ...] = (0.0, 3.0, 8.0, 13.0)
    steps: int = 1500
    width: int = 24
    crop: int = 64
    seed: int = 1
    minutes: float | None = None
    like: Path | None = None
    noise: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Refuse errors that are none.

        Raises
        ------
        ParameterError
        """
        if not self.errors_angstrom or min(self.errors_angstrom) < 0:
            raise ParameterError(f"--errors: expected errors of 0 Å or more, found {self.errors_angstrom}")


def label_source(text: str) -> LabelSource:
    """``truth``, or ``USER/SESSION``.

    Raises
    ------
    ParameterError
    """
    if text == "truth":
        return None
    user, separator, session = text.partition("/")
    if not (user and separator and session):
        raise ParameterError(f"--labels: expected truth or USER/SESSION, found {text!r}")
    return user, session


def train_on_projects(
    roots: Sequence[Path], out: Path, choice: TrainingChoice, *, resources: Resources, progress: Progress
) -> NetworkModel:
    """Train on every series of some projects and write the model.

    Parameters
    ----------
    roots : sequence of Path
        Projects with tomograms of one voxel size.
    out : Path
        The model file. Beside it, ``.state`` holds an interrupted training, from which the next call with the same
        arguments goes on; it is removed in the end.
    choice : TrainingChoice
    resources : Resources
    progress : Progress

    Returns
    -------
    NetworkModel
        Not written, and with fewer steps than were asked for, when ``minutes`` ended it.

    Raises
    ------
    InputMissingError
        If a project has no tomogram or no labels.
    ParameterError
        If classes or voxel sizes of the projects do not agree.
    """
    projects = [open_project(root) for root in roots]
    if not projects:
        raise InputMissingError("expected one project or more to train on, found none")
    classes = _classes(projects, choice)
    state = out.with_name(out.name + ".state")
    end = None if choice.minutes is None else time.process_time() + 60 * choice.minutes
    with scratch_allocator(projects[0][0].scratch) as allocate:
        inner = dataclasses.replace(resources, allocate=allocate)
        labeled = _all_views(projects, choice, inner, progress)
        course = Course(
            resources=inner,
            progress=progress,
            should_stop=lambda: end is not None and time.process_time() > end,
            checkpoints=Checkpoints(
                resume=state.read_bytes() if state.is_file() else None,
                keep=lambda content: _write(state, content),
                every=_KEEP_EVERY,
            ),
        )
        params = _params(choice, projects[0][1])
        target = target_domain(choice.like, choice.noise, params.voxel_size_angstrom)
        model = _trained(labeled, classes, params, choice.seed, course, target)
    if model.recipe.steps == choice.steps:
        _write(out, save_model(model))
        state.unlink(missing_ok=True)
    return model


def _params(choice: TrainingChoice, recipe: Recipe) -> DetectorParams | SegmenterParams:
    make = DetectorParams if choice.kind == "detector" else SegmenterParams
    return make(
        voxel_size_angstrom=recipe.reconstruction.voxel_size_angstrom,
        crop=choice.crop,
        width=choice.width,
        training=TrainingParams(steps=choice.steps, learning_rate=2e-3),
    )


def _trained(
    labeled: Sequence[Labeled],
    classes: Sequence[PickableObject],
    params: DetectorParams | SegmenterParams,
    seed: int,
    course: Course,
    target: TargetDomain,
) -> NetworkModel:
    """The training that the parameters are of."""
    if isinstance(params, DetectorParams):
        verb = partial(train_detector, labeled, classes, params)
    else:
        verb = partial(train_segmenter, labeled, classes, params)
    return verb(
        seed=seed,
        resources=course.resources,
        progress=course.progress,
        should_stop=course.should_stop,
        checkpoints=course.checkpoints,
        target=target,
    )


def _all_views(
    projects: Sequence[tuple[ProjectLayout, Recipe]], choice: TrainingChoice, resources: Resources, progress: Progress
) -> list[Labeled]:
    views: list[Labeled] = []
    for layout, recipe in projects:
        runs = planned_runs(layout, recipe)
        if not runs:
            raise InputMissingError(f"{layout.root}: expected a project with series, found none")
        for run in runs:
            views += labeled_views(
                layout,
                recipe,
                run,
                choice.labels,
                choice.errors_angstrom,
                with_masks=choice.kind == "segmenter",
                seed=choice.seed,
                resources=resources,
                progress=progress,
            )
    return views


def _classes(projects: Sequence[tuple[ProjectLayout, Recipe]], choice: TrainingChoice) -> tuple[PickableObject, ...]:
    """What is learned: the first project's objects, which the others must number alike to share masks."""
    objects = projects[0][1].pickable_objects()
    known = tuple(item for item in objects if item.is_particle or choice.kind == "segmenter")
    unknown = sorted(set(choice.targets) - {item.name for item in known})
    if unknown:
        raise ParameterError(
            f"--target: expected objects of {projects[0][0].root.name} ({', '.join(i.name for i in known)}), "
            f"found {', '.join(unknown)}"
        )
    labels = {item.name: item.label for item in objects}
    for layout, recipe in projects[1:]:
        other = {item.name: item.label for item in recipe.pickable_objects()}
        if choice.kind == "segmenter" and other != labels:
            raise ParameterError(
                f"{layout.root.name}: expected the objects of {projects[0][0].root.name} with the same labels, found "
                "others; train a segmenter on projects of one recipe"
            )
    return tuple(item for item in known if not choice.targets or item.name in choice.targets)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
