"""Plots of scores: precision against recall, and which class was taken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tomoset.benchmark import Confusion
from tomoset.model import PickableObject, Score
from tomoset.report.pictures import save_picture

__all__ = ["draw_confusion", "draw_precision_recall"]


def draw_precision_recall(path: Path, score: Score, objects: Sequence[PickableObject]) -> None:
    """One curve a class, with the point of the picks as they were made."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.subplots()
    colors = {item.name: tuple(c / 255 for c in item.color_rgba) for item in objects}
    for item in score.classes:
        color = colors.get(item.object_name)
        if item.curve is not None:
            label = f"{item.object_name}, AP {item.curve.average_precision:.2f}"
            axes.step(item.curve.recall, item.curve.precision, where="post", color=color, label=label)
        axes.plot([item.recall], [item.precision], "o", color=color, ms=7)
    axes.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.03), ylim=(-0.02, 1.03))
    if any(item.curve is not None for item in score.classes):
        axes.legend(fontsize=8, loc="lower left")
    save_picture(path, figure, dpi=110)


def draw_confusion(path: Path, confusion: Confusion) -> None:
    """Counts of true class (rows) against predicted class (columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axes = figure.subplots()
    counts = confusion.counts
    axes.imshow(np.log1p(counts), cmap="Blues")
    names = list(confusion.names)
    axes.set_xticks(range(len(names) + 1), [*names, "missed"], rotation=30, ha="right", fontsize=8)
    axes.set_yticks(range(len(names) + 1), [*names, "nothing there"], fontsize=8)
    axes.set(xlabel="called", ylabel="is")
    for (i, j), n in np.ndenumerate(counts):
        if n:
            color = "white" if n > counts.max() / 2 else "black"
            axes.text(j, i, str(n), ha="center", va="center", fontsize=9, color=color)
    save_picture(path, figure, dpi=110)
