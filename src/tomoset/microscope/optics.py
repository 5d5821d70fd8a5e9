"""Contrast of one view: molecules at their own heights, through the contrast transfer function."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.projection import MoleculeTransform, project_molecules
from tomoset.model import Molecules
from tomoset.physics import ctf_float32, interaction_parameter_per_volt_angstrom, rfft_frequency_2d, wavelength_angstrom

__all__ = ["View", "height_nodes", "height_weights", "ice_spectrum", "molecule_spectrum", "plane_height"]

# Largest error of a CTF interpolated between heights; the full swing of a CTF is 2.
_CTF_TOLERANCE = 1e-3
# ... as far as this spacing; finer detail hardly outlives the first exposure (critical dose 5 e⁻/Å²).
_FINEST_ANGSTROM = 4.0
_COPIES_AT_ONCE = 256
_ICE_PIXEL_ANGSTROM, _ICE_PATH_ANGSTROM = 10.0, 1800.0  # what params.ice_phase_noise refers to
_ICE_PHASE_TOLERANCE = 0.15  # rad

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One view as the optics see it: rotation (3, 3) specimen -> camera, shift (2,), defocus at the origin."""

    image_from_specimen: Floats
    shift_xy_angstrom: Floats
    defocus_angstrom: float


def height_nodes(
    lowest_angstrom: float, highest_angstrom: float, pixel_size_angstrom: float, voltage_kv: float
) -> Floats:
    """Heights between which a CTF is interpolated to 1e-3, as far as the image's corner frequency or 1/(4 Å).

    Chebyshev nodes: the interpolation of a sine of amplitude 1 and half range b (here ``π λ k² H`` at the largest
    frequency, H half the range of heights) by n of them errs by at most ``2 (b / 2)ⁿ / n!``.

    Returns
    -------
    (n,) array of float64
        Camera-frame heights, Å.
    """
    half_range = 0.5 * (highest_angstrom - lowest_angstrom)
    largest_k2 = min(0.5 / pixel_size_angstrom**2, 1 / _FINEST_ANGSTROM**2)
    b = math.pi * wavelength_angstrom(voltage_kv) * largest_k2 * half_range
    n = 1
    while 2 * (b / 2) ** n / math.factorial(n) > _CTF_TOLERANCE:
        n += 1
    angles = (np.arange(n) + 0.5) * np.pi / n
    return 0.5 * (lowest_angstrom + highest_angstrom) + half_range * np.cos(angles)


def height_weights(nodes_angstrom: Floats, heights_angstrom: Floats) -> Floats:
    """Lagrange weights (m, n) of the nodes at heights (m,); every row sums to 1."""
    weights = np.ones((len(heights_angstrom), len(nodes_angstrom)))
    for i, node in enumerate(nodes_angstrom):
        for j, other in enumerate(nodes_angstrom):
            if i != j:
                weights[:, i] *= (heights_angstrom - other) / (node - other)
    return weights


