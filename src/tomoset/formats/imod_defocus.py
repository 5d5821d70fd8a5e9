"""IMOD's defocus file, as ctfplotter writes it and ctfphaseflip and ctf3d read it.

A line is for one view or a range of views: first and last view (from 1), lowest and highest tilt angle (degrees),
defocus (**nm**, positive = underfocus). Version 2 says so by a sixth number in its first line. Version 3 begins with
``flags 0 0. 0. 0. 3``, where the flags add up: 1 a second defocus (nm) and the angle of astigmatism follow, 2 that
angle is in radians, 4 a phase shift (degrees) follows, 8 it is in radians, 16 the tilt angles have the other sign, 32
a cut-on frequency (1/nm) follows. The angle is that of the *first* defocus of the line; IMOD itself writes the larger
one first, AreTomo 3 the smaller one first with the angle of the larger: such files say nothing of it, and are read as
IMOD reads them. Layout: IMOD's ``ctfplotter`` and ``ctfphaseflip`` man pages and its ``ctfutils``.

A view without an estimate has no line, as in IMOD, which then takes the nearest views' values. Rounding: 5e-4 Å
and 5e-5° of version 3, 5 Å of version 2 (whole nm); 0.005° of the tilt, as IMOD's own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tomoset.errors import FormatError, InputMissingError, ParameterError
from tomoset.formats.atomic import write_text_atomic
from tomoset.model import CtfEstimate, Tilt

__all__ = ["ImodDefocus", "estimates_by_view", "read_imod_defocus", "write_imod_defocus"]

PathLike = str | os.PathLike[str]

_ASTIGMATISM, _ASTIGMATISM_RADIANS, _PHASE, _PHASE_RADIANS, _INVERTED, _CUT_ON = 1, 2, 4, 8, 16, 32
_ANGSTROM_PER_NM = 10.0
_HEADER_WORDS = 6
_FLAGGED_VERSION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImodDefocus:
    """One line: the defocus of a range of views.

    Parameters
    ----------
    first_view, last_view : int
        From 0, both included.
    low_tilt_deg, high_tilt_deg : float
    defocus_u_angstrom, defocus_v_angstrom : float
        The larger and the smaller one.
    astigmatism_deg : float
        Angle of U from image x, counter-clockwise, −90 to 90.
    phase_shift_deg : float
    cut_on_per_nm : float
    """

    first_view: int
    last_view: int
    low_tilt_deg: float
    high_tilt_deg: float
    defocus_u_angstrom: float
    defocus_v_angstrom: float
    astigmatism_deg: float = 0.0
    phase_shift_deg: float = 0.0
    cut_on_per_nm: float = 0.0

    def estimate(self) -> CtfEstimate:
        """As an estimate of a tilt; such files know no score and no resolution (0 and infinity)."""
        return CtfEstimate(
            defocus_u_angstrom=self.defocus_u_angstrom,
            defocus_v_angstrom=self.defocus_v_angstrom,
            astigmatism_deg=self.astigmatism_deg,
            score=0.0,
            resolution_angstrom=float("inf"),
        )


def write_imod_defocus(
    path: PathLike, tilts: Sequence[Tilt], tilt_deg: Sequence[float], *, version: Literal[2, 3] = 3
) -> Path:
    """Write the estimates of a series.

    Parameters
    ----------
    path : path
    tilts : sequence of Tilt
        In the order of the stack, from view 1; those without an estimate get no line.
    tilt_deg : sequence of float
        Angle of each view as in the stack's ``.tlt``.
    version : {2, 3}
        3 with astigmatism; 2 with the mean defocus in whole nm.

    Raises
    ------
    ParameterError
        If the numbers of tilts and angles differ, or no tilt has an estimate.
    """
    if len(tilts) != len(tilt_deg):
        raise ParameterError(f"{path}: expected an angle for each of {len(tilts)} tilts, found {len(tilt_deg)}")
    lines = []
    for view, (tilt, angle) in enumerate(zip(tilts, tilt_deg, strict=True), start=1):
        if tilt.ctf is None:
            continue
        place = f"{view:d}\t{view:d}\t{angle:.2f}\t{angle:.2f}"
        if version == _FLAGGED_VERSION:
            u, v = (d / _ANGSTROM_PER_NM for d in (tilt.ctf.defocus_u_angstrom, tilt.ctf.defocus_v_angstrom))
            lines.append(f"{place}\t{u:.4f}\t{v:.4f}\t{_within_90(tilt.ctf.astigmatism_deg):.4f}")
        else:
            lines.append(f"{place}\t{tilt.ctf.defocus_angstrom / _ANGSTROM_PER_NM:6.0f}")
    if not lines:
        raise ParameterError(f"{path}: expected a CTF estimate of at least one tilt, found none; run estimate_ctf")
    if version == _FLAGGED_VERSION:
        lines.insert(0, f"{_ASTIGMATISM:d}\t0\t0.0\t0.0\t0.0\t3")
    else:
        lines[0] += "\t2"
    return write_text_atomic(Path(path), "\n".join(lines) + "\n")


def read_imod_defocus(path: PathLike) -> tuple[ImodDefocus, ...]:
    """Read a defocus file of version 2 or 3.

    Returns
    -------
    tuple of ImodDefocus
        In the file's order. A range of several views is one entry.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a line has too few numbers, or there is none.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a defocus file of IMOD, found nothing there; check the path")
    rows = []
    for place, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if line.strip():
            try:
                rows.append([float(word) for word in line.split()])
            except ValueError as error:
                raise FormatError(
                    f"{file.name}, line {place}: expected numbers, found {line.strip()[:80]!r}; is it a defocus file?"
                ) from error
    if not rows:
        raise FormatError(f"{file.name}: expected a line for each view, found none; is it the right file?")
    version = round(rows[0][5]) if len(rows[0]) >= _HEADER_WORDS else 2
    flags = 0
    if version >= _FLAGGED_VERSION:
        flags = round(rows[0][0])
        rows = rows[1:]
    entries = tuple(_entry(row, flags, file) for row in rows)
    if not entries or min(entry.first_view for entry in entries) < 0:
        raise FormatError(
            f"{file.name}: expected views counted from 1, found {len(entries)} lines and a view 0 among them; files of "
            "IMOD before 4.1 count from 0: open the file once in a newer ctfplotter and save it"
        )
    return entries


