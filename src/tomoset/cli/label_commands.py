"""Commands about labels: annotate, score, convert."""

import json
from pathlib import Path

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (annotate, score, convert):
        app.command()(command)


def annotate(
    project: Path = typer.Argument(..., help="The project."),
    method: str = typer.Option("templates", help="How: templates."),
    target: list[str] = typer.Option([], help="Only this object (repeat for more); default all of the recipe."),
    workers: int = typer.Option(0, help="Processor cores to use; 0 = all."),
) -> None:
    """Label the particles of every tomogram."""
    import os

    from tomoset.errors import ParameterError
    from tomoset.workflow.annotating import annotate_project
    from tomoset.workflow.progress import TerminalMonitor
    from tomoset.workflow.project import open_project

    if method != "templates":
        raise ParameterError(f"--method: expected templates, found {method!r}")
    layout, recipe = open_project(project)
    counts = annotate_project(
        layout, recipe, tuple(target), workers=workers or os.cpu_count() or 1, monitor=TerminalMonitor()
    )
    for run, picks in counts.items():
        typer.echo(f"{run}: " + ", ".join(f"{n} {name}" for name, n in picks.items()))


def score(
    predicted: Path = typer.Argument(..., help="A project, or any copick project, with the picks to score."),
    truth: Path = typer.Argument(..., help="Folder of the truth: PROJECT/GroundTruth of a simulated project."),
    user: str = typer.Option("templates", help="Whose picks (copick user_id)."),
    session: str = typer.Option("1", help="Which round (copick session_id)."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Score picks against the truth: one-to-one F1, CZII F4, average precision, localisation."""
    from tomoset.workflow.scoring import score_document, score_project, score_table

    result = score_project(predicted, truth, user=user, session=session)
    typer.echo(json.dumps(score_document(result), indent=1) if as_json else score_table(result))


def convert(
    source: Path = typer.Argument(..., help="File to read: .aln, .xf (with .tlt beside it), RELION star, copick json."),
    target: Path = typer.Argument(..., help="File to write; its ending says the format."),
    pixel_size: float | None = typer.Option(None, help="Pixel size of the tilt images, Å (alignments)."),
    tomogram: Path | None = typer.Option(None, help="OME-Zarr tomogram the picks belong to (picks)."),
    name: str = typer.Option("", help="Tomogram's or object's name in the target, when the source has none."),
) -> None:
    """Convert picks or an alignment between programs' formats."""
    from tomoset.workflow.converting import convert_file

    typer.echo(convert_file(source, target, pixel_size_angstrom=pixel_size, tomogram=tomogram, name=name))
