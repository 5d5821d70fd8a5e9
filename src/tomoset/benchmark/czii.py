"""The CZII challenge's own score, quirks included, so that figures compare with its leaderboard.

Source: the public scorer of the CZII CryoET Object Identification challenge (2024), as kept in the winners'
repositories (``metrics/metric_1.py`` of the first place). Its quirks, each of which has a test by its name:

- *set-wise matching*: a prediction between two particles finds both (true positives 2, false positives −1); two
  predictions at one particle are one true and one false positive;
- *a distance equal to the radius counts*;
- *predictions in tomograms that the solution does not name are dropped*, and only then is an unknown class an error;
- *only classes that the solution names are summed up*, but the sum is divided by the weights of **all** classes, so
  that a perfect submission on tomograms without ribosomes scores 6/7;
- *beta-amylase has weight 0*: its picks are never right or wrong;
- *beta = 4* forgives over-picking: twice as many picks as particles still score 0.94. Quote F1 beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.benchmark.matching import neighbours_within
from tomoset.benchmark.rows import PickRows
from tomoset.errors import ParameterError
from tomoset.model import PickableObject

__all__ = ["CZII_BETA", "CZII_RULES", "CziiClass", "CziiRules", "CziiScore", "czii_counts", "czii_score", "f_beta"]

CZII_BETA = 4.0

Groups = dict[tuple[str, str], NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CziiRules:
    """What the scorer is told about the classes.

    Parameters
    ----------
    radius_angstrom : mapping of str to float
        Radius of each class, Å.
    weights : mapping of str to float
        Weight of each class in the mean; 0 leaves it out.
    distance_multiplier : float
        Matching distance as a share of the radius.
    beta : float

    Raises
    ------
    ParameterError
        If radii and weights name different classes, or no class has weight.
    """

    radius_angstrom: Mapping[str, float]
    weights: Mapping[str, float]
    distance_multiplier: float = 0.5
    beta: float = CZII_BETA

    def __post_init__(self) -> None:
        """Refuse rules that cannot be applied."""
        apart = sorted(set(self.radius_angstrom) ^ set(self.weights))
        if apart:
            raise ParameterError(f"CZII rules: expected a radius and a weight for every class, found one for {apart}")
        if not sum(self.weights.values()) > 0 or min(self.weights.values()) < 0:
            raise ParameterError("CZII rules: expected weights of 0 or more, one of them above 0")

    @classmethod
    def of_objects(cls, objects: Sequence[PickableObject], weights: Mapping[str, float] | None = None) -> "CziiRules":
        """Rules for other classes: their own radii, weight 1 unless told otherwise."""
        given = dict(weights or {})
        unknown = sorted(set(given) - {item.name for item in objects})
        if unknown:
            raise ParameterError(
                f"CZII weights: expected weights of {', '.join(item.name for item in objects)}, "
                f"found {', '.join(unknown)}"
            )
        return cls(
            radius_angstrom={item.name: item.radius_angstrom for item in objects},
            weights={item.name: given.get(item.name, 1.0) for item in objects},
        )


CZII_RULES = CziiRules(
    radius_angstrom={
        "apo-ferritin": 60.0,
        "beta-amylase": 65.0,
        "beta-galactosidase": 90.0,
        "ribosome": 150.0,
        "thyroglobulin": 130.0,
        "virus-like-particle": 135.0,
    },
    weights={
        "apo-ferritin": 1.0,
        "beta-amylase": 0.0,
        "beta-galactosidase": 2.0,
        "ribosome": 1.0,
        "thyroglobulin": 2.0,
        "virus-like-particle": 1.0,
    },
)
"""The challenge's own classes, radii and weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CziiClass:
    """Counts of one class over all tomograms, and its F-beta."""

    true_positives: int
    false_positives: int
    false_negatives: int
    f_beta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CziiScore:
    """The challenge's score with what it is made of.

    Parameters
    ----------
    value : float
        Weighted mean of the classes' F-beta.
    classes : dict of str to CziiClass
        Those that the solution names.
    n_dropped : int
        Predictions in tomograms that the solution does not name.
    """

    value: float
    classes: dict[str, CziiClass] = field(default_factory=dict)
    n_dropped: int = 0


