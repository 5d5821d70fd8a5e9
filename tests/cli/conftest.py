"""Run the command line inside the test process."""

import sys
from collections.abc import Callable

import pytest

from tomoset.cli.app import main


@pytest.fixture
def tomoset(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """``tomoset("init", …) -> (exit code, standard output, standard error as one line)``."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tomoset", *(str(a) for a in arguments)])
        code = 0
        try:
            main()
        except SystemExit as leave:
            code = int(leave.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, " ".join(captured.err.split())

    return run
