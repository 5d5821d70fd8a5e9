"""Denoise a tomogram by what its halves have in common (Noise2Noise)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import ArraySource, InMemory, Progress, Resources, Tomogram
from tomoset.networks import TrainingParams, UNetParams, build_unet, predict_volume, train
from tomoset.reconstruction.folds import Part, Stripe, cut_stripes
from tomoset.reconstruction.fsc import finest_agreement_angstrom, sampled_shell_correlation

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["DenoiseParams", "denoise", "methods_text"]

# Convolutions on both sides of two poolings see about 30 voxels; their outer half hardly counts.
_OVERLAP = 8
_HALF_MAP_THRESHOLD = 0.143


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiseParams:
    """Parameters of :func:`denoise`.

    Parameters
    ----------
    network : UNetParams
        One channel in and out.
    training : TrainingParams
        Of each of the two networks.
    patch : int
        Edge of the training patches, voxels.
    batch : int
        Patches a step.
    tile : int
        Edge of the tiles the finished networks run on.

    Raises
    ------
    ParameterError
        If a number is out of range or the network's lengths do not fit.
    """

    network: UNetParams = field(default_factory=UNetParams)
    training: TrainingParams = field(default_factory=lambda: TrainingParams(steps=800, learning_rate=5e-3))
    patch: int = 48
    batch: int = 2
    tile: int = 96

    def __post_init__(self) -> None:
        """Refuse patches that the network cannot halve."""
        if self.network.n_in != 1 or self.network.n_out != 1:
            raise ParameterError("denoise.network: expected one channel in and one out")
        multiple = self.network.multiple
        if self.batch < 1 or self.patch < multiple or self.patch % multiple or self.tile % multiple:
            raise ParameterError(
                f"denoise: expected batch ≥ 1 and patch and tile as multiples of {multiple}, "
                f"found {self.batch}, {self.patch} and {self.tile}"
            )
        if self.tile <= 2 * _OVERLAP or (self.tile - 2 * _OVERLAP) % multiple:
            raise ParameterError(
                f"denoise.tile: expected more than {2 * _OVERLAP} and steps of {multiple} from there, found {self.tile}"
            )


def denoise(
    tomogram: Tomogram, params: DenoiseParams, *, resources: Resources, seed: int, progress: Progress
) -> Tomogram:
    """Train networks to tell one half tomogram from the other, and take the mean of their answers to both.

    The halves share the specimen and not the noise, so that the best guess of the other half is the specimen as far as
    it can be known (Lehtinen et al. 2018; Buchholz et al. 2019, cryoCARE). Nothing is invented beyond that guess, but
    it is an estimate: do not average it with raw data.

    The field is cut into stripes, and each of two networks is trained on every other stripe and answers for those in
    between: no voxel was seen in training by the network that denoises it.

    Parameters
    ----------
    tomogram : Tomogram
        With halves.
    params : DenoiseParams
    resources : Resources
        Device and threads of the networks (another device may change the last digits); results are made by
        ``allocate``.
    seed : int
        Of the networks' start and of the patches.
    progress : Progress

    Returns
    -------
    Tomogram
        Of kind ``"denoised"``, on the same grid, in the same units and with the same contrast; without halves. Its
        diagnostics hold the finest spacing at which the halves correlate by 0.143, Å, before denoising and after each
        half was denoised on its own (``denoise.half_map_before_angstrom``, ``denoise.half_map_after_angstrom``).

    Raises
    ------
    GeometryError
        If the tomogram has no halves, or no room for patches.

    Notes
    -----
    The number after says how well the two denoised halves agree. Their noise is independent and the networks have
    not seen it, but both went through the same networks: what these add of their own, both have. It is an upper bound
    of what can be trusted, not a resolution.
    """
    odd, even = tomogram.odd_zyx, tomogram.even_zyx
    if odd is None or even is None:
        raise GeometryError(
            f"{tomogram.run}: denoising needs the half tomograms, found none; reconstruct with half_sets"
        )
    if min(tomogram.grid.shape_zyx) < params.patch:
        raise GeometryError(
            f"{tomogram.run}: expected at least {params.patch} voxels along every axis, found "
            f"{tomogram.grid.shape_zyx}; choose a smaller patch"
        )
    stripes = cut_stripes(tomogram.grid.shape_zyx, params.patch)
    mean, scale = _mean_and_scale(odd)
    normal = _Normal(mean, scale)
    modules = [_trained(odd, even, stripes, fold, params, normal, resources, seed, progress) for fold in (0, 1)]
    answers = []
    for name, half in (("odd", odd), ("even", even)):
        out = resources.allocate(f"denoised_{name}_zyx", tomogram.grid.shape_zyx, np.float32)
        _answer(modules, stripes, half, out, params, normal, resources, _Said(progress, f"denoise {name}"))
        answers.append(out)
    voxel = tomogram.grid.voxel_size_angstrom
    diagnostics = {
        "denoise.half_map_before_angstrom": _half_map(odd, even, voxel),
        "denoise.half_map_after_angstrom": _half_map(InMemory(answers[0]), InMemory(answers[1]), voxel),
    }
    answers[0] += answers[1]
    answers[0] *= np.float32(0.5)
    return replace(
        tomogram,
        volume_zyx=InMemory(answers[0]),
        odd_zyx=None,
        even_zyx=None,
        kind="denoised",
        diagnostics=(tomogram.diagnostics or {}) | diagnostics,
    )


def methods_text(params: DenoiseParams) -> str:
    """One sentence for a methods section."""
    return (
        f"Tomograms were denoised by two 3-D U-Nets of {len(params.network.channels)} levels (MONAI), each trained for "
        f"{params.training.steps} steps of {params.batch} patches of {params.patch}³ voxels on half tomograms from odd "
        "and even frames (Noise2Noise; Lehtinen et al. 2018) in every other stripe of the field and applied to the "
        "stripes between (tomoset)."
    )


@dataclass(frozen=True, slots=True)
class _Normal:
    """What the networks see is (volume − mean) / scale."""

    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class _Said:
    """A progress under one name, whatever its parts call themselves."""

    progress: Progress
    name: str

    def step(self, what: str, done: int, total: int) -> None:
        del what
        self.progress.step(self.name, done, total)


def _half_map(odd: ArraySource, even: ArraySource, voxel_size_angstrom: float) -> float:
    fsc = sampled_shell_correlation(odd, even, voxel_size_angstrom)
    found = finest_agreement_angstrom(fsc, _HALF_MAP_THRESHOLD)
    # A box's length stands for "nowhere": JSON knows no infinity.
    return found if math.isfinite(found) else float(1 / fsc.frequency_per_angstrom[1])


def _mean_and_scale(source: ArraySource) -> tuple[float, float]:
    """Mean and standard deviation of every fourth plane."""
    planes = [np.asarray(source.read((z,)), dtype=np.float64) for z in range(0, source.shape[0], 4)]
    mean = float(np.mean([plane.mean() for plane in planes]))
    variance = float(np.mean([np.mean((plane - mean) ** 2) for plane in planes]))
    return mean, math.sqrt(variance) or 1.0


def _trained(
    odd: ArraySource,
    even: ArraySource,
    stripes: Sequence[Stripe],
    fold: int,
    params: DenoiseParams,
    normal: _Normal,
    resources: Resources,
    seed: int,
    progress: Progress,
) -> "nn.Module":
    """A network that answers for the stripes of one fold: trained on the others."""
    module = build_unet(params.network, seed=2 * seed + fold)
    others = [stripe for stripe in stripes if stripe.fold != fold]

    def sample(rng: np.random.Generator) -> tuple["torch.Tensor", ...]:
        return _pairs(odd, even, others, params, rng, normal)

    said = _Said(progress, f"train network {fold + 1} of 2")
    train(module, sample, _squared_error, params.training, seed=2 * seed + fold, resources=resources, progress=said)
    return module


def _pairs(
    odd: ArraySource,
    even: ArraySource,
    stripes: Sequence[Stripe],
    params: DenoiseParams,
    rng: np.random.Generator,
    normal: _Normal,
) -> tuple["torch.Tensor", ...]:
    """Patches of one half and of the other, (batch, 1, z, y, x) each, which is which drawn at random.

    Mirroring keeps the missing wedge where it is (it is symmetric about x = 0 and z = 0 for a symmetric tilt range),
    turning would not.
    """
    import torch

    pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for _ in range(params.batch):
        stripe = stripes[int(rng.integers(0, len(stripes)))]
        bounds = [(0, n) for n in odd.shape]
        bounds[stripe.axis] = stripe.trained
        corner = [int(rng.integers(first, end - params.patch + 1)) for first, end in bounds]
        region = tuple(slice(c, c + params.patch) for c in corner)
        pair = [(np.asarray(half.read(region), dtype=np.float32) - normal.mean) / normal.scale for half in (odd, even)]
        axes = tuple(int(axis) for axis in np.flatnonzero(rng.integers(0, 2, 3)))
        first, second = rng.permutation(2)
        pairs.append((np.flip(pair[first], axes), np.flip(pair[second], axes)))
    return tuple(
        torch.from_numpy(np.ascontiguousarray(np.stack(side)[:, None], dtype=np.float32))
        for side in zip(*pairs, strict=True)
    )


def _squared_error(module: "nn.Module", batch: tuple["torch.Tensor", ...]) -> "torch.Tensor":
    from torch.nn.functional import mse_loss

    noisy, other = batch
    return mse_loss(module(noisy), other)


def _answer(
    modules: Sequence["nn.Module"],
    stripes: Sequence[Stripe],
    half: ArraySource,
    out_zyx: NDArray[np.float32],
    params: DenoiseParams,
    normal: _Normal,
    resources: Resources,
    progress: _Said,
) -> None:
    """Fill ``out_zyx`` with the answers to one half, in the volume's units: each stripe by its network."""
    out_zyx[:] = normal.mean
    for done, stripe in enumerate(stripes, start=1):
        first, end = stripe.answered
        # The networks see as far beyond a stripe as they do beyond a tile.
        seen = max(0, first - _OVERLAP), min(stripe.length, end + _OVERLAP)
        part = Part(half, stripe.axis, *seen)
        answer = np.zeros(part.shape, np.float32)
        predict_volume(
            modules[stripe.fold],
            part,
            answer,
            mean=normal.mean,
            scale=normal.scale,
            tile=params.tile,
            overlap=_OVERLAP,
            multiple=params.network.multiple,
            resources=resources,
            progress=_Within(progress, done - 1, len(stripes)),
        )
        share = stripe.weights() * np.float32(normal.scale)
        inside = stripe.region((first - seen[0], end - seen[0]))
        share_zyx = np.expand_dims(share, tuple(axis for axis in range(3) if axis != stripe.axis))
        out_zyx[stripe.region((first, end))] += answer[inside] * share_zyx


@dataclass(frozen=True, slots=True)
class _Within:
    """Progress of one of several equal parts as part of the whole."""

    progress: _Said
    part: int
    parts: int

    def step(self, what: str, done: int, total: int) -> None:
        self.progress.step(what, self.part * total + done, self.parts * total)
