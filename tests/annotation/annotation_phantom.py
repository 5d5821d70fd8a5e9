"""A small tilt series of bead molecules and its plain back-projection, made without the code under test.

Beads are projected through the geometry, blurred, multiplied with the CTF and the damage, and noise is added; then
phases are flipped, tilts weighted by dose and ramp, and interpolated linearly into the volume.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates

from tomoset.annotation import Template
from tomoset.geometry import Grid, TiltGeometry, random_rotations
from tomoset.model import CtfEstimate, InMemory, Labels, PickableObject, Picks, Tilt, TiltSeries, Tomogram
from tomoset.physics import critical_dose, ctf, interaction_parameter_per_volt_angstrom
from tomoset.structures import built_in_structure

RADII = {"apoferritin": 60.0, "proteasome": 75.0, "pp7-vlp": 140.0}
LIGHT_RADII = {"beta-amylase": 50.0, "bsa": 40.0}
PIXEL = 10.0


@dataclass(frozen=True)
class Phantom:
    series: TiltSeries
    tomogram: Tomogram
    truth: Labels
    templates: tuple[Template, ...]


def templates(names=tuple(RADII)):
    made = []
    for label, name in enumerate(names, 1):
        structure = built_in_structure(name)
        item = PickableObject(
            name=name, label=label, radius_angstrom=(RADII | LIGHT_RADII)[name], symmetry=structure.symmetry
        )
        made.append(Template(object=item, structure=structure))
    return tuple(made)


def place(rng, counts, size_xyz, gap=0.9):
    """Random places without overlap, largest first, fully inside."""
    taken, radii, found = [], [], {}
    size_of = RADII | LIGHT_RADII
    for name in sorted(counts, key=lambda n: -size_of[n]):
        found[name] = []
        while len(found[name]) < counts[name]:
            half = np.asarray(size_xyz) / 2 - size_of[name]
            point = rng.uniform(-half, half)
            if all(np.linalg.norm(point - t) > gap * (size_of[name] + r) for t, r in zip(taken, radii, strict=True)):
                taken.append(point)
                radii.append(size_of[name])
                found[name].append(point)
    return {name: np.array(points).reshape(-1, 3) for name, points in found.items()}


def make_series(seed, counts, size_xyz, *, image_yx, noise=1.0, tilts=None):
    rng = np.random.default_rng(seed)
    tilts = np.arange(-45.0, 46.0, 3.0) if tilts is None else tilts
    n = len(tilts)
    geometry = TiltGeometry(y_tilt_deg=tilts, z_rot_deg=np.full(n, 85.3), shift_xy_angstrom=rng.normal(0, 30.0, (n, 2)))
    order = np.argsort(np.argsort(np.abs(tilts) + (tilts > 0) * 0.1))
    dose = 100.0 / n
    defocus = 35000.0 + rng.normal(0, 300.0, n)
    places = place(rng, counts, size_xyz)
    poses = {name: random_rotations(len(p), rng) for name, p in places.items()}
    beads, strengths = _beads(places, poses)
    ny, nx = image_yx
    ky, kx = np.fft.fftfreq(ny, PIXEL)[:, None], np.fft.rfftfreq(nx, PIXEL)[None]
    k = np.hypot(ky, kx)
    electrons = dose * PIXEL**2 * 0.8
    images = np.empty((n, ny, nx), np.float32)
    projected = geometry.project(beads) / PIXEL + np.array([nx // 2, ny // 2])
    for i in range(n):
        flat = _deposit(projected[i], strengths, (ny, nx)) / PIXEL**2  # volt · Å
        transfer = ctf(k, defocus[i], voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.07)
        damage = np.exp(-(order[i] + 0.5) * dose / (2 * critical_dose(k)))
        soft = np.exp(-2 * (np.pi * 4.5 * k) ** 2) / np.sinc(kx * PIXEL) ** 2 / np.sinc(ky * PIXEL) ** 2
        phase = np.fft.irfft2(np.fft.rfft2(flat) * transfer * damage * soft, s=(ny, nx))
        contrast = 2 * interaction_parameter_per_volt_angstrom(300.0) * phase
        images[i] = electrons * (1 + contrast + noise * rng.normal(0, electrons**-0.5, (ny, nx)))
    rows = tuple(
        Tilt(
            name=f"t{i}",
            nominal_tilt_deg=float(tilts[i]),
            acquisition_order=int(order[i]),
            dose_e_per_angstrom2=dose,
            dose_before_e_per_angstrom2=float(order[i] * dose),
            mean_counts=float(electrons),
            ctf=CtfEstimate(
                defocus_u_angstrom=float(defocus[i]),
                defocus_v_angstrom=float(defocus[i]),
                astigmatism_deg=0.0,
                score=1.0,
                resolution_angstrom=10.0,
            ),
        )
        for i in range(n)
    )
    series = TiltSeries(
        run="TS-1", pixel_size_angstrom=PIXEL, tilts=rows, images_nyx=InMemory(images), geometry=geometry
    )
    return series, places, poses


def _beads(places, poses):
    points, strengths = [], []
    for name, centres in places.items():
        structure = built_in_structure(name)
        for centre, pose in zip(centres, poses[name], strict=True):
            points.append(structure.positions_angstrom_xyz @ pose.T + centre)
            strengths.append(structure.strengths_volt_angstrom3)
    if not points:
        return np.zeros((1, 3)), np.zeros(1)
    return np.concatenate(points), np.concatenate(strengths)


def _deposit(xy, strength, shape):
    """Bilinear histogram."""
    flat = np.zeros(shape)
    base = np.floor(xy).astype(int)
    part = xy - base
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = base[:, 0] + dx, base[:, 1] + dy
            w = strength * np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            inside = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
            np.add.at(flat, (y[inside], x[inside]), w[inside])
    return flat


def back_project(series, shape_zyx):
    grid = Grid(shape_zyx=shape_zyx, voxel_size_angstrom=PIXEL)
    images = series.images_nyx.read()
    n, ny, nx = images.shape
    ky, kx = np.fft.fftfreq(ny, PIXEL)[:, None], np.fft.rfftfreq(nx, PIXEL)[None]
    k = np.hypot(ky, kx)
    axes = np.meshgrid(*(np.arange(s) for s in shape_zyx), indexing="ij")
    points = grid.specimen_from_volume(grid.position_angstrom_xyz(np.stack(axes, -1).reshape(-1, 3)))
    volume = np.zeros(points.shape[0])
    damage = [
        np.exp(-t.dose_before_e_per_angstrom2 / (2 * critical_dose(k)) - t.dose_e_per_angstrom2 / 4 / critical_dose(k))
        for t in series.tilts
    ]
    scale = np.sqrt(np.mean(np.square(damage), axis=0))
    for i in range(n):
        turn = np.deg2rad(series.geometry.z_rot_deg[i])
        ramp = np.abs(np.cos(turn) * kx + np.sin(turn) * ky) * np.deg2rad(3.0) * PIXEL
        defocus = series.tilts[i].ctf.defocus_angstrom
        flip = -np.sign(ctf(k, defocus, voltage_kv=300, cs_mm=2.7, amplitude_contrast=0.07))
        contrast = images[i] / images[i].mean() - 1
        filtered = np.fft.irfft2(np.fft.rfft2(contrast) * flip * ramp * damage[i] / scale, s=(ny, nx))
        xy = series.geometry.select([i]).project(points)[0] / PIXEL + np.array([nx // 2, ny // 2])
        volume += map_coordinates(filtered, [xy[:, 1], xy[:, 0]], order=1, mode="constant")
    return grid, volume.reshape(shape_zyx).astype(np.float32)


def make(seed, counts, shape_zyx, *, noise=1.0, thickness=None, names=tuple(RADII)):
    grid_size = np.array(shape_zyx[::-1]) * PIXEL
    size = np.array([grid_size[0], grid_size[1], grid_size[2] if thickness is None else thickness])
    edge = int(max(shape_zyx[1:]) * 1.2) // 2 * 2
    series, places, poses = make_series(seed, counts, size, image_yx=(edge, edge), noise=noise)
    grid, volume = back_project(series, shape_zyx)
    tomogram = Tomogram(
        run="TS-1",
        grid=grid,
        volume_zyx=InMemory(volume),
        tilt_indices=tuple(range(len(series.tilts))),
        geometry=series.geometry,
        ctf_corrected=True,
        contrast="dark",
    )
    picks = tuple(
        Picks(object_name=name, positions_angstrom_xyz=grid.volume_from_specimen(points), rotations=poses[name])
        for name, points in places.items()
    )
    truth = Labels(run="TS-1", user="ground-truth", session="0", voxel_size_angstrom=PIXEL, picks=picks)
    return Phantom(series, tomogram, truth, templates(names))
