"""Planes of matter at few heights, added up in Fourier space and sent through the lens."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas
from tomoset.microscope.heights import HeightBasis, height_basis
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.views import View
from tomoset.physics import rfft_axes_2d, wavelength_angstrom

__all__ = ["PlaneSum"]

_FILTER_STEPS = 4096

Floats = NDArray[np.float64]
Spectrum = NDArray[np.complex64]


@dataclass(slots=True, kw_only=True, eq=False)
class PlaneSum:
    """Transforms of planes, added up with the factors of a height basis until the transfer function is applied.

    Parameters
    ----------
    canvas : Canvas
    basis : HeightBasis
    largest_k2 : float
        Square of the largest frequency, 1/Å².
    even, odd : (ny, nx // 2 + 1) complex64 array
        What the cosine and the sine of the height's phase multiply.
    """

    canvas: Canvas
    basis: HeightBasis
    largest_k2: float
    even: Spectrum
    odd: Spectrum

    @classmethod
    def empty(cls, canvas: Canvas, heights: tuple[float, float], frequency: float, voltage_kv: float) -> "PlaneSum":
        """Nothing yet, for heights in a range and up to a frequency."""
        rate = math.pi * wavelength_angstrom(voltage_kv) * frequency**2
        ny, nx = canvas.shape_yx
        return cls(
            canvas=canvas,
            basis=height_basis(*heights, rate),
            largest_k2=frequency**2,
            even=np.zeros((ny, nx // 2 + 1), dtype=np.complex64),
            odd=np.zeros((ny, nx // 2 + 1), dtype=np.complex64),
        )

    def axes(self) -> tuple[Floats, Floats]:
        """Frequencies ky (ny,) and kx (nx // 2 + 1,), 1/Å."""
        ky, kx = rfft_axes_2d(self.canvas.shape_yx, self.canvas.pixel_size_angstrom)
        return ky.ravel(), kx.ravel()

    def add(self, plane_spectrum: Spectrum, index: int) -> None:
        """Add the transform of the plane of one function of height."""
        from tomoset.microscope import _optics_kernels

        total = self.even if index < self.basis.n_even else self.odd
        _optics_kernels.add_factored(total, plane_spectrum, *self.axes(), self.largest_k2, self.basis.factors_ra[index])

    def through_lens(self, view: View, params: MicroscopeParams, dimming: NDArray[np.float32]) -> Spectrum:
        """Apply the transfer function of the view, and a factor at equal steps of k² from zero to the largest.

        Returns
        -------
        (ny, nx // 2 + 1) complex64 array
            This sum's own ``even``, overwritten.
        """
        from tomoset.microscope import _optics_kernels

        rate = math.pi * wavelength_angstrom(params.voltage_kv)
        defocus = view.defocus_angstrom + params.defocus_hand * self.basis.middle_angstrom
        twice = 2 * math.radians(view.astigmatism_deg)
        phase = (
            rate * defocus,
            0.5 * rate * view.astigmatism_angstrom * math.cos(twice),
            0.5 * rate * view.astigmatism_angstrom * math.sin(twice),
            -0.5 * rate * wavelength_angstrom(params.voltage_kv) ** 2 * params.cs_mm * 1e7,
            math.asin(params.amplitude_contrast),
        )
        if params.defocus_hand < 0:
            np.negative(self.odd, out=self.odd)
        _optics_kernels.transfer(self.even, self.odd, *self.axes(), self.largest_k2, phase, dimming)
        return self.even

    def squared_frequency_table(self) -> Floats:
        """Frequencies of tables with equal steps of k², 1/Å."""
        return np.sqrt(np.linspace(0, self.largest_k2, _FILTER_STEPS + 1))
