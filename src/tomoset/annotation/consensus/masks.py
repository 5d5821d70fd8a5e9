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
_MOST_PATTERNS = 1 << 24


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
    occurring = np.zeros(IGNORE + 1, dtype=np.int64)
    for mask in masks_zyx:
        occurring += np.bincount(mask.ravel(), minlength=IGNORE + 1)[: IGNORE + 1]
    values = [int(v) for v in np.flatnonzero(occurring[:IGNORE])] or [0]
    base = len(values) + 1
    n_patterns = base ** len(masks_zyx)
    if n_patterns > _MOST_PATTERNS:
        raise GeometryError(
            f"expected few enough masks and labels to count their patterns, found {len(masks_zyx)} masks of "
            f"{len(values)} labels; join them in parts"
        )
    lookup = np.zeros(IGNORE + 1, dtype=np.uint32)
    lookup[values] = np.arange(1, base)
    code = np.zeros(masks_zyx[0].shape, dtype=np.uint32)
    for mask in masks_zyx:  # one number for each pattern of votes
        code *= np.uint32(base)
        code += lookup[mask]
    counted = _disputed(masks_zyx) if within_zyx is None else within_zyx
    counts = np.bincount(code[counted], minlength=n_patterns).astype(np.float64)
    there = np.flatnonzero(np.bincount(code.ravel(), minlength=n_patterns))
    votes = np.stack([there // base**i % base - 1 for i in reversed(range(len(masks_zyx)))], axis=1)
    asked = np.any(votes != NOT_ASKED, axis=1)
    prior = np.full((len(values), len(values)), (1 - _BELIEVED_RIGHT) / max(1, len(values) - 1))
    np.fill_diagonal(prior, _BELIEVED_RIGHT)
    found = estimate_reliability(votes, np.maximum(prior, 1e-6) * _BELIEF_VOXELS, counts=counts[there] * asked)
    label, probability = np.full(n_patterns, IGNORE, np.uint8), np.zeros(n_patterns, np.float32)
    label[there[asked]] = np.asarray(values, np.uint8)[found.posterior[asked].argmax(axis=1)]
    probability[there[asked]] = found.posterior[asked].max(axis=1)
    return MaskConsensus(
        mask_zyx=label[code], probability_zyx=probability[code], values=tuple(values), confusion=found.confusion
    )


def _disputed(masks: Sequence[NDArray[np.integer]]) -> NDArray[np.bool_]:
    """Voxels at which not all who said something said the same, with their surroundings; all when there are none."""
    from scipy.ndimage import binary_dilation

    least = np.full(masks[0].shape, IGNORE, dtype=np.uint8)
    most = np.zeros(masks[0].shape, dtype=np.uint8)
    for mask in masks:
        said = mask != IGNORE
        np.minimum(least, mask, out=least, where=said, casting="unsafe")
        np.maximum(most, mask, out=most, where=said, casting="unsafe")
    different = (most > least) & (least != IGNORE)
    if not different.any():
        return np.ones(masks[0].shape, dtype=np.bool_)
    return np.asarray(binary_dilation(different, iterations=2), dtype=np.bool_)
