"""The command: address, clean end, refusals; and `--help` stays quick."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tomoset.errors import OutputError, ParameterError
from tomoset.web.server import listen
from tomoset.workflow.layout import ProjectLayout


def _browse(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tomoset", "browse", *arguments]


def test_browse_serves_and_ends_on_interrupt(layout: ProjectLayout) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = _browse(str(layout.root), "--port", "0")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            address = process.stdout.readline().split()[0]
            assert address.startswith("http://127.0.0.1:")
            answer = httpx.get(address + "api/runs", timeout=20)
            assert [row["run"] for row in answer.json()] == ["TS001", "TS002"]
        finally:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert err == ""
    assert "closed" in out


def test_browse_refuses_a_folder_that_is_no_project(tmp_path: Path) -> None:
    done = subprocess.run(_browse(str(tmp_path)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "expected a tomoset project" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_refused_and_only_this_machine_is_listened_to() -> None:
    with listen(0) as first:
        host, port = first.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(OutputError, match=str(port)):
            listen(port)


def test_a_port_that_cannot_be_is_refused() -> None:
    with pytest.raises(ParameterError, match="65535"):
        listen(70000)


def test_address_is_answered_before_the_server_is_up() -> None:
    with listen(0) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        pass


def test_importing_the_room_loads_nothing_heavy() -> None:
    heavy = ("fastapi", "uvicorn", "PIL", "jinja2", "zarr", "scipy", "torch")
    code = f"import sys, json, tomoset.web; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
