"""The engine keeps runs apart: one that dies, crashes or waits for its movies leaves the others alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tomoset.errors import OutputError, ParameterError
from tomoset.workflow.engine import run_project
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.progress import QuietMonitor
from tomoset.workflow.project import create_simulated_project
from tomoset.workflow.project_lock import project_lock
from tomoset.workflow.scratch import sweep_unfinished

QUICK = ("n_series=2", "microscope.tilt_step_deg=20", "microscope.total_dose_e_per_angstrom2=30")


@pytest.fixture
def project(tmp_path: Path) -> ProjectLayout:
    return create_simulated_project(tmp_path / "p", "tiny", overrides=QUICK)


def _start(layout: ProjectLayout) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tomoset", "run", str(layout.root), "--until", "movies", "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _workers(session: int) -> list[int]:
    """Processes of a session that run Python and were spawned by its leader."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if int(fields[3]) == session and fields[0] != "Z" and b"spawn_main" in command:
            found.append(int(entry.name))
    return sorted(found)


def _wait(condition: object, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="counting processes needs /proc")


@needs_proc
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_worker_outlives_an_ended_run(project: ProjectLayout, how: signal.Signals, code: int) -> None:
    run = _start(project)
    _wait(lambda: len(_workers(run.pid)) >= 3)  # the queue's process and two workers
    if how == signal.SIGINT:
        os.killpg(run.pid, how)  # as a terminal does: to everyone
    else:
        run.send_signal(how)
    _, error = run.communicate(timeout=20)
    assert run.returncode == code
    if how != signal.SIGKILL:  # a worker that was just being started cannot help complaining when its parent is gone
        assert "Traceback" not in error
        assert "same command goes on" in error
        assert not list(project.root.rglob("*.partial"))
        assert not project.scratch.exists()
    _wait(lambda: not _workers(run.pid), 10.0)


@needs_proc
def test_a_worker_that_is_killed_leaves_the_other_run_alone(project: ProjectLayout) -> None:
    run = _start(project)
    _wait(lambda: len(_workers(run.pid)) >= 3)
    os.kill(_workers(run.pid)[-1], signal.SIGKILL)
    _, error = run.communicate(timeout=60)
    assert run.returncode == 2
    assert "ended from outside (signal 9" in " ".join(error.split())
    assert sorted(p.name for p in project.raw.iterdir()) in (["TS001"], ["TS002"])


def test_two_runs_at_once_are_refused(project: ProjectLayout) -> None:
    with (
        project_lock(project),
        pytest.raises(OutputError, match=f"found process {os.getpid()} on"),
    ):
        run_project(project.root, monitor=QuietMonitor())
    with project_lock(project):  # released by the block's end
        pass


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": -1}, {"memory_gib": 0.0}])
def test_no_means_to_work_with(project: ProjectLayout, options: dict[str, int]) -> None:
    with pytest.raises(ParameterError, match="expected workers"):
        run_project(project.root, monitor=QuietMonitor(), **options)  # type: ignore[arg-type]


def test_what_a_killed_run_left_is_swept_and_edits_are_not(project: ProjectLayout) -> None:
    name = ".0123456789abcdef0123456789abcdef.partial"
    half = project.raw / name
    half.mkdir()
    (half / "movie.tif").write_text("")
    stack = project.series("TS001") / f"{name}.mrc"
    saving = project.experiment("TS001") / "Picks" / f"{name}.json"
    hidden = project.raw / ".keep"
    for path in (stack, saving, hidden, project.scratch / "x" / "y"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    sweep_unfinished(project)
    assert not half.exists()
    assert not stack.exists()
    assert not project.scratch.exists()
    assert saving.exists()
    assert hidden.exists()
