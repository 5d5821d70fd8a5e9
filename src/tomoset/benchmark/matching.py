"""Which predicted pick is which true particle: each at most once, within a radius."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError

__all__ = ["Matching", "match_one_to_one", "neighbours_within"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """Pairs of a predicted and a true point.

    Parameters
    ----------
    predicted, true : (m,) array of int
        Indices of the two points of each pair; no index occurs twice.
    distance_angstrom : (m,) array of float64
        Distance of each pair, Å.
    """

    predicted: Indices
    true: Indices
    distance_angstrom: Floats

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.predicted)


def _points(positions_angstrom_xyz: ArrayLike, what: str) -> Floats:
    points = np.asarray(positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    if not np.all(np.isfinite(points)):
        raise GeometryError(f"{what} positions: expected finite numbers, found NaN or infinity; remove those picks")
    return points


def neighbours_within(
    predicted_angstrom_xyz: ArrayLike, true_angstrom_xyz: ArrayLike, radius_angstrom: ArrayLike
) -> tuple[Indices, Indices, Floats]:
    """All pairs of a predicted and a true point that are no farther apart than a radius.

    Parameters
    ----------
    predicted_angstrom_xyz, true_angstrom_xyz : (n, 3) and (m, 3) arrays of float
        Points in one frame, Å.
    radius_angstrom : float or (m,) array of float
        Largest distance, Å; may differ between true points. A distance equal to the radius counts.

    Returns
    -------
    predicted, true : (p,) arrays of int
        Indices of the pairs.
    distance_angstrom : (p,) array of float64

    Raises
    ------
    GeometryError
        If a position is not finite.
    """
    from scipy.spatial import KDTree

    predicted = _points(predicted_angstrom_xyz, "predicted")
    true = _points(true_angstrom_xyz, "true")
    radii = np.broadcast_to(np.asarray(radius_angstrom, dtype=np.float64), (len(true),))
    if not len(predicted) or not len(true):
        empty = np.zeros(0, dtype=np.intp)
        return empty, empty, np.zeros(0)
    found = KDTree(predicted).query_ball_point(true, radii)
    index_true = np.repeat(np.arange(len(true)), [len(hits) for hits in found])
    index_predicted = np.array([hit for hits in found for hit in sorted(hits)], dtype=np.intp)
    distance = np.linalg.norm(predicted[index_predicted] - true[index_true], axis=1)
    return index_predicted, index_true, distance


def match_one_to_one(
    predicted_angstrom_xyz: ArrayLike, true_angstrom_xyz: ArrayLike, radius_angstrom: ArrayLike
) -> Matching:
    """Most pairs that can be made within the radius and, among those, the smallest sum of distances.

    Parameters
    ----------
    predicted_angstrom_xyz, true_angstrom_xyz : (n, 3) and (m, 3) arrays of float
        Points in one frame, Å.
    radius_angstrom : float or (m,) array of float
        Largest distance of a pair, Å; may differ between true points.

    Returns
    -------
    Matching

    Notes
    -----
    The assignment problem is solved in each connected group of neighbours by itself, so the cost grows with the
    size of the largest clump and not with the square of the number of particles.
    """
    from scipy.optimize import linear_sum_assignment

    predicted, true, distance = neighbours_within(predicted_angstrom_xyz, true_angstrom_xyz, radius_angstrom)
    pairs: list[tuple[int, int, float]] = []
    for group in _connected_groups(predicted, true):
        rows, row_of = np.unique(predicted[group], return_inverse=True)
        columns, column_of = np.unique(true[group], return_inverse=True)
        # One more pair must always beat any saving in distance.
        worst = 1.0 + distance[group].sum()
        cost = np.zeros((len(rows), len(columns)))
        cost[row_of, column_of] = distance[group] - worst
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            if cost[i, j] < 0:
                pairs.append((int(rows[i]), int(columns[j]), float(cost[i, j] + worst)))
    pairs.sort()
    table = np.array(pairs, dtype=np.float64).reshape(-1, 3)
    return Matching(table[:, 0].astype(np.intp), table[:, 1].astype(np.intp), table[:, 2])


def _connected_groups(predicted: Indices, true: Indices) -> list[Indices]:
    """Indices of the pairs of each connected component of the graph of neighbours."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(predicted):
        return []
    offset = int(predicted.max()) + 1
    size = offset + int(true.max()) + 1
    graph = coo_array((np.ones(len(predicted)), (predicted, true + offset)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    label = component[predicted]
    order = np.argsort(label, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
