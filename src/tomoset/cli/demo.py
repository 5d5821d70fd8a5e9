"""The demonstration: the whole spine on a small simulated dataset."""

import time
from pathlib import Path

from tomoset.errors import TomosetError
from tomoset.report import write_report
from tomoset.workflow.engine import run_project
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.progress import TerminalMonitor, terminal_progress
from tomoset.workflow.project import create_simulated_project, open_project
from tomoset.workflow.releasing import release_project
from tomoset.workflow.scoring import score_and_save, score_table

__all__ = ["run_demo"]

_RECIPE = "three_proteins"
_FORMATS = ("copick", "mrc", "star", "imod", "aretomo", "warp", "portal")


def run_demo(out: Path, *, seed: int = 1, workers: int = 2) -> Path:
    """Simulate, process, label, release and score two tilt series of the three-protein mixture.

    Parameters
    ----------
    out : Path
        Folder that gets ``project/`` and ``release/``; one that a demo was interrupted in is continued.
    seed : int
        Of the simulation.
    workers : int
        Processor cores.

    Returns
    -------
    Path
        The report's HTML page.

    Raises
    ------
    TomosetError
        If a run fails; what was finished is kept.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    started = time.perf_counter()
    root = out / "project"
    if not ProjectLayout(root).recipe.is_file():
        out.mkdir(parents=True, exist_ok=True)
        create_simulated_project(root, _RECIPE, overrides=(f"seed={seed}",))
    layout, _ = open_project(root)
    outcomes = run_project(layout.root, workers=workers, monitor=TerminalMonitor())
    errors = [str(outcome.error) for outcome in outcomes if outcome.error]
    if errors:
        raise TomosetError("\n\n".join(errors))
    with terminal_progress("demo") as progress:
        if not (out / "release").exists():
            release_project(layout.root, out / "release", _FORMATS, progress=progress)
        score = score_and_save(layout.root, layout.ground_truth)
        page = write_report(layout.root, progress=progress)
    console.print(score_table(score))
    console.print(f"\nproject  {root}\nrelease  {out / 'release'}\nreport   {root / page.relative_to(layout.root)}")
    console.print(f"{time.perf_counter() - started:.0f} s")
    return page
