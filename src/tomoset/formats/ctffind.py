"""CTFFIND's text table of defocus values, and AreTomo's of the same form.

Columns: number of the image (from 1), defocus 1 and 2 (Å, the larger first), azimuth of defocus 1 (degrees from image
x, counter-clockwise), additional phase shift (radians), cross-correlation, spacing (Å) up to which rings were fitted;
AreTomo 3 may add the sign of the defocus gradient, ``dfHand``. Images with rows at the bottom first (MRC) have the
angles of this package.

Every tilt has a line: readers count lines. CTFFIND has no way to say that there is no estimate, so such tilts get
zeros and a spacing of 0, and lines of zeros are read as None. Six decimals, as CTFFIND writes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import write_text_atomic
from tomoset.model import CtfEstimate, Optics, Tilt

__all__ = ["CtffindTable", "read_ctffind", "write_ctffind"]

PathLike = str | os.PathLike[str]

_COLUMNS = (
    "# Columns: #1 - micrograph number; #2 - defocus 1 [Angstroms]; #3 - defocus 2; #4 - azimuth of astigmatism; "
    "#5 - additional phase shift [radians]; #6 - cross correlation; #7 - spacing (in Angstroms) up to which CTF rings "
    "were fit successfully"
)
_N_COLUMNS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class CtffindTable:
    """What a table says.

    Parameters
    ----------
    estimates : tuple of CtfEstimate or None
        One an image, in the file's order; None where the line holds no defocus.
    phase_shift_rad : tuple of float
        Of a phase plate, one an image.
    defocus_hand : int
        +1 or −1; 0 where the table has no such column.
    """

    estimates: tuple[CtfEstimate | None, ...]
    phase_shift_rad: tuple[float, ...]
    defocus_hand: int = 0


def write_ctffind(
    path: PathLike,
    tilts: Sequence[Tilt],
    *,
    pixel_size_angstrom: float,
    optics: Optics,
    defocus_hand: int | None = None,
) -> Path:
    """Write the estimates of a series, one line a tilt in the order given.

    Parameters
    ----------
    path : path
    tilts : sequence of Tilt
        Unused ones keep their line; without an estimate it holds zeros.
    pixel_size_angstrom : float
        Of the images.
    optics : Optics
    defocus_hand : int or None
        Written as the eighth column, as AreTomo 3 does; None leaves it out, as CTFFIND does.

    Returns
    -------
    Path
        What was written.
    """
    settings = (
        f"# Pixel size: {pixel_size_angstrom:.6g} Angstroms ; acceleration voltage: {optics.voltage_kv:.1f} keV ; "
        f"spherical aberration: {optics.cs_mm:.2f} mm ; amplitude contrast: {optics.amplitude_contrast:.2f}"
    )
    lines = [
        f"# CTF estimates of tomoset; Number of micrographs: {len(tilts)}",
        settings,
        _COLUMNS + ("" if defocus_hand is None else "; #8 - dfHand"),
    ]
    for number, tilt in enumerate(tilts, start=1):
        hand = "" if defocus_hand is None else f" {defocus_hand:d}"
        lines.append(f"{number:d} {_numbers(tilt.ctf)}{hand}")
    return write_text_atomic(Path(path), "\n".join(lines) + "\n")


def _numbers(estimate: CtfEstimate | None) -> str:
    if estimate is None:
        return " ".join(["0.000000"] * (_N_COLUMNS - 1))
    return (
        f"{estimate.defocus_u_angstrom:.6f} {estimate.defocus_v_angstrom:.6f} {estimate.astigmatism_deg:.6f} "
        f"0.000000 {estimate.score:.6f} {estimate.resolution_angstrom:.6f}"
    )


def read_ctffind(path: PathLike) -> CtffindTable:
    """Read a table of CTFFIND 4 or 5, or AreTomo's.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a line has fewer than seven numbers, numbers do not count up by one, or there are none.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected a table of CTFFIND, found nothing there; check the path")
    rows = [
        _parse(line, place, file)
        for place, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not rows:
        raise FormatError(f"{file.name}: expected a line of numbers for every image, found none; is it the right file?")
    first = round(rows[0][0])
    numbers = [round(row[0]) for row in rows]
    if numbers != list(range(first, first + len(rows))):
        raise FormatError(
            f"{file.name}: expected images counted one by one from {first}, found {numbers[:8]}…; a line is missing or "
            "out of order: a table of this kind has a line for every image"
        )
    hands = {int(np.sign(row[7])) for row in rows if len(row) > _N_COLUMNS} - {0}
    return CtffindTable(
        estimates=tuple(_estimate(row) for row in rows),
        phase_shift_rad=tuple(row[4] for row in rows),
        defocus_hand=hands.pop() if len(hands) == 1 else 0,
    )


def _parse(line: str, place: int, file: Path) -> list[float]:
    words = line.split()
    try:
        row = [float(word) for word in words]
    except ValueError:
        row = []
    if len(row) < _N_COLUMNS or not np.all(np.isfinite(row[:4])):
        raise FormatError(
            f"{file.name}, line {place}: expected at least {_N_COLUMNS} numbers, found {line.strip()[:80]!r}; "
            "is it a table of CTFFIND?"
        )
    return row


def _estimate(row: list[float]) -> CtfEstimate | None:
    u, v, azimuth, _, score, spacing = row[1:_N_COLUMNS]
    if u == 0 and v == 0:
        return None
    if u < v:  # some programs write the smaller first; the angle is that of the first
        u, v, azimuth = v, u, azimuth + 90
    return CtfEstimate(
        defocus_u_angstrom=u,
        defocus_v_angstrom=v,
        astigmatism_deg=(azimuth + 90) % 180 - 90,
        score=score,
        resolution_angstrom=spacing,
    )
