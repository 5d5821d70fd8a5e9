"""One small project, processed once for all tests of the spine."""

import pytest
from spine_process import process

from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.project import create_simulated_project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one project on one worker: it would else be processed once on each."""
    for item in items:
        if item.path.parent.name == "spine":
            item.add_marker(pytest.mark.xdist_group("spine"))


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory) -> ProjectLayout:
    """The tiny recipe, run to labels."""
    layout = create_simulated_project(tmp_path_factory.mktemp("spine") / "tiny", "tiny")
    assert process(layout.root, workers=2) == 7
    return layout
