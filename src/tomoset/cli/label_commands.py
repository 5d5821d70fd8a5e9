"""Commands about labels: annotate, score, convert."""

import json
from pathlib import Path

import typer

from tomoset.cli.label_tools_commands import evidence, transfer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (annotate, score, convert, transfer, evidence):
        app.command()(command)


def annotate(
    project: Path = typer.Argument(..., help="The project."),
    method: str = typer.Option("templates", help="How: templates, filaments, membranes, network or consensus."),
    target: list[str] = typer.Option([], help="templates: add an object: a built-in model, NAME=FILE.pdb[:D7]."),
    model: Path | None = typer.Option(None, help="network: the model file that `tomoset train` made."),
    source: list[str] = typer.Option([], "--from", help="consensus: whose labels, USER/SESSION (two or more)."),
    only: list[str] = typer.Option([], help="Only these runs."),
    workers: int = typer.Option(0, help="Processor cores to use; 0 = all."),
) -> None:
    """Label every tomogram: particles, filaments, membranes; or join what several have labeled."""
    import os

    from tomoset.cli.annotate_methods import annotate_by

    annotate_by(
        method,
        project,
        targets=tuple(target),
        model=model,
        sources=tuple(source),
        only=tuple(only),
        workers=workers or os.cpu_count() or 1,
    )


def score(
    predicted: Path = typer.Argument(..., help="A project, any copick project, a .csv of picks, or a folder of masks."),
    truth: Path = typer.Argument(
        ..., help="PROJECT/GroundTruth of a simulated project, a copick project, or a .csv of picks."
    ),
    user: str = typer.Option("tomoset", help="Whose labels (copick user_id)."),
    session: str = typer.Option("templates", help="Which round (copick session_id)."),
    metric: str = typer.Option(
        "f1,czii", help="f1, czii, octopi, shrec, strata, dice, instances, filaments; separated by commas."
    ),
    truth_user: str = typer.Option("", help="Whose labels are the truth, in a copick project of several authors."),
    truth_session: str = typer.Option("", help="Which round of theirs."),
    weight: list[str] = typer.Option([], help="Weight of a class in the CZII mean: NAME=NUMBER; 0 leaves it out."),
    objects: Path | None = typer.Option(None, help="copick_config.json with the classes, where neither side has one."),
    project: Path | None = typer.Option(None, help="Project that holds the tomograms, for a .csv or masks."),
    tolerance: float | None = typer.Option(None, help="Of the normalized surface Dice, Å; two voxels unless given."),
    method: str = typer.Option("", help="Name to put on the score."),
    task: str = typer.Option("", help="Task of the benchmark; `tomoset benchmark tasks` lists them."),
    split: str = typer.Option("", help="train, validation, public-test or private-test."),
    condition: list[str] = typer.Option(
        [], help="For robustness curves: NAME=NUMBER such as dose_e_per_angstrom2=60 or shift_error_angstrom=10."
    ),
    out: Path | None = typer.Option(None, help="Write the scores as JSON here, as a leaderboard wants them."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Score labels against the truth: one-to-one F1, CZII F4, average precision, localisation, masks.

    The scores of a simulated project's particles against its own truth are kept in the project, where the report shows
    them.
    """
    from tomoset.workflow.progress import terminal_progress
    from tomoset.workflow.score_files import write_score
    from tomoset.workflow.scoring import ScoreRequest, save_scored, score_document, score_labels, score_table

    request = ScoreRequest(
        predicted=predicted,
        truth=truth,
        user=user,
        session=session,
        truth_user=truth_user,
        truth_session=truth_session,
        metrics=tuple(dict.fromkeys(part.strip() for part in metric.split(",") if part.strip())),
        weights=dict(_named_number("--weight", one) for one in weight),
        objects=objects,
        project=project,
        method=method,
        task=task,
        split=split,
        conditions=dict(_named_number("--condition", one) for one in condition),
        tolerance_angstrom=tolerance,
    )
    with terminal_progress("score") as progress:
        result = score_labels(request, progress=progress)
    of_particles = any(len(picks) for labels in result.predicted for picks in labels.picks)
    if of_particles and truth.resolve() == (predicted / "GroundTruth").resolve():
        save_scored(result, predicted, truth)
    if out is not None:
        write_score(out, score_document(result))
    typer.echo(json.dumps(score_document(result), indent=1) if as_json else score_table(result, request.metrics))


def _named_number(option: str, text: str) -> tuple[str, float]:
    from tomoset.errors import ParameterError

    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError as error:
        raise ParameterError(f"{option}: expected NAME=NUMBER such as bsa=0, found {text!r}") from error


def convert(
    source: Path = typer.Argument(
        ...,
        help="Labels: copick .json or project, .ndjson, .star (RELION 4 and 5, STOPGAP), .tbl, .em, EMAN2 .json, "
        ".cbox, .mod, .csv, .am, .mrc, .zarr, .glb, .ply, .obj. Alignment: .aln, .xf (.tlt beside it), Warp .xml, "
        ".tomostar, portal .json, RELION star.",
    ),
    target: Path = typer.Argument(..., help="Any of these, or the folder of a copick project."),
    pixel_size: float | None = typer.Option(None, help="Pixel size of the tilt images, Å."),
    image_size: str = typer.Option("", help="Size of the tilt images, WIDTHxHEIGHT, when the source lacks it."),
    tomogram: Path | None = typer.Option(None, help="Tomogram the labels belong to, OME-Zarr or MRC."),
    name: str = typer.Option("", help="Class of labels whose file does not say it, or the one to take of several."),
    run: str = typer.Option("", help="Run of the labels, where the source does not say it or holds several."),
    user: str = typer.Option("", help="Whose labels (copick user_id)."),
    session: str = typer.Option("", help="Which round (copick session_id)."),
    radius: float | None = typer.Option(None, help="Radius of the class, Å, for boxes and spheres."),
    first_voxel: int | None = typer.Option(None, min=0, max=1, help="Where Dynamo, STOPGAP and TOM count from."),
    source_format: str = typer.Option("", "--from", help="Format of the source, where its ending leaves it open."),
    target_format: str = typer.Option("", "--to", help="Format of the target, such as relion4, stopgap, eman2."),
) -> None:
    """Convert labels (picks, masks, filaments, membranes) or an alignment between programs' formats."""
    import re

    from tomoset.errors import ParameterError
    from tomoset.workflow.converting import convert_file

    size = re.fullmatch(r"(\d+)x(\d+)", image_size)
    if image_size and size is None:
        raise ParameterError(f"--image-size: expected WIDTHxHEIGHT such as 5760x4092, found {image_size!r}")
    done = convert_file(
        source,
        target,
        image_size_xy=None if size is None else (int(size[1]), int(size[2])),
        pixel_size_angstrom=pixel_size,
        tomogram=tomogram,
        name=name,
        run=run,
        user=user,
        session=session,
        radius_angstrom=radius,
        first_voxel=first_voxel,
        source_format=source_format,
        target_format=target_format,
    )
    typer.echo(done)
