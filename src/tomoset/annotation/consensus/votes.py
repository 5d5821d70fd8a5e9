"""The raw votes: every pick of every annotator, which site it was taken for, and how far off it lies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Labels, PickableObject

__all__ = ["VoteTable", "gather_votes"]

Annotator = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoteTable:
    """All picks of one tomogram in one table; nothing is left out, whatever the consensus makes of it.

    Parameters
    ----------
    run : str
    annotators : tuple of (user, session)
        Who looked at this tomogram.
    names : tuple of str
        The classes.
    annotator : (n,) array of int
        Whose vote it is.
    vote : (n,) array of int
        For which class.
    index : (n,) array of int
        Row of the pick among the annotator's picks of this class.
    positions_angstrom_xyz : (n, 3) array of float64
    rotations : (n, 3, 3) array of float64
        Identity where it is not known.
    oriented : (n,) array of bool
    scores : (n,) array of float64
        NaN where there is none.
    flags : (n,) array of uint32
    site : (n,) array of int
        Which site it was taken for; empty before the sites are known.
    consensus_class : (s,) array of int
        Class of the consensus pick of each site; −1 where nothing was kept.
    consensus_index : (s,) array of int
        Row of that pick among the consensus picks of its class.
    posterior : (s, k) array of float64
        Probability of each class at each site.
    distance_angstrom : (n,) array of float64
        From the vote to its site's mean position.
    """

    run: str
    annotators: tuple[Annotator, ...]
    names: tuple[str, ...]
    annotator: NDArray[np.intp]
    vote: NDArray[np.intp]
    index: NDArray[np.intp]
    positions_angstrom_xyz: NDArray[np.float64]
    rotations: NDArray[np.float64]
    oriented: NDArray[np.bool_]
    scores: NDArray[np.float64]
    flags: NDArray[np.uint32]
    site: NDArray[np.intp]
    consensus_class: NDArray[np.intp]
    consensus_index: NDArray[np.intp]
    posterior: NDArray[np.float64]
    distance_angstrom: NDArray[np.float64]

    @property
    def n_sites(self) -> int:
        """Number of different places that got votes."""
        return int(self.site.max(initial=-1)) + 1

    @property
    def votes_of_site(self) -> NDArray[np.intp]:
        """Number of votes (s,) of each site."""
        return np.bincount(self.site, minlength=self.n_sites).astype(np.intp)

    def rows(self) -> list[dict[str, str | int | float]]:
        """The table as plain values, one row a vote."""
        out: list[dict[str, str | int | float]] = []
        for i in range(len(self.vote)):
            user, session = self.annotators[self.annotator[i]]
            site, name = int(self.site[i]), self.names[self.vote[i]]
            kept = int(self.consensus_class[site])
            x, y, z = (round(float(v), 3) for v in self.positions_angstrom_xyz[i])
            row = {"user": user, "session": session, "object": name, "index": int(self.index[i])}
            row |= {"x_angstrom": x, "y_angstrom": y, "z_angstrom": z}
            row |= {"score": "" if np.isnan(self.scores[i]) else float(self.scores[i]), "site": site}
            row |= {"consensus": "" if kept < 0 else f"{self.names[kept]}/{int(self.consensus_index[site])}"}
            row |= {"distance_angstrom": round(float(self.distance_angstrom[i]), 3)}
            out.append(row)
        return out


def gather_votes(run: str, labels: Sequence[Labels], objects: Sequence[PickableObject]) -> VoteTable:
    """Put all annotators' picks of one tomogram into one table, without sites yet."""
    names = tuple(item.name for item in objects)
    parts = []
    for annotator, each in enumerate(labels):
        for vote, name in enumerate(names):
            picks = each.of(name)
            n = len(picks)
            known = np.zeros(n, np.bool_) if picks.rotations is None else np.ones(n, np.bool_)
            if picks.rotations is not None and picks.orientation_known is not None:
                known = picks.orientation_known
            parts.append(
                (
                    np.full(n, annotator),
                    np.full(n, vote),
                    np.arange(n),
                    picks.positions_angstrom_xyz,
                    np.tile(np.eye(3), (n, 1, 1)) if picks.rotations is None else picks.rotations,
                    known,
                    np.full(n, np.nan) if picks.scores is None else picks.scores,
                    np.zeros(n, np.uint32) if picks.flags is None else picks.flags,
                )
            )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    n = len(columns[0])
    return VoteTable(
        run=run,
        annotators=tuple((each.user, each.session) for each in labels),
        names=names,
        annotator=columns[0].astype(np.intp),
        vote=columns[1].astype(np.intp),
        index=columns[2].astype(np.intp),
        positions_angstrom_xyz=columns[3],
        rotations=columns[4],
        oriented=columns[5],
        scores=columns[6],
        flags=columns[7],
        site=np.zeros(0, np.intp),
        consensus_class=np.zeros(0, np.intp),
        consensus_index=np.zeros(0, np.intp),
        posterior=np.zeros((0, len(names))),
        distance_angstrom=np.zeros(n),
    )
