"""One small project, processed once for all tests of the spine."""

import pytest
from spine_process import process

from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.project import create_simulated_project


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> ProjectLayout:
    """The tiny recipe, run to labels."""
    layout = create_simulated_project(tmp_path_factory.mktemp("spine") / "tiny", "tiny")
    assert process(layout.root, workers=2) == 7
    return layout
