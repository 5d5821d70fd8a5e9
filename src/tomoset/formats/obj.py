"""Triangle meshes as Wavefront OBJ text: vertices, vertex normals, faces counted from 1."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.formats.atomic import atomic_path

__all__ = ["write_obj"]


def write_obj(
    path: Path, vertices_xyz: NDArray[np.float64], faces: NDArray[np.int32], normals_xyz: NDArray[np.float64]
) -> Path:
    """Write a mesh; the file carries whatever unit the vertices have.

    Parameters
    ----------
    path : Path
    vertices_xyz, normals_xyz : (n, 3) array of float64
    faces : (m, 3) array of int32
        Vertex indices from 0, counter-clockwise seen from outside.
    """
    corners = np.repeat(np.asarray(faces) + 1, 2, axis=1)  # the normal of a corner is that of its vertex
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii") as stream:
        np.savetxt(stream, vertices_xyz, fmt="v %.4f %.4f %.4f")
        np.savetxt(stream, normals_xyz, fmt="vn %.6f %.6f %.6f")
        np.savetxt(stream, corners, fmt="f %d//%d %d//%d %d//%d")
    return path
