"""How well predicted labels agree with the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassScore", "PrecisionRecall", "Score"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionRecall:
    """Precision and recall (n,) at every score threshold (n,), strictest first."""

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    average_precision: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScore:
    """Counts and rates of one class, pooled over tomograms, one prediction matched to at most one truth.

    Parameters
    ----------
    object_name : str
    n_truth, n_predicted, n_matched : int
    match_radius_angstrom : float
        Largest distance of a match (CZII: half the particle's radius).
    precision, recall, f1 : float
        Of the one-to-one matching.
    f4_czii : float
        The CZII challenge's F-beta with beta = 4, with its own set-wise matching.
    localisation_median_angstrom, localisation_p95_angstrom : float
        Distances of matched picks; NaN when nothing matched.
    orientation_median_deg : float
        Symmetry-aware angle to the true pose of matched picks; NaN when there is none.
    curve : PrecisionRecall or None
        None when predictions carry no scores.
    """

    object_name: str
    n_truth: int
    n_predicted: int
    n_matched: int
    match_radius_angstrom: float
    precision: float
    recall: float
    f1: float
    f4_czii: float
    localisation_median_angstrom: float
    localisation_p95_angstrom: float
    orientation_median_deg: float
    curve: PrecisionRecall | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score:
    """Scores of one set of labels against one truth.

    Parameters
    ----------
    predicted_by : str
        Author of the predictions.
    runs : tuple of str
        Tomograms pooled.
    classes : tuple of ClassScore
    metric_version : str
        Which definition of the metrics was used.
    """

    predicted_by: str
    runs: tuple[str, ...]
    classes: tuple[ClassScore, ...]
    metric_version: str = "1"

    @property
    def czii(self) -> float:
        """Mean of the classes' F4, unweighted."""
        return float(np.mean([c.f4_czii for c in self.classes])) if self.classes else float("nan")

    @property
    def mean_f1(self) -> float:
        """Mean of the classes' F1."""
        return float(np.mean([c.f1 for c in self.classes])) if self.classes else float("nan")
