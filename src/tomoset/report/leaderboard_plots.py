"""Plots of a leaderboard, as SVG that stands in the page itself."""

import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tomoset.benchmark.ranking import RankedMethod
from tomoset.model import ClassScore, Score, StratumScore

__all__ = [
    "draw_classes",
    "draw_curves",
    "draw_rates",
    "draw_robustness",
    "draw_significance",
    "draw_strata",
    "method_colors",
]

# Okabe & Ito: told apart by everyone; beyond eight methods the line style says which.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8a7f00", "#444444")
_MARKERS = "os^Dv<>p"

_DRAWN_METHODS = 8
"""More would hide one another; the table holds all."""


def method_colors(methods: Sequence[str]) -> dict[str, str]:
    """One colour a method, in the order given."""
    return dict(zip(methods, itertools.cycle(_COLORS), strict=False))


def _svg(width: float, height: float, draw: Callable[[Any], None]) -> str:
    """A figure as SVG text with selectable letters and no header."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "tomoset", "font.family": "sans-serif", "font.size": 9}
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", lw=0.7)
    axes.set_axisbelow(True)


def draw_classes(ranked: Sequence[RankedMethod], colors: Mapping[str, str]) -> str:
    """F1 of every class, one bar a method, with 95 % intervals; hatched where a method does not look for the class."""
    methods = ranked[:_DRAWN_METHODS]
    names = [item.object_name for item in methods[0].score.classes]
    width = 0.84 / len(methods)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for k, line in enumerate(methods):
            x = np.arange(len(names)) + (k - (len(methods) - 1) / 2) * width
            values = np.array([item.f1 for item in line.score.classes])
            bars = axes.bar(x, values, 0.92 * width, color=colors[line.method], label=line.method)
            for bar, item in zip(bars, line.score.classes, strict=True):
                if not item.claimed:
                    bar.set(hatch="////", fill=False, edgecolor=colors[line.method])
                    axes.plot(bar.get_x() + bar.get_width() / 2, 0.02, "x", color=colors[line.method], ms=6)
            axes.errorbar(
                x, values, yerr=_whiskers(values, line.score.classes), fmt="none", ecolor="#222", elinewidth=0.9
            )
        axes.set_xticks(range(len(names)), names)
        axes.set(ylabel="F1", ylim=(0, 1.03))
        axes.legend(
            fontsize=8, ncols=min(4, len(methods)), loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False
        )
        _plain(axes)

    return _svg(max(6.5, 0.35 * len(names) * len(methods) + 2), 3.4, draw)


def _whiskers(values: np.ndarray[Any, Any], classes: Sequence[ClassScore]) -> np.ndarray[Any, Any]:
    ends = np.array([item.intervals.get("f1", (math.nan, math.nan)) for item in classes]).T
    return np.nan_to_num(np.clip(np.stack([values - ends[0], ends[1] - values]), 0, None))


def draw_strata(ranked: Sequence[RankedMethod], colors: Mapping[str, str]) -> str:
    """Recall (solid) and precision (dashed) by where the particles are; the number of particles above each range."""
    methods = ranked[:_DRAWN_METHODS]
    ranges: dict[str, dict[tuple[float, float], StratumScore]] = {}
    for item in methods[0].score.strata:
        ranges.setdefault(item.stratum, {})[item.low, item.high] = item
    columns = 3
    rows = max(1, math.ceil(len(ranges) / columns))

    def draw(figure: Any) -> None:
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for axes in panels[len(ranges) :]:
            axes.set_visible(False)
        for axes, (name, found) in zip(panels, ranges.items(), strict=False):
            keys = sorted(found)
            for k, line in enumerate(methods):
                mine = {(s.low, s.high): s for s in line.score.strata if s.stratum == name}
                style = {"color": colors[line.method], "marker": _MARKERS[k % len(_MARKERS)], "ms": 4}
                axes.plot([mine[key].recall if key in mine else math.nan for key in keys], **style, label=line.method)
                precision = [mine[key].precision if key in mine else math.nan for key in keys]
                axes.plot(precision, color=colors[line.method], ls="--", lw=0.9)
            axes.set_xticks(range(len(keys)), [_range(*key) for key in keys], fontsize=8)
            for i, key in enumerate(keys):
                axes.text(i, 1.05, str(found[key].n_truth), ha="center", va="bottom", fontsize=7, color="#666")
            axes.set(ylim=(0, 1.14), xlabel=found[keys[0]].unit, xlim=(-0.3, len(keys) - 0.7))
            axes.set_title(name, fontsize=10, loc="left")
            _plain(axes)
        panels[0].set_ylabel("recall —  precision - -")

    return _svg(9.5, 2.6 * rows + 0.2, draw)


def _range(low: float, high: float) -> str:
    if math.isinf(low):
        return f"< {high:g}"
    return f"≥ {low:g}" if math.isinf(high) else f"{low:g}–{high:g}"


def draw_significance(ranked: Sequence[RankedMethod]) -> str:
    """Difference of each method (row) to each other one (column), with the probability that it is chance."""
    names = [line.method for line in ranked]
    difference = np.array(
        [[line.against[b].difference if b in line.against else math.nan for b in names] for line in ranked]
    )
    limit = max(float(np.nanmax(np.abs(difference))) if len(names) > 1 else 0.0, 0.02)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.imshow(difference, cmap="PuOr", vmin=-limit, vmax=limit)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        for i, line in enumerate(ranked):
            for j, other in enumerate(names):
                if other in line.against:
                    item = line.against[other]
                    color = "white" if abs(item.difference) > 0.65 * limit else "black"
                    text = f"{item.difference:+.3f}\np {_p(item.p_value)}"
                    axes.text(j, i, text, ha="center", va="center", fontsize=8, color=color)
        axes.spines[:].set_visible(False)

    side = 1.6 + 0.8 * len(names)
    return _svg(side + 0.6, max(1.8, 0.65 * side), draw)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def draw_robustness(
    condition: str, unit: str, curves: Mapping[str, Sequence[tuple[float, Score]]], colors: Mapping[str, str]
) -> str:
    """Mean F1 of each method against one condition of the tomograms."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for k, (method, points) in enumerate(curves.items()):
            x, scores = zip(*sorted(points, key=lambda point: point[0]), strict=True)
            y = [score.mean_f1 for score in scores]
            style = {"color": colors[method], "marker": _MARKERS[k % len(_MARKERS)], "ms": 4}
            axes.plot(x, y, **style, label=method)
            ends = np.array([score.intervals.get("mean_f1", (math.nan, math.nan)) for score in scores])
            axes.fill_between(x, ends[:, 0], ends[:, 1], color=colors[method], alpha=0.15, lw=0)
        axes.set(xlabel=f"{condition}{f', {unit}' if unit else ''}", ylabel="mean F1", ylim=(0, 1.03))
        axes.legend(fontsize=8, frameon=False)
        _plain(axes)

    return _svg(4.6, 3.2, draw)


