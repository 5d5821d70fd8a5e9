"""Score a project's picks against the truth, which only this and the report open."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoset.annotation import truth_labels
from tomoset.benchmark import Confusion, confusion, score
from tomoset.errors import InputMissingError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import write_config
from tomoset.model import Labels, PickableObject, Score
from tomoset.workflow.label_files import labeled_voxel_size, load_labels, save_labels
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.tomogram_files import load_tomogram, reconstructed_kind
from tomoset.workflow.truth_files import load_truth

__all__ = ["ScoredProject", "score_and_save", "score_document", "score_project", "score_table"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredProject:
    """Scores with what they were computed from.

    Parameters
    ----------
    score : Score
    confusion : Confusion
    objects : tuple of PickableObject
    predicted, truth : tuple of Labels
        In the same tomograms' frames.
    """

    score: Score
    confusion: Confusion
    objects: tuple[PickableObject, ...]
    predicted: tuple[Labels, ...]
    truth: tuple[Labels, ...]


def score_project(
    predicted_root: Path, truth_root: Path, *, user: str = "tomoset", session: str = "templates"
) -> ScoredProject:
    """Score one author's picks of every run that has a truth.

    Parameters
    ----------
    predicted_root : Path
        A project, or a copick release of one (both carry the tomograms' geometry beside the volumes).
    truth_root : Path
        The hidden root: one folder a run with ``truth.json``.
    user, session : str
        Author and round of the picks.

    Raises
    ------
    InputMissingError
        If there is no truth, no picks, or no tomogram to bring the truth into.
    """
    runs = sorted(path.parent.name for path in truth_root.glob("*/truth.json")) if truth_root.is_dir() else []
    if not runs:
        raise InputMissingError(
            f"expected truth at {truth_root}/RUN/truth.json, found none; measured data have no truth"
        )
    layout = ProjectLayout(predicted_root)
    predicted: list[Labels] = []
    truths: list[Labels] = []
    objects: tuple[PickableObject, ...] = ()
    for run in runs:
        truth = load_truth(truth_root / run)
        objects = tuple(item for item in truth.objects if item.is_particle)
        names = tuple(item.name for item in objects)
        voxel = labeled_voxel_size(layout, run, user, session, names)
        tomogram = load_tomogram(layout, run, voxel, reconstructed_kind(layout, run, voxel))
        predicted.append(load_labels(layout, run, user, session, names, tomogram.grid.voxel_size_angstrom))
        truths.append(truth_labels(truth, tomogram))
    if not any(len(picks) for labels in predicted for picks in labels.picks):
        raise InputMissingError(
            f"expected picks by {user!r} (session {session!r}) in {predicted_root}, found none; "
            "`tomoset annotate` makes them, --user names others"
        )
    return ScoredProject(
        score=score(predicted, truths, objects),
        confusion=confusion(predicted, truths, objects),
        objects=objects,
        predicted=tuple(predicted),
        truth=tuple(truths),
    )


def score_and_save(
    project: Path, truth_root: Path, *, user: str = "tomoset", session: str = "templates"
) -> ScoredProject:
    """Score a simulated project; write ``score.json`` and the truth as a copick project of its own.

    Arguments and errors are those of :func:`score_project`.
    """
    scored = score_project(project, truth_root, user=user, session=session)
    layout = ProjectLayout(project)
    write_json_atomic(layout.score, score_document(scored))
    truth_layout = ProjectLayout(truth_root)
    write_config(
        truth_layout.copick_config,
        scored.objects,
        name="ground-truth",
        description="Truth in the tomograms' frames",
    )
    for labels in scored.truth:
        save_labels(truth_layout, labels)
    return scored


def score_document(scored: ScoredProject) -> dict[str, Any]:
    """Scores as plain values; undefined ones are null."""
    result = scored.score
    return {
        "predicted_by": result.predicted_by,
        "session": scored.predicted[0].session,
        "metric_version": result.metric_version,
        "runs": list(result.runs),
        "czii_f4": _finite(result.czii),
        "mean_f1": _finite(result.mean_f1),
        "truth_transfer": {labels.run: labels.notes for labels in scored.truth},
        "classes": [
            {
                "object": c.object_name,
                "n_truth": c.n_truth,
                "n_predicted": c.n_predicted,
                "n_matched": c.n_matched,
                "match_radius_angstrom": c.match_radius_angstrom,
                "precision": _finite(c.precision),
                "recall": _finite(c.recall),
                "f1": _finite(c.f1),
                "f4_czii": _finite(c.f4_czii),
                "average_precision": _finite(c.curve.average_precision) if c.curve else None,
                "localisation_median_angstrom": _finite(c.localisation_median_angstrom),
                "localisation_p95_angstrom": _finite(c.localisation_p95_angstrom),
                "orientation_median_deg": _finite(c.orientation_median_deg),
            }
            for c in result.classes
        ],
        "confusion": {"names": list(scored.confusion.names), "counts": scored.confusion.counts.tolist()},
    }


def score_table(scored: ScoredProject) -> str:
    """Scores as a table for the terminal."""
    widths = {"truth": 6, "picks": 6, "F1": 7, "prec.": 7, "recall": 7, "AP": 7, "F4": 7, "loc. Å": 8, "angle °": 8}
    header = f"{'object':<16}" + "".join(f"{name:>{width}}" for name, width in widths.items())
    rows = [header]
    for c in scored.score.classes:
        average = c.curve.average_precision if c.curve else math.nan
        rows.append(
            f"{c.object_name:<16}{c.n_truth:>6}{c.n_predicted:>6}{c.f1:>7.3f}{c.precision:>7.3f}{c.recall:>7.3f}"
            f"{average:>7.3f}{c.f4_czii:>7.3f}{c.localisation_median_angstrom:>8.1f}{c.orientation_median_deg:>8.1f}"
        )
    rows.append(f"mean F1 {scored.score.mean_f1:.3f}   CZII F4 {scored.score.czii:.3f}")
    return "\n".join(rows)


def _finite(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
