"""Scores as JSON documents, written beside the labels and read again for a leaderboard."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset import __version__
from tomoset.benchmark import Confusion, OctopiScore, Panoptic, ShrecScore
from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.model import (
    Calibration,
    ClassScore,
    FreeResponse,
    PrecisionRecall,
    RunCounts,
    Score,
    SegmentationScore,
    StratumScore,
)

__all__ = ["StoredScore", "document_of", "read_score", "write_score"]

FORMAT = "tomoset score 2"

_FALSE_PER_TOMOGRAM = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_CURVE_POINTS = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredScore:
    """One score with what a leaderboard says about it.

    Parameters
    ----------
    score : Score
    method, session : str
        Who made the labels, and in which round.
    conditions : dict of str to float
        Under which the tomograms were made, as a robustness curve needs them: ``dose_e_per_angstrom2``,
        ``thickness_angstrom``, ``shift_error_angstrom`` …
    task, split : str
        Of a benchmark; empty for a score of a project of one's own.
    """

    score: Score
    method: str
    session: str = ""
    conditions: Mapping[str, float] = dataclasses.field(default_factory=dict)
    task: str = ""
    split: str = ""


def document_of(
    stored: StoredScore,
    *,
    confusion: Confusion | None = None,
    octopi: OctopiScore | None = None,
    shrec: Mapping[str, ShrecScore] | None = None,
    panoptic: Mapping[str, Panoptic] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A score as plain values; undefined ones are null."""
    score = stored.score
    document: dict[str, Any] = {
        "format": FORMAT,
        "software": f"tomoset {__version__}",
        "method": stored.method,
        "predicted_by": score.predicted_by,
        "session": stored.session,
        "task": stored.task,
        "split": stored.split,
        "conditions": dict(stored.conditions),
        "metric_version": score.metric_version,
        "truth_version": score.truth_version,
        "runs": list(score.runs),
        "czii_f4": _finite(score.czii),
        "mean_f1": _finite(score.mean_f1),
        "mean_f1_claimed": _finite(score.mean_f1_claimed),
        "f1_any_class": _finite(score.f1_any_class),
        "mean_dice": _finite(score.mean_dice),
        "surface_dice": _finite(score.surface_dice),
        "panoptic_quality": _finite(score.panoptic_quality),
        "classes_claimed": [c.object_name for c in score.classes if c.claimed],
        "intervals": _intervals(score.intervals),
        "classes": [_class_document(c) for c in score.classes],
        "any_class": None if score.any_class is None else _class_document(score.any_class),
        "strata": [_plain(s) | {"recall": _finite(s.recall), "precision": _finite(s.precision)} for s in score.strata],
        "segmentations": [_plain(s) for s in score.segmentations],
    }
    if confusion is not None:
        document["confusion"] = {"names": list(confusion.names), "counts": confusion.counts.tolist()}
    if octopi is not None:
        document["octopi"] = {"value": _finite(octopi.value), "distance_fraction": 0.8}
    if shrec:
        document["shrec"] = {run: _shrec_document(each) for run, each in shrec.items()}
    if panoptic:
        document["panoptic"] = {run: _panoptic_document(each) for run, each in panoptic.items()}
    return document | dict(notes or {})


def _class_document(item: ClassScore) -> dict[str, Any]:
    curve, response = item.curve, item.free_response
    return {
        "object": item.object_name,
        "claimed": item.claimed,
        "n_truth": item.n_truth,
        "n_predicted": item.n_predicted,
        "n_matched": item.n_matched,
        "n_duplicates": item.n_duplicates,
        "n_set_aside": item.n_set_aside,
        "match_radius_angstrom": item.match_radius_angstrom,
        "precision": _finite(item.precision),
        "recall": _finite(item.recall),
        "f1": _finite(item.f1),
        "f4_czii": _finite(item.f4_czii),
        "average_precision": _finite(curve.average_precision) if curve else None,
        "localisation_median_angstrom": _finite(item.localisation_median_angstrom),
        "localisation_p95_angstrom": _finite(item.localisation_p95_angstrom),
        "orientation_median_deg": _finite(item.orientation_median_deg),
        "orientation_p95_deg": _finite(item.orientation_p95_deg),
        "recall_at_false_per_tomogram": {
            f"{n:g}": _finite(response.recall_at(n)) for n in _FALSE_PER_TOMOGRAM if response
        },
        "curve": _curve_document(curve, response),
        "probability_calibration": _calibration_document(item.probability_calibration),
        "fdr_calibration": _calibration_document(item.fdr_calibration),
        "intervals": _intervals(item.intervals),
        "runs": [dataclasses.asdict(counts) for counts in item.runs],
    }


def _curve_document(curve: PrecisionRecall | None, response: FreeResponse | None) -> dict[str, Any] | None:
    """At most 200 points of the curves: enough to draw, small enough to keep."""
    if curve is None or response is None:
        return None
    which = np.unique(np.linspace(0, len(curve.recall) - 1, min(_CURVE_POINTS, len(curve.recall))).astype(np.intp))
    columns = {
        "thresholds": curve.thresholds,
        "precision": curve.precision,
        "recall": curve.recall,
        "false_per_tomogram": response.false_per_tomogram,
    }
    return {name: [_finite(v) for v in values[which]] for name, values in columns.items()}


