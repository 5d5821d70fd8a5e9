"""Torch modules and the one training loop that denoising, annotation and baselines share."""
