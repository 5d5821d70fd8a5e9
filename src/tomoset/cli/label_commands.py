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
    target: list[str] = typer.Option([], help="Add an object: a built-in model, NAME=FILE.pdb[:D7]."),
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
    user: str = typer.Option("tomoset", help="Whose picks (copick user_id)."),
    session: str = typer.Option("templates", help="Which round (copick session_id)."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Score picks against the truth: one-to-one F1, CZII F4, average precision, localisation.

    The scores of a simulated project against its own truth are kept in the project, where the report shows them.
    """
    from tomoset.workflow.scoring import score_and_save, score_document, score_project, score_table

    is_own_truth = truth.resolve() == (predicted / "GroundTruth").resolve()
    result = (score_and_save if is_own_truth else score_project)(predicted, truth, user=user, session=session)
    typer.echo(json.dumps(score_document(result), indent=1) if as_json else score_table(result))


def convert(
    source: Path = typer.Argument(
        ..., help=".aln, .xf (.tlt beside it), Warp .xml, portal .json, RELION star, copick json."
    ),
    target: Path = typer.Argument(..., help=".aln, .xf, .tomostar, .xml, .json, .star, or a copick project's folder."),
    pixel_size: float | None = typer.Option(None, help="Pixel size of the tilt images, Å."),
    image_size: str = typer.Option("", help="Size of the tilt images, WIDTHxHEIGHT, when the source lacks it."),
    tomogram: Path | None = typer.Option(None, help="OME-Zarr tomogram the picks belong to (picks)."),
    name: str = typer.Option("", help="Name of the object, for picks of a star."),
) -> None:
    """Convert picks or an alignment between programs' formats."""
    import re

    from tomoset.errors import ParameterError
    from tomoset.workflow.converting import convert_file

    size = re.fullmatch(r"(\d+)x(\d+)", image_size)
    if image_size and size is None:
        raise ParameterError(f"--image-size: expected WIDTHxHEIGHT such as 5760x4092, found {image_size!r}")
    done = convert_file(
        source,
        target,
        pixel_size_angstrom=pixel_size,
        image_size_xy=None if size is None else (int(size[1]), int(size[2])),
        tomogram=tomogram,
        name=name,
    )
    typer.echo(done)
