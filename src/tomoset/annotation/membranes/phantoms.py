"""Simulated membranes to train on: bilayers among proteins, rods and shells, through wedge, CTF and noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Phantom", "draw_phantom"]

Floats = NDArray[np.float64]

MARGIN = 8  # voxels cut off on every side: Fourier filters go round
WIDTH_ANGSTROM = 16.0  # of a bilayer's two heads and tails together, standard deviation
HIDDEN_MARGIN_DEG = 4.0
WAVELENGTH_ANGSTROM = 0.0197  # 300 kV


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """One training example.

    Parameters
    ----------
    volume_zyx : (n, n, n) array of float32
        Membranes bright, median 0, robust standard deviation 1.
    target_zyx : (n, n, n) array of float32
        1 within half a membrane's thickness of a mid-surface.
    weight_zyx : (n, n, n) array of float32
        0 where the missing wedge hides a membrane: nobody can say.
    """

    volume_zyx: NDArray[np.float32]
    target_zyx: NDArray[np.float32]
    weight_zyx: NDArray[np.float32]


def draw_phantom(rng: np.random.Generator, n: int, voxel_angstrom: float, half_thickness_angstrom: float) -> Phantom:
    """Draw one example of n³ voxels."""
    full = n + 2 * MARGIN
    axis = (np.arange(full) - full / 2) * voxel_angstrom
    place = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))  # z, y, x
    density, nearest = np.zeros((full,) * 3), np.full((full,) * 3, np.inf)
    wedge = float(rng.uniform(40.0, 62.0))
    hidden = np.zeros((full,) * 3, dtype=np.bool_)
    reach = full * voxel_angstrom / 2
    for _ in range(rng.integers(0, 4)):
        for distance, normal in _bilayers(rng, place, reach):
            density += rng.uniform(0.8, 1.2) * np.exp(-np.square(distance / WIDTH_ANGSTROM) / 2)
            angle = np.rad2deg(np.arctan2(np.abs(normal[0]), np.abs(normal[2])))
            closer = np.abs(distance) < nearest
            hidden = np.where(closer, angle > wedge + HIDDEN_MARGIN_DEG, hidden)
            nearest = np.minimum(nearest, np.abs(distance))
    density += _bystanders(rng, place, reach, nearest)
    volume = _seen(rng, density, wedge, voxel_angstrom)
    cut = (slice(MARGIN, MARGIN + n),) * 3
    target = nearest[cut] <= half_thickness_angstrom
    weight = 1.0 - (hidden[cut] & (nearest[cut] <= 2 * half_thickness_angstrom))
    return Phantom(volume[cut].astype(np.float32), target.astype(np.float32), weight.astype(np.float32))


def _bilayers(rng: np.random.Generator, place: Floats, reach: float) -> list[tuple[Floats, Floats]]:
    """Distances to the mid-surface and normals (z, y, x) of an ellipsoid, and sometimes of another within it."""
    radius = float(np.exp(rng.uniform(np.log(180.0), np.log(2500.0))))
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    # Small vesicles lie anywhere in the box; of large ones some part of the surface passes through it.
    centre = rng.uniform(-reach, reach, 3) + (direction * radius if radius > reach else 0.0)
    axes = radius * rng.uniform(0.85, 1.18, 3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    found = []
    for inset in (0.0, float(rng.uniform(100.0, 260.0))):
        half = axes - inset
        if half.min() < 150.0 or (inset and rng.random() < 0.6):
            continue
        local = np.einsum("ij,jzyx->izyx", turn.T, place - centre[:, None, None, None])
        scaled = local / half[:, None, None, None]
        level = np.sqrt(np.sum(scaled**2, axis=0)) + 1e-9
        gradient = scaled / half[:, None, None, None] / level
        slope = np.linalg.norm(gradient, axis=0) + 1e-12
        normal = np.einsum("ij,jzyx->izyx", turn, gradient / slope)
        found.append(((level - 1) / slope, normal))
    return found


def _bystanders(rng: np.random.Generator, place: Floats, reach: float, nearest: Floats) -> Floats:
    """Proteins as points that are blurred together, rods and small shells: all that is no membrane."""
    from scipy import ndimage

    shape = nearest.shape
    density = np.zeros(shape)
    for width in (0.9, 1.4, 2.0):
        points = np.zeros(shape)
        count = int(rng.uniform(0, 0.006) * points.size / width**3)
        points[tuple(rng.integers(0, shape[0], (3, count)))] += rng.uniform(0.5, 1.5, count)
        density += ndimage.gaussian_filter(points, width, mode="wrap") * (2 * np.pi * width**2) ** 1.5
    for _ in range(rng.integers(0, 3)):
        centre, along = rng.uniform(-reach, reach, 3), rng.normal(size=3) * [0.3, 1, 1]
        along /= np.linalg.norm(along)
        offset = place - centre[:, None, None, None]
        height = np.einsum("i,izyx->zyx", along, offset)
        aside = np.sqrt(np.maximum(np.sum(offset**2, axis=0) - height**2, 0))
        density += (np.abs(height) < 700) * np.exp(-np.square((aside - 55.0) / 30.0) / 2)
    for _ in range(rng.integers(0, 3)):
        offset = place - rng.uniform(-reach, reach, 3)[:, None, None, None]
        distance = np.sqrt(np.sum(offset**2, axis=0)) - rng.uniform(50.0, 130.0)
        density += rng.uniform(0.8, 2.0) * np.exp(-np.square(distance / 20.0) / 2)
    return np.asarray(np.where(nearest < rng.uniform(20, 60), 0.3, 1.0) * density * rng.uniform(0.3, 1.2))


def _seen(rng: np.random.Generator, density: Floats, wedge_deg: float, voxel: float) -> Floats:
    """Phase-flipped weak-phase contrast, the missing wedge about y, white noise in what was recorded."""
    from scipy import fft

    kz, ky, kx = np.meshgrid(*(np.fft.fftfreq(m, voxel) for m in density.shape), indexing="ij")
    k2 = kz**2 + ky**2 + kx**2
    defocus = rng.uniform(20_000.0, 50_000.0)
    contrast = np.abs(np.sin(np.pi * WAVELENGTH_ANGSTROM * defocus * k2 + rng.uniform(0.05, 0.12)))
    contrast *= np.exp(-k2 * rng.uniform(0.0, 900.0))
    angle = np.rad2deg(np.arctan2(np.abs(kz), np.abs(kx) + 1e-12))
    recorded = 1 / (1 + np.exp((angle - wedge_deg) / 1.5))
    signal = np.real(fft.ifftn(fft.fftn(density) * contrast * recorded))
    noise = np.real(fft.ifftn(fft.fftn(rng.normal(size=density.shape)) * recorded))
    alone = np.real(fft.ifft(fft.fft(_profile(density.shape[0], voxel)) * contrast[0, 0]))
    snr = float(np.exp(rng.uniform(np.log(0.7), np.log(4.0))))
    volume = signal / max(float(alone.max()), 1e-6) * snr + noise / noise.std()
    volume -= np.median(volume)
    volume /= 1.4826 * np.median(np.abs(volume)) + 1e-9
    return np.asarray(np.clip(volume, -5, 5))


def _profile(n: int, voxel: float) -> Floats:
    return np.asarray(np.exp(-np.square((np.arange(n) - n / 2) * voxel / WIDTH_ANGSTROM) / 2))
