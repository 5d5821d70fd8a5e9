"""Run a project inside a test."""

from pathlib import Path

from tomoset.workflow.engine import run_project
from tomoset.workflow.progress import QuietMonitor


def process(root: Path, **options: object) -> int:
    """Run a project quietly; returns the number of steps that were computed."""
    outcomes = run_project(root, monitor=QuietMonitor(), **options)  # type: ignore[arg-type]
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors:
        raise errors[0]
    return sum(len(outcome.records) for outcome in outcomes)
