"""Commands about benchmarks: leaderboard, tasks, splits, checking a submission."""

import json
from pathlib import Path

import typer

__all__ = ["register"]

benchmark = typer.Typer(help="Tasks, splits and submissions of the benchmark.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(leaderboard)
    app.add_typer(benchmark, name="benchmark")


def leaderboard(
    folder: Path = typer.Argument(..., help="Folder of scores: the files of `tomoset score --out`."),
    out: Path | None = typer.Option(None, help="Page to write; index.html in the folder unless given."),
    rank_by: str = typer.Option(
        "", help="mean_f1, mean_f1_claimed, czii, f1_any_class, mean_dice, surface_dice or panoptic_quality; by task."
    ),
    title: str = typer.Option("Leaderboard", help="Title of the page."),
) -> None:
    """Draw all scores of a folder as one page that needs nothing beside it."""
    from typing import get_args

    from tomoset.benchmark.intervals import Statistic
    from tomoset.errors import ParameterError
    from tomoset.report.leaderboard import write_leaderboard

    known: tuple[Statistic, ...] = get_args(Statistic)
    statistic = next((name for name in known if name == rank_by), None)
    if rank_by and statistic is None:
        raise ParameterError(f"--rank-by: expected {', '.join(known)}, found {rank_by!r}")
    summary = write_leaderboard(folder, out, rank_by=statistic, title=title)
    typer.echo(f"{summary.page}: {summary.n_scores} scores on {summary.n_boards} boards")
    for reason in summary.left_out:
        typer.echo(f"left out {reason}")


@benchmark.command()
def tasks(as_json: bool = typer.Option(False, "--json", help="Machine-readable.")) -> None:
    """List the tasks: what is in the ice, what to hand in, what ranks."""
    from tomoset.benchmark.tasks import TASKS

    if as_json:
        entries = [
            {
                "name": task.name,
                "recipe": task.level.recipe,
                "title": task.level.title,
                "main_metric": task.main_metric,
                "submission": task.submission,
            }
            for task in TASKS
        ]
        typer.echo(json.dumps(entries, indent=1))
        return
    for task in TASKS:
        typer.echo(f"{task.name:<36}{task.main_metric:<18}{task.level.title}\n{'':<36}{task.submission}")


@benchmark.command()
def split(
    table: Path = typer.Argument(..., help="A .csv of run, specimen, session, simulation_seed."),
    out: Path = typer.Argument(..., help="splits.json to write."),
    seed: int = typer.Option(0, help="Another seed deals otherwise."),
) -> None:
    """Divide tomograms into training, validation, public and private test, groups never apart."""
    from tomoset.benchmark.splits import SPLITS
    from tomoset.workflow.splitting import split_tomograms

    made = split_tomograms(table, out, seed=seed)
    typer.echo(f"{out}: " + ", ".join(f"{len(made.runs(name))} {name}" for name in SPLITS))


@benchmark.command()
def check(
    submission: Path = typer.Argument(..., help="A .csv of experiment, particle_type, x, y, z."),
    project: Path = typer.Argument(..., help="Project or release that holds the tomograms."),
    objects: Path | None = typer.Option(None, help="copick_config.json with the classes, where the project has none."),
) -> None:
    """Check a submission without scoring it: names, numbers, units, frames, duplicates."""
    from tomoset.formats.copick import list_runs
    from tomoset.workflow.submissions import project_objects, tomogram_extents, validated_submission

    classes = tuple(item for item in project_objects(objects, project) if item.is_particle)
    rows = validated_submission(submission, classes, tomogram_extents(project, list_runs(project)))
    typer.echo(f"{submission}: {len(rows)} picks in {len(set(rows.experiments.tolist()))} tomograms can be scored")
