"""How well predicted labels agree with the truth."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Calibration",
    "ClassScore",
    "FreeResponse",
    "PrecisionRecall",
    "RunCounts",
    "Score",
    "SegmentationScore",
    "StratumScore",
]

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval; NaN where it cannot be had."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionRecall:
    """Precision and recall (n,) at every score threshold (n,), strictest first."""

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    average_precision: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FreeResponse:
    """Free-response curve (FROC): recall (n,) against false picks a tomogram (n,), strictest first."""

    false_per_tomogram: NDArray[np.float64]
    recall: NDArray[np.float64]

    def recall_at(self, false_per_tomogram: float) -> float:
        """Return the largest recall with no more false picks a tomogram than this; 0 when there is none."""
        within = self.false_per_tomogram <= false_per_tomogram
        return float(self.recall[within].max()) if np.any(within) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """What picks say about their own certainty against what turned out true.

    Parameters
    ----------
    stated, observed : (n,) array of float64
        Bin by bin: the mean stated probability and the share that was true; or the stated false-discovery rate of all
        picks down to a threshold and their true one.
    counts : (n,) array of int64
        Picks in the bin, or down to the threshold.
    error : float
        Expected calibration error (mean of |observed − stated| weighted by counts) of probabilities; the largest
        difference over the thresholds of false-discovery rates. NaN without picks.
    """

    stated: NDArray[np.float64]
    observed: NDArray[np.float64]
    counts: NDArray[np.int64]
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Counts of one class in one tomogram, of which pooled rates and their intervals are made.

    Parameters
    ----------
    run : str
    n_truth, n_predicted, n_matched : int
        Of the one-to-one matching.
    n_found_czii : int
        True particles with any prediction near, as CZII counts them.
    """

    run: str
    n_truth: int
    n_predicted: int
    n_matched: int
    n_found_czii: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumScore:
    """How well the particles of one kind of place are found.

    Parameters
    ----------
    stratum : str
        What divides them: ``depth``, ``edge``, ``crowding``, ``membrane``, ``size``, ``wedge``.
    low, high : float
        Range of that quantity; the upper end is excluded.
    unit : str
    n_truth, n_matched : int
    n_false : int or None
        False picks in such places; None where the quantity is one of true particles only.
    """

    stratum: str
    low: float
    high: float
    unit: str
    n_truth: int
    n_matched: int
    n_false: int | None

    @property
    def recall(self) -> float:
        """Share of the true particles that were found; NaN when there is none."""
        return self.n_matched / self.n_truth if self.n_truth else float("nan")

    @property
    def precision(self) -> float:
        """Share of the picks that are right; NaN when there is none or nobody can say."""
        if self.n_false is None or not self.n_matched + self.n_false:
            return float("nan")
        return self.n_matched / (self.n_matched + self.n_false)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassScore:
    """Counts and rates of one class, pooled over tomograms, one prediction matched to at most one truth.

    Parameters
    ----------
    object_name : str
    n_truth, n_predicted, n_matched : int
        Without what was set aside.
    match_radius_angstrom : float
        Largest distance of a match (CZII: half the particle's radius).
    precision, recall, f1 : float
        Of the one-to-one matching.
    f4_czii : float
        The CZII challenge's F-beta with beta = 4, with its own set-wise matching.
    localisation_median_angstrom, localisation_p95_angstrom : float
        Distances of matched picks; NaN when nothing matched.
    orientation_median_deg, orientation_p95_deg : float
        Symmetry-aware angle to the true pose of matched picks; NaN when there is none.
    curve : PrecisionRecall or None
        None when predictions carry no scores.
    claimed : bool
        Whether the method said it looks for this class.
    n_duplicates : int
        False picks near a particle that another pick has taken.
    n_set_aside : int
        Predictions in regions, or at particles, that are not scored.
    free_response : FreeResponse or None
    probability_calibration, fdr_calibration : Calibration or None
        None when picks state no probability, no false-discovery rate.
    runs : tuple of RunCounts
    intervals : dict of str to (float, float)
        95 % bootstrap intervals over tomograms of ``precision``, ``recall``, ``f1``, ``f4_czii``.
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
    orientation_p95_deg: float = float("nan")
    curve: PrecisionRecall | None = None
    claimed: bool = True
    n_duplicates: int = 0
    n_set_aside: int = 0
    free_response: FreeResponse | None = None
    probability_calibration: Calibration | None = None
    fdr_calibration: Calibration | None = None
    runs: tuple[RunCounts, ...] = ()
    intervals: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationScore:
    """How well a mask agrees with the true one, voxels that are to be ignored left out.

    Parameters
    ----------
    object_name : str
    run : str
    n_truth, n_predicted : int
        Voxels.
    dice, iou, precision, recall : float
        Of voxels; 1 where neither mask holds the class.
    surface_dice : float
        MemBrain-seg's: harmonic mean of the shares of each medial surface that lies in the other mask.
    normalized_surface_dice : float
        Share of both borders that lies within ``tolerance_angstrom`` of the other.
    tolerance_angstrom : float
    centreline_dice : float
        clDice: as ``surface_dice``, of centre lines.
    hausdorff_95_angstrom, mean_distance_angstrom : float
        Between the borders; infinite where only one mask holds the class, 0 where neither does.
    """

    object_name: str
    run: str
    n_truth: int
    n_predicted: int
    dice: float
    iou: float
    precision: float
    recall: float
    surface_dice: float
    normalized_surface_dice: float
    tolerance_angstrom: float
    centreline_dice: float
    hausdorff_95_angstrom: float
    mean_distance_angstrom: float


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
    truth_version : str
        Hash of the truth's content; scores of different truths do not compare.
    any_class : ClassScore or None
        The same, when any class at the place of a particle is right.
    strata : tuple of StratumScore
        All claimed classes together.
    segmentations : tuple of SegmentationScore
    panoptic : dict of str to float
        Panoptic quality of the instance masks, by run.
    intervals : dict of str to (float, float)
        95 % bootstrap intervals over tomograms of the figures below, by their names.
    """

    predicted_by: str
    runs: tuple[str, ...]
    classes: tuple[ClassScore, ...]
    metric_version: str = "1"
    truth_version: str = ""
    any_class: ClassScore | None = None
    strata: tuple[StratumScore, ...] = ()
    segmentations: tuple[SegmentationScore, ...] = ()
    panoptic: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)

    @property
    def czii(self) -> float:
        """Mean of the classes' F4, unweighted."""
        return _mean([c.f4_czii for c in self.classes])

    @property
    def mean_f1(self) -> float:
        """Mean of the F1 of all classes, those that the method does not look for included."""
        return _mean([c.f1 for c in self.classes])

    @property
    def mean_f1_claimed(self) -> float:
        """Mean of the F1 of the classes that the method says it looks for."""
        return _mean([c.f1 for c in self.classes if c.claimed])

    @property
    def f1_any_class(self) -> float:
        """F1 of finding particles, whatever they are called."""
        return float("nan") if self.any_class is None else self.any_class.f1

    @property
    def mean_dice(self) -> float:
        """Mean Dice of all masks."""
        return _mean([s.dice for s in self.segmentations])

    @property
    def surface_dice(self) -> float:
        """Mean surface Dice of all masks."""
        return _mean([s.surface_dice for s in self.segmentations])

    @property
    def panoptic_quality(self) -> float:
        """Mean panoptic quality of the tomograms."""
        return _mean(list(self.panoptic.values()))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