def _calibration_document(item: Calibration | None) -> dict[str, Any] | None:
    if item is None:
        return None
    lists = {name: [_finite(v) for v in getattr(item, name)] for name in ("stated", "observed")}
    return {"error": _finite(item.error), "counts": item.counts.tolist(), **lists}


def _shrec_document(item: ShrecScore) -> dict[str, Any]:
    return {
        **{name: getattr(item, name) for name in ("n_particles", "n_predicted", "n_found", "n_misses", "n_multiple")},
        **{name: _finite(getattr(item, name)) for name in ("recall", "precision", "f1", "miss_rate", "mean_distance")},
        "class_f1": {name: _finite(item.class_f1(name)) for name in item.class_names},
        "confusion": {"names": ["not found", *item.class_names], "counts": item.confusion.tolist()},
    }


def _panoptic_document(item: Panoptic) -> dict[str, Any]:
    rates = ("panoptic_quality", "segmentation_quality", "recognition_quality")
    counts = ("n_matched", "n_false", "n_missed")
    return {name: getattr(item, name) for name in counts} | {name: _finite(getattr(item, name)) for name in rates}


def _plain(item: StratumScore | SegmentationScore) -> dict[str, Any]:
    values = dataclasses.asdict(item)
    return {name: _finite(v) if isinstance(v, float) else v for name, v in values.items()}


def _intervals(intervals: Mapping[str, tuple[float, float]]) -> dict[str, list[float | None]]:
    return {name: [_finite(low), _finite(high)] for name, (low, high) in intervals.items()}


def _finite(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None


def write_score(path: Path, document: dict[str, Any]) -> Path:
    """Write a document of :func:`document_of`, whole or not at all."""
    return write_json_atomic(path, document)


def read_score(path: Path) -> StoredScore:
    """Read a score's counts, rates, intervals and strata; its curves stay in the file.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no score, or one of a version that is not understood.
    """
    if not path.is_file():
        raise InputMissingError(f"{path}: expected the JSON of `tomoset score`, found nothing there")
    document = read_json(path)
    if document.get("format") != FORMAT:
        raise FormatError(
            f"{path}: expected a score of the format {FORMAT!r}, found {document.get('format')!r}; "
            "score the labels again"
        )
    with understood(path):
        return StoredScore(
            score=_score_from(document),
            method=str(document["method"]),
            session=str(document["session"]),
            conditions={str(name): float(value) for name, value in document["conditions"].items()},
            task=str(document["task"]),
            split=str(document["split"]),
        )


def _score_from(document: dict[str, Any]) -> Score:
    return Score(
        predicted_by=document["predicted_by"],
        runs=tuple(document["runs"]),
        classes=tuple(_class_from(entry) for entry in document["classes"]),
        metric_version=document["metric_version"],
        truth_version=document["truth_version"],
        any_class=None if document["any_class"] is None else _class_from(document["any_class"]),
        strata=tuple(_record(StratumScore, entry) for entry in document["strata"]),
        segmentations=tuple(_record(SegmentationScore, entry) for entry in document["segmentations"]),
        panoptic={run: float(entry["panoptic_quality"]) for run, entry in document.get("panoptic", {}).items()},
        intervals=_intervals_from(document["intervals"]),
    )


def _class_from(entry: dict[str, Any]) -> ClassScore:
    rates = ("precision", "recall", "f1", "f4_czii", "localisation_median_angstrom", "localisation_p95_angstrom")
    counts = ("n_truth", "n_predicted", "n_matched", "n_duplicates", "n_set_aside")
    angles = ("orientation_median_deg", "orientation_p95_deg")
    numbers: dict[str, Any] = {name: int(entry[name]) for name in counts}
    numbers |= {name: _number(entry[name]) for name in (*rates, *angles)}
    return ClassScore(
        object_name=str(entry["object"]),
        claimed=bool(entry["claimed"]),
        match_radius_angstrom=float(entry["match_radius_angstrom"]),
        **numbers,
        curve=_curve_from(entry),
        probability_calibration=_calibration_from(entry["probability_calibration"]),
        fdr_calibration=_calibration_from(entry["fdr_calibration"]),
        runs=tuple(RunCounts(**counts) for counts in entry["runs"]),
        intervals=_intervals_from(entry["intervals"]),
    )


def _curve_from(entry: dict[str, Any]) -> PrecisionRecall | None:
    if entry["curve"] is None:
        return None
    columns = {name: _array(entry["curve"][name]) for name in ("thresholds", "precision", "recall")}
    return PrecisionRecall(**columns, average_precision=_number(entry["average_precision"]))


def _calibration_from(entry: dict[str, Any] | None) -> Calibration | None:
    if entry is None:
        return None
    return Calibration(
        stated=_array(entry["stated"]),
        observed=_array(entry["observed"]),
        counts=np.asarray(entry["counts"], dtype=np.int64),
        error=_number(entry["error"]),
    )


def _record(kind: type[Any], entry: dict[str, Any]) -> Any:
    """A stratum or a mask's score; null is an open end of a range, or an undefined rate."""
    values = {field.name: entry[field.name] for field in dataclasses.fields(kind)}
    ends = {"low": -math.inf, "high": math.inf, "n_false": None}
    return kind(**{name: ends.get(name, math.nan) if value is None else value for name, value in values.items()})


def _array(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _intervals_from(entry: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {str(name): (_number(low), _number(high)) for name, (low, high) in entry.items()}
