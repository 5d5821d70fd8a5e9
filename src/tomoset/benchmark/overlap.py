"""Voxels of a semantic mask that agree with the true one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.blocks import Mask, as_mask_source, check_same_shape, slabs
from tomoset.errors import ParameterError
from tomoset.model import IGNORE

__all__ = ["Overlap", "count_overlap", "dice", "iou"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Voxels of one class: in both masks, in the prediction only, in the truth only."""

    both: int
    predicted_only: int
    true_only: int

    @property
    def precision(self) -> float:
        """Share of the predicted voxels that are right; 1 when nothing is predicted and nothing there."""
        return _share(self.both, self.both + self.predicted_only, empty=not self.true_only)

    @property
    def recall(self) -> float:
        """Share of the true voxels that were found; 1 when nothing is there and nothing predicted."""
        return _share(self.both, self.both + self.true_only, empty=not self.predicted_only)

    @property
    def dice(self) -> float:
        """``2|P∩T| / (|P| + |T|)``; 1 where both are empty."""
        return _share(2 * self.both, 2 * self.both + self.predicted_only + self.true_only, empty=True)

    @property
    def iou(self) -> float:
        """``|P∩T| / |P∪T|``; 1 where both are empty."""
        return _share(self.both, self.both + self.predicted_only + self.true_only, empty=True)


def _share(part: int, whole: int, *, empty: bool) -> float:
    return part / whole if whole else float(empty)


def count_overlap(predicted_zyx: Mask, true_zyx: Mask) -> dict[int, Overlap]:
    """Compare two semantic masks value by value.

    Parameters
    ----------
    predicted_zyx, true_zyx : ArraySource or (z, y, x) array of uint8
        Values of ``PickableObject.label``. Voxels where the truth is ``IGNORE`` are left out; where only the
        prediction is, it says nothing and counts as background.

    Returns
    -------
    dict of int to Overlap
        One entry for every value but 0 that occurs in either.

    Raises
    ------
    GeometryError
        If the shapes differ.
    ParameterError
        If a value is negative or larger than 255.
    """
    predicted, true = as_mask_source(predicted_zyx), as_mask_source(true_zyx)
    table = np.zeros((256, 256), dtype=np.int64)
    for slab in slabs(check_same_shape(predicted, true)):
        table += _joint_histogram(_values(slab.read(predicted), "predicted"), _values(slab.read(true), "true"))
    table[:, IGNORE] = 0
    table[0] += table[IGNORE]
    table[IGNORE] = 0
    in_prediction, in_truth = table.sum(axis=1), table.sum(axis=0)
    present = np.flatnonzero((in_prediction + in_truth)[1:]) + 1
    return {
        int(v): Overlap(int(table[v, v]), int(in_prediction[v] - table[v, v]), int(in_truth[v] - table[v, v]))
        for v in present
    }


def _values(mask: NDArray[np.integer], which: str) -> NDArray[np.uint8]:
    if mask.dtype == np.uint8:
        return mask.astype(np.uint8, copy=False)
    if not (np.issubdtype(mask.dtype, np.integer) or mask.dtype == np.bool_):
        raise ParameterError(f"{which} mask: expected whole numbers 0 to 255, found {mask.dtype}; threshold it first")
    if mask.size and (mask.min() < 0 or mask.max() > 255):
        raise ParameterError(
            f"{which} mask: expected class values 0 to 255, found {mask.min()} to {mask.max()}; "
            "numbers of individuals are scored as instances"
        )
    return mask.astype(np.uint8)


def _joint_histogram(predicted: NDArray[np.uint8], true: NDArray[np.uint8]) -> NDArray[np.int64]:
    code = predicted.astype(np.uint16).ravel()
    code <<= 8
    code |= true.ravel()
    return np.bincount(code, minlength=65536).reshape(256, 256)


def dice(predicted_zyx: Mask, true_zyx: Mask, label: int = 1) -> float:
    """Dice coefficient of one class, ignored voxels left out."""
    return count_overlap(predicted_zyx, true_zyx).get(label, Overlap(0, 0, 0)).dice


def iou(predicted_zyx: Mask, true_zyx: Mask, label: int = 1) -> float:
    """Intersection over union of one class, ignored voxels left out."""
    return count_overlap(predicted_zyx, true_zyx).get(label, Overlap(0, 0, 0)).iou
