"""What enters the key of a step, and what does not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import write_picks
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import Picks
from tomoset.workflow.keys import plain_values
from tomoset.workflow.label_files import labeled_voxel_size, load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import ObjectSpec, Recipe, load_recipe
from tomoset.workflow.steps import STEPS


def _keyed(recipe: Recipe) -> dict[str, object]:
    return {step.name: plain_values(step.params(recipe)) for step in STEPS}


def _changed(recipe: Recipe, other: Recipe) -> set[str]:
    before, after = _keyed(recipe), _keyed(other)
    return {name for name in before if before[name] != after[name]}


def test_a_new_object_is_searched_for_without_simulating_again() -> None:
    recipe = load_recipe("tiny")
    new = ObjectSpec(name="proteasome", structure="proteasome", radius_angstrom=75.0)
    assert _changed(recipe, dataclasses.replace(recipe, objects=(*recipe.objects, new))) == {"annotate"}


def test_a_colour_changes_nothing() -> None:
    recipe = load_recipe("tiny")
    painted = tuple(dataclasses.replace(spec, color="#000000", identifier="x") for spec in recipe.objects)
    assert _changed(recipe, dataclasses.replace(recipe, objects=painted)) == set()


def test_a_structure_of_the_specimen_changes_simulation_and_search() -> None:
    recipe = load_recipe("tiny")
    first, *others = recipe.objects
    other = dataclasses.replace(first, structure="proteasome")
    assert _changed(recipe, dataclasses.replace(recipe, objects=(other, *others))) == {"simulate", "annotate"}


def _project(root: Path) -> ProjectLayout:
    layout = ProjectLayout(root)
    for size in (10.0, 20.0):
        grid = Grid(shape_zyx=(8, 8, 8), voxel_size_angstrom=size)
        write_volume_zarr(layout.tomogram("TS1", size, "wbp"), np.zeros(grid.shape_zyx, dtype=np.float32), grid)
    return layout


def _pick(layout: ProjectLayout, name: str, size: float) -> None:
    picks = Picks(object_name=name, positions_angstrom_xyz=np.array([[10.0, 20.0, 30.0]]))
    write_picks(layout.root, "TS1", picks, user="me", session="1", voxel_size_angstrom=size)


def test_picks_are_read_with_the_tomogram_they_were_made_on(tmp_path: Path) -> None:
    layout = _project(tmp_path)
    assert labeled_voxel_size(layout, "TS1", "me", "1", ("a",)) == 10.0
    _pick(layout, "a", 20.0)
    assert labeled_voxel_size(layout, "TS1", "me", "1", ("a", "b")) == 20.0
    assert len(load_labels(layout, "TS1", "me", "1", ("a",), 20.0).of("a")) == 1
    assert len(load_labels(layout, "TS1", "me", "1", ("a",), 10.0).of("a")) == 0


def test_picks_of_two_tomograms_are_refused(tmp_path: Path) -> None:
    layout = _project(tmp_path)
    _pick(layout, "a", 20.0)
    _pick(layout, "b", 10.0)
    with pytest.raises(ParameterError, match=r"me_1_b\.json \(10 Å\), me_1_a\.json \(20 Å\)"):
        labeled_voxel_size(layout, "TS1", "me", "1", ("a", "b"))


def test_picks_of_a_tomogram_that_is_gone_are_refused(tmp_path: Path) -> None:
    layout = _project(tmp_path)
    _pick(layout, "a", 15.0)
    with pytest.raises(InputMissingError, match="15 Å, which is not here"):
        labeled_voxel_size(layout, "TS1", "me", "1", ("a",))
