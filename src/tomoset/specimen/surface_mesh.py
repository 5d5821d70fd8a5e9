"""Triangle meshes of closed shapes: rings of even spacing about the axis, stitched."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.specimen.shapes import Shape

__all__ = ["SurfaceMesh", "mesh_of", "triangle_areas"]

Floats = NDArray[np.float64]
Faces = NDArray[np.int32]

FEWEST_ON_A_RING = 5
FEWEST_RINGS = 4


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceMesh:
    """A closed triangle mesh.

    Parameters
    ----------
    vertices_angstrom_xyz : (n, 3) array of float64
    faces : (m, 3) array of int32
        Counter-clockwise seen from outside.
    normals : (n, 3) array of float64
        Outward unit normals of the true surface at the vertices.
    """

    vertices_angstrom_xyz: Floats
    faces: Faces
    normals: Floats


def mesh_of(shape: Shape, *, edge_angstrom: float, level_angstrom: float = 0.0, phase_rad: float = 0.0) -> SurfaceMesh:
    """Mesh of a level set of a shape; every vertex lies on it exactly.

    Parameters
    ----------
    shape : Shape
    edge_angstrom : float
        Mean length of an edge.
    level_angstrom : float
        Height of the level set above the shape's surface.
    phase_rad : float
        Azimuth of each ring's first vertex relative to that of the ring before.

    Returns
    -------
    SurfaceMesh
    """
    meridians, counts = _rings(shape, edge_angstrom, level_angstrom)
    starts = np.cumsum(counts) - counts
    offsets = np.cumsum(np.pi / counts + phase_rad)  # half a step from ring to ring: near-equilateral triangles
    index = np.arange(counts.sum()) - np.repeat(starts, counts)
    azimuths = np.repeat(offsets, counts) + index * np.repeat(2 * np.pi / counts, counts)
    vertices = shape.surface(np.repeat(meridians, counts), azimuths, level_angstrom)
    strips = [
        _stitch(int(starts[i]), int(counts[i]), float(offsets[i]), int(counts[i + 1]), float(offsets[i + 1]))
        for i in range(len(counts) - 1)
    ]
    return SurfaceMesh(vertices, np.concatenate(strips).astype(np.int32), shape.normals(vertices))


def triangle_areas(vertices: Floats, faces: Faces) -> Floats:
    """Areas (m,) of the triangles of a mesh."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _rings(shape: Shape, edge: float, level: float) -> tuple[Floats, NDArray[np.int64]]:
    """Meridian coordinate and number of vertices of each ring; the first and last are the poles, of one vertex."""
    half = shape.meridian_half_angstrom
    radius = shape.radius_angstrom + level
    stretch = radius / shape.map_radius_angstrom  # the caps of the level set are larger than those of the map
    length = shape.length_angstrom + np.pi * radius
    n_rings = max(int(np.ceil(length / (edge * np.sqrt(0.75)))), FEWEST_RINGS)
    along = np.linspace(-length / 2, length / 2, n_rings + 1)
    beyond = np.clip(np.abs(along) - shape.length_angstrom / 2, 0, None)
    meridians = np.sign(along) * (np.minimum(np.abs(along), shape.length_angstrom / 2) + beyond / stretch)
    meridians[[0, -1]] = -half, half
    around = 2 * np.pi * radius * np.cos(beyond / radius)
    counts = np.maximum(np.rint(around / edge).astype(np.int64), FEWEST_ON_A_RING)
    counts[[0, -1]] = 1
    return meridians, counts


def _stitch(first: int, n: int, offset: float, m: int, offset_next: float) -> NDArray[np.int64]:
    """Triangles between a ring of ``n`` vertices from index ``first`` and the next ring of ``m``, by azimuth."""
    second = first + n
    if n == 1:
        upper = np.arange(m)
        return np.stack([np.full(m, first), second + (upper + 1) % m, second + upper], axis=-1)
    lower = np.arange(n)
    if m == 1:
        return np.stack([first + lower, first + (lower + 1) % n, np.full(n, second)], axis=-1)
    step, step_next = 2 * np.pi / n, 2 * np.pi / m
    # Start the next ring at its vertex nearest after the first one of this ring, then walk along both.
    turn = int(np.ceil((offset - offset_next) / step_next - 1e-9))
    lead = offset_next + turn * step_next - offset
    lower_mid = (lower + 0.5) * step
    upper = np.arange(m)
    upper_mid = lead + (upper + 0.5) * step_next
    across = np.searchsorted(upper_mid, lower_mid, side="left")  # steps of the next ring already taken
    back = np.searchsorted(lower_mid, upper_mid, side="right")
    base = np.stack([first + lower, first + (lower + 1) % n, second + (across + turn) % m], axis=-1)
    tip = np.stack([first + back % n, second + (upper + 1 + turn) % m, second + (upper + turn) % m], axis=-1)
    return np.concatenate([base, tip])
