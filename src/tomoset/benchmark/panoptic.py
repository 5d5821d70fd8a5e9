"""Which predicted individual is which true one, by their voxels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.blocks import Mask, as_mask_source, check_same_shape, slabs
from tomoset.errors import ParameterError

__all__ = ["Panoptic", "panoptic_quality"]

_MATCHED = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Panoptic:
    """Panoptic quality: segmentation quality times recognition quality.

    Parameters
    ----------
    n_matched, n_false, n_missed : int
        Individuals.
    matched_iou : (n_matched,) array of float64
    """

    n_matched: int
    n_false: int
    n_missed: int
    matched_iou: NDArray[np.float64]

    @property
    def segmentation_quality(self) -> float:
        """Mean intersection over union of the matched individuals; NaN without any."""
        return float(self.matched_iou.mean()) if self.n_matched else float("nan")

    @property
    def recognition_quality(self) -> float:
        """F1 of the individuals; 1 where there are none and none is claimed."""
        whole = 2 * self.n_matched + self.n_false + self.n_missed
        return 2 * self.n_matched / whole if whole else 1.0

    @property
    def panoptic_quality(self) -> float:
        """``Σ IoU / (TP + ½ FP + ½ FN)``; 1 where there are none and none is claimed."""
        whole = 2 * self.n_matched + self.n_false + self.n_missed
        return 2 * float(self.matched_iou.sum()) / whole if whole else 1.0


def panoptic_quality(
    predicted_zyx: Mask,
    true_zyx: Mask,
    *,
    ignore_zyx: Mask | None = None,
    predicted_classes: Mapping[int, str] | None = None,
    true_classes: Mapping[int, str] | None = None,
) -> Panoptic:
    """Match individuals whose intersection over union exceeds one half, at most one to one.

    Parameters
    ----------
    predicted_zyx, true_zyx : ArraySource or (z, y, x) array of unsigned int
        Numbers of individuals, 0 for none.
    ignore_zyx : ArraySource or (z, y, x) array, optional
        Where it is not 0, voxels of both are left out; predicted individuals that lie there by more than half are
        neither right nor false.
    predicted_classes, true_classes : mapping of int to str, optional
        Give both to match within a class only.

    Returns
    -------
    Panoptic

    Raises
    ------
    GeometryError
        If shapes differ.
    ParameterError
        If a value is no whole number of 0 or more.

    References
    ----------
    Kirillov et al. (2019) CVPR, Panoptic segmentation.
    """
    predicted, true = as_mask_source(predicted_zyx), as_mask_source(true_zyx)
    ignore = None if ignore_zyx is None else as_mask_source(ignore_zyx)
    joint: dict[tuple[int, int], int] = {}
    unseen: dict[int, int] = {}
    shape = check_same_shape(predicted, true)
    if ignore is not None:
        check_same_shape(ignore, true)
    for slab in slabs(shape):
        found, real = slab.read(predicted), slab.read(true)
        filled = (found != 0) | (real != 0)
        a, b = _ids(found[filled]), _ids(real[filled])
        if ignore is not None:
            hidden = np.asarray(slab.read(ignore)[filled] != 0)
            _add(unseen, *np.unique(a[hidden], return_counts=True))
            a, b = a[~hidden], b[~hidden]
        pairs, counts = _unique_pairs(a, b)
        for (i, j), n in zip(pairs.tolist(), counts.tolist(), strict=True):
            joint[i, j] = joint.get((i, j), 0) + n
    return _match(joint, unseen, predicted_classes, true_classes)


def _ids(mask: NDArray[Any]) -> NDArray[np.int64]:
    if not (np.issubdtype(mask.dtype, np.integer) or mask.dtype == np.bool_) or (mask.size and mask.min() < 0):
        raise ParameterError(f"instance mask: expected numbers 0, 1, 2 … of individuals, found {mask.dtype}")
    return mask.astype(np.int64)


def _add(sums: dict[int, int], keys: NDArray[np.int64], counts: NDArray[np.intp]) -> None:
    for key, n in zip(keys.tolist(), counts.tolist(), strict=True):
        sums[key] = sums.get(key, 0) + n


def _unique_pairs(a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    if not len(a):
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.intp)
    base = int(b.max()) + 1
    codes, counts = np.unique(a * base + b, return_counts=True)
    return np.stack([codes // base, codes % base], axis=1), counts


def _match(
    joint: dict[tuple[int, int], int],
    unseen: dict[int, int],
    predicted_classes: Mapping[int, str] | None,
    true_classes: Mapping[int, str] | None,
) -> Panoptic:
    size_predicted: dict[int, int] = {}
    size_true: dict[int, int] = {}
    for (i, j), n in joint.items():
        size_predicted[i] = size_predicted.get(i, 0) + n
        size_true[j] = size_true.get(j, 0) + n
    size_predicted.pop(0, None)
    size_true.pop(0, None)
    matched: dict[int, float] = {}
    taken: set[int] = set()
    for (i, j), n in joint.items():
        iou = n / (size_predicted[i] + size_true[j] - n) if i and j else 0.0
        alike = predicted_classes is None or true_classes is None or predicted_classes.get(i) == true_classes.get(j)
        if alike and iou > _MATCHED:  # more than half: no individual can have two such partners
            matched[i] = iou
            taken.add(j)
    false = [i for i, n in size_predicted.items() if i not in matched and unseen.get(i, 0) <= n]
    return Panoptic(len(matched), len(false), len(size_true) - len(taken), np.array(list(matched.values())))
