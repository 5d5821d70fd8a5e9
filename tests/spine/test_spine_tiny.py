"""The spine on the tiny recipe: from nothing to scored labels, resumable, and blind to the truth."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from spine_process import process

from tomoset.benchmark.processing import measure_processing
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import make_plan
from tomoset.workflow.project import MovieOptions, create_imported_project, create_simulated_project, open_project
from tomoset.workflow.scoring import score_project
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram
from tomoset.workflow.truth_files import load_truth

VOXEL = 12.0


def _digest(folder: Path, pattern: str) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob(pattern))
        if p.is_file()
    }


def test_processing_is_close_to_the_truth(tiny_project: ProjectLayout) -> None:
    series = load_series(tiny_project.series("TS001"), "series.json")
    accuracy = measure_processing(series, load_truth(tiny_project.truth("TS001")))
    assert accuracy.motion_rms_pixel <= 0.2
    assert abs(accuracy.axis_error_deg) <= 0.3
    assert max(accuracy.shift_u_rms_angstrom, accuracy.shift_v_rms_angstrom) <= 0.5 * VOXEL
    assert abs(accuracy.defocus_zero_tilt_relative) <= 0.03


def test_labels_find_the_particles(tiny_project: ProjectLayout) -> None:
    scored = score_project(tiny_project.root, tiny_project.ground_truth)
    assert {c.object_name for c in scored.score.classes} == {"apoferritin", "pp7-vlp"}
    for item in scored.score.classes:
        assert item.n_truth > 5
        assert item.f1 >= 0.8, item.object_name


def test_a_second_run_computes_nothing(tiny_project: ProjectLayout) -> None:
    assert process(tiny_project.root) == 0


def test_a_changed_parameter_reruns_only_what_depends_on_it(tiny_project: ProjectLayout) -> None:
    layout, recipe = open_project(tiny_project.root)
    text = layout.recipe.read_text("utf-8")
    try:
        layout.recipe.write_text(text.replace("amplitude = 0.7", "amplitude = 0.65"), encoding="utf-8")
        assert layout.recipe.read_text("utf-8") != text
        _, changed = open_project(tiny_project.root)
        todo = [p.step.name for p in make_plan(layout, changed) if p.state == "to do"]
        assert todo == ["annotate"]
    finally:
        layout.recipe.write_text(text, encoding="utf-8")
    assert all(p.state == "done" for p in make_plan(layout, recipe))


def test_raw_folder_holds_only_what_a_microscope_leaves(tiny_project: ProjectLayout) -> None:
    names = sorted(p.name for p in tiny_project.raw_run("TS001").iterdir())
    assert {"gain.mrc", "TS001.mdoc"} <= set(names)
    assert all(name.endswith(".tif") for name in names if name not in ("gain.mrc", "TS001.mdoc"))
    assert len(names) == 17 + 2


def test_movies_from_anywhere_give_the_same_tomogram(tiny_project: ProjectLayout, tmp_path: Path) -> None:
    """The second way in, and the proof that processing does not see the truth: there is none in this project."""
    elsewhere = tmp_path / "krios" / "frames"
    elsewhere.mkdir(parents=True)
    mdoc = (tiny_project.raw_run("TS001") / "TS001.mdoc").read_text("utf-8")
    for i, movie in enumerate(sorted(tiny_project.raw_run("TS001").glob("*.tif"))):
        shutil.copy(movie, elsewhere / f"lamella7_{i:03d}.tif")
        mdoc = mdoc.replace(movie.name, f"lamella7_{i:03d}.tif")
    (elsewhere.parent / "lamella_7.mdoc").write_text(mdoc, encoding="utf-8")
    shutil.copy(tiny_project.raw_run("TS001") / "gain.mrc", elsewhere.parent / "reference.mrc")
    layout, _ = create_imported_project(
        tmp_path / "imported",
        str(elsewhere.parent / "*.mdoc"),
        MovieOptions(gain=elsewhere.parent / "reference.mrc", frames=elsewhere),
        recipe_name="tiny",
    )
    assert layout.runs() == ("lamella-7",)
    assert not layout.ground_truth.exists()
    assert process(layout.root, until="tomogram") == 4
    ours = load_tomogram(tiny_project, "TS001", VOXEL)
    theirs = load_tomogram(layout, "lamella-7", VOXEL)
    np.testing.assert_array_equal(ours.volume_zyx.read(), theirs.volume_zyx.read())


def test_the_same_seed_gives_the_same_movies_for_any_number_of_workers(tmp_path: Path) -> None:
    digests = []
    for workers in (1, 2):
        settings = ("n_series=2", "microscope.tilt_step_deg=20", "microscope.total_dose_e_per_angstrom2=30")
        layout = create_simulated_project(tmp_path / f"w{workers}", "tiny", overrides=settings)
        process(layout.root, until="movies", workers=workers)
        digests.append(_digest(layout.raw, "*"))
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2 * (5 + 2)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_result(tiny_project: ProjectLayout, tmp_path: Path) -> None:
    layout = create_simulated_project(tmp_path / "killed", "tiny")
    command = [sys.executable, "-m", "tomoset", "run", str(layout.root), "--json", "--workers", "2"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 240
    while not layout.record("ctf", "TS001").is_file():
        assert run.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    resumed = subprocess.run(command, check=True, capture_output=True, text=True)
    computed = [step["step"] for step in json.loads(resumed.stdout)[0]["computed"]]
    assert computed
    assert "simulate" not in computed
    assert "motion" not in computed
    # Whatever the kill left half-written is gone or unused: everything else is as if nothing had happened.
    np.testing.assert_array_equal(
        load_tomogram(layout, "TS001", VOXEL).volume_zyx.read(),
        load_tomogram(tiny_project, "TS001", VOXEL).volume_zyx.read(),
    )
    picks = "ExperimentRuns/TS001/Picks"
    assert _digest(layout.root / picks, "*.json") == _digest(tiny_project.root / picks, "*.json")
