"""The mean of rotations that symmetry cannot tell apart: on SO(3)/G."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import PointGroup

__all__ = ["mean_rotations"]

Floats = NDArray[np.float64]

_MAX_STEPS = 20


def mean_rotations(rotations: ArrayLike, weights: ArrayLike, group: PointGroup) -> Floats:
    """Weighted mean pose of each set of poses of a symmetric particle.

    Parameters
    ----------
    rotations : (c, m, 3, 3) array of float
        ``m`` poses, particle -> tomogram, of each of ``c`` particles; those of weight 0 may be anything finite.
    weights : (c, m) array of float
        0 or more; each row has one above 0.
    group : PointGroup
        Symmetry of the particle: a pose and the same pose after one of its elements are one.

    Returns
    -------
    (c, 3, 3) array of float64
        The pose that minimises the weighted sum of squared chordal distances to the nearest equivalents, as the
        group's representative nearest to the identity.

    Raises
    ------
    GeometryError
        If shapes do not fit or a row has no weight.

    Notes
    -----
    From every member in turn: take of each pose the equivalent nearest to the mean, average, project to SO(3) by
    singular values, until the choice stays. The best of these is kept, because one start may end in a worse choice.
    """
    poses, weight = np.asarray(rotations, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if poses.ndim != 4 or poses.shape[2:] != (3, 3) or weight.shape != poses.shape[:2]:
        raise GeometryError(f"expected rotations (c, m, 3, 3) and weights (c, m), found {poses.shape}, {weight.shape}")
    if np.any(weight < 0) or not np.all(weight.sum(axis=1) > 0):
        raise GeometryError("expected weights of 0 or more with one above 0 for every mean")
    best, lowest = np.zeros((len(poses), 3, 3)), np.full(len(poses), np.inf)
    for start in range(poses.shape[1]):
        usable = weight[:, start] > 0
        mean, cost = _descend(poses[usable, start], poses[usable], weight[usable], group)
        better = np.flatnonzero(usable)[cost < lowest[usable] - 1e-12]
        chosen = cost < lowest[usable] - 1e-12
        best[better], lowest[better] = mean[chosen], cost[chosen]
    return group.representatives(best)


def _descend(mean: Floats, poses: Floats, weight: Floats, group: PointGroup) -> tuple[Floats, Floats]:
    previous = None
    for _ in range(_MAX_STEPS):
        # trace(meanᵀ R g) for every pose and element
        relative = np.swapaxes(mean, -1, -2)[:, None] @ poses
        closeness = np.einsum("cmij,gji->cmg", relative, group.rotations)
        element = closeness.argmax(axis=-1)
        if previous is not None and np.array_equal(element, previous):
            break
        previous = element
        total = np.einsum("cm,cmij->cij", weight, poses @ group.rotations[element])
        u, _, vt = np.linalg.svd(total)
        u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
        mean = u @ vt
    relative = np.swapaxes(mean, -1, -2)[:, None] @ poses
    closeness = np.einsum("cmij,gji->cmg", relative, group.rotations).max(axis=-1)
    return mean, np.sum(weight * (3.0 - closeness), axis=1)
