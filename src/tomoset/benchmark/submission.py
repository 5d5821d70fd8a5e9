"""Whether a submission can be scored at all, and what is probably wrong with one that cannot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.rows import PickRows
from tomoset.errors import ParameterError
from tomoset.model import PickableObject

__all__ = ["TomogramExtent", "check_frames", "check_submission", "require_valid"]

Floats = NDArray[np.float64]

_MARGIN = 0.02
"""Share of the volume's size by which picks may lie outside: a particle's centre may."""

_NAMED = 5
"""How many names or rows a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TomogramExtent:
    """Size of a tomogram, volume frame.

    Parameters
    ----------
    size_angstrom_xyz : tuple of float
    voxel_size_angstrom : float
    """

    size_angstrom_xyz: tuple[float, float, float]
    voxel_size_angstrom: float


def check_submission(
    rows: PickRows, objects: Sequence[PickableObject], tomograms: Mapping[str, TomogramExtent | None]
) -> list[str]:
    """What is wrong with a table of picks; an empty list when nothing is.

    Parameters
    ----------
    rows : PickRows
    objects : sequence of PickableObject
        The classes of the task.
    tomograms : mapping of str to TomogramExtent or None
        The tomograms of the task; None where the size is unknown and places cannot be checked.

    Returns
    -------
    list of str
        One sentence a problem: unknown tomograms or classes, numbers that are none, the same pick twice, places
        outside the tomogram, each with what it looks like (voxels, nanometres, counted from the centre, z y x).
    """
    problems = [
        *_unknown("tomograms", rows.experiments, sorted(tomograms)),
        *_unknown("classes", rows.particle_types, sorted(item.name for item in objects)),
    ]
    finite = np.all(np.isfinite(rows.positions_angstrom_xyz), axis=1)
    if not finite.all():
        problems.append(f"expected finite x, y, z, found NaN or infinity in {_lines(~finite)}")
    if rows.scores is not None and not np.all(np.isfinite(rows.scores)):
        problems.append(f"expected finite scores, found NaN or infinity in {_lines(~np.isfinite(rows.scores))}")
    repeated = _repeated(rows)
    if repeated.any():
        problems.append(
            f"expected every pick once, found the same tomogram, class and place again in {_lines(repeated)}"
        )
    return problems + _misplaced(rows.select(finite), tomograms)


def check_frames(rows: PickRows, tomograms: Mapping[str, TomogramExtent | None]) -> list[str]:
    """Tomograms whose places look like another unit or frame; an empty list when none does.

    For labels that were not made to be handed in, in which a pick outside the volume is only a bad pick.
    """
    problems = _misplaced(rows.select(np.all(np.isfinite(rows.positions_angstrom_xyz), axis=1)), tomograms)
    return [problem for problem in problems if "look like" in problem]


def require_valid(name: str, problems: Sequence[str]) -> None:
    """Refuse a submission with problems.

    Raises
    ------
    ParameterError
        Listing all of them.
    """
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ParameterError(
            f"{name}: expected a submission that can be scored, found\n{listed}\nmend it and try again"
        )


def _unknown(what: str, found: NDArray[np.str_], known: Sequence[str]) -> list[str]:
    strange = sorted(set(found.tolist()) - set(known))
    if not strange:
        return []
    return [f"expected the {what} {_listed(known)}, found {_listed(strange)}"]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(repr(name) for name in names[:_NAMED]) + more


def _lines(which: NDArray[np.bool_]) -> str:
    """Lines of a table with one line of header."""
    lines = np.flatnonzero(which) + 2
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return "line " + ", ".join(str(n) for n in lines[:_NAMED]) + more


def _repeated(rows: PickRows) -> NDArray[np.bool_]:
    seen: set[tuple[object, ...]] = set()
    again = np.zeros(len(rows), dtype=bool)
    columns = zip(
        rows.experiments.tolist(), rows.particle_types.tolist(), rows.positions_angstrom_xyz.tolist(), strict=True
    )
    for i, (run, name, place) in enumerate(columns):
        key = (run, name, *place)
        again[i] = key in seen
        seen.add(key)
    return again


def _misplaced(rows: PickRows, tomograms: Mapping[str, TomogramExtent | None]) -> list[str]:
    problems = []
    for run in sorted(set(rows.experiments.tolist())):
        extent = tomograms.get(run)
        if extent is None:
            continue
        points = rows.positions_angstrom_xyz[rows.experiments == run]
        size = np.array(extent.size_angstrom_xyz)
        outside = np.any((points < -_MARGIN * size) | (points > (1 + _MARGIN) * size), axis=1)
        looks = _looks_like(points, size, extent.voxel_size_angstrom)
        volume = " × ".join(f"{n:.0f}" for n in size)
        if outside.any():
            problems.append(
                f"{run}: expected places within the {volume} Å (x, y, z) of the tomogram, found "
                f"{np.count_nonzero(outside)} of {len(points)} outside{looks}"
            )
        elif looks:
            problems.append(f"{run}: expected places in Å within {volume} Å (x, y, z), found others{looks}")
    return problems


def _looks_like(points: Floats, size: Floats, voxel_size: float) -> str:
    """A guess at the mistake, or nothing."""
    if len(points) < 3:
        return ""
    low, high = points.min(axis=0), points.max(axis=0)
    if np.any(low < -0.1 * size) and np.all(low >= -0.52 * size) and np.all(high <= 0.52 * size):
        return "; these look like places from the tomogram's centre: add half its size"
    if np.all(low >= -_MARGIN * size) and high[0] <= size[2] * (1 + _MARGIN) < high[2] <= size[0] * (1 + _MARGIN):
        return "; these look like z, y, x: turn the columns round"
    share = float((high / size).max())
    if voxel_size > 1.5 and np.all(low >= 0) and share <= (1 + _MARGIN) / voxel_size:
        unit = "voxels or nanometres" if abs(voxel_size / 10 - 1) < 0.2 else "voxels"
        return f"; these look like {unit}: multiply by {voxel_size:g} Å"
    if np.all(low >= 0) and len(points) >= 10 and share <= (1 + _MARGIN) / 10:
        return "; these look like nanometres: multiply by 10"
    return ""
