"""What is wrong with labels that can be seen without looking at the tomogram again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.consensus.sites import join_sites
from tomoset.annotation.label_transfer import TomogramFrame
from tomoset.geometry import angle_between_deg, point_group
from tomoset.model import Labels, PickableObject, PickFlag, Picks

__all__ = ["Finding", "find_conflicts", "find_disagreeing_poses", "find_obstructed"]

Floats = NDArray[np.float64]

_SITE_SHARE = 0.5
_ZONE_SLACK_DEG = 20.0
_MAJORITY = 0.8
_FEWEST_PAIRS = 5
_DISAGREEMENT_DEG = 30.0
_HIDDEN_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to look at.

    Parameters
    ----------
    run : str
    author : str
        user/session of the labels.
    object_name : str
        Class.
    index : int or None
        Row among the picks of the class; None for what is wrong with the whole set.
    position_angstrom_xyz : tuple of float or None
    kind : str
        One word or two, the same for all findings of a kind.
    problem : str
        What was found.
    advice : str
        What to do.
    """

    run: str
    author: str
    object_name: str
    index: int | None = None
    position_angstrom_xyz: tuple[float, float, float] | None = None
    kind: str
    problem: str
    advice: str

    def __str__(self) -> str:
        """One sentence that names everything."""
        which = self.object_name if self.index is None else f"{self.object_name} {self.index}"
        x = self.position_angstrom_xyz
        where = "" if x is None else f" at ({x[0]:.0f}, {x[1]:.0f}, {x[2]:.0f}) Å"
        return f"{self.run}: {which} of {self.author}{where}: {self.problem}; {self.advice}"


def find_conflicts(labels: Labels, objects: Sequence[PickableObject], frame: TomogramFrame) -> list[Finding]:
    """Contradictions within one author's labels of one tomogram.

    Parameters
    ----------
    labels : Labels
    objects : sequence of PickableObject
        Classes with radius and symmetry; picks of others are left aside.
    frame : TomogramFrame
        Of the tomogram.

    Returns
    -------
    list of Finding
        Picks outside the volume; two of one class or two classes at one site (within half the smaller radius; along
        a filament picks may be near); poses that are not those of the symmetry's representative where most are;
        individuals without the filament or membrane that they name.
    """
    known = {item.name: item for item in objects}
    sets = [picks for picks in labels.picks if picks.object_name in known and len(picks)]
    found: list[Finding] = []
    for picks in sets:
        found += _outside(labels, picks, frame)
        found += _without_trace(labels, picks)
        found += _outside_zone(labels, picks, known[picks.object_name])
    found += _at_one_site(labels, sets, known)
    return found


def _finding(labels: Labels, picks: Picks, index: int | None, kind: str, problem: str, advice: str) -> Finding:
    place = None
    if index is not None:
        x, y, z = (float(v) for v in picks.positions_angstrom_xyz[index])
        place = (x, y, z)
    return Finding(
        run=labels.run,
        author=f"{labels.user}/{labels.session}",
        object_name=picks.object_name,
        index=index,
        position_angstrom_xyz=place,
        kind=kind,
        problem=problem,
        advice=advice,
    )


def _outside(labels: Labels, picks: Picks, frame: TomogramFrame) -> Iterator[Finding]:
    for index in np.flatnonzero(~frame.grid.contains(picks.positions_angstrom_xyz)):
        yield _finding(
            labels,
            picks,
            int(index),
            "outside",
            "lies outside the tomogram",
            "remove it, or move the labels to this tomogram (`tomoset transfer`)",
        )


def _without_trace(labels: Labels, picks: Picks) -> Iterator[Finding]:
    if picks.instance_ids is None:
        return
    traced = {t.instance_id for t in labels.filaments} | {m.instance_id for m in labels.membranes}
    if not traced:
        return  # ids may just count individuals where nothing is traced
    for number in np.unique(picks.instance_ids[picks.instance_ids > 0]):
        if int(number) not in traced:
            index = int(np.flatnonzero(picks.instance_ids == number)[0])
            yield _finding(
                labels,
                picks,
                index,
                "no trace",
                f"names individual {number}, but no filament or membrane has this number",
                "add the trace or set the number to 0",
            )


def _outside_zone(labels: Labels, picks: Picks, item: PickableObject) -> Iterator[Finding]:
    """Poses that another equivalent would bring far nearer to the identity, where most picks have the nearest one."""
    if picks.rotations is None:
        return
    group = point_group(item.symmetry)
    if group.order == 1:
        return
    nearest = group.representatives(picks.rotations)
    identity = np.eye(3)
    excess = angle_between_deg(picks.rotations, identity) - angle_between_deg(nearest, identity)
    wrong = excess > _ZONE_SLACK_DEG
    if picks.orientation_known is not None:
        wrong &= picks.orientation_known
    if not wrong.any() or np.mean(~wrong) < _MAJORITY:
        return
    for index in np.flatnonzero(wrong):
        yield _finding(
            labels,
            picks,
            int(index),
            "not representative",
            f"has a pose that {group.name} makes equal to one {excess[index]:.0f}° nearer to the axes, which the other "
            "picks use",
            "write the nearest equivalent, so that equal particles have equal numbers",
        )