def estimates_by_view(entries: Sequence[ImodDefocus], n_views: int) -> tuple[CtfEstimate | None, ...]:
    """One estimate a view: of the narrowest range that holds it; None for a view that no line covers."""
    found: list[CtfEstimate | None] = []
    for view in range(n_views):
        here = [entry for entry in entries if entry.first_view <= view <= entry.last_view]
        found.append(min(here, key=lambda entry: entry.last_view - entry.first_view).estimate() if here else None)
    return tuple(found)


def _entry(row: list[float], flags: int, file: Path) -> ImodDefocus:
    """One line by the file's flags."""
    n_extra = 2 * bool(flags & _ASTIGMATISM) + bool(flags & _PHASE) + bool(flags & _CUT_ON)
    if len(row) < 5 + n_extra:
        raise FormatError(
            f"{file.name}: expected {5 + n_extra} numbers in a line by the flags {flags}, found {len(row)} in {row}; "
            "the file is cut off or its first line is wrong"
        )
    sign = -1.0 if flags & _INVERTED else 1.0
    rest = iter(row[5:])
    u = row[4]
    v, angle = (next(rest), next(rest)) if flags & _ASTIGMATISM else (u, 0.0)
    phase = next(rest) if flags & _PHASE else 0.0
    cut_on = next(rest) if flags & _CUT_ON else 0.0
    angle = float(np.rad2deg(angle)) if flags & _ASTIGMATISM_RADIANS else angle
    phase = float(np.rad2deg(phase)) if flags & _PHASE_RADIANS else phase
    if v > u:
        u, v, angle = v, u, angle - 90
    return ImodDefocus(
        first_view=round(row[0]) - 1,
        last_view=round(row[1]) - 1,
        low_tilt_deg=sign * row[2],
        high_tilt_deg=sign * row[3],
        defocus_u_angstrom=u * _ANGSTROM_PER_NM,
        defocus_v_angstrom=v * _ANGSTROM_PER_NM,
        astigmatism_deg=_within_90(angle),
        phase_shift_deg=abs(phase),
        cut_on_per_nm=cut_on,
    )


def _within_90(angle_deg: float) -> float:
    """The same direction between −90 and 90 degrees."""
    return (angle_deg + 90) % 180 - 90
