"""What copick has no place for, as JSON: the curve of every filament, and what a mesh cannot say of its membrane.

Positions in ångström, x y z, from the centre of voxel (0, 0, 0); every digit of float64. A filament's points are
control points in order; a cubic spline over the length of their chords passes through them.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.errors import FormatError, GeometryError, ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.meshes import NamedMesh
from tomoset.model import FilamentTrace, MembraneSurface

__all__ = [
    "FILAMENTS_KIND",
    "meshes_of_membranes",
    "read_filaments",
    "read_membranes",
    "write_filaments",
    "write_membrane_facts",
]

FILAMENTS_KIND = "tomoset filaments"
_MEMBRANES_KIND = "tomoset membranes"
_FACTS = ("instance_id", "outward_known", "closed", "thickness_angstrom", "inside", "outside")


def write_filaments(path: Path, filaments: Sequence[FilamentTrace], *, run: str, voxel_size_angstrom: float) -> Path:
    """Write filaments of any classes.

    Raises
    ------
    ParameterError
        If a point is not finite.
    """
    for each in filaments:
        if not np.all(np.isfinite(each.points_angstrom_xyz)):
            raise ParameterError(
                f"{path.name}: expected finite points, found NaN or infinity in filament {each.instance_id} of "
                f"{each.object_name}; mend or leave out that filament"
            )
    return write_json_atomic(
        path,
        {
            "kind": FILAMENTS_KIND,
            "run_name": run,
            "voxel_spacing": float(voxel_size_angstrom),
            "unit": "angstrom",
            "filaments": [_filament_to_json(each) for each in filaments],
        },
        indent=None,
    )


def read_filaments(path: Path) -> tuple[tuple[FilamentTrace, ...], str, float]:
    """Filaments, the run they are of, and the voxel size, Å, of the tomogram they were made on.

    Raises
    ------
    FormatError
        If the file is none of these or is damaged.
    """
    document = _document(path, FILAMENTS_KIND)
    with understood(path):
        try:
            filaments = tuple(_filament_from_json(each) for each in document["filaments"])
        except (GeometryError, ValueError) as error:
            raise FormatError(f"{path.name}: {error}") from error
        return filaments, str(document["run_name"]), float(document["voxel_spacing"])


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


def _filament_to_json(filament: FilamentTrace) -> dict[str, Any]:
    document = {item.name: getattr(filament, item.name) for item in dataclasses.fields(filament)}
    scores = document["scores"]
    document["ends"] = list(filament.ends)
    document["points_angstrom_xyz"] = filament.points_angstrom_xyz.tolist()
    document["scores"] = None if scores is None else [None if np.isnan(v) else float(v) for v in scores]
    document["inferred"] = None if filament.inferred is None else np.asarray(filament.inferred, dtype=bool).tolist()
    return document


def _filament_from_json(document: dict[str, Any]) -> FilamentTrace:
    values = dict(document)
    values["ends"] = tuple(values["ends"])
    if values["scores"] is not None:
        values["scores"] = np.array([np.nan if v is None else v for v in values["scores"]], dtype=np.float64)
    if values["inferred"] is not None:
        values["inferred"] = np.array(values["inferred"], dtype=np.bool_)
    return FilamentTrace(**values)
