"""What training a detector and training a segmenter share."""

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.augmentation import Crop
from tomoset.annotation.networks.model import ModelRecipe, NetworkModel, load_state, save_state
from tomoset.annotation.networks.params import DetectorParams, SegmenterParams
from tomoset.annotation.networks.sampling import Example, Sampler
from tomoset.annotation.networks.volumes import normal_volume, radial_amplitude
from tomoset.model import ArraySource, PickableObject, Progress, Resources
from tomoset.networks import Continuation, StridedNetParams, TrainingState, build_strided_net, train
from tomoset.networks.training import Batch

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Checkpoints", "Course", "TargetDomain", "draft_recipe", "fit"]

_PACKAGES = ("tomoset", "torch", "monai", "numpy")
_LAST = 50


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoints:
    """What lets a training be interrupted.

    Parameters
    ----------
    resume : bytes or None
        What ``keep`` was given last by a training with the same arguments; the number of steps may be another.
    keep : callable or None
        Is given the content of a file to go on from, every ``every`` steps and at the end.
    every : int
    """

    resume: bytes | None = None
    keep: Callable[[bytes], None] | None = None
    every: int = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetDomain:
    """What is known of the tomograms that shall be labeled, where others are trained on.

    Parameters
    ----------
    spectrum : (n,) array of float64 or None
        Their radial amplitudes (:func:`tomoset.annotation.networks.radial_amplitude`); those trained on are given
        the same.
    noise : sequence of ArraySource
        Volumes of nothing but their noise (empty ice), protein dark; pieces are added to crops.
    """

    spectrum: NDArray[np.float64] | None = None
    noise: Sequence[ArraySource] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a training runs, which does not change what it ends with.

    Parameters
    ----------
    resources : Resources
    progress : Progress
    should_stop : callable
        Asked before every step.
    checkpoints : Checkpoints
    """

    resources: Resources
    progress: Progress
    should_stop: Callable[[], bool]
    checkpoints: Checkpoints


def draft_recipe(
    examples: Sequence[Example],
    classes: Sequence[PickableObject],
    params: DetectorParams | SegmenterParams,
    net: StridedNetParams,
    seed: int,
) -> ModelRecipe:
    """What is known of a model before it is trained."""
    several = examples[:: max(1, len(examples) // 8)]
    return ModelRecipe(
        kind="detector" if isinstance(params, DetectorParams) else "segmenter",
        classes=tuple(classes),
        voxel_size_angstrom=params.voxel_size_angstrom,
        net=net,
        class_weights=(1.0,) * len(classes),
        spectrum=tuple(np.mean([radial_amplitude(each.volume) for each in several], axis=0).tolist()),
        params=dataclasses.asdict(params),
        seed=seed,
        runs=tuple(sorted({each.run for each in examples})),
        software={name: importlib.metadata.version(name) for name in _PACKAGES},
    )


def fit(
    examples: Sequence[Example],
    draft: ModelRecipe,
    params: DetectorParams | SegmenterParams,
    collate: Callable[[list[Crop], np.random.Generator], Batch],
    loss: Callable[["nn.Module", Batch], "torch.Tensor"],
    *,
    noise: Sequence[ArraySource],
    course: Course,
) -> NetworkModel:
    """Train the network of a recipe.

    Parameters
    ----------
    examples : sequence of Example
    draft : ModelRecipe
        Without what training adds.
    params : DetectorParams or SegmenterParams
    collate : callable
        Makes a batch of crops.
    loss : callable
        ``(module, batch) -> scalar``.
    noise : sequence of ArraySource
        Volumes of nothing but noise.
    course : Course

    Returns
    -------
    NetworkModel
        With the steps done, which are fewer than were asked for when ``should_stop`` said so.
    """
    sampler = Sampler(
        examples,
        crop=params.crop,
        balanced=params.balanced,
        augmentation=params.augmentation,
        noise=[normal_volume(each, contrast="dark", run="noise") for each in noise],
    )
    module = build_strided_net(draft.net, seed=draft.seed)
    identity = _identity(examples, draft)
    keep, resume = course.checkpoints.keep, course.checkpoints.resume

    def sample(rng: np.random.Generator) -> Batch:
        return collate([sampler.draw(rng) for _ in range(params.batch)], rng)

    def packed(state: TrainingState) -> None:
        if keep is not None:
            keep(save_state(state, identity))

    history = train(
        module,
        sample,
        loss,
        params.training,
        seed=draft.seed,
        resources=course.resources,
        progress=course.progress,
        should_stop=course.should_stop,
        continuation=Continuation(
            resume=None if resume is None else load_state(resume, identity),
            keep=packed,
            every=course.checkpoints.every,
        ),
        half_precision=True,
    )
    done = replace(
        draft,
        steps=len(history.loss),
        cpu_seconds=history.seconds,
        loss=float(np.mean(history.loss[-_LAST:])) if history.loss else float("nan"),
    )
    return NetworkModel(recipe=done, module=module)


def _identity(examples: Sequence[Example], draft: ModelRecipe) -> str:
    """What must be the same for a training to go on: all that changes its outcome, but for how long it shall be."""
    made = dataclasses.asdict(replace(draft, software={}))
    made["params"]["training"]["steps"] = None
    about = [
        made,
        [(each.run, each.volume.shape, each.volume.centre, each.volume.scale) for each in examples],
        [[len(points) for points in each.points_zyx] for each in examples],
    ]
    return hashlib.blake2b(json.dumps(about, default=str).encode(), digest_size=16).hexdigest()