class _Placed:
    """Copies of one species that touch the canvas in one view."""

    __slots__ = ("corners_yx", "heights", "molecule", "offsets_xy", "rotations")

    def __init__(self, copies: Molecules, molecule: MoleculeTransform, view: View, canvas: Canvas) -> None:
        pixel, n = canvas.pixel_size_angstrom, molecule.box_pixels
        camera = copies.positions_angstrom_xyz @ view.image_from_specimen.T
        origin_y, origin_x = canvas.origin_yx
        position = (camera[:, :2] + view.shift_xy_angstrom) / pixel + np.array([origin_x, origin_y])
        centre = np.rint(position).astype(np.int64)
        corners = centre[:, ::-1] - n // 2
        inside = np.all((corners > -n) & (corners < np.array(canvas.shape_yx)), axis=1)
        self.molecule = molecule
        self.corners_yx = corners[inside]
        self.offsets_xy = (position - centre)[inside]
        self.heights = camera[inside, 2]
        self.rotations = view.image_from_specimen @ copies.rotations[inside]

    def stamp(self, planes_hyx: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Add all copies to the planes."""
        from tomoset.microscope import _kernels

        for first in range(0, len(self.heights), _COPIES_AT_ONCE):
            some = slice(first, first + _COPIES_AT_ONCE)
            patches = project_molecules(self.molecule, self.rotations[some], self.offsets_xy[some])
            _kernels.stamp_patches(planes_hyx, patches, self.corners_yx[some], np.ascontiguousarray(weights[some]))


def molecule_spectrum(
    molecules: tuple[Molecules, ...],
    transforms: Mapping[str, MoleculeTransform],
    view: View,
    params: MicroscopeParams,
    canvas: Canvas,
    *,
    memory_gib: float = 1.0,
    workers: int = 1,
) -> NDArray[np.complex64]:
    """Transform of the contrast that undamaged molecules make in one view.

    Parameters
    ----------
    molecules : tuple of Molecules
        Specimen frame.
    transforms : mapping of str to MoleculeTransform
        By species.
    view : View
    params : MicroscopeParams
    canvas : Canvas
    memory_gib : float
        How much the planes may take; less memory means more passes over the molecules, never another answer.
    workers : int
        Threads of the Fourier transforms.

    Returns
    -------
    (ny, nx // 2 + 1) complex64 array
        ``rfft2`` of the relative intensity change on the canvas.

    Notes
    -----
    Linear weak-phase imaging: contrast = 2 σ V CTF(k; defocus + hand · height), each molecule at the height of its
    centre. The CTFs of all heights are combined from a few (:func:`height_nodes`), so that the number of transforms
    does not grow with the number of molecules.
    """
    from scipy.fft import rfft2

    shape_yx = canvas.shape_yx
    spectrum = np.zeros((shape_yx[0], shape_yx[1] // 2 + 1), dtype=np.complex64)
    placed = [_Placed(copies, transforms[copies.species], view, canvas) for copies in molecules]
    placed = [species for species in placed if len(species.heights)]
    if not placed:
        return spectrum
    lowest = min(float(species.heights.min()) for species in placed)
    highest = max(float(species.heights.max()) for species in placed)
    nodes = height_nodes(lowest, highest, canvas.pixel_size_angstrom, params.voltage_kv)
    weights = [height_weights(nodes, species.heights).astype(np.float32) for species in placed]
    at_once = max(1, int(memory_gib * 2**30 / (4 * math.prod(shape_yx))))
    sigma = interaction_parameter_per_volt_angstrom(params.voltage_kv)
    for first in range(0, len(nodes), at_once):
        planes_hyx = np.zeros((len(nodes[first : first + at_once]), *shape_yx), dtype=np.float32)
        for species, species_weights in zip(placed, weights, strict=True):
            species.stamp(planes_hyx, species_weights[:, first : first + at_once])
        for node, plane_yx in zip(nodes[first : first + at_once], planes_hyx, strict=True):
            transfer = _transfer(view.defocus_angstrom + params.defocus_hand * float(node), params, canvas)
            spectrum += rfft2(plane_yx, workers=workers) * (np.float32(2 * sigma) * transfer)
    return spectrum


def ice_spectrum(
    view: View,
    path_angstrom: float,
    params: MicroscopeParams,
    canvas: Canvas,
    rng: np.random.Generator,
    *,
    workers: int = 1,
) -> NDArray[np.complex64]:
    """Transform of the contrast of the ice's own structure: white phase noise through the CTF of its own height.

    Its variance grows with the path through the ice and with the inverse area of a pixel. The water moves between
    exposures (McMullan et al. 2015, Ultramicroscopy 158:26), so that every view has its own.

    Notes
    -----
    Each pixel's grain lies at a random height of the beam's way through the tilted slab, so that the ice carries the
    tilt's defocus gradient and blurs its Thon rings by the slab's depth. Heights are taken to the middle of slabs so
    thin that the phase at the largest frequency errs by no more than 0.15 rad.
    """
    from scipy.fft import rfft2

    spectrum = np.zeros((canvas.shape_yx[0], canvas.shape_yx[1] // 2 + 1), dtype=np.complex64)
    if params.ice_phase_noise == 0:
        return spectrum
    scale = _ICE_PIXEL_ANGSTROM / canvas.pixel_size_angstrom * math.sqrt(path_angstrom / _ICE_PATH_ANGSTROM)
    phase_yx = rng.standard_normal(canvas.shape_yx, dtype=np.float32)
    depth_yx = (rng.random(canvas.shape_yx, dtype=np.float32) - np.float32(0.5)) * np.float32(path_angstrom)
    largest_k2 = min(0.5 / canvas.pixel_size_angstrom**2, 1 / _FINEST_ANGSTROM**2)
    slab_angstrom = 2 * _ICE_PHASE_TOLERANCE / (math.pi * wavelength_angstrom(params.voltage_kv) * largest_k2)
    slab_yx = np.rint((plane_height(view, canvas) + depth_yx) / np.float32(slab_angstrom)).astype(np.int16)
    for slab in range(int(slab_yx.min()), int(slab_yx.max()) + 1):
        transfer = _transfer(view.defocus_angstrom + params.defocus_hand * slab * slab_angstrom, params, canvas)
        spectrum += rfft2(np.where(slab_yx == slab, phase_yx, np.float32(0)), workers=workers) * transfer
    return spectrum * np.float32(2 * params.ice_phase_noise * scale)


def plane_height(view: View, canvas: Canvas) -> NDArray[np.float32]:
    """Camera-frame height (ny, nx), Å, at which the beam through each pixel meets the specimen's middle plane."""
    rotation = view.image_from_specimen
    slope_x, slope_y = rotation[2, :2] @ np.linalg.inv(rotation[:2, :2])
    (ny, nx), (origin_y, origin_x) = canvas.shape_yx, canvas.origin_yx
    x = (np.arange(nx) - origin_x) * canvas.pixel_size_angstrom - view.shift_xy_angstrom[0]
    y = (np.arange(ny) - origin_y) * canvas.pixel_size_angstrom - view.shift_xy_angstrom[1]
    return (slope_y * y[:, None] + slope_x * x[None, :]).astype(np.float32)


@lru_cache(maxsize=1)
def _frequency(shape_yx: tuple[int, int], pixel_size_angstrom: float) -> NDArray[np.float32]:
    """Frequencies of the canvas, kept between views."""
    frequency = rfft_frequency_2d(shape_yx, pixel_size_angstrom).astype(np.float32)
    frequency.flags.writeable = False
    return frequency


def _transfer(defocus_angstrom: float, params: MicroscopeParams, canvas: Canvas) -> NDArray[np.float32]:
    return ctf_float32(
        _frequency(canvas.shape_yx, canvas.pixel_size_angstrom),
        defocus_angstrom,
        voltage_kv=params.voltage_kv,
        cs_mm=params.cs_mm,
        amplitude_contrast=params.amplitude_contrast,
    )
