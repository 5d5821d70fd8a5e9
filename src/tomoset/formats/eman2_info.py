"""EMAN2's info files (``info/<tomogram>_info.json``): boxes of several classes in one tomogram.

``boxes_3d`` is a list of ``[x, y, z, how, score, class]``, ``class_list`` names the classes. With ``apix_unbin`` the
coordinates are unbinned pixels from the tomogram's centre, voxel N // 2, and that is what is written; without it they
are voxels of the tomogram from its first voxel, 0 (``e2spt_extract.py`` adds or leaves out ``nx // 2`` accordingly).
Axes x, y, z; boxes hold no orientation. Coordinates have six decimals.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.errors import FormatError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.geometry import Grid
from tomoset.model import Picks

__all__ = ["BOXES", "read_eman2_info", "write_eman2_info"]

BOXES = "boxes_3d"
"""The key that tells these files from other JSON."""


def write_eman2_info(
    path: str | os.PathLike[str],
    picks: Sequence[Picks],
    grid: Grid,
    *,
    pixel_size_angstrom: float,
    box_angstrom: float,
) -> Path:
    """Write boxes of any number of classes, numbered in their order; other entries of an existing file stay.

    Parameters
    ----------
    path : path
    picks : sequence of Picks
    grid : Grid
        Of the tomogram.
    pixel_size_angstrom : float
        Of the unbinned tilt images.
    box_angstrom : float
        Edge of the boxes.

    Raises
    ------
    FormatError
        If there is a file that is none of EMAN2's.
    OutputError
        If it cannot be written.
    """
    target = Path(path)
    document: dict[str, Any] = read_json(target) if target.is_file() else {}
    document["apix_unbin"] = float(pixel_size_angstrom)
    document["class_list"] = {
        str(i): {"name": each.object_name, "boxsize": max(2, round(box_angstrom / pixel_size_angstrom))}
        for i, each in enumerate(picks)
    }
    document[BOXES] = [
        [*(round(v, 6) for v in position), "tm", 0.0 if each.scores is None else float(each.scores[k]), i]
        for i, each in enumerate(picks)
        for k, position in enumerate(
            (grid.specimen_from_volume(each.positions_angstrom_xyz) / pixel_size_angstrom).tolist()
        )
    ]
    return write_json_atomic(target, document)


def read_eman2_info(path: str | os.PathLike[str], grid: Grid) -> tuple[Picks, ...]:
    """Read the boxes of every class.

    Raises
    ------
    FormatError
        If it is no info file, or a box is malformed.
    """
    file = Path(path)
    document = read_json(file)
    if BOXES not in document:
        raise FormatError(f"{file.name}: expected EMAN2's boxes_3d, found {', '.join(sorted(document)) or 'nothing'}")
    names = {str(k): str(v["name"]) for k, v in (document.get("class_list") or {}).items()}
    try:
        with understood(file):
            boxes = [box if len(box) > 5 else [*box, 0.0, 0][:6] for box in document[BOXES]]
            xyz = np.array([box[:3] for box in boxes], dtype=np.float64).reshape(-1, 3)
            scores = np.array([box[4] or 0.0 for box in boxes], dtype=np.float64)
            classes = np.array([int(box[5]) for box in boxes])
    except ValueError as error:
        raise FormatError(f"{file.name}: expected boxes of x, y, z, how, score, class, found {error}") from error
    unbinned = document.get("apix_unbin")
    positions = xyz * grid.voxel_size_angstrom if unbinned is None else grid.volume_from_specimen(xyz * float(unbinned))
    return tuple(
        Picks(
            object_name=names.get(str(number), f"class-{number}"),
            positions_angstrom_xyz=positions[classes == number],
            scores=scores[classes == number] if np.any(scores) else None,
        )
        for number in dict.fromkeys(classes.tolist())
    )
