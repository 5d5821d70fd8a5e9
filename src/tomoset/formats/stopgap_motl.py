"""STOPGAP's motive lists (.star, block ``stopgap_motivelist``).

The particle is at ``orig + shift`` in voxels of the tomogram; ``orig`` is whole here, as STOPGAP extracts there, the
rest is the shift. Angles phi, the, psi: :mod:`tomoset.formats.zxz_euler`. ``object`` is our instance. STOPGAP runs in
MATLAB, whose first voxel is 1; the CryoET Data Portal's reader (``point_converter.py``) takes the numbers from 0, and
so does this one unless ``first_voxel=1`` is asked for. Columns carry no numbers, as STOPGAP writes them.
"""

import os
from pathlib import Path

import numpy as np

from tomoset.errors import FormatError
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.relion_tables import read_star
from tomoset.formats.zxz_euler import oriented, rotations_from_tom_euler, tom_euler_from_rotations
from tomoset.model import Picks

__all__ = ["STOPGAP_COLUMN", "read_stopgap_motl", "write_stopgap_motl"]

STOPGAP_COLUMN = "orig_x"
"""A column that tells these lists from other stars."""

# fmt: off
_COLUMNS = (
    "motl_idx", "tomo_num", "object", "subtomo_num", "halfset", "orig_x", "orig_y", "orig_z", "score",
    "x_shift", "y_shift", "z_shift", "phi", "psi", "the", "class",
)
# fmt: on


def write_stopgap_motl(
    path: str | os.PathLike[str],
    picks: Picks,
    *,
    voxel_size_angstrom: float,
    tomogram_number: int = 1,
    first_voxel: int = 0,
) -> Path:
    """Write picks of one tomogram; unknown rotations are zeros, halves alternate, shifts have six decimals.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    position = picks.positions_angstrom_xyz / voxel_size_angstrom + first_voxel
    whole = np.rint(position)
    angles = np.zeros((len(picks), 3)) if picks.rotations is None else tom_euler_from_rotations(picks.rotations)
    scores = np.zeros(len(picks)) if picks.scores is None else picks.scores
    objects = np.zeros(len(picks), dtype=np.int64) if picks.instance_ids is None else picks.instance_ids
    lines = ["", "data_stopgap_motivelist", "", "loop_", *(f"_{name}" for name in _COLUMNS)]
    for i in range(len(picks)):
        (x, y, z), (dx, dy, dz) = whole[i], position[i] - whole[i]
        phi, the, psi = angles[i]
        lines.append(
            f"{i + 1} {tomogram_number} {objects[i]} {i + 1} {'AB'[i % 2]} {x:.0f} {y:.0f} {z:.0f} {scores[i]:.9g} "
            f"{dx:.6f} {dy:.6f} {dz:.6f} {phi:.6f} {psi:.6f} {the:.6f} 1"
        )
    return write_text_atomic(path, "\n".join([*lines, "", ""]))


def read_stopgap_motl(
    path: str | os.PathLike[str], *, object_name: str, voxel_size_angstrom: float, first_voxel: int = 0
) -> dict[int, Picks]:
    """Read a list: picks by tomogram number.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a column is missing or malformed.
    """
    tables = [table for table in read_star(path).values() if table.has(STOPGAP_COLUMN)]
    if not tables:
        raise FormatError(f"{Path(path).name}: expected the block stopgap_motivelist with orig_x, found none")
    table = tables[0]
    position = table.numbers("orig_x", "orig_y", "orig_z").reshape(-1, 3)
    if table.has("x_shift", "y_shift", "z_shift"):
        position = position + table.numbers("x_shift", "y_shift", "z_shift").reshape(-1, 3)
    rotations = oriented(rotations_from_tom_euler(table.numbers("phi", "the", "psi").reshape(-1, 3)))
    scores = table.optional_numbers("score")
    objects = table.optional_numbers("object")
    scored = scores is not None and bool(np.any(scores))
    numbers = table.numbers("tomo_num").astype(np.int64)
    return {
        number: Picks(
            object_name=object_name,
            positions_angstrom_xyz=(position[chosen] - first_voxel) * voxel_size_angstrom,
            rotations=None if rotations is None else rotations[chosen],
            scores=scores[chosen] if scored and scores is not None else None,
            score_kind="cross-correlation" if scored else "",
            instance_ids=None if objects is None or not np.any(objects) else objects[chosen].astype(np.int64),
        )
        for number in dict.fromkeys(numbers.tolist())
        for chosen in [numbers == number]
    }
