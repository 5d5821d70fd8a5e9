"""Projections of molecules: central slices of their transforms, exact to sub-pixel shifts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.structures import Structure, potential_map
from tomoset.structures.potential import SPREAD_PER_RESOLUTION

__all__ = ["MoleculeTransform", "project_molecules", "transform_molecule"]

# Gridding with a Kaiser-Bessel kernel of 4 lattice points on a lattice oversampled twice (Beatty, Nishimura & Pauly
# 2005, IEEE Trans. Med. Imaging 24:799, who also give beta); it errs by 6e-4 rms of a projection.
_WIDTH = 4
_OVERSAMPLING = 2
_BETA = math.pi * math.sqrt((_WIDTH / _OVERSAMPLING) ** 2 * (_OVERSAMPLING - 0.5) ** 2 - 0.8)
_TABLE_STEPS = 512
# The map is sampled at half the image's pixel and widened by this many voxels, so that nothing folds back into the
# image's band; the slices undo the widening exactly.
_VOXELS_PER_PIXEL = 2
_WIDENING_VOXELS = 0.7

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MoleculeTransform:
    """Fourier transform of a molecule's potential on an oversampled lattice, as far as the image's pixels reach.

    Parameters
    ----------
    lattice_zyx : complex64 array
        V Å³; the half space kx ≥ 0 and the kernel's reach beyond.
    first_zyx : tuple of int
        Lattice frequency of element (0, 0, 0).
    lattice_step_per_angstrom : float
    box_pixels : int
        Edge of the image patch that holds any projection, even.
    widening_angstrom : float
        Standard deviation of the Gaussian that the lattice still holds.
    pixel_size_angstrom : float
    """

    lattice_zyx: NDArray[np.complex64]
    first_zyx: tuple[int, int, int]
    lattice_step_per_angstrom: float
    box_pixels: int
    widening_angstrom: float
    pixel_size_angstrom: float


def _kernel(offset: Floats) -> Floats:
    """Kaiser-Bessel kernel at offsets of at most 2 lattice points."""
    inside = np.clip(1 - (2 * offset / _WIDTH) ** 2, 0, None)
    return np.i0(_BETA * np.sqrt(inside))


def _kernel_table() -> Floats:
    """Weights (steps + 1, 4) of the lattice points floor − 1 … floor + 2 by fractional offset."""
    fraction = np.linspace(0, 1, _TABLE_STEPS + 1)
    return _kernel(fraction[:, None] - np.arange(-1, 3)[None, :])


def _apodisation(n: int) -> Floats:
    """What the kernel multiplies space by: its transform at the n voxels of the molecule's box, centre at n // 2."""
    x = (np.arange(n) - n // 2) / (_OVERSAMPLING * n)
    root = np.sqrt(_BETA**2 - (math.pi * _WIDTH * x) ** 2)
    return _WIDTH * np.sinh(root) / root


def _undo_voxel_mean(volume_zyx: NDArray[np.floating]) -> NDArray[np.float32]:
    """Turn means over voxels into values at their centres: divide the transform by sinc along every axis."""
    from scipy.fft import irfftn, rfftn

    n = volume_zyx.shape[0]
    transform = rfftn(np.asarray(volume_zyx, dtype=np.float32))
    full, half = np.sinc(np.fft.fftfreq(n)), np.sinc(np.fft.rfftfreq(n))
    transform /= (full[:, None, None] * full[None, :, None] * half[None, None, :]).astype(np.float32)
    return np.asarray(irfftn(transform, volume_zyx.shape), dtype=np.float32)


def _centred_at_zero(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Pad one axis to the oversampled length, with the centre (index n // 2) moved to index 0."""
    n = array.shape[axis]
    padded_shape = list(array.shape)
    padded_shape[axis] = _OVERSAMPLING * n
    padded = np.zeros(padded_shape, dtype=array.dtype)
    source, target = np.moveaxis(array, axis, 0), np.moveaxis(padded, axis, 0)
    target[: n - n // 2] = source[n // 2 :]
    target[_OVERSAMPLING * n - n // 2 :] = source[: n // 2]
    return padded


def _lattice(volume_zyx: NDArray[np.float32], reach: int) -> NDArray[np.complex64]:
    """Oversampled transform at frequencies −reach … reach in z and y, −2 … reach in x.

    Axis by axis, each cut before the next, so that the whole padded volume never exists.
    """
    from scipy.fft import fft, rfft

    positive = rfft(_centred_at_zero(volume_zyx, 2), axis=2)[:, :, : reach + 1]
    mirrored = np.conj(positive[:, :, _WIDTH // 2 : 0 : -1])
    lattice = np.concatenate([mirrored, positive], axis=2)
    for axis in (1, 0):
        transform = fft(_centred_at_zero(lattice, axis), axis=axis, overwrite_x=True)
        lattice = np.take(transform, np.arange(-reach, reach + 1), axis=axis, mode="wrap")
    return np.asarray(lattice, dtype=np.complex64)


def transform_molecule(structure: Structure, pixel_size_angstrom: float) -> MoleculeTransform:
    """Prepare a molecule for projection onto pixels of a given size."""
    voxel = pixel_size_angstrom / _VOXELS_PER_PIXEL
    widening = _WIDENING_VOXELS * voxel
    potential = potential_map(structure, voxel, resolution_angstrom=widening / SPREAD_PER_RESOLUTION)
    volume_zyx = _undo_voxel_mean(potential.volume_zyx)
    n = volume_zyx.shape[0]
    correction = 1 / _apodisation(n)
    volume_zyx *= (correction[:, None, None] * correction[None, :, None] * correction[None, None, :]).astype(np.float32)
    step = 1 / (_OVERSAMPLING * n * voxel)
    reach = math.ceil(math.sqrt(0.5) / pixel_size_angstrom / step) + _WIDTH // 2
    lattice = _lattice(volume_zyx * np.float32(voxel**3), reach)
    extent = max(n * voxel, 2 * structure.radius_angstrom)
    return MoleculeTransform(
        lattice_zyx=np.ascontiguousarray(lattice),
        first_zyx=(-reach, -reach, -(_WIDTH // 2)),
        lattice_step_per_angstrom=step,
        box_pixels=2 * math.ceil(0.5 * extent / pixel_size_angstrom + 2),
        widening_angstrom=widening,
        pixel_size_angstrom=pixel_size_angstrom,
    )


def project_molecules(
    molecule: MoleculeTransform, image_from_particle: Floats, offsets_xy_pixel: Floats
) -> NDArray[np.float32]:
    """Projected potential of copies of one molecule, each in a patch of its own.

    Parameters
    ----------
    molecule : MoleculeTransform
    image_from_particle : (m, 3, 3) array of float64
        Rotations; the beam is z.
    offsets_xy_pixel : (m, 2) array of float64
        Where the molecule's origin lies, from the patch's index N // 2, pixels.

    Returns
    -------
    (m, n, n) array of float32
        Potential integrated along the beam, V Å, band-limited to the pixels' Nyquist frequency.
    """
    from scipy.fft import irfft2

    from tomoset.microscope import _kernels

    n, pixel = molecule.box_pixels, molecule.pixel_size_angstrom
    spectra = np.empty((len(image_from_particle), n, n // 2 + 1), dtype=np.complex64)
    frequency_step = 1 / (n * pixel)
    _kernels.slice_spectra(
        molecule.lattice_zyx,
        molecule.first_zyx,
        _kernel_table(),
        np.ascontiguousarray(image_from_particle),
        np.ascontiguousarray(offsets_xy_pixel),
        frequency_step / molecule.lattice_step_per_angstrom,
        spectra,
    )
    ky, kx = np.fft.fftfreq(n, pixel)[:, None], np.fft.rfftfreq(n, pixel)[None, :]
    sharpen = np.exp(2 * (np.pi * molecule.widening_angstrom) ** 2 * (ky**2 + kx**2)) / pixel**2
    spectra *= sharpen.astype(np.float32)
    return irfft2(spectra, (n, n), overwrite_x=True)
