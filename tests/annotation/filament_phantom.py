"""Tilt images of straight filaments made bead by bead, without the code under test."""

from dataclasses import dataclass

import numpy as np

from tomoset.annotation import Template
from tomoset.geometry import Grid, TiltGeometry
from tomoset.model import CtfEstimate, FilamentTrace, InMemory, PickableObject, Tilt, TiltSeries, Tomogram
from tomoset.physics import critical_dose, ctf, interaction_parameter_per_volt_angstrom
from tomoset.structures import Structure, built_in_structure

PIXEL = 16.0
SHAPE_ZYX = (70, 110, 120)


@dataclass(frozen=True)
class Phantom:
    tomogram: Tomogram
    series: TiltSeries
    truth: tuple[FilamentTrace, ...]


def thin_filament():
    """A helix of heavy beads out to 52 Å from its axis, one turn of 12 in 72 Å."""
    angle = 2 * np.pi * np.arange(12) / 12
    height = (np.arange(12) + 0.5) * 6.0 - 36
    shells = [(r, share) for r, share in ((12.0, 0.2), (33.0, 0.35), (52.0, 0.45))]
    points = [np.stack([r * np.cos(angle), r * np.sin(angle), height], 1) for r, _ in shells]
    strength = [np.full(12, share * 45000.0 / 12 * 36) for _, share in shells]
    return Structure(
        name="thin",
        symmetry="C1",
        mass_kda=300.0,
        positions_angstrom_xyz=np.concatenate(points),
        strengths_volt_angstrom3=np.concatenate(strength),
        spreads_angstrom=np.full(36, 6.0),
        source="made up",
        repeat_angstrom=72.0,
    )


def template(name):
    structure = thin_filament() if name == "thin" else built_in_structure(name)
    radius = 58.0 if name == "thin" else 90.0
    item = PickableObject(name=name, label=1 + (name == "thin"), radius_angstrom=radius, is_particle=False)
    return Template(object=item, structure=structure)


def _beads(structure, start, end):
    """Beads of a straight filament: repeats along it, the azimuth as it comes."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = np.linalg.norm(end - start)
    z = (end - start) / length
    x = np.cross(z, np.eye(3)[np.argmin(np.abs(z))])
    x /= np.linalg.norm(x)
    frame = np.stack([x, np.cross(z, x), z], axis=1)
    copies = np.arange(structure.repeat_angstrom / 2, length, structure.repeat_angstrom)
    along = structure.positions_angstrom_xyz[None] + copies[:, None, None] * np.array([0, 0, 1.0])
    return along.reshape(-1, 3) @ frame.T + start, np.tile(structure.strengths_volt_angstrom3, len(copies))


def make(rods, seed=0, noise=1.0, edge=128):
    """Rods are (class name, start, end) in the volume frame, Å."""
    rng = np.random.default_rng(seed)
    tilts = np.arange(-45.0, 46.0, 5.0)
    n = len(tilts)
    grid = Grid(shape_zyx=SHAPE_ZYX, voxel_size_angstrom=PIXEL)
    geometry = TiltGeometry(y_tilt_deg=tilts, z_rot_deg=np.full(n, 85.3), shift_xy_angstrom=rng.normal(0, 20.0, (n, 2)))
    points, strengths, truth = [np.zeros((1, 3))], [np.zeros(1)], []
    for number, (name, start, end) in enumerate(rods, 1):
        made = template(name)
        where, strength = _beads(made.structure, start, end)
        points.append(grid.specimen_from_volume(where))
        strengths.append(strength)
        truth.append(
            FilamentTrace(
                object_name=name,
                instance_id=number,
                points_angstrom_xyz=np.linspace(start, end, 20),
                radius_angstrom=made.object.radius_angstrom,
                polarity=1,
            )
        )
    xy = geometry.project(np.concatenate(points)) / PIXEL + edge // 2
    strength = np.concatenate(strengths)
    ky, kx = np.fft.fftfreq(edge, PIXEL)[:, None], np.fft.rfftfreq(edge, PIXEL)[None]
    k = np.hypot(ky, kx)
    dose = 100.0 / n
    electrons = dose * PIXEL**2 * 0.8
    order = np.argsort(np.argsort(np.abs(tilts) + (tilts > 0) * 0.1))
    images = np.empty((n, edge, edge), np.float32)
    for i in range(n):
        flat, _, _ = np.histogram2d(xy[i, :, 1], xy[i, :, 0], bins=[np.arange(edge + 1) - 0.5] * 2, weights=strength)
        damage = np.exp(-(order[i] + 0.5) * dose / (2 * critical_dose(np.maximum(k, 1e-6))))
        transfer = ctf(k, 35000.0, voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.07) * damage
        transfer = transfer * np.exp(-2 * (np.pi * 5.5 * k) ** 2)
        contrast = np.fft.irfft2(np.fft.rfft2(flat / PIXEL**2) * transfer, s=(edge, edge))
        contrast = 2 * interaction_parameter_per_volt_angstrom(300.0) * contrast
        images[i] = electrons * (1 + contrast + noise * rng.normal(0, electrons**-0.5, (edge, edge)))
    estimate = CtfEstimate(
        defocus_u_angstrom=35000.0, defocus_v_angstrom=35000.0, astigmatism_deg=0.0, score=1.0, resolution_angstrom=20.0
    )
    rows = tuple(
        Tilt(
            name=f"t{i}",
            nominal_tilt_deg=float(tilts[i]),
            acquisition_order=int(order[i]),
            dose_e_per_angstrom2=dose,
            dose_before_e_per_angstrom2=float(order[i] * dose),
            mean_counts=float(electrons),
            ctf=estimate,
        )
        for i in range(n)
    )
    series = TiltSeries(
        run="TS-1", pixel_size_angstrom=PIXEL, tilts=rows, images_nyx=InMemory(images), geometry=geometry
    )
    tomogram = Tomogram(
        run="TS-1",
        grid=grid,
        volume_zyx=InMemory(np.zeros(SHAPE_ZYX, np.float32)),
        tilt_indices=tuple(range(n)),
        geometry=geometry,
        ctf_corrected=True,
    )
    return Phantom(tomogram, series, tuple(truth))
