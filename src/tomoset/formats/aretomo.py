"""AreTomo's alignment file ``.aln``: ROT → z_rot, TILT → y_tilt, (TX, TY) pixels → shift.

SEC numbers the sections of the raw stack from 0 (AreTomo 1, early AreTomo 3) or from 1 (AreTomo 3 since 2.1); no word
of the header says which, so it is detected from the numbers themselves. Dark frames, which AreTomo leaves out of its
table, keep a row as unused tilts. Local shifts: see ``aretomo_local``. Layout: AreTomo3 ``MrcUtil/CSaveAlignFile.cpp``.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import FormatError, GeometryError, InputMissingError, PixelSizeError
from tomoset.formats.aretomo_local import patches_from_geometry
from tomoset.formats.atomic import write_text_atomic
from tomoset.formats.rigid_geometry import beyond_rigid, rigid_part
from tomoset.geometry import TiltGeometry

__all__ = [
    "AretomoAlignment",
    "DarkFrame",
    "aretomo_from_geometry",
    "geometry_from_aretomo",
    "read_aln",
    "write_aln",
]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

_TABLE = "# SEC     ROT         GMAG       TX          TY      SMEAN     SFIT    SCALE     BASE     TILT"
_HEADER = re.compile(r"#\s*([A-Za-z]\w*)\s*=\s*(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DarkFrame:
    """An image AreTomo left out.

    Parameters
    ----------
    rank : int
        Its place, from 0, when all images are sorted by tilt (as the file says it).
    section : int
        Its section in the raw stack, counted as the file counts; 0 in every row of old files.
    tilt_deg : float
    """

    rank: int
    section: int
    tilt_deg: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AretomoAlignment:
    """Everything an ``.aln`` file says.

    Parameters
    ----------
    raw_size_xyn : tuple of int
        Width and height of the images and their number, dark ones included.
    section : (m,) array of int64
        SEC of each aligned image, from 0.
    rot_deg, magnification, tilt_deg : (m,) arrays of float64
    shift_xy_px : (m, 2) array of float64
        TX, TY.
    dark_frames : tuple of DarkFrame
    first_section : int
        0 or 1: what the file calls its first section.
    local : (k, 7) array of float64
        Rows of the local alignment: row of the table, patch, x, y, shift x, shift y (pixels), good (1 or 0).
    n_patches : int
    alpha_offset_deg, beta_offset_deg : float
        Tilt offsets, already in TILT.
    thickness_px : int or None
    """

    raw_size_xyn: tuple[int, int, int]
    section: NDArray[np.int64]
    rot_deg: Floats
    magnification: Floats
    shift_xy_px: Floats
    tilt_deg: Floats
    dark_frames: tuple[DarkFrame, ...] = ()
    first_section: int = 1
    local: Floats
    n_patches: int = 0
    alpha_offset_deg: float = 0.0
    beta_offset_deg: float = 0.0
    thickness_px: int | None = None


def read_aln(path: PathLike) -> AretomoAlignment:
    """Read an ``.aln`` file of AreTomo 1, 2 or 3.

    Parameters
    ----------
    path : path

    Returns
    -------
    AretomoAlignment
        SEC counted from 0, whatever the file does.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If the size is missing, a row is malformed or not finite, or sections repeat or lie outside the stack.
    """
    file = Path(path)
    if not file.is_file():
        raise InputMissingError(f"{file}: expected an .aln file of AreTomo, found nothing there; check the path")
    header, darks, table, local = _parse(file)
    if "RawSize" not in header or not len(table):
        raise FormatError(
            f"{file.name}: expected a RawSize and a table of aligned images, found {len(table)} rows and the header "
            f"entries {sorted(header)}; the file is cut off or no .aln"
        )
    nx, ny, n = (int(v) for v in _numbers(file, "RawSize", header["RawSize"], 3))
    first = _first_section(file, table, darks, n)
    return AretomoAlignment(
        raw_size_xyn=(nx, ny, n),
        section=table[:, 0].astype(np.int64) - first,
        rot_deg=table[:, 1],
        magnification=table[:, 2],
        shift_xy_px=table[:, 3:5],
        tilt_deg=table[:, 9],
        dark_frames=darks,
        first_section=first,
        local=local,
        n_patches=int(_numbers(file, "NumPatches", header.get("NumPatches", "0"), 1)[0]),
        alpha_offset_deg=_numbers(file, "AlphaOffset", header.get("AlphaOffset", "0"), 1)[0],
        beta_offset_deg=_numbers(file, "BetaOffset", header.get("BetaOffset", "0"), 1)[0],
        thickness_px=int(_numbers(file, "Thickness", header["Thickness"], 1)[0]) if "Thickness" in header else None,
    )


def write_aln(path: PathLike, alignment: AretomoAlignment) -> Path:
    """Write an ``.aln`` file as AreTomo 3 does, sections counted from ``first_section``.

    Angles and shifts carry two more digits than AreTomo prints: a hundredth of a degree would be 0.2 px at the edge
    of the field. The columns SMEAN, SFIT, SCALE and BASE, which AreTomo does not use, hold its constants.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    a = alignment
    lines = ["# AreTomo Alignment / Priims bprmMn", "# RawSize = {} {} {}".format(*a.raw_size_xyn)]
    lines.append(f"# NumPatches = {a.n_patches}")
    lines += [f"# DarkFrame =  {d.rank:4d} {d.section:4d} {d.tilt_deg:8.2f}" for d in a.dark_frames]
    lines += [f"# AlphaOffset = {a.alpha_offset_deg:8.2f}", f"# BetaOffset = {a.beta_offset_deg:8.2f}"]
    if a.thickness_px is not None:
        lines.append(f"# Thickness = {a.thickness_px}")
    lines.append(_TABLE)
    for i, section in enumerate(a.section):
        tx, ty = a.shift_xy_px[i]
        lines.append(
            f"{section + a.first_section:5d}  {a.rot_deg[i]:10.5f} {a.magnification[i]:9.5f}  {tx:10.4f} {ty:10.4f}  "
            f"{1.0:7.2f}  {1.0:7.2f}  {1.0:7.2f}  {0.0:7.2f}  {a.tilt_deg[i]:10.5f}"
        )
    if len(a.local):
        lines.append("# Local Alignment")
        lines += [
            f"{int(r[0]):4d} {int(r[1]):3d} {r[2]:8.2f}  {r[3]:8.2f}  {r[4]:10.4f}  {r[5]:10.4f}  {r[6]:4.1f}"
            for r in a.local
        ]
    return write_text_atomic(path, "\n".join(lines) + "\n")


