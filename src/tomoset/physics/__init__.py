"""Formulas used both to make and to unmake images: wavelength, CTF, dose, scattering, Fourier, peaks."""

from tomoset.physics.ctf import coherence_envelope, ctf, ctf_2d, defocus_along
from tomoset.physics.detector import mtf
from tomoset.physics.dose import critical_dose, damage_amplitude
from tomoset.physics.electrons import interaction_parameter_per_volt_angstrom, wavelength_angstrom
from tomoset.physics.fourier import (
    fourier_crop_2d,
    fourier_shift_2d,
    rfft_axes_2d,
    rfft_frequency_2d,
    rfft_frequency_3d,
)
from tomoset.physics.peaks import vertex_offset
from tomoset.physics.scattering import ICE_MEAN_FREE_PATH_ANGSTROM, transmission

__all__ = [
    "ICE_MEAN_FREE_PATH_ANGSTROM",
    "coherence_envelope",
    "critical_dose",
    "ctf",
    "ctf_2d",
    "damage_amplitude",
    "defocus_along",
    "fourier_crop_2d",
    "fourier_shift_2d",
    "interaction_parameter_per_volt_angstrom",
    "mtf",
    "rfft_axes_2d",
    "rfft_frequency_2d",
    "rfft_frequency_3d",
    "transmission",
    "vertex_offset",
    "wavelength_angstrom",
]
