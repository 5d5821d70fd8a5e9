"""The one training loop: seeded, AdamW, warm-up and cosine; it can be stopped, kept and taken up again."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tomoset.errors import ParameterError
from tomoset.model import Progress, Resources, stream
from tomoset.networks.precision import mixed_precision

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = [
    "Batch",
    "Continuation",
    "TrainingHistory",
    "TrainingParams",
    "TrainingState",
    "learning_rate_share",
    "torch_threads",
    "train",
]

Batch = tuple["torch.Tensor", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParams:
    """How long and how fast to train.

    Parameters
    ----------
    steps : int
        Batches.
    learning_rate : float
        Its largest value.
    warm_up : float
        Share of the steps in which it rises; then it falls as a cosine to zero.
    weight_decay : float
        Of AdamW (Loshchilov & Hutter 2019).
    clip_norm : float
        Largest norm of the gradient.

    Raises
    ------
    ParameterError
        If a number is out of range.
    """

    steps: int = 300
    learning_rate: float = 2e-3
    warm_up: float = 0.05
    weight_decay: float = 1e-4
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot train."""
        if self.steps < 1 or not self.learning_rate > 0 or not self.clip_norm > 0:
            raise ParameterError(
                "training: expected steps, learning_rate and clip_norm to be positive, found "
                f"{self.steps}, {self.learning_rate} and {self.clip_norm}"
            )
        if not 0 <= self.warm_up < 1 or self.weight_decay < 0:
            raise ParameterError(
                f"training: expected warm_up in 0 to 1 and weight_decay of 0 or more, found {self.warm_up} "
                f"and {self.weight_decay}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingHistory:
    """What happened.

    Parameters
    ----------
    loss : tuple of float
        Of each batch, before its step.
    stopped : bool
        Whether somebody ended the training early.
    seconds : float
        Processor time.
    """

    loss: tuple[float, ...]
    stopped: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingState:
    """Everything a training needs to go on as if it had never ended.

    Parameters
    ----------
    module, optimiser : dict
        Their ``state_dict``.
    loss : tuple of float
        Of the steps done.
    seconds : float
        Processor time spent so far.
    """

    module: dict[str, Any]
    optimiser: dict[str, Any]
    loss: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Continuation:
    """Where a training goes on from, and what it leaves for another to do so.

    Parameters
    ----------
    resume : TrainingState or None
        Where an earlier training with the same arguments ended.
    keep : callable or None
        Is given the state every ``every`` steps, and at the end.
    every : int
    """

    resume: TrainingState | None = None
    keep: Callable[[TrainingState], None] | None = None
    every: int = 100


_FROM_NOTHING = Continuation()


def learning_rate_share(step: int, params: TrainingParams) -> float:
    """Share of the largest learning rate at a step: linear rise, then half a cosine to zero."""
    rise = max(1, round(params.warm_up * params.steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, params.steps - rise)))


def train(
    module: "nn.Module",
    sample: Callable[[np.random.Generator], Batch],
    loss: Callable[["nn.Module", Batch], "torch.Tensor"],
    params: TrainingParams,
    *,
    seed: int,
    resources: Resources,
    progress: Progress,
    should_stop: Callable[[], bool] = lambda: False,
    continuation: Continuation = _FROM_NOTHING,
    half_precision: bool = False,
) -> TrainingHistory:
    """Train a module in place.

    Parameters
    ----------
    module : torch.nn.Module
        Moved to the device; left there, in evaluation mode.
    sample : callable
        Draws a batch from a random generator of its own for each step, so that a batch depends on seed and step only.
    loss : callable
        ``(module, batch on the device) -> scalar``.
    params : TrainingParams
    seed : int
    resources : Resources
        Device and threads.
    progress : Progress
    should_stop : callable
        Asked before every step; the steps done so far count.
    continuation : Continuation
    half_precision : bool
        Multiply in bfloat16 where the device is the faster for it.

    Returns
    -------
    TrainingHistory

    Raises
    ------
    ParameterError
        If the loss is not a finite number: training has diverged.
    """
    import torch

    device = torch.device(resources.device)
    module.to(device).train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay)
    losses: list[float] = []
    start = time.process_time()
    before, keep = continuation.resume, continuation.keep
    if before is not None:
        module.load_state_dict(before.module)
        optimiser.load_state_dict(before.optimiser)
        losses, start = list(before.loss), start - before.seconds
    with torch_threads(resources.workers):
        for step in range(len(losses), params.steps):
            if should_stop():
                break
            for group in optimiser.param_groups:
                group["lr"] = params.learning_rate * learning_rate_share(step, params)
            batch = tuple(tensor.to(device) for tensor in sample(stream(seed, "batch", step)))
            value = _gradient(module, partial(loss, module, batch), params, device.type, half=half_precision)
            if value is None and half_precision:  # bfloat16 kernels fail on rare small sizes, and it has few digits
                value = _gradient(module, partial(loss, module, batch), params, device.type, half=False)
            if value is None:
                raise ParameterError(
                    f"training: the loss or its gradient is not finite at step {step}; lower the learning rate "
                    f"({params.learning_rate:g})"
                )
            optimiser.step()
            losses.append(value)
            progress.step("train", step + 1, params.steps)
            if keep is not None and len(losses) % continuation.every == 0 and len(losses) < params.steps:
                keep(_state(module, optimiser, losses, start))
    module.eval()
    if keep is not None:
        keep(_state(module, optimiser, losses, start))
    return TrainingHistory(loss=tuple(losses), stopped=len(losses) < params.steps, seconds=time.process_time() - start)


def _gradient(
    module: "nn.Module",
    loss: Callable[[], "torch.Tensor"],
    params: TrainingParams,
    device_type: str,
    *,
    half: bool,
) -> float | None:
    """Leave the clipped gradient in the module and return the loss; None where either is not finite."""
    import torch

    module.zero_grad(set_to_none=True)
    with mixed_precision(device_type, wanted=half):
        value = loss()
    if not bool(torch.isfinite(value)):
        return None
    value.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), params.clip_norm)
    return float(value.detach()) if bool(torch.isfinite(norm)) else None


def _state(module: "nn.Module", optimiser: "torch.optim.Optimizer", losses: list[float], start: float) -> TrainingState:
    return TrainingState(
        module=module.state_dict(),
        optimiser=optimiser.state_dict(),
        loss=tuple(losses),
        seconds=time.process_time() - start,
    )


@contextmanager
def torch_threads(workers: int) -> Iterator[None]:
    """Let torch use so many threads, and give the others back their number."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)
