"""Train a network that finds particles, and let it find them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.augmentation import Crop
from tomoset.annotation.networks.calibration import pooled, true_candidates
from tomoset.annotation.networks.examples import training_examples
from tomoset.annotation.networks.fitting import Checkpoints, Course, TargetDomain, draft_recipe, fit
from tomoset.annotation.networks.inference import whole_answer
from tomoset.annotation.networks.losses import detection_loss
from tomoset.annotation.networks.model import Calibration, NetworkModel
from tomoset.annotation.networks.params import DetectorParams, PredictionParams
from tomoset.annotation.networks.peaks import Candidates, find_candidates
from tomoset.annotation.networks.sampling import Example, class_weights
from tomoset.annotation.networks.targets import cell_weights, detection_targets
from tomoset.model import (
    IGNORE,
    InMemory,
    Labels,
    PickableObject,
    Progress,
    Resources,
    Tomogram,
)
from tomoset.networks import StridedNetParams
from tomoset.networks.training import Batch

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["detector_methods_text", "train_detector"]

_CONTEXT = 32
_NO_CHECKPOINTS = Checkpoints()
_SAME_DOMAIN = TargetDomain()


def train_detector(
    labeled: Sequence[tuple[Tomogram, Labels]],
    classes: Sequence[PickableObject],
    params: DetectorParams,
    *,
    seed: int,
    resources: Resources,
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    checkpoints: Checkpoints = _NO_CHECKPOINTS,
    target: TargetDomain = _SAME_DOMAIN,
) -> NetworkModel:
    """Train a detector on labeled tomograms.

    Parameters
    ----------
    labeled : sequence of (Tomogram, Labels)
        Labels in their tomogram's frame. The same specimen may come several times, reconstructed with different
        errors of the alignment: a network that has seen only good ones fails on others. Where a semantic mask among
        the labels is ``IGNORE``, nothing is learned.
    classes : sequence of PickableObject
        What to learn to find.
    params : DetectorParams
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
        ``recipe.steps`` are fewer than asked for when it was stopped; thresholds are then not chosen yet.

    Raises
    ------
    InputMissingError
        If there is nothing to learn from.
    PixelSizeError, GeometryError, ParameterError
        If tomograms, labels and parameters do not fit each other.
    """
    examples = training_examples(labeled, classes, params, target.spectrum)
    net = StridedNetParams(n_out=1 + len(classes) + 3, width=params.width, stride=2)
    draft = draft_recipe(examples, classes, params, net, seed)
    weights = class_weights(examples, params)
    draft = replace(draft, class_weights=weights)
    mixup = params.augmentation.mixup

    def collate(crops: list[Crop], rng: np.random.Generator) -> Batch:
        return _batch(crops, mixup, rng)

    def loss(module: "nn.Module", batch: Batch) -> "torch.Tensor":
        values, heat, offset, weight = batch
        return detection_loss(
            module(values),
            heat,
            offset,
            weight,
            class_weights=weights,
            offset_weight=params.offset_weight,
        )

    course = Course(resources=resources, progress=progress, should_stop=should_stop, checkpoints=checkpoints)
    model = fit(examples, draft, params, collate, loss, noise=target.noise, course=course)
    if model.recipe.steps < params.training.steps:
        return model
    start = time.process_time()
    calibrations = _calibrated(model, examples, params, resources, progress)
    spent = model.recipe.cpu_seconds + time.process_time() - start
    return replace(model, recipe=replace(model.recipe, calibrations=calibrations, cpu_seconds=spent))


def detector_methods_text(params: DetectorParams) -> str:
    """One citable sentence on how a detector was trained."""
    return (
        f"A 3-D residual U-Net (MONAI SegResNet on 2 × 2 × 2 voxels as channels, {params.width} channels) was trained "
        f"for {params.training.steps} steps of {params.batch} crops of {params.crop}³ voxels of "
        f"{params.voxel_size_angstrom:g} Å to give the class and sub-voxel position of particles; thresholds were "
        f"chosen for the best F1 on the {100 * params.held_out:g} % of each tomogram that was held out."
    )


def _batch(crops: list[Crop], mixup: float, rng: np.random.Generator) -> Batch:
    import torch

    edge = crops[0].values.shape[0]
    targets = [detection_targets(crop.points_zyx, edge) for crop in crops]
    values = np.stack([crop.values for crop in crops])[:, None]
    heat = np.stack([each[0] for each in targets])
    offset = np.stack([each[1] for each in targets])
    weight = np.stack([cell_weights(crop.mask) for crop in crops])
    if len(crops) > 1 and rng.random() < mixup:
        share = np.float32(rng.random())
        values = share * values + (1 - share) * np.roll(values, 1, axis=0)
        # Where both have a centre, the offset of the larger part is meant.
        larger = share * heat.sum(1) >= (1 - share) * np.roll(heat, 1, axis=0).sum(1)
        offset = np.where(larger[:, None], offset, np.roll(offset, 1, axis=0))
        heat = share * heat + (1 - share) * np.roll(heat, 1, axis=0)
        weight = weight * np.roll(weight, 1, axis=0)
    return tuple(torch.from_numpy(np.ascontiguousarray(each)) for each in (values, heat, offset, weight))


def _calibrated(
    model: NetworkModel,
    examples: Sequence[Example],
    params: DetectorParams,
    resources: Resources,
    progress: Progress,
) -> tuple[Calibration, ...]:
    """Calibrations of the classes on held-out parts, spread evenly over the examples."""
    radii = [item.radius_angstrom / params.voxel_size_angstrom for item in model.recipe.classes]
    parts: list[list[tuple[NDArray[np.float64], NDArray[np.bool_], int]]] = [[] for _ in radii]
    for example in _spread(examples, params.calibration_mvoxel):
        found, points = _held_out(model, example, resources, progress)
        for k, radius in enumerate(radii):
            own = found.select(found.class_index == k)
            hit = true_candidates(own.voxels_zyx, own.scores, points[k], 0.5 * radius)
            parts[k].append((own.scores, hit, len(points[k])))
    return tuple(pooled(each) for each in parts)


def _spread(examples: Sequence[Example], budget_mvoxel: float) -> list[Example]:
    """Examples with a held-out part, as many as the budget allows, from first to last."""
    usable = [each for each in examples if each.trained_y < each.volume.shape[1]]
    if not usable:
        return []
    sizes = [each.volume.shape[0] * (each.volume.shape[1] - each.trained_y) * each.volume.shape[2] for each in usable]
    n = int(np.clip(budget_mvoxel * 1e6 / np.mean(sizes), 1, len(usable))) if budget_mvoxel > 0 else 0
    return [usable[i] for i in np.unique(np.linspace(0, len(usable) - 1, n).round().astype(int))]


def _held_out(
    model: NetworkModel, example: Example, resources: Resources, progress: Progress
) -> tuple[Candidates, list[NDArray[np.float64]]]:
    """Candidates and true points in the held-out part, where somebody has said what is there."""
    first = max(0, example.trained_y - _CONTEXT)
    part = (slice(None), slice(first, None), slice(None))
    volume = replace(example.volume, source=InMemory(example.volume.source.read(part)))
    # Threads, device and allocation as for the training, but nothing that a file must be kept for.
    inner = Resources(device=resources.device, workers=resources.workers, memory_gib=resources.memory_gib)
    maps = whole_answer(model.module, model.recipe, volume, PredictionParams(), resources=inner, progress=progress)
    radii = [item.radius_angstrom for item in model.recipe.classes]
    found = find_candidates(
        maps, radii, model.recipe.voxel_size_angstrom, exclusion_fraction=PredictionParams().exclusion_fraction
    )
    found = replace(found, voxels_zyx=found.voxels_zyx + np.array([0.0, first, 0.0]))
    return found.select(_counts(example, found.voxels_zyx)), [
        points[_counts(example, points)] for points in example.points_zyx
    ]


def _counts(example: Example, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside = np.asarray(points[:, 1] >= example.trained_y)
    if example.mask_zyx is None or not len(points):
        return inside
    index = np.clip(np.round(points).astype(int), 0, np.array(example.volume.shape) - 1)
    values = np.array([int(example.mask_zyx.read((int(z), int(y), int(x)))) for z, y, x in index])
    return np.asarray(inside & (values != IGNORE))
