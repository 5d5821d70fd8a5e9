"""Small specimens and an independent analytic image of Gaussian beads, for the microscope's tests."""

import numpy as np

from tomoset.geometry import random_rotations
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import Molecules, Resources, Silent, Specimen
from tomoset.physics import ctf, interaction_parameter_per_volt_angstrom
from tomoset.structures import Structure

SMALL = {
    "pixel_size_angstrom": 5.0,
    "frame_shape_yx": (192, 256),
    "n_frames": 3,
    "tilt_min_deg": -45.0,
    "tilt_max_deg": 45.0,
    "tilt_step_deg": 45.0,
    "total_dose_e_per_angstrom2": 12.0,
}
QUIET = {"ice_phase_noise": 0.0, "drift_angstrom": 0.0, "hot_pixel_fraction": 0.0, "defocus_jitter_angstrom": 0.0}


def small(**changes):
    return MicroscopeParams(**{**SMALL, **changes})


def beads(name="beads", positions=((0.0, 0.0, 0.0),), strength=4e6, spread=12.0):
    positions = np.asarray(positions, dtype=float)
    return Structure(
        name=name,
        symmetry="C1",
        mass_kda=500.0,
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.full(len(positions), strength / len(positions)),
        spreads_angstrom=np.full(len(positions), spread),
        source="Gaussian beads of a test",
    )


def specimen(params, positions, *, rotations=None, species="beads", thickness=1000.0, run="TS001"):
    positions = np.asarray(positions, dtype=float).reshape(-1, 3)
    rotations = np.tile(np.eye(3), (len(positions), 1, 1)) if rotations is None else rotations
    molecules = Molecules(species=species, positions_angstrom_xyz=positions, rotations=rotations)
    size = (*field_of_view_size_xy_angstrom(params, thickness), thickness)
    return Specimen(run=run, size_angstrom_xyz=size, molecules=(molecules,), composition=())


def record(scene_specimen, structure, params, *, seed=5, workers=1):
    return image(
        scene_specimen,
        {structure.name: structure},
        params,
        seed=seed,
        resources=Resources(workers=workers),
        progress=Silent(),
    )


def crowd(params, n=40, *, seed=1, **changes):
    rng = np.random.default_rng(seed)
    size = np.array([*field_of_view_size_xy_angstrom(params, 1000.0), 700.0])
    positions = (rng.random((n, 3)) - 0.5) * size
    return specimen(params, positions, rotations=random_rotations(n, rng), **changes)


def frequencies(shape_yx, pixel):
    return np.fft.fftfreq(shape_yx[0], pixel)[:, None], np.fft.rfftfreq(shape_yx[1], pixel)[None, :]


def analytic_contrast(params, positions_xy, defoci, *, strength=4e6, spread=12.0):
    """Contrast of single Gaussian beads, written down directly in Fourier space on a periodic frame."""
    (ny, nx), pixel = params.frame_shape_yx, params.pixel_size_angstrom
    ky, kx = frequencies((ny, nx), pixel)
    k2 = ky**2 + kx**2
    transform = np.zeros(k2.shape, dtype=complex)
    for (x, y), defocus in zip(positions_xy, defoci, strict=True):
        phase = kx * (x + nx // 2 * pixel) + ky * (y + ny // 2 * pixel)
        transfer = ctf(
            np.sqrt(k2),
            defocus,
            voltage_kv=params.voltage_kv,
            cs_mm=params.cs_mm,
            amplitude_contrast=params.amplitude_contrast,
        )
        transform += strength * np.exp(-2 * (np.pi * spread) ** 2 * k2 - 2j * np.pi * phase) * transfer
    sigma = interaction_parameter_per_volt_angstrom(params.voltage_kv)
    return np.fft.irfft2(transform * 2 * sigma / pixel**2, (ny, nx))


def undamaged_contrast(movies, tilt):
    """What the scene renders for one view without dose and motion, on the frame."""
    scene = movies.movies[tilt].frames_tyx.scene
    spectrum, _ = scene.contrast_spectra(tilt)
    return scene.canvas.frame(np.fft.irfft2(spectrum, scene.canvas.shape_yx))


def displacement_pixel(image_yx, reference_yx, limit=0.06, pixel=5.0):
    """Sub-pixel shift (x, y) of an image against a reference: weighted fit of the cross-spectrum's phase."""
    cross = np.fft.rfft2(image_yx) * np.conj(np.fft.rfft2(reference_yx))
    ky, kx = frequencies(image_yx.shape, pixel)
    weight = np.abs(cross) * ((ky**2 + kx**2 < limit**2) & (kx > 0))
    basis = np.stack([(2 * np.pi * pixel * np.broadcast_to(k, cross.shape)).ravel() for k in (kx, ky)], axis=1)
    root = np.sqrt(weight).ravel()
    solution, *_ = np.linalg.lstsq(basis * root[:, None], -np.angle(cross).ravel() * root, rcond=None)
    return solution
