"""IMOD's binary models (.mod): picks as scattered points, filaments as open contours, one object a class.

Coordinates are pixels of the tomogram, x y z, float32 (1e-4 pixel at 1000). They run from 0 to NX in X and to NY in Y
but from −0.5 to NZ − 0.5 in Z (``binspec.html``, "Model Coordinate Conventions"), so the centre of the first voxel is
(0.5, 0.5, 0): PEET says the same. Where a model was drawn on a part of a volume, ``(otrans − ctrans) / cscale`` of the
chunk MINX brings it to the whole. Big-endian; chunks that are not needed are skipped. A point is a particle unless its
object is of open contours. Models hold no rotations or scores.

Layout: https://bio3d.colorado.edu/imod/doc/binspec.html
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import atomic_path
from tomoset.geometry import Grid
from tomoset.model import FilamentTrace, Picks

__all__ = ["ImodModel", "read_imod_model", "write_imod_model"]

_FIRST_VOXEL = np.array([0.5, 0.5, 0.0])
_ID = b"IMODV1.2"
_HEADER, _OBJECT = 232, 176
_Z_FROM_MINUS_HALF, _NOT_BY_3DMOD = 1 << 10, 1 << 11
_OPEN, _SCATTERED = 1 << 3, 1 << 9
_NANOMETRE = -9
_COLORS = ((0.9, 0.6, 0.0), (0.34, 0.71, 0.91), (0.0, 0.62, 0.45), (0.94, 0.89, 0.26), (0.0, 0.45, 0.7))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImodModel:
    """What a model says.

    Parameters
    ----------
    picks : tuple of Picks
    filaments : tuple of FilamentTrace
    size_xyz : tuple of int
        Of the volume it was drawn on, voxels; zeros where it does not say.
    """

    picks: tuple[Picks, ...]
    filaments: tuple[FilamentTrace, ...]
    size_xyz: tuple[int, int, int]


@dataclass(slots=True)
class _Object:
    name: str
    flags: int
    radius_px: float
    contours: list[NDArray[np.float64]]
    surfaces: list[int]


def write_imod_model(
    path: str | os.PathLike[str],
    picks: Sequence[Picks],
    filaments: Sequence[FilamentTrace],
    grid: Grid,
    *,
    radius_angstrom: float,
) -> Path:
    """Write a model of a tomogram.

    Parameters
    ----------
    path : path
    picks : sequence of Picks
        One object of scattered points each.
    filaments : sequence of FilamentTrace
        One object of open contours a class; a contour's surface number is the filament's.
    grid : Grid
        Of the tomogram.
    radius_angstrom : float
        Of the spheres that 3dmod draws for picks.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    voxel = grid.voxel_size_angstrom
    objects: list[bytes] = []
    for each in picks:
        contour = _contour(each.positions_angstrom_xyz / voxel, 0)
        objects.append(_object_header(each.object_name, 1, _SCATTERED, radius_angstrom / voxel, len(objects)) + contour)
    for name in dict.fromkeys(each.object_name for each in filaments):
        traces = [each for each in filaments if each.object_name == name]
        contours = b"".join(_contour(each.points_angstrom_xyz / voxel, each.instance_id) for each in traces)
        radius = traces[0].radius_angstrom / voxel
        objects.append(_object_header(name, len(traces), _OPEN, radius, len(objects)) + contours)
    content = _model_header(grid, len(objects)) + b"".join(objects) + _image_reference(voxel) + b"IEOF"
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return Path(path)