def geometry_from_aretomo(
    alignment: AretomoAlignment, pixel_size_angstrom: float, *, magnification_tolerance: float = 0.001
) -> tuple[TiltGeometry, NDArray[np.bool_]]:
    """Tilt geometry of *every* image of the raw stack, in the order of its sections.

    Parameters
    ----------
    alignment : AretomoAlignment
    pixel_size_angstrom : float
        Of the raw stack.
    magnification_tolerance : float
        Largest deviation of GMAG from 1 that may be left out.

    Returns
    -------
    geometry : TiltGeometry
        Rows of dark frames hold their tilt, the axis of the image nearest in tilt and no shift.
    use : (n,) array of bool
        False for dark frames.

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    FormatError
        If aligned and dark images together are not the whole stack, or GMAG is not 1.
    """
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(f"expected a positive pixel size of the tilt images, found {pixel_size_angstrom:g} Å")
    a, n = alignment, alignment.raw_size_xyn[2]
    dark_sections = _dark_sections(a)
    worst = float(np.abs(a.magnification - 1).max())
    if worst > magnification_tolerance:
        raise FormatError(
            f"expected GMAG 1 in the .aln (within {magnification_tolerance:g}), found a deviation of {worst:.4f}; "
            "scale the images first or accept the error with a larger magnification_tolerance"
        )
    use = np.zeros(n, dtype=np.bool_)
    use[a.section] = True
    tilt, rot, shift = np.zeros(n), np.zeros(n), np.zeros((n, 2))
    tilt[a.section], rot[a.section], shift[a.section] = a.tilt_deg, a.rot_deg, a.shift_xy_px * pixel_size_angstrom
    for dark, section in zip(a.dark_frames, dark_sections, strict=True):
        tilt[section] = dark.tilt_deg
        rot[section] = a.rot_deg[np.argmin(np.abs(a.tilt_deg - dark.tilt_deg))]
    return TiltGeometry(y_tilt_deg=tilt, z_rot_deg=rot, shift_xy_angstrom=shift), use


