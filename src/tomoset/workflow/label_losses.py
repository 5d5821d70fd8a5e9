"""What each format can hold, and what is therefore lost in writing it: nothing is dropped without a word."""

from collections.abc import Sequence
from dataclasses import dataclass

from tomoset.workflow.label_exchange import Frame

__all__ = ["HOLDS", "Holding", "losses"]

_EVIDENCE = {
    "margins": "margins",
    "rivals": "rivals",
    "posterior": "posteriors",
    "false_discovery_rates": "false-discovery rates",
    "orientation_known": "which orientations are known",
    "flags": "flags",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a format holds.

    Parameters
    ----------
    parts : str
        Of picks, filaments, masks and membranes, blank between.
    per_pick : str
        Of rotations, scores, instances and evidence, blank between.
    many_classes, many_runs : bool
        Whether one file may hold several.
    about : bool
        Whether method and notes have a place.
    """

    parts: str
    per_pick: str = ""
    many_classes: bool = False
    many_runs: bool = False
    about: bool = False


_TABLE = Holding(parts="picks", per_pick="rotations scores instances")
HOLDS = {
    "project": Holding(
        parts="picks filaments masks membranes",
        per_pick="rotations scores instances evidence",
        many_classes=True,
        many_runs=True,
        about=True,
    ),
    "copick": Holding(parts="picks", per_pick="rotations scores instances evidence"),
    "portal": Holding(parts="picks", per_pick="rotations instances", about=True),
    "relion5": Holding(parts="picks", per_pick="rotations scores instances", many_runs=True),
    "relion4": Holding(parts="picks", per_pick="rotations scores instances", many_runs=True),
    "stopgap": _TABLE,
    "dynamo": _TABLE,
    "tom": _TABLE,
    "eman2": Holding(parts="picks", per_pick="scores", many_classes=True),
    "cbox": Holding(parts="picks", per_pick="scores"),
    "imod": Holding(parts="picks filaments", many_classes=True),
    "csv": Holding(parts="picks", per_pick="rotations scores instances evidence", many_classes=True, many_runs=True),
    "filaments": Holding(parts="filaments"),
    "amira": Holding(parts="masks"),
    "amira-graph": Holding(parts="filaments"),
    "mrc": Holding(parts="masks"),
    "zarr": Holding(parts="masks"),
    "mesh": Holding(parts="membranes"),
}
"""By format; ``project`` is a whole copick project, ``copick`` one of its picks files."""

# Beyond curve, class and number: IMOD and Amira keep the radius too.
_CURVE_ONLY = ("imod", "amira-graph")


def losses(frames: Sequence[Frame], kind: str) -> list[str]:
    """What a format will not hold of these labels, a sentence each."""
    holding = HOLDS[kind]
    parts, per_pick = holding.parts.split(), holding.per_pick.split()
    said = _lost_parts(frames, parts, kind)
    if "picks" in parts:
        dropped = [word for word in _per_pick(frames) if word not in per_pick]
        if "evidence" in dropped:
            dropped = [*(word for word in dropped if word != "evidence"), *_evidence(frames)]
        if dropped:
            said.append(f"{', '.join(dropped)} dropped: {kind} holds none")
    if "filaments" in parts and kind in _CURVE_ONLY and any(_is_more_than_a_curve(frame) for frame in frames):
        said.append(f"polarity, helical step, ends and scores of filaments dropped: {kind} holds curves and radii")
    if not holding.about and any(frame.labels.method or frame.labels.notes for frame in frames):
        said.append("how they were made is not said in the file")
    return said


def _lost_parts(frames: Sequence[Frame], parts: list[str], kind: str) -> list[str]:
    counts = {
        "picks": sum(len(picks) for frame in frames for picks in frame.labels.picks),
        "masks": sum(len(frame.labels.segmentations) for frame in frames),
        "filaments": sum(len(frame.labels.filaments) for frame in frames),
        "membranes": sum(len(frame.labels.membranes) for frame in frames),
    }
    said = []
    for part, count in counts.items():
        if not count or part in parts:
            continue
        if part == "filaments" and "picks" in parts:
            said.append(f"{count} filaments written as their control points: {kind} holds no curves")
        else:
            said.append(f"{count} {part} left out: {kind} holds none")
    return said


def _per_pick(frames: Sequence[Frame]) -> list[str]:
    sets = [picks for frame in frames for picks in frame.labels.picks]
    words = {
        "rotations": any(picks.rotations is not None for picks in sets),
        "scores": any(picks.scores is not None for picks in sets),
        "instances": any(picks.instance_ids is not None for picks in sets),
        "evidence": bool(_evidence(frames)),
    }
    return [word for word, there in words.items() if there]


def _evidence(frames: Sequence[Frame]) -> list[str]:
    sets = [picks for frame in frames for picks in frame.labels.picks]
    words = [word for name, word in _EVIDENCE.items() if any(getattr(picks, name) is not None for picks in sets)]
    kinds = sorted({picks.score_kind for picks in sets} - {""})
    return words + [f"that scores are {kind}" for kind in kinds]


def _is_more_than_a_curve(frame: Frame) -> bool:
    return any(
        each.polarity or each.rise_angstrom is not None or each.scores is not None or each.inferred is not None
        for each in frame.labels.filaments
    )
