"""Which tomograms are for training, validation and the public and private tests.

Tomograms of one grid or microscope session share ice, defocus and protein batch, those of one specimen or cell the very
particles: a method that has seen one has an easier time with the other. They are therefore never divided.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from tomoset.errors import ParameterError

__all__ = ["SPLITS", "Split", "Splits", "TomogramOrigin", "check_splits", "make_splits"]

Split = Literal["train", "validation", "public-test", "private-test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_SHARES: dict[Split, float] = {"train": 0.6, "validation": 0.1, "public-test": 0.1, "private-test": 0.2}


@dataclass(frozen=True, slots=True, kw_only=True)
class TomogramOrigin:
    """Where a tomogram comes from.

    Parameters
    ----------
    run : str
    specimen : str
        The cell, lamella or piece of ice; two tomograms of it may overlap.
    session : str
        Grid and microscope session of a measured tomogram.
    simulation_seed : int or None
        Of a simulated one.

    Raises
    ------
    ParameterError
        If neither session nor seed is known: nobody could then keep like from like.
    """

    run: str
    specimen: str = ""
    session: str = ""
    simulation_seed: int | None = None

    def __post_init__(self) -> None:
        """Refuse a tomogram from nowhere."""
        if not self.session and self.simulation_seed is None:
            raise ParameterError(
                f"{self.run}: expected the grid or session it was recorded in, or the seed it was simulated with, "
                "found neither; splits keep such groups together"
            )

    @property
    def groups(self) -> tuple[str, ...]:
        """Everything that it must share its split with."""
        named = [("session", self.session), ("specimen", self.specimen)]
        seed = () if self.simulation_seed is None else (f"seed {self.simulation_seed}",)
        return (*(f"{what} {name}" for what, name in named if name), *seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Split of every tomogram.

    Parameters
    ----------
    of_run : dict of str to str
    seed : int
        By which groups were dealt out.
    """

    of_run: Mapping[str, Split] = field(default_factory=dict)
    seed: int = 0

    def runs(self, split: Split) -> tuple[str, ...]:
        """Tomograms of one split, sorted."""
        return tuple(sorted(run for run, where in self.of_run.items() if where == split))

    @property
    def digest(self) -> str:
        """SHA-256 of the list of tomograms and splits: says which version a score was made with."""
        text = "\n".join(f"{run} {split}" for run, split in sorted(self.of_run.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def make_splits(
    origins: Sequence[TomogramOrigin], *, shares: Mapping[Split, float] | None = None, seed: int = 0
) -> Splits:
    """Deal groups of tomograms out to splits.

    Parameters
    ----------
    origins : sequence of TomogramOrigin
    shares : mapping of str to float, optional
        Wanted share of tomograms; 60 % training, 10 % validation, 10 % public and 20 % private test unless told.
    seed : int
        Another seed deals otherwise; the same always the same, whatever the order of the tomograms.

    Returns
    -------
    Splits

    Raises
    ------
    ParameterError
        If a run occurs twice, shares make no sense, or there are fewer groups than splits with a share.

    Notes
    -----
    Groups are tomograms connected by a common specimen, session or seed. They are dealt out largest first, ties in an
    order that the seed shuffles, each to the split that lacks most; the smallest groups make sure that none is empty.
    """
    wanted = dict(_SHARES if shares is None else shares)
    if any(share < 0 for share in wanted.values()) or not sum(wanted.values()) > 0 or set(wanted) - set(SPLITS):
        raise ParameterError(f"shares: expected numbers of 0 or more for {', '.join(SPLITS)}, found {wanted}")
    wanted = {split: share / sum(wanted.values()) for split, share in wanted.items() if share > 0}
    groups = _connected(origins)
    if len(groups) < len(wanted):
        raise ParameterError(
            f"splits: expected at least {len(wanted)} independent groups of tomograms (sessions, specimens, seeds), "
            f"found {len(groups)}; record or simulate more, or ask for fewer splits"
        )
    groups.sort(key=lambda runs: (-len(runs), hashlib.sha256(f"{seed} {runs[0]}".encode()).hexdigest()))
    counts: dict[Split, int] = dict.fromkeys(wanted, 0)
    of_run: dict[str, Split] = {}
    for i, runs in enumerate(groups):
        left = len(groups) - i
        empty = [split for split, n in counts.items() if not n]
        open_to = empty if left <= len(empty) else list(counts)
        split = max(open_to, key=lambda one: (wanted[one] * len(origins) - counts[one], wanted[one]))
        counts[split] += len(runs)
        of_run |= dict.fromkeys(runs, split)
    return Splits(of_run=of_run, seed=seed)


def _connected(origins: Sequence[TomogramOrigin]) -> list[list[str]]:
    """Runs joined by any common group, each list sorted."""
    runs = [origin.run for origin in origins]
    twice = sorted({run for run in runs if runs.count(run) > 1})
    if twice:
        raise ParameterError(f"splits: expected every tomogram once, found {', '.join(twice)} twice")
    parent = {run: run for run in runs}

    def root(run: str) -> str:
        while parent[run] != run:
            run = parent[run]
        return run

    first: dict[str, str] = {}
    for origin in origins:
        for group in origin.groups:
            parent[root(origin.run)] = root(first.setdefault(group, origin.run))
    joined: dict[str, list[str]] = {}
    for run in sorted(runs):
        joined.setdefault(root(run), []).append(run)
    return list(joined.values())


def check_splits(splits: Splits, origins: Sequence[TomogramOrigin]) -> list[str]:
    """What is wrong with splits that somebody else made; an empty list when nothing is.

    Tomograms without a split, splits of tomograms that are not there, and groups that lie in more than one.
    """
    runs = {origin.run for origin in origins}
    problems = [f"expected a split for {run}, found none" for run in sorted(runs - set(splits.of_run))]
    problems += [f"expected a tomogram {run}, found none" for run in sorted(set(splits.of_run) - runs)]
    places: dict[str, set[str]] = {}
    for origin in origins:
        if origin.run in splits.of_run:
            for group in origin.groups:
                places.setdefault(group, set()).add(splits.of_run[origin.run])
    return problems + [
        f"expected all tomograms of {group} in one split, found them in {', '.join(sorted(found))}"
        for group, found in sorted(places.items())
        if len(found) > 1
    ]
