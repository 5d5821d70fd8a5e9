"""Projections against the closed form for Gaussians."""

import numpy as np
import pytest
from microscope_scene import beads

from tomoset.geometry import random_rotations, rotation_about
from tomoset.microscope.projection import project_molecules, transform_molecule

PIXEL = 5.0


def analytic(structure, rotation, offset_xy_pixel, n):
    """Band-limited projection of Gaussian points, in Fourier space."""
    points = structure.positions_angstrom_xyz @ rotation.T
    ky, kx = np.fft.fftfreq(n, PIXEL)[:, None], np.fft.rfftfreq(n, PIXEL)[None, :]
    transform = np.zeros((n, n // 2 + 1), dtype=complex)
    for (x, y, _), strength, spread in zip(
        points, structure.strengths_volt_angstrom3, structure.spreads_angstrom, strict=True
    ):
        u, v = x + (offset_xy_pixel[0] + n // 2) * PIXEL, y + (offset_xy_pixel[1] + n // 2) * PIXEL
        damping = np.exp(-2 * (np.pi * spread) ** 2 * (kx**2 + ky**2))
        transform += strength * damping * np.exp(-2j * np.pi * (kx * u + ky * v))
    transform[n // 2], transform[:, n // 2] = 0, 0
    return np.fft.irfft2(transform / PIXEL**2, (n, n))


@pytest.mark.parametrize(("spread", "bar"), [(6.0, 0.001), (4.5, 0.001), (2.5, 0.001), (1.0, 0.002)])
def test_projection_of_gaussians_is_exact_to_a_part_in_a_thousand(spread, bar):
    rng = np.random.default_rng(3)
    structure = beads(positions=rng.normal(scale=30.0, size=(60, 3)), spread=spread)
    molecule = transform_molecule(structure, PIXEL)
    rotations, offsets = random_rotations(6, rng), rng.uniform(-0.5, 0.5, (6, 2))
    patches = project_molecules(molecule, rotations, offsets)
    assert patches.dtype == np.float32
    for patch, rotation, offset in zip(patches, rotations, offsets, strict=True):
        expected = analytic(structure, rotation, offset, molecule.box_pixels)
        error = np.sqrt(np.mean((patch - expected) ** 2) / np.mean(expected**2))
        assert error < bar


def test_projection_keeps_the_integral_of_the_potential():
    structure = beads(positions=[(30, 10, -20), (-10, 5, 40)], spread=6.0)
    patch = project_molecules(transform_molecule(structure, PIXEL), np.eye(3)[None], np.zeros((1, 2)))[0]
    assert patch.sum() * PIXEL**2 == pytest.approx(structure.strengths_volt_angstrom3.sum(), rel=1e-3)


def test_a_bead_on_particle_x_follows_the_active_rotation():
    structure = beads(positions=[(40.0, 0.0, 0.0)], spread=6.0)
    patch = project_molecules(transform_molecule(structure, PIXEL), rotation_about("z", [90.0]), np.zeros((1, 2)))[0]
    half = patch.shape[0] // 2
    assert np.unravel_index(patch.argmax(), patch.shape) == (half + 8, half)
