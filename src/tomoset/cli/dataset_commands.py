"""Commands about what leaves the project: release and report."""

from pathlib import Path

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (release, report):
        app.command()(command)


def release(
    project: Path = typer.Argument(..., help="The project."),
    out: Path = typer.Argument(..., help="Folder to make."),
    formats: str = typer.Option(
        "copick,mrc,star,imod,aretomo,warp,portal,ml,cets,empiar,datacite",
        help="Layouts to write, separated by commas.",
    ),
    bag: bool = typer.Option(False, help="Pack the release as a BagIt bag."),
) -> None:
    """Write the published dataset: curated runs only, with licence, methods and checksums."""
    from tomoset.workflow.progress import terminal_progress
    from tomoset.workflow.releasing import release_project

    wanted = tuple(dict.fromkeys(part.strip() for part in formats.split(",") if part.strip()))
    with terminal_progress("release") as progress:
        released = release_project(project, out, wanted, progress=progress, as_bag=bag)
    typer.echo(f"{out}: {len(released.runs)} tomograms, {len(released.files)} files, {', '.join(released.formats)}")
    for run, reason in released.rejected.items():
        typer.echo(f"left out {run}: {reason}")


def report(project: Path = typer.Argument(..., help="The project.")) -> None:
    """Draw the project: pictures, motion, CTF, alignment, scores, as one HTML page."""
    from tomoset.report import write_report
    from tomoset.workflow.progress import terminal_progress

    with terminal_progress("report") as progress:
        page = write_report(project, progress=progress)
    typer.echo(f"report: {page}")
