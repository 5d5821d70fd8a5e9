"""One mask from several: STAPLE (Warfield, Zou & Wells 2004, IEEE Trans. Med. Imaging 23:903), for many labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.consensus.dawid_skene import NOT_ASKED, estimate_reliability
from tomoset.errors import GeometryError
from tomoset.model import IGNORE

__all__ = ["MaskConsensus", "staple"]

_BELIEVED_RIGHT = 0.95
_BELIEF_VOXELS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskConsensus:
    """What several masks say together.

    Parameters
    ----------
    mask_zyx : (z, y, x) array of uint8
        The most probable label of each voxel; ``IGNORE`` where nobody has said.
    probability_zyx : (z, y, x) array of float32
        Of that label.
    values : tuple of int
        The labels that occur, 0 for background among them.
    confusion : (a, k, k) array of float64
        Of each annotator: probability to say one label (column) where another (row) is right.
    """

    mask_zyx: NDArray[np.uint8]
    probability_zyx: NDArray[np.float32]
    values: tuple[int, ...]
    confusion: NDArray[np.float64]


def staple(masks_zyx: Sequence[NDArray[np.integer]], *, within_zyx: NDArray[np.bool_] | None = None) -> MaskConsensus:
    """Join masks of several annotators.

    Parameters
    ----------
    masks_zyx : sequence of (z, y, x) arrays of int
        Semantic masks; ``IGNORE`` where the annotator has not said what is there.
    within_zyx : (z, y, x) array of bool or None
        Voxels that count for the annotators' reliability; background that nobody disputes makes everybody look good.
        None: the voxels at which not all agree, and those within two voxels of them.

    Returns
    -------
    MaskConsensus

    Raises
    ------
    GeometryError
        If there are fewer than two masks or their shapes differ.

    Notes
    -----
    Voxels with the same votes have the same answer, so the work is that of the few patterns of votes that occur.
    """
    if len(masks_zyx) < 2 or len({m.shape for m in masks_zyx}) != 1:
        raise GeometryError(
            "expected two or more masks on one grid, found " + (", ".join(str(m.shape) for m in masks_zyx) or "none")
        )
    values = sorted({int(v) for m in masks_zyx for v in np.unique(m)} - {IGNORE}) or [0]
    lookup = np.full(IGNORE + 1, NOT_ASKED, dtype=np.int64)
    lookup[values] = np.arange(len(values))
    base = len(values) + 1
    code = np.zeros(masks_zyx[0].shape, dtype=np.int64)
    for mask in masks_zyx:  # one number for each pattern of votes
        code = code * base + (lookup[mask] + 1)
    counted = _disputed(code, masks_zyx) if within_zyx is None else within_zyx
    patterns, of_voxel = np.unique(code, return_inverse=True)
    of_voxel = of_voxel.reshape(code.shape)
    votes = np.stack([patterns // base**i % base - 1 for i in reversed(range(len(masks_zyx)))], axis=1)
    counts = np.bincount(of_voxel[counted], minlength=len(patterns)).astype(np.float64)
    asked = np.any(votes != NOT_ASKED, axis=1)
    prior = np.full((len(values), len(values)), (1 - _BELIEVED_RIGHT) / max(1, len(values) - 1))
    np.fill_diagonal(prior, _BELIEVED_RIGHT)
    found = estimate_reliability(votes, np.maximum(prior, 1e-6) * _BELIEF_VOXELS, counts=counts * asked)
    label = np.asarray(values)[found.posterior.argmax(axis=1)]
    label[~asked] = IGNORE
    probability = np.where(asked, found.posterior.max(axis=1), 0.0)
    return MaskConsensus(
        mask_zyx=label.astype(np.uint8)[of_voxel],
        probability_zyx=probability.astype(np.float32)[of_voxel],
        values=tuple(values),
        confusion=found.confusion,
    )


def _disputed(code: NDArray[np.int64], masks: Sequence[NDArray[np.integer]]) -> NDArray[np.bool_]:
    """Voxels at which not all who said something said the same, with their surroundings; all when there are none."""
    from scipy.ndimage import binary_dilation

    least = np.full(code.shape, IGNORE, dtype=np.int64)
    most = np.full(code.shape, -1, dtype=np.int64)
    for mask in masks:
        said = mask != IGNORE
        np.minimum(least, mask, out=least, where=said)
        np.maximum(most, mask, out=most, where=said)
    different = (most > least) & (most >= 0)
    if not different.any():
        return np.ones(code.shape, dtype=np.bool_)
    return np.asarray(binary_dilation(different, iterations=2), dtype=np.bool_)
