"""Point annotations of the CryoET Data Portal (.ndjson): one JSON object a line, and the metadata beside them.

``{"type": "point" | "orientedPoint" | "instancePoint", "location": {x, y, z}, "xyz_rotation_matrix": 3×3,
"instance_id": n}`` (``point_converter.py`` of cryoet-data-portal-backend). Locations are voxels of the tomogram, whole
numbers are voxel centres, first voxel 0; the file does not say how large a voxel is. The matrix maps the particle to
the tomogram, acts on x y z columns, and is ours as it is; files made before cryoet-data-portal#749 was mended hold it
for z y x. Scores have no place.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.errors import FormatError, GeometryError, InputMissingError, ParameterError
from tomoset.formats.atomic import write_json_atomic, write_text_atomic
from tomoset.model import Picks

__all__ = ["portal_shape", "read_portal_points", "write_portal_annotation", "write_portal_points"]

_SHAPES = {"point": "Point", "orientedPoint": "OrientedPoint", "instancePoint": "InstanceSegmentation"}


def write_portal_points(path: str | os.PathLike[str], picks: Picks, *, voxel_size_angstrom: float) -> Path:
    """Write picks: oriented where there are rotations, instances where there are numbers, else plain points.

    Raises
    ------
    ParameterError
        If a position is not finite.
    OutputError
        If it cannot be written.
    """
    if not np.all(np.isfinite(picks.positions_angstrom_xyz)):
        raise ParameterError(f"{Path(path).name}: expected finite positions, found NaN or infinity; leave those out")
    kind = _kind(picks)
    lines = []
    for i, (x, y, z) in enumerate((picks.positions_angstrom_xyz / voxel_size_angstrom).tolist()):
        point: dict[str, Any] = {"type": kind, "location": {"x": x, "y": y, "z": z}}
        if picks.rotations is not None:
            point["xyz_rotation_matrix"] = picks.rotations[i].tolist()
        if picks.instance_ids is not None:
            point["instance_id"] = int(picks.instance_ids[i])
        lines.append(json.dumps(point, allow_nan=False) + "\n")
    return write_text_atomic(path, "".join(lines))


def write_portal_annotation(
    path: str | os.PathLike[str], picks: Picks, points_file: str, *, method: str, identifier: str, simulated: bool
) -> Path:
    """Write the metadata of points, as far as labels know them; authors, dates and deposition are the submitter's.

    The fields are those of ``AnnotationMetadata`` in the portal's schema 2.0.0.
    """
    return write_json_atomic(
        path,
        {
            "annotation_object": {"name": picks.object_name, "id": identifier},
            "annotation_method": method,
            "method_type": "simulated" if simulated else "automated",
            "ground_truth_status": simulated,
            "object_count": len(picks),
            "files": [
                {
                    "format": "ndjson",
                    "path": points_file,
                    "shape": portal_shape(picks),
                    "is_visualization_default": True,
                }
            ],
        },
    )


def read_portal_points(path: str | os.PathLike[str], *, object_name: str, voxel_size_angstrom: float) -> Picks:
    """Read points of any of the three types.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a line is no point, or some points have a rotation and others none.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected points of the data portal, found nothing there; check the path")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    points = [_point(file, i + 1, line) for i, line in enumerate(lines) if line.strip()]
    rotations = [point["xyz_rotation_matrix"] for point in points if "xyz_rotation_matrix" in point]
    ids = [point.get("instance_id") for point in points]
    if rotations and len(rotations) != len(points):
        raise FormatError(
            f"{file.name}: expected a rotation for every point or for none, found {len(rotations)} for {len(points)}"
        )
    try:
        return Picks(
            object_name=object_name,
            positions_angstrom_xyz=np.array([point["xyz"] for point in points]).reshape(-1, 3) * voxel_size_angstrom,
            rotations=np.array(rotations) if rotations else None,
            instance_ids=None if all(i is None for i in ids) else np.array([i or 0 for i in ids], dtype=np.int64),
        )
    except (GeometryError, ValueError, TypeError) as error:
        raise FormatError(f"{file.name}: {error}") from error


def portal_shape(picks: Picks) -> str:
    """What the portal calls points like these: ``OrientedPoint``, ``Point`` or ``InstanceSegmentation``."""
    return _SHAPES[_kind(picks)]


def _kind(picks: Picks) -> str:
    if picks.rotations is not None:
        return "orientedPoint"
    return "point" if picks.instance_ids is None else "instancePoint"


def _point(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        point: dict[str, Any] = json.loads(line)
        point["xyz"] = [float(point["location"][axis]) for axis in "xyz"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{file.name}, line {number}: expected a JSON object with a location x, y, z, found "
            f"{type(error).__name__}: {error}; fetch the file again"
        ) from error
    if not np.all(np.isfinite(point["xyz"])):
        raise FormatError(f"{file.name}, line {number}: expected a finite location, found {point['xyz']}")
    return point