def czii_score(solution: PickRows, submission: PickRows, rules: CziiRules = CZII_RULES) -> CziiScore:
    """Score a submission as the public scorer does.

    Parameters
    ----------
    solution, submission : PickRows
        True and predicted positions.
    rules : CziiRules
        The challenge's own unless told otherwise.

    Returns
    -------
    CziiScore

    Raises
    ------
    ParameterError
        If a class of either is unknown to the rules, or the solution holds one position of a tomogram twice.
    GeometryError
        If a position is not finite.
    """
    real = _grouped(solution)
    experiments = sorted({run for run, _ in real})
    _check_solution(real, experiments)
    everything = _grouped(submission)
    claimed = {key: points for key, points in everything.items() if key[0] in set(experiments)}
    for groups, whose in ((real, "solution"), (claimed, "submission")):
        unknown = sorted({name for _, name in groups} - set(rules.weights))
        if unknown:
            raise ParameterError(
                f"{whose}: expected the particle types {', '.join(sorted(rules.weights))}, found {', '.join(unknown)}"
            )
    classes = {
        name: _score_type(real, claimed, experiments, name, rules) for name in sorted({name for _, name in real})
    }
    total = sum(item.f_beta * rules.weights[name] for name, item in classes.items())
    return CziiScore(
        value=total / sum(rules.weights.values()),
        classes=classes,
        n_dropped=len(submission) - sum(len(points) for points in claimed.values()),
    )


def _grouped(rows: PickRows) -> Groups:
    """Positions by tomogram and class."""
    places: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(zip(rows.experiments.tolist(), rows.particle_types.tolist(), strict=True)):
        places.setdefault(key, []).append(i)
    return {key: rows.positions_angstrom_xyz[which] for key, which in places.items()}


def _check_solution(real: Groups, experiments: Sequence[str]) -> None:
    for run in experiments:
        points = np.concatenate([points for key, points in real.items() if key[0] == run])
        if len(set(map(tuple, points.tolist()))) < len(points):
            raise ParameterError(
                f"solution: expected every position of {run} once, found one twice; remove the duplicate"
            )


def _score_type(real: Groups, claimed: Groups, experiments: Sequence[str], name: str, rules: CziiRules) -> CziiClass:
    radius = rules.radius_angstrom[name] * rules.distance_multiplier
    nothing = np.zeros((0, 3))
    tp = fp = fn = 0
    for run in experiments:
        hit, false, missed = czii_counts(claimed.get((run, name), nothing), real.get((run, name), nothing), radius)
        tp, fp, fn = tp + hit, fp + false, fn + missed
    return CziiClass(true_positives=tp, false_positives=fp, false_negatives=fn, f_beta=f_beta(tp, fp, fn, rules.beta))


def czii_counts(
    predicted_angstrom_xyz: ArrayLike, true_angstrom_xyz: ArrayLike, radius_angstrom: float
) -> tuple[int, int, int]:
    """True positives, false positives and false negatives of one class in one tomogram, as CZII counts them.

    Parameters
    ----------
    predicted_angstrom_xyz, true_angstrom_xyz : (n, 3) and (m, 3) arrays of float
        Points in one frame, Å.
    radius_angstrom : float
        Largest distance, Å (half the particle's radius in the challenge); a distance equal to it counts.

    Returns
    -------
    tuple of int
        The number of true particles with any prediction near; predictions minus that (may be negative); true
        particles minus that.

    Examples
    --------
    >>> czii_counts([[0, 0, 0]], [[-5, 0, 0], [5, 0, 0]], 5.0)
    (2, -1, 0)
    """
    predictions = np.asarray(predicted_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    particles = np.asarray(true_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    _, near_a_prediction, _ = neighbours_within(predictions, particles, radius_angstrom)
    found = len(set(near_a_prediction.tolist()))
    return found, len(predictions) - found, len(particles) - found


def f_beta(true_positives: int, false_positives: int, false_negatives: int, beta: float) -> float:
    """F-beta of pooled counts: ``(1 + β²) P R / (β² P + R)``; 0 when nothing was found, as in the public scorer."""
    claimed, real = true_positives + false_positives, true_positives + false_negatives
    precision = true_positives / claimed if claimed > 0 else 0.0
    recall = true_positives / real if real > 0 else 0.0
    if precision + recall == 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
