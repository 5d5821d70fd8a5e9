"""What `tomoset annotate` does, method by method."""

from pathlib import Path

import typer

from tomoset.errors import ParameterError

__all__ = ["annotate_by"]

_COMPUTED = ("templates", "filaments", "membranes")
_METHODS = (*_COMPUTED, "network", "consensus")


def annotate_by(
    method: str,
    project: Path,
    *,
    targets: tuple[str, ...],
    model: Path | None,
    sources: tuple[str, ...],
    only: tuple[str, ...],
    workers: int,
) -> None:
    """Label a project's tomograms by one method and say what was found.

    Raises
    ------
    ParameterError
        If the method is unknown, or an option belongs to another one.
    """
    if method not in _METHODS:
        raise ParameterError(f"--method: expected one of {', '.join(_METHODS)}, found {method!r}")
    belongs = {"--target": (targets, "templates"), "--model": (model, "network"), "--from": (sources, "consensus")}
    for option, (value, owner) in belongs.items():
        if value and owner != method:
            raise ParameterError(f"{option}: expected it with --method {owner} only, found --method {method}")
    if method == "network":
        _predict(project, model, only, workers)
    elif method == "consensus":
        _consensus(project, sources, only)
    else:
        _compute(project, method, targets, only, workers)


def _compute(project: Path, method: str, targets: tuple[str, ...], only: tuple[str, ...], workers: int) -> None:
    from tomoset.workflow.annotating import annotate_project
    from tomoset.workflow.progress import TerminalMonitor
    from tomoset.workflow.project import open_project, require_runs

    layout, recipe = open_project(project)
    counts = annotate_project(
        layout,
        recipe,
        targets,
        method=method,
        only=require_runs(layout, recipe, only),
        workers=workers,
        monitor=TerminalMonitor(),
    )
    for run, found in counts.items():
        typer.echo(f"{run}: " + (", ".join(f"{n} {name}" for name, n in found.items()) or "nothing found"))


def _predict(project: Path, model: Path | None, only: tuple[str, ...], workers: int) -> None:
    from tomoset.annotation import PredictionParams
    from tomoset.model import Resources
    from tomoset.workflow.predicting import predict_project
    from tomoset.workflow.progress import terminal_progress

    if model is None:
        raise ParameterError("--method network: expected --model with the file that `tomoset train` made, found none")
    with terminal_progress("predict") as progress:
        done = predict_project(
            model, project, PredictionParams(), only=only, resources=Resources(workers=workers), progress=progress
        )
    for run, labels in done.items():
        found = [f"{len(picks)} {picks.object_name}" for picks in labels.picks]
        typer.echo(f"{run} ({labels.session}): " + ", ".join(found or [each.name for each in labels.segmentations]))


def _consensus(project: Path, sources: tuple[str, ...], only: tuple[str, ...]) -> None:
    from tomoset.workflow.consensus import make_consensus
    from tomoset.workflow.progress import terminal_progress
    from tomoset.workflow.project import open_project, require_runs

    layout, recipe = open_project(project)
    with terminal_progress("consensus") as progress:
        made = make_consensus(layout, recipe, sources, only=require_runs(layout, recipe, only), progress=progress)
    for line in made.lines():
        typer.echo(line)
