"""Commands about a project: recipes, init, plan, run, status, check, demo."""

import dataclasses
import json
from pathlib import Path
from typing import cast

import typer

__all__ = ["register"]

_WIDER_THAN_ANY_ROW = 1000


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (demo, recipes, init, plan, run, status, check):
        app.command()(command)


def _workers() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def demo(
    out: Path = typer.Argument(..., help="Folder to make."),
    seed: int = typer.Option(1, help="Seed of the simulated dataset."),
    workers: int = typer.Option(0, help="Processor cores to use; 0 = all."),
) -> None:
    """Run the whole spine on a small simulated dataset: movies to scored labels and a report."""
    from tomoset.cli.demo import run_demo

    run_demo(out, seed=seed, workers=workers or _workers())


def recipes(
    name: str = typer.Argument("", help="Show this one in full."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """List the built-in recipes, or show one with every parameter."""
    from tomoset.workflow.recipe import built_in_recipes, load_recipe, recipe_text

    if name:
        recipe = load_recipe(name)
        typer.echo(json.dumps(dataclasses.asdict(recipe), indent=1) if as_json else recipe_text(recipe))
        return
    titles = {entry: load_recipe(entry).title for entry in built_in_recipes()}
    typer.echo(json.dumps(titles, indent=1) if as_json else "\n".join(f"{k:<16} {v}" for k, v in titles.items()))


def init(
    project: Path = typer.Argument(..., help="Folder to make."),
    recipe: str = typer.Option("", help="Built-in recipe or TOML file: simulate, or parameters for --movies."),
    movies: str = typer.Option("", help="Pattern of SerialEM mdoc files, e.g. 'raw/*.mdoc'."),
    gain: Path | None = typer.Option(None, help="Gain reference of the movies (MRC or TIFF)."),
    gain_orientation: str = typer.Option(
        "auto", help="auto, or SerialEM's code 0-7: 0-3 turn by 90° counter-clockwise so often, 4-7 mirror before."
    ),
    gain_use: str = typer.Option("auto", help="auto, multiply or divide (a reciprocal gain reference)."),
    frames: Path | None = typer.Option(None, help="Folder of the movies, when not beside the mdoc."),
    pixel_size: float | None = typer.Option(None, help="Pixel size of the movies, Å, when the mdoc lacks it."),
    voltage: float | None = typer.Option(None, help="Acceleration voltage, kV, when the mdoc lacks it."),
    dose_per_tilt: float | None = typer.Option(None, help="Dose per tilt, e/Å², when the mdoc lacks it."),
    tilt_axis: float | None = typer.Option(None, help="Tilt axis angle, degrees, when the mdoc is wrong."),
    invert_tilts: bool = typer.Option(False, help="Take every tilt angle with the other sign."),
    skip_missing: bool = typer.Option(False, help="Go on without tilts whose movies are missing; else refuse."),
    eer_dose: float | None = typer.Option(None, help="Dose per sum of EER frames, e/Å² (0.5)."),
    eer_frames: int | None = typer.Option(None, help="EER frames per sum, instead of a dose."),
    alignments: str = typer.Option(
        "", help="Alignments to take instead of aligning: folder, file or pattern of .xf, .aln, .xml, .star, .json."
    ),
    alignment_pixel_size: float | None = typer.Option(
        None, help="Pixel size of the images they were made on, Å, when not the movies'."
    ),
    assign: list[str] = typer.Option([], "--set", help="Override, e.g. specimen.thickness_angstrom=1500."),
) -> None:
    """Make a project: from a recipe (simulated) or from movies."""
    from tomoset.errors import ParameterError
    from tomoset.workflow.project import (
        AlignmentSource,
        GainUse,
        MovieOptions,
        create_imported_project,
        create_simulated_project,
    )

    if movies:
        options = MovieOptions(
            gain=gain,
            frames=frames,
            pixel_size_angstrom=pixel_size,
            voltage_kv=voltage,
            dose_per_tilt_e_per_angstrom2=dose_per_tilt,
            tilt_axis_deg=tilt_axis,
            gain_orientation=_orientation(gain_orientation),
            gain_use=cast("GainUse", gain_use),
            eer_dose_per_group_e_per_angstrom2=0.5 if eer_dose is None else eer_dose,
            eer_frames_per_group=eer_frames,
            skip_missing=skip_missing,
            invert_tilts=invert_tilts,
        )
        if alignment_pixel_size is not None and not alignments:
            raise ParameterError("expected --alignment-pixel-size together with --alignments, found no --alignments")
        layout, notes = create_imported_project(
            project,
            movies,
            options,
            recipe_name=recipe,
            overrides=tuple(assign),
            alignments=AlignmentSource(pattern=alignments, pixel_size_angstrom=alignment_pixel_size)
            if alignments
            else None,
        )
        typer.echo(f"{layout.root}: {len(layout.runs())} tilt series: {', '.join(layout.runs())}")
        for note in notes:
            typer.echo(f"note: {note}")
    else:
        given = {
            "--gain": gain,
            "--frames": frames,
            "--pixel-size": pixel_size,
            "--voltage": voltage,
            "--dose-per-tilt": dose_per_tilt,
            "--tilt-axis": tilt_axis,
            "--gain-orientation": None if gain_orientation == "auto" else gain_orientation,
            "--gain-use": None if gain_use == "auto" else gain_use,
            "--invert-tilts": invert_tilts or None,
            "--skip-missing": skip_missing or None,
            "--eer-dose": eer_dose,
            "--eer-frames": eer_frames,
            "--alignments": alignments or None,
            "--alignment-pixel-size": alignment_pixel_size,
        }
        idle = [name for name, value in given.items() if value is not None]
        if idle:
            raise ParameterError(
                f"expected {', '.join(idle)} together with --movies, found no --movies; "
                "a simulated project takes its parameters from the recipe (--set)"
            )
        layout = create_simulated_project(project, recipe, overrides=tuple(assign))
        typer.echo(
            f"{layout.root}: made; `tomoset plan {project}` shows what would run, `tomoset run {project}` does it"
        )


def _orientation(text: str) -> int | None:
    from tomoset.errors import ParameterError

    if text == "auto":
        return None
    if len(text) == 1 and text in "01234567":
        return int(text)
    raise ParameterError(f"--gain-orientation: expected auto or a code 0 to 7, found {text!r}")


def plan(
    project: Path = typer.Argument(..., help="The project."),
    until: str | None = typer.Option(None, help="Last noun wanted."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Show what would run, what is done, and why."""
    from tomoset.workflow.plan import make_plan
    from tomoset.workflow.project import open_project, require_noun

    layout, recipe = open_project(project)
    planned = make_plan(layout, recipe, until=require_noun(until))
    rows = [{"run": p.run, "step": p.step.name, "yields": p.step.noun, "state": p.state, "why": p.why} for p in planned]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    _table(["run", "step", "yields", "state", "why"], [list(row.values()) for row in rows])


def run(
    project: Path = typer.Argument(..., help="The project."),
    until: str | None = typer.Option(None, help="Last noun wanted: movies, images, defocus, tiltseries, tomogram …"),
    only: list[str] = typer.Option([], help="Only this run (repeat for more)."),
    engine: str = typer.Option("local", help="Where to compute: local."),
    workers: int = typer.Option(0, help="Processor cores to use; 0 = all."),
    device: str = typer.Option("cpu", help="Where networks run and tomograms are projected: cpu, cuda."),
    memory: float = typer.Option(8.0, help="Memory to stay within, GiB."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable, no bars."),
) -> None:
    """Compute what is not there yet; an interrupted run goes on where it stopped."""
    from tomoset.errors import ParameterError, TomosetError
    from tomoset.workflow.engine import run_project
    from tomoset.workflow.progress import QuietMonitor, TerminalMonitor
    from tomoset.workflow.project import open_project, require_noun, require_runs

    for name, value, choices in (("--engine", engine, ("local",)), ("--device", device, ("cpu", "cuda"))):
        if value not in choices:
            raise ParameterError(f"{name}: expected one of {', '.join(choices)}, found {value!r}")
    layout, recipe = open_project(project)
    outcomes = run_project(
        layout.root,
        until=require_noun(until),
        only=require_runs(layout, recipe, tuple(only)),
        workers=workers or _workers(),
        device=device,
        memory_gib=memory,
        monitor=QuietMonitor() if as_json else TerminalMonitor(),
    )
    computed = sum(len(outcome.records) for outcome in outcomes)
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {
                        "run": o.run,
                        "computed": [{"step": r.stage, "seconds": r.wall_seconds} for r in o.records],
                        "error": str(o.error) if o.error else None,
                    }
                    for o in outcomes
                ],
                indent=1,
            )
        )
    else:
        typer.echo(f"{computed} steps computed" if outcomes else "nothing to do: everything is there")
    failures = [outcome for outcome in outcomes if outcome.error]
    if failures:
        raise TomosetError("\n\n".join(str(outcome.error) for outcome in failures))


def status(
    project: Path = typer.Argument(..., help="The project."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Show how far each run is, and what it looks like in numbers."""
    from tomoset.workflow.project import open_project
    from tomoset.workflow.status import project_status

    layout, recipe = open_project(project)
    rows = project_status(layout, recipe)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
        return
    header = ["run", "done", "tilts used", "motion Å", "defocus µm", "axis °", "error Å", "verdict"]
    _table(header, [row.cells() for row in rows])
    names = sorted({name for row in rows for name in row.picks})
    if names:
        typer.echo()
        _table(["picks", *names], [[row.run, *(str(row.picks.get(name, 0)) for name in names)] for row in rows])


def check(
    project: Path = typer.Argument(..., help="The project."),
    as_json: bool = typer.Option(False, "--json", help="Machine-readable."),
) -> None:
    """Check a project for contradictions: voxel sizes, labels, hands, counts."""
    from tomoset.errors import TomosetError
    from tomoset.workflow.project import open_project
    from tomoset.workflow.quality import check_project

    layout, recipe = open_project(project)
    problems = check_project(layout, recipe, every=as_json)
    if as_json:
        typer.echo(json.dumps(problems, indent=1))
    elif not problems:
        typer.echo("no problems found")
    if problems:
        raise TomosetError("\n".join(problems))


def _table(header: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    # Cutting cells to a narrow terminal, or to a pipe's make-believe 80 columns, would hide what was asked for.
    Console(highlight=False, width=_WIDER_THAN_ANY_ROW).print(table, crop=False, soft_wrap=True)