def aretomo_from_geometry(
    geometry: TiltGeometry,
    pixel_size_angstrom: float,
    *,
    image_shape_yx: tuple[int, int],
    use: ArrayLike | None = None,
    thickness_px: int | None = None,
) -> AretomoAlignment:
    """AreTomo's description of a tilt geometry whose rows are the sections of a stack.

    Parameters
    ----------
    geometry : TiltGeometry
        Without tilt about x, which AreTomo cannot say. Magnification and bending become shifts of patches.
    pixel_size_angstrom : float
        Of the stack.
    image_shape_yx : tuple of int
    use : (n,) array of bool, optional
        False makes a dark frame.
    thickness_px : int, optional
        Of the specimen.

    Returns
    -------
    AretomoAlignment
        Rows sorted by tilt, sections counted from 1.

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    GeometryError
        If there is a tilt about x, or ``use`` does not fit or uses nothing.
    """
    if not (np.isfinite(pixel_size_angstrom) and pixel_size_angstrom > 0):
        raise PixelSizeError(f"expected a positive pixel size of the tilt images, found {pixel_size_angstrom:g} Å")
    n = geometry.n_tilts
    used = np.ones(n, dtype=np.bool_) if use is None else np.asarray(use, dtype=np.bool_)
    if used.shape != (n,) or not used.any():
        raise GeometryError(f"expected one flag for each of {n} tilts and at least one used, found {used.tolist()}")
    if geometry.x_tilt_deg is not None and np.any(np.abs(geometry.x_tilt_deg) > 1e-3):
        raise GeometryError(
            f"an .aln file cannot hold a tilt about x, found up to {np.abs(geometry.x_tilt_deg).max():g}°; "
            "write .xf with .xtilt or a RELION star file instead"
        )
    order = np.argsort(geometry.y_tilt_deg, kind="stable")
    rows = order[used[order]]
    geometry = geometry if beyond_rigid(geometry) else rigid_part(geometry)
    local = patches_from_geometry(geometry.select(rows), pixel_size_angstrom, image_shape_yx)
    return AretomoAlignment(
        raw_size_xyn=(image_shape_yx[1], image_shape_yx[0], n),
        section=rows.astype(np.int64),
        rot_deg=geometry.z_rot_deg[rows],
        magnification=np.ones(len(rows)),
        shift_xy_px=geometry.shift_xy_angstrom[rows] / pixel_size_angstrom,
        tilt_deg=geometry.y_tilt_deg[rows],
        dark_frames=tuple(
            DarkFrame(rank=rank, section=int(i) + 1, tilt_deg=float(geometry.y_tilt_deg[i]))
            for rank, i in enumerate(order)
            if not used[i]
        ),
        local=local,
        n_patches=len(local) // len(rows),
        thickness_px=thickness_px,
    )


def _parse(file: Path) -> tuple[dict[str, str], tuple[DarkFrame, ...], Floats, Floats]:
    header: dict[str, str] = {}
    darks: list[DarkFrame] = []
    rows: dict[int, list[list[float]]] = {10: [], 7: []}
    for number, line in enumerate(_lines(file), start=1):
        match = _HEADER.match(line)
        if match and match[1] == "DarkFrame":
            rank, section, tilt = _numbers(file, "DarkFrame", match[2], 3)
            darks.append(DarkFrame(rank=int(rank), section=int(section), tilt_deg=tilt))
        elif match:
            header[match[1]] = match[2]
        elif line.strip() and not line.startswith("#"):
            values = _row(line)
            if values is None and not header:  # some versions greet before the header
                continue
            if values is None or len(values) not in rows or (len(values) == 10 and rows[7]):
                raise FormatError(
                    f"{file.name}, line {number}: expected ten numbers of an image or, after them, seven of a local "
                    f"shift, found {line.strip()[:60]!r}; the file is cut off or damaged"
                )
            rows[len(values)].append(values)
    return header, tuple(darks), np.array(rows[10]).reshape(-1, 10), np.array(rows[7]).reshape(-1, 7)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(f"{file.name}: expected the text of an .aln file, found binary data") from error


