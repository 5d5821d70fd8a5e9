"""Images written down point by point, to compare the simulated ones with."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope import MicroscopeParams
from tomoset.model import SeriesTruth
from tomoset.physics import ctf, damage_amplitude, interaction_parameter_per_volt_angstrom
from tomoset.structures import Structure

__all__ = ["atoms", "direct_sum", "direct_transform", "frequency_axes", "rms_ratio"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


def frequency_axes(shape_yx: tuple[int, int], pixel: float) -> tuple[Floats, Floats]:
    """Frequencies of ``rfft2``."""
    return np.fft.fftfreq(shape_yx[0], pixel)[:, None], np.fft.rfftfreq(shape_yx[1], pixel)[None, :]


def rms_ratio(error: Floats, signal: Floats) -> float:
    """Root mean square of an error relative to the signal's."""
    return float(np.sqrt(np.mean(error**2) / np.mean(signal**2)))


def atoms(rng: np.random.Generator, spread: float, n: int = 4000, radius: float = 28.0) -> Structure:
    """Points of one width in a ball, as dense as the atoms of a protein."""
    directions = rng.standard_normal((n, 3))
    directions *= radius * np.cbrt(rng.random((n, 1))) / np.linalg.norm(directions, axis=1, keepdims=True)
    return Structure(
        name="bead",
        symmetry="C1",
        mass_kda=50.0,
        positions_angstrom_xyz=directions,
        strengths_volt_angstrom3=np.full(n, 25.0),
        spreads_angstrom=np.full(n, spread),
        source="points in a ball",
    )


def direct_transform(params: MicroscopeParams, xy: Floats, structure: Structure) -> Complexes:
    """Transform of the projected potential (V Å) of points that land at given places (n, 2) of the frame."""
    (ny, nx), pixel = params.frame_shape_yx, params.pixel_size_angstrom
    ky, kx = frequency_axes((ny, nx), pixel)
    places = xy + np.array([nx // 2, ny // 2]) * pixel
    column = np.exp(-2j * np.pi * ky * places[:, 1]) * structure.strengths_volt_angstrom3
    damping = np.exp(-2 * (np.pi * structure.spreads_angstrom[0]) ** 2 * (ky**2 + kx**2))
    return (column @ np.exp(-2j * np.pi * kx.T * places[:, 0]).T) * damping / pixel**2


def direct_sum(
    params: MicroscopeParams, truth: SeriesTruth, structure: Structure, tilt: int, dose: float, *, own_depth: bool
) -> Floats:
    """Contrast of all molecules, each through the CTF of its own height (or of its points' own depths)."""
    k = np.hypot(*frequency_axes(params.frame_shape_yx, params.pixel_size_angstrom))
    optics = {"voltage_kv": 300.0, "cs_mm": params.cs_mm, "amplitude_contrast": params.amplitude_contrast}
    molecules = truth.specimen.molecules[0]
    total = np.zeros(k.shape, dtype=complex)
    for centre, rotation in zip(molecules.positions_angstrom_xyz, molecules.rotations, strict=True):
        points = centre + structure.positions_angstrom_xyz @ rotation.T
        landed, heights = truth.geometry.project(points)[tilt], truth.geometry.height_angstrom(points)[tilt]
        middle = truth.geometry.height_angstrom(centre[None])[tilt, 0]
        layers = np.rint(heights / 10.0) * 10.0 if own_depth else np.full(len(points), middle)
        for height in np.unique(layers):
            here = layers == height
            some = replace(structure, strengths_volt_angstrom3=structure.strengths_volt_angstrom3 * here)
            total += direct_transform(params, landed, some) * ctf(k, truth.defocus_angstrom[tilt] + height, **optics)
    total *= 2 * interaction_parameter_per_volt_angstrom(300.0) * damage_amplitude(k, dose)
    total[k > 1 / 4.0] = 0  # finer detail is left out of the simulation
    return np.asarray(np.fft.irfft2(total, params.frame_shape_yx))
