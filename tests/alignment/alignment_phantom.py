"""A small analytic tilt series with known truth: shells in a slab of ice, CTF, damage, ice noise, counted electrons."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import TiltGeometry
from tomoset.model import CtfEstimate, InMemory, Optics, Tilt, TiltSeries
from tomoset.physics import ctf_2d, damage_amplitude, interaction_parameter_per_volt_angstrom, rfft_axes_2d

# name: radius Å, wall (Gaussian sigma) Å, mass Da, copies per nm³ of ice (the three-protein mixture of the paper)
SPECIES = {
    "apoferritin": (50.0, 12.0, 480e3, 3.9e-6),
    "vlp": (125.0, 14.0, 2.6e6, 5.5e-7),
    "proteasome": (60.0, 20.0, 700e3, 2.0e-7),
}


@dataclass(frozen=True)
class Phantom:
    series: TiltSeries
    truth: TiltGeometry
    points_xyz: NDArray[np.float64]


def dose_symmetric_order(tilt_deg: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rank of each tilt when |t| grows and signs alternate."""
    return np.argsort(np.argsort(np.abs(tilt_deg) + (tilt_deg < 0) * 1e-3))


def make_phantom(
    seed: int,
    *,
    shape_yx: tuple[int, int] = (192, 192),
    pixel: float = 10.0,
    tilt_deg: NDArray[np.float64] | None = None,
    axis_deg: float = 85.3,
    axis_error_deg: float = 0.7,
    shift_sigma: float = 40.0,
    thickness: float = 1500.0,
    density: float = 1.0,
    total_dose: float = 100.0,
    defocus: float = 35000.0,
    field_scale: float = 1.5,
) -> Phantom:
    rng = np.random.default_rng(seed)
    tilts = np.arange(-45.0, 46.0, 3.0) if tilt_deg is None else np.asarray(tilt_deg, dtype=np.float64)
    n = tilts.size
    dose = total_dose / n
    before = dose_symmetric_order(tilts) * dose
    truth = TiltGeometry(
        y_tilt_deg=tilts,
        z_rot_deg=np.full(n, axis_deg + axis_error_deg),
        shift_xy_angstrom=rng.normal(0.0, shift_sigma, (n, 2)),
    )
    ny, nx = shape_yx
    big = (2 * round(ny * field_scale / 2), 2 * round(nx * field_scale / 2))
    size = np.array([1.6 * max(big), 1.6 * max(big)]) * pixel
    shells = [
        (*spec[:3], rng.poisson(density * spec[3] * size[0] * size[1] * thickness / 1e3)) for spec in SPECIES.values()
    ]
    points = [
        np.column_stack([rng.uniform(-0.5, 0.5, (m, 2)) * size, rng.uniform(-0.5, 0.5, m) * (thickness - 200.0)])
        for *_, m in shells
    ]
    sigma = interaction_parameter_per_volt_angstrom(300.0)
    images, rows = np.empty((n, ny, nx), dtype=np.float32), []
    ky, kx = rfft_axes_2d(big, pixel)
    k = np.hypot(ky, kx)
    for i in range(n):
        spectrum = np.zeros(k.shape, dtype=np.complex128)
        for (radius, wall, mass, _), xyz in zip(shells, points, strict=True):
            p = truth.select([i]).project(xyz)[0]
            form = 4.0 * mass * np.sinc(2 * k * radius) * np.exp(-2 * (np.pi * k * wall) ** 2)
            centre = (big[0] // 2 * pixel, big[1] // 2 * pixel)
            inside = np.all(np.abs(p) < np.array(big[::-1]) * pixel * 0.5, axis=1)
            p = p[inside]
            spectrum += form * (
                np.exp(-2j * np.pi * ky * (p[:, 1] + centre[0])) @ np.exp(-2j * np.pi * (p[:, :1] + centre[1]) * kx)
            )
        phase = sigma * spectrum / pixel**2  # of the sampled image: density per pixel
        phase *= damage_amplitude(k, before[i] + dose / 2)
        phase += np.fft.rfft2(rng.normal(0.0, 0.0175 * 10.0 / pixel, big))
        z = defocus + rng.normal(0.0, 300.0)
        contrast = 2.0 * ctf_2d(big, pixel, z, voltage_kv=300.0, cs_mm=2.7, amplitude_contrast=0.07) * phase
        image = 1.0 + np.fft.irfft2(contrast, big)
        oy, ox = big[0] // 2 - ny // 2, big[1] // 2 - nx // 2
        counts = dose * pixel**2 * 0.85 * np.exp(-thickness / (3950.0 * np.cos(np.deg2rad(tilts[i]))))
        images[i] = rng.poisson(np.clip(image[oy : oy + ny, ox : ox + nx], 0.0, None) * counts)
        rows.append(
            Tilt(
                name=f"tilt-{i:02d}",
                nominal_tilt_deg=float(tilts[i]),
                acquisition_order=int(before[i] / dose),
                dose_e_per_angstrom2=dose,
                dose_before_e_per_angstrom2=float(before[i]),
                mean_counts=float(counts),
                ctf=CtfEstimate(
                    defocus_u_angstrom=z, defocus_v_angstrom=z, astigmatism_deg=0.0, score=0.8, resolution_angstrom=12.0
                ),
            )
        )
    series = TiltSeries(
        run="phantom",
        pixel_size_angstrom=pixel,
        tilts=tuple(rows),
        images_nyx=InMemory(images),
        nominal_tilt_axis_deg=axis_deg,
        optics=Optics(),
    )
    return Phantom(series=series, truth=truth, points_xyz=np.concatenate(points))
