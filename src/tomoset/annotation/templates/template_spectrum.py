"""A template's Fourier transform, sampled finely enough to be read at any rotation."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.structures import Structure, potential_map

__all__ = ["TemplateSpectrum", "template_spectrum"]

# The grid is this many times finer than the molecule's diameter asks for: linear interpolation then errs by ~1 %.
_OVERSAMPLING = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class TemplateSpectrum:
    """Transform of a molecule's potential about its centre.

    Parameters
    ----------
    values_zyx : (n, n, n, 2) array of float32
        Real and imaginary part, frequency 0 at index n // 2, V·voxel of the search.
    length_angstrom : float
        Neighbouring samples are ``1 / length_angstrom`` apart.
    """

    values_zyx: NDArray[np.float32]
    length_angstrom: float


@lru_cache(maxsize=16)
def template_spectrum(structure: Structure, voxel_size_angstrom: float) -> TemplateSpectrum:
    """Transform of a structure up to the Nyquist frequency of a voxel size.

    Parameters
    ----------
    structure : Structure
    voxel_size_angstrom : float
        Voxels of the search; frequencies up to ``0.5 / voxel_size_angstrom`` are kept.

    Returns
    -------
    TemplateSpectrum
        Normalised so that the inverse discrete transform on voxels of that size is the potential in volts. The same
        object at every call with the same structure and voxel size.

    Raises
    ------
    ParameterError
        If the structure is so small that it has no extent at this voxel size.

    Notes
    -----
    Reading a sampled transform by linear interpolation multiplies the molecule by sinc² along each axis of the
    padded box; the map is divided by it first. The mean over the map's voxels is divided out as well.
    """
    from scipy import fft

    fine = voxel_size_angstrom / 2
    molecule = potential_map(structure, fine)
    n_map = molecule.volume_zyx.shape[0]
    n = int(fft.next_fast_len(int(np.ceil(_OVERSAMPLING * n_map)), real=True))
    n += n % 2
    if n_map < 4:
        raise ParameterError(f"structure {structure.name} has no extent at {voxel_size_angstrom:g} Å voxels")
    position = (np.arange(n_map) - n_map // 2) / n
    undo = 1 / np.square(np.sinc(position))
    volume = molecule.volume_zyx * (undo[:, None, None] * undo[:, None] * undo).astype(np.float32)
    padded = np.zeros((n, n, n), dtype=np.float32)
    first = n // 2 - n_map // 2
    padded[first : first + n_map, first : first + n_map, first : first + n_map] = volume
    transform = fft.fftshift(fft.fftn(fft.ifftshift(padded)))
    length = n * fine
    half = int(np.ceil(0.5 / voxel_size_angstrom * length)) + 2
    centre = slice(n // 2 - half, n // 2 + half)
    kept = transform[centre, centre, centre]
    blur = np.sinc(np.arange(-half, half) / n)
    kept = kept / (blur[:, None, None] * blur[:, None] * blur) / 8.0  # 8 fine voxels make one of the search
    values = np.stack([kept.real, kept.imag], axis=-1).astype(np.float32)
    return TemplateSpectrum(np.ascontiguousarray(values), length)
