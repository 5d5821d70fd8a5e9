"""Train a network that says of every voxel what it belongs to, and let it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.augmentation import Crop
from tomoset.annotation.networks.detection import check_kind, detection_methods_text, prepared_volume
from tomoset.annotation.networks.examples import training_examples
from tomoset.annotation.networks.fitting import Checkpoints, Course, TargetDomain, draft_recipe, fit
from tomoset.annotation.networks.inference import whole_answer
from tomoset.annotation.networks.losses import segmentation_loss
from tomoset.annotation.networks.model import NetworkModel
from tomoset.annotation.networks.params import PredictionParams, SegmenterParams
from tomoset.errors import InputMissingError
from tomoset.model import IGNORE, InMemory, Labels, PickableObject, Progress, Resources, Segmentation, Tomogram
from tomoset.networks import StridedNetParams
from tomoset.networks.training import Batch

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["segment", "segmenter_methods_text", "train_segmenter"]

_NO_CHECKPOINTS = Checkpoints()
_SAME_DOMAIN = TargetDomain()
_NOBODY_SAID = -1


def train_segmenter(
    labeled: Sequence[tuple[Tomogram, Labels]],
    classes: Sequence[PickableObject],
    params: SegmenterParams,
    *,
    seed: int,
    resources: Resources,
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoints: Checkpoints = _NO_CHECKPOINTS,
    target: TargetDomain = _SAME_DOMAIN,
) -> NetworkModel:
    """Train a segmenter on tomograms with semantic masks.

    Parameters
    ----------
    labeled : sequence of (Tomogram, Labels)
        With a semantic mask each, on the tomogram's grid: values of ``PickableObject.label``; ``IGNORE`` where nobody
        has said, of which nothing is learned; other values are background. Picks, where there are any, say where
        crops are laid.
    classes : sequence of PickableObject
        What to learn to outline.
    params : SegmenterParams
    seed : int
        Of the network's start and of the crops.
    resources : Resources
    progress : Progress
    should_stop : callable
        Asked before every step.
    checkpoints : Checkpoints
    target : TargetDomain

    Returns
    -------
    NetworkModel
        ``recipe.steps`` are fewer than asked for when it was stopped.

    Raises
    ------
    InputMissingError
        If a tomogram has no mask.
    PixelSizeError, GeometryError, ParameterError
        If tomograms, labels and parameters do not fit each other.
    """
    examples = training_examples(labeled, classes, params, target.spectrum)
    for example in examples:
        if example.mask_zyx is None:
            raise InputMissingError(f"{example.run}: expected a semantic mask to train a segmenter on, found none")
    net = StridedNetParams(n_out=1 + len(classes), width=params.width, stride=1)
    draft = draft_recipe(examples, classes, params, net, seed)
    channel_of = _channels([item.label for item in classes])

    def collate(crops: list[Crop], rng: np.random.Generator) -> Batch:
        import torch

        del rng
        values = np.ascontiguousarray(np.stack([crop.values for crop in crops])[:, None])
        return torch.from_numpy(values), torch.from_numpy(channel_of[np.stack([crop.mask for crop in crops])])

    def loss(module: "nn.Module", batch: Batch) -> "torch.Tensor":
        return segmentation_loss(module(batch[0]), batch[1], dice_weight=params.dice_weight)

    course = Course(resources=resources, progress=progress, should_stop=should_stop, checkpoints=checkpoints)
    return fit(examples, draft, params, collate, loss, noise=target.noise, course=course)


def segmenter_methods_text(params: SegmenterParams) -> str:
    """One citable sentence on how a segmenter was trained."""
    return (
        f"A 3-D residual U-Net (MONAI SegResNet on 2 × 2 × 2 voxels as channels, {params.width} channels) was trained "
        f"with Dice and cross entropy for {params.training.steps} steps of {params.batch} crops of {params.crop}³ "
        f"voxels of {params.voxel_size_angstrom:g} Å to give the class of every voxel."
    )


def segment(
    tomogram: Tomogram, model: NetworkModel, params: PredictionParams, *, resources: Resources, progress: Progress
) -> Labels:
    """Outline what is in a tomogram.

    Parameters
    ----------
    tomogram : Tomogram
        With the voxels that the network was trained on.
    model : NetworkModel
        A segmenter.
    params : PredictionParams
        ``least_probability`` is that of a class against background; 0.5 when it is None.
    resources : Resources
        The probabilities, n_classes times the tomogram's size, come from its ``allocate``.
    progress : Progress

    Returns
    -------
    Labels
        A semantic mask of the classes' labels, and the probability of each class.

    Raises
    ------
    ParameterError
        If the model is no segmenter.
    PixelSizeError, GeometryError
        If the tomogram has other voxels, or holds what is not finite.
    """
    check_kind(model, "segmenter")
    volume = prepared_volume(tomogram, model, params)
    share = whole_answer(model.module, model.recipe, volume, params, resources=resources, progress=progress)
    voxel = tomogram.grid.voxel_size_angstrom
    least = 0.5 if params.least_probability is None else params.least_probability
    mask = _semantic(share, [item.label for item in model.recipe.classes], least)
    probabilities = tuple(
        Segmentation(name=item.name, mask_zyx=InMemory(share[k]), voxel_size_angstrom=voxel, kind="probability")
        for k, item in enumerate(model.recipe.classes)
    )
    return Labels(
        run=tomogram.run,
        user="tomoset",
        session="segmenter",
        voxel_size_angstrom=voxel,
        segmentations=(
            Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=voxel),
            *probabilities,
        ),
        method=detection_methods_text(model, params),
    )


def _channels(labels: Sequence[int]) -> NDArray[np.int64]:
    """Channel of every value a semantic mask may hold."""
    table = np.zeros(256, dtype=np.int64)
    table[IGNORE] = _NOBODY_SAID
    table[list(labels)] = np.arange(1, len(labels) + 1)
    return table


def _semantic(share: NDArray[np.float32], labels: Sequence[int], least: float) -> NDArray[np.uint8]:
    """The likeliest class where all classes together have the least probability, plane by plane."""
    values = np.asarray(labels, dtype=np.uint8)
    mask = np.zeros(share.shape[1:], dtype=np.uint8)
    for z in range(share.shape[1]):
        plane = share[:, z]
        mask[z] = np.where(plane.sum(axis=0) >= least, values[plane.argmax(axis=0)], 0)
    return mask
