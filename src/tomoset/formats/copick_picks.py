"""copick's picks files, with everything that ``Picks`` knows in keys that copick ignores.

Positions are in ångström from the centre of voxel (0, 0, 0), x y z: copick's own readers use ``index · spacing``
without half a voxel. The 4×4 matrix of a point maps the object to the tomogram (active, column vectors); the
particle's centre is ``location + transformation_[:3, 3]`` (copick 1.31, ``models.CopickPoint``). Numbers are JSON with
every digit of float64: nothing is lost on the way.

Ours beside copick's keys: per point ``margin``, ``rival``, ``posterior``, ``false_discovery_rate``,
``orientation_known``, ``flags``; for the file ``tomoset``, which says what the scores are, the classes of the
posterior, and which of the keys were there at all.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import FormatError, GeometryError, ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick_config import read_json_object
from tomoset.formats.copick_layout import picks_path
from tomoset.model import Picks

__all__ = ["CopickPicks", "read_picks", "write_picks", "write_picks_file"]

PathLike = str | os.PathLike[str]

_KEY_OF = {
    "scores": "score",
    "margins": "margin",
    "rivals": "rival",
    "posterior": "posterior",
    "false_discovery_rates": "false_discovery_rate",
    "orientation_known": "orientation_known",
    "flags": "flags",
}
_OURS = "tomoset"
# A pick without a rival has no margin, and so on: NaN is null there. A score is always a number, copick wants one.
_MAY_BE_NAN = ("margins", "posterior", "false_discovery_rates")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CopickPicks:
    """One picks file with everything it says.

    Parameters
    ----------
    picks : Picks
        Volume-frame positions in Å.
    run, user, session : str
    voxel_size_angstrom : float or None
        Of the tomogram they were made on; None where the writer left it out.
    instance_ids : (n,) array of int64
        For instance the filament a point belongs to; 0 = unassigned.
    derived_from : str
        Empty for picks; ``"filaments"`` for points that were only put there so that copick's users see the filaments.
    """

    picks: Picks
    run: str
    user: str
    session: str
    voxel_size_angstrom: float | None
    instance_ids: NDArray[np.int64]
    derived_from: str = ""


def write_picks(
    root: PathLike,
    run: str,
    picks: Picks,
    *,
    user: str,
    session: str,
    voxel_size_angstrom: float,
    instance_ids: ArrayLike | None = None,
    derived_from: str = "",
) -> Path:
    """Write picks of one class into a project; a file of the same user, session and object is replaced.

    Without rotations the matrices are identities and ``trust_orientation`` is false. ``instance_ids`` stand for those
    of the picks.

    Raises
    ------
    ParameterError
        If a name is one copick would split, or a number is not finite.
    GeometryError
        If ids and picks differ in number.
    """
    path = picks_path(root, run, user=user, session=session, object_name=picks.object_name)
    return write_picks_file(
        path,
        run,
        picks,
        user=user,
        session=session,
        voxel_size_angstrom=voxel_size_angstrom,
        instance_ids=instance_ids,
        derived_from=derived_from,
    )


def write_picks_file(
    path: Path,
    run: str,
    picks: Picks,
    *,
    user: str,
    session: str,
    voxel_size_angstrom: float,
    instance_ids: ArrayLike | None = None,
    derived_from: str = "",
) -> Path:
    """Write picks of one class to any place; see :func:`write_picks`."""
    ids = picks.instance_ids if instance_ids is None else np.asarray(instance_ids, dtype=np.int64)
    if ids is not None and len(ids) != len(picks):
        raise GeometryError(f"{path.name}: {len(picks)} picks but {len(ids)} instance ids")
    _check_finite(path, picks)
    present = [name for name in ("rotations", *_KEY_OF) if getattr(picks, name) is not None]
    ours: dict[str, Any] = {"fields": present + ["instance_ids"] * (picks.instance_ids is not None)}
    if picks.score_kind:
        ours["score_kind"] = picks.score_kind
    if picks.posterior_classes:
        ours["posterior_classes"] = list(picks.posterior_classes)
    if derived_from:
        ours["derived_from"] = derived_from
    document = {
        "pickable_object_name": picks.object_name,
        "user_id": user,
        "session_id": session,
        "run_name": run,
        "voxel_spacing": float(voxel_size_angstrom),
        "unit": "angstrom",
        "points": _points_to_json(picks, ids),
        "trust_orientation": picks.rotations is not None,
        _OURS: ours,
    }
    return write_json_atomic(path, document, indent=None)


def read_picks(path: PathLike) -> CopickPicks:
    """Read one picks file.

    In files of other programs rotations are None where the file says not to trust them, or where two or more points
    all hold identities: the CZII challenge's files do so for particles whose orientations nobody knew, and still claim
    to be trusted. Where a translation repeats its location in every point, as some writers do, it is not added again.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is no picks file, its unit is not ångström, or a point is malformed.
    """
    file = Path(path)
    document = read_json_object(file)
    if "points" not in document or "pickable_object_name" not in document:
        raise FormatError(f"{file.name}: expected a copick picks file with 'points', found keys {sorted(document)}")
    if document.get("unit", "angstrom") != "angstrom":
        raise FormatError(f"{file.name}: expected the unit 'angstrom', found {document['unit']!r}; convert the points")
    points = document["points"] or []
    ours = document.get(_OURS)
    ours = ours if isinstance(ours, dict) else None
    locations, matrices, ids = _points_from_json(file, points)
    shifts = matrices[:, :3, 3]
    if not (len(points) and np.any(shifts) and np.allclose(shifts, locations, rtol=0, atol=1e-6)):
        locations = locations + shifts
    spacing = document.get("voxel_spacing")
    try:
        picks = Picks(
            object_name=str(document["pickable_object_name"]),
            positions_angstrom_xyz=locations,
            rotations=_rotations(matrices, document, ours),
            score_kind=str((ours or {}).get("score_kind", "")),
            posterior_classes=tuple((ours or {}).get("posterior_classes", ())),
            instance_ids=ids if _has_ids(ids, ours) else None,
            **_evidence(file, points, ours),
        )
    except (GeometryError, TypeError) as error:
        raise FormatError(f"{file.name}: {error}") from error
    return CopickPicks(
        picks=picks,
        run=str(document.get("run_name") or ""),
        user=str(document.get("user_id") or ""),
        session=str(document.get("session_id") or ""),
        voxel_size_angstrom=None if spacing is None else float(spacing),
        instance_ids=ids,
        derived_from=str((ours or {}).get("derived_from", "")),
    )


def _check_finite(path: Path, picks: Picks) -> None:
    for name in ("positions_angstrom_xyz", "scores", *_MAY_BE_NAN):
        values = getattr(picks, name)
        if values is None:
            continue
        wrong = np.isinf(values) if name in _MAY_BE_NAN else ~np.isfinite(values)
        if np.any(wrong):
            raise ParameterError(
                f"{path.name}: expected finite {name.split('_')[0]}, found NaN or infinity in "
                f"{int(np.count_nonzero(wrong))} of {len(picks)} picks; remove those picks first"
            )


def _points_to_json(picks: Picks, ids: NDArray[np.int64] | None) -> list[dict[str, Any]]:
    matrices = np.tile(np.eye(4), (len(picks), 1, 1))
    if picks.rotations is not None:
        matrices[:, :3, :3] = picks.rotations
    numbers = np.zeros(len(picks), dtype=np.int64) if ids is None else ids
    points: list[dict[str, Any]] = [
        {"location": {"x": x, "y": y, "z": z}, "transformation_": matrix, "instance_id": number}
        for (x, y, z), matrix, number in zip(
            picks.positions_angstrom_xyz.tolist(), matrices.tolist(), numbers.tolist(), strict=True
        )
    ]
    for name, key in _KEY_OF.items():
        values = getattr(picks, name)
        if values is not None:
            for point, value in zip(points, values.tolist(), strict=True):
                point[key] = _without_nan(value)
    return points


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _points_from_json(
    file: Path, points: list[dict[str, Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    locations, matrices, ids = np.zeros((len(points), 3)), np.zeros((len(points), 4, 4)), np.zeros(len(points), int)
    for i, point in enumerate(points):
        try:
            locations[i] = [float(point["location"][axis]) for axis in "xyz"]
            matrices[i] = np.reshape(point.get("transformation_") or np.eye(4), (4, 4))
            ids[i] = point.get("instance_id") or 0
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{file.name}, point {i}: expected a location x, y, z and a 4×4 transformation_, found "
                f"{type(error).__name__}: {error}; write the file again"
            ) from error
    if not (np.all(np.isfinite(locations)) and np.all(np.isfinite(matrices))):
        raise FormatError(f"{file.name}: expected finite locations and matrices, found NaN or infinity")
    return locations, matrices, ids


def _rotations(
    matrices: NDArray[np.float64], document: dict[str, Any], ours: dict[str, Any] | None
) -> NDArray[np.float64] | None:
    rotations = matrices[:, :3, :3]
    if not document.get("trust_orientation", True):
        return None
    # A single identity is a pose where the writer says so; our own files always say which they mean.
    placeholders = len(rotations) > 1 and bool(np.all(rotations == np.eye(3)))
    return None if ours is None and placeholders else rotations


def _has_ids(ids: NDArray[np.int64], ours: dict[str, Any] | None) -> bool:
    return bool(np.any(ids)) or (ours is not None and "instance_ids" in ours.get("fields", ()))


def _evidence(file: Path, points: list[dict[str, Any]], ours: dict[str, Any] | None) -> dict[str, Any]:
    """The optional arrays by their names in ``Picks``; those that the file does not hold are left out."""
    said = set((ours or {}).get("fields", ()))
    found: dict[str, Any] = {}
    for name, key in _KEY_OF.items():
        if ours is None and name not in ("scores", "margins"):
            continue  # a key of the same name that another program means otherwise
        values = [point.get(key) for point in points]
        if name not in said and all(value is None for value in values):
            continue
        try:
            found[name] = _array(name, values, len((ours or {}).get("posterior_classes", ())))
        except (TypeError, ValueError) as error:
            raise FormatError(f"{file.name}: expected a number for every {key}, found {error}") from error
        if name == "scores" and not np.all(np.isfinite(found[name])):
            raise FormatError(f"{file.name}: expected finite numbers for {key}, found NaN or infinity")
    return found


def _array(name: str, values: list[Any], n_classes: int) -> NDArray[Any]:
    if name == "scores":  # copick's default where single points have none
        return np.array([1.0 if value is None else float(value) for value in values])
    if name == "rivals":
        return np.array(["" if value is None else str(value) for value in values], dtype=np.str_)
    if name == "posterior":
        rows = [[np.nan if v is None else float(v) for v in (value or [None] * n_classes)] for value in values]
        return np.array(rows, dtype=np.float64).reshape(len(values), n_classes)
    if name == "orientation_known":
        return np.array([value is None or bool(value) for value in values], dtype=np.bool_)
    if name == "flags":
        return np.array([value or 0 for value in values], dtype=np.uint32)
    return np.array([np.nan if value is None else float(value) for value in values])
