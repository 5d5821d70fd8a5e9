"""The CryoET Data Portal's ``alignment_metadata.json``: one entry a section of the raw stack that was used.

In AreTomo's terms: ``in_plane_rotation`` is the 2 × 2 matrix of z_rot, offsets are pixels of the tilt series,
``volume_x_rotation`` is x_tilt, ``z_index`` counts sections from 0; sections without an entry were left out.
``volume_dimension`` is in Å. (Its schema calls the offsets Å; its files and its own converter hold pixels.)
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import FormatError, GeometryError, InputMissingError, PixelSizeError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json
from tomoset.formats.rigid_geometry import require_rigid
from tomoset.geometry import TiltGeometry

__all__ = ["PortalAlignment", "is_portal_alignment", "read_portal_alignment", "write_portal_alignment"]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

_SECTIONS = "per_section_alignment_parameters"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PortalAlignment:
    """An alignment of the portal.

    Parameters
    ----------
    geometry : TiltGeometry
        Of the sections that were used; shifts in Å.
    section : (n,) array of int
        Their place in the raw stack, from 0.
    volume_size_angstrom_xyz : tuple of float or None
    local : bool
        Whether the portal says that the alignment was local: the file holds only its rigid part.
    program : str
        Which program it came from.
    """

    geometry: TiltGeometry
    section: NDArray[np.int64]
    volume_size_angstrom_xyz: tuple[float, float, float] | None = None
    local: bool = False
    program: str = ""


def is_portal_alignment(path: PathLike) -> bool:
    """Whether a JSON file holds an alignment of the portal."""
    try:
        return _SECTIONS in read_json(Path(path))
    except (FormatError, OSError):
        return False


def read_portal_alignment(path: PathLike, pixel_size_angstrom: float) -> PortalAlignment:
    """Read an alignment of the portal.

    Parameters
    ----------
    path : path
    pixel_size_angstrom : float
        Of the tilt series, whose pixels the offsets are.

    Raises
    ------
    InputMissingError
        If there is no such file.
    PixelSizeError
        If the pixel size is not positive.
    FormatError
        If an entry is missing or malformed, sections repeat, or a matrix is no rotation.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected an alignment of the data portal, found nothing there")
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(f"expected a positive pixel size of the tilt images, found {pixel_size_angstrom:g} Å")
    document = read_json(file)
    try:
        entries = document[_SECTIONS]
        section = np.array([entry["z_index"] for entry in entries], dtype=np.int64)
        turn = np.array([entry["in_plane_rotation"] for entry in entries], dtype=np.float64).reshape(-1, 2, 2)
        names = ("tilt_angle", "volume_x_rotation", "x_offset", "y_offset")
        numbers = np.array([[entry[name] for name in names] for entry in entries], dtype=np.float64).reshape(-1, 4)
        size = document.get("volume_dimension") or {}
        volume = (float(size.get("x", 0)), float(size.get("y", 0)), float(size.get("z", 0)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"{file.name}: expected {_SECTIONS} with z_index, angles, rotations and offsets, found {error!r}"
        ) from error
    off = np.abs(turn @ np.swapaxes(turn, 1, 2) - np.eye(2)).max(initial=0.0)
    if not section.size or np.unique(section).size != section.size or not off < 1e-3:
        raise FormatError(
            f"{file.name}: expected each section once with a rotation, found {section.size} sections and matrices "
            f"that are off orthonormal by {off:.3g}; take the file as the portal has it"
        )
    return PortalAlignment(
        geometry=TiltGeometry(
            y_tilt_deg=numbers[:, 0],
            z_rot_deg=np.rad2deg(np.arctan2(turn[:, 1, 0], turn[:, 0, 0])),
            shift_xy_angstrom=numbers[:, 2:] * pixel_size_angstrom,
            x_tilt_deg=numbers[:, 1],
        ),
        section=section,
        volume_size_angstrom_xyz=volume if min(volume) > 0 else None,
        local=document.get("alignment_type") == "LOCAL",
        program=str(document.get("format", "")),
    )


def write_portal_alignment(
    path: PathLike,
    geometry: TiltGeometry,
    pixel_size_angstrom: float,
    *,
    use: ArrayLike | None = None,
    volume_size_angstrom_xyz: tuple[float, float, float] | None = None,
    program: str = "TOMOSET",
) -> Path:
    """Write a geometry whose rows are the sections of a stack; unused ones get no entry.

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    GeometryError
        If a view is magnified or bent, or ``use`` does not fit.
    OutputError
        If it cannot be written.
    """
    require_rigid(geometry, "the portal's alignment")
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(f"expected a positive pixel size of the tilt images, found {pixel_size_angstrom:g} Å")
    n = geometry.n_tilts
    used = np.ones(n, dtype=np.bool_) if use is None else np.asarray(use, dtype=np.bool_)
    if used.shape != (n,) or not used.any():
        raise GeometryError(f"expected one flag for each of {n} tilts and at least one used, found {used.tolist()}")
    x_tilt = np.zeros(n) if geometry.x_tilt_deg is None else geometry.x_tilt_deg
    cos, sin = np.cos(np.deg2rad(geometry.z_rot_deg)), np.sin(np.deg2rad(geometry.z_rot_deg))
    shift = geometry.shift_xy_angstrom / pixel_size_angstrom
    size = volume_size_angstrom_xyz or (0.0, 0.0, 0.0)
    document: dict[str, Any] = {
        "affine_transformation_matrix": np.eye(4).tolist(),
        "alignment_type": "GLOBAL",
        "format": program,
        "is_portal_standard": True,
        "tilt_offset": 0.0,
        "volume_offset": {"x": 0, "y": 0, "z": 0},
        "x_rotation_offset": 0.0,
        "volume_dimension": dict(zip("xyz", size, strict=True)),
        _SECTIONS: [
            {
                "z_index": int(i),
                "tilt_angle": float(geometry.y_tilt_deg[i]),
                "volume_x_rotation": float(x_tilt[i]),
                "in_plane_rotation": [[cos[i], -sin[i]], [sin[i], cos[i]]],
                "x_offset": float(shift[i, 0]),
                "y_offset": float(shift[i, 1]),
            }
            for i in np.flatnonzero(used)
        ],
    }
    return write_json_atomic(path, document)
