"""crYOLO's and TomoTwin's boxes (.cbox): star blocks ``global``, ``cryolo``, ``cryolo_include``.

Voxels, x y z, first voxel 0. ``_CoordinateX`` and ``_CoordinateY`` are the box's lower corner, ``_CoordinateZ`` is its
centre (TomoTwin's ``cbox_format.py``), so the particle is at ``(x + width/2, y + height/2, z)``. Boxes hold no
orientation; numbers have six decimals.
"""

import os
from pathlib import Path

import numpy as np

from tomoset.errors import FormatError
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.relion_tables import read_star
from tomoset.model import Picks

__all__ = ["read_cbox", "write_cbox"]

_COLUMNS = ("CoordinateX", "CoordinateY", "CoordinateZ", "Width", "Height", "Depth")
_REST = ("EstWidth", "EstHeight", "Confidence", "NumBoxes", "Angle")


def write_cbox(path: str | os.PathLike[str], picks: Picks, *, voxel_size_angstrom: float, box_angstrom: float) -> Path:
    """Write picks of one class as cubes of one size; scores are the confidences, 1 where there are none.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    size = max(1.0, round(box_angstrom / voxel_size_angstrom))
    centres = picks.positions_angstrom_xyz / voxel_size_angstrom
    scores = np.ones(len(picks)) if picks.scores is None else picks.scores
    rows = [
        f"{x - size / 2:.6f} {y - size / 2:.6f} {z:.6f} {size:.1f} {size:.1f} {size:.1f} {size:.1f} {size:.1f} "
        f"{score:.9g} <NA> <NA>"
        for (x, y, z), score in zip(centres.tolist(), scores.tolist(), strict=True)
    ]
    header = [f"_{name} #{i + 1}" for i, name in enumerate((*_COLUMNS, *_REST))]
    slices = sorted({round(z) for z in centres[:, 2].tolist()})
    lines = ["", "data_global", "", "_cbox_format_version 1.0", "", "data_cryolo", "", "loop_", *header, *rows]
    lines += ["", "data_cryolo_include", "", "loop_", "_slice_index #1", *map(str, slices), ""]
    return write_text_atomic(path, "\n".join(lines))


def read_cbox(path: str | os.PathLike[str], *, object_name: str, voxel_size_angstrom: float) -> Picks:
    """Read boxes.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it holds no boxes of a tomogram, or a column is malformed.
    """
    blocks = read_star(path)
    if "cryolo" not in blocks:
        raise FormatError(f"{Path(path).name}: expected the block cryolo, found {', '.join(blocks)}")
    table = blocks["cryolo"]
    x, y, z, width, height, _ = table.numbers(*_COLUMNS).reshape(-1, 6).T
    confidence = table.optional_numbers("Confidence")
    return Picks(
        object_name=object_name,
        positions_angstrom_xyz=np.stack([x + width / 2, y + height / 2, z], axis=-1) * voxel_size_angstrom,
        scores=confidence,
        score_kind="" if confidence is None else "confidence",
    )
