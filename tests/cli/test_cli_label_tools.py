"""``tomoset transfer``, ``evidence`` and ``check`` of labels: what the user sees, and exit 2 for what can be mended."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.copick import write_config
from tomoset.geometry import Grid, TiltGeometry, random_rotations
from tomoset.model import InMemory, Labels, Picks, Silent, Tomogram
from tomoset.workflow.label_files import save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import read_recipe, recipe_text
from tomoset.workflow.tomogram_files import save_tomogram

Run = Callable[..., tuple[int, str, str]]
TILTS = np.arange(-45.0, 46.0, 5.0)
RECIPE = """
name = "small"
[[objects]]
name = "apoferritin"
structure = "apoferritin"
radius_angstrom = 60.0
symmetry = "O"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    layout = ProjectLayout(tmp_path / "project")
    layout.raw_run("TS1").mkdir(parents=True)
    recipe = read_recipe(RECIPE, (), origin="test")
    layout.recipe.write_text(recipe_text(recipe), encoding="utf-8")
    write_config(layout.copick_config, recipe.pickable_objects(), name="small", description="")
    geometry = TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(19, 85.0), shift_xy_angstrom=np.zeros((19, 2)))
    for shape, voxel in (((20, 40, 40), 20.0), ((10, 20, 20), 40.0)):
        volume = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        grid = Grid(shape_zyx=shape, voxel_size_angstrom=voxel)
        made = Tomogram(
            run="TS1", grid=grid, volume_zyx=InMemory(volume), tilt_indices=tuple(range(19)), geometry=geometry
        )
        save_tomogram(layout, made, Silent())
    places = np.stack(np.meshgrid([150.0, 400, 650], [150.0, 400, 650], [200.0], indexing="ij"), -1).reshape(-1, 3)
    picks = Picks(
        object_name="apoferritin",
        positions_angstrom_xyz=places,
        rotations=random_rotations(9, np.random.default_rng(1)),
    )
    save_labels(layout, Labels(run="TS1", user="ada", session="1", voxel_size_angstrom=20.0, picks=(picks,)))
    return layout.root


def test_labels_are_moved_and_the_error_is_stated(tomoset: Run, project: Path) -> None:
    code, out, _ = tomoset("transfer", project, "--from", "ada/1", "--to-tomogram", "40")
    assert code == 0
    assert "9 picks moved to 40 Å as ada/1-moved, remaining error 0.0 Å rms" in out
    assert (project / "ExperimentRuns/TS1/Picks/ada_1-moved_apoferritin.json").is_file()
    code, out, _ = tomoset("check", project)
    assert (code, out.strip()) == (0, "no problems found")


def test_evidence_is_shown_and_kept(tomoset: Run, project: Path) -> None:
    code, out, _ = tomoset("evidence", project, "--from", "ada/1", "--json")
    assert code == 0
    assert json.loads(out)[0]["particles"] == 9
    assert (project / "Evidence/ada_1/apoferritin.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("transfer", "--from", "ada/1"), "several tomograms"),
        (("transfer", "--from", "ada", "--to-tomogram", "40"), "expected USER/SESSION"),
        (("transfer", "--from", "eve/1", "--to-tomogram", "40"), "expected labels by eve/1"),
        (("transfer", "--from", "ada/1", "--to-tomogram", "7"), "expected a tomogram of 7 Å, found those of 20, 40 Å"),
        (("transfer", "--from", "ada/1", "--to-tomogram", "40", "--largest-error", "-1"), "largest_error"),
        (("transfer", "--from", "ada/1", "--to-tomogram", "40", "--only", "TS9"), "--only"),
        (("evidence", "--from", "eve/1"), "expected labels by eve/1"),
        (("evidence", "--from", "ada/1", "--resolution", "0"), "resolution_angstrom"),
    ],
)
def test_what_can_be_mended_ends_in_one_paragraph(
    tomoset: Run, project: Path, arguments: tuple[str, ...], message: str
) -> None:
    command, *rest = arguments
    code, _, error = tomoset(command, project, *rest)
    assert code == 2
    assert message in error
    assert "Traceback" not in error
