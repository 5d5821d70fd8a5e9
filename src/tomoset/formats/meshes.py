"""Triangle meshes as GLB (binary glTF, as copick keeps them), PLY and OBJ; read through trimesh.

Vertices are in ångström, x y z, from the centre of voxel (0, 0, 0), as copick's meshes are; nothing is turned to
glTF's y-up frame, because copick does not. Faces are counter-clockwise seen from where the normals point. GLB and
binary PLY hold float32: 3e-4 Å at 6000 Å; an OBJ four decimals. A GLB holds one node a mesh;
PLY and OBJ one mesh a file.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.atomic import atomic_path
from tomoset.formats.obj import write_obj

__all__ = ["MESH_SUFFIXES", "NamedMesh", "read_meshes", "write_meshes"]

MESH_SUFFIXES = (".glb", ".ply", ".obj", ".stl")
_INFERRED = "inferred"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedMesh:
    """A mesh of a file.

    Parameters
    ----------
    name : str
    vertices_angstrom_xyz : (n, 3) array of float64
    faces : (m, 3) array of int32
    normals : (n, 3) array of float64
        Of the file, or averaged from the faces where it has none.
    inferred : (n,) array of bool or None
    """

    name: str
    vertices_angstrom_xyz: NDArray[np.float64]
    faces: NDArray[np.int32]
    normals: NDArray[np.float64]
    inferred: NDArray[np.bool_] | None = None

    @property
    def is_closed(self) -> bool:
        """Whether every edge belongs to two faces, so that there is no border."""
        edges = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        return bool(len(edges)) and bool(np.all(np.unique(edges, axis=0, return_counts=True)[1] == 2))


def write_meshes(path: str | os.PathLike[str], meshes: Sequence[NamedMesh]) -> Path:
    """Write meshes; the ending says as what.

    Raises
    ------
    ParameterError
        If the ending is none of a mesh's that is written, a file of one mesh is to hold several, or a GLB none.
    OutputError
        If it cannot be written.
    """
    import trimesh

    target = Path(path)
    if target.suffix not in (".glb", ".ply", ".obj"):
        raise ParameterError(f"{target.name}: expected the ending .glb, .ply or .obj for meshes")
    if not meshes or (len(meshes) > 1 and target.suffix != ".glb"):
        raise ParameterError(
            f"{target.name}: expected {'at least' if target.suffix == '.glb' else 'exactly'} one mesh, found "
            f"{len(meshes)}; write a .glb, which holds any number"
        )
    if target.suffix == ".glb":
        scene: Any = trimesh.Scene()
        for mesh in meshes:
            scene.add_geometry(_to_trimesh(mesh), node_name=mesh.name, geom_name=mesh.name)
        content = scene.export(file_type="glb", include_normals=True)
    elif target.suffix == ".ply":
        content = _to_trimesh(meshes[0]).export(file_type="ply", vertex_normal=True)
    else:
        (mesh,) = meshes
        return write_obj(target, mesh.vertices_angstrom_xyz, mesh.faces, mesh.normals)
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)
    return target


def read_meshes(path: str | os.PathLike[str]) -> list[NamedMesh]:
    """Read every mesh of a file, sorted by name, with the transformations of its scene applied.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If no mesh can be read from it.
    """
    import trimesh

    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a mesh, found nothing there; check the path")
    try:
        with warnings.catch_warnings():  # of numpy inside parsers; what cannot be read is an error below
            warnings.simplefilter("ignore")
            scene = trimesh.load_scene(file, process=False, maintain_order=True)
            nodes = [(name, *scene.graph[name]) for name in scene.graph.nodes_geometry]
        found = [_from_trimesh(name, matrix, scene.geometry[geometry]) for name, matrix, geometry in nodes]
    except Exception as error:  # trimesh's parsers raise nearly anything on damaged files
        raise FormatError(
            f"{file.name}: expected triangle meshes, found a file that cannot be read as such "
            f"({type(error).__name__}: {error}); export it again"
        ) from error
    if not found:
        raise FormatError(f"{file.name}: expected triangle meshes, found none")
    return sorted(found, key=lambda mesh: mesh.name)


def _to_trimesh(mesh: NamedMesh) -> Any:
    import trimesh

    made = trimesh.Trimesh(
        vertices=mesh.vertices_angstrom_xyz,
        faces=mesh.faces,
        vertex_normals=mesh.normals,
        process=False,
        validate=False,
    )
    if mesh.inferred is not None:
        made.vertex_attributes[_INFERRED] = mesh.inferred.astype(np.float32)
    return made


def _from_trimesh(name: str, matrix: Any, mesh: Any) -> NamedMesh:
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    normals = np.asarray(mesh.vertex_normals, dtype=np.float64)
    if not np.array_equal(matrix, np.eye(4)):
        vertices = vertices @ matrix[:3, :3].T + matrix[:3, 3]
        normals = normals @ np.linalg.inv(matrix[:3, :3])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    attributes = {key.lstrip("_"): value for key, value in mesh.vertex_attributes.items()}
    flags = attributes.get(_INFERRED)
    return NamedMesh(
        name=str(name),
        vertices_angstrom_xyz=vertices,
        faces=np.asarray(mesh.faces, dtype=np.int32),
        normals=normals / np.where(length > 0, length, 1.0),
        inferred=None if flags is None else np.asarray(flags).reshape(-1) > 0.5,
    )
