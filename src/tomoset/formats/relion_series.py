"""One series' RELION 5 star: facts, defocus and geometry of every tilt, unused ones included."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError
from tomoset.formats.relion_tables import StarTable, read_star
from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, Tilt

__all__ = ["CTF_COLUMNS", "GEOMETRY_COLUMNS", "REASON_COLUMN", "RelionSeries", "mark_excluded", "read_series_star"]

PathLike = str | os.PathLike[str]
Floats = NDArray[np.float64]

GEOMETRY_COLUMNS = ("rlnTomoXTilt", "rlnTomoYTilt", "rlnTomoZRot", "rlnTomoXShiftAngst", "rlnTomoYShiftAngst")
CTF_COLUMNS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")
REASON_COLUMN = "tomosetReason"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RelionSeries:
    """What a series' star says; rows sorted by nominal tilt.

    Parameters
    ----------
    run : str
    tilts : tuple of Tilt
        ``mean_counts`` is NaN, which RELION does not keep. The exposure of a tilt is the step to the next
        pre-exposure, and the median step where a tilt is missing in between or none follows.
    geometry : TiltGeometry or None
        None before alignment.
    nominal_tilt_axis_deg : float
    image_names : tuple of str
        ``rlnMicrographName`` as the file says it; empty before motion correction.
    nominal_defocus_angstrom : (n,) array of float64 or None
        Positive = underfocus (the file has negative µm).
    total_motion_angstrom : (n,) array of float64 or None
    """

    run: str
    tilts: tuple[Tilt, ...]
    geometry: TiltGeometry | None
    nominal_tilt_axis_deg: float
    image_names: tuple[str, ...] = ()
    nominal_defocus_angstrom: Floats | None = None
    total_motion_angstrom: Floats | None = None


def read_series_star(path: PathLike) -> RelionSeries:
    """Read one series' star after any job from Import to AlignTiltSeries.

    Rows that our writer left out because they are not used come back from ``<run>_excluded.star``; to recover those
    that RELION's ExcludeTiltImages dropped, read the star of an earlier job too and call :func:`mark_excluded`.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If a column is missing or malformed.
    """
    file = Path(path)
    name, table = next(iter(read_star(file).items()))
    series = _series(name, table, excluded=False)
    aside = file.with_name(f"{file.stem}_excluded.star")
    if aside.is_file():
        left_out = _series(name, next(iter(read_star(aside).values())), excluded=True)
        series = _merge(series, left_out)
    return series


def mark_excluded(kept: RelionSeries, complete: RelionSeries, reason: str = "excluded in RELION") -> RelionSeries:
    """Give back to a series the tilts that a later job dropped, as unused ones.

    Parameters
    ----------
    kept, complete : RelionSeries
        After and before the exclusion; tilts are matched by their movie's name.
    reason : str

    Raises
    ------
    FormatError
        If ``kept`` holds a tilt that ``complete`` does not.
    """
    names = {tilt.name for tilt in kept.tilts}
    missing = [i for i, tilt in enumerate(complete.tilts) if tilt.name not in names]
    if len(missing) + len(names) != len(complete.tilts):
        raise FormatError(f"{kept.run}: expected only movies of the earlier job, found others; take one series' files")
    if not missing:
        return kept
    tilts = tuple(replace(complete.tilts[i], use=False, reason=reason) for i in missing)
    return _merge(kept, replace(_take(replace(complete, geometry=None), missing), tilts=tilts))


def _series(run: str, table: StarTable, *, excluded: bool) -> RelionSeries:
    nominal = table.numbers("rlnTomoNominalStageTiltAngle")
    axis = table.optional_numbers("rlnTomoNominalTiltAxisAngle")
    defocus = table.optional_numbers("rlnTomoNominalDefocus")
    series = RelionSeries(
        run=run,
        tilts=_tilts(table, nominal, excluded=excluded),
        geometry=_geometry(table),
        nominal_tilt_axis_deg=0.0 if axis is None or not len(axis) else float(axis[0]),
        image_names=table.optional_texts("rlnMicrographName") or (),
        nominal_defocus_angstrom=None if defocus is None else -1e4 * defocus,
        total_motion_angstrom=table.optional_numbers("rlnAccumMotionTotal"),
    )
    return _take(series, np.argsort(nominal, kind="stable").tolist())


def _tilts(table: StarTable, nominal: Floats, *, excluded: bool) -> tuple[Tilt, ...]:
    before = table.optional_numbers("rlnMicrographPreExposure")
    before = np.zeros(len(nominal)) if before is None else before
    order = np.argsort(np.argsort(before, kind="stable"))
    dose = _exposures(before)
    names = table.texts("rlnMicrographMovieName")
    reasons = table.optional_texts(REASON_COLUMN) or ("",) * len(nominal)
    ctfs = _ctfs(table)
    return tuple(
        Tilt(
            name=names[i].replace("\\", "/").rpartition("/")[2],
            nominal_tilt_deg=float(nominal[i]),
            acquisition_order=int(order[i]),
            dose_e_per_angstrom2=float(dose[i]),
            dose_before_e_per_angstrom2=float(before[i]),
            mean_counts=float("nan"),
            use=not excluded,
            reason=reasons[i],
            ctf=ctfs[i],
        )
        for i in range(len(nominal))
    )


def _exposures(before: Floats) -> Floats:
    """Exposure of every tilt from the steps between pre-exposures; a step over a missing tilt is no exposure."""
    order = np.argsort(before, kind="stable")
    steps = np.diff(before[order])
    if not len(steps):
        return np.zeros(len(before))
    usual = float(np.median(steps))
    dose = np.empty(len(before))
    dose[order] = np.append(np.where(steps > 1.5 * usual, usual, steps), usual)
    return dose


def _ctfs(table: StarTable) -> list[CtfEstimate | None]:
    if not table.has(*CTF_COLUMNS):
        return [None] * len(table)
    values = table.numbers(*CTF_COLUMNS)
    score = table.optional_numbers("rlnCtfFigureOfMerit")
    resolution = table.optional_numbers("rlnCtfMaxResolution")
    return [
        CtfEstimate(
            defocus_u_angstrom=float(u),
            defocus_v_angstrom=float(v),
            astigmatism_deg=float(angle),
            score=float("nan") if score is None else float(score[i]),
            resolution_angstrom=float("nan") if resolution is None else float(resolution[i]),
        )
        for i, (u, v, angle) in enumerate(values)
    ]


def _geometry(table: StarTable) -> TiltGeometry | None:
    if not any(table.has(column) for column in GEOMETRY_COLUMNS):
        return None
    x_tilt, y_tilt, z_rot, x_shift, y_shift = table.numbers(*GEOMETRY_COLUMNS).reshape(-1, 5).T
    return TiltGeometry(
        y_tilt_deg=y_tilt, z_rot_deg=z_rot, x_tilt_deg=x_tilt, shift_xy_angstrom=np.stack([x_shift, y_shift], axis=-1)
    )


def _take(series: RelionSeries, rows: Sequence[int]) -> RelionSeries:
    defocus, motion = series.nominal_defocus_angstrom, series.total_motion_angstrom
    return replace(
        series,
        tilts=tuple(series.tilts[i] for i in rows),
        geometry=None if series.geometry is None else series.geometry.select(np.asarray(rows, dtype=np.intp)),
        image_names=tuple(series.image_names[i] for i in rows) if series.image_names else (),
        nominal_defocus_angstrom=None if defocus is None else defocus[list(rows)],
        total_motion_angstrom=None if motion is None else motion[list(rows)],
    )


def _merge(kept: RelionSeries, left_out: RelionSeries) -> RelionSeries:
    """Both, sorted by nominal tilt; what only one of them knows is NaN, empty or nominal in the other's rows."""
    n, m = len(kept.tilts), len(left_out.tilts)
    both = RelionSeries(
        run=kept.run,
        tilts=_renumbered(kept.tilts + left_out.tilts),
        geometry=_merged_geometry(kept, left_out),
        nominal_tilt_axis_deg=kept.nominal_tilt_axis_deg,
        image_names=(kept.image_names or ("",) * n) + (left_out.image_names or ("",) * m),
        nominal_defocus_angstrom=_joined(kept.nominal_defocus_angstrom, left_out.nominal_defocus_angstrom, n, m),
        total_motion_angstrom=_joined(kept.total_motion_angstrom, left_out.total_motion_angstrom, n, m),
    )
    return _take(both, np.argsort([t.nominal_tilt_deg for t in both.tilts], kind="stable").tolist())


