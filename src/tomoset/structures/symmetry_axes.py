"""Finding the symmetry axes of a molecule by correlating its map with itself turned."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.geometry import PointGroup, point_group, rotation_about
from tomoset.structures.potential import potential_map
from tomoset.structures.structure import Structure

__all__ = ["align_to_point_group", "self_correlation"]

LEAST_SELF_CORRELATION = 0.9
COARSE_RESOLUTION_ANGSTROM, FINE_RESOLUTION_ANGSTROM = 16.0, 10.0
COARSE_POINTS, FINE_POINTS = 3_000, 20_000
VOXELS_A_RESOLUTION = 4.0
CANDIDATE_AXES = 6

Floats = NDArray[np.float64]


def align_to_point_group(structure: Structure, symmetry: str) -> Structure:
    """Turn a molecule so that its symmetry axes lie as in ``geometry.point_groups``.

    The axis of the group's first rotation is sought over the half sphere, then the turn about it that gives the
    second rotation; both are refined together on a finer map.

    Parameters
    ----------
    structure : Structure
        Molecule with its symmetry centre at the origin, in any orientation.
    symmetry : str
        Its point group.

    Returns
    -------
    Structure
        The same molecule, turned, never mirrored, with ``symmetry`` set.

    Raises
    ------
    ParameterError
        If for some element of the group the correlation of the map with itself, at 10 Å and with the mean of a
        surrounding ball removed, stays under 0.9.
    """
    group = point_group(symmetry)
    coarse = _Correlator(structure, COARSE_RESOLUTION_ANGSTROM, COARSE_POINTS)
    fine = _Correlator(structure, FINE_RESOLUTION_ANGSTROM, FINE_POINTS)
    first, second = _generators(group)
    turns = [_refined(coarse, _axis_to(first.axis, axis), first, None) for axis in _best_axes(coarse, first)]
    if second is not None:
        turns = [_with_second_axis(coarse, turn, first, second) for turn in turns]
    best = max(turns, key=lambda turn: _mean_correlation(coarse, turn, first, second))
    turn = _refined(fine, best, first, second)
    worst = min(fine(turn.T @ element @ turn) for element in group.rotations[1:])
    if worst < LEAST_SELF_CORRELATION:
        raise ParameterError(
            f"{structure.name}: expected symmetry {group.name}, but the molecule correlates with itself by only "
            f"{worst:.2f} (at least {LEAST_SELF_CORRELATION} expected) under one of its rotations; give the symmetry "
            "it has, or build the whole assembly (an asymmetric unit alone is C1)"
        )
    return replace(
        structure,
        symmetry=group.name,
        positions_angstrom_xyz=structure.positions_angstrom_xyz @ turn.T,
        source=f"{structure.source}; axes turned to {group.name} (self-correlation {worst:.3f})",
    )


def self_correlation(structure: Structure, symmetry: str, *, resolution_angstrom: float = 10.0) -> float:
    """Smallest correlation of a molecule's map with itself under the rotations of a point group, -1 to 1."""
    correlator = _Correlator(structure, resolution_angstrom, FINE_POINTS)
    return min(correlator(element) for element in point_group(symmetry).rotations)


class _Generator:
    """One rotation of the group with its axis."""

    def __init__(self, rotation: Floats) -> None:
        self.rotation = rotation
        values, vectors = np.linalg.eig(rotation)
        axis = np.real(vectors[:, np.argmin(np.abs(values - 1.0))])
        self.axis = axis / np.linalg.norm(axis)
        self.fold = round(2 * np.pi / np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1.0, 1.0)))


def _generators(group: PointGroup) -> tuple[_Generator, _Generator | None]:
    """Two rotations that generate the group: one of the highest order, one about another axis."""
    elements = [_Generator(rotation) for rotation in group.rotations[1:]]
    first = max(elements, key=lambda e: (e.fold, abs(e.axis[2])))
    others = [e for e in elements if abs(e.axis @ first.axis) < 0.999]
    if not others:
        return first, None
    return first, max(others, key=lambda e: (e.fold, abs(e.axis[0])))


