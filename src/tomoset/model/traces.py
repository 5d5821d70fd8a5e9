"""Labels of extended things: the course of a filament and the surface of a membrane, in a tomogram's frame."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError

__all__ = ["FilamentTrace", "MembraneSurface"]

FilamentEnd = Literal["end", "leaves-volume", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilamentTrace:
    """One filament as a smooth curve.

    Parameters
    ----------
    object_name : str
        Its class.
    instance_id : int
        1 or more, unique among the filaments of one ``Labels``; picks along it carry the same number.
    points_angstrom_xyz : (n, 3) array of float64
        Control points in order, which a cubic spline passes through (parameter: length of the chords); volume frame.
    radius_angstrom : float
        Outer radius.
    polarity : {-1, 0, 1}
        Whether the order of the points runs from minus to plus end (1), from plus to minus (-1), or nobody knows (0).
    rise_angstrom, twist_deg : float or None
        Helical step from subunit to subunit along the axis, where it was measured.
    ends : pair of {"end", "leaves-volume", "unknown"}
        What happens at the first and at the last point.
    scores : (n,) array of float64 or None
        How well the data show the filament at each point; larger is surer.
    inferred : (n,) array of bool or None
        Points that bridge a stretch where it is not seen.

    Raises
    ------
    GeometryError
        If there are fewer than two points or lengths differ.
    """

    object_name: str
    instance_id: int
    points_angstrom_xyz: NDArray[np.float64]
    radius_angstrom: float
    polarity: Literal[-1, 0, 1] = 0
    rise_angstrom: float | None = None
    twist_deg: float | None = None
    ends: tuple[FilamentEnd, FilamentEnd] = ("unknown", "unknown")
    scores: NDArray[np.float64] | None = None
    inferred: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse a curve without length."""
        points = np.asarray(self.points_angstrom_xyz, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 2:
            raise GeometryError(
                f"filament {self.instance_id} of {self.object_name}: expected at least two points (n, 3), "
                f"found {points.shape}"
            )
        object.__setattr__(self, "points_angstrom_xyz", points)
        for name in ("scores", "inferred"):
            value = getattr(self, name)
            if value is not None and len(value) != len(points):
                raise GeometryError(
                    f"filament {self.instance_id} of {self.object_name}: {len(points)} points but {len(value)} {name}"
                )

    @property
    def length_angstrom(self) -> float:
        """Length of the chords from point to point."""
        return float(np.linalg.norm(np.diff(self.points_angstrom_xyz, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MembraneSurface:
    """The mid-surface of one membrane as a triangle mesh.

    Parameters
    ----------
    object_name : str
        Its class.
    instance_id : int
        1 or more, unique among the membranes of one ``Labels``.
    vertices_angstrom_xyz : (n, 3) array of float64
        Volume frame.
    faces : (m, 3) array of int32
        Vertex indices, counter-clockwise seen from the side that the normals point to.
    normals : (n, 3) array of float64
        Unit normals at the vertices; outward where ``outward_known``.
    outward_known : bool
        Whether the normals are known to point out of the compartment; for an open sheet they only agree with one
        another.
    closed : bool
        Whether the mesh has no border.
    inferred : (n,) array of bool or None
        Vertices where the missing wedge hides the membrane and a closed shape was fitted through it.
    thickness_angstrom : float or None
        Distance of the two leaflets' heads, where it was measured or is known.
    inside, outside : str
        Names of the compartments on both sides; empty when nobody knows.

    Raises
    ------
    GeometryError
        If lengths differ or a face names a vertex that is not there.
    """

    object_name: str
    instance_id: int
    vertices_angstrom_xyz: NDArray[np.float64]
    faces: NDArray[np.int32]
    normals: NDArray[np.float64]
    outward_known: bool = False
    closed: bool = False
    inferred: NDArray[np.bool_] | None = None
    thickness_angstrom: float | None = None
    inside: str = ""
    outside: str = ""

    def __post_init__(self) -> None:
        """Check that vertices, faces and normals belong together."""
        vertices = np.asarray(self.vertices_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        faces = np.asarray(self.faces, dtype=np.int32).reshape(-1, 3)
        normals = np.asarray(self.normals, dtype=np.float64).reshape(-1, 3)
        where = f"membrane {self.instance_id} of {self.object_name}"
        if len(normals) != len(vertices) or (self.inferred is not None and len(self.inferred) != len(vertices)):
            raise GeometryError(f"{where}: expected one normal and one flag a vertex, found other numbers of them")
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise GeometryError(f"{where}: expected faces of vertices 0 to {len(vertices) - 1}, found others")
        for name, value in (("vertices_angstrom_xyz", vertices), ("faces", faces), ("normals", normals)):
            object.__setattr__(self, name, value)
