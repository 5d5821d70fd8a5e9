"""Volumes, weights and planted particles for measuring the search itself, without a microscope."""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.engines.low_rank import box_edge, weighted_templates
from tomoset.annotation.templates.search import full_grid
from tomoset.annotation.templates.template_spectrum import TemplateSpectrum
from tomoset.annotation.templates.transfer import box_frequencies
from tomoset.physics import ctf, damage_amplitude

__all__ = ["low_pass_weight", "plant", "rotation_step_deg", "whitened_weight"]

Floats32 = NDArray[np.float32]

_BOX = 32
_DOSES = np.linspace(3, 97, 16)


def rotation_step_deg(count: int) -> float:
    """Step at which that many rotations cover all of SO(3)."""
    return float(np.rad2deg((8 * np.pi**2 / count) ** (1 / 3)))


def _wedge(k_xyz: NDArray[np.float64], voxel: float) -> NDArray[np.float64]:
    """Tilts of ±45° about y: 1 where measured, falling over the width of a box's slab."""
    return 1 / (1 + np.exp((np.abs(k_xyz[..., 2]) - np.abs(k_xyz[..., 0])) * 2 * _BOX * voxel))


def low_pass_weight(shape: tuple[int, int, int], voxel: float, resolution: float) -> Floats32:
    """All of the measured wedge equally, and nothing beyond a resolution."""
    k_xyz = box_frequencies(_BOX, voxel)
    k = np.linalg.norm(k_xyz, axis=-1)
    soft = _wedge(k_xyz, voxel)
    edge = np.clip((1 / resolution - k) * _BOX * voxel, 0, 1)  # falls over one frequency of the box
    return full_grid(np.where((soft > 0.1) & (k > 0), soft * edge, 0).astype(np.float32), shape)


def whitened_weight(shape: tuple[int, int, int], voxel: float) -> Floats32:
    """What a search uses: the CTF's size at 3.5 µm, damage of 100 e/Å², 5 Å of blur, in all of the measured band."""
    k_xyz = box_frequencies(_BOX, voxel)
    k = np.linalg.norm(k_xyz, axis=-1)
    soft = _wedge(k_xyz, voxel)
    contrast = np.abs(ctf(k, 35_000.0, voltage_kv=300.0, cs_mm=2.7, amplitude_contrast=0.07))
    surviving = np.sqrt(np.mean([np.square(damage_amplitude(k, dose, 300.0)) for dose in _DOSES], axis=0))
    fading = np.exp(-2 * np.square(np.pi * 5.0 * k))
    weight = np.where((soft > 0.1) & (k > 0) & (k < 0.5 / voxel), np.sqrt(soft) * contrast * surviving * fading, 0)
    return full_grid(weight.astype(np.float32), shape)


def plant(
    volume: Floats32,
    template: TemplateSpectrum,
    rotations: NDArray[np.float64],
    weight: Floats32,
    voxel: float,
    count: int,
    norm: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Add particles of a norm, in units of the noise, in random rotations of a list; returns their voxels (n, 3)."""
    from tomoset.annotation.templates import _kernels

    n = box_edge(template, voxel)
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    box_weight = _kernels.resample_half_grid(weight, shape, (n, n, n))
    spots = np.stack(np.meshgrid(*[np.arange(n // 4, s, 2 * n // 3) for s in shape], indexing="ij"), axis=-1)
    spots = rng.permutation(spots.reshape(-1, 3))[:count]
    spots += rng.integers(-2, 3, spots.shape)
    which = rng.integers(0, len(rotations), len(spots))
    around = np.fft.fftfreq(n, 1 / n).astype(int)
    for spot, box in zip(spots, weighted_templates(template, rotations[which], box_weight, voxel), strict=True):
        places = [(around + at) % length for at, length in zip(spot, shape, strict=True)]
        volume[np.ix_(*places)] += norm * box / np.linalg.norm(box)
    return spots
