"""Traced filaments of a project against the true ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomoset.annotation.filaments import truth_filaments
from tomoset.benchmark.filaments import FilamentScore, pooled_filaments, score_filaments
from tomoset.errors import InputMissingError
from tomoset.model import FilamentTrace, Labels, SeriesTruth, Tomogram

__all__ = ["filament_documents", "filament_table", "score_traces", "true_filaments"]

_LEAST_LENGTH_RADII = 10.0
"""True pieces shorter than this many radii are stubs at the volume's border."""


def true_filaments(
    truth: Sequence[Labels], simulated: Mapping[str, tuple[SeriesTruth, Tomogram]]
) -> dict[str, tuple[FilamentTrace, ...]]:
    """By run: those of a simulation, carried into its tomogram, else those that the labels state."""
    return {
        labels.run: tuple(truth_filaments(*simulated[labels.run])) if labels.run in simulated else labels.filaments
        for labels in truth
    }


def score_traces(
    predicted: Sequence[Labels], truth: Mapping[str, Sequence[FilamentTrace]], where: Path
) -> dict[str, FilamentScore]:
    """Score of each class of filaments, pooled over tomograms; a trace is right within half a radius.

    Raises
    ------
    InputMissingError
        If the truth holds no filament.
    """
    radius = {trace.object_name: trace.radius_angstrom for traces in truth.values() for trace in traces}
    if not radius:
        raise InputMissingError(f"--metric filaments: expected filaments in the truth {where}, found none")
    return {
        name: pooled_filaments(
            [
                score_filaments(
                    [trace for trace in labels.filaments if trace.object_name == name],
                    [trace for trace in truth[labels.run] if trace.object_name == name],
                    tolerance_angstrom=size / 2,
                    least_length_angstrom=_LEAST_LENGTH_RADII * size,
                )
                for labels in predicted
            ]
        )
        for name, size in sorted(radius.items())
    }


_RATES = (
    "length_recall", "length_precision", "instance_recall", "instance_f1", "polarity_accuracy", "rms_distance_angstrom",
)  # fmt: skip
_COUNTS = ("n_truth", "n_traced", "n_matched", "n_splits", "n_merges")


def filament_documents(scores: Mapping[str, FilamentScore]) -> dict[str, dict[str, Any]]:
    """Scores as plain values; undefined ones are null."""
    return {
        name: {key: getattr(item, key) for key in _COUNTS}
        | {key: None if (value := getattr(item, key)) != value else round(value, 5) for key in _RATES}
        for name, item in scores.items()
    }


def filament_table(scores: Mapping[str, FilamentScore]) -> str:
    """One line a class."""
    widths = {"truth": 6, "traced": 7, "matched": 8, "splits": 7, "merges": 7, "length": 8, "prec.": 7, "inst. F1": 9}
    rows = [f"{'filaments':<16}" + "".join(f"{name:>{n}}" for name, n in widths.items()) + f"{'rms Å':>7}"]
    rows += [
        f"{name:<16}{s.n_truth:>6}{s.n_traced:>7}{s.n_matched:>8}{s.n_splits:>7}{s.n_merges:>7}{s.length_recall:>8.3f}"
        f"{s.length_precision:>7.3f}{s.instance_f1:>9.3f}{s.rms_distance_angstrom:>7.1f}"
        for name, s in scores.items()
    ]
    return "\n".join(rows)
