"""Which row of a foreign alignment belongs to which tilt of ours: by movies' names, else by the order of the stack."""

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry
from tomoset.workflow.foreign_alignments import ForeignAlignment

__all__ = ["PlacedAlignment", "TiltRows", "check_field", "place"]

_SAME_SIDE = 0.02
_TILT_TOLERANCE_DEG = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiltRows:
    """What of a series' tilts tells them apart, in its order (ascending tilt).

    Parameters
    ----------
    names : tuple of str
        Of the movies.
    nominal_tilt_deg : (n,) array of float64
    acquisition_order : (n,) array of int
    """

    names: tuple[str, ...]
    nominal_tilt_deg: NDArray[np.float64]
    acquisition_order: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedAlignment:
    """A foreign alignment in the order of the series.

    Parameters
    ----------
    geometry : TiltGeometry
        Rows that are not used hold the nominal tilt, the axis of the series and no shift.
    use : (n,) array of bool
    reasons : tuple of str
        Why not, a sentence each; empty for those in use.
    notes : tuple of str
        What had to be concluded, a sentence each.
    """

    geometry: TiltGeometry
    use: NDArray[np.bool_]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]


def place(alignment: ForeignAlignment, rows: TiltRows, source: str) -> PlacedAlignment:
    """Bring an alignment to the order of a series.

    Parameters
    ----------
    alignment : ForeignAlignment
    rows : TiltRows
    source : str
        Name of the file, for people.

    Raises
    ------
    GeometryError
        If its rows cannot be told to be this series' tilts, or none is used.
    """
    n, notes = len(rows.names), list(alignment.notes)
    row_of = _by_movie(alignment.movie_names, rows.names, source)
    if row_of is None:
        row_of, note = _by_order(alignment, rows, source)
        notes += [note] if note else []
    found = row_of >= 0
    use = found & alignment.use[row_of]
    if not use.any():
        raise GeometryError(f"{source}: expected tilts in use, found none of {n}; take the file of an aligned series")
    said = alignment.reasons or ("",) * len(alignment.use)
    reasons = tuple(
        "" if use[i] else (said[row_of[i]] or f"not used in {source}") if found[i] else f"has no row in {source}"
        for i in range(n)
    )
    return PlacedAlignment(
        geometry=_own_rows((alignment.local_geometry or alignment.geometry).select(row_of), use, rows.nominal_tilt_deg),
        use=use,
        reasons=reasons,
        notes=tuple(notes),
    )


def check_field(alignment: ForeignAlignment, field_angstrom_xy: tuple[float, float], source: str) -> None:
    """Refuse an alignment of images that show another field than the movies.

    Raises
    ------
    GeometryError
        If the sides that the file tells differ by more than 2 %.
    """
    told = alignment.field_angstrom_xy
    if told is None:
        return
    ratios = np.array(told[:2]) / field_angstrom_xy
    turned = np.array(told[1::-1]) / field_angstrom_xy
    if np.abs(ratios - 1).max() <= _SAME_SIDE or (source.endswith(".xf") and np.abs(turned - 1).max() <= _SAME_SIDE):
        return
    same = abs(ratios[0] / ratios[1] - 1) <= _SAME_SIDE
    advice = (
        "if it was made on images with other pixels, give their size with --alignment-pixel-size, "
        f"{1 / ratios.mean():.3g} times what was taken"
        if same
        else "take the alignment of these movies"
    )
    width, height = field_angstrom_xy
    raise GeometryError(
        f"{source}: expected images of {width:.0f} × {height:.0f} Å as the movies have, found {told[0]:.0f} × "
        f"{told[1]:.0f} Å; {advice}"
    )


