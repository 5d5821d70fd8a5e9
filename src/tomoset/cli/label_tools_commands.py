"""Commands about labels that are there: move them to another tomogram, show that they are right."""

import json
from pathlib import Path

import typer

__all__ = ["evidence", "transfer"]


def transfer(
    project: Path = typer.Argument(..., help="The project that holds the labels."),
    source: str = typer.Option(..., "--from", help="Whose labels: USER/SESSION."),
    to_tomogram: str = typer.Option("", help="Tomogram to move them to: VOXEL or VOXEL/KIND, such as 13.333/wbp."),
    to_project: Path | None = typer.Option(None, help="Project that holds it; the labels' own unless given."),
    session: str = typer.Option("", help="Session to save them under; SESSION-moved unless given."),
    largest_error: float = typer.Option(15.0, help="Refuse labels whose remaining error is larger, Å rms."),
    rigid: bool = typer.Option(False, "--rigid", help="Move all by one rigid motion, without local corrections."),
    only: list[str] = typer.Option([], help="Only these runs."),
) -> None:
    """Move labels to another reconstruction of the same tilt series; the error that remains is stated."""
    from tomoset.annotation import TransferParams
    from tomoset.workflow.label_moving import move_labels
    from tomoset.workflow.project import open_project, require_runs

    layout, recipe = open_project(project)
    moved = move_labels(
        layout,
        recipe,
        source,
        target=None if to_project is None else open_project(to_project)[0],
        to_tomogram=to_tomogram,
        session=session,
        params=TransferParams(rigid_only=rigid, largest_error_angstrom=largest_error),
        only=require_runs(layout, recipe, tuple(only)),
    )
    for each in moved:
        typer.echo(each.line())


def evidence(
    project: Path = typer.Argument(..., help="The project."),
    source: str = typer.Option("tomoset/templates", "--from", help="Whose labels: USER/SESSION."),
    resolution: float = typer.Option(35.0, help="Detail at which averages and templates are compared, Å."),
    most: int = typer.Option(500, help="Particles of a class that are averaged at most."),
    only: list[str] = typer.Option([], help="Only these runs."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Average the labeled particles of each class and hold them against their template and random places."""
    from tomoset.annotation import EvidenceParams
    from tomoset.workflow.evidence import evidence_folder, evidence_lines, figures_of, make_evidence
    from tomoset.workflow.label_origin import parse_author
    from tomoset.workflow.project import open_project, require_runs

    layout, recipe = open_project(project)
    made = make_evidence(
        layout,
        recipe,
        source,
        params=EvidenceParams(resolution_angstrom=resolution, most_particles=most),
        only=require_runs(layout, recipe, tuple(only)),
    )
    if as_json:
        typer.echo(json.dumps([figures_of(each) for each in made], indent=1))
        return
    for line in evidence_lines(made):
        typer.echo(line)
    typer.echo(f"pictures and volumes: {evidence_folder(layout, *parse_author(source, '--from'))}")
