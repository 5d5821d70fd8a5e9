"""Formulas used both to make and to unmake images: wavelength, CTF, dose, scattering, Fourier."""