def _by_movie(theirs: tuple[str, ...], ours: tuple[str, ...], source: str) -> NDArray[np.intp] | None:
    """Row of each of our tilts, −1 where there is none; None where the file names no movies of ours."""
    row = {_stem(name): i for i, name in enumerate(theirs)}
    found = np.array([row.get(_stem(name), -1) for name in ours], dtype=np.intp)
    if not np.any(found >= 0):
        return None
    if len(row) != len(theirs):
        raise GeometryError(f"{source}: expected every movie once, found {len(theirs)} rows with {len(row)} names")
    strange = sorted(set(row) - {_stem(name) for name in ours})
    if strange:
        raise GeometryError(
            f"{source}: expected tilts of this series' {len(ours)} movies, found {len(theirs)} with {len(strange)} "
            f"that it does not have, such as {strange[0]}; take the file of this series, or bring in those movies too"
        )
    return found


def _by_order(alignment: ForeignAlignment, rows: TiltRows, source: str) -> tuple[NDArray[np.intp], str]:
    """Row of each of our tilts where the file goes by the order of the stack, and what to say about that order."""
    theirs, ours = alignment.geometry.y_tilt_deg, rows.nominal_tilt_deg
    n, m = ours.size, theirs.size
    if m != n and not (alignment.may_end_early and m < n):
        raise GeometryError(
            f"{source}: expected a row for each of {n} tilts, found {m}; a stack that lacks or adds images cannot be "
            "told apart by order: align all images of the series, or take a file that names the movies (RELION's star, "
            "Warp's .xml)"
        )
    every = np.arange(n)
    candidates = {
        "": every,
        "rows are in the order of acquisition": rows.acquisition_order.argsort(kind="stable").argsort(kind="stable"),
        "rows go from high to low tilt": every[::-1],
    }
    # Rows that are not used may hold any angle: the portal says nothing of them.
    off = {said: _off_deg(theirs, ours, row_of, alignment.use) for said, row_of in candidates.items()}
    best = min(off, key=lambda said: off[said])
    step = float(np.median(np.diff(np.sort(ours)))) if n > 1 else 0.0
    if off[best] > max(_TILT_TOLERANCE_DEG, step / 2):
        raise GeometryError(
            f"{source}: expected the tilts of this series, {ours.min():g}° to {ours.max():g}°, ascending, descending or"
            f" as acquired, found {theirs.min():g}° to {theirs.max():g}°, {off[best]:.1f}° off at best; "
            "take the file of this series, or --invert-tilts if its angles have the other sign"
        )
    row_of = candidates[best]
    return np.where(row_of < m, row_of, -1), best


def _off_deg(
    theirs: NDArray[np.float64], ours: NDArray[np.float64], row_of: NDArray[np.intp], used: NDArray[np.bool_]
) -> float:
    """Largest difference of used tilts in an order of rows, beside a tilt offset common to all."""
    there = (row_of < theirs.size) & used[np.minimum(row_of, theirs.size - 1)]
    difference = theirs[row_of[there]] - ours[there]
    return float(np.abs(difference - np.median(difference)).max(initial=0.0)) if there.any() else 0.0


def _own_rows(geometry: TiltGeometry, use: NDArray[np.bool_], nominal_deg: NDArray[np.float64]) -> TiltGeometry:
    """The geometry with nominal values in the rows of tilts that are not used."""
    axis = float(np.median(geometry.z_rot_deg[use]))
    x_tilt, scale, field = geometry.x_tilt_deg, geometry.magnification, geometry.field_xy_angstrom
    return replace(
        geometry,
        y_tilt_deg=np.where(use, geometry.y_tilt_deg, nominal_deg),
        z_rot_deg=np.where(use, geometry.z_rot_deg, axis),
        shift_xy_angstrom=np.where(use[:, None], geometry.shift_xy_angstrom, 0.0),
        x_tilt_deg=None if x_tilt is None else np.where(use, x_tilt, np.median(x_tilt[use])),
        magnification=None if scale is None else np.where(use, scale, 1.0),
        field_xy_angstrom=None if field is None else np.where(use[:, None, None], field, 0.0),
    )


def _stem(name: str) -> str:
    """A movie's name without folder and ending: Warp names the average .mrc where the mdoc names the .eer."""
    return PurePosixPath(name.replace("\\", "/")).stem
