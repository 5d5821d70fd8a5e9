"""Release a project: gather what was curated and hand it to the release room, run by run."""

import json
from collections.abc import Iterator
from pathlib import Path

from tomoset import alignment, annotation, ctf, curation, microscope, motion, reconstruction, specimen
from tomoset.curation import CurationLog
from tomoset.errors import InputMissingError, OutputError
from tomoset.model import Progress, Release, Silent
from tomoset.release import ReleaseInfo, RunToRelease, write_release
from tomoset.workflow.label_files import load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram

__all__ = ["methods_section", "release_project"]


def release_project(root: Path, out: Path, formats: tuple[str, ...], *, progress: Progress | None = None) -> Release:
    """Write the published dataset of a project.

    Parameters
    ----------
    root : Path
        The project.
    out : Path
        New folder; it appears whole or not at all.
    formats : tuple of str
        Layouts to write.
    progress : Progress, optional

    Raises
    ------
    OutputError
        If ``out`` exists.
    InputMissingError
        If no run has a tomogram that may be released.
    """
    layout, recipe = open_project(root)
    if out.exists():
        raise OutputError(f"{out} exists already; a release is written once, name a new folder")
    rejected = _rejected(layout)
    ready = []
    for run in planned_runs(layout, recipe):
        if run not in rejected:
            if (layout.series(run) / "series.json").is_file() and layout.experiment(run).is_dir():
                ready.append(run)
            else:
                rejected[run] = "not processed to a tomogram"
    if not ready:
        reasons = "; ".join(f"{run}: {reason}" for run, reason in rejected.items()) or "there are no runs"
        raise InputMissingError(f"expected at least one curated tomogram to release, found none ({reasons})")
    info = ReleaseInfo(
        name=recipe.name,
        title=recipe.title,
        version="1.0.0",
        licence=recipe.licence,
        citation=recipe.citation,
        methods=methods_section(recipe),
        objects=recipe.pickable_objects(),
        formats=formats,
        rejected=rejected,
        is_simulated=recipe.is_simulated,
    )
    return write_release(out, info, _gather(layout, recipe, ready), n_runs=len(ready), progress=progress or Silent())


def methods_section(recipe: Recipe) -> str:
    """Methods of a dataset: each stage's own sentence, in order."""
    sentences = []
    if recipe.specimen is not None and recipe.microscope is not None:
        sentences += [specimen.methods_text(recipe.specimen), microscope.methods_text(recipe.microscope)]
    sentences += [
        motion.methods_text(recipe.motion),
        ctf.methods_text(recipe.ctf),
        alignment.methods_text(recipe.alignment),
        reconstruction.methods_text(recipe.reconstruction),
        curation.methods_text(recipe.curation),
    ]
    if recipe.objects:
        sentences.append(annotation.methods_text(recipe.annotation))
    return " ".join(sentences)


def _gather(layout: ProjectLayout, recipe: Recipe, runs: list[str]) -> Iterator[RunToRelease]:
    names = tuple(spec.name for spec in recipe.objects)
    for run in runs:
        tomogram = load_tomogram(layout, run, recipe.reconstruction.voxel_size_angstrom)
        labels = load_labels(layout, run, "tomoset", "templates", names, tomogram.grid.voxel_size_angstrom)
        yield RunToRelease(
            series=load_series(layout.series(run), "series.json"),
            tomogram=tomogram,
            labels=(labels,) if labels.picks else (),
        )


def _rejected(layout: ProjectLayout) -> dict[str, str]:
    """Runs that a person or, where nobody has spoken, the rules rejected."""
    verdicts = {}
    for path in sorted((layout.root / "Curation").glob("*.json")):
        suggestion = json.loads(path.read_text("utf-8"))["suggestion"]
        verdicts[suggestion["run"]] = (suggestion["verdict"], f"by the rules: {suggestion['reason']}")
    if layout.curation_log.is_file():
        for verdict in CurationLog(layout.curation_log).current_verdicts():
            verdicts[verdict.run] = (verdict.verdict, verdict.reason)
    return {run: reason for run, (word, reason) in verdicts.items() if word == "reject"}
