"""IMOD's ``tilt.com``: what eTomo's positioning adds to an alignment, so that it means what its tomogram shows.

From ``flib/tilt/tilt.f90``: OFFSET is added to every tilt angle (its second number moves what is in the tomogram along
x); XAXISTILT is taken from every tilt about x; SHIFT moves what is in the tomogram, along x and along the rows of its
slices, which run against our z. Lengths are pixels of the unbinned stack. Views in EXCLUDELIST are left out. Local
alignments and z factors, which belong to them, are no part of a rigid geometry; they are named.
"""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.geometry import TiltGeometry

__all__ = ["TiltCommand", "positioned", "read_tilt_com"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TiltCommand:
    """What of ``tilt.com`` concerns the geometry.

    Parameters
    ----------
    tilt_offset_deg, x_axis_tilt_deg : float
    shift_xz_pixel : tuple of float
        Of the tomogram's content, along x (both entries together) and along the rows of its slices.
    excluded_views : tuple of int
        From 1.
    full_image_xy : tuple of int or None
        Size of the unbinned aligned images.
    thickness_pixel : int or None
    tilt_file, xtilt_file : str
        Names of the files of angles; empty for none.
    left_out : tuple of str
        Options that a rigid geometry cannot hold.
    """

    tilt_offset_deg: float = 0.0
    x_axis_tilt_deg: float = 0.0
    shift_xz_pixel: tuple[float, float] = (0.0, 0.0)
    excluded_views: tuple[int, ...] = ()
    full_image_xy: tuple[int, int] | None = None
    thickness_pixel: int | None = None
    tilt_file: str = ""
    xtilt_file: str = ""
    left_out: tuple[str, ...] = ()


def read_tilt_com(path: str | os.PathLike[str]) -> TiltCommand:
    """Read a ``tilt.com`` of eTomo.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it calls no ``tilt``, or an entry does not hold the numbers it should.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a tilt.com of IMOD, found nothing there; check the path")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    entries = [line.split(None, 1) for line in lines if line.strip() and line.lstrip()[0] not in "#$"]
    if not any(line.lstrip().startswith("$tilt") for line in lines):
        raise FormatError(f"{file.name}: expected the command '$tilt', found none; take eTomo's tilt.com")
    said = {words[0].upper(): (words[1] if len(words) > 1 else "") for words in entries}
    excluded = [v for words in entries if words[0].upper().startswith("EXCLUDELIST") for v in _views(file, words)]
    offset, shift = _numbers(file, said, "OFFSET", 2), _numbers(file, said, "SHIFT", 2)
    size = _numbers(file, said, "FULLIMAGE", 2)
    thickness = _numbers(file, said, "THICKNESS", 1)[0]
    return TiltCommand(
        tilt_offset_deg=offset[0],
        x_axis_tilt_deg=_numbers(file, said, "XAXISTILT", 1)[0],
        shift_xz_pixel=(shift[0] + offset[1], shift[1]),
        excluded_views=tuple(sorted(set(excluded))),
        full_image_xy=(int(size[0]), int(size[1])) if min(size) > 0 else None,
        thickness_pixel=int(thickness) or None,
        tilt_file=said.get("TILTFILE", "").strip(),
        xtilt_file=said.get("XTILTFILE", "").strip(),
        left_out=tuple(name for name in ("LOCALFILE", "ZFACTORFILE") if name in said),
    )


def positioned(
    geometry: TiltGeometry, command: TiltCommand, pixel_size_angstrom: float
) -> tuple[TiltGeometry, NDArray[np.bool_]]:
    """Apply the positioning to the geometry of ``.xf``, ``.tlt`` and ``.xtilt``.

    Returns
    -------
    geometry : TiltGeometry
        Whose tomogram is that of ``tilt`` with this command file.
    use : (n,) array of bool
        False for excluded views.
    """
    n = geometry.n_tilts
    x_tilt = np.zeros(n) if geometry.x_tilt_deg is None else geometry.x_tilt_deg
    turned = dataclasses.replace(
        geometry,
        y_tilt_deg=geometry.y_tilt_deg + command.tilt_offset_deg,
        x_tilt_deg=x_tilt - command.x_axis_tilt_deg,
    )
    content = np.array([command.shift_xz_pixel[0], 0.0, -command.shift_xz_pixel[1]]) * pixel_size_angstrom
    # What lies at p + content in the tomogram is imaged where p was.
    centred = np.einsum("nij,j->ni", turned.image_from_specimen[:, :2], -content)
    moved = turned.distort(centred[:, None])[:, 0] - turned.distort(np.zeros((n, 1, 2)))[:, 0]
    use = np.ones(n, dtype=np.bool_)
    use[[view - 1 for view in command.excluded_views if view <= n]] = False
    return dataclasses.replace(turned, shift_xy_angstrom=turned.shift_xy_angstrom + moved), use


def _numbers(file: Path, said: dict[str, str], name: str, count: int) -> list[float]:
    """Numbers of an entry, padded with zeros."""
    try:
        values = [float(word) for word in said.get(name, "").replace(",", " ").split()]
    except ValueError as error:
        raise FormatError(f"{file.name}: expected numbers after {name}, found {said[name]!r}") from error
    if len(values) > count or not np.all(np.isfinite(values)):
        raise FormatError(f"{file.name}: expected at most {count} numbers after {name}, found {said[name]!r}")
    return values + [0.0] * (count - len(values))


def _views(file: Path, words: list[str]) -> list[int]:
    """Views of a list such as ``1,4-6``."""
    views: list[int] = []
    try:
        for part in (words[1] if len(words) > 1 else "").replace(",", " ").split():
            first, _, last = part.partition("-")
            views += range(int(first), int(last or first) + 1)
    except ValueError as error:
        raise FormatError(f"{file.name}: expected views such as 1,4-6 after {words[0]}, found {words[1]!r}") from error
    return views
