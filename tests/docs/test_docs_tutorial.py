"""The tutorial does what it says: its commands are run in order, and the files it names are there afterwards."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"`((?:data|measured|release)/[^`\s]+)`")


def commands() -> list[str]:
    """What the reader types, in order."""
    text = TUTORIAL.read_text("utf-8")
    return [line[2:] for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.slow
def test_every_command_of_the_tutorial_works_and_leaves_the_files_it_names(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "120"}
    typed = commands()
    assert sum(command.startswith("tomoset ") for command in typed) >= 12
    for command in typed:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        if command.startswith("tomoset score"):
            assert "mean F1 1.000" in done.stdout
    named = NAMED_FILE.findall(TUTORIAL.read_text("utf-8"))
    assert len(named) >= 10
    assert [name for name in named if not (tmp_path / name).exists()] == []
