"""What tests of several formats share."""

import pytest
from serialem_series import Raw


@pytest.fixture
def raw(tmp_path):
    return Raw(tmp_path / "raw")
