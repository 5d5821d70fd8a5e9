"""Fixtures that tests of every room share."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tomoset", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("tomoset")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real fixtures beside the checkout; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real fixtures (shared/data beside the checkout) is not here")
    return folder
