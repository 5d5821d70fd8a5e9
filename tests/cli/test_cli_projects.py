"""Projects as people make, move and extend them."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tomoset.workflow.plan import make_plan
from tomoset.workflow.project import open_project
from tomoset.workflow.raw_files import read_raw

Run = Callable[..., tuple[int, str, str]]
PDB = "".join(
    f"ATOM  {i:5d}  CA  ALA A{i:4d}    {10.0 * (i % 3):8.3f}{10.0 * (i // 3):8.3f}{5.0:8.3f}  1.00  0.00           C\n"
    for i in range(1, 28)
)


def test_the_movies_of_a_link_to_an_mdoc_lie_beside_the_link(tomoset: Run, raw: Path) -> None:
    links = raw.parent / "links"
    links.mkdir()
    for path in raw.iterdir():
        (links / path.name.replace("TS1", "Position_7")).symlink_to(path)
    (raw / "hidden").mkdir()
    for path in raw.glob("*.tif"):  # beside the real mdoc there is nothing: only the links know where the movies are
        path.rename(raw / "hidden" / path.name)
        (links / path.name).unlink()
        (links / path.name).symlink_to(raw / "hidden" / path.name)
    code, out, error = tomoset("init", raw.parent / "project", "--movies", links / "*.mdoc")
    assert (code, error) == (0, "")
    assert "Position-7" in out
    layout, _ = open_project(raw.parent / "project")
    assert len(read_raw(layout.raw_run("Position-7")).movies) == 3


def test_project_and_movies_move_together_and_brackets_are_no_pattern(tomoset: Run, raw: Path) -> None:
    session = raw.parent / "Grid [1] ä b"
    session.mkdir()
    shutil.move(raw, session / "raw")
    code, _, error = tomoset("init", session / "project", "--movies", session / "raw" / "TS1.mdoc")
    assert (code, error) == (0, "")
    moved = raw.parent / "archive"
    session.rename(moved)
    layout, _ = open_project(moved / "project")
    assert len(read_raw(layout.raw_run("TS1")).movies) == 3
    assert tomoset("plan", moved / "project", "--json")[0] == 0


def test_movies_that_went_away_concern_only_what_needs_them(tomoset: Run, raw: Path) -> None:
    project = raw.parent / "project"
    assert tomoset("init", project, "--movies", raw / "*.mdoc")[0] == 0
    assert tomoset("run", project, "--until", "images", "--json")[0] == 0
    (raw / "m_1.tif").unlink()
    code, out, _ = tomoset("plan", project, "--until", "images", "--json")
    assert code == 0
    assert '"done"' in out  # what was made of them stays
    assert tomoset("status", project, "--json")[0] == 0
    record = project / "Provenance" / "motion" / "TS1.json"
    (project / "TiltSeries" / "TS1" / "TS1.mrc").unlink()
    code, _, error = tomoset("run", project, "--until", "images", "--json")
    assert code == 2
    assert "m_1.tif" in error
    assert record.is_file()  # nothing was given up for a step that could not begin


@pytest.mark.parametrize("option", ["--gain", "--pixel-size"])
def test_options_of_movies_are_not_ignored_without_movies(tomoset: Run, tmp_path: Path, option: str) -> None:
    code, _, error = tomoset("init", tmp_path / "p", "--recipe", "tiny", option, "3")
    assert code == 2
    assert f"expected {option} together with --movies" in error
    assert not (tmp_path / "p").exists()


def test_the_folder_one_stands_in_cannot_be_replaced(
    tomoset: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rmdir", busy)
    code, _, error = tomoset("init", tmp_path, "--recipe", "tiny")
    assert code == 2
    assert "name a new folder inside it" in error


def test_a_new_target_that_cannot_be_used_changes_nothing(tomoset: Run, tmp_path: Path) -> None:
    project, structure = tmp_path / "p", tmp_path / "mine.pdb"
    assert tomoset("init", project, "--recipe", "tiny")[0] == 0
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    structure.write_text(PDB)
    bad = tmp_path / "bad.pdb"
    bad.write_text("no atoms")
    for target, word in (
        ("apoferritin=" + str(structure), "which the recipe has"),
        ("new_one=" + str(structure), "hyphen"),
        ("new=" + str(bad), "bad.pdb"),
        ("nothing", "built-in model"),
    ):
        code, _, error = tomoset("annotate", project, "--target", target)
        assert code == 2, target
        assert word in error
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before


def test_two_structures_of_one_file_name(tomoset: Run, tmp_path: Path) -> None:
    recipe = 'name = "two"\nn_series = 1\n[microscope]\n[specimen]\ncomponents = [{species = "a", mg_per_ml = 1.0}]\n'
    for name, residue in (("a", "GLY"), ("b", "ALA")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.pdb").write_text(PDB.replace("ALA", residue))
        recipe += f'[[objects]]\nname = "{name}"\nstructure = "{name}/x.pdb"\nradius_angstrom = 20.0\n'
    (tmp_path / "two.toml").write_text(recipe)
    code, _, error = tomoset("init", tmp_path / "p", "--recipe", tmp_path / "two.toml")
    assert code == 2
    assert "x.pdb" in error
    assert not (tmp_path / "p").exists()


def test_a_table_in_a_pipe_is_whole(tomoset: Run, tmp_path: Path) -> None:
    project = tmp_path / "p"
    assert tomoset("init", project, "--recipe", "tiny")[0] == 0
    _, out, _ = tomoset("plan", project)
    assert out.count("never ran") == 7
    assert "…" not in out
    assert all(len(line) < 80 for line in out.splitlines())


def test_an_object_that_is_only_searched_for_does_not_simulate_anew(tomoset: Run, tmp_path: Path) -> None:
    project = tmp_path / "p"
    assert tomoset("init", project, "--recipe", "tiny")[0] == 0
    layout, recipe = open_project(project)
    keys = {planned.step.name: planned.key for planned in make_plan(layout, recipe)}
    more = dataclasses.replace(recipe.objects[0], name="decoy", structure="proteasome")
    extended = dataclasses.replace(recipe, objects=(*recipe.objects, more))
    changed = {p.step.name for p in make_plan(layout, extended) if p.key != keys[p.step.name]}
    assert changed == {"annotate"}


def test_unknown_layouts_are_named_first(tomoset: Run, tmp_path: Path) -> None:
    project = tmp_path / "p"
    assert tomoset("init", project, "--recipe", "tiny")[0] == 0
    for formats in ("nonsense", ""):
        code, _, error = tomoset("release", project, tmp_path / "r", "--formats", formats)
        assert code == 2
        assert "--formats: expected some of copick" in error
