"""copick filesystem projects: the field's common home of picks, tomograms and segmentations, without the library.

copick 1.x pins zarr < 3 and so cannot live beside this package; its layout is folders, JSON and OME-Zarr, written
here directly and proven with the real copick in ``tests/interop``. Positions are in ångström from the centre of voxel
(0, 0, 0): copick's own readers use ``index · spacing`` without half a voxel. The matrix of a point maps the object to
the tomogram; the particle's centre is ``location + transformation_[:3, 3]``.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import FormatError, GeometryError, ParameterError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick_config import CopickConfig, read_config, read_json_object, write_config
from tomoset.formats.copick_layout import (
    PicksEntry,
    SegmentationEntry,
    TomogramEntry,
    check_copick_name,
    list_picks,
    list_runs,
    list_segmentations,
    list_tomograms,
    picks_path,
    segmentation_path,
    split_segmentation_name,
    tomogram_path,
)
from tomoset.formats.ome_zarr import open_volume_zarr, write_mask_zarr
from tomoset.geometry import Grid
from tomoset.model import Picks, Segmentation

__all__ = [
    "CopickConfig",
    "CopickPicks",
    "PicksEntry",
    "SegmentationEntry",
    "TomogramEntry",
    "check_copick_name",
    "list_picks",
    "list_runs",
    "list_segmentations",
    "list_tomograms",
    "picks_path",
    "read_config",
    "read_picks",
    "read_segmentation",
    "segmentation_path",
    "tomogram_path",
    "write_config",
    "write_picks",
    "write_segmentation",
]

PathLike = str | os.PathLike[str]


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
    """

    picks: Picks
    run: str
    user: str
    session: str
    voxel_size_angstrom: float | None
    instance_ids: NDArray[np.int64]


def write_picks(
    root: PathLike,
    run: str,
    picks: Picks,
    *,
    user: str,
    session: str,
    voxel_size_angstrom: float,
    instance_ids: ArrayLike | None = None,
) -> Path:
    """Write picks of one class; an existing file of the same user, session and object is replaced.

    Without rotations the matrices are identities and ``trust_orientation`` is false. Scores are left out where there
    are none; margins go under the extra key ``margin``, which copick ignores.

    Raises
    ------
    ParameterError
        If a name is one copick would split, or a number is not finite.
    GeometryError
        If ids and picks differ in number.
    """
    path = picks_path(root, run, user=user, session=session, object_name=picks.object_name)
    ids = np.zeros(len(picks), dtype=np.int64) if instance_ids is None else np.asarray(instance_ids, dtype=np.int64)
    if len(ids) != len(picks):
        raise GeometryError(f"{path.name}: {len(picks)} picks but {len(ids)} instance ids")
    for what, values in (
        ("positions", picks.positions_angstrom_xyz),
        ("scores", picks.scores),
        ("margins", picks.margins),
    ):
        if values is not None and not np.all(np.isfinite(values)):
            raise ParameterError(
                f"{path.name}: expected finite {what}, found NaN or infinity; remove those picks first"
            )
    document = {
        "pickable_object_name": picks.object_name,
        "user_id": user,
        "session_id": session,
        "run_name": run,
        "voxel_spacing": float(voxel_size_angstrom),
        "unit": "angstrom",
        "points": [_point_to_json(picks, ids, i) for i in range(len(picks))],
        "trust_orientation": picks.rotations is not None,
    }
    return write_json_atomic(path, document, indent=None)


def read_picks(path: PathLike) -> CopickPicks:
    """Read one picks file.

    Rotations are None where the file says not to trust them, or where two or more points all hold identities: the
    CZII challenge's files do so for particles whose orientations nobody knew, and still claim to be trusted.
    Where a translation repeats its location in every point, as some writers do, it is not added again.

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
    locations, matrices, ids = _points_from_json(file, points)
    shifts = matrices[:, :3, 3]
    if not (len(points) and np.any(shifts) and np.allclose(shifts, locations, rtol=0, atol=1e-6)):
        locations = locations + shifts
    rotations: NDArray[np.float64] | None = matrices[:, :3, :3]
    placeholders = len(points) > 1 and bool(np.all(matrices[:, :3, :3] == np.eye(3)))
    if placeholders or not document.get("trust_orientation", True):
        rotations = None
    spacing = document.get("voxel_spacing")
    try:
        picks = Picks(
            object_name=str(document["pickable_object_name"]),
            positions_angstrom_xyz=locations,
            rotations=rotations,
            scores=_optional(file, points, "score"),
            margins=_optional(file, points, "margin"),
        )
    except GeometryError as error:
        raise FormatError(f"{file.name}: {error}") from error
    return CopickPicks(
        picks=picks,
        run=str(document.get("run_name") or ""),
        user=str(document.get("user_id") or ""),
        session=str(document.get("session_id") or ""),
        voxel_size_angstrom=None if spacing is None else float(spacing),
        instance_ids=ids,
    )


def write_segmentation(
    root: PathLike, run: str, segmentation: Segmentation, *, user: str, session: str, is_multilabel: bool = True
) -> Path:
    """Write a segmentation as OME-Zarr; see :func:`segmentation_path` and ``write_mask_zarr`` for what is refused."""
    voxel = segmentation.voxel_size_angstrom
    path = segmentation_path(
        root,
        run,
        voxel_size_angstrom=voxel,
        user=user,
        session=session,
        name=segmentation.name,
        is_multilabel=is_multilabel,
    )
    z, y, x = segmentation.mask_zyx.shape
    return write_mask_zarr(path, segmentation.mask_zyx, Grid(shape_zyx=(z, y, x), voxel_size_angstrom=voxel))


def read_segmentation(path: PathLike) -> Segmentation:
    """Open a segmentation; its voxel size is that of its own metadata, not of its file name."""
    source, grid = open_volume_zarr(path)
    _, _, _, name, _ = split_segmentation_name(Path(path))
    return Segmentation(name=name, mask_zyx=source, voxel_size_angstrom=grid.voxel_size_angstrom)


def _point_to_json(picks: Picks, ids: NDArray[np.int64], i: int) -> dict[str, Any]:
    x, y, z = (float(v) for v in picks.positions_angstrom_xyz[i])
    matrix = np.eye(4)
    if picks.rotations is not None:
        matrix[:3, :3] = picks.rotations[i]
    point: dict[str, Any] = {
        "location": {"x": x, "y": y, "z": z},
        "transformation_": matrix.tolist(),
        "instance_id": int(ids[i]),
    }
    if picks.scores is not None:
        point["score"] = float(picks.scores[i])
    if picks.margins is not None:
        point["margin"] = float(picks.margins[i])
    return point


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


def _optional(file: Path, points: list[dict[str, Any]], key: str) -> NDArray[np.float64] | None:
    """Per-point numbers; None when no point has any, copick's default 1 where single points have none."""
    values = [point.get(key) for point in points]
    if all(value is None for value in values):
        return None
    try:
        numbers = np.array([1.0 if value is None else float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise FormatError(f"{file.name}: expected a number for every {key}, found {error}") from error
    if not np.all(np.isfinite(numbers)):
        raise FormatError(f"{file.name}: expected finite numbers for {key}, found NaN or infinity")
    return numbers
