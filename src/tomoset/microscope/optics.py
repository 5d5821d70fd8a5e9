"""Contrast of one view: matter at its own height, through the contrast transfer function."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.placed import PlacedMolecules
from tomoset.microscope.planes import PlaneSum
from tomoset.microscope.projection import MoleculeTransform
from tomoset.microscope.splatting import Cloud, splat_clouds
from tomoset.microscope.views import View
from tomoset.model import Molecules, Scatterers
from tomoset.physics import coherence_envelope, interaction_parameter_per_volt_angstrom, mtf

__all__ = ["FINEST_ANGSTROM", "largest_frequency", "matter_spectrum", "signal_filter"]

# Finer detail hardly outlives the first exposure (critical dose 5 e⁻/Å²).
FINEST_ANGSTROM = 4.0

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex64]


def largest_frequency(canvas: Canvas) -> float:
    """Frequency to which contrast is computed on a canvas, 1/Å."""
    return min(canvas.corner_frequency_per_angstrom, 1 / FINEST_ANGSTROM)


def signal_filter(frequency_per_angstrom: Floats, view: View, params: MicroscopeParams) -> Floats:
    """What dims the contrast at a frequency whatever its height: coherence envelopes and the camera's MTF.

    The spatial envelope depends on the defocus; the view's mean is taken.
    """
    envelope = coherence_envelope(
        frequency_per_angstrom,
        view.defocus_angstrom,
        voltage_kv=params.voltage_kv,
        cs_mm=params.cs_mm,
        half_angle_mrad=params.illumination_half_angle_mrad,
        focal_spread_angstrom=params.focal_spread_angstrom,
    )
    per_pixel = frequency_per_angstrom * params.pixel_size_angstrom / view.magnification
    return envelope * mtf(per_pixel, params.mtf)


def matter_spectrum(
    molecules: tuple[Molecules, ...],
    transforms: Mapping[str, MoleculeTransform],
    view: View,
    params: MicroscopeParams,
    canvas: Canvas,
    *,
    scatterers: tuple[Scatterers, ...] = (),
    frequency_per_angstrom: float | None = None,
    memory_gib: float = 1.0,
    workers: int = 1,
) -> Spectrum:
    """Transform of the contrast that undamaged matter makes in one view.

    Parameters
    ----------
    molecules : tuple of Molecules
        Specimen frame.
    transforms : mapping of str to MoleculeTransform
        By species.
    view : View
    params : MicroscopeParams
    canvas : Canvas
        Of the view's magnification.
    scatterers : tuple of Scatterers
    frequency_per_angstrom : float or None
        Contrast is computed to this frequency; None for the canvas's :func:`largest_frequency`.
    memory_gib : float
        How much the planes may take; less memory means more passes over the matter, never another answer.
    workers : int
        Threads of the Fourier transforms.

    Returns
    -------
    (ny, nx // 2 + 1) complex64 array
        ``rfft2`` of the relative intensity change on the canvas.

    Notes
    -----
    Linear weak-phase imaging: contrast = 2 σ V CTF(k; defocus + hand · height), each molecule at the height of its
    centre, each scatterer at its own. All heights share a few planes (:mod:`tomoset.microscope.heights`), so that
    the number of transforms does not grow with the number of molecules.
    """
    shape_yx = canvas.shape_yx
    largest = min(frequency_per_angstrom or math.inf, largest_frequency(canvas))
    placed = [
        PlacedMolecules(copies, transforms[copies.species].onto(canvas.pixel_size_angstrom, largest), view, canvas)
        for copies in molecules
    ]
    clouds = [Cloud.seen(points, view, canvas) for points in scatterers]
    placed = [species for species in placed if len(species.heights)]
    clouds = [cloud for cloud in clouds if len(cloud.heights)]
    occupied = [species.heights for species in placed] + [cloud.heights for cloud in clouds]
    if not occupied:
        return np.zeros((shape_yx[0], shape_yx[1] // 2 + 1), dtype=np.complex64)
    heights = (min(float(some.min()) for some in occupied), max(float(some.max()) for some in occupied))
    total = PlaneSum.empty(canvas, heights, largest, params.voltage_kv)
    if placed:
        _stamp(placed, total, memory_gib=memory_gib, workers=workers)
    for spread in sorted({cloud.spread_angstrom for cloud in clouds}):
        some = [cloud for cloud in clouds if cloud.spread_angstrom == spread]
        splat_clouds(some, total, memory_gib=memory_gib, workers=workers)
    k = total.squared_frequency_table()
    sigma = interaction_parameter_per_volt_angstrom(params.voltage_kv)
    dimming = (2 * sigma * signal_filter(k, view, params)).astype(np.float32)
    return total.through_lens(view, params, dimming)


def _stamp(placed: list[PlacedMolecules], total: PlaneSum, *, memory_gib: float, workers: int) -> None:
    """Add molecules to a sum of planes."""
    from scipy.fft import rfft2

    basis, shape_yx = total.basis, total.canvas.shape_yx
    at_once = max(1, int(memory_gib * 2**30 / (4 * math.prod(shape_yx))))
    for first in range(0, basis.rank, at_once):
        chosen = slice(first, min(first + at_once, basis.rank))
        planes_hyx = np.zeros((chosen.stop - first, *shape_yx), dtype=np.float32)
        for species in placed:
            species.stamp(planes_hyx, basis.weights(species.heights)[:, chosen])
        for offset, plane_yx in enumerate(planes_hyx):
            total.add(rfft2(plane_yx, workers=workers), first + offset)
