"""Crops of labeled tomograms for training: about every class equally often, and anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.augmentation import Crop, augment
from tomoset.annotation.networks.params import AugmentationParams, DetectorParams
from tomoset.annotation.networks.volumes import NormalVolume
from tomoset.errors import InputMissingError
from tomoset.model import IGNORE, ArraySource

__all__ = ["Example", "Sampler", "class_weights"]

_CONTEXT = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """One labeled tomogram, ready for training.

    Parameters
    ----------
    run : str
    volume : NormalVolume
    points_zyx : tuple of (n, 3) array of float64
        Centres of the individuals of each class, in voxels.
    mask_zyx : ArraySource or None
        Semantic mask; only where it is ``IGNORE`` matters to a detector.
    trained_y : int
        Training crops end before this voxel of the y axis.
    """

    run: str
    volume: NormalVolume
    points_zyx: tuple[NDArray[np.float64], ...]
    mask_zyx: ArraySource | None
    trained_y: int


def class_weights(examples: Sequence[Example], params: DetectorParams) -> tuple[float, ...]:
    """Weight of a centre of each class: more where crops hold fewer, ``positive_weight`` at their mean.

    Parameters
    ----------
    examples : sequence of Example
    params : DetectorParams

    Returns
    -------
    tuple of float
        ``positive_weight (mean number / own number)^rarity`` with the numbers expected in a crop: the class's density,
        and that crops are laid about its individuals.
    """
    n_classes = len(examples[0].points_zyx)
    volume = sum(each.volume.shape[0] * each.trained_y * each.volume.shape[2] for each in examples)
    inside = [sum(int(np.sum(e.points_zyx[k][:, 1] < e.trained_y)) for e in examples) for k in range(n_classes)]
    present = sum(n > 0 for n in inside)
    numbers = np.array([n * params.crop**3 / volume + (params.balanced / present if n else 0.0) for n in inside])
    if not present:
        return (params.positive_weight,) * n_classes
    relative = np.where(numbers > 0, numbers[numbers > 0].mean() / np.maximum(numbers, 1e-12), 1.0)
    return tuple((params.positive_weight * relative**params.rarity).tolist())


class Sampler:
    """Draws crops.

    Parameters
    ----------
    examples : sequence of Example
    crop : int
        Edge, voxels.
    balanced : float
        Share of the crops laid about a random individual of a random class.
    augmentation : AugmentationParams
    noise : sequence of NormalVolume
        Volumes of nothing but noise, pieces of which are added.

    Raises
    ------
    InputMissingError
        If there is no example, or no label in any.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        crop: int,
        balanced: float,
        augmentation: AugmentationParams,
        noise: Sequence[NormalVolume] = (),
    ) -> None:
        self._examples, self._crop, self._balanced = examples, crop, balanced
        self._augmentation, self._noise = augmentation, noise
        self._members = _members(examples)
        if not examples or not (self._members or any(each.mask_zyx is not None for each in examples)):
            raise InputMissingError(
                "expected labeled tomograms to train on, found no label in the part of them that is trained on"
            )

    def draw(self, rng: np.random.Generator) -> Crop:
        """Cut and change one crop."""
        if self._members and rng.random() < self._balanced:
            members = self._members[rng.integers(len(self._members))]
            which, point = members[rng.integers(len(members))]
            example = self._examples[which]
            reach = max(1, self._crop // 2 - _CONTEXT)
            wanted = np.round(point + rng.integers(-reach, reach + 1, 3) - self._crop / 2).astype(int)
        else:
            example = self._examples[int(rng.integers(len(self._examples)))]
            wanted = rng.integers(0, np.maximum(_room(example, self._crop), 0) + 1)
        start = _inside(wanted, _room(example, self._crop))
        return augment(self._cutter(example, start), self._crop, self._augmentation, rng, self._noise)

    def _cutter(self, example: Example, start: NDArray[np.int_]) -> "_Cutter":
        return _Cutter(example, start, self._crop)


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Cuts the crop at a place of an example, with as much around it as is asked for."""

    example: Example
    start: NDArray[np.int_]
    crop: int

    def __call__(self, margin: int) -> Crop:
        """Cut."""
        first = self.start - margin
        length = self.crop + 2 * margin
        begin, lengths = (int(first[0]), int(first[1]), int(first[2])), (length, length, length)
        values = self.example.volume.read(begin, lengths)
        mask = _mask(self.example, begin, lengths)
        return Crop(values=values, points_zyx=tuple(points - first for points in self.example.points_zyx), mask=mask)


def _mask(example: Example, start: tuple[int, int, int], lengths: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Semantic values of a box; nobody has said what lies beyond the volume and in the held-out part."""
    out = np.full(lengths, IGNORE, dtype=np.uint8)
    z, _, x = example.volume.shape
    bounds = list(zip(start, lengths, (z, example.trained_y, x), strict=True))
    inside = tuple(slice(max(s, 0), max(min(s + n, m), 0)) for s, n, m in bounds)
    target = tuple(slice(p.start - s, p.stop - s) for p, s in zip(inside, start, strict=True))
    if all(part.stop > part.start for part in inside):
        out[target] = 0 if example.mask_zyx is None else example.mask_zyx.read(inside)
    return out


def _room(example: Example, crop: int) -> NDArray[np.int_]:
    """Last voxel at which a crop may start, along each axis; negative where the example is smaller than a crop."""
    z, _, x = example.volume.shape
    return np.array([z, example.trained_y, x]) - crop


def _inside(wanted: NDArray[np.int_], room: NDArray[np.int_]) -> NDArray[np.int_]:
    return np.where(room >= 0, np.clip(wanted, 0, np.maximum(room, 0)), room // 2)


def _members(examples: Sequence[Example]) -> list[list[tuple[int, NDArray[np.float64]]]]:
    """Individuals of each class that has any in the trained parts, with the example they are in."""
    n_classes = max((len(each.points_zyx) for each in examples), default=0)
    members = [
        [
            (i, point)
            for i, example in enumerate(examples)
            for point in example.points_zyx[k]
            if point[1] < example.trained_y
        ]
        for k in range(n_classes)
    ]
    return [each for each in members if each]
