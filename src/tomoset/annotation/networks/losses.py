"""What is minimised."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["detection_loss", "segmentation_loss"]


def detection_loss(
    answer: "torch.Tensor",
    heat: "torch.Tensor",
    offset: "torch.Tensor",
    weight: "torch.Tensor",
    *,
    class_weights: Sequence[float],
    offset_weight: float,
) -> "torch.Tensor":
    """Weighted cross entropy of the classes, and the error of the offsets where there are centres.

    Parameters
    ----------
    answer : (batch, 1 + n_classes + 3, z, y, x) tensor
        Logits of nothing and of each class, then offsets.
    heat : (batch, n_classes, z, y, x) tensor
        Mass of centres.
    offset : (batch, 3, z, y, x) tensor
    weight : (batch, z, y, x) tensor
        Zero where nothing is known.
    class_weights : sequence of float
        Of a centre of each class against an empty cell.
    offset_weight : float

    Notes
    -----
    A cell with mass t of a class of weight w costs ``−w t log p_class − (1 − t) log p_nothing``; the sum is divided by
    that of the weights (dense weighted cross entropy of the CZII challenge's first place). The least cost is reached
    at the odds ``w t / (1 − t)``, so that subtracting ``log w`` from the class logits gives the probability.
    """
    import torch

    n_classes = heat.shape[1]
    logs = torch.log_softmax(answer[:, : n_classes + 1].float(), dim=1)
    mass = heat.sum(dim=1)
    weighted = heat * torch.tensor(class_weights, device=heat.device).reshape(1, -1, 1, 1, 1)
    cost = -(weighted * logs[:, 1:]).sum(dim=1) - (1 - mass) * logs[:, 0]
    scale = ((weighted.sum(dim=1) + 1 - mass) * weight).sum().clamp_min(1.0)
    crossed = (cost * weight).sum() / scale
    missed = (answer[:, n_classes + 1 :].float() - offset).abs().sum(dim=1) * mass * weight
    return crossed + offset_weight * missed.sum() / (mass * weight).sum().clamp_min(1.0)


def segmentation_loss(answer: "torch.Tensor", classes: "torch.Tensor", *, dice_weight: float) -> "torch.Tensor":
    """Cross entropy and soft Dice.

    Parameters
    ----------
    answer : (batch, n_classes + 1, z, y, x) tensor
        Logits; channel 0 is background.
    classes : (batch, z, y, x) tensor of int64
        Index of the true channel; negative where nobody has said.
    dice_weight : float
        Of the mean over the classes present (not the background) of ``1 − 2 Σ p t / Σ (p + t)``.
    """
    import torch

    said = (classes >= 0).float()
    if not bool(said.any()):
        return answer.float().sum() * 0.0
    crossed = torch.nn.functional.cross_entropy(answer.float(), classes, ignore_index=-1)
    share = torch.softmax(answer.float(), dim=1)
    costs = []
    for k in range(1, answer.shape[1]):
        true = (classes == k).float()
        if bool(true.any()):
            p = share[:, k] * said
            costs.append(1 - (2 * (p * true).sum() + 1) / (p.sum() + true.sum() + 1))
    return crossed + dice_weight * torch.stack(costs).mean() if costs else crossed
