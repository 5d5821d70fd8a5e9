"""Move one author's labels of every run to another tomogram of the same series, in this project or another."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from tomoset.annotation import TomogramFrame, TransferParams, transfer_labels
from tomoset.errors import InputMissingError, ParameterError
from tomoset.model import Labels
from tomoset.workflow.label_files import find_voxel_sizes, save_labels
from tomoset.workflow.label_origin import current_frame, frame_key, labels_of, parse_author, save_origin
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import planned_runs
from tomoset.workflow.recipe import Recipe

__all__ = ["MovedLabels", "move_labels"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovedLabels:
    """Labels of one run in their new place.

    Parameters
    ----------
    labels : Labels
    was_current : bool
        Whether they were in the target's frame already.
    files : tuple of Path
    """

    labels: Labels
    was_current: bool
    files: tuple[Path, ...]

    def line(self) -> str:
        """What a person wants to read."""
        labels, notes = self.labels, self.labels.notes
        n = sum(map(len, labels.picks))
        parts = [f"{n} picks", f"{len(labels.filaments)} filaments", f"{len(labels.membranes)} membranes"]
        parts += [f"{len(labels.segmentations)} masks"]
        what = ", ".join(part for part in parts if not part.startswith("0 ")) or "nothing"
        if self.was_current:
            return f"{labels.run}: {what} were made in this tomogram already"
        lost = int(notes["outside_the_volume"])
        outside = f"; {lost} lie outside and were left" if lost else ""
        return (
            f"{labels.run}: {what} moved to {labels.voxel_size_angstrom:g} Å as {labels.user}/{labels.session}, "
            f"remaining error {notes['transfer_error_angstrom']:.1f} Å rms (local corrections "
            f"{notes['transfer_local_angstrom']:.1f} Å){outside}"
        )


def move_labels(
    layout: ProjectLayout,
    recipe: Recipe,
    source: str,
    *,
    target: ProjectLayout | None = None,
    to_tomogram: str = "",
    session: str = "",
    params: TransferParams | None = None,
    only: tuple[str, ...] = (),
) -> tuple[MovedLabels, ...]:
    """Move labels to the tomograms of a voxel size and kind.

    Parameters
    ----------
    layout : ProjectLayout
        Where the labels are.
    recipe : Recipe
    source : str
        ``USER/SESSION``.
    target : ProjectLayout or None
        Project with the other tomograms of the same runs; the labels' own when None.
    to_tomogram : str
        ``VOXEL`` or ``VOXEL/KIND`` such as ``13.333/wbp``; the only voxel size there is when empty.
    session : str
        Under which they are saved there; ``SESSION-moved`` when empty.
    params : TransferParams or None
    only : tuple of str
        Runs; all when empty.

    Returns
    -------
    tuple of MovedLabels
        One a run that has labels; those that are in the target's frame already are left where they are.

    Raises
    ------
    InputMissingError
        If no run has labels by this author, or a tomogram is missing.
    ParameterError
        If the tomogram is not named clearly, or the labels would be written over themselves.
    GeometryError
        If they cannot be moved, or not well enough.
    """
    user, own_session = parse_author(source, "--from")
    there = target or layout
    new_session = session or f"{own_session}-moved"
    if there.root == layout.root and new_session == own_session:
        raise ParameterError(
            f"--session: expected another session than {own_session}, whose labels are kept as they are"
        )
    moved = []
    for run in (r for r in planned_runs(layout, recipe) if not only or r in only):
        found = labels_of(layout, run, user, own_session)
        if found is None:
            continue
        labels, origin = found
        frame = _target_frame(there, run, to_tomogram)
        if frame_key(origin) == frame_key(frame) and there.root == layout.root:
            moved.append(MovedLabels(labels=labels, was_current=True, files=()))
            continue
        carried = replace(transfer_labels(labels, origin, frame, params or TransferParams()), session=new_session)
        files = [*save_labels(there, carried), save_origin(there, carried, frame)]
        moved.append(MovedLabels(labels=carried, was_current=False, files=tuple(files)))
    if not moved:
        raise InputMissingError(f"--from: expected labels by {source} in {layout.root}, found none in any run")
    return tuple(moved)


def _target_frame(layout: ProjectLayout, run: str, to_tomogram: str) -> TomogramFrame:
    available = find_voxel_sizes(layout, run)
    if not to_tomogram:
        if len(available) > 1:
            listed = ", ".join(f"{size:g}" for size in available)
            raise ParameterError(
                f"--to-tomogram: expected one of {listed} (Å), found none; {run} has several tomograms"
            )
        return current_frame(layout, run, available[0])
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/([A-Za-z0-9.-]+))?", to_tomogram)
    if match is None:
        raise ParameterError(f"--to-tomogram: expected VOXEL or VOXEL/KIND such as 10/wbp, found {to_tomogram!r}")
    size = next((known for known in available if abs(known - float(match[1])) < 0.01 * known), None)
    if size is None:
        listed = ", ".join(f"{known:g}" for known in available)
        raise InputMissingError(f"{run}: expected a tomogram of {match[1]} Å, found those of {listed} Å")
    return current_frame(layout, run, size, match[2] or "")