def _row(line: str) -> list[float] | None:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        return None
    return values if np.all(np.isfinite(values)) else None


def _numbers(file: Path, name: str, text: str, count: int) -> list[float]:
    values = _row(text)
    if values is None or len(values) < count:
        raise FormatError(f"{file.name}: expected {count} numbers for {name}, found {text.strip()!r}; mend the header")
    return values[:count]


def _first_section(file: Path, table: Floats, darks: tuple[DarkFrame, ...], n: int) -> int:
    """0 or 1: the numbering that fits the stack, else its dark frames, else its tilts; else 1 as AreTomo 3 writes."""
    sections = table[:, 0]
    if np.any(sections != np.round(sections)) or len(np.unique(sections)) != len(sections):
        raise FormatError(
            f"{file.name}: expected every section once in the column SEC, found {sections.tolist()[:8]} …"
        )
    fits = [first for first in (0, 1) if sections.min() >= first and sections.max() < n + first]
    if not fits:
        raise FormatError(
            f"{file.name}: expected sections within the {n} images of RawSize, found {sections.min():g} to "
            f"{sections.max():g}; take the file of this stack"
        )
    if len(fits) == 1:
        return fits[0]
    numbered = sorted([d.section for d in darks] + [int(s) for s in sections])
    complete = [first for first in fits if numbered == list(range(first, n + first))]
    dark_tilts = [d.tilt_deg for d in darks]
    monotone = [f for f in fits if _places_by_tilt(sections.astype(np.int64) - f, table[:, 9], dark_tilts, n)]
    for candidates in (complete, monotone):
        if len(candidates) == 1:
            return candidates[0]
    return 1


def _dark_sections(a: AretomoAlignment) -> list[int]:
    """Section, from 0, of every dark frame; the file's own number if it fits, else the place its tilt leaves free."""
    n = a.raw_size_xyn[2]
    free = sorted(set(range(n)) - set(a.section.tolist()))
    if len(free) != len(a.dark_frames):
        raise FormatError(
            f"expected every one of {n} images in the .aln, found {len(a.section)} aligned and {len(a.dark_frames)} "
            "dark ones; take the complete file"
        )
    told = [d.section - a.first_section for d in a.dark_frames]
    if sorted(told) == free:
        return told
    places = _places_by_tilt(a.section, a.tilt_deg, [d.tilt_deg for d in a.dark_frames], n)
    if places is None:
        raise FormatError(
            "expected dark frames with their sections, or a stack sorted by tilt, found neither; "
            "write the section numbers of the dark frames into the .aln"
        )
    return places


def _places_by_tilt(
    section: NDArray[np.int64], tilt_deg: Floats, dark_tilt_deg: list[float], n: int
) -> list[int] | None:
    """Sections of the dark frames that make the whole stack rise or fall in tilt; None where there are none."""
    free = sorted(set(range(n)) - set(section.tolist()))
    if len(free) != len(dark_tilt_deg):
        return None
    by_tilt = np.argsort(dark_tilt_deg, kind="stable")
    for sign, places in ((1, free), (-1, free[::-1])):
        stack = np.zeros(n)
        stack[section] = tilt_deg
        stack[places] = np.asarray(dark_tilt_deg)[by_tilt]
        if np.all(sign * np.diff(stack) > 0):
            return [places[int(np.flatnonzero(by_tilt == i)[0])] for i in range(len(places))]
    return None
