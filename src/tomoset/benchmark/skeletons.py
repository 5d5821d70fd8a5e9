"""Agreement of thin things by their middle: surface Dice of membranes, centre-line Dice of filaments.

Both are the harmonic mean of two shares: of the predicted skeleton inside the true mask, and of the true skeleton
inside the predicted mask. A shift by less than half the thickness costs nothing, a hole or a bridge does.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.blocks import Mask, as_mask_source, check_same_shape, slabs
from tomoset.model import IGNORE

__all__ = ["centreline_dice", "medial_surface", "surface_dice"]

Bools = NDArray[np.bool_]

_FLAT = 0.7
"""Largest slope of the distance transform in the middle of a sheet; it is 1 beside it, 1/√2 on a diagonal step."""


def surface_dice(predicted_zyx: Mask, true_zyx: Mask, *, label: int = 1, max_half_thickness: int = 12) -> float:
    """Surface Dice of MemBrain-seg: of medial surfaces and masks.

    Parameters
    ----------
    predicted_zyx, true_zyx : ArraySource or (z, y, x) array
        Semantic masks; voxels where the truth is ``IGNORE`` are left out.
    label : int
        The class.
    max_half_thickness : int
        Voxels; the middle of thicker parts is found only where it is nearer than this to a border or slab's end.

    Returns
    -------
    float
        1 where neither mask holds the class, 0 where only one does.

    References
    ----------
    Lamm et al. (2024) bioRxiv 2024.01.05.574336: ``tprec = |S(P) ∩ T| / |S(P)|``, ``tsens = |S(T) ∩ P| / |S(T)|``.
    """
    predicted, true = as_mask_source(predicted_zyx), as_mask_source(true_zyx)
    counts = np.zeros(4, dtype=np.int64)
    for slab in slabs(check_same_shape(predicted, true), halo=max_half_thickness + 1):
        truth = slab.read(true)
        known = truth != IGNORE
        claimed, real = (slab.read(predicted) == label) & known, truth == label
        middles = medial_surface(claimed)[slab.inner], medial_surface(real)[slab.inner]
        counts += _hits(*middles, claimed[slab.inner], real[slab.inner])
    return _harmonic(counts)


def medial_surface(mask_zyx: Bools) -> Bools:
    """Voxels in the middle of a mask: where the distance to its border has no slope, or is a local maximum.

    The volume's own end is no border: a sheet that leaves the volume keeps its middle up to there.
    """
    middle = np.zeros(mask_zyx.shape, dtype=bool)
    box = _bounding_box(mask_zyx)
    if box is None or mask_zyx[box].all():  # nothing there, or no border from which to measure
        return middle
    inside = mask_zyx[box]
    index = np.argwhere(inside)
    distance = _distance_to_border(inside, index)
    last = np.array(inside.shape) - 1
    slope, highest = np.zeros(len(index)), np.zeros(len(index))
    here = distance[tuple(index.T)]
    for axis in range(3):
        ahead, behind = index.copy(), index.copy()
        ahead[:, axis] = np.minimum(index[:, axis] + 1, last[axis])
        behind[:, axis] = np.maximum(index[:, axis] - 1, 0)
        steps = np.maximum(ahead[:, axis] - behind[:, axis], 1)
        slope += ((distance[tuple(ahead.T)] - distance[tuple(behind.T)]) / steps) ** 2
    for step in itertools.product((-1, 0, 1), repeat=3):
        np.maximum(highest, distance[tuple(np.clip(index + step, 0, last).T)], out=highest)
    found = index[(slope <= _FLAT**2) | (here >= highest)]
    middle[box][tuple(found.T)] = True
    return middle


def _distance_to_border(inside_zyx: Bools, index_zyx: NDArray[np.intp]) -> NDArray[np.float32]:
    """Distance, voxels, from each voxel of a mask to the nearest one outside, which always is a neighbour of the mask.

    A k-d tree of those neighbours costs what the mask costs, and not the volume as a distance transform does.
    """
    from scipy.spatial import KDTree

    beside = inside_zyx.copy()
    for axis in range(3):
        grown = beside.copy()
        low = tuple(slice(None, -1) if i == axis else slice(None) for i in range(3))
        high = tuple(slice(1, None) if i == axis else slice(None) for i in range(3))
        grown[low] |= beside[high]
        grown[high] |= beside[low]
        beside = grown
    beside &= ~inside_zyx
    distance = np.zeros(inside_zyx.shape, dtype=np.float32)
    distance[inside_zyx] = KDTree(np.argwhere(beside)).query(index_zyx)[0]
    return distance


def _bounding_box(mask_zyx: Bools) -> tuple[slice, ...] | None:
    """The smallest box around the mask with a voxel more on every side where the volume has one."""
    box = []
    for axis in range(3):
        other = tuple(i for i in range(3) if i != axis)
        at = np.flatnonzero(mask_zyx.any(axis=other))
        if not len(at):
            return None
        box.append(slice(max(0, int(at[0]) - 1), min(mask_zyx.shape[axis], int(at[-1]) + 2)))
    return tuple(box)


def centreline_dice(predicted_zyx: Mask, true_zyx: Mask, *, label: int = 1) -> float:
    """Return clDice: as :func:`surface_dice`, of centre lines, which see whether filaments are whole.

    Parameters
    ----------
    predicted_zyx, true_zyx : ArraySource or (z, y, x) array
    label : int

    Returns
    -------
    float

    Notes
    -----
    The centre line of a thing does not follow from a part of it: the box around all voxels of the class is held in
    memory, at some four bytes a voxel.

    References
    ----------
    Shit et al. (2021) CVPR, clDice; thinning by eight subfields after Bertrand & Aktouf (1995), with the test
    for simple points of Bertrand & Malandain (1994).
    """
    predicted, true = as_mask_source(predicted_zyx), as_mask_source(true_zyx)
    shape = check_same_shape(predicted, true)
    claimed, real = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for slab in slabs(shape):
        planes = slice(slab.start, slab.stop)
        truth = slab.read(true)
        real[planes] = truth == label
        claimed[planes] = (slab.read(predicted) == label) & (truth != IGNORE)
    return _harmonic(_hits(_centre_line(claimed), _centre_line(real), claimed, real))


def _centre_line(mask_zyx: Bools) -> Bools:
    """Thin to curves in the middle: ends are kept, nothing is torn."""
    from tomoset.benchmark._kernels import thin_to_curves

    line = np.zeros(mask_zyx.shape, dtype=bool)
    box = _bounding_box(mask_zyx)
    if box is not None:
        padded = np.pad(mask_zyx[box], 1).astype(np.uint8)
        thin_to_curves(padded, np.argwhere(padded))
        line[box] = padded[(slice(1, -1),) * 3] > 0
    return line


def _hits(middle_claimed: Bools, middle_real: Bools, claimed: Bools, real: Bools) -> NDArray[np.int64]:
    return np.array(
        [
            np.count_nonzero(middle_claimed & real),
            np.count_nonzero(middle_claimed),
            np.count_nonzero(middle_real & claimed),
            np.count_nonzero(middle_real),
        ],
        dtype=np.int64,
    )


def _harmonic(counts: NDArray[np.int64]) -> float:
    hit_claimed, all_claimed, hit_real, all_real = (int(n) for n in counts)
    if not all_claimed or not all_real:
        return float(all_claimed == all_real)
    precision, recall = hit_claimed / all_claimed, hit_real / all_real
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
