"""Tilt series to tomograms: weighted back-projection, CTF correction, denoising, and how good a tomogram is."""

from tomoset.reconstruction.back_projection import back_project_views
from tomoset.reconstruction.deconvolution import DeconvolutionParams, deconvolve
from tomoset.reconstruction.deconvolution import methods_text as deconvolution_methods_text
from tomoset.reconstruction.denoise import DenoiseParams, denoise
from tomoset.reconstruction.denoise import methods_text as denoise_methods_text
from tomoset.reconstruction.forward_projection import project_volume
from tomoset.reconstruction.fsc import (
    ShellCorrelation,
    finest_agreement_angstrom,
    fourier_shell_correlation,
    measured_region,
    resolution_angstrom,
    sampled_shell_correlation,
)
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.sirt import iterate_views
from tomoset.reconstruction.wbp import methods_text, reconstruct

STAGE_VERSION = "3"

__all__ = [
    "STAGE_VERSION",
    "DeconvolutionParams",
    "DenoiseParams",
    "ReconstructionParams",
    "ShellCorrelation",
    "back_project_views",
    "deconvolution_methods_text",
    "deconvolve",
    "denoise",
    "denoise_methods_text",
    "finest_agreement_angstrom",
    "fourier_shell_correlation",
    "iterate_views",
    "measured_region",
    "methods_text",
    "project_volume",
    "reconstruct",
    "resolution_angstrom",
    "sampled_shell_correlation",
]
