"""What label events lead to: the state of every label, the labels it leaves, and the gold subset."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np

from tomoset.curation.label_events import LabelEvent, LabelItem, events_in_force
from tomoset.model import Labels, Picks

__all__ = ["LabelState", "ReviewedPicks", "apply_review", "gold_items", "replay_labels"]

ReviewWord = Literal["proposed", "accepted", "rejected", "uncertain"]

_WORDS: dict[str, ReviewWord] = {"accept": "accepted", "reject": "rejected", "uncertain": "uncertain"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelState:
    """What holds of one label now.

    Parameters
    ----------
    run : str
    item : LabelItem
    word : {"proposed", "accepted", "rejected", "uncertain"}
    locked : bool
    object_name : str
        Its class now.
    position_angstrom_xyz, rotation : tuple of float or None
        Where somebody has put it; None where it is as in its file.
    created : bool
        Whether an event made it; it is in no file.
    reason : str
        Of the last word.
    said_by : tuple of (actor, role)
        Everybody whose accept, reject or uncertain is in force, in the order they spoke; an earlier word of the same
        actor no longer counts.
    last : int
        Number of the last event in force.
    """

    run: str
    item: LabelItem
    word: ReviewWord = "proposed"
    locked: bool = False
    object_name: str
    position_angstrom_xyz: tuple[float, float, float] | None = None
    rotation: tuple[float, ...] | None = None
    created: bool = False
    reason: str = ""
    said_by: tuple[tuple[str, str], ...] = ()
    last: int = 0


def replay_labels(events: Iterable[LabelEvent]) -> dict[tuple[str, LabelItem], LabelState]:
    """State of every label that something was said of.

    Parameters
    ----------
    events : iterable of LabelEvent
        In the order they were written.

    Returns
    -------
    dict of (run, LabelItem) to LabelState
        Labels whose every event was taken back are not in it: they are as in their file.
    """
    states: dict[tuple[str, LabelItem], LabelState] = {}
    for event in events_in_force(events):
        key = (event.run, event.item)
        before = states.get(key) or LabelState(run=event.run, item=event.item, object_name=event.item.object_name)
        states[key] = _after(before, event)
    return states


def _after(state: LabelState, event: LabelEvent) -> LabelState:
    changed = replace(state, last=event.number or 0)
    if event.action in _WORDS:
        others = tuple(who for who in state.said_by if who[0] != event.actor)
        word = _WORDS[event.action]
        return replace(changed, word=word, reason=event.reason, said_by=(*others, (event.actor, event.role)))
    if event.action == "lock":
        return replace(changed, locked=True)
    return replace(
        changed,
        created=state.created or event.action == "create",
        object_name=event.object_name or state.object_name,
        position_angstrom_xyz=event.position_angstrom_xyz or state.position_angstrom_xyz,
        rotation=event.rotation or state.rotation,
    )


def gold_items(states: Mapping[tuple[str, LabelItem], LabelState]) -> tuple[LabelState, ...]:
    """The gold subset: labels that are accepted and locked, an expert among those who accepted."""
    return tuple(
        state
        for _, state in sorted(states.items())
        if state.word == "accepted" and state.locked and any(role == "expert" for _, role in state.said_by)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReviewedPicks:
    """Labels after review.

    Parameters
    ----------
    labels : Labels
        Everything that was not rejected and is not uncertain, moved and renamed as people said.
    uncertain : tuple of Picks
        Places that are to be ignored in training and scoring: nobody knows.
    rejected : tuple of Picks
    """

    labels: Labels
    uncertain: tuple[Picks, ...]
    rejected: tuple[Picks, ...]


def apply_review(
    labels: Labels,
    content: Mapping[str, str],
    states: Mapping[tuple[str, LabelItem], LabelState],
) -> ReviewedPicks:
    """Bring an author's picks to their present state.

    Parameters
    ----------
    labels : Labels
        As in their files.
    content : mapping of str to str
        Class -> :func:`content_hash` of its file: what was said of another content was said of other picks.
    states : mapping
        From :func:`replay_labels`; created labels of this author and round are added.

    Returns
    -------
    ReviewedPicks
    """
    sorted_out: dict[str, list[tuple[str, Picks]]] = {"kept": [], "uncertain": [], "rejected": []}
    for picks in labels.picks:
        for name, part, fate in _fates(labels, picks, content.get(picks.object_name, ""), states):
            sorted_out[fate].append((name, part))
    for _, state in sorted(states.items()):
        mine = state.run == labels.run and (state.item.user, state.item.session) == (labels.user, labels.session)
        if mine and state.created:
            sorted_out[_fate(state)].append((state.object_name, _created(state)))
    names = [picks.object_name for picks in labels.picks]
    return ReviewedPicks(
        labels=replace(labels, picks=_joined(sorted_out["kept"], names)),
        uncertain=_joined(sorted_out["uncertain"], []),
        rejected=_joined(sorted_out["rejected"], []),
    )


def _fate(state: LabelState) -> str:
    return state.word if state.word in {"uncertain", "rejected"} else "kept"


def _fates(
    labels: Labels, picks: Picks, content: str, states: Mapping[tuple[str, LabelItem], LabelState]
) -> list[tuple[str, Picks, str]]:
    """Parts of one class: those nobody spoke of, and each other pick by itself."""
    untouched, parts = [], []
    for index in range(len(picks)):
        state = None
        if content:
            item = LabelItem(
                user=labels.user,
                session=labels.session,
                object_name=picks.object_name,
                index=index,
                content=content,
            )
            state = states.get((labels.run, item))
        if state is None:
            untouched.append(index)
        else:
            parts.append((state.object_name, _moved(picks.select([index]), state), _fate(state)))
    return [(picks.object_name, picks.select(untouched), "kept"), *parts]


def _moved(pick: Picks, state: LabelState) -> Picks:
    out = pick
    if state.object_name != pick.object_name:
        # Scores, rivals and posteriors are of the class that the tool found, not of the one a person gave it.
        out = Picks(
            object_name=state.object_name,
            positions_angstrom_xyz=pick.positions_angstrom_xyz,
            rotations=pick.rotations,
            instance_ids=pick.instance_ids,
            orientation_known=pick.orientation_known,
            flags=pick.flags,
        )
    if state.position_angstrom_xyz is not None:
        out = replace(out, positions_angstrom_xyz=np.array([state.position_angstrom_xyz]))
    if state.rotation is not None:
        out = replace(out, rotations=np.reshape(state.rotation, (1, 3, 3)), orientation_known=None)
    return out


def _created(state: LabelState) -> Picks:
    return Picks(
        object_name=state.object_name,
        positions_angstrom_xyz=np.array([cast("tuple[float, float, float]", state.position_angstrom_xyz)]),
        rotations=None if state.rotation is None else np.reshape(state.rotation, (1, 3, 3)),
    )


def _joined(parts: Sequence[tuple[str, Picks]], names: Sequence[str]) -> tuple[Picks, ...]:
    """One set a class, in the order of ``names`` and then of appearance; classes without picks stay if named."""
    order = list(dict.fromkeys([*names, *(name for name, _ in parts)]))
    return tuple(_concatenated(name, [p for n, p in parts if n == name]) for name in order)


def _concatenated(name: str, parts: list[Picks]) -> Picks:
    filled = [p for p in parts if len(p)]
    if len(filled) <= 1:
        return filled[0] if filled else Picks(object_name=name, positions_angstrom_xyz=np.zeros((0, 3)))
    # What a person put here is as sure as the surest.
    return Picks(
        object_name=name,
        positions_angstrom_xyz=np.concatenate([p.positions_angstrom_xyz for p in filled]),
        scores=_column(filled, "scores", None),
        score_kind=next((p.score_kind for p in filled if p.score_kind), ""),
        margins=_column(filled, "margins", None),
        rivals=_column(filled, "rivals", ""),
        false_discovery_rates=_column(filled, "false_discovery_rates", 0.0),
        instance_ids=_column(filled, "instance_ids", 0),
        flags=_column(filled, "flags", 0),
        **_poses(filled),
        **_posteriors(filled),
    )


def _column(parts: list[Picks], name: str, default: float | str | None) -> Any:
    """One property of all parts; where a part has none, the default or the largest that any has."""
    given = [getattr(p, name) for p in parts]
    known = [g for g in given if g is not None]
    if not known:
        return None
    instead = max(float(g.max()) for g in known) if default is None else default
    return np.concatenate([np.full(len(p), instead) if g is None else g for p, g in zip(parts, given, strict=True)])


def _poses(parts: list[Picks]) -> dict[str, Any]:
    if all(p.rotations is None for p in parts):
        return {}
    rotations, known = [], []
    for p in parts:
        without = np.tile(np.eye(3), (len(p), 1, 1))
        rotations.append(without if p.rotations is None else p.rotations)
        said = p.orientation_known if p.orientation_known is not None else np.full(len(p), p.rotations is not None)
        known.append(said)
    all_known = np.concatenate(known)
    return {
        "rotations": np.concatenate(rotations),
        "orientation_known": None if all_known.all() else all_known,
    }


def _posteriors(parts: list[Picks]) -> dict[str, Any]:
    """Class posteriors where all parts have the same classes; a person's label has none, and then nobody's are kept."""
    classes = {p.posterior_classes for p in parts}
    if len(classes) != 1 or not next(iter(classes)):
        return {}
    return {
        "posterior_classes": next(iter(classes)),
        "posterior": np.concatenate([p.posterior for p in parts if p.posterior is not None]),
    }
