"""The CZII challenge's own counting, quirks included, so that figures compare with its leaderboard.

Source: the public scorer of the CZII CryoET Object Identification challenge (2024), as kept in the winners'
repositories (``metrics/metric_1.py`` of the first place). It is not one-to-one: a prediction between two particles
finds both (true positives 2, false positives −1), and beta = 4 forgives over-picking. Quote F1 beside it.
"""

import numpy as np
from numpy.typing import ArrayLike

from tomoset.benchmark.matching import neighbours_within

__all__ = ["CZII_BETA", "czii_counts", "f_beta"]

CZII_BETA = 4.0


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
