"""Torch modules, the one training loop and tiled inference that denoising, annotation and baselines share."""

from tomoset.networks.inference import predict_volume
from tomoset.networks.training import TrainingHistory, TrainingParams, train
from tomoset.networks.unet import UNetParams, build_unet

__all__ = ["TrainingHistory", "TrainingParams", "UNetParams", "build_unet", "predict_volume", "train"]