def _at_one_site(labels: Labels, sets: Sequence[Picks], known: dict[str, PickableObject]) -> Iterator[Finding]:
    from scipy.spatial import KDTree

    if not sets:
        return
    points = np.concatenate([p.positions_angstrom_xyz for p in sets])
    owner = np.concatenate([np.full(len(p), k) for k, p in enumerate(sets)])
    index = np.concatenate([np.arange(len(p)) for p in sets])
    radius = np.array([known[p.object_name].radius_angstrom for p in sets])[owner]
    strand = np.concatenate([_strand(p, k) for k, p in enumerate(sets)])
    pairs = KDTree(points).query_pairs(_SITE_SHARE * float(radius.max()), output_type="ndarray")
    for i, j in sorted(map(tuple, pairs.tolist())):
        apart = float(np.linalg.norm(points[i] - points[j]))
        same_strand = strand[i] == strand[j] and strand[i] != 0
        if apart > _SITE_SHARE * min(radius[i], radius[j]) or same_strand:
            continue
        first, second = sets[owner[i]], sets[owner[j]]
        duplicate = owner[i] == owner[j]
        worse, better, other = (i, j, second) if _score(first, index[i]) <= _score(second, index[j]) else (j, i, first)
        what = "is there a second time" if duplicate else f"is also {other.object_name}"
        yield _finding(
            labels,
            sets[owner[worse]],
            int(index[worse]),
            "duplicate" if duplicate else "two classes",
            f"{what} ({other.object_name} {index[better]}, {apart:.0f} Å away)",
            "keep the one that is surer" if duplicate else "decide for one class, or mark it as uncertain",
        )


def _strand(picks: Picks, number: int) -> NDArray[np.int64]:
    """A number for each filament that picks belong to; 0 for none."""
    if picks.instance_ids is None:
        return np.zeros(len(picks), np.int64)
    return np.where(picks.instance_ids > 0, (number + 1) * 10**9 + picks.instance_ids, 0)


def _score(picks: Picks, index: int) -> float:
    return 0.0 if picks.scores is None else float(picks.scores[index])


def find_obstructed(
    labels: Labels,
    frame: TomogramFrame,
    masks_nyx: NDArray[np.bool_],
    image_size_angstrom_xy: tuple[float, float],
    origin_angstrom_xy: tuple[float, float],
) -> list[Finding]:
    """Picks whose projections fall on gold, film, crystals or bars in most views.

    Parameters
    ----------
    labels : Labels
    frame : TomogramFrame
        Of the tomogram they were made in.
    masks_nyx : (n, my, mx) array of bool
        Of every row of the series (:func:`tomoset.curation.find_masks`), over the whole images.
    image_size_angstrom_xy : tuple of float
        Of the images.
    origin_angstrom_xy : tuple of float
        Where the images' index N // 2 lies from their corner.
    """
    rows = np.asarray(frame.tilt_indices, dtype=np.intp)
    views = frame.geometry.select(rows)
    found: list[Finding] = []
    _, my, mx = masks_nyx.shape
    scale = np.array([mx / image_size_angstrom_xy[0], my / image_size_angstrom_xy[1]])
    for picks in labels.picks:
        seen = views.project(frame.grid.specimen_from_volume(picks.positions_angstrom_xyz))
        pixel = np.floor((seen + np.asarray(origin_angstrom_xy)) * scale).astype(np.intp)
        inside = np.all((pixel >= 0) & (pixel < [mx, my]), axis=-1)
        x, y = np.clip(pixel[..., 0], 0, mx - 1), np.clip(pixel[..., 1], 0, my - 1)
        hidden = masks_nyx[rows[:, None], y, x] & inside
        share = hidden.sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
        flagged = (
            np.zeros(len(picks), np.bool_) if picks.flags is None else (picks.flags & PickFlag.EXCLUDED_REGION) > 0
        )
        for index in np.flatnonzero((share > _HIDDEN_SHARE) & ~flagged):
            found.append(
                _finding(
                    labels,
                    picks,
                    int(index),
                    "obstructed",
                    f"lies on gold, ice contamination or film in {share[index]:.0%} of the views",
                    "look at it; reject it, or flag it as in an excluded region",
                )
            )
    return found


def find_disagreeing_poses(first: Labels, second: Labels, objects: Sequence[PickableObject]) -> list[Finding]:
    """Classes of which two authors of one tomogram agree on the places and not on the poses.

    Five or more shared particles whose poses differ by more than 30° on the median, symmetry taken into account, come
    from different axes of the particle's frame (or from a wrong point group), not from noise.
    """
    found = []
    for item in objects:
        a, b = first.of(item.name), second.of(item.name)
        if a.rotations is None or b.rotations is None or not len(a) or not len(b):
            continue
        points = np.concatenate([a.positions_angstrom_xyz, b.positions_angstrom_xyz])
        who = np.repeat([0, 1], [len(a), len(b)])
        reach = np.full(len(points), _SITE_SHARE * item.radius_angstrom)
        site = join_sites(points, who, np.zeros(len(points), np.intp), reach)
        _, i, j = np.intersect1d(site[: len(a)], site[len(a) :], return_indices=True)
        known = np.ones(len(i), np.bool_)
        for picks, rows in ((a, i), (b, j)):
            if picks.orientation_known is not None:
                known &= picks.orientation_known[rows]
        i, j = i[known], j[known]
        if len(i) < _FEWEST_PAIRS:
            continue
        angles = point_group(item.symmetry).angle_between_deg(a.rotations[i], b.rotations[j])
        middle = int(np.argsort(angles)[len(angles) // 2])
        if angles[middle] > _DISAGREEMENT_DEG:
            found.append(
                _finding(
                    first,
                    a,
                    int(i[middle]),
                    "poses disagree",
                    f"{len(i)} particles have poses that differ from those of {second.user}/{second.session} by "
                    f"{angles[middle]:.0f}° on the median, {item.symmetry} taken into account (this one does)",
                    "one of the two uses other axes or another point group: compare both with the structure",
                )
            )
    return found
