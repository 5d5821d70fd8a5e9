"""Fourier amplitudes by frequency, and volumes brought to the amplitudes of others."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["match_amplitudes", "radial_amplitudes"]

BINS = 24
LARGEST_GAIN = 4.0


def radial_amplitudes(volume_zyx: NDArray[np.float32]) -> NDArray[np.float64]:
    """Root mean square Fourier amplitude of a voxel of white noise' size, in ``BINS`` shells from 0 to Nyquist."""
    from scipy import fft

    transform = fft.rfftn(volume_zyx - volume_zyx.mean())
    power = np.square(np.abs(transform)) / volume_zyx.size
    shell = _shells(volume_zyx.shape)
    count = np.bincount(shell.ravel(), minlength=BINS + 1)[:BINS]
    total = np.bincount(shell.ravel(), power.ravel(), minlength=BINS + 1)[:BINS]
    return np.asarray(np.sqrt(total / np.maximum(count, 1)))


def match_amplitudes(volume_zyx: NDArray[np.float32], amplitudes: NDArray[np.float64]) -> NDArray[np.float32]:
    """The volume with the given amplitudes, shell by shell; no shell is raised or lowered more than fourfold."""
    from scipy import fft

    own = radial_amplitudes(volume_zyx)
    gain = np.clip(amplitudes / np.maximum(own, 1e-9), 1 / LARGEST_GAIN, LARGEST_GAIN)
    transform = fft.rfftn(volume_zyx)
    transform *= np.append(gain, gain[-1]).astype(np.float32)[_shells(volume_zyx.shape)]
    return np.asarray(fft.irfftn(transform, s=volume_zyx.shape), dtype=np.float32)


def _shells(shape_zyx: tuple[int, ...]) -> NDArray[np.intp]:
    """Shell of each voxel of the ``rfftn`` grid; ``BINS`` beyond Nyquist."""
    frequencies = [np.fft.fftfreq(n) for n in shape_zyx[:2]] + [np.fft.rfftfreq(shape_zyx[2])]
    k2 = sum(np.square(k) for k in np.meshgrid(*frequencies, indexing="ij", sparse=True))
    return np.minimum((np.sqrt(k2) * 2 * BINS).astype(np.intp), BINS)
