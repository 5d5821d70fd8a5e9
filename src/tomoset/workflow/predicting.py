"""Label a project's tomograms with a trained network."""

import dataclasses
from pathlib import Path

from tomoset.annotation import NetworkModel, PredictionParams, detect, segment
from tomoset.annotation.networks import load_model
from tomoset.errors import InputMissingError
from tomoset.formats.copick import write_config
from tomoset.model import Labels, PickableObject, Progress, Resources
from tomoset.workflow.label_files import find_voxel_sizes, save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.project_lock import project_lock
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.scratch import scratch_allocator
from tomoset.workflow.tomogram_files import load_tomogram, reconstructed_kind

__all__ = ["predict_project", "read_model"]


def read_model(path: Path) -> NetworkModel:
    """Read a model file.

    Raises
    ------
    InputMissingError
        If there is none.
    FormatError
        If it is no model.
    """
    if not path.is_file():
        raise InputMissingError(f"expected a model file at {path}, found none; `tomoset train` makes one")
    return load_model(path.read_bytes(), path.name)


def predict_project(
    model_path: Path,
    root: Path,
    params: PredictionParams,
    *,
    only: tuple[str, ...] = (),
    resources: Resources,
    progress: Progress,
) -> dict[str, Labels]:
    """Label every tomogram of a project (user ``tomoset``, session ``detector`` or ``segmenter``).

    Parameters
    ----------
    model_path : Path
    root : Path
        The project. Classes that it does not know are added to its copick configuration.
    params : PredictionParams
    only : tuple of str
        Runs; all when empty. Each run's labels are kept as soon as they are made.
    resources, progress

    Returns
    -------
    dict of str to Labels
        Of each run.

    Raises
    ------
    InputMissingError
        If there is no model, or a run has no tomogram.
    PixelSizeError
        If no tomogram of a run has the network's voxel size.
    """
    model = read_model(model_path)
    layout, recipe = open_project(root)
    runs = only or planned_runs(layout, recipe)
    if not runs:
        raise InputMissingError(f"{root}: expected a project with series, found none")
    model, objects = _renumbered(model, recipe)
    verb = detect if model.recipe.kind == "detector" else segment
    done: dict[str, Labels] = {}
    with project_lock(layout), scratch_allocator(layout.scratch) as allocate:
        inner = dataclasses.replace(resources, allocate=allocate)
        if len(objects) > len(recipe.pickable_objects()):
            write_config(layout.copick_config, objects, name=recipe.name, description=recipe.title)
        for run in runs:
            voxel = _nearest_voxel(layout, run, model.recipe.voxel_size_angstrom)
            tomogram = load_tomogram(layout, run, voxel, reconstructed_kind(layout, run, voxel))
            done[run] = verb(tomogram, model, params, resources=inner, progress=progress)
            save_labels(layout, done[run])
    return done


def _nearest_voxel(layout: ProjectLayout, run: str, wanted_angstrom: float) -> float:
    return min(find_voxel_sizes(layout, run), key=lambda size: abs(size - wanted_angstrom))


def _renumbered(model: NetworkModel, recipe: Recipe) -> tuple[NetworkModel, tuple[PickableObject, ...]]:
    """The model with the project's numbers of its classes, and all objects of the project with them."""
    known = {item.name: item for item in recipe.pickable_objects()}
    free = max((item.label for item in known.values()), default=0) + 1
    for item in model.recipe.classes:
        if item.name not in known:
            known[item.name] = dataclasses.replace(item, label=free)
            free += 1
    classes = tuple(dataclasses.replace(item, label=known[item.name].label) for item in model.recipe.classes)
    changed = dataclasses.replace(model, recipe=dataclasses.replace(model.recipe, classes=classes))
    return changed, tuple(known.values())
