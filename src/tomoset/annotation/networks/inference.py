"""A network's answer for a whole tomogram."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.model import ModelRecipe
from tomoset.annotation.networks.params import PredictionParams
from tomoset.annotation.networks.volumes import NormalVolume
from tomoset.model import Progress, Resources
from tomoset.networks import blend_tiles

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["class_probabilities", "mirrored_mean", "whole_answer"]


def whole_answer(
    module: "nn.Module",
    recipe: ModelRecipe,
    volume: NormalVolume,
    params: PredictionParams,
    *,
    resources: Resources,
    progress: Progress,
) -> NDArray[np.float32]:
    """Probabilities of the classes, and a detector's offsets after them.

    Returns
    -------
    (n_classes [+ 3], z, y, x) array of float32
        At the network's stride.
    """
    import torch

    n_classes = len(recipe.classes)
    n_offsets = 3 if recipe.kind == "detector" else 0
    module.to(torch.device(resources.device)).eval()

    def answer(values: "torch.Tensor") -> "torch.Tensor":
        return mirrored_mean(module, values, recipe.class_weights, params.flips)

    return blend_tiles(
        answer,
        volume.read,
        volume.shape,
        n_out=n_classes + n_offsets,
        stride=recipe.net.stride,
        tile=params.tile,
        overlap=params.overlap,
        multiple=recipe.net.multiple,
        resources=resources,
        progress=progress,
    )


def mirrored_mean(
    module: "nn.Module", values: "torch.Tensor", class_weights: Sequence[float], flips: int
) -> "torch.Tensor":
    """Mean answer to a tile and its mirror images, brought back.

    Parameters
    ----------
    module : torch.nn.Module
    values : (1, 1, z, y, x) tensor
    class_weights : sequence of float
        Of the loss, taken back.
    flips : {1, 2, 4, 8}
        None, or mirrored along x, along y too, along z too.

    Returns
    -------
    (n_classes [+ 3], z, y, x) tensor
    """
    import torch

    n_classes = len(class_weights)
    free = (2, 1, 0)[: flips.bit_length() - 1]
    parts = []
    for chosen in itertools.product((False, True), repeat=len(free)):
        axes = [axis for axis, wanted in zip(free, chosen, strict=True) if wanted]
        raw = module(torch.flip(values, [axis + 2 for axis in axes]))[0].float()
        probability = class_probabilities(raw[: n_classes + 1], class_weights)[1:]
        sign = torch.ones(raw.shape[0] - n_classes - 1, 1, 1, 1, device=raw.device)
        for axis in axes:
            sign[axis : axis + 1] = -1
        parts.append(torch.flip(torch.cat([probability, raw[n_classes + 1 :] * sign]), [axis + 1 for axis in axes]))
    return torch.stack(parts).mean(dim=0)


def class_probabilities(logits: "torch.Tensor", class_weights: Sequence[float]) -> "torch.Tensor":
    """Softmax of (1 + n_classes, …) logits, freed of the weights that the loss gave the classes."""
    import torch

    shift = torch.log(torch.tensor([1.0, *class_weights], device=logits.device))
    return torch.softmax(logits - shift.reshape(-1, *(1,) * (logits.ndim - 1)), dim=0)
