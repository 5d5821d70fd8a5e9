"""Which predictions and particles of a tomogram are compared, and which are set aside."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.blocks import slabs
from tomoset.benchmark.matching import Matching, match_one_to_one, neighbours_within
from tomoset.errors import ParameterError
from tomoset.model import IGNORE, Labels, PickableObject, PickFlag, Picks

__all__ = ["ANY_CLASS", "ClassPair", "as_one_class", "in_ignored_region", "pair_class", "pair_runs"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ANY_CLASS = "any-class"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassPair:
    """Predictions and particles of one class in one tomogram, without what is set aside, and who is whom.

    Parameters
    ----------
    run : str
    predicted, true : Picks
        What is scored.
    radius_angstrom : (m,) array of float64
        Matching distance at each particle.
    matching : Matching
        Indices into both.
    n_duplicates : int
        Predictions without a partner near a particle that has one.
    n_set_aside : int
        Predictions that are neither right nor false.
    """

    run: str
    predicted: Picks
    true: Picks
    radius_angstrom: Floats
    matching: Matching
    n_duplicates: int
    n_set_aside: int

    @property
    def is_false(self) -> Bools:
        """Predictions (n,) without a partner."""
        false = np.ones(len(self.predicted), dtype=bool)
        false[self.matching.predicted] = False
        return false


def pair_runs(predicted: Sequence[Labels], truth: Sequence[Labels]) -> list[tuple[Labels, Labels]]:
    """Bring predictions and truth of each run together, in alphabetical order of the runs of the truth.

    Raises
    ------
    ParameterError
        If a run occurs twice on one side, or predictions name a run that has no truth.
    """
    for name, side in (("predicted", predicted), ("true", truth)):
        runs = [labels.run for labels in side]
        twice = sorted({run for run in runs if runs.count(run) > 1})
        if twice:
            raise ParameterError(f"{name} labels: expected one entry per run, found several of {', '.join(twice)}")
    by_run = {labels.run: labels for labels in predicted}
    unknown = sorted(set(by_run) - {labels.run for labels in truth})
    if unknown:
        raise ParameterError(
            f"expected predictions of runs with truth only, found {', '.join(unknown)}; leave those runs out"
        )
    ordered = sorted(truth, key=lambda labels: labels.run)
    return [(by_run.get(true.run, _nothing_for(true)), true) for true in ordered]


def _nothing_for(true: Labels) -> Labels:
    return Labels(run=true.run, user="", session="", voxel_size_angstrom=true.voxel_size_angstrom)


def pair_class(predicted_labels: Labels, true_labels: Labels, name: str, radius_angstrom: float | Floats) -> ClassPair:
    """Match the picks of one class one-to-one, leaving out what cannot be judged.

    Particles of the truth in a region to be ignored (``IGNORE`` in one of its semantic masks, or flagged
    ``EXCLUDED_REGION``) are neither found nor missed. A prediction without a partner is set aside, and not false, when
    it lies in such a region or within the matching distance of such a particle.

    Parameters
    ----------
    predicted_labels, true_labels : Labels
        Of one tomogram, in its frame.
    name : str
        The class.
    radius_angstrom : float or (m,) array of float
        Matching distance; one for each true pick where they differ.
    """
    predicted, true = predicted_labels.of(name), true_labels.of(name)
    radius = np.broadcast_to(np.asarray(radius_angstrom, dtype=np.float64), (len(true),))
    hidden = _excluded(true) | in_ignored_region(true_labels, true.positions_angstrom_xyz)
    scored, scored_radius = true.select(~hidden), radius[~hidden]
    first = match_one_to_one(predicted.positions_angstrom_xyz, scored.positions_angstrom_xyz, scored_radius)
    aside = in_ignored_region(true_labels, predicted.positions_angstrom_xyz)
    near_hidden, _, _ = neighbours_within(
        predicted.positions_angstrom_xyz, true.positions_angstrom_xyz[hidden], radius[hidden]
    )
    aside[near_hidden] = True
    aside[first.predicted] = False
    kept = np.flatnonzero(~aside)
    matching = Matching(np.searchsorted(kept, first.predicted), first.true, first.distance_angstrom)
    kept_picks = predicted.select(kept)
    return ClassPair(
        run=true_labels.run,
        predicted=kept_picks,
        true=scored,
        radius_angstrom=scored_radius,
        matching=matching,
        n_duplicates=_duplicates(kept_picks, scored, scored_radius, matching),
        n_set_aside=int(np.count_nonzero(aside)),
    )


def _excluded(picks: Picks) -> Bools:
    if picks.flags is None:
        return np.zeros(len(picks), dtype=bool)
    return (picks.flags & np.uint32(PickFlag.EXCLUDED_REGION)) != 0


def _duplicates(predicted: Picks, true: Picks, radius: Floats, matching: Matching) -> int:
    near, at, _ = neighbours_within(predicted.positions_angstrom_xyz, true.positions_angstrom_xyz, radius)
    second = np.isin(at, matching.true) & ~np.isin(near, matching.predicted)
    return len(np.unique(near[second]))


def in_ignored_region(labels: Labels, positions_angstrom_xyz: Floats) -> Bools:
    """Whether each position (n, 3), Å, lies in a voxel that a semantic mask of the labels marks ``IGNORE``.

    Positions outside a mask's volume are not.
    """
    ignored = np.zeros(len(positions_angstrom_xyz), dtype=bool)
    for segmentation in labels.segmentations:
        if segmentation.kind != "semantic" or not len(ignored):
            continue
        z, y, x = (int(n) for n in segmentation.mask_zyx.shape)
        index = np.rint(positions_angstrom_xyz[:, ::-1] / segmentation.voxel_size_angstrom).astype(np.int64)
        inside = np.all((index >= 0) & (index < (z, y, x)), axis=1)
        for slab in slabs((z, y, x)):
            here = np.flatnonzero(inside & (index[:, 0] >= slab.start) & (index[:, 0] < slab.stop))
            if len(here):
                values = slab.read(segmentation.mask_zyx)
                ignored[here] |= values[tuple((index[here] - [slab.low, 0, 0]).T)] == IGNORE
    return ignored


def as_one_class(labels: Labels, objects: Sequence[PickableObject]) -> tuple[Labels, Floats]:
    """The picks of all classes as one, and the radius (n,) of each pick's own class, Å.

    Instance ids of the joined picks are the numbers of their classes, from 1 in the order of ``objects``.
    """
    each = [(item, labels.of(item.name)) for item in objects]
    radius = np.repeat([item.radius_angstrom for item, _ in each], [len(picks) for _, picks in each])
    classes = np.repeat(np.arange(1, len(each) + 1), [len(picks) for _, picks in each])
    filled = [picks for _, picks in each if len(picks)]
    scores = [picks.scores for picks in filled if picks.scores is not None]
    flags = [np.zeros(len(p), dtype=np.uint32) if p.flags is None else p.flags for p in filled]
    merged = Picks(
        object_name=ANY_CLASS,
        positions_angstrom_xyz=np.concatenate([np.zeros((0, 3)), *(p.positions_angstrom_xyz for p in filled)]),
        scores=np.concatenate(scores) if scores and len(scores) == len(filled) else None,
        flags=np.concatenate(flags) if flags else None,
        instance_ids=classes,
    )
    joined = Labels(
        run=labels.run,
        user=labels.user,
        session=labels.session,
        voxel_size_angstrom=labels.voxel_size_angstrom,
        picks=(merged,),
        segmentations=labels.segmentations,
    )
    return joined, radius
