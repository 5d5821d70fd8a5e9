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
    ripple_table: NDArray[np.float64]


@numba.njit(cache=True)
def _legendre(degree: int, x: float) -> float:
    before, value = 1.0, x
    for k in range(2, degree + 1):
        before, value = value, ((2 * k - 1) * x * value - (k - 1) * before) / k
    return value if degree > 0 else 1.0


@numba.njit(cache=True)
def _from_axis(solid: Solid, x: float, y: float, z: float) -> tuple[float, float, float, float, float]:
    """Length of the way from the axis, across and along it, and the place there.

    The place is sine and cosine of the axis' turn where it is bent, a length and nothing where it is straight.
    """
    half = 0.5 * solid.length
    if solid.bend == 0.0:
        place = min(max(z, -half), half)
        along = z - place
        return np.sqrt(x * x + y * y + along * along), x, along, place, 0.0
    bow = solid.length / solid.bend
    out = np.sqrt((bow - x) * (bow - x) + z * z)
    end = np.cos(0.5 * solid.bend)
    if bow - x >= end * out:
        sin, cos = z / out, (bow - x) / out
        across = bow - out
        return np.sqrt(across * across + y * y), across, 0.0, sin, cos
    sin, cos = (1.0 if z > 0.0 else -1.0) * np.sqrt(1.0 - end * end), end
    dx, dz = x - bow * (1.0 - cos), z - bow * sin
    across, along = dx * cos - dz * sin, dx * sin + dz * cos
    return np.sqrt(across * across + y * y + along * along), across, along, sin, cos


@numba.njit(cache=True)
def _direction(
    solid: Solid, distance: float, across: float, y: float, along: float, sin: float, cos: float
) -> tuple[float, float, float]:
    """Where the ray from the axis meets the sphere of the ripples: the meridian is spread evenly over the sphere's."""
    if distance == 0.0:
        return 1.0, 0.0, 0.0
    ux, uy, uz = across / distance, y / distance, along / distance
    if solid.length == 0.0:
        return ux, uy, uz
    place = sin if solid.bend == 0.0 else np.arctan2(sin, cos) * solid.length / solid.bend
    meridian = place + (solid.map_radius * np.arcsin(min(max(uz, -1.0), 1.0)) if along != 0.0 else 0.0)
    latitude = np.pi * meridian / (solid.length + np.pi * solid.map_radius)
    ring = np.sqrt(ux * ux + uy * uy)
    scale = np.cos(latitude) / ring if ring > 0.0 else 0.0
    return ux * scale, uy * scale, np.sin(latitude)


@numba.njit(cache=True)
def _ripple(solid: Solid, ux: float, uy: float, uz: float) -> float:
    total = 0.0
    for k in range(len(solid.ripple_degrees)):
        cos = ux * solid.ripple_axes[k, 0] + uy * solid.ripple_axes[k, 1] + uz * solid.ripple_axes[k, 2]
        total += solid.ripple_amplitudes[k] * _legendre(solid.ripple_degrees[k], cos)
    return total


@numba.njit(cache=True)
def _tabled_ripple(table: NDArray[np.float64], ux: float, uy: float, uz: float) -> float:
    """The ripple from its table on the faces of a cube (+x −x +y −y +z −z), bilinear."""
    ax, ay, az = abs(ux), abs(uy), abs(uz)
    if ax >= ay and ax >= az:
        face, first, second = (0 if ux > 0.0 else 1), uy / ax, uz / ax
    elif ay >= az:
        face, first, second = (2 if uy > 0.0 else 3), uz / ay, ux / ay
    else:
        face, first, second = (4 if uz > 0.0 else 5), ux / az, uy / az
    half = 0.5 * (table.shape[1] - 1)
    u, v = (first + 1.0) * half, (second + 1.0) * half
    i, j = min(int(u), table.shape[1] - 2), min(int(v), table.shape[1] - 2)
    u, v = u - i, v - j
    below = table[face, i, j] * (1.0 - v) + table[face, i, j + 1] * v
    above = table[face, i + 1, j] * (1.0 - v) + table[face, i + 1, j + 1] * v
    return below * (1.0 - u) + above * u


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
        distance, across, along, sin, cos = _from_axis(solid, x, y, z)
        ux, uy, uz = _direction(solid, distance, across, y, along, sin, cos)
        result[p] = distance - solid.radius - _ripple(solid, ux, uy, uz)
    return result


@numba.njit(cache=True)
def inside(points: NDArray[np.float64], solid: Solid, edges: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether an odd number of heights ``edges`` are not below points: for one edge, whether they lie within it.

    The ripple is only looked up, in its table, where it decides.
    """
    result = np.empty(len(points), np.bool_)
    r, c = solid.rotation, solid.centre
    lowest, highest = solid.ripple_table.min(), solid.ripple_table.max()
    for p in range(len(points)):
        dx, dy, dz = points[p, 0] - c[0], points[p, 1] - c[1], points[p, 2] - c[2]
        x = r[0, 0] * dx + r[1, 0] * dy + r[2, 0] * dz
        y = r[0, 1] * dx + r[1, 1] * dy + r[2, 1] * dz
        z = r[0, 2] * dx + r[1, 2] * dy + r[2, 2] * dz
        distance, across, along, sin, cos = _from_axis(solid, x, y, z)
        height = distance - solid.radius
        count, unsure = 0, False
        for edge in edges:
            if height - lowest <= edge:
                count += 1
            elif height - highest <= edge:
                unsure = True
        if unsure:
            ux, uy, uz = _direction(solid, distance, across, y, along, sin, cos)
            height -= _tabled_ripple(solid.ripple_table, ux, uy, uz)
            count = 0
            for edge in edges:
                if height <= edge:
                    count += 1
        result[p] = count % 2 == 1
    return result
