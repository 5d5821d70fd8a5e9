"""How far two annotators agree: F1 of one against the other, and Cohen's kappa over all places."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tomoset.annotation.consensus.votes import VoteTable

__all__ = ["AgreementOfPair", "agreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementOfPair:
    """Two annotators.

    Parameters
    ----------
    first, second : tuple of (user, session)
    n_first, n_second, n_both : int
        Picks of each in the runs that both looked at, and sites that both marked.
    f1 : dict of str to float
        Of each class: 2 × sites that both gave this class over all their picks of it; NaN where neither has any.
    kappa : float
        Cohen's: agreement on class or nothing at all places of the volume, beyond chance. NaN when nothing was marked.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    n_first: int
    n_second: int
    n_both: int
    f1: dict[str, float]
    kappa: float


def agreement(
    tables: Sequence[VoteTable], annotators: Sequence[tuple[str, str]], places: Sequence[float]
) -> tuple[AgreementOfPair, ...]:
    """Agreement of every two annotators over the runs that both looked at.

    Parameters
    ----------
    tables : sequence of VoteTable
        With sites.
    annotators : sequence of (user, session)
    places : sequence of float
        Number of places of each run at which there might have been a vote.
    """
    return tuple(_pair(a, b, tables, places) for a, b in combinations(annotators, 2))


def _pair(
    first: tuple[str, str], second: tuple[str, str], tables: Sequence[VoteTable], places: Sequence[float]
) -> AgreementOfPair:
    names = tables[0].names
    nothing = len(names)
    counts = np.zeros((nothing + 1, nothing + 1))
    for table, n_places in zip(tables, places, strict=True):
        if first not in table.annotators or second not in table.annotators:
            continue
        said = np.full((2, table.n_sites), nothing)
        for row, who in enumerate((first, second)):
            mine = table.annotator == table.annotators.index(who)
            said[row, table.site[mine]] = table.vote[mine]
        np.add.at(counts, (said[0], said[1]), 1.0)
        counts[nothing, nothing] += n_places - table.n_sites
    of_first, of_second = counts.sum(axis=1), counts.sum(axis=0)
    total = counts.sum()
    chance = float(of_first @ of_second) / total**2 if total else 1.0
    with np.errstate(invalid="ignore"):
        f1 = 2 * np.diag(counts)[:-1] / (of_first + of_second)[:-1]
    return AgreementOfPair(
        first=first,
        second=second,
        n_first=round(of_first[:-1].sum()),
        n_second=round(of_second[:-1].sum()),
        n_both=round(counts[:-1, :-1].sum()),
        f1={name: float(value) for name, value in zip(names, f1, strict=True)},
        kappa=float((np.trace(counts) / total - chance) / (1 - chance)) if chance < 1 and total else float("nan"),
    )
