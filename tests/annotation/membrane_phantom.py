"""Vesicles of known shape in noise, with a missing wedge, made without the code under test."""

import numpy as np

from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import InMemory, Tomogram

VOXEL = 20.0
SHAPE = (56, 72, 72)


def heights(centre_xyz, radius, ripple=0.0, shape=SHAPE, voxel=VOXEL):
    """Å above a sphere whose radius undulates with the azimuth, at every voxel."""
    z, y, x = (np.arange(n) * voxel for n in shape)
    dz, dy, dx = z[:, None, None] - centre_xyz[2], y[:, None] - centre_xyz[1], x - centre_xyz[0]
    distance = np.sqrt(dz**2 + dy**2 + dx**2)
    return distance - radius * (1 + ripple * np.cos(2 * np.arctan2(dy, dx + 0 * dy)))


def wedged(volume, tilt_deg):
    kz, _, kx = np.meshgrid(*(np.fft.fftfreq(n) for n in volume.shape), indexing="ij")
    seen = np.abs(kz) <= np.tan(np.deg2rad(tilt_deg)) * np.abs(kx) + 1e-9
    return np.fft.ifftn(np.fft.fftn(volume) * seen).real


def tomogram(surfaces, *, noise=1.2, tilt_deg=50.0, contrast="dark", seed=0, shape=SHAPE, voxel=VOXEL):
    """A tomogram of bilayers at the zeros of ``surfaces`` (Å above them at every voxel)."""
    rng = np.random.default_rng(seed)
    density = sum(np.exp(-((h / 16.0) ** 2) / 2) for h in surfaces) + np.zeros(shape)
    volume = wedged(density, tilt_deg) + noise * wedged(rng.normal(size=shape), tilt_deg)
    tilts = np.arange(-tilt_deg, tilt_deg + 1, 5.0)
    geometry = TiltGeometry(
        y_tilt_deg=tilts, z_rot_deg=np.zeros(len(tilts)), shift_xy_angstrom=np.zeros((len(tilts), 2))
    )
    return Tomogram(
        run="phantom",
        grid=Grid(shape_zyx=shape, voxel_size_angstrom=voxel),
        volume_zyx=InMemory((volume if contrast == "light" else -volume).astype(np.float32)),
        contrast=contrast,
        tilt_indices=tuple(range(len(tilts))),
        geometry=geometry,
    )
