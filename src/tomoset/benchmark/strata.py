"""Where a method is good: scores by depth, edge, crowding, membranes, size and orientation."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.pairing import ClassPair
from tomoset.model import Labels, PickableObject, StratumScore

__all__ = ["Surroundings", "score_strata"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Edges of the ranges: what a person would call at, near and far from something.
_EDGES: dict[str, tuple[str, tuple[float, ...]]] = {
    "depth": ("Å to the nearer face of the ice", (-np.inf, 150.0, 400.0, np.inf)),
    "edge": ("Å to the volume's nearest side", (-np.inf, 200.0, 1000.0, np.inf)),
    "crowding": ("Å of gap to the nearest other particle", (-np.inf, 20.0, 80.0, 200.0, np.inf)),
    "membrane": ("Å to the nearest membrane", (-np.inf, 100.0, 300.0, np.inf)),
    "size": ("Å of radius", (-np.inf, 45.0, 80.0, np.inf)),
    "wedge": ("° from the beam to the particle's axis", (-np.inf, 30.0, 60.0, np.inf)),
}
_NEIGHBOURS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What strata need to know of a tomogram beside its labels.

    Parameters
    ----------
    size_angstrom_xyz : tuple of float
        Extent of the volume, whose voxel (0, 0, 0) is at (0, 0, 0).
    ice_angstrom_z : pair of float or None
        Lower and upper face of the ice, volume frame; None when nobody knows.
    """

    size_angstrom_xyz: tuple[float, float, float]
    ice_angstrom_z: tuple[float, float] | None = None


@dataclass(slots=True)
class _Tally:
    true: list[Floats]
    matched: list[Bools]
    false: list[Floats]
    knows_false: bool = True


def score_strata(
    pairs: Sequence[tuple[PickableObject, ClassPair]],
    truth: Mapping[str, Labels],
    objects: Sequence[PickableObject],
    surroundings: Mapping[str, Surroundings],
) -> tuple[StratumScore, ...]:
    """Divide particles and false picks by where they are.

    Parameters
    ----------
    pairs : sequence of (PickableObject, ClassPair)
        Matched picks of every class and tomogram.
    truth : mapping of str to Labels
        By run: neighbours and membranes.
    objects : sequence of PickableObject
        All classes, whose radii say how far neighbours reach.
    surroundings : mapping of str to Surroundings
        By run; a tomogram without an entry says nothing about depth and edge.

    Returns
    -------
    tuple of StratumScore
        Ranges that hold neither a particle nor a false pick are left out. The axis of a particle is the z axis of its
        model: only true poses have one that can be trusted, so that strata of ``wedge`` have a recall alone.
    """
    tallies = {name: _Tally([], [], []) for name in _EDGES}
    tallies["wedge"].knows_false = False
    for item, pair in pairs:
        measure = _measures(item, truth[pair.run], objects, surroundings.get(pair.run))
        found = np.zeros(len(pair.true), dtype=bool)
        found[pair.matching.true] = True
        false = pair.predicted.positions_angstrom_xyz[pair.is_false]
        for name, value_of in measure.items():
            tallies[name].true.append(value_of(pair.true.positions_angstrom_xyz))
            tallies[name].matched.append(found)
            tallies[name].false.append(value_of(false))
        if pair.true.rotations is not None and len(pair.true):
            axis = np.abs(pair.true.rotations[:, 2, 2])
            tallies["wedge"].true.append(np.rad2deg(np.arccos(np.clip(axis, 0.0, 1.0))))
            tallies["wedge"].matched.append(found)
    return tuple(itertools.chain.from_iterable(_ranges(name, tally) for name, tally in tallies.items()))


def _measures(
    item: PickableObject, true: Labels, objects: Sequence[PickableObject], around: Surroundings | None
) -> dict[str, Callable[[Floats], Floats]]:
    """What can be measured at a position (n, 3) in this tomogram, by stratum."""
    measures: dict[str, Callable[[Floats], Floats]] = {
        "size": lambda points: np.full(len(points), item.radius_angstrom),
        "crowding": lambda points: _gap(points, item.radius_angstrom, true, objects),
    }
    if around is not None:
        width, height, thickness = around.size_angstrom_xyz
        low, high = around.ice_angstrom_z or (0.0, thickness)
        measures["depth"] = lambda points: np.minimum(points[:, 2] - low, high - points[:, 2])
        measures["edge"] = lambda points: np.minimum(points[:, :2], [width, height] - points[:, :2]).min(axis=1)
    vertices = [membrane.vertices_angstrom_xyz for membrane in true.membranes]
    if vertices:
        measures["membrane"] = lambda points: _nearest(points, np.concatenate(vertices))
    return measures


def _nearest(points: Floats, others: Floats) -> Floats:
    from scipy.spatial import KDTree

    return np.asarray(KDTree(others).query(points)[0], dtype=np.float64) if len(points) else np.zeros(0)


def _gap(points: Floats, radius: float, true: Labels, objects: Sequence[PickableObject]) -> Floats:
    """From the surface of a sphere of this radius to that of the nearest other true particle, Å."""
    from scipy.spatial import KDTree

    centres = [true.of(item.name).positions_angstrom_xyz for item in objects]
    radii = np.repeat([item.radius_angstrom for item in objects], [len(c) for c in centres])
    everything = np.concatenate([np.zeros((0, 3)), *centres])
    if not len(points) or not len(everything):
        return np.full(len(points), np.inf)
    # The nearest surface may belong to the second nearest centre; nine reach far enough for sizes that differ tenfold.
    distance, index = KDTree(everything).query(points, k=min(_NEIGHBOURS, len(everything)))
    distance, index = distance.reshape(len(points), -1), index.reshape(len(points), -1)
    gap = np.where(distance > 1e-6, distance - radii[index] - radius, np.inf)  # itself is no neighbour
    return np.asarray(gap.min(axis=1), dtype=np.float64)


def _ranges(name: str, tally: _Tally) -> list[StratumScore]:
    unit, edges = _EDGES[name]
    if not tally.true:
        return []
    true, matched = np.concatenate(tally.true), np.concatenate(tally.matched)
    false = np.concatenate([np.zeros(0), *tally.false])
    scores = []
    for low, high in itertools.pairwise(edges):
        inside = (true >= low) & (true < high)
        n_false = int(np.count_nonzero((false >= low) & (false < high))) if tally.knows_false else None
        if inside.any() or n_false:
            scores.append(
                StratumScore(
                    stratum=name,
                    low=low,
                    high=high,
                    unit=unit,
                    n_truth=int(inside.sum()),
                    n_matched=int(matched[inside].sum()),
                    n_false=n_false,
                )
            )
    return scores
