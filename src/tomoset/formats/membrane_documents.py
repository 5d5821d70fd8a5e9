"""What a mesh cannot say of its membrane, as JSON beside the GLB of the same name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomoset.errors import FormatError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.meshes import NamedMesh
from tomoset.model import MembraneSurface

__all__ = ["meshes_of_membranes", "read_membranes", "write_membrane_facts"]

_MEMBRANES_KIND = "tomoset membranes"
_FACTS = ("instance_id", "outward_known", "closed", "thickness_angstrom", "inside", "outside")


def meshes_of_membranes(membranes: Sequence[MembraneSurface]) -> list[NamedMesh]:
    """Membranes as meshes named ``<class>-<instance>``."""
    return [
        NamedMesh(
            name=f"{each.object_name}-{each.instance_id}",
            vertices_angstrom_xyz=each.vertices_angstrom_xyz,
            faces=each.faces,
            normals=each.normals,
            inferred=each.inferred,
        )
        for each in membranes
    ]


def write_membrane_facts(
    path: Path, membranes: Sequence[MembraneSurface], *, run: str, voxel_size_angstrom: float
) -> Path:
    """Write what the meshes of one class do not say."""
    facts = [
        {"mesh": f"{each.object_name}-{each.instance_id}", "object_name": each.object_name}
        | {name: getattr(each, name) for name in _FACTS}
        for each in membranes
    ]
    return write_json_atomic(
        path,
        {
            "kind": _MEMBRANES_KIND,
            "run_name": run,
            "voxel_spacing": float(voxel_size_angstrom),
            "membranes": facts,
        },
    )


def read_membranes(path: Path, meshes: Sequence[NamedMesh]) -> tuple[tuple[MembraneSurface, ...], float]:
    """Membranes of a document and of the meshes beside it, and the voxel size, Å, of the tomogram they were made on.

    Raises
    ------
    FormatError
        If the document is damaged, or names a mesh that is not there.
    """
    document = _document(path, _MEMBRANES_KIND)
    by_name = {mesh.name: mesh for mesh in meshes}
    with understood(path):
        missing = [each["mesh"] for each in document["membranes"] if each["mesh"] not in by_name]
        if missing:
            raise FormatError(
                f"{path.name}: expected the mesh {missing[0]!r} in the GLB of the same name, found "
                f"{', '.join(by_name) or 'none'}; the two files are not of the same labels"
            )
        return tuple(
            MembraneSurface(
                object_name=each["object_name"],
                **{name: each[name] for name in _FACTS},
                **_arrays(by_name[each["mesh"]]),
            )
            for each in document["membranes"]
        ), float(document["voxel_spacing"])


def _arrays(mesh: NamedMesh) -> dict[str, Any]:
    return {
        "vertices_angstrom_xyz": mesh.vertices_angstrom_xyz,
        "faces": mesh.faces,
        "normals": mesh.normals,
        "inferred": mesh.inferred,
    }


def _document(path: Path, kind: str) -> dict[str, Any]:
    document = read_json(path)
    if document.get("kind") != kind:
        raise FormatError(f"{path.name}: expected a document of the kind {kind!r}, found {document.get('kind')!r}")
    return document
