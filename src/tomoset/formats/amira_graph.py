"""Amira's spatial graphs (.am): filaments as edges between two vertices, as TARDIS writes them.

``VERTEX``: the ends; ``EDGE``: which two vertices, how many points; ``POINT``: all points of all edges in turn.
Ångström, x y z, from the centre of voxel (0, 0, 0); written as text with six decimals, read as text or binary. Radius
is kept as the point field ``thickness`` (a radius there, as in Amira's own graphs); names of classes, polarity and
scores have no place.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tomoset.errors import FormatError
from tomoset.formats.amira_mesh import read_amira_mesh
from tomoset.formats.atomic import write_text_atomic
from tomoset.model import FilamentTrace

__all__ = ["is_amira_graph", "read_amira_graph", "write_amira_graph"]

_SECTIONS = (
    "VERTEX { float[3] VertexCoordinates } @1",
    "EDGE { int[2] EdgeConnectivity } @2",
    "EDGE { int NumEdgePoints } @3",
    "POINT { float[3] EdgePointCoordinates } @4",
    "POINT { float thickness } @5",
)


def is_amira_graph(path: Path) -> bool:
    """Whether an AmiraMesh file is a spatial graph."""
    with path.open("rb") as stream:
        return b"EdgeConnectivity" in stream.read(65536)


def write_amira_graph(path: str | os.PathLike[str], filaments: Sequence[FilamentTrace]) -> Path:
    """Write filaments, one edge each.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    ends = [point for each in filaments for point in each.points_angstrom_xyz[[0, -1]]]
    points = [point for each in filaments for point in each.points_angstrom_xyz]
    radii = [each.radius_angstrom for each in filaments for _ in each.points_angstrom_xyz]
    data = (
        [_numbers(point) for point in ends],
        [f"{2 * i} {2 * i + 1}" for i in range(len(filaments))],
        [str(len(each.points_angstrom_xyz)) for each in filaments],
        [_numbers(point) for point in points],
        [f"{radius:.6f}" for radius in radii],
    )
    lines = ["# AmiraMesh 3D ASCII 2.0", "", f"define VERTEX {len(ends)}", f"define EDGE {len(filaments)}"]
    lines += [f"define POINT {len(points)}", "", "Parameters {", "    Units {", '        Coordinates "A"', "    }"]
    lines += ['    ContentType "HxSpatialGraph"', "}", "", *_SECTIONS, "", "# Data section follows"]
    for i, rows in enumerate(data):
        lines += [f"@{i + 1}", *rows, ""]
    return write_text_atomic(path, "\n".join(lines))


def read_amira_graph(
    path: str | os.PathLike[str], *, object_name: str, radius_angstrom: float
) -> tuple[FilamentTrace, ...]:
    """Read every edge as a filament; ``radius_angstrom`` is that of graphs that hold none.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no spatial graph.
    """
    file = Path(path)
    mesh = read_amira_mesh(file)
    points, counts = (
        mesh.arrays.get(("POINT", "EdgePointCoordinates")),
        mesh.arrays.get(("EDGE", "NumEdgePoints")),
    )
    if points is None or counts is None or int(counts.sum()) != len(points):
        raise FormatError(f"{file.name}: expected a spatial graph with the points of every edge, found another mesh")
    unit = str((mesh.parameters.get("Units") or {}).get("Coordinates", "")).lower()
    scale = 10.0 if unit == "nm" else 1.0
    radii = mesh.arrays.get(("POINT", "thickness"))
    stops = np.cumsum(counts)
    return tuple(
        FilamentTrace(
            object_name=object_name,
            instance_id=i + 1,
            points_angstrom_xyz=points[stop - count : stop].astype(np.float64) * scale,
            radius_angstrom=radius_angstrom if radii is None else float(np.mean(radii[stop - count : stop])) * scale,
        )
        for i, (count, stop) in enumerate(zip(counts.tolist(), stops.tolist(), strict=True))
        if count > 1
    )


def _numbers(point: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in point)