def draw_curves(ranked: Sequence[RankedMethod], colors: Mapping[str, str]) -> str:
    """Precision against recall of each class, over the classes' thresholds."""
    methods = [line for line in ranked[:_DRAWN_METHODS] if any(item.curve for item in line.score.classes)]
    if not methods:
        return ""
    names = [item.object_name for item in methods[0].score.classes]
    columns = min(4, len(names))
    rows = math.ceil(len(names) / columns)

    def draw(figure: Any) -> None:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        for i, (axes, name) in enumerate(zip(panels, names, strict=False)):
            for line in methods:
                item = line.score.classes[i]
                if item.curve is not None:
                    axes.step(item.curve.recall, item.curve.precision, where="post", color=colors[line.method], lw=1.3)
                if item.claimed:
                    axes.plot([item.recall], [item.precision], "o", color=colors[line.method], ms=4)
            axes.set(xlim=(-0.02, 1.03), ylim=(0, 1.03))
            axes.tick_params(labelbottom=True)
            axes.set_title(name, fontsize=10, loc="left")
            _plain(axes)
        figure.supxlabel("recall", fontsize=9)
        figure.supylabel("precision", fontsize=9)

    return _svg(2.5 * columns + 0.4, 2.4 * rows + 0.3, draw)


def draw_rates(ranked: Sequence[RankedMethod], colors: Mapping[str, str]) -> str:
    """Stated against true false-discovery rate, every class of every method a line."""
    drawn = [
        (line.method, item.fdr_calibration)
        for line in ranked[:_DRAWN_METHODS]
        for item in line.score.classes
        if item.fdr_calibration is not None and len(item.fdr_calibration.stated)
    ]
    if not drawn:
        return ""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#999", lw=0.8, ls=":")
        largest = 0.1
        for method, item in drawn:
            axes.plot(item.stated, item.observed, color=colors[method], lw=1.2)
            largest = max(largest, float(np.nanmax(item.stated)), float(np.nanmax(item.observed)))
        axes.set(
            xlabel="stated false-discovery rate", ylabel="true", xlim=(0, largest * 1.05), ylim=(0, largest * 1.05)
        )
        _plain(axes)

    return _svg(3.6, 3.2, draw)
