"""A leaderboard as one page that needs nothing beside it, from a folder of scores."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources as package_resources
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.benchmark import METRIC_VERSION
from tomoset.benchmark.intervals import Statistic
from tomoset.benchmark.ranking import SIGNIFICANT, RankedMethod, rank_scores
from tomoset.benchmark.tasks import TASKS
from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.report.leaderboard_plots import (
    draw_classes,
    draw_curves,
    draw_rates,
    draw_robustness,
    draw_significance,
    draw_strata,
    method_colors,
)
from tomoset.workflow.score_files import StoredScore, read_score

__all__ = ["LeaderboardSummary", "write_leaderboard"]

_NAMES: dict[str, str] = {
    "mean_f1": "mean F1 of all classes",
    "mean_f1_claimed": "mean F1 of the classes looked for",
    "czii": "CZII F4",
    "f1_any_class": "F1 of any class",
    "mean_dice": "mean Dice",
    "surface_dice": "mean surface Dice",
    "panoptic_quality": "mean panoptic quality",
}
_CONDITIONS: dict[str, tuple[str, str]] = {
    "dose_e_per_angstrom2": ("dose", "e/Å²"),
    "thickness_angstrom": ("thickness of the ice", "Å"),
    "shift_error_angstrom": ("misalignment", "Å rms"),
    "crowding_mg_per_ml": ("crowding", "mg/ml"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardSummary:
    """What was drawn.

    Parameters
    ----------
    page : Path
    n_scores, n_boards : int
    left_out : tuple of str
        Scores that could not be ranked, each with its reason.
    """

    page: Path
    n_scores: int
    n_boards: int
    left_out: tuple[str, ...]


def write_leaderboard(
    folder: Path, page: Path | None = None, *, rank_by: Statistic | None = None, title: str = "Leaderboard"
) -> LeaderboardSummary:
    """Rank all scores of a folder, truth by truth, and draw them.

    Parameters
    ----------
    folder : Path
        Holds the JSON of ``tomoset score --out``, also in folders below.
    page : Path, optional
        What to write; ``index.html`` in the folder unless told.
    rank_by : Statistic, optional
        What every board is ranked by; the main metric of its task, or the mean F1, unless told.
    title : str

    Returns
    -------
    LeaderboardSummary

    Raises
    ------
    InputMissingError
        If the folder holds no score.
    ParameterError
        If two scores of one truth bear the same method's name.
    """
    import jinja2
    from markupsafe import Markup

    stored, left_out = _read_all(folder)
    boards = _boards([item for item in stored if not item.conditions])
    made_otherwise = [item for item in stored if item.conditions]
    colors = method_colors(list(dict.fromkeys(item.method for item in stored)))
    rendered = [_render_board(group, rank_by, colors) for group in boards]
    source = (package_resources.files("tomoset.report") / "leaderboard.html.j2").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    text = template.render(
        title=title,
        n_scores=len(stored),
        n_methods=len(colors),
        metric_version=METRIC_VERSION,
        boards=rendered,
        robustness=[Markup(svg) for svg in _robustness(made_otherwise, colors)],  # noqa: S704 - drawn by ourselves
        conditions=_condition_rows(made_otherwise, colors),
        left_out=left_out,
    )
    where = page or folder / "index.html"
    return LeaderboardSummary(
        page=write_text_atomic(where, text), n_scores=len(stored), n_boards=len(boards), left_out=tuple(left_out)
    )


def _read_all(folder: Path) -> tuple[list[StoredScore], list[str]]:
    paths = sorted(folder.rglob("*.json")) if folder.is_dir() else []
    stored, left_out = [], []
    for path in paths:
        try:
            item = read_score(path)
        except FormatError as error:
            left_out.append(str(error))
            continue
        if item.score.metric_version == METRIC_VERSION:
            stored.append(item)
        else:
            left_out.append(
                f"{path.name}: scored with metric version {item.score.metric_version}, this page shows "
                f"{METRIC_VERSION}; score the labels again"
            )
    if not stored:
        reasons = "".join(f"\n  - {reason}" for reason in left_out)
        raise InputMissingError(f"expected scores (`tomoset score … --out FILE.json`) in {folder}, found none{reasons}")
    return stored, left_out


def _boards(stored: Sequence[StoredScore]) -> list[list[StoredScore]]:
    """Scores that compare: of one task, split, truth, and the same tomograms and classes; the largest board first."""
    groups: dict[tuple[Any, ...], list[StoredScore]] = {}
    for item in stored:
        classes = tuple(c.object_name for c in item.score.classes)
        key = (item.task, item.split, item.score.truth_version, item.score.runs, classes)
        groups.setdefault(key, []).append(item)
    return sorted(groups.values(), key=lambda group: -len(group))


def _render_board(group: Sequence[StoredScore], wanted: Statistic | None, colors: Mapping[str, str]) -> dict[str, Any]:
    from markupsafe import Markup

    first = group[0]
    rank_by = wanted or _main_metric(first.task)
    ranked = rank_scores([(item.method, item.score) for item in group], rank_by)
    has_picks = any(item.n_predicted for line in ranked for item in line.score.classes)
    svg = {
        "classes_svg": draw_classes(ranked, colors) if has_picks else "",
        "curves_svg": draw_curves(ranked, colors),
        "strata_svg": draw_strata(ranked, colors) if has_picks and ranked[0].score.strata else "",
        "significance_svg": draw_significance(ranked) if len(ranked) > 1 else "",
        "rates_svg": draw_rates(ranked, colors),
    }
    parts = [part for part in (first.task, first.split) if part]
    n_pairs = len(ranked) * (len(ranked) - 1) // 2
    smallest_p = min(1.0, 2.0 / 2.0 ** len(first.score.runs))
    return {
        "title": " · ".join(parts) or "Scores",
        "ranked_by": _NAMES[rank_by],
        "n_runs": len(first.score.runs),
        "n_truth": sum(item.n_truth for item in first.score.classes),
        "n_classes": len(first.score.classes),
        "truth_version": first.score.truth_version,
        "n_pairs": n_pairs,
        "smallest_p": smallest_p,
        "too_few": smallest_p * n_pairs > SIGNIFICANT,
        "lines": [_line(line, ranked[0], colors) for line in ranked],
        "masks": [row for line in ranked for row in _mask_rows(line)],
        **{name: Markup(text) for name, text in svg.items()},  # noqa: S704 - drawn by ourselves
    }


def _main_metric(task: str) -> Statistic:
    """What a task ranks by; the mean F1 where the score names none that is known."""
    return next((one.main_metric for one in TASKS if one.name == task), "mean_f1")


def _condition_text(name: str, value: float) -> str:
    said, unit = _CONDITIONS.get(name, (name, ""))
    return f"{said} {value:g} {unit}".strip()


def _condition_rows(stored: Sequence[StoredScore], colors: Mapping[str, str]) -> list[dict[str, str]]:
    """Scores under conditions of their own, which do not rank."""
    ordered = sorted(stored, key=lambda item: (sorted(item.conditions.items()), item.method))
    return [
        {
            "conditions": ", ".join(_condition_text(name, value) for name, value in sorted(item.conditions.items())),
            "method": item.method,
            "color": colors[item.method],
            "n_runs": str(len(item.score.runs)),
            "mean_f1": _number(item.score.mean_f1),
            "interval": _span(item.score.intervals.get("mean_f1", (math.nan, math.nan))),
            "claimed": _number(item.score.mean_f1_claimed),
            "czii": _number(item.score.czii),
        }
        for item in ordered
    ]


def _span(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:.3f}–{high:.3f}" if math.isfinite(low) else "–"


def _line(line: RankedMethod, best: RankedMethod, colors: Mapping[str, str]) -> dict[str, str]:
    score = line.score
    claimed = [item for item in score.classes if item.claimed]
    matched = np.array([item.n_matched for item in score.classes], dtype=np.float64)
    any_class = math.nan if score.any_class is None else score.any_class.f1
    return {
        "rank": str(line.rank),
        "method": line.method,
        "color": colors[line.method],
        "value": _number(line.value),
        "mean_f1": _number(score.mean_f1),
        "interval": _span(line.interval),
        "claimed": f"{_number(score.mean_f1_claimed)} ({len(claimed)} of {len(score.classes)})",
        "czii": _number(score.czii),
        "any_class": _number(any_class),
        "distance": _number(_weighted([c.localisation_median_angstrom for c in score.classes], matched), 1),
        "angle": _number(_weighted([c.orientation_median_deg for c in score.classes], matched), 1),
        "duplicates": str(sum(item.n_duplicates for item in score.classes)),
        "p_value": "" if line is best else _number(line.against[best.method].p_value),
    }


def _weighted(values: Sequence[float], weights: np.ndarray[Any, Any]) -> float:
    """Mean of the classes' medians, weighted by matched picks; NaN where no class has one."""
    known = np.isfinite(values) & (weights > 0)
    return float(np.average(np.asarray(values)[known], weights=weights[known])) if known.any() else math.nan


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _mask_rows(line: RankedMethod) -> list[dict[str, str]]:
    rows = []
    for name in dict.fromkeys(item.object_name for item in line.score.segmentations):
        mine = [item for item in line.score.segmentations if item.object_name == name]
        columns = {
            "dice": "dice",
            "iou": "iou",
            "surface": "surface_dice",
            "nsd": "normalized_surface_dice",
            "cldice": "centreline_dice",
        }
        means = {
            key: _number(float(np.mean([getattr(item, field) for item in mine]))) for key, field in columns.items()
        }
        distance = float(np.mean([item.hausdorff_95_angstrom for item in mine]))
        rows.append({"method": line.method, "object": name, "n": str(len(mine)), "hd95": _number(distance, 1)} | means)
    return rows


def _robustness(stored: Sequence[StoredScore], colors: Mapping[str, str]) -> list[str]:
    """One plot for each condition that varies within a method."""
    drawings = []
    for condition in sorted({name for item in stored for name in item.conditions}):
        curves: dict[str, list[tuple[float, Any]]] = {}
        for item in stored:
            if condition in item.conditions:
                curves.setdefault(item.method, []).append((item.conditions[condition], item.score))
        varied = {method: points for method, points in curves.items() if len({x for x, _ in points}) > 1}
        if varied:
            said, unit = _CONDITIONS.get(condition, (condition, ""))
            drawings.append(draw_robustness(said, unit, varied, colors))
    return drawings
