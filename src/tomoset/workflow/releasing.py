"""Release a project: gather what was curated and hand it to the release room, run by run."""

from collections.abc import Iterator
from pathlib import Path

from tomoset import alignment, ctf, curation, microscope, motion, reconstruction, specimen
from tomoset.curation import CurationLog
from tomoset.errors import InputMissingError, OutputError
from tomoset.formats.copick_labels import list_authors
from tomoset.model import Labels, Progress, Release, Silent
from tomoset.release import ReleaseInfo, RunToRelease, write_release
from tomoset.workflow.alignment_import import imported_alignment_text
from tomoset.workflow.annotation_steps import labeling_sentences
from tomoset.workflow.curation_files import load_suggestion
from tomoset.workflow.label_files import load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import make_plan, planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series
from tomoset.workflow.tomogram_files import load_tomogram

__all__ = ["methods_section", "release_project"]


def release_project(
    root: Path, out: Path, formats: tuple[str, ...], *, progress: Progress | None = None, as_bag: bool = False
) -> Release:
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
    as_bag : bool
        Pack the release as a BagIt bag.

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
    runs = planned_runs(layout, recipe)
    left_out = {**_unfinished(layout, recipe), **_rejected(layout, runs)}
    ready = [run for run in runs if run not in left_out]
    info = ReleaseInfo(
        name=recipe.name,
        title=recipe.title,
        version="1.0.0",
        licence=recipe.licence,
        citation=recipe.citation,
        methods=methods_section(recipe, imported_alignment_text(layout, tuple(ready))),
        objects=recipe.pickable_objects(),
        formats=formats,
        rejected=left_out,
        is_simulated=recipe.is_simulated,
        facts=recipe.dataset,
    )
    if not ready:
        reasons = "; ".join(f"{run}: {reason}" for run, reason in left_out.items()) or "there are no runs"
        raise InputMissingError(f"expected at least one curated tomogram to release, found none ({reasons})")
    return write_release(
        out,
        info,
        _gather(layout, recipe, ready),
        n_runs=len(ready),
        progress=progress or Silent(),
        as_bag=as_bag,
    )


def methods_section(recipe: Recipe, imported_alignment: str = "") -> str:
    """Methods of a dataset: each stage's own sentence, in order; that on imported alignments instead of our own."""
    sentences = []
    if recipe.specimen is not None and recipe.microscope is not None:
        sentences += [specimen.methods_text(recipe.specimen), microscope.methods_text(recipe.microscope)]
    sentences += [
        motion.methods_text(recipe.motion),
        ctf.methods_text(recipe.ctf),
        imported_alignment or alignment.methods_text(recipe.alignment),
        reconstruction.methods_text(recipe.reconstruction),
        *([] if recipe.denoising is None else [reconstruction.denoise_methods_text(recipe.denoising)]),
        *([] if recipe.deconvolution is None else [reconstruction.deconvolution_methods_text(recipe.deconvolution)]),
        curation.methods_text(recipe.curation),
    ]
    sentences += labeling_sentences(recipe)
    return " ".join(sentences)


def _gather(layout: ProjectLayout, recipe: Recipe, runs: list[str]) -> Iterator[RunToRelease]:
    """One run at a time, with the labels of everybody who labeled its tomogram."""
    for run in runs:
        voxel = recipe.reconstruction.voxel_size_angstrom
        tomogram = load_tomogram(layout, run, voxel, recipe.reconstruction.method)
        grid = tomogram.grid
        sets = [
            load_labels(layout, run, user, session, None, grid.voxel_size_angstrom)
            for user, session in list_authors(layout.root, run)
        ]
        yield RunToRelease(
            series=load_series(layout.series(run), "series.json"),
            tomogram=tomogram,
            labels=tuple(each for each in sets if _holds_anything(each)),
            derived=tuple(load_tomogram(layout, run, voxel, kind) for kind in _derived_kinds(recipe)),
        )


def _holds_anything(labels: Labels) -> bool:
    return bool(labels.picks or labels.segmentations or labels.filaments or labels.membranes)


def _derived_kinds(recipe: Recipe) -> tuple[str, ...]:
    """Kinds of tomograms that the recipe asks for beside the reconstructed one."""
    asked = {"denoised": recipe.denoising, "deconv": recipe.deconvolution}
    return tuple(kind for kind, params in asked.items() if params is not None)


def _unfinished(layout: ProjectLayout, recipe: Recipe) -> dict[str, str]:
    """Runs whose data are not what the recipe describes (any more): their methods section would be wrong."""
    first_missing: dict[str, str] = {}
    for planned in make_plan(layout, recipe):
        if planned.state == "to do":
            reason = f"not processed as the recipe says ({planned.step.name}: {planned.why}); `tomoset run` does it"
            first_missing.setdefault(planned.run, reason)
    return first_missing


def _rejected(layout: ProjectLayout, runs: tuple[str, ...]) -> dict[str, str]:
    """Runs that a person or, where nobody has spoken, the rules rejected."""
    verdicts = {}
    for run in runs:
        suggestion = load_suggestion(layout, run)
        if suggestion is not None:
            verdicts[run] = (suggestion.verdict, f"by the rules: {suggestion.reason}")
    if layout.curation_log.is_file():
        for verdict in CurationLog(layout.curation_log).current_verdicts():
            verdicts[verdict.run] = (verdict.verdict, verdict.reason)
    return {run: reason for run, (word, reason) in verdicts.items() if word == "reject"}
