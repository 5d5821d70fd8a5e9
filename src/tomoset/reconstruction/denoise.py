"""Denoise a tomogram by what its halves have in common (Noise2Noise)."""

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import ArraySource, InMemory, Progress, Resources, Tomogram
from tomoset.networks import TrainingParams, UNetParams, build_unet, predict_volume, train

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["DenoiseParams", "denoise", "methods_text"]

# Convolutions on both sides of two poolings see about 20 voxels; their outer half hardly counts.
_OVERLAP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiseParams:
    """Parameters of :func:`denoise`.

    Parameters
    ----------
    network : UNetParams
        One channel in and out.
    training : TrainingParams
    patch : int
        Edge of the training patches, voxels.
    batch : int
        Patches a step.
    tile : int
        Edge of the tiles the finished network runs on.

    Raises
    ------
    ParameterError
        If a number is out of range or the network's lengths do not fit.
    """

    network: UNetParams = field(default_factory=UNetParams)
    training: TrainingParams = field(default_factory=TrainingParams)
    patch: int = 32
    batch: int = 4
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
        if self.tile <= 2 * _OVERLAP:
            raise ParameterError(f"denoise.tile: expected more than {2 * _OVERLAP}, found {self.tile}")


def denoise(
    tomogram: Tomogram, params: DenoiseParams, *, resources: Resources, seed: int, progress: Progress
) -> Tomogram:
    """Train a network to tell one half tomogram from the other, and take the mean of its answers to both.

    The halves share the specimen and not the noise, so that the best guess of the other half is the specimen as far as
    it can be known (Lehtinen et al. 2018; Buchholz et al. 2019, cryoCARE). Nothing is invented beyond that guess, but
    it is an estimate: do not average it with raw data.

    Parameters
    ----------
    tomogram : Tomogram
        With halves.
    params : DenoiseParams
    resources : Resources
        Device and threads of the network (another device may change the last digits); the result is made by
        ``allocate("denoised_zyx", …)``.
    seed : int
        Of the network's start and of the patches.
    progress : Progress

    Returns
    -------
    Tomogram
        Of kind ``"denoised"``, on the same grid, in the same units and with the same contrast; without halves.

    Raises
    ------
    GeometryError
        If the tomogram has no halves or is smaller than a patch.
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
    mean, scale = _mean_and_scale(odd)
    module = build_unet(params.network, seed=seed)

    def sample(rng: np.random.Generator) -> tuple["torch.Tensor", ...]:
        return _pairs(odd, even, params, rng, mean, scale)

    train(module, sample, _squared_error, params.training, seed=seed, resources=resources, progress=progress)
    out = resources.allocate("denoised_zyx", tomogram.grid.shape_zyx, np.float32)
    out[:] = 0
    for half in (odd, even):
        predict_volume(
            module,
            half,
            out,
            mean=mean,
            scale=scale,
            tile=params.tile,
            overlap=_OVERLAP,
            resources=resources,
            progress=progress,
        )
    out *= np.float32(scale / 2)
    out += np.float32(mean)
    return replace(tomogram, volume_zyx=InMemory(out), odd_zyx=None, even_zyx=None, kind="denoised")


def methods_text(params: DenoiseParams) -> str:
    """One sentence for a methods section."""
    return (
        f"Tomograms were denoised by a 3-D U-Net ({len(params.network.channels)} levels, "
        f"{params.training.steps} steps of {params.batch} patches of {params.patch}³ voxels) trained on their own half "
        "tomograms from odd and even frames (Noise2Noise; Lehtinen et al. 2018) (tomoset)."
    )


def _mean_and_scale(source: ArraySource) -> tuple[float, float]:
    """Mean and standard deviation of every fourth plane."""
    planes = [np.asarray(source.read((z,)), dtype=np.float64) for z in range(0, source.shape[0], 4)]
    mean = float(np.mean([plane.mean() for plane in planes]))
    variance = float(np.mean([np.mean((plane - mean) ** 2) for plane in planes]))
    return mean, math.sqrt(variance) or 1.0


def _pairs(
    odd: ArraySource, even: ArraySource, params: DenoiseParams, rng: np.random.Generator, mean: float, scale: float
) -> tuple["torch.Tensor", ...]:
    """Patches of one half and of the other, (batch, 1, z, y, x) each, which is which drawn at random.

    Mirroring keeps the missing wedge where it is (it is symmetric about x = 0 and z = 0 for a symmetric tilt range),
    turning would not.
    """
    import torch

    pairs: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for _ in range(params.batch):
        corner = [int(rng.integers(0, n - params.patch + 1)) for n in odd.shape]
        region = tuple(slice(c, c + params.patch) for c in corner)
        pair = [(np.asarray(half.read(region), dtype=np.float32) - mean) / scale for half in (odd, even)]
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
