"""The command line starts quickly and loads nothing heavy."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "scipy", "numba", "matplotlib", "zarr", "pandas")


def _loaded(code: str) -> list[str]:
    probe = f"import sys, json; {code}; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return list(json.loads(out.stdout.splitlines()[-1]))


def test_import_loads_nothing_heavy() -> None:
    assert _loaded("import tomoset") == []


def test_help_loads_nothing_heavy() -> None:
    code = "from tomoset.cli.app import app; app(['--help'], standalone_mode=False)"
    assert _loaded(code) == []


def test_every_room_imports_without_heavy_libraries() -> None:
    rooms = [
        "geometry",
        "model",
        "physics",
        "structures",
        "networks",
        "formats",
        "specimen",
        "microscope",
        "motion",
        "ctf",
        "alignment",
    ]
    rooms += ["reconstruction", "curation", "annotation", "benchmark", "release", "workflow", "report"]
    assert _loaded("import " + ", ".join(f"tomoset.{room}" for room in rooms)) == []


@pytest.mark.parametrize("command", ["demo", "recipes", "init", "plan", "run", "status", "check", "annotate", "score"])
def test_every_command_has_a_help(command: str) -> None:
    out = subprocess.run(
        [sys.executable, "-m", "tomoset", command, "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage" in out.stdout
