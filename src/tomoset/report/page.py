"""The report: one HTML page with pictures of everything a person would rather look at than read."""

import dataclasses
import json
import shutil
from importlib import resources as package_resources
from pathlib import Path
from typing import Any

from tomoset.benchmark.processing import ProcessingAccuracy, measure_processing
from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.model import Progress, SeriesTruth, Silent, TiltSeries
from tomoset.report.landmarks import labeled_landmarks, true_landmarks
from tomoset.report.processing_plots import draw_alignment, draw_ctf, draw_curation, draw_motion
from tomoset.report.score_plots import draw_confusion, draw_precision_recall
from tomoset.report.sections import draw_section
from tomoset.workflow.evidence import load_evidence
from tomoset.workflow.label_files import load_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.project import open_project
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.records import read_record
from tomoset.workflow.scoring import ScoredProject, score_project
from tomoset.workflow.series_files import load_series
from tomoset.workflow.status import SERIES_DOCUMENTS
from tomoset.workflow.steps import steps_for
from tomoset.workflow.tomogram_files import load_tomogram
from tomoset.workflow.truth_files import load_truth

__all__ = ["write_report"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _RunSection:
    """What the page shows of one run: facts, pictures relative to the page, what the steps cost."""

    run: str
    facts: dict[str, str]
    pictures: dict[str, str]
    composition: list[dict[str, Any]]
    steps: list[dict[str, Any]]


_OWN_SESSIONS = ("templates", "filaments", "membranes")


def write_report(root: Path, *, progress: Progress | None = None) -> Path:
    """Draw a project as ``Report/index.html``; runs that are not finished show what there is.

    Parameters
    ----------
    root : Path
        The project.
    progress : Progress, optional

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputMissingError
        If no run has been processed yet.
    """
    import jinja2

    layout, recipe = open_project(root)
    layout.report.mkdir(parents=True, exist_ok=True)
    runs, sections = planned_runs(layout, recipe), []
    for run in runs:
        sections.append(_run_section(layout, recipe, run))
        (progress or Silent()).step("draw", len(sections), len(runs))
    if not any(section.pictures for section in sections):
        raise InputMissingError(f"expected at least one processed run in {root}, found none; `tomoset run` makes them")
    scored = _scored(layout)
    score_pictures = {} if scored is None else _draw_scores(layout, scored)
    source = (package_resources.files("tomoset.report") / "page.html.j2").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    text = template.render(
        recipe=recipe,
        sections=sections,
        classes=[] if scored is None else scored.score.classes,
        score=None if scored is None else scored.score,
        score_pictures=score_pictures,
        evidence=_evidence(layout),
    )
    return write_text_atomic(layout.report / "index.html", text)


def _evidence(layout: ProjectLayout) -> list[dict[str, Any]]:
    """Figures of every class whose labels were averaged, and a copy of its picture beside the page."""
    rows = []
    for folder in sorted(layout.evidence.glob("*_*")):
        user, _, session = folder.name.partition("_")
        for row in load_evidence(layout, user, session):
            picture = folder / f"{row['object']}.png"
            name = f"evidence_{folder.name}_{row['object']}.png"
            if picture.is_file():
                shutil.copyfile(picture, layout.report / name)
            rows.append({**row, "author": f"{user}/{session}", "picture": name if picture.is_file() else ""})
    return rows


def _run_section(layout: ProjectLayout, recipe: Recipe, run: str) -> _RunSection:
    folder = layout.series(run)
    truth = load_truth(layout.truth(run)) if (layout.truth(run) / "truth.json").is_file() else None
    facts: dict[str, str] = {}
    pictures: dict[str, str] = {}
    document = next((name for name in SERIES_DOCUMENTS if (folder / name).is_file()), None)
    if document is not None:
        series = load_series(folder, document)
        accuracy = measure_processing(series, truth) if truth is not None and series.geometry is not None else None
        facts |= _series_facts(series, accuracy)
        pictures |= _draw_tomogram(layout, recipe, run, truth)
        pictures |= _draw_series(layout, recipe, series, truth, accuracy)
    return _RunSection(
        run=run,
        facts=facts,
        pictures=pictures,
        composition=[] if truth is None else [dataclasses.asdict(row) for row in truth.specimen.composition],
        steps=_step_costs(layout, recipe, run),
    )


def _series_facts(series: TiltSeries, accuracy: ProcessingAccuracy | None) -> dict[str, str]:
    facts = {"tilts used": f"{len(series.used)} of {len(series.tilts)}", "pixel": f"{series.pixel_size_angstrom:g} Å"}
    facts |= {f"{tilt.name}": tilt.reason for tilt in series.tilts if not tilt.use}
    if accuracy is not None:
        hand = {None: "undetermined", True: "right", False: "wrong"}[accuracy.hand_is_right]
        facts |= {
            "motion error": f"{accuracy.motion_rms_pixel:.3f} px rms",
            "tilt axis error": f"{accuracy.axis_error_deg:+.3f}°",
            "shift error across / along the axis": (
                f"{accuracy.shift_u_rms_angstrom:.2f} / {accuracy.shift_v_rms_angstrom:.2f} Å rms"
            ),
            "defocus error at 0°": f"{100 * accuracy.defocus_zero_tilt_relative:+.2f} %",
            "defocus error, all tilts": f"{100 * accuracy.defocus_rms_relative:.2f} % rms",
            "defocus hand": hand,
        }
    return facts


def _draw_tomogram(layout: ProjectLayout, recipe: Recipe, run: str, truth: SeriesTruth | None) -> dict[str, str]:
    """The tomogram with the labels that the steps made, and once more with everything it truly holds."""
    try:
        tomogram = load_tomogram(layout, run, recipe.reconstruction.voxel_size_angstrom, recipe.reconstruction.method)
    except InputMissingError:
        return {}
    objects = recipe.pickable_objects()
    names = tuple(item.name for item in objects)
    voxel = tomogram.grid.voxel_size_angstrom
    sets = [load_labels(layout, run, "tomoset", session, names, voxel) for session in _OWN_SESSIONS]
    pictures = {}
    if truth is None or any(labels.picks or labels.filaments or labels.membranes for labels in sets):
        pictures["tomogram"] = f"{run}_tomogram.png"
        found = tuple(each for each in labeled_landmarks(sets, objects, tomogram.grid) if each.count)
        draw_section(layout.report / pictures["tomogram"], tomogram, found, title="labels")
    if truth is not None:
        pictures["truth"] = f"{run}_truth.png"
        draw_section(layout.report / pictures["truth"], tomogram, true_landmarks(truth, tomogram), title="truth")
    return pictures


def _draw_series(
    layout: ProjectLayout,
    recipe: Recipe,
    series: TiltSeries,
    truth: SeriesTruth | None,
    accuracy: ProcessingAccuracy | None,
) -> dict[str, str]:
    names = {part: f"{series.run}_{part}.png" for part in ("motion", "curation", "ctf", "alignment")}
    draw_motion(layout.report / names["motion"], series, truth)
    draw_curation(layout.report / names["curation"], series)
    if all(tilt.ctf is None for tilt in series.tilts):
        del names["ctf"]
    else:
        draw_ctf(layout.report / names["ctf"], series, recipe.ctf, truth)
    if series.geometry is None:
        del names["alignment"]
    else:
        draw_alignment(layout.report / names["alignment"], series, accuracy)
    return names


def _step_costs(layout: ProjectLayout, recipe: Recipe, run: str) -> list[dict[str, Any]]:
    records = [read_record(layout, step.name, run) for step in steps_for(recipe)]
    return [
        {"stage": record.stage, "wall": record.wall_seconds, "cpu": record.cpu_seconds} for record in records if record
    ]


def _scored(layout: ProjectLayout) -> ScoredProject | None:
    """The score that was kept last, computed again with what its pictures need; None where there is none."""
    if not layout.score.is_file():
        return None
    try:
        document = json.loads(layout.score.read_text("utf-8"))
        user, session = document["predicted_by"], document["session"]
    except (ValueError, KeyError) as error:
        raise FormatError(
            f"{layout.score.name}: expected the scores of `tomoset score`, found {error!r}; score the project again"
        ) from error
    return score_project(layout.root, layout.ground_truth, user=user, session=session)


def _draw_scores(layout: ProjectLayout, scored: ScoredProject) -> dict[str, str]:
    draw_precision_recall(layout.report / "precision_recall.png", scored.score, scored.objects)
    draw_confusion(layout.report / "confusion.png", scored.confusion)
    return {"precision and recall": "precision_recall.png", "confusion": "confusion.png"}
