"""The score that octopi calls "Kaggle Submission Score", which it is not.

Source: ``octopi/processing/evaluate.py`` of chanzuckerberg/octopi. Against CZII's own: the matching distance is 0.8 of
the radius instead of 0.5, a distance equal to it does not count, every prediction near a particle is a true positive
however many there are, and the weights are those of the classes in use. Figures made with it do not compare with the
challenge's leaderboard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from tomoset.benchmark.czii import CZII_BETA, CziiClass, f_beta
from tomoset.benchmark.pairing import pair_runs
from tomoset.errors import ParameterError
from tomoset.model import Labels, PickableObject

__all__ = ["OctopiScore", "octopi_counts", "octopi_score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OctopiScore:
    """Weighted mean of the classes' F-beta with the pooled counts."""

    value: float
    classes: dict[str, CziiClass] = field(default_factory=dict)


def octopi_counts(
    predicted_angstrom_xyz: ArrayLike, true_angstrom_xyz: ArrayLike, radius_angstrom: float
) -> tuple[int, int, int]:
    """Predictions nearer than the radius to a particle, predictions that are not, particles without any near.

    Examples
    --------
    >>> octopi_counts([[0, 0, 0], [1, 0, 0], [9, 0, 0]], [[0, 0, 0]], 5.0)
    (2, 1, 0)
    """
    from scipy.spatial import KDTree

    predictions = np.asarray(predicted_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    particles = np.asarray(true_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    if not len(predictions) or not len(particles):
        return 0, len(predictions), len(particles)
    near = int(np.count_nonzero(KDTree(particles).query(predictions)[0] < radius_angstrom))
    missed = int(np.count_nonzero(KDTree(predictions).query(particles)[0] >= radius_angstrom))
    return near, len(predictions) - near, missed


def octopi_score(
    predicted: Sequence[Labels],
    truth: Sequence[Labels],
    objects: Sequence[PickableObject],
    *,
    distance_fraction: float = 0.8,
    beta: float = CZII_BETA,
    weights: Mapping[str, float] | None = None,
) -> OctopiScore:
    """Score picks as octopi does.

    Parameters
    ----------
    predicted, truth : sequence of Labels
        As for :func:`tomoset.benchmark.score`.
    objects : sequence of PickableObject
    distance_fraction : float
        Matching distance as a share of the radius.
    beta : float
    weights : mapping of str to float, optional
        1 unless told otherwise.

    Returns
    -------
    OctopiScore

    Raises
    ------
    ParameterError
        If no class has weight.
    """
    given = {item.name: float((weights or {}).get(item.name, 1.0)) for item in objects}
    if not sum(given.values()) > 0:
        raise ParameterError("octopi score: expected a class with a weight above 0, found none")
    pairs = pair_runs(predicted, truth)
    classes = {}
    for item in objects:
        counts = np.zeros(3, dtype=np.int64)
        for found, true in pairs:
            counts += octopi_counts(
                found.of(item.name).positions_angstrom_xyz,
                true.of(item.name).positions_angstrom_xyz,
                distance_fraction * item.radius_angstrom,
            )
        tp, fp, fn = (int(n) for n in counts)
        classes[item.name] = CziiClass(
            true_positives=tp, false_positives=fp, false_negatives=fn, f_beta=f_beta(tp, fp, fn, beta)
        )
    total = sum(classes[name].f_beta * weight for name, weight in given.items())
    return OctopiScore(value=total / sum(given.values()), classes=classes)
