"""Bad input ends in one clear paragraph, exit 2, and nothing half-written."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tomoset.formats.movies import write_gain

Run = Callable[..., tuple[int, str, str]]
PIXEL = 4.0


def _init(tomoset: Run, raw: Path, *options: object) -> tuple[int, str, Path]:
    project = raw.parent / "project"
    code, _, error = tomoset("init", project, "--movies", raw / "*.mdoc", *options)
    return code, error, project


def test_good_movies_are_imported(tomoset: Run, raw: Path) -> None:
    code, error, project = _init(tomoset, raw, "--gain", raw / "gain.mrc")
    assert (code, error) == (0, "")
    assert (project / "Raw" / "TS1" / "source.json").is_file()


def test_movies_that_an_mdoc_names_but_are_not_there(tomoset: Run, raw: Path) -> None:
    (raw / "m_1.tif").unlink()
    code, error, project = _init(tomoset, raw)
    assert code == 2
    assert "m_1.tif" in error
    assert not project.exists()


def test_a_truncated_movie(tomoset: Run, raw: Path) -> None:
    path = raw / "m_1.tif"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    code, error, project = _init(tomoset, raw)
    if code == 0:  # the directory of pages survived the cut: the first read of the frames must find it
        code, _, error = tomoset("run", project, "--json")
    assert code == 2
    assert "m_1.tif" in error
    assert "expected" in error


def test_a_gain_of_another_size(tomoset: Run, raw: Path) -> None:
    write_gain(raw / "gain.mrc", np.ones((48, 32), dtype=np.float32), PIXEL)
    code, error, project = _init(tomoset, raw, "--gain", raw / "gain.mrc")
    assert code == 2
    assert "48" in error
    assert "32" in error
    assert not project.exists()


@pytest.mark.parametrize("value", ["0", ""])
def test_a_zero_or_missing_pixel_size(tomoset: Run, raw: Path, value: str) -> None:
    mdoc = raw / "TS1.mdoc"
    mdoc.write_text(mdoc.read_text().replace("PixelSpacing = 4", f"PixelSpacing = {value}"))
    code, error, project = _init(tomoset, raw)
    assert code == 2
    assert "--pixel-size" in error
    assert not project.exists()
    assert _init(tomoset, raw, "--pixel-size", PIXEL)[0] == 0


def test_two_sources_that_disagree_about_the_pixel_size(tomoset: Run, raw: Path) -> None:
    code, error, project = _init(tomoset, raw, "--pixel-size", 4.5)
    assert code == 2
    assert "4.5" in error
    assert "4 Å" in error
    assert not project.exists()


def test_no_mdoc_matches(tomoset: Run, tmp_path: Path) -> None:
    code, _, error = tomoset("init", tmp_path / "p", "--movies", tmp_path / "*.mdoc")
    assert code == 2
    assert "*.mdoc" in error
    assert not (tmp_path / "p").exists()


def test_an_unknown_recipe_key(tomoset: Run, tmp_path: Path) -> None:
    code, _, error = tomoset("init", tmp_path / "p", "--recipe", "tiny", "--set", "microscope.pixel=3")
    assert code == 2
    assert "unknown key 'pixel' in [microscope]" in error
    assert not (tmp_path / "p").exists()


def test_a_recipe_that_cannot_be_packed(tomoset: Run, tmp_path: Path) -> None:
    project = tmp_path / "p"
    setting = 'specimen.components=[{species="pp7-vlp", mg_per_ml=300.0}]'
    assert tomoset("init", project, "--recipe", "tiny", "--set", setting)[0] == 0
    code, _, error = tomoset("run", project, "--until", "movies", "--json")
    assert code == 2
    assert "pp7-vlp" in error
    assert "mg/ml" in error
    assert not (project / "Raw" / "TS001").exists()
    assert not (project / "GroundTruth" / "TS001").exists()


def test_a_folder_that_is_no_project(tomoset: Run, tmp_path: Path) -> None:
    code, _, error = tomoset("run", tmp_path)
    assert code == 2
    assert "recipe.toml" in error


def test_a_project_that_exists_is_not_overwritten(tomoset: Run, tmp_path: Path) -> None:
    assert tomoset("init", tmp_path / "p", "--recipe", "tiny")[0] == 0
    before = (tmp_path / "p" / "recipe.toml").read_bytes()
    code, _, error = tomoset("init", tmp_path / "p", "--recipe", "three_proteins")
    assert code == 2
    assert "exists already" in error
    assert (tmp_path / "p" / "recipe.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--until", "tomogramm"), "tomogram"),
        (("--only", "TS999"), "TS001"),
        (("--engine", "cloud"), "local"),
        (("--device", "tpu"), "cpu"),
    ],
)
def test_wrong_options_name_the_right_ones(tomoset: Run, tmp_path: Path, options: tuple[str, str], word: str) -> None:
    assert tomoset("init", tmp_path / "p", "--recipe", "tiny")[0] == 0
    code, _, error = tomoset("run", tmp_path / "p", *options)
    assert code == 2
    assert word in error


def test_a_full_disk_keeps_what_was_there(tomoset: Run, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device fails as a full one does, in the middle of writing the project."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(raw.parent / "project"))

    monkeypatch.setattr(Path, "write_text", full)
    code, error, project = _init(tomoset, raw)
    assert code == 2
    assert "full" in error or "space" in error
    assert not project.exists()
    assert sorted(p.name for p in raw.parent.iterdir()) == ["raw"]


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid() != 0, reason="making a small disk needs root and mount")
def test_a_full_disk_while_running(tomoset: Run, tmp_path: Path) -> None:
    """A real file system of 2 MiB: the movies do not fit, and no half of them stays."""
    import subprocess

    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this machine does not let a test mount a file system")
    try:
        project = disk / "p"
        assert tomoset("init", project, "--recipe", "tiny")[0] == 0
        code, _, error = tomoset("run", project, "--until", "movies", "--json")
        assert code == 2
        assert "space" in error
        assert list((project / "Raw").iterdir()) == []
        assert not (project / "Provenance" / "simulate" / "TS001.json").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission_to_write(tomoset: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, _, error = tomoset("init", tmp_path / "p", "--recipe", "tiny")
    assert code == 2
    assert "permission" in error.lower()


def test_a_place_where_nothing_can_be_made(tomoset: Run, tmp_path: Path) -> None:
    """Also for root: the parent of the project is a file."""
    (tmp_path / "file").write_text("")
    code, _, error = tomoset("init", tmp_path / "file" / "p", "--recipe", "tiny")
    assert code == 2
    assert "file" in error
