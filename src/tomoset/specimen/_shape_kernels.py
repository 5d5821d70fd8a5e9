"""Compiled heights above closed shapes; imported only by the functions that run them.

A shape's numbers travel as ``Solid``, a plain tuple that compiled code can read.
"""

from typing import NamedTuple

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["Solid", "heights", "inside"]


class Solid(NamedTuple):
    """What a :class:`tomoset.specimen.shapes.Shape` is made of, see there."""

    centre: NDArray[np.float64]
    rotation: NDArray[np.float64]
    radius: float
    length: float
    bend: float
    map_radius: float
    ripple_axes: NDArray[np.float64]
    ripple_degrees: NDArray[np.int64]
    ripple_amplitudes: NDArray[np.float64]


@numba.njit(cache=True)
def _legendre(degree: int, x: float) -> float:
    before, value = 1.0, x
    for k in range(2, degree + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value if degree > 0 else 1.0


@numba.njit(cache=True)
def _from_axis(solid: Solid, x: float, y: float, z: float) -> tuple[float, float, float, float, float]:
    """Distance from the axis, the way there (across, sideways, along, in the axis' frame) and the place on the axis."""
    half = 0.5 * solid.length
    if solid.bend > 0.0:
        bow = solid.length / solid.bend
        place = min(max(np.arctan2(z, bow - x) * bow, -half), half)
        cos, sin = np.cos(place / bow), np.sin(place / bow)
        dx, dz = x - bow * (1.0 - cos), z - bow * sin
        across, along = dx * cos - dz * sin, dx * sin + dz * cos
    else:
        place = min(max(z, -half), half)
        across, along = x, z - place
    distance = np.sqrt(across * across + y * y + along * along)
    return distance, across, y, along, place


@numba.njit(cache=True)
def _ripple(solid: Solid, distance: float, across: float, y: float, along: float, place: float) -> float:
    if distance == 0.0:
        return 0.0
    ux, uy, uz = across / distance, y / distance, along / distance
    if solid.length > 0.0:  # spread the meridian evenly over that of the unit sphere
        meridian = place + solid.map_radius * np.arcsin(min(max(uz, -1.0), 1.0))
        latitude = np.pi * meridian / (solid.length + np.pi * solid.map_radius)
        ring = np.sqrt(ux * ux + uy * uy)
        scale = np.cos(latitude) / ring if ring > 0.0 else 0.0
        ux, uy, uz = ux * scale, uy * scale, np.sin(latitude)
    total = 0.0
    for k in range(len(solid.ripple_degrees)):
        cos = ux * solid.ripple_axes[k, 0] + uy * solid.ripple_axes[k, 1] + uz * solid.ripple_axes[k, 2]
        total += solid.ripple_amplitudes[k] * _legendre(solid.ripple_degrees[k], cos)
    return total


@numba.njit(cache=True)
def heights(points: NDArray[np.float64], solid: Solid) -> NDArray[np.float64]:
    """Height of points above the surface, along the ray from the axis."""
    result = np.empty(len(points))
    r, c = solid.rotation, solid.centre
    for p in range(len(points)):
        dx, dy, dz = points[p, 0] - c[0], points[p, 1] - c[1], points[p, 2] - c[2]
        x = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
        y = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
        z = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
        distance, across, sideways, along, place = _from_axis(solid, x, y, z)
        result[p] = distance - solid.radius - _ripple(solid, distance, across, sideways, along, place)
    return result


@numba.njit(cache=True)
def inside(points: NDArray[np.float64], solid: Solid, level: float) -> NDArray[np.bool_]:
    """Whether points lie below a height; the ripple is only worked out where it decides."""
    result = np.empty(len(points), np.bool_)
    r, c = solid.rotation, solid.centre
    swing = np.abs(solid.ripple_amplitudes).sum()
    for p in range(len(points)):
        dx, dy, dz = points[p, 0] - c[0], points[p, 1] - c[1], points[p, 2] - c[2]
        x = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
        y = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
        z = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
        distance, across, sideways, along, place = _from_axis(solid, x, y, z)
        height = distance - solid.radius - level
        if height <= -swing:
            result[p] = True
        elif height > swing:
            result[p] = False
        else:
            result[p] = height <= _ripple(solid, distance, across, sideways, along, place)
    return result
