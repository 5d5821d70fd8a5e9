"""Dynamo tables (.tbl): one particle a line, 35 and more columns of numbers.

Columns counted from 1: 1 tag, 2 aligned, 3 averaged, 4–6 dx dy dz, 7–9 tdrot tilt narot, 10 cc, 20 tomogram,
21 region (the model a particle was picked in: our instance), 22 class, 24–26 x y z; the particle is at
``xyz + dxyz``, in voxels of the tomogram the table belongs to. Angles: :mod:`tomoset.formats.zxz_euler`.

Where counting starts: Dynamo runs in MATLAB, whose first voxel is 1; converters of the field (copick 1.31,
dynamo2m) take the numbers as they are, from 0, and so does this one unless ``first_voxel=1`` is asked for.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.zxz_euler import dynamo_euler_from_rotations, oriented, rotations_from_dynamo_euler
from tomoset.model import Picks

__all__ = ["read_dynamo_table", "write_dynamo_table"]

_N_COLUMNS = 35
_SHIFT, _ANGLES, _XYZ = slice(3, 6), slice(6, 9), slice(23, 26)
_TAG, _ALIGNED, _AVERAGED, _CC, _TOMOGRAM, _REGION, _CLASS = 0, 1, 2, 9, 19, 20, 21


def write_dynamo_table(
    path: str | os.PathLike[str],
    picks: Picks,
    *,
    voxel_size_angstrom: float,
    tomogram_number: int = 1,
    first_voxel: int = 0,
) -> Path:
    """Write picks of one tomogram; unknown rotations are zeros, numbers have nine digits.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rows = np.zeros((len(picks), _N_COLUMNS))
    rows[:, _TAG] = np.arange(1, len(picks) + 1)
    rows[:, _ALIGNED] = rows[:, _AVERAGED] = rows[:, _CLASS] = 1
    rows[:, _TOMOGRAM] = tomogram_number
    rows[:, _XYZ] = picks.positions_angstrom_xyz / voxel_size_angstrom + first_voxel
    if picks.rotations is not None:
        rows[:, _ANGLES] = dynamo_euler_from_rotations(picks.rotations)
    if picks.scores is not None:
        rows[:, _CC] = picks.scores
    if picks.instance_ids is not None:
        rows[:, _REGION] = picks.instance_ids
    return write_text_atomic(path, "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in rows))


def read_dynamo_table(
    path: str | os.PathLike[str], *, object_name: str, voxel_size_angstrom: float, first_voxel: int = 0
) -> dict[int, Picks]:
    """Read a table: picks by tomogram number.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a line holds something else than numbers, or lines differ in length.
    """
    rows = _rows(Path(path))
    positions = (rows[:, _XYZ] + rows[:, _SHIFT] - first_voxel) * voxel_size_angstrom
    rotations = oriented(rotations_from_dynamo_euler(rows[:, _ANGLES]))
    numbers = rows[:, _TOMOGRAM].astype(np.int64)
    regions = rows[:, _REGION].astype(np.int64)
    return {
        int(number): Picks(
            object_name=object_name,
            positions_angstrom_xyz=positions[chosen],
            rotations=None if rotations is None else rotations[chosen],
            scores=rows[chosen, _CC] if np.any(rows[:, _CC]) else None,
            score_kind="cross-correlation" if np.any(rows[:, _CC]) else "",
            instance_ids=regions[chosen] if np.any(regions) else None,
        )
        for number in dict.fromkeys(numbers.tolist())
        for chosen in [numbers == number]
    }


def _rows(file: Path) -> NDArray[np.float64]:
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a Dynamo table, found nothing there; check the path")
    lines = [line.split() for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    widths = {len(line) for line in lines}
    if lines and (len(widths) > 1 or min(widths) < _XYZ.stop):
        raise FormatError(
            f"{file.name}: expected lines of {_XYZ.stop} or more numbers, all as many, found lines of "
            f"{', '.join(map(str, sorted(widths)))}; the table is cut off or of another kind"
        )
    try:
        rows = np.array(lines, dtype=np.float64).reshape(len(lines), -1 if lines else _N_COLUMNS)
    except ValueError as error:
        raise FormatError(f"{file.name}: expected a Dynamo table of numbers, found {error}") from error
    if not np.all(np.isfinite(rows[:, : _XYZ.stop])):
        raise FormatError(f"{file.name}: expected finite numbers, found NaN or infinity; leave out those lines")
    return rows
