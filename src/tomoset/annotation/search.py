"""Exhaustive search: the best rotation of a template at every voxel."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.template_spectrum import TemplateSpectrum

__all__ = ["ScoreMap", "full_grid", "search_rotations"]

Floats32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreMap:
    """Best match of one template at every voxel.

    Parameters
    ----------
    z_zyx : (z, y, x) array of float32
        Largest correlation over rotations in units of the noise: 1 where only noise is.
    rotation_index_zyx : (z, y, x) array of int16 or int32
        Which rotation gave it.
    inverted_z_zyx, inverted_rotation_index_zyx : (z, y, x) arrays
        The same for the template with inverted contrast, which matches nothing real.
    norms : (r,) array of float64
        Norm A of the whitened template at each rotation: the expected score of a perfect particle is A times the
        tomogram's amplitude.
    """

    z_zyx: Floats32
    rotation_index_zyx: NDArray[np.integer]
    inverted_z_zyx: Floats32
    inverted_rotation_index_zyx: NDArray[np.integer]
    norms: NDArray[np.float64]


def full_grid(box_zyx: Floats32, shape_zyx: tuple[int, int, int]) -> Floats32:
    """Function on a box's ``rfftn`` grid, interpolated to that of a volume of the same voxels."""
    from tomoset.annotation import _kernels

    z, y, x = shape_zyx
    out = np.empty((z, y, x // 2 + 1), dtype=np.float32)
    _kernels.interpolate_half_grid(np.ascontiguousarray(box_zyx, dtype=np.float32), shape_zyx, out)
    return out


def search_rotations(
    volume_hat: NDArray[np.complex64],
    shape_zyx: tuple[int, int, int],
    voxel_size_angstrom: float,
    weight_zyx: Floats32,
    template: TemplateSpectrum,
    rotations: NDArray[np.float64],
    *,
    workers: int,
    step: Callable[[], None],
) -> ScoreMap:
    """Correlate a whitened volume with a template in every rotation.

    Parameters
    ----------
    volume_hat : (z, y, x // 2 + 1) array of complex64
        ``rfftn`` of the whitened volume.
    shape_zyx : tuple of int
        Its shape in real space.
    voxel_size_angstrom : float
    weight_zyx : (z, y, x // 2 + 1) array of float32
        What a template's transform is multiplied with: transfer over noise amplitude, 0 where nothing is used.
    template : TemplateSpectrum
    rotations : (r, 3, 3) array of float64
        Particle -> tomogram.
    workers : int
        Threads; each needs two volumes of its own.
    step : callable
        Called after every rotation.

    Returns
    -------
    ScoreMap

    Notes
    -----
    One inverse transform per rotation: the template is read from its transform at Rᵀ k inside the band and the wedge
    only, multiplied with the volume's and its norm summed in the same pass.
    """
    from scipy import fft

    from tomoset.annotation import _kernels

    frequency_steps = np.array([1 / (n * voxel_size_angstrom) for n in shape_zyx])
    index_type = np.int16 if len(rotations) < 2**15 else np.int32
    best = np.full(shape_zyx, -np.inf, dtype=np.float32)
    worst = np.full(shape_zyx, np.inf, dtype=np.float32)
    which = np.zeros(shape_zyx, dtype=index_type)
    which_worst = np.zeros(shape_zyx, dtype=index_type)
    norms = np.zeros(len(rotations))
    size = float(np.prod(shape_zyx))
    lock = threading.Lock()
    local = threading.local()

    def one(index: int) -> None:
        if not hasattr(local, "product"):
            local.product = np.empty_like(volume_hat)
        power = _kernels.rotate_and_multiply(
            volume_hat,
            weight_zyx,
            template.values_zyx,
            template.length_angstrom,
            rotations[index],
            frequency_steps,
            local.product,
        )
        norms[index] = np.sqrt(power / size)
        correlation = _inverse(local.product, shape_zyx)
        with lock:
            scale = np.float32(1 / max(norms[index], np.finfo(np.float32).tiny))
            _kernels.update_extremes(correlation, scale, index, best, which, worst, which_worst)
            step()

    def _inverse(product: NDArray[np.complex64], shape: tuple[int, int, int]) -> Floats32:
        return np.asarray(fft.irfftn(product, s=shape, overwrite_x=True), dtype=np.float32)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in pool.map(one, range(len(rotations))):
            pass
    np.negative(worst, out=worst)
    return ScoreMap(best, which, worst, which_worst, norms)
