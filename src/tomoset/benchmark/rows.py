"""Picks as a table of one row each, the shape in which challenges exchange them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.model import Labels, Picks

__all__ = ["PickRows", "labels_from_rows", "rows_from_labels"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PickRows:
    """One pick a row.

    Parameters
    ----------
    experiments, particle_types : (n,) array of str
        Tomogram and class of each.
    positions_angstrom_xyz : (n, 3) array of float64
        Volume frame, Å.
    scores : (n,) array of float64 or None
        Larger is surer.
    """

    experiments: NDArray[np.str_]
    particle_types: NDArray[np.str_]
    positions_angstrom_xyz: NDArray[np.float64]
    scores: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        """Bring everything to its type and check lengths."""
        for name in ("experiments", "particle_types"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.str_).reshape(-1))
        positions = np.asarray(self.positions_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        object.__setattr__(self, "positions_angstrom_xyz", positions)
        if self.scores is not None:
            object.__setattr__(self, "scores", np.asarray(self.scores, dtype=np.float64).reshape(-1))
        lengths = {len(self.experiments), len(self.particle_types), len(positions)}
        if self.scores is not None:
            lengths.add(len(self.scores))
        if len(lengths) > 1:
            raise GeometryError(f"table of picks: expected columns of one length, found {sorted(lengths)}")

    def __len__(self) -> int:
        """Number of picks."""
        return len(self.positions_angstrom_xyz)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "PickRows":
        """Return some of the rows."""
        return PickRows(
            experiments=self.experiments[which],
            particle_types=self.particle_types[which],
            positions_angstrom_xyz=self.positions_angstrom_xyz[which],
            scores=None if self.scores is None else self.scores[which],
        )


def rows_from_labels(labels: Sequence[Labels]) -> PickRows:
    """Table of the picks of several tomograms; scores are kept where every pick has one."""
    each = [(item.run, picks) for item in labels for picks in item.picks if len(picks)]
    scores = [picks.scores for _, picks in each if picks.scores is not None]
    return PickRows(
        experiments=np.array([run for run, picks in each for _ in range(len(picks))], dtype=np.str_),
        particle_types=np.array([picks.object_name for _, picks in each for _ in range(len(picks))], dtype=np.str_),
        positions_angstrom_xyz=np.concatenate([np.zeros((0, 3)), *(picks.positions_angstrom_xyz for _, picks in each)]),
        scores=np.concatenate(scores) if scores and len(scores) == len(each) else None,
    )


def labels_from_rows(
    rows: PickRows, *, user: str, session: str, voxel_size_angstrom: float, claimed: Sequence[str] = ()
) -> list[Labels]:
    """Labels of each tomogram of a table, with an entry for every class that the table names anywhere.

    Parameters
    ----------
    rows : PickRows
    user, session : str
        Author and round to put on them.
    voxel_size_angstrom : float
    claimed : sequence of str
        More classes that were looked for, though none was found.
    """
    names = sorted({*rows.particle_types.tolist(), *claimed})
    made = []
    for run in sorted(set(rows.experiments.tolist())):
        picks = []
        for name in names:
            mine = rows.select((rows.experiments == run) & (rows.particle_types == name))
            picks.append(
                Picks(object_name=name, positions_angstrom_xyz=mine.positions_angstrom_xyz, scores=mine.scores)
            )
        made.append(
            Labels(run=run, user=user, session=session, voxel_size_angstrom=voxel_size_angstrom, picks=tuple(picks))
        )
    return made
