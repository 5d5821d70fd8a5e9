"""The simulator with everything switched on: what is recorded is enough to make the same bytes again."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from spine_process import process

from tomoset.formats.movies import open_movie
from tomoset.workflow.keys import plain_values
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.project import create_simulated_project, open_project

EVERYTHING = """
name = "everything"
seed = 11
n_series = 2

[[objects]]
name = "apoferritin"
structure = "apoferritin"
radius_angstrom = 60.0

[[objects]]
name = "tmv"
kind = "filament"
structure = "tmv"
radius_angstrom = 90.0

[[objects]]
name = "liposome"
kind = "membrane"
radius_angstrom = 25.0

[specimen]
thickness_angstrom = 800.0
mask_voxel_angstrom = 20.0
ice = { wedge_angstrom_per_micrometre = 100.0, meniscus_angstrom = 60.0, hole_radius_angstrom = 700.0 }
film = { thickness_angstrom = 100.0 }
gold = { beads_per_square_micrometre = 4.0 }
filaments = [{ species = "tmv", copies = 1, length_angstrom = 600.0 }]
liposomes = [{ count = 1, diameter_angstrom = 400.0 }]

[specimen.contamination]
crystals_per_square_micrometre = 2.0
crystal_diameter_angstrom = 300.0
ethane_per_square_micrometre = 2.0
ethane_diameter_angstrom = 300.0

[[specimen.components]]
species = "apoferritin"
mg_per_ml = 4.0
adsorbed_fraction = 0.3
preferred_orientation = 5.0

[microscope]
pixel_size_angstrom = 6.0
frame_shape_yx = [64, 96]
n_frames = 3
tilt_min_deg = -40.0
tilt_max_deg = 40.0
tilt_step_deg = 10.0
total_dose_e_per_angstrom2 = 40.0
stage_shift_angstrom = 20.0
astigmatism_angstrom = 300.0
astigmatism_deg = 40.0
astigmatism_jitter_angstrom = 60.0
axis_jitter_deg = 0.1
tilt_error_deg = 0.1
magnification_error = 0.001
eucentric_error_angstrom = 50.0
defocus_drift_angstrom = 200.0
illumination_half_angle_mrad = 0.02
focal_spread_angstrom = 60.0
mtf = "k3-standard"
coincidence_pixels = 4.0
hot_pixel_fraction = 1e-3
dead_pixel_fraction = 1e-3
ice_correlation_dose_e_per_angstrom2 = 4.0
deformation_angstrom = 8.0
local_motion_angstrom = 2.0
dark_fraction = 0.08
blocked_fraction = 0.08
blurred_fraction = 0.08
missing_fraction = 0.08
parallel_targets = 2
target_spacing_angstrom = 5000.0
frame_format = "mrc"
"""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> ProjectLayout:
    """Two series side by side, each in a process of its own with one thread."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "recipe.toml").write_text(EVERYTHING, encoding="utf-8")
    layout = create_simulated_project(folder / "first", str(folder / "recipe.toml"))
    assert process(layout.root, until="movies", workers=2) == 2
    return layout


def _digests(layout: ProjectLayout, run: str) -> dict[str, str]:
    """Of every file of a run's movies and truth."""
    return {
        path.relative_to(layout.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (layout.raw_run(run), layout.truth(run))
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_recorded_recipe_alone_makes_the_same_bytes_again(everything: ProjectLayout, tmp_path: Path) -> None:
    """By itself, elsewhere, with two threads instead of one: the second series without the first."""
    (tmp_path / "again.toml").write_bytes(everything.recipe.read_bytes())
    layout = create_simulated_project(tmp_path / "again", str(tmp_path / "again.toml"))
    assert process(layout.root, until="movies", only=("TS002",), workers=2) == 1
    first, again = _digests(everything, "TS002"), _digests(layout, "TS002")
    assert again == first
    kinds = {Path(name).name for name in first}
    assert {"TS002.mdoc", "gain.mrc", "defects.txt", "truth.json", "specimen.npz", "masks.json"} <= kinds
    assert sum(name.startswith("Raw/") and name.endswith(".mrc") for name in first) >= 7


def test_series_of_one_dataset_differ(everything: ProjectLayout) -> None:
    first, second = (open_movie(next(everything.raw_run(run).glob("*_001_*.mrc"))) for run in ("TS001", "TS002"))
    assert not np.array_equal(first.read(), second.read())


def test_the_record_holds_every_parameter_and_the_seed(everything: ProjectLayout) -> None:
    _, recipe = open_project(everything.root)
    record = json.loads(everything.record("simulate", "TS001").read_text("utf-8"))
    assert record["seed"] == recipe.seed == 11
    assert record["params"]["specimen"] == plain_values(recipe.specimen)
    assert record["params"]["microscope"] == plain_values(recipe.microscope)
    assert recipe.microscope is not None
    assert set(record["params"]["microscope"]) == {field.name for field in dataclasses.fields(recipe.microscope)}
    assert [item["name"] for item in record["params"]["molecules"]] == ["apoferritin", "tmv", "liposome"]
    assert {"tomoset", "numpy", "scipy", "numba"} <= set(record["software"])


def test_views_that_were_never_saved_are_told_by_the_truth_alone(everything: ProjectLayout) -> None:
    for run in ("TS001", "TS002"):
        truth = json.loads((everything.truth(run) / "truth.json").read_text("utf-8"))
        saved = [path for path in everything.raw_run(run).glob("*.mrc") if path.name != "gain.mrc"]
        assert len(saved) + len(truth["missing_tilts_deg"]) == 9
        assert len(truth["conditions"]) == len(saved)
        assert "missing" not in (everything.raw_run(run) / f"{run}.mdoc").read_text("utf-8")
    states = [
        state
        for run in ("TS001", "TS002")
        for state in json.loads((everything.truth(run) / "truth.json").read_text("utf-8"))["conditions"]
    ]
    assert set(states) - {"good"}, "the seed was chosen so that some view is bad"