def _renumbered(tilts: tuple[Tilt, ...]) -> tuple[Tilt, ...]:
    """Acquisition order and exposures of all tilts together: the missing ones fill the steps they had left."""
    before = np.array([tilt.dose_before_e_per_angstrom2 for tilt in tilts])
    order, dose = np.argsort(np.argsort(before, kind="stable")), _exposures(before)
    return tuple(
        replace(tilt, acquisition_order=int(order[i]), dose_e_per_angstrom2=float(dose[i]))
        for i, tilt in enumerate(tilts)
    )


def _merged_geometry(kept: RelionSeries, left_out: RelionSeries) -> TiltGeometry | None:
    if kept.geometry is None:
        return None
    own, other = kept.geometry, left_out.geometry
    if other is None:
        m = len(left_out.tilts)
        other = TiltGeometry(
            y_tilt_deg=np.array([tilt.nominal_tilt_deg for tilt in left_out.tilts]),
            z_rot_deg=np.full(m, kept.nominal_tilt_axis_deg),
            shift_xy_angstrom=np.zeros((m, 2)),
        )
    return TiltGeometry(
        y_tilt_deg=np.concatenate([own.y_tilt_deg, other.y_tilt_deg]),
        z_rot_deg=np.concatenate([own.z_rot_deg, other.z_rot_deg]),
        shift_xy_angstrom=np.concatenate([own.shift_xy_angstrom, other.shift_xy_angstrom]),
        x_tilt_deg=np.concatenate(
            [np.zeros(g.n_tilts) if g.x_tilt_deg is None else g.x_tilt_deg for g in (own, other)]
        ),
    )


def _joined(a: Floats | None, b: Floats | None, n: int, m: int) -> Floats | None:
    if a is None and b is None:
        return None
    return np.concatenate([np.full(n, np.nan) if a is None else a, np.full(m, np.nan) if b is None else b])
