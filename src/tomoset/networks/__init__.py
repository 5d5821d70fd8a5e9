"""Torch modules, the one training loop and tiled inference that denoising, annotation and baselines share."""

from tomoset.networks.blending import blend_tiles
from tomoset.networks.inference import predict_volume
from tomoset.networks.precision import mixed_precision
from tomoset.networks.strided import StridedNetParams, build_strided_net
from tomoset.networks.training import (
    Continuation,
    TrainingHistory,
    TrainingParams,
    TrainingState,
    torch_threads,
    train,
)
from tomoset.networks.unet import UNetParams, build_unet

__all__ = [
    "Continuation",
    "StridedNetParams",
    "TrainingHistory",
    "TrainingParams",
    "TrainingState",
    "UNetParams",
    "blend_tiles",
    "build_strided_net",
    "build_unet",
    "mixed_precision",
    "predict_volume",
    "torch_threads",
    "train",
]
