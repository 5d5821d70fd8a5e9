"""Label a project's tomograms, with objects the recipe does not name yet."""

import dataclasses
from collections import Counter
from pathlib import Path

from tomoset.errors import InputMissingError, ParameterError, TomosetError
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.copick import write_config
from tomoset.geometry import point_group
from tomoset.model import PickableObject
from tomoset.structures import BUILT_IN_NAMES
from tomoset.workflow.engine import run_project
from tomoset.workflow.label_files import count_picks, load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.molecules import keep_structure, load_structure
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.progress import Monitor
from tomoset.workflow.project_lock import project_lock
from tomoset.workflow.recipe import ObjectSpec, Recipe, read_recipe_file, recipe_text

__all__ = ["annotate_project"]

# Colour-blind-safe colours (Okabe & Ito) for objects that come without one.
_COLORS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


_KINDS = {"templates": "particle", "filaments": "filament", "membranes": "membrane"}
_NOUNS = {"templates": "labels", "filaments": "filaments", "membranes": "membranes"}


def annotate_project(
    layout: ProjectLayout,
    recipe: Recipe,
    targets: tuple[str, ...] = (),
    *,
    method: str = "templates",
    only: tuple[str, ...] = (),
    workers: int,
    monitor: Monitor,
) -> dict[str, dict[str, int]]:
    """Label every tomogram by a method that computes: templates, filaments or membranes.

    Parameters
    ----------
    layout : ProjectLayout
    recipe : Recipe
    targets : tuple of str
        Objects to add to the recipe when it lacks them: built-in models by name, ``NAME=FILE`` with a PDB or mmCIF
        file, or ``NAME=FILE:D7`` where it has a symmetry (the search is the quicker for it). All objects of the
        recipe are searched together, because their scores compete.
    method : {"templates", "filaments", "membranes"}
    only : tuple of str
        Runs; all when empty.
    workers : int
    monitor : Monitor

    Returns
    -------
    dict of str to dict of str to int
        Number of particles, filaments or membranes per object of each run.

    Raises
    ------
    InputMissingError
        If a target is neither known nor a file, or nothing is to be labeled.
    """
    extended = _with_targets(layout, recipe, targets)
    kind = _KINDS[method]
    if not any(spec.kind == kind and spec.search for spec in extended.objects):
        raise InputMissingError(
            f"expected objects of kind {kind} to search for in the recipe, found none: "
            + (
                f"give --target with a built-in model ({', '.join(BUILT_IN_NAMES)}) or NAME=FILE"
                if method == "templates"
                else f'add an [[objects]] table with kind = "{kind}" to recipe.toml'
            )
        )
    if extended != recipe:
        with project_lock(layout):  # a run under way must not see its recipe change
            write_config(layout.copick_config, extended.pickable_objects(), name=recipe.name, description=recipe.title)
            write_text_atomic(layout.recipe, recipe_text(extended))
    outcomes = run_project(layout.root, until=_NOUNS[method], only=only, workers=workers, monitor=monitor)
    errors = [str(outcome.error) for outcome in outcomes if outcome.error]
    if errors:
        raise TomosetError("\n\n".join(errors))
    return {run: _found(layout, run, method) for run in only or planned_runs(layout, extended)}


def _found(layout: ProjectLayout, run: str, method: str) -> dict[str, int]:
    """How many of each object one method's labels hold."""
    if method == "templates":
        return count_picks(layout, run)
    voxel = read_recipe_file(layout.recipe).reconstruction.voxel_size_angstrom
    labels = load_labels(layout, run, "tomoset", method, None, voxel)
    found = labels.filaments if method == "filaments" else labels.membranes
    return dict(sorted(Counter(each.object_name for each in found).items()))


def _with_targets(layout: ProjectLayout, recipe: Recipe, targets: tuple[str, ...]) -> Recipe:
    objects = list(recipe.objects)
    for target in targets:
        name, _, file = target.partition("=")
        if any(spec.name == name for spec in objects):
            if file:
                raise ParameterError(
                    f"--target {target}: expected the name of a new object, found {name}, which the recipe has; "
                    "choose another name, or change the object's structure in recipe.toml"
                )
            continue
        objects.append(_new_object(layout, name, file, _COLORS[len(objects) % len(_COLORS)]))
    return dataclasses.replace(recipe, objects=tuple(objects))


def _new_object(layout: ProjectLayout, name: str, file: str, color: str) -> ObjectSpec:
    if not file and name not in BUILT_IN_NAMES:
        raise InputMissingError(
            f"--target {name}: expected an object of the recipe, a built-in model ({', '.join(BUILT_IN_NAMES)}) "
            "or NAME=FILE with a PDB or mmCIF file"
        )
    if not file:
        return _sized(ObjectSpec(name=name, structure=name, radius_angstrom=1.0, color=color), layout.root)
    source, symmetry = _split_symmetry(file)
    if not source.is_file():
        raise InputMissingError(f"--target {name}: expected a PDB or mmCIF file, found no {source}")
    spec = ObjectSpec(name=name, structure=source.name, symmetry=symmetry, radius_angstrom=1.0, color=color)
    sized = _sized(spec, source.parent)
    return dataclasses.replace(sized, structure=keep_structure(layout, source))


def _split_symmetry(file: str) -> tuple[Path, str]:
    """``path.pdb:D7`` is a file and its point group; a path that exists as it is written has none."""
    path, separator, symmetry = file.rpartition(":")
    if not separator or Path(file).is_file():
        return Path(file), "C1"
    return Path(path), point_group(symmetry).name


def _sized(spec: ObjectSpec, folder: Path) -> ObjectSpec:
    """The object with its structure's radius; a structure or name that cannot be used is found before it is kept."""
    PickableObject(name=spec.name, label=1, radius_angstrom=1.0)
    radius = round(load_structure(spec, folder).radius_angstrom, 1)
    return dataclasses.replace(spec, radius_angstrom=radius)