def read_imod_model(path: str | os.PathLike[str], *, voxel_size_angstrom: float, object_name: str = "") -> ImodModel:
    """Read a model; ``object_name`` is the class of objects that have no name of their own.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no binary model, or is cut off.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected an IMOD model, found nothing there; check the path")
    content = file.read_bytes()
    if content[:8] != _ID:
        raise FormatError(
            f"{file.name}: expected a binary IMOD model (IMODV1.2), found {content[:8]!r}; a text model becomes one "
            "with IMOD's imodtrans"
        )
    try:
        objects, offset = _parse(content)
        size = struct.unpack_from(">3i", content, 8 + 128)
    except (struct.error, ValueError, IndexError) as error:
        raise FormatError(f"{file.name}: expected a whole IMOD model, found it cut off or damaged ({error})") from error
    picks: dict[str, list[NDArray[np.float64]]] = {}
    filaments: list[FilamentTrace] = []
    for i, each in enumerate(objects):
        name = each.name or object_name or f"object-{i + 1}"
        for points, surface in zip(each.contours, each.surfaces, strict=True):
            angstrom = (points + offset - _FIRST_VOXEL) * voxel_size_angstrom
            if each.flags & _OPEN and not each.flags & _SCATTERED and len(points) > 1:
                filaments.append(
                    FilamentTrace(
                        object_name=name,
                        instance_id=_unused(surface, filaments),
                        points_angstrom_xyz=angstrom,
                        radius_angstrom=each.radius_px * voxel_size_angstrom,
                    )
                )
            elif len(points):
                picks.setdefault(name, []).append(angstrom)
    return ImodModel(
        picks=tuple(Picks(object_name=k, positions_angstrom_xyz=np.concatenate(v)) for k, v in picks.items()),
        filaments=tuple(filaments),
        size_xyz=(size[0], size[1], size[2]),
    )


def _unused(number: int, filaments: list[FilamentTrace]) -> int:
    taken = {each.instance_id for each in filaments}
    return number if number > 0 and number not in taken else max(taken, default=0) + 1


def _model_header(grid: Grid, n_objects: int) -> bytes:
    z, y, x = grid.shape_zyx
    return _ID + struct.pack(
        ">128s3ii I 4i 3f 3f 3i ii f i i 3f",
        b"tomoset",
        *(x, y, z),
        n_objects,
        _Z_FROM_MINUS_HALF | _NOT_BY_3DMOD,
        *(1, 1, 0, 255),
        *(0.0, 0.0, 0.0),
        *(1.0, 1.0, 1.0),
        *(0, 0, 0),
        *(3, 128),
        grid.voxel_size_angstrom / 10.0,
        _NANOMETRE,
        0,
        *(0.0, 0.0, 0.0),
    )


def _object_header(name: str, n_contours: int, flags: int, radius_px: float, index: int) -> bytes:
    return b"OBJT" + struct.pack(
        ">64s64x i I 2i 3f i 8B 2i",
        name.encode("utf-8")[:63],
        n_contours,
        flags,
        *(0, 1),
        *_COLORS[index % len(_COLORS)],
        max(1, round(radius_px)),
        *(1, 3, 1, 1, 0, 0, 0, 0),
        *(0, 0),
    )


def _contour(points_px: NDArray[np.float64], surface: int) -> bytes:
    points = np.ascontiguousarray(points_px + _FIRST_VOXEL, dtype=">f4")
    return b"CONT" + struct.pack(">iIii", len(points), 0, 0, surface) + points.tobytes()


def _image_reference(voxel_size_angstrom: float) -> bytes:
    scale = (voxel_size_angstrom,) * 3
    return b"MINX" + struct.pack(">i18f", 72, 1, 1, 1, *(0,) * 6, *scale, *(0,) * 6)


def _parse(content: bytes) -> tuple[list[_Object], NDArray[np.float64]]:
    """Objects, and what is added to coordinates to reach the whole volume."""
    objects: list[_Object] = []
    offset, at = np.zeros(3), 8 + _HEADER
    while content[at : at + 4] != b"IEOF":
        kind, at = content[at : at + 4], at + 4
        if kind == b"OBJT":
            name = content[at : at + 64].split(b"\0")[0].decode("utf-8", "replace").strip()
            flags, radius = struct.unpack_from(">I", content, at + 132)[0], struct.unpack_from(">i", content, at + 156)
            objects.append(_Object(name, flags, float(radius[0]), [], []))
            at += _OBJECT
        elif kind == b"CONT":
            count, _, _, surface = struct.unpack_from(">iIii", content, at)
            points = np.frombuffer(content, ">f4", 3 * count, at + 16).astype(np.float64).reshape(-1, 3)
            objects[-1].contours.append(points)
            objects[-1].surfaces.append(surface)
            at += 16 + 12 * count
        elif kind == b"MESH":
            n_vertices, n_indices = struct.unpack_from(">2i", content, at)
            at += 16 + 12 * n_vertices + 4 * n_indices
        else:
            (size,) = struct.unpack_from(">i", content, at)
            if size < 0 or at + 4 + size > len(content):
                raise ValueError(f"a chunk {kind!r} of {size} bytes")
            if kind == b"MINX" and size >= 72:
                values = np.array(struct.unpack_from(">18f", content, at + 4)).reshape(6, 3)
                scale = np.where(values[3] == 0, 1.0, values[3])
                offset = (values[1] - values[4]) / scale
            at += 4 + size
    return objects, offset
