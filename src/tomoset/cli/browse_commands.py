"""The command that shows a project in the browser."""

from pathlib import Path

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(browse)


def browse(
    project: Path = typer.Argument(..., help="The project."),
    port: int = typer.Option(0, help="Port on this machine; 0 takes a free one."),
) -> None:
    """Look at tomograms, tilts and picks in the browser; only this machine can open the pages."""
    from tomoset.web import serve_project

    serve_project(project, port, lambda address: typer.echo(f"{address}  (Ctrl-C ends it)"))
    typer.echo("closed")
