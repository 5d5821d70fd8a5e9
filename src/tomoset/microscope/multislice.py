"""What weak-phase imaging leaves out: the electron wave through slabs, less its own linear part.

The wave passes slab after slab, ``ψ ← ψ · exp(i σ V exp(i α))`` with ``sin α`` the amplitude contrast, and travels
``d`` to the next, ``exp(−i π λ k² d)`` (Cowley & Moodie 1957, Acta Cryst. 10:609; Kirkland, Advanced Computing in
Electron Microscopy, ch. 6). The lens turns it by ``exp(i χ)``, and ``|ψ|²`` is the image. Each molecule lies whole in
the slab of its centre, as it has one defocus in the linear image. The linear image of the same slabs is taken off,
so that the difference vanishes for weak matter and can be added to the linear frames.

Costs five transforms of the whole canvas per slab and view: meant for small fields.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.placed import PlacedMolecules
from tomoset.microscope.projection import MoleculeTransform
from tomoset.microscope.splatting import Cloud, splatted
from tomoset.microscope.views import View
from tomoset.model import Molecules, Scatterers
from tomoset.physics import (
    coherence_envelope,
    damage_amplitude,
    interaction_parameter_per_volt_angstrom,
    mtf,
    rfft_axes_2d,
    wavelength_angstrom,
)

__all__ = ["beyond_linear", "slab_numbers"]

# Share of Nyquist that is kept: products of waves reach twice as far, and what folds back from there lies beyond.
_BAND = 2 / 3

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex64]


def slab_numbers(heights_angstrom: Floats, slab_angstrom: float) -> NDArray[np.int64]:
    """Which slab matter at a height lies in; slab n is centred on n · thickness."""
    return np.rint(np.asarray(heights_angstrom) / slab_angstrom).astype(np.int64)


class _Matter:
    """All matter of a view, to be asked for slab by slab."""

    def __init__(
        self,
        molecules: tuple[Molecules, ...],
        transforms: Mapping[str, MoleculeTransform],
        scatterers: tuple[Scatterers, ...],
        view: View,
        params: MicroscopeParams,
        canvas: Canvas,
        dose: float,
    ) -> None:
        ky, kx = rfft_axes_2d(canvas.shape_yx, canvas.pixel_size_angstrom)
        self.frequency = np.hypot(ky, kx)
        self.band = self.frequency <= _BAND * 0.5 / canvas.pixel_size_angstrom
        self.left = damage_amplitude(self.frequency, dose, params.voltage_kv).astype(np.float32)
        largest = canvas.corner_frequency_per_angstrom
        pixel = canvas.pixel_size_angstrom
        self.canvas, self.slab = canvas, params.slab_angstrom
        self.placed = [
            PlacedMolecules(copies, transforms[copies.species].onto(pixel, largest), view, canvas)
            for copies in molecules
        ]
        self.clouds = [(points.fades, Cloud.seen(points, view, canvas)) for points in scatterers]

    def slabs(self) -> list[int]:
        """Numbers of the slabs that hold matter, ascending."""
        heights = [species.heights for species in self.placed] + [cloud.heights for _, cloud in self.clouds]
        return sorted({int(n) for some in heights for n in np.unique(slab_numbers(some, self.slab))})

    def potential(self, slab: int, *, workers: int) -> Spectrum:
        """Transform of the projected potential (V Å) of one slab, damaged and band-limited."""
        from scipy.fft import rfft2

        plane_hyx = np.zeros((1, *self.canvas.shape_yx), dtype=np.float32)
        for species in self.placed:
            here = species.where(slab_numbers(species.heights, self.slab) == slab)
            here.stamp(plane_hyx, np.ones((len(here.heights), 1), dtype=np.float32))
        fading = rfft2(plane_hyx[0], workers=workers)
        lasting = np.zeros_like(fading)
        for fades, cloud in self.clouds:
            here = slab_numbers(cloud.heights, self.slab) == slab
            if here.any():
                strengths = cloud.strengths_volt_angstrom3
                spectrum = splatted(cloud, strengths, self.canvas, workers=workers, chosen=here)
                if fades:
                    fading += spectrum
                else:
                    lasting += spectrum
        return np.asarray((fading * self.left + lasting) * self.band, dtype=np.complex64)


def beyond_linear(
    molecules: tuple[Molecules, ...],
    transforms: Mapping[str, MoleculeTransform],
    scatterers: tuple[Scatterers, ...],
    view: View,
    params: MicroscopeParams,
    canvas: Canvas,
    *,
    dose_e_per_angstrom2: float,
    workers: int = 1,
) -> Spectrum:
    """Transform of what multiple and quadratic scattering add to the linear contrast of a view.

    Parameters
    ----------
    molecules, transforms, scatterers, view, params, canvas
        As in ``matter_spectrum``.
    dose_e_per_angstrom2 : float
        At which matter is damaged: that of the movie's middle.
    workers : int
        Threads of the Fourier transforms.

    Returns
    -------
    (ny, nx // 2 + 1) complex64 array
        ``rfft2`` on the canvas, as far as two thirds of Nyquist.
    """
    from scipy.fft import irfft2, rfft2

    matter = _Matter(molecules, transforms, scatterers, view, params, canvas, dose_e_per_angstrom2)
    linear = np.zeros(matter.band.shape, dtype=np.complex64)
    # The beam meets first what has least defocus: free space after it adds to the phase what the lens takes away.
    slabs = sorted(matter.slabs(), key=lambda slab: params.defocus_hand * slab)
    if not slabs:
        return linear
    lens = _Lens(view, params, canvas)
    wave = np.ones(canvas.shape_yx, dtype=np.complex64)
    depth = before = 0.0
    for slab in slabs:
        depth = params.defocus_hand * slab * params.slab_angstrom
        potential = matter.potential(slab, workers=workers)
        potential_yx = irfft2(potential, canvas.shape_yx, workers=workers)
        wave = lens.travel(wave, depth - before, workers=workers)
        wave *= np.exp(lens.per_volt_angstrom * potential_yx)
        linear += lens.weak_image(potential, depth)
        before = depth
    image_yx = lens.intensity(wave, depth, workers=workers)
    difference = rfft2(image_yx - np.float32(1), workers=workers) - linear
    half = slice(canvas.shape_yx[1] // 2 + 1)
    camera = mtf(lens.frequency[:, half] * params.pixel_size_angstrom / view.magnification, params.mtf)
    return np.asarray(difference * (camera * matter.band).astype(np.float32), dtype=np.complex64)


class _Lens:
    """Free space and the objective lens of one view, on the full plane of frequencies."""

    def __init__(self, view: View, params: MicroscopeParams, canvas: Canvas) -> None:
        ny, nx = canvas.shape_yx
        ky = np.fft.fftfreq(ny, canvas.pixel_size_angstrom)[:, None]
        kx = np.fft.fftfreq(nx, canvas.pixel_size_angstrom)[None, :]
        self.frequency = np.hypot(ky, kx)
        k2 = self.frequency**2
        wavelength = wavelength_angstrom(params.voltage_kv)
        self.rate = np.pi * wavelength * k2
        azimuth = np.arctan2(ky, kx) - math.radians(view.astigmatism_deg)
        defocus = view.defocus_angstrom + 0.5 * view.astigmatism_angstrom * np.cos(2 * azimuth)
        self.chi = self.rate * (defocus - 0.5 * wavelength**2 * params.cs_mm * 1e7 * k2)
        self.alpha = math.asin(params.amplitude_contrast)
        self.envelope = coherence_envelope(
            self.frequency,
            view.defocus_angstrom,
            voltage_kv=params.voltage_kv,
            cs_mm=params.cs_mm,
            half_angle_mrad=params.illumination_half_angle_mrad,
            focal_spread_angstrom=params.focal_spread_angstrom,
        )
        self.sigma = interaction_parameter_per_volt_angstrom(params.voltage_kv)
        self.per_volt_angstrom = np.complex64(1j * self.sigma * np.exp(1j * self.alpha))
        # Beyond two thirds of Nyquist, products of waves fold back.
        self.band = self.frequency <= _BAND * 0.5 / canvas.pixel_size_angstrom

    def travel(self, wave: Spectrum, distance_angstrom: float, *, workers: int) -> Spectrum:
        """Wave after free space (Fresnel)."""
        return self._filtered(wave, np.exp(-1j * self.rate * distance_angstrom) * self.band, workers)

    def intensity(self, wave: Spectrum, depth_angstrom: float, *, workers: int) -> NDArray[np.float32]:
        """Image of the wave that leaves matter at a depth."""
        turn = np.exp(1j * (self.chi + self.rate * depth_angstrom)) * self.envelope * self.band
        imaged = self._filtered(wave, turn, workers)
        return np.asarray(np.square(imaged.real) + np.square(imaged.imag), dtype=np.float32)

    def weak_image(self, potential: Spectrum, depth_angstrom: float) -> Spectrum:
        """Transform of the linear contrast of matter at a depth."""
        half = slice(potential.shape[1])
        chi = self.chi[:, half] + self.rate[:, half] * depth_angstrom + self.alpha
        factor = -2 * self.sigma * np.sin(chi) * self.envelope[:, half]
        return np.asarray(potential * factor.astype(np.float32), dtype=np.complex64)

    @staticmethod
    def _filtered(wave: Spectrum, factor: NDArray[np.complex128], workers: int) -> Spectrum:
        from scipy.fft import fft2, ifft2

        spectrum = fft2(wave, workers=workers, overwrite_x=True)
        spectrum *= factor.astype(np.complex64)
        return np.asarray(ifft2(spectrum, workers=workers, overwrite_x=True), dtype=np.complex64)
