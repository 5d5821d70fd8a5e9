"""What `tomoset check` says of labels: conflicts, labels of tomograms that are no longer there, wrong grids."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from tomoset.annotation import TomogramFrame
from tomoset.annotation.conflicts import Finding, find_conflicts, find_disagreeing_poses, find_obstructed
from tomoset.errors import TomosetError
from tomoset.model import Labels
from tomoset.workflow.label_files import find_voxel_sizes
from tomoset.workflow.label_origin import authors_of, current_frame, frame_key, labels_of, load_origin
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import make_plan
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.records import read_record
from tomoset.workflow.series_files import load_series

__all__ = ["label_findings", "shortened"]

_SHOWN = 10
_VOXEL_TOLERANCE = 1e-3
_OWN = ("tomoset", "templates")


def label_findings(layout: ProjectLayout, recipe: Recipe, run: str) -> list[Finding]:
    """Everything that is wrong with the labels of a run, whoever made them.

    Looks for: labels made in another tomogram than the one that is there now, or by a step whose inputs have changed;
    picks outside the volume, doubled, of two classes at one site, on gold, film or ice contamination; poses that do
    not agree with the symmetry or between authors; individuals without a trace; masks on another grid.
    """
    objects = recipe.pickable_objects()
    found = list(_stale_by_key(layout, recipe, run))
    made: list[tuple[Labels, TomogramFrame]] = []
    for user, session in authors_of(layout, run):
        try:
            each = labels_of(layout, run, user, session)
        except TomosetError as error:
            found.append(_of_set(run, f"{user}/{session}", "unreadable", str(error), "mend or remove these labels"))
            continue
        if each is not None:
            made.append(each)
            found += _stale_by_frame(layout, *each)
    for labels, frame in made:
        found += find_conflicts(labels, objects, frame)
        found += _masks_on_other_grids(labels, frame)
        found += _obstructed(layout, labels, frame)
    for (first, frame), (second, other) in combinations(made, 2):
        if frame_key(frame) == frame_key(other):
            found += find_disagreeing_poses(first, second, objects)
    return found


def _of_set(run: str, author: str, kind: str, problem: str, advice: str, object_name: str = "labels") -> Finding:
    return Finding(run=run, author=author, object_name=object_name, kind=kind, problem=problem, advice=advice)


def _stale_by_key(layout: ProjectLayout, recipe: Recipe, run: str) -> Iterator[Finding]:
    """The step's own labels, when it would run again: what they were made from has changed."""
    if read_record(layout, "annotate", run) is None or _OWN not in authors_of(layout, run):
        return
    step = next((s for s in make_plan(layout, recipe, only=(run,)) if s.step.name == "annotate"), None)
    if step is not None and step.state == "to do":
        yield _of_set(
            run, "/".join(_OWN), "stale", f"are no longer current ({step.why})", "`tomoset run` makes them anew"
        )


def _stale_by_frame(layout: ProjectLayout, labels: Labels, frame: TomogramFrame) -> Iterator[Finding]:
    """Labels whose tomogram has been made anew with another alignment or shape since."""
    author = f"{labels.user}/{labels.session}"
    sizes = find_voxel_sizes(layout, labels.run)
    voxel = frame.grid.voxel_size_angstrom
    size = next((s for s in sizes if abs(s / voxel - 1) <= _VOXEL_TOLERANCE), None)
    if size is None:
        yield _of_set(
            labels.run,
            author,
            "voxel size",
            f"were made in a tomogram of {voxel:g} Å, of which there is none ({', '.join(f'{s:g}' for s in sizes)} Å)",
            "move them to one that is there (`tomoset transfer`)",
        )
    elif load_origin(layout, labels.run, labels.user, labels.session) is not None:
        now = current_frame(layout, labels.run, size)
        if frame_key(now) != frame_key(frame):
            yield _of_set(
                labels.run,
                author,
                "stale",
                f"were made in an earlier tomogram of {voxel:g} Å, with another alignment or shape",
                "move them to the one that is there now (`tomoset transfer`)",
            )


def _masks_on_other_grids(labels: Labels, frame: TomogramFrame) -> Iterator[Finding]:
    author = f"{labels.user}/{labels.session}"
    voxel = frame.grid.voxel_size_angstrom
    for mask in labels.segmentations:
        if abs(mask.voxel_size_angstrom / voxel - 1) > _VOXEL_TOLERANCE:
            problem = f"is a mask of {mask.voxel_size_angstrom:g} Å voxels on a tomogram of {voxel:g} Å"
        elif tuple(mask.mask_zyx.shape) != frame.grid.shape_zyx:
            problem = f"is a mask of {mask.mask_zyx.shape} voxels on a tomogram of {frame.grid.shape_zyx}"
        else:
            continue
        yield _of_set(labels.run, author, "mask grid", problem, "export the mask on the tomogram's own grid", mask.name)


def _obstructed(layout: ProjectLayout, labels: Labels, frame: TomogramFrame) -> list[Finding]:
    """By the masks that curation has drawn over the images."""
    folder = layout.series(labels.run)
    if not (folder / "series.json").is_file():
        return []
    series = load_series(folder, "series.json")
    if series.masks_nyx is None or len(series.tilts) != frame.geometry.n_tilts:
        return []
    ny, nx = series.images_nyx.shape[1:]
    pixel = series.pixel_size_angstrom
    return find_obstructed(
        labels,
        frame,
        np.asarray(series.masks_nyx, dtype=np.bool_),
        (nx * pixel, ny * pixel),
        ((nx // 2 + 0.5) * pixel, (ny // 2 + 0.5) * pixel),
    )


def shortened(findings: list[Finding]) -> list[str]:
    """Findings as sentences: of each run, author, class and kind the first ten, and how many more there are."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        key = (finding.run, finding.author, finding.object_name, finding.kind)
        groups.setdefault(key, []).append(finding)
    out = []
    for (run, author, name, kind), group in groups.items():
        out += [str(finding) for finding in group[:_SHOWN]]
        if len(group) > _SHOWN:
            out.append(f"{run}: … and {len(group) - _SHOWN} more {name} of {author} ({kind}; --json lists all)")
    return out
