"""Commands about networks: train, predict."""

from pathlib import Path

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (train, predict):
        app.command()(command)


def train(
    projects: list[Path] = typer.Argument(..., help="Projects with tomograms of one voxel size."),
    model: str = typer.Option("detector", help="What to train: detector or segmenter."),
    out: Path | None = typer.Option(None, help="The model file; detector.model in the first project by default."),
    labels: str = typer.Option("truth", help="Whose labels: truth (simulated projects), or USER/SESSION."),
    target: list[str] = typer.Option([], help="A class to learn (repeat for more); all by default."),
    errors: str = typer.Option("0,3,8,13", help="Errors of the alignment to train over, Å rms, by commas."),
    like: Path | None = typer.Option(None, help="Project whose tomograms' amplitude spectrum to train with."),
    noise: list[Path] = typer.Option([], help="MRC of empty ice, added in training (repeat for more)."),
    steps: int = typer.Option(1500, min=1, help="Steps of training."),
    width: int = typer.Option(24, help="Channels of the network, a multiple of 8."),
    crop: int = typer.Option(64, help="Edge of the training crops, voxels, a multiple of 8."),
    seed: int = typer.Option(1, min=0, help="Of the network's start and the crops."),
    minutes: float | None = typer.Option(None, help="Leave off after this processor time; the same command goes on."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
    workers: int = typer.Option(0, help="Processor cores to use; 0 = all."),
) -> None:
    """Train a network on labels; an interrupted training goes on where it was."""
    import os

    from tomoset.errors import ParameterError
    from tomoset.model import Resources
    from tomoset.workflow.progress import terminal_progress
    from tomoset.workflow.training import TrainingChoice, label_source, train_on_projects

    if model not in ("detector", "segmenter"):
        raise ParameterError(f"--model: expected detector or segmenter, found {model!r}")
    try:
        wanted = tuple(float(part) for part in errors.split(","))
    except ValueError:
        raise ParameterError(f"--errors: expected numbers such as 0,3,8,13, found {errors!r}") from None
    choice = TrainingChoice(
        kind="detector" if model == "detector" else "segmenter",
        labels=label_source(labels),
        targets=tuple(target),
        errors_angstrom=wanted,
        steps=steps,
        width=width,
        crop=crop,
        seed=seed,
        minutes=minutes,
        like=like,
        noise=tuple(noise),
    )
    place = out or projects[0] / f"{model}.model"
    resources = Resources(device=_device(device), workers=workers or os.cpu_count() or 1)
    with terminal_progress(f"train {model}") as progress:
        made = train_on_projects(projects, place, choice, resources=resources, progress=progress)
    recipe = made.recipe
    if recipe.steps < steps:
        typer.echo(f"{recipe.steps} of {steps} steps done, loss {recipe.loss:.3f}; the same command goes on")
        return
    typer.echo(f"{place}: {recipe.steps} steps in {recipe.cpu_seconds / 60:.1f} CPU minutes, loss {recipe.loss:.3f}")
    for item, calibration in zip(recipe.classes, recipe.calibrations, strict=False):
        typer.echo(
            f"{item.name:<16} F1 {calibration.f1:.3f} on {calibration.n_true} held out, "
            f"from probability {calibration.threshold:.2f}"
        )


def predict(
    model: Path = typer.Argument(..., help="The model file."),
    project: Path = typer.Argument(..., help="The project whose tomograms to label."),
    only: list[str] = typer.Option([], help="A run (repeat for more); all by default."),
    flips: int = typer.Option(1, help="Mirrored answers to average: 1, 2, 4 or 8."),
    least_probability: float | None = typer.Option(None, help="Threshold, instead of what training chose."),
    match_spectrum: bool = typer.Option(False, help="Give tomograms the amplitude spectrum of those trained on."),
    device: str = typer.Option("cpu", help="cpu or cuda."),
    workers: int = typer.Option(0, help="Processor cores to use; 0 = all."),
) -> None:
    """Label a project's tomograms with a trained network."""
    import os

    from tomoset.annotation import PredictionParams
    from tomoset.model import Resources
    from tomoset.workflow.predicting import predict_project
    from tomoset.workflow.progress import terminal_progress

    params = PredictionParams(flips=flips, least_probability=least_probability, match_spectrum=match_spectrum)
    resources = Resources(device=_device(device), workers=workers or os.cpu_count() or 1)
    with terminal_progress("predict") as progress:
        done = predict_project(model, project, params, only=tuple(only), resources=resources, progress=progress)
    for run, labels in done.items():
        found = [f"{len(picks)} {picks.object_name}" for picks in labels.picks]
        outlined = [each.name for each in labels.segmentations]
        typer.echo(f"{run} ({labels.session}): " + ", ".join(found or outlined))


def _device(name: str) -> str:
    """Check that the device is there.

    Raises
    ------
    ParameterError
    """
    from tomoset.errors import ParameterError

    if name == "cpu":
        return name
    import torch

    if name != "cuda" or not torch.cuda.is_available():
        raise ParameterError(f"--device: expected cpu, or cuda where torch sees a GPU, found {name!r}")
    return name
