"""Membranes as triangle meshes: a sphere's mesh drawn onto a closed surface, and sheets through scattered points."""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.membranes.closing import SurfacePoints
from tomoset.annotation.membranes.star_surface import StarSurface

__all__ = ["closed_mesh", "open_mesh"]

Floats = NDArray[np.float64]
Faces = NDArray[np.int32]
Mesh = tuple[Floats, Faces, Floats]

EDGE_ANGSTROM = 40.0
MOST_ROUNDS = 6
LONGEST_EDGE = 3.0  # of the points' own spacing


def closed_mesh(surface: StarSurface) -> Mesh:
    """Vertices (n, 3) in Å xyz, faces (m, 3) counter-clockwise from outside, outward normals (n, 3)."""
    wanted = surface.mean_radius_angstrom / EDGE_ANGSTROM
    rounds = int(np.clip(np.round(np.log2(max(wanted, 1.0))), 2, MOST_ROUNDS))
    directions, faces = _sphere(rounds)
    vertices = surface.centre_angstrom_xyz + directions * surface.radii_angstrom(directions)[:, None]
    return vertices, faces, surface.normals(directions)


def _sphere(rounds: int) -> tuple[Floats, Faces]:
    """An icosahedron whose triangles are divided in four so many times: unit directions, faces."""
    golden = (1 + 5**0.5) / 2
    corners: list[tuple[float, float, float]] = [(-1, golden, 0), (1, golden, 0), (-1, -golden, 0), (1, -golden, 0)]
    corners += [(0, -1, golden), (0, 1, golden), (0, -1, -golden), (0, 1, -golden)]
    corners += [(golden, 0, -1), (golden, 0, 1), (-golden, 0, -1), (-golden, 0, 1)]
    vertices = np.array(corners, dtype=np.float64) / np.hypot(1, golden)
    text = "0b5 051 017 07a 0ab 159 5b4 ba2 a76 718 394 342 326 368 389 495 24b 62a 867 981"
    faces = np.array([[int(c, 16) for c in triangle] for triangle in text.split()], dtype=np.int64)
    for _ in range(rounds):
        edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        unique, which = np.unique(edges, axis=0, return_inverse=True)
        middle = vertices[unique].sum(axis=1)
        first = len(vertices)
        vertices = np.concatenate([vertices, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
        ab, bc, ca = (which.reshape(-1, 3) + first).T
        a, b, c = faces.T
        parts = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = np.concatenate([np.stack(part, axis=1) for part in parts])
    return vertices, faces.astype(np.int32)


def open_mesh(points: SurfacePoints) -> Mesh:
    """Mesh of a sheet: triangles between neighbours as seen along its mean normal.

    Faces and normals agree with one another; which side is out is not known.
    """
    from scipy.spatial import Delaunay, cKDTree

    x = points.positions_angstrom_xyz
    normal = np.linalg.svd(points.normals, full_matrices=False)[2][0]
    helper = np.eye(3)[np.argmin(np.abs(normal))]
    first = np.cross(normal, helper)
    first /= np.linalg.norm(first)
    flat = x @ np.stack([first, np.cross(normal, first)], axis=1)
    faces = Delaunay(flat).simplices.astype(np.int32)
    spacing = float(np.median(cKDTree(x).query(x, k=2)[0][:, 1]))
    sides = np.linalg.norm(x[faces] - x[np.roll(faces, 1, axis=1)], axis=2)
    faces = faces[sides.max(axis=1) < LONGEST_EDGE * max(spacing, 1.0) * 2]
    corners = flat[faces]
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    clockwise = edge[:, 0] * other[:, 1] - edge[:, 1] * other[:, 0] < 0
    faces[clockwise] = faces[clockwise][:, ::-1]
    normals = points.normals * np.where(points.normals @ normal < 0, -1.0, 1.0)[:, None]
    return x, faces, normals
