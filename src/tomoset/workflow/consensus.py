"""Several authors' labels of a project to one set, kept with the votes it was made from."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.annotation import (
    Completeness,
    Consensus,
    ConsensusParams,
    TransferParams,
    completeness_of_consensus,
    reach_consensus,
    transfer_labels,
)
from tomoset.annotation.consensus import staple
from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.atomic import write_json_atomic, write_text_atomic
from tomoset.formats.copick_layout import sidecar_path
from tomoset.model import InMemory, Labels, Progress, Resources, Segmentation, Silent
from tomoset.workflow.label_files import save_labels
from tomoset.workflow.label_origin import frame_key, labels_of, parse_author, save_origin
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.recipe import Recipe

__all__ = ["MadeConsensus", "make_consensus"]

_FOLDER = "Votes"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MadeConsensus:
    """What :func:`make_consensus` has written.

    Parameters
    ----------
    consensus : Consensus
        Its labels carry the author under which they were saved.
    completeness : tuple of Completeness
        Of each class; empty where no run was labeled by all.
    files : tuple of Path
    """

    consensus: Consensus
    completeness: tuple[Completeness, ...]
    files: tuple[Path, ...]

    def lines(self) -> list[str]:
        """What a person wants to read in the terminal."""
        out = []
        for labels in self.consensus.labels:
            counts = ", ".join(f"{len(p)} {p.object_name}" for p in labels.picks if len(p)) or "nothing"
            votes = f"{labels.notes['mean_votes_of_picks']:.1f} votes a pick"
            out.append(f"{labels.run}: {counts} ({labels.user}/{labels.session}, {votes})")
        for each in self.consensus.annotators:
            found = ", ".join(f"{name} {share:.0%}" for name, share in each.sensitivity.items())
            error = f"{each.position_error_angstrom:.1f} Å per axis"
            out.append(f"{each.user}/{each.session}: finds {found}; {each.false_share:.0%} of its picks false; {error}")
        for pair in self.consensus.agreement:
            names = f"{'/'.join(pair.first)} and {'/'.join(pair.second)}"
            out.append(f"{names}: kappa {pair.kappa:.2f}, {pair.n_both} of {pair.n_first} and {pair.n_second} shared")
        for item in self.completeness:
            if math.isfinite(item.estimate):
                span = f"{item.low:.0f} to {item.high:.0f}"
                out.append(f"{item.object_name}: {item.n_seen} seen of an estimated {item.estimate:.0f} ({span})")
        warnings = [*self.consensus.warnings, *(w for item in self.completeness for w in item.warnings)]
        return [*out, *(f"note: {warning}" for warning in dict.fromkeys(warnings))]


def make_consensus(
    layout: ProjectLayout,
    recipe: Recipe,
    sources: Sequence[str],
    *,
    params: ConsensusParams | None = None,
    user: str = "consensus",
    session: str = "1",
    only: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> MadeConsensus:
    """Join several authors' labels of every run and save the result.

    Parameters
    ----------
    layout : ProjectLayout
    recipe : Recipe
        Gives the classes.
    sources : sequence of str
        ``USER/SESSION`` of each; two or more.
    params : ConsensusParams or None
    user, session : str
        Under which the consensus is saved; what was there is replaced.
    only : tuple of str
        Runs; all when empty.
    progress : Progress or None

    Returns
    -------
    MadeConsensus
        Beside the labels, every run has a table of all votes (``Votes/USER_SESSION_votes.csv``) and the authors'
        reliabilities, agreement and completeness (``…_report.json``).

    Raises
    ------
    ParameterError
        If there are fewer than two sources, one is named twice, or one is the consensus itself.
    InputMissingError
        If a source has no labels in any run.
    GeometryError
        If sources made in different tomograms cannot be brought together.
    """
    authors = _authors(sources, user, session)
    objects = tuple(item for item in recipe.pickable_objects() if item.is_particle)
    names = tuple(item.name for item in objects)
    gathered: dict[str, list[Labels]] = {}
    frames = {}
    for run in (r for r in planned_runs(layout, recipe) if not only or r in only):
        sets, frame = _of_run(layout, run, authors, names)
        if len(sets) > 1 and frame is not None:
            gathered[run], frames[run] = sets, frame
    _check_all_there(gathered, authors)
    every = [labels for sets in gathered.values() for labels in sets]
    volumes = {run: float(np.prod(frame.grid.size_angstrom_xyz)) for run, frame in frames.items()}
    consensus = reach_consensus(
        every,
        objects,
        params or ConsensusParams(),
        volumes_angstrom3=volumes,
        resources=Resources(),
        progress=progress or Silent(),
    )
    made = tuple(
        replace(labels, user=user, session=session, segmentations=_masks(gathered[labels.run]))
        for labels in consensus.labels
    )
    consensus = replace(consensus, labels=made)
    by_all = any(len(sets) == len(authors) for sets in gathered.values())
    completeness = completeness_of_consensus(consensus, objects) if by_all else ()
    files: list[Path] = []
    for labels, votes in zip(made, consensus.votes, strict=True):
        files += [*save_labels(layout, labels), save_origin(layout, labels, frames[labels.run])]
        files.append(_save_votes(layout, labels, votes.rows()))
        files.append(_save_report(layout, labels, consensus, completeness))
    return MadeConsensus(consensus=consensus, completeness=completeness, files=tuple(files))


def _authors(sources: Sequence[str], user: str, session: str) -> tuple[tuple[str, str], ...]:
    authors = tuple(parse_author(source, "--from") for source in sources)
    if len(authors) < 2 or len(set(authors)) < len(authors):
        raise ParameterError(
            f"--from: expected two or more different USER/SESSION, found {', '.join(sources) or 'none'}; "
            "give --from once for each"
        )
    if (user, session) in authors:
        raise ParameterError(f"--from: {user}/{session} is where the consensus goes; it cannot vote on itself")
    return authors


def _of_run(layout: ProjectLayout, run: str, authors: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> Any:
    """All authors' labels of a run in the frame of the first who has some, and that frame."""
    sets: list[Labels] = []
    frame = None
    for user, session in authors:
        found = labels_of(layout, run, user, session, names)
        if found is None:
            continue
        labels, origin = found
        if frame is None:
            frame = origin
        elif frame_key(origin) != frame_key(frame):
            labels = transfer_labels(labels, origin, frame, TransferParams())
        sets.append(labels)
    return sets, frame


