"""Scores as tables for the terminal."""

import math
from collections.abc import Sequence

from tomoset.benchmark import OctopiScore, Panoptic, ShrecScore
from tomoset.model import ClassScore, Score, SegmentationScore, StratumScore

__all__ = ["mask_table", "pick_table", "shrec_table", "strata_table"]


def pick_table(score: Score, octopi: OctopiScore | None = None) -> str:
    """One line a class, and the means below."""
    widths = {
        "truth": 6, "picks": 6, "F1": 7, "95 %": 13, "prec.": 7, "recall": 7, "AP": 7, "F4": 7, "dup.": 6,
        "loc. Å": 8, "angle °": 8,
    }  # fmt: skip
    rows = [f"{'object':<16}" + "".join(f"{name:>{width}}" for name, width in widths.items())]
    rows += [_class_row(item) for item in score.classes]
    if score.any_class is not None:
        rows.append(_class_row(score.any_class))
    claimed = [item for item in score.classes if item.claimed]
    rows.append("")
    rows.append(
        f"mean F1 {score.mean_f1:.3f}{_between(score, 'mean_f1')} of all {len(score.classes)} classes"
        f"   CZII F4 {score.czii:.3f}{_between(score, 'czii')}"
    )
    if len(claimed) < len(score.classes):
        silent = ", ".join(item.object_name for item in score.classes if not item.claimed)
        rows.append(
            f"mean F1 {score.mean_f1_claimed:.3f}{_between(score, 'mean_f1_claimed')} of the {len(claimed)} classes "
            f"that were looked for (not: {silent})"
        )
    if octopi is not None:
        rows.append(f'octopi\'s "Kaggle Submission Score" {octopi.value:.3f} (0.8 radii, duplicates forgiven)')
    aside = sum(item.n_set_aside for item in score.classes)
    if aside:
        rows.append(f"{aside} picks lie where nothing is scored and were set aside")
    rows.append(f"metric version {score.metric_version}, truth {score.truth_version}")
    return "\n".join(rows)


def _class_row(item: ClassScore) -> str:
    average = item.curve.average_precision if item.curve else math.nan
    low, high = item.intervals.get("f1", (math.nan, math.nan))
    between = f"{low:.3f}–{high:.3f}" if math.isfinite(low) else "–"
    return (
        f"{item.object_name:<16}{item.n_truth:>6}{item.n_predicted:>6}{item.f1:>7.3f}{between:>13}"
        f"{item.precision:>7.3f}{item.recall:>7.3f}{_or_dash(average, 7, 3)}{item.f4_czii:>7.3f}{item.n_duplicates:>6}"
        f"{_or_dash(item.localisation_median_angstrom, 8, 1)}{_or_dash(item.orientation_median_deg, 8, 1)}"
    )


def _or_dash(value: float, width: int, digits: int) -> str:
    return f"{value:>{width}.{digits}f}" if math.isfinite(value) else f"{'–':>{width}}"


def _between(score: Score, name: str) -> str:
    low, high = score.intervals.get(name, (math.nan, math.nan))
    return f" ({low:.3f}–{high:.3f})" if math.isfinite(low) else ""


def strata_table(strata: Sequence[StratumScore]) -> str:
    """One line a range."""
    rows = [f"{'stratum':<11}{'range':<14}{'truth':>7}{'recall':>8}{'prec.':>8}  of"]
    for item in strata:
        low, high = _end(item.low), _end(item.high)
        span = f"{low} … {high}" if low and high else f"< {high}" if high else f"≥ {low}"
        rows.append(
            f"{item.stratum:<11}{span:<14}{item.n_truth:>7}{_or_dash(item.recall, 8, 3)}"
            f"{_or_dash(item.precision, 8, 3)}  {item.unit}"
        )
    return "\n".join(rows)


def _end(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else ""


def mask_table(scores: Sequence[SegmentationScore], panoptic: dict[str, Panoptic] | None = None) -> str:
    """One line a tomogram and class, and one a tomogram for its individuals."""
    names = ("Dice", "IoU", "prec.", "recall", "surf.", "NSD", "clDice", "HD95 Å")
    rows = [f"{'run':<14}{'object':<16}" + "".join(f"{name:>{7 if i < 6 else 8}}" for i, name in enumerate(names))]
    rows += [
        f"{s.run:<14}{s.object_name:<16}{s.dice:>7.3f}{s.iou:>7.3f}{s.precision:>7.3f}{s.recall:>7.3f}"
        f"{s.surface_dice:>7.3f}{s.normalized_surface_dice:>7.3f}{s.centreline_dice:>8.3f}"
        f"{_or_dash(s.hausdorff_95_angstrom, 8, 1)}"
        for s in scores
    ]
    rows += [
        f"{run:<14}panoptic quality {p.panoptic_quality:.3f} ({p.n_matched} individuals matched, {p.n_false} false, "
        f"{p.n_missed} missed)"
        for run, p in (panoptic or {}).items()
    ]
    return "\n".join(rows)


def shrec_table(scores: dict[str, ShrecScore]) -> str:
    """One line a tomogram."""
    rows = [f"{'SHREC':<14}{'F1':>7}{'prec.':>7}{'recall':>7}{'misses':>8}{'multiple':>9}{'distance':>9}  class F1"]
    for run, item in scores.items():
        named = ", ".join(f"{name} {item.class_f1(name):.3f}" for name in item.class_names)
        rows.append(
            f"{run:<14}{item.f1:>7.3f}{item.precision:>7.3f}{item.recall:>7.3f}{item.n_misses:>8}{item.n_multiple:>9}"
            f"{_or_dash(item.mean_distance, 9, 2)}  {named}"
        )
    return "\n".join(rows)
