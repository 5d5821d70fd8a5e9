"""Which picks of different annotators mean the same particle: at most one of each annotator a site, never chained."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError

__all__ = ["assign_pairs", "join_sites"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_MAX_SWEEPS = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Pairs:
    """Pairs of picks that may be one particle, in the compressed form of one list of neighbours a pick."""

    cost: dict[tuple[int, int], float]
    neighbours: list[list[int]]


def join_sites(
    positions_angstrom_xyz: ArrayLike, annotators: ArrayLike, classes: ArrayLike, reach_angstrom: ArrayLike
) -> Indices:
    """Number of the site that each pick belongs to.

    Parameters
    ----------
    positions_angstrom_xyz : (n, 3) array of float
        Picks of all annotators in one frame, Å.
    annotators, classes : (n,) arrays of int
    reach_angstrom : (n,) array of float
        Two picks can mean one particle when their distance is within both their reaches, Å.

    Returns
    -------
    (n,) array of int
        Sites 0, 1, 2 … without gaps. All picks of a site are of different annotators and within reach of its middle.

    Raises
    ------
    GeometryError
        If a position is not finite.

    Notes
    -----
    Pairs are joined from the nearest on, a pair of one class before any pair of two, as long as the whole site stays
    within reach (complete linkage). Then the picks of one annotator after the other are assigned anew to the sites of
    all others: as many as possible and, among those, with the smallest sum of distances. With two annotators this is
    the optimal assignment. At last sites are joined whose middles are within reach: where errors are as large as the
    reach, the votes for one particle would else fall apart into two sites.
    """
    points = np.asarray(positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
    if not np.all(np.isfinite(points)):
        raise GeometryError("expected finite positions of all picks, found NaN or infinity; remove those picks")
    who = np.asarray(annotators, dtype=np.intp)
    pairs = _pairs(points, who, np.asarray(classes, dtype=np.intp), np.asarray(reach_angstrom, dtype=np.float64))
    site = _linked(len(points), who, pairs)
    for _ in range(_MAX_SWEEPS):
        before = site.copy()
        for annotator in np.unique(who):
            site = _assigned_anew(site, who, int(annotator), pairs)
        if np.array_equal(_numbered(before), _numbered(site)):
            break
    return _numbered(_merged(_numbered(site), points, who, np.asarray(reach_angstrom, dtype=np.float64)))


def _pairs(points: Floats, who: Indices, classes: Indices, reach: Floats) -> _Pairs:
    from scipy.spatial import KDTree

    neighbours: list[list[int]] = [[] for _ in range(len(points))]
    cost: dict[tuple[int, int], float] = {}
    if len(points) > 1:
        found = KDTree(points).query_pairs(float(reach.max()), output_type="ndarray")
        distance = np.linalg.norm(points[found[:, 0]] - points[found[:, 1]], axis=1)
        near = distance <= np.minimum(reach[found[:, 0]], reach[found[:, 1]])
        keep = near & (who[found[:, 0]] != who[found[:, 1]])
        # Two picks of one class are one particle before two of different classes are.
        price = distance + np.where(classes[found[:, 0]] == classes[found[:, 1]], 0.0, float(reach.max()))
        for (i, j), value in zip(found[keep].tolist(), price[keep].tolist(), strict=True):
            cost[i, j] = cost[j, i] = value
            neighbours[i].append(j)
            neighbours[j].append(i)
    return _Pairs(cost, neighbours)


def _linked(n: int, who: Indices, pairs: _Pairs) -> Indices:
    """Sites by complete linkage from the nearest pair on."""
    site = np.arange(n, dtype=np.intp)
    members: dict[int, list[int]] = {i: [i] for i in range(n)}
    for i, j in sorted((p for p in pairs.cost if p[0] < p[1]), key=lambda p: (pairs.cost[p], p)):
        a, b = int(site[i]), int(site[j])
        if a == b or {int(who[k]) for k in members[a]} & {int(who[k]) for k in members[b]}:
            continue
        if all((k, m) in pairs.cost for k in members[a] for m in members[b]):
            site[members[b]] = a
            members[a] += members.pop(b)
    return site


def _assigned_anew(site: Indices, who: Indices, annotator: int, pairs: _Pairs) -> Indices:
    """Sites after the picks of one annotator have been assigned optimally to the sites of all others."""
    mine = np.flatnonzero(who == annotator)
    members: dict[int, list[int]] = {}
    for k in np.flatnonzero(who != annotator):
        members.setdefault(int(site[k]), []).append(int(k))
    rows, columns, costs = [], [], []
    for i in mine.tolist():
        for s in sorted({int(site[k]) for k in pairs.neighbours[i]}):
            others = members[s]
            if all((i, k) in pairs.cost for k in others):
                rows.append(i)
                columns.append(s)
                costs.append(float(np.mean([pairs.cost[i, k] for k in others])))
    out = site.copy()
    out[mine] = len(site) + mine  # alone, unless assigned
    for i, s in assign_pairs(np.array(rows, np.intp), np.array(columns, np.intp), np.array(costs)):
        out[i] = s
    return _numbered(out)


def _merged(site: Indices, points: Floats, who: Indices, reach: Floats) -> Indices:
    """Join sites of different annotators, the nearest first, as long as every pick stays within reach of the middle."""
    from scipy.spatial import KDTree

    members = {s: np.flatnonzero(site == s).tolist() for s in range(int(site.max(initial=-1)) + 1)}
    if len(members) < 2:
        return site
    middles = np.array([points[rows].mean(axis=0) for rows in members.values()])
    found = KDTree(middles).query_pairs(float(reach.max()), output_type="ndarray")
    order = np.argsort(np.linalg.norm(middles[found[:, 0]] - middles[found[:, 1]], axis=1), kind="stable")
    home = list(range(len(members)))
    for a, b in found[order].tolist():
        one, two = home[a], home[b]
        if one == two or {int(who[k]) for k in members[one]} & {int(who[k]) for k in members[two]}:
            continue
        rows = members[one] + members[two]
        if np.all(np.linalg.norm(points[rows] - points[rows].mean(axis=0), axis=1) <= reach[rows].min()):
            members[one] = rows
            members[two] = []
            home = [one if h == two else h for h in home]
    out = site.copy()
    for s, rows in members.items():
        out[rows] = s
    return out


def _numbered(site: Indices) -> Indices:
    """The same partition with sites numbered in the order of their first picks."""
    _, first, inverse = np.unique(site, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def assign_pairs(rows: Indices, columns: Indices, costs: Floats) -> Iterator[tuple[int, int]]:
    """Most pairs that can be made one-to-one out of a list of possible ones, at the smallest sum of costs.

    Parameters
    ----------
    rows, columns : (p,) arrays of int
        The possible pairs.
    costs : (p,) array of float
        Of each, 0 or more.

    Yields
    ------
    row, column
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(rows):
        return
    row_ids, row = np.unique(rows, return_inverse=True)
    column_ids, column = np.unique(columns, return_inverse=True)
    size = len(row_ids) + len(column_ids)
    graph = coo_array((np.ones(len(row)), (row, column + len(row_ids))), shape=(size, size))
    component = connected_components(graph, directed=False)[1][row]
    order = np.argsort(component, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        r, r_of = np.unique(row[group], return_inverse=True)
        c, c_of = np.unique(column[group], return_inverse=True)
        worst = 1.0 + float(costs[group].sum())  # one more pair beats any saving
        matrix = np.zeros((len(r), len(c)))
        matrix[r_of, c_of] = costs[group] - worst
        for i, j in zip(*linear_sum_assignment(matrix), strict=True):
            if matrix[i, j] < 0:
                yield int(row_ids[r[i]]), int(column_ids[c[j]])
