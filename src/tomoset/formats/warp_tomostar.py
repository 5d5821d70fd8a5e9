"""Warp's ``.tomostar``: one row a tilt, with its movie, angles and accumulated dose.

``wrpAngleTilt`` is Warp's angle, minus ours (and minus the microscope's, unless ts_import was told otherwise): Warp's
projection is Euler(0, angle, −axis), which with angle = −y_tilt is ``Rz(axis) Ry(y_tilt)``. ``wrpDose`` is the dose
before the tilt, e/Å²; offsets are shifts of the image in Å (``WarpLib/TiltSeries.cs``). Tilts that are not used have no
row. Written by ascending tilt, which is descending in Warp's angle, as ts_import does.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, GeometryError
from tomoset.formats.relion_tables import read_star, write_star
from tomoset.formats.rigid_geometry import require_rigid
from tomoset.geometry import TiltGeometry

__all__ = ["Tomostar", "read_tomostar", "write_tomostar"]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tomostar:
    """What a ``.tomostar`` says, row by row.

    Parameters
    ----------
    movie_names : tuple of str
        Paths relative to the file's folder.
    geometry : TiltGeometry
    dose_before_e_per_angstrom2 : (n,) array of float64
    average_intensity, masked_fraction : (n,) array of float64 or None
    has_shifts : bool
        Whether it holds shifts: a file straight from ts_import does not, its geometry is the nominal one.
    """

    movie_names: tuple[str, ...]
    geometry: TiltGeometry
    dose_before_e_per_angstrom2: Floats
    average_intensity: Floats | None = None
    masked_fraction: Floats | None = None
    has_shifts: bool = True


def read_tomostar(path: PathLike) -> Tomostar:
    """Read a ``.tomostar``.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If movie names or angles are missing, or a value is not a finite number.
    """
    file = Path(path)
    tables = [table for table in read_star(file).values() if table.has("wrpMovieName", "wrpAngleTilt")]
    if len(tables) != 1:
        raise FormatError(
            f"{file.name}: expected one table with wrpMovieName and wrpAngleTilt, found {len(tables)}; take the "
            ".tomostar of one series"
        )
    table = tables[0]
    n, zero = len(table), np.zeros(len(table))
    axis, dose = table.optional_numbers("wrpAxisAngle"), table.optional_numbers("wrpDose")
    shifted = table.has("wrpAxisOffsetX", "wrpAxisOffsetY")
    return Tomostar(
        movie_names=table.texts("wrpMovieName"),
        geometry=TiltGeometry(
            y_tilt_deg=-table.numbers("wrpAngleTilt"),
            z_rot_deg=zero if axis is None else axis,
            shift_xy_angstrom=table.numbers("wrpAxisOffsetX", "wrpAxisOffsetY") if shifted else np.zeros((n, 2)),
        ),
        dose_before_e_per_angstrom2=zero if dose is None else dose,
        average_intensity=table.optional_numbers("wrpAverageIntensity"),
        masked_fraction=table.optional_numbers("wrpMaskedFraction"),
        has_shifts=shifted,
    )


def write_tomostar(path: PathLike, tomostar: Tomostar) -> Path:
    """Write a ``.tomostar``, rows by ascending tilt.

    Raises
    ------
    GeometryError
        If a view is magnified, bent or tilted about x (Warp's .xml holds one tilt about x), or a name is empty or has
        a blank.
    OutputError
        If it cannot be written.
    """
    geometry = tomostar.geometry
    require_rigid(geometry, "a .tomostar")
    if geometry.x_tilt_deg is not None and np.any(np.abs(geometry.x_tilt_deg) > 1e-3):
        raise GeometryError("a .tomostar cannot hold a tilt about x; write Warp's .xml instead")
    wrong = [name for name in tomostar.movie_names if not name or any(c.isspace() for c in name)]
    if wrong:
        raise GeometryError(f"a .tomostar needs names of movies without blanks, found {wrong[0]!r}; rename the movie")
    order = np.argsort(geometry.y_tilt_deg, kind="stable")
    columns: dict[str, Any] = {
        "wrpMovieName": [tomostar.movie_names[i] for i in order],
        "wrpAngleTilt": np.round(-geometry.y_tilt_deg[order], 5),
        "wrpAxisAngle": np.round(geometry.z_rot_deg[order], 5),
        "wrpDose": np.round(tomostar.dose_before_e_per_angstrom2[order], 5),
    }
    if tomostar.has_shifts:
        columns["wrpAxisOffsetX"], columns["wrpAxisOffsetY"] = np.round(geometry.shift_xy_angstrom[order].T, 4)
    for name, values in (
        ("wrpAverageIntensity", tomostar.average_intensity),
        ("wrpMaskedFraction", tomostar.masked_fraction),
    ):
        if values is not None:
            columns[name] = np.round(values[order], 5)
    return write_star(path, {"": columns})