def _check_all_there(gathered: dict[str, list[Labels]], authors: tuple[tuple[str, str], ...]) -> None:
    there = {(labels.user, labels.session) for sets in gathered.values() for labels in sets}
    absent = [f"{user}/{session}" for user, session in authors if (user, session) not in there]
    if absent:
        raise InputMissingError(
            f"expected labels by {', '.join(absent)} in a run that another source has labeled too, found none; "
            "`tomoset status` lists what there is"
        )


def _masks(sets: list[Labels]) -> tuple[Segmentation, ...]:
    """Semantic masks of one name that two or more have drawn on one grid, joined."""
    by_name: dict[str, list[Segmentation]] = {}
    for labels in sets:
        for mask in labels.segmentations:
            if mask.kind == "semantic":
                by_name.setdefault(mask.name, []).append(mask)
    joined = []
    for name, masks in by_name.items():
        alike = [m for m in masks if m.mask_zyx.shape == masks[0].mask_zyx.shape]
        if len(alike) > 1:
            found = staple([np.asarray(m.mask_zyx.read()) for m in alike])
            joined.append(replace(masks[0], name=name, mask_zyx=InMemory(found.mask_zyx)))
    return tuple(joined)


def _save_votes(layout: ProjectLayout, labels: Labels, rows: list[dict[str, str | int | float]]) -> Path:
    path = sidecar_path(layout.root, labels.run, _FOLDER, labels.user, labels.session, "votes").with_suffix(".csv")
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(path, text.getvalue())
    return path


def _save_report(
    layout: ProjectLayout, labels: Labels, consensus: Consensus, completeness: tuple[Completeness, ...]
) -> Path:
    path = sidecar_path(layout.root, labels.run, _FOLDER, labels.user, labels.session, "report")
    document = {
        "method": labels.method,
        "notes": labels.notes,
        "annotators": [
            {**asdict(replace(each, confusion=np.zeros(0))), "confusion": np.round(each.confusion, 5).tolist()}
            for each in consensus.annotators
        ],
        "classes": list(consensus.votes[0].names),
        "agreement": [asdict(pair) for pair in consensus.agreement],
        "completeness": [asdict(item) for item in completeness],
        "warnings": list(consensus.warnings),
    }
    return write_json_atomic(path, _without_nan(document))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, np.ndarray):
        return _without_nan(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