class _Correlator:
    """Correlation of a molecule's map with itself under a rotation, over a ball around it."""

    def __init__(self, structure: Structure, resolution_angstrom: float, n_points: int) -> None:
        voxel_angstrom = max(0.5, resolution_angstrom / VOXELS_A_RESOLUTION)
        made = potential_map(structure, voxel_angstrom, resolution_angstrom=resolution_angstrom)
        self._volume_zyx = made.volume_zyx
        # Points between the voxels: the molecule at rest is then blurred by interpolation as much as the turned one.
        rng = np.random.default_rng(0)
        directions = rng.standard_normal((n_points, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        radius = structure.radius_angstrom / voxel_angstrom + 1
        self._points_xyz = radius * np.cbrt(rng.random((n_points, 1))) * directions
        self._reference = self._centred_values(np.eye(3))

    def _centred_values(self, rotation: Floats) -> Floats:
        from tomoset.structures import _kernels

        values = _kernels.sample_turned(self._volume_zyx, self._points_xyz, rotation)
        values -= values.mean()
        return values / np.linalg.norm(values)

    def __call__(self, rotation: Floats) -> float:
        """Correlation with the map turned by ``rotation``."""
        return float(self._reference @ self._centred_values(rotation))


def _half_sphere(step_deg: float) -> Floats:
    """Directions about ``step_deg`` apart on the half sphere: a golden spiral."""
    n = int(np.ceil(2 * np.pi / np.deg2rad(step_deg) ** 2))
    height = (np.arange(n) + 0.5) / n
    azimuth = np.pi * (1 + np.sqrt(5.0)) * np.arange(n)
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), height], axis=-1)


def _axis_to(target: Floats, axis: Floats) -> Floats:
    """The rotation of least angle that carries the direction ``axis`` to ``target``."""
    if axis @ target < -0.999:
        axis = -axis
    cross, cosine = np.cross(axis, target), float(axis @ target)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def _best_axes(correlator: _Correlator, first: _Generator) -> list[Floats]:
    """Directions in the molecule's frame about which the first rotation maps it best onto itself, far apart."""
    directions = _half_sphere(5.0)
    scores = np.array([correlator(_about(first, axis)) for axis in directions])
    chosen: list[Floats] = []
    for index in np.argsort(-scores):
        if all(abs(directions[index] @ known) < np.cos(np.deg2rad(12.0)) for known in chosen):
            chosen.append(directions[index])
        if len(chosen) == CANDIDATE_AXES:
            break
    return chosen


def _about(generator: _Generator, axis: Floats) -> Floats:
    turn = _axis_to(generator.axis, axis)
    return np.asarray(turn.T @ generator.rotation @ turn)


def _mean_correlation(correlator: _Correlator, turn: Floats, first: _Generator, second: _Generator | None) -> float:
    """Mean over the generators of the correlation of the map turned by ``turn`` with itself."""
    used = [first] if second is None else [first, second]
    return float(np.mean([correlator(turn.T @ generator.rotation @ turn) for generator in used]))


def _with_second_axis(correlator: _Correlator, turn: Floats, first: _Generator, second: _Generator) -> Floats:
    """Spin about the first axis that also brings the second one home."""
    to_z = _axis_to(np.array([0.0, 0.0, 1.0]), first.axis)
    spins = [to_z.T @ rotation_about("z", angle) @ to_z @ turn for angle in np.arange(0.0, 360.0 / first.fold, 3.0)]
    spins += [_flipped(first, second) @ spin for spin in spins]
    best = max(spins, key=lambda spin: correlator(spin.T @ second.rotation @ spin))
    return _refined(correlator, best, first, second)


def _flipped(first: _Generator, second: _Generator) -> Floats:
    """Half turn about a direction across the first axis: the same axis the other way up."""
    across = np.cross(first.axis, second.axis)
    across /= np.linalg.norm(across)
    return np.asarray(2 * np.outer(across, across) - np.eye(3))


def _refined(correlator: _Correlator, turn: Floats, first: _Generator, second: _Generator | None) -> Floats:
    """Small turns about x, y and z that raise the mean correlation to its maximum."""
    from scipy.optimize import minimize

    def small(angles_deg: NDArray[Any]) -> Floats:
        return np.asarray(
            rotation_about("x", angles_deg[0]) @ rotation_about("y", angles_deg[1]) @ rotation_about("z", angles_deg[2])
        )

    def cost(angles_deg: NDArray[Any]) -> float:
        return -_mean_correlation(correlator, small(angles_deg) @ turn, first, second)

    simplex = np.vstack([np.zeros(3), 3.0 * np.eye(3)])
    found = minimize(
        cost,
        np.zeros(3),
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 0.01, "fatol": 1e-6, "maxfev": 120},
    )
    return np.asarray(small(found.x) @ turn)
