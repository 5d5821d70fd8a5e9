"""Lists of a camera's defects, as SerialEM writes them beside frames and IMOD reads them.

A text file: a key and its whole numbers on each line. ``CameraSizeX`` and ``CameraSizeY``; ``BadPixels x y x y …``;
``BadColumns x …``; ``BadRows y …``; ``PartialBadColumn x width first last``; ``PartialBadRow y height first last``.
Rows are counted from the top, as the camera's software shows its images: IMOD's clip and alignframes turn the list
upside down before they use it on frames whose row 0 is at the bottom, and so does this module.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.atomic import write_text_atomic

__all__ = ["DefectList", "read_defects", "write_defects"]

_PIXELS_A_LINE = 10  # IMOD reads lines of at most 512 characters and 50 numbers
_LEAST_NUMBERS = {
    "CameraSizeX": 1,
    "CameraSizeY": 1,
    "BadPixels": 2,
    "BadColumns": 1,
    "BadRows": 1,
    "PartialBadColumn": 4,
    "PartialBadRow": 4,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DefectList:
    """Bad pixels of a camera.

    Parameters
    ----------
    camera_shape_yx : tuple of int
    pixels_yx : (m, 2) array of int
        Row and column of each, row 0 at the bottom, sorted, each once.
    """

    camera_shape_yx: tuple[int, int]
    pixels_yx: NDArray[np.intp]


def write_defects(path: str | os.PathLike[str], pixels_yx: NDArray[Any], camera_shape_yx: tuple[int, int]) -> Path:
    """Write single bad pixels (row 0 at the bottom) as SerialEM's list; return its path.

    Raises
    ------
    ParameterError
        If a pixel lies outside the camera.
    OutputError
        If it cannot be written.
    """
    rows, columns = camera_shape_yx
    pixels = np.asarray(pixels_yx, dtype=np.intp).reshape(-1, 2)
    if pixels.size and (pixels.min() < 0 or np.any(pixels >= camera_shape_yx)):
        raise ParameterError(f"{path}: expected defects on a camera of {rows} x {columns} (y, x), got one outside")
    xy_from_top = np.stack([pixels[:, 1], rows - 1 - pixels[:, 0]], axis=1)
    lines = [
        f"CameraSizeX {columns}",
        f"CameraSizeY {rows}",
        "RotationAndFlip 0",
        "WasScaled 0",
        "K2Type 0",
        "FalconType 0",
        "NumToAvgSuperRes 0",
        "UsableArea 0 0 0 0",
    ]
    for start in range(0, len(xy_from_top), _PIXELS_A_LINE):
        numbers = xy_from_top[start : start + _PIXELS_A_LINE].ravel()
        lines.append("BadPixels " + " ".join(map(str, numbers.tolist())))
    return write_text_atomic(path, "\n".join(lines) + "\n")


def read_defects(path: str | os.PathLike[str]) -> DefectList:
    """Read a list of defects; columns and rows are taken apart into pixels.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it lacks the camera's size, a line cannot be understood, or a defect lies outside.
    """
    where = Path(path)
    if not where.is_file():
        raise InputMissingError(f"{where}: expected a list of defects, found no such file; check the path")
    entries = list(_entries(where))
    sizes = {key: numbers[0] for key, numbers in entries if key.startswith("CameraSize")}
    if len(sizes) < 2:
        raise FormatError(f"{where}: expected CameraSizeX and CameraSizeY, found {', '.join(sizes) or 'neither'}")
    columns, rows = sizes["CameraSizeX"], sizes["CameraSizeY"]
    bad = np.zeros((rows, columns), dtype=bool)
    for key, numbers in entries:
        try:
            _mark(bad, key, numbers)
        except IndexError as error:
            raise FormatError(f"{where}: expected defects on a camera of {columns} x {rows}, found {key}") from error
    return DefectList(camera_shape_yx=(rows, columns), pixels_yx=np.argwhere(bad[::-1]))


def _entries(path: Path) -> Iterator[tuple[str, list[int]]]:
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
        key, *words = line.split() or [""]
        if not key or key.startswith("#"):
            continue
        if key not in _LEAST_NUMBERS:
            continue  # settings of the camera's software, and keys of later versions
        try:
            numbers = [int(word) for word in words]
        except ValueError as error:
            raise FormatError(f"{path}, line {number}: expected whole numbers after {key}, found {line!r}") from error
        if len(numbers) < _LEAST_NUMBERS[key] or (key == "BadPixels" and len(numbers) % 2):
            raise FormatError(f"{path}, line {number}: expected more numbers after {key}, found {line!r}")
        yield key, numbers


def _mark(bad_from_top: NDArray[np.bool_], key: str, numbers: list[int]) -> None:
    """Set the pixels of one entry; an index outside is an ``IndexError``."""
    if key == "BadPixels":
        bad_from_top[numbers[1::2], numbers[0::2]] = True
    elif key == "BadColumns":
        bad_from_top[:, numbers] = True
    elif key == "BadRows":
        bad_from_top[numbers] = True
    elif key == "PartialBadColumn":
        x, width, first, last = numbers[:4]
        bad_from_top[np.ix_(range(first, last + 1), range(x, x + width))] = True
    elif key == "PartialBadRow":
        y, height, first, last = numbers[:4]
        bad_from_top[np.ix_(range(y, y + height), range(first, last + 1))] = True
