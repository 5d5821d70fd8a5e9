"""The small dataset's release in every layout."""

from pathlib import Path

import pytest
from small_dataset import a_run, an_info

from tomoset.model import Silent
from tomoset.release import write_release


@pytest.fixture(scope="session")
def small_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs in every layout; tests must not change it."""
    out = tmp_path_factory.mktemp("release") / "out"
    runs = [a_run("TS1", 1), a_run("TS2", 2)]
    write_release(out, an_info(), iter(runs), n_runs=2, progress=Silent())
    return out
