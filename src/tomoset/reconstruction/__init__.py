"""Tilt series to tomograms: weighted back-projection, CTF correction, denoising, and how good a tomogram is."""

from tomoset.reconstruction.back_projection import back_project_views
from tomoset.reconstruction.fsc import ShellCorrelation, fourier_shell_correlation, resolution_angstrom
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.wbp import methods_text, reconstruct

STAGE_VERSION = "1"

__all__ = [
    "STAGE_VERSION",
    "ReconstructionParams",
    "ShellCorrelation",
    "back_project_views",
    "fourier_shell_correlation",
    "methods_text",
    "reconstruct",
    "resolution_angstrom",
]
