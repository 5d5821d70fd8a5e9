"""copick's filament files (1.31: ``Filaments/<user>_<session>_<object>.json``), with all that ``FilamentTrace`` knows.

copick keeps ``points``, vertices at most a voxel apart whose straight connection is the centre line, in ångström, x y
z, from the centre of voxel (0, 0, 0); ``instance_id``, ``radius``, one ``score``, and ``polarity_known`` when their
order follows the polarity. The points written are samples of the cubic spline through our control points; the control
points themselves and the rest stand in ``metadata`` under ``tomoset``, which copick keeps. Where another program has
moved the points since, they count and ours do not. Every digit of float64.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, GeometryError, ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.model import FilamentTrace

__all__ = ["FILAMENTS", "CopickFilaments", "read_filaments", "write_filaments"]

FILAMENTS = "filaments"
"""The key that tells these files from other JSON."""

_OURS = "tomoset"
_OURS_ONLY = ("polarity", "rise_angstrom", "twist_deg")
_ON_CURVE_ANGSTROM = 1e-6
CopickFilaments = tuple[tuple[FilamentTrace, ...], str, str, str, float | None]
"""Filaments, run, user, session, and the voxel size, Å, of the tomogram they were made on."""


def write_filaments(
    path: Path,
    filaments: Sequence[FilamentTrace],
    *,
    run: str,
    user: str,
    session: str,
    voxel_size_angstrom: float,
) -> Path:
    """Write filaments of one class.

    Raises
    ------
    ParameterError
        If they are of several classes, or a point is not finite.
    OutputError
        If it cannot be written.
    """
    names = list(dict.fromkeys(each.object_name for each in filaments))
    if len(names) != 1:
        raise ParameterError(f"{path.name}: expected filaments of one class, found {', '.join(names) or 'none'}")
    for each in filaments:
        if not np.all(np.isfinite(each.points_angstrom_xyz)):
            raise ParameterError(
                f"{path.name}: expected finite points, found NaN or infinity in filament {each.instance_id} of "
                f"{each.object_name}; mend or leave out that filament"
            )
    return write_json_atomic(
        path,
        {
            "pickable_object_name": names[0],
            "user_id": user,
            "session_id": session,
            "run_name": run,
            "voxel_spacing": float(voxel_size_angstrom),
            "unit": "angstrom",
            "version": 1,
            FILAMENTS: [_to_json(each, voxel_size_angstrom) for each in filaments],
        },
        indent=None,
    )


def read_filaments(path: Path, *, radius_angstrom: float = 100.0) -> CopickFilaments:
    """Read a file; ``radius_angstrom`` is that of filaments without one.

    Raises
    ------
    FormatError
        If the file is none of these or is damaged.
    """
    document = read_json(path)
    if FILAMENTS not in document or document.get("unit", "angstrom") != "angstrom":
        raise FormatError(f"{path.name}: expected copick's filaments in ångström, found {', '.join(sorted(document))}")
    with understood(path):
        name, spacing = str(document["pickable_object_name"]), document.get("voxel_spacing")
        try:
            filaments = tuple(_from_json(name, each, radius_angstrom) for each in document[FILAMENTS])
        except (GeometryError, ValueError) as error:
            raise FormatError(f"{path.name}: {error}") from error
        return (
            filaments,
            str(document.get("run_name") or ""),
            str(document.get("user_id") or ""),
            str(document.get("session_id") or ""),
            None if spacing is None else float(spacing),
        )


def _to_json(filament: FilamentTrace, step_angstrom: float) -> dict[str, Any]:
    ours: dict[str, Any] = {name: getattr(filament, name) for name in _OURS_ONLY}
    ours["control_points"] = filament.points_angstrom_xyz.tolist()
    ours["ends"] = list(filament.ends)
    if filament.scores is not None:
        ours["scores"] = [None if np.isnan(v) else float(v) for v in filament.scores]
    if filament.inferred is not None:
        ours["inferred"] = np.asarray(filament.inferred, dtype=bool).tolist()
    scored = filament.scores is not None and bool(np.any(np.isfinite(filament.scores)))
    return {
        "instance_id": int(filament.instance_id),
        "points": _sampled(filament.points_angstrom_xyz, step_angstrom).tolist(),
        "polarity_known": filament.polarity == 1,
        "score": float(np.nanmean(filament.scores)) if scored and filament.scores is not None else 1.0,
        "radius": float(filament.radius_angstrom),
        "metadata": {_OURS: ours},
    }


def _sampled(points: NDArray[np.float64], step_angstrom: float) -> NDArray[np.float64]:
    """Points of the spline at most a step apart, every control point among them to the last digit."""
    from scipy.interpolate import CubicSpline

    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if len(points) < 4 or not np.all(gaps > 0):
        return points
    at = np.concatenate([[0.0], np.cumsum(gaps)])
    counts = np.maximum(1, np.ceil(gaps / step_angstrom)).astype(np.int64)
    parameters = np.concatenate(
        [a + (b - a) * np.arange(n) / n for a, b, n in zip(at[:-1], at[1:], counts, strict=True)] + [at[-1:]]
    )
    curve = np.asarray(CubicSpline(at, points)(parameters))
    curve[np.concatenate([[0], np.cumsum(counts)])] = points
    return curve


def _from_json(name: str, document: dict[str, Any], radius_angstrom: float) -> FilamentTrace:
    points = np.array(document["points"], dtype=np.float64).reshape(-1, 3)
    ours = (document.get("metadata") or {}).get(_OURS) or {}
    control = np.array(ours.get("control_points", []), dtype=np.float64).reshape(-1, 3)
    known: Literal[0, 1] = 1 if document.get("polarity_known") else 0
    radius = document.get("radius")
    if not len(control) or not _runs_through(points, control):
        return FilamentTrace(
            object_name=name,
            instance_id=int(document["instance_id"]),
            points_angstrom_xyz=points,
            radius_angstrom=radius_angstrom if radius is None else float(radius),
            polarity=known,
        )
    scores, inferred = ours.get("scores"), ours.get("inferred")
    return FilamentTrace(
        object_name=name,
        instance_id=int(document["instance_id"]),
        points_angstrom_xyz=control,
        radius_angstrom=radius_angstrom if radius is None else float(radius),
        ends=tuple(ours["ends"]),
        scores=None if scores is None else np.array([np.nan if v is None else v for v in scores], dtype=np.float64),
        inferred=None if inferred is None else np.array(inferred, dtype=np.bool_),
        **{each: ours[each] for each in _OURS_ONLY},
    )


def _runs_through(points: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """Whether the points are still those that were written for the control points: ends and all lie on them."""
    ends = np.abs(points[[0, -1]] - control[[0, -1]]).max()
    nearest = [float(np.abs(points - each).max(axis=1).min()) for each in control]
    return bool(max(ends, *nearest) <= _ON_CURVE_ANGSTROM)
