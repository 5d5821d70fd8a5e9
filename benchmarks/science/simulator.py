"""Accuracy and cost of the simulated microscope: ``python benchmarks/science/simulator.py --seed N [--quick]``.

One JSON line a figure. The frames are compared with closed forms (Gaussian beads, Poisson, the CTF's zeros), never
with the simulation itself.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.processing import true_defocus_at_centre_angstrom
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.geometry import random_rotations
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.microscope.camera import poisson_counts
from tomoset.microscope.coincidence import ntf2
from tomoset.microscope.projection import project_molecules, transform_molecule
from tomoset.model import InMemory, Molecules, MovieSet, Resources, SeriesTruth, Silent, Specimen, Tilt, TiltSeries
from tomoset.physics import (
    ctf,
    interaction_parameter_per_volt_angstrom,
    transmission,
    wavelength_angstrom,
)
from tomoset.specimen import copies_from_mg_per_ml
from tomoset.structures import Structure, built_in_structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.direct_sum import atoms, direct_sum, direct_transform, frequency_axes, rms_ratio
from shared.figures import report
from shared.simulated import MIXTURE_MG_PER_ML

Floats = NDArray[np.float64]
PERFECT = {"ice_phase_noise": 0.0, "drift_angstrom": 0.0, "hot_pixel_fraction": 0.0}


def bead(spread: float = 12.0, strength: float = 4e6) -> Structure:
    """One Gaussian: the molecule whose image can be written down."""
    return Structure(
        name="bead",
        symmetry="C1",
        mass_kda=500.0,
        positions_angstrom_xyz=np.zeros((1, 3)),
        strengths_volt_angstrom3=np.array([strength]),
        spreads_angstrom=np.array([spread]),
        source="one Gaussian bead",
    )


def slab(params: MicroscopeParams, thickness: float, molecules: tuple[Molecules, ...]) -> Specimen:
    """Ice of the size the views need."""
    size = (*field_of_view_size_xy_angstrom(params, thickness), thickness)
    return Specimen(run="TS001", size_angstrom_xyz=size, molecules=molecules, composition=())


def upright(positions: Floats) -> tuple[Molecules, ...]:
    """Beads at given places."""
    rotations = np.tile(np.eye(3), (len(positions), 1, 1))
    return (Molecules(species="bead", positions_angstrom_xyz=positions, rotations=rotations),)


def record(
    specimen: Specimen, structures: dict[str, Structure], params: MicroscopeParams, seed: int
) -> tuple[MovieSet, SeriesTruth]:
    """Return ``image`` on one core."""
    return image(specimen, structures, params, seed=seed, resources=Resources(), progress=Silent())


def written_down(params: MicroscopeParams, landed_xy: Floats, defoci: Floats, spread: float = 12.0) -> Floats:
    """Contrast of Gaussian beads from the formula."""
    (ny, nx), pixel = params.frame_shape_yx, params.pixel_size_angstrom
    ky, kx = frequency_axes((ny, nx), pixel)
    k = np.hypot(ky, kx)
    optics = {"voltage_kv": 300.0, "cs_mm": params.cs_mm, "amplitude_contrast": params.amplitude_contrast}
    transform = np.zeros(k.shape, dtype=complex)
    for (x, y), defocus in zip(landed_xy, defoci, strict=True):
        phase = kx * (x + nx // 2 * pixel) + ky * (y + ny // 2 * pixel)
        transform += np.exp(-2 * (np.pi * spread * k) ** 2 - 2j * np.pi * phase) * ctf(k, defocus, **optics)
    scale = 2 * interaction_parameter_per_volt_angstrom(300.0) * 4e6 / pixel**2
    return np.asarray(np.fft.irfft2(transform * scale, (ny, nx)))


def rendered(movies: MovieSet, tilt: int) -> Floats:
    """Contrast of one view as simulated, without dose, ice and motion."""
    scene = movies.movies[tilt].frames_tyx.scene
    spectrum, _ = scene.contrast_spectra(tilt)
    return np.asarray(scene.canvas.frame(np.fft.irfft2(spectrum, scene.canvas.shape_yx)), dtype=np.float64)


def displacement_pixel(found: Floats, expected: Floats, pixel: float) -> Floats:
    """Sub-pixel shift between two images: weighted fit of the cross-spectrum's phase."""
    cross = np.fft.rfft2(found) * np.conj(np.fft.rfft2(expected))
    ky, kx = frequency_axes(found.shape, pixel)
    root = np.sqrt(np.abs(cross) * ((ky**2 + kx**2 < 0.06**2) & (kx > 0))).ravel()
    basis = np.stack([(2 * np.pi * pixel * np.broadcast_to(k, cross.shape)).ravel() for k in (kx, ky)], axis=1)
    return np.linalg.lstsq(basis * root[:, None], -np.angle(cross).ravel() * root, rcond=None)[0]


def projection_figures(seed: int) -> None:
    """Projected molecules against the closed form of their Gaussians, band-limited to the pixels."""
    rng = np.random.default_rng(seed)
    pixel = 5.0
    for name in MIXTURE_MG_PER_ML:
        structure = built_in_structure(name)
        molecule = transform_molecule(structure, pixel)
        rotations, offsets = random_rotations(3, rng), rng.uniform(-0.5, 0.5, (3, 2))
        n = molecule.box_pixels
        ky, kx = frequency_axes((n, n), pixel)
        errors = []
        for patch, rotation, offset in zip(
            project_molecules(molecule, rotations, offsets), rotations, offsets, strict=True
        ):
            xy = structure.positions_angstrom_xyz @ rotation.T[:, :2] + (offset + n // 2) * pixel
            damping = np.exp(-2 * (np.pi * structure.spreads_angstrom[0]) ** 2 * (ky**2 + kx**2))
            column = np.exp(-2j * np.pi * ky * xy[:, 1]) * structure.strengths_volt_angstrom3
            transform = (column @ np.exp(-2j * np.pi * kx.T * xy[:, 0]).T) * damping
            transform[n // 2], transform[:, n // 2] = 0, 0
            expected = np.fft.irfft2(transform / pixel**2, (n, n))
            errors.append(rms_ratio(patch - expected, expected))
        report(f"projection of {name} against its Gaussians, rms", 100 * max(errors), "%", 1.0)


def geometry_figures(seed: int) -> None:
    """Where an off-axis bead lands, and whether whole views follow the formula with heights and hand."""
    rng = np.random.default_rng(seed)
    base = {"frame_shape_yx": (256, 320), "tilt_step_deg": 45.0, "total_dose_e_per_angstrom2": 10.0, **PERFECT}
    for hand in (1, -1):
        params = MicroscopeParams(**base, defocus_hand=hand)
        point = rng.uniform(-200, 200, (1, 3))
        movies, truth = record(slab(params, 1000.0, upright(point)), {"bead": bead()}, params, seed)
        landed, height = truth.geometry.project(point), truth.geometry.height_angstrom(point)
        worst, misfit = 0.0, 0.0
        for tilt in range(3):
            found = rendered(movies, tilt)
            expected = written_down(params, landed[tilt], truth.defocus_angstrom[tilt] + hand * height[tilt])
            worst = max(worst, float(np.abs(displacement_pixel(found, expected, 5.0)).max()))
            misfit = max(misfit, rms_ratio(found - expected, expected))
        report(f"bead at -45, 0, 45° against TiltGeometry.project (u and v), hand {hand:+d}", worst, "px", 0.1)
        report(f"views of a bead against the formula, rms, hand {hand:+d}", 100 * misfit, "%", 1.0)
        high = np.array([[0.0, 0.0, 1000.0]])
        movies, truth = record(slab(params, 2400.0, upright(high)), {"bead": bead(8.0)}, params, seed)
        found = rendered(movies, 1)
        offsets = np.arange(-1500.0, 1501.0, 50.0)
        landed = truth.geometry.project(high)[1]
        models = [written_down(params, landed, truth.defocus_angstrom[1:2] + o, 8.0) for o in offsets]
        scores = [float((found * model).sum() / np.linalg.norm(model)) for model in models]
        error = abs(offsets[int(np.argmax(scores))] - hand * 1000.0)
        report(f"defocus of a bead 1000 Å up, error, hand {hand:+d}", error, "Å", 50.0)


def radial_power(image_yx: Floats) -> Floats:
    """Mean power on rings one Fourier pixel wide, of a square image."""
    n = image_yx.shape[0]
    power = np.abs(np.fft.rfft2(image_yx - image_yx.mean())) ** 2
    ky, kx = frequency_axes((n, n), 1.0)
    ring = np.rint(np.hypot(ky, kx) * n).astype(int)
    return (np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel()))[: n // 2]


def count_figures(seed: int) -> None:
    """Thon rings, mean counts and the noise of recorded frames."""
    n, pixel = 768, 5.0
    params = MicroscopeParams(
        frame_shape_yx=(n, n), n_frames=4, tilt_min_deg=0, tilt_max_deg=0, total_dose_e_per_angstrom2=15.0,
        ice_phase_noise=0.08, defocus_jitter_angstrom=0.0, hot_pixel_fraction=0.0, drift_angstrom=0.0,
    )  # fmt: skip
    movies, _ = record(slab(params, 1500.0, ()), {"bead": bead()}, params, seed)
    frames = movies.movies[0].frames_tyx.read().astype(np.float64) * movies.gain_yx.read()
    radial = radial_power(frames.sum(axis=0))
    radial = np.convolve(radial, np.hanning(9) / np.hanning(9).sum(), mode="same")
    worst = 0.0
    for order in (1, 2, 3, 4):
        zero = np.sqrt((order - np.arcsin(0.07) / np.pi) / (wavelength_angstrom(300.0) * 35000.0)) * n * pixel
        window = np.arange(int(zero) - 8, int(zero) + 10)
        parabola = np.polyfit(window - zero, radial[window], 2)
        worst = max(worst, abs(2 * (-parabola[1] / (2 * parabola[0])) / zero))  # defocus goes with 1 / k²
    report("defocus told by the minima of the Thon rings, relative error", 100 * worst, "%", 2.0)

    params = MicroscopeParams(frame_shape_yx=(512, 512), tilt_step_deg=22.5, total_dose_e_per_angstrom2=15.0, **PERFECT)
    movies, truth = record(slab(params, 1500.0, ()), {"bead": bead()}, params, seed)
    deviation, ratio = 0.0, 0.0
    for movie, tilt in zip(movies.movies, truth.geometry.y_tilt_deg, strict=True):
        frames = movie.frames_tyx.read()
        expected = movie.dose_e_per_angstrom2 * 25 * params.dqe * transmission(1500.0, float(tilt))
        deviation = max(deviation, abs((frames * movies.gain_yx.read()).sum(axis=0).mean() / expected - 1))
        mean_yx = expected / params.n_frames / movies.gain_yx.read().astype(np.float64)
        ratio = max(ratio, abs(float(((frames - mean_yx) ** 2 / mean_yx).mean()) - 1))
    report("mean counts against dose x area x DQE x transmission", 100 * deviation, "%", 1.0)
    report("variance of counts over Poisson's, minus 1", 100 * ratio, "%", 1.0)


def noise_figures(seed: int) -> None:
    """Power of the counts' noise against the camera's closed form, with coincidence loss."""
    n = 512
    params = MicroscopeParams(
        frame_shape_yx=(n, n), n_frames=8, tilt_min_deg=0, tilt_max_deg=0, total_dose_e_per_angstrom2=3.2,
        gain_spread=0.0, coincidence_pixels=4.0, dose_rate_e_per_pixel_s=25.0, **PERFECT,
    )  # fmt: skip
    movies, _ = record(slab(params, 1500.0, ()), {"bead": bead()}, params, seed)
    frames = movies.movies[0].frames_tyx.read().astype(np.float64)
    power = np.mean([radial_power(frame) for frame in frames], axis=0) / (n * n * frames.mean())
    rings = slice(8, n // 2)
    expected = ntf2(np.arange(n // 2)[rings] / n, params, transmission=transmission(1500.0, 0.0))
    smooth = np.convolve(power[rings] / expected, np.full(16, 1 / 16), mode="valid")
    report("power of the noise against NTF², rings of 16", 100 * float(np.abs(smooth - 1).max()), "%", 3.0)
    report("power of the noise against NTF², mean", 100 * abs(float(np.mean(power[rings] / expected)) - 1), "%", 1.0)


def engine_figures(seed: int, *, quick: bool) -> None:
    """Noise-free frames at the finest pixels against the direct sum over all points."""
    n = 384
    params = MicroscopeParams(
        pixel_size_angstrom=2.077, frame_shape_yx=(n, n), n_frames=2, tilt_step_deg=45.0,
        total_dose_e_per_angstrom2=100.0, **PERFECT,
    )  # fmt: skip
    for spread in (1.0, 4.5):
        rng = np.random.default_rng(seed)
        structure, copies = atoms(rng, spread), 3 if quick else 6
        positions = np.column_stack([rng.uniform(-150, 150, (copies, 2)), rng.uniform(-200, 200, copies)])
        molecules = Molecules(species="bead", positions_angstrom_xyz=positions, rotations=random_rotations(copies, rng))
        movies, truth = record(slab(params, 1500.0, (molecules,)), {"bead": structure}, params, seed)
        for tilt, name in ((1, "0°, first"), (2, "45°"), (0, "-45°, last")):
            movie = movies.movies[tilt]
            dose = movie.dose_before_e_per_angstrom2 + 0.25 * movie.dose_e_per_angstrom2
            found = movie.frames_tyx.scene.contrast(tilt, 0)[60:-60, 60:-60]
            for own_depth in (False, True) if (spread, tilt) == (1.0, 1) else (False,):
                exact = direct_sum(params, truth, structure, tilt, dose, own_depth=own_depth)[60:-60, 60:-60]
                kind = "with the points' own depths" if own_depth else "with a height each"
                label = f"frame at {name}, points of {spread:g} Å, against the direct sum {kind}"
                report(label, 100 * rms_ratio(found - exact, exact), "%", None if own_depth else 1.0)


def resolution_figures(seed: int) -> None:
    """Fourier ring correlation of the noise-free movie, its phases flipped, with the projected potential."""
    n = 384
    params = MicroscopeParams(
        pixel_size_angstrom=2.077, frame_shape_yx=(n, n), n_frames=4, tilt_min_deg=0, tilt_max_deg=0,
        total_dose_e_per_angstrom2=12.0, mtf="k3-standard", **{**PERFECT, "drift_angstrom": 4.0},
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    structure = atoms(rng, 1.0)
    positions = np.column_stack([rng.uniform(-200, 200, (12, 2)), np.zeros(12)])
    molecules = Molecules(species="bead", positions_angstrom_xyz=positions, rotations=random_rotations(12, rng))
    movies, truth = record(slab(params, 800.0, (molecules,)), {"bead": structure}, params, seed)
    k = np.hypot(*frequency_axes((n, n), 2.077))
    transfer = ctf(k, truth.defocus_angstrom[0], voltage_kv=300.0, cs_mm=2.7, amplitude_contrast=0.07)
    window = np.outer(np.hanning(n), np.hanning(n))
    total = np.zeros((n, n))
    for frame in range(params.n_frames):
        spectrum = np.fft.rfft2(movies.movies[0].frames_tyx.scene.contrast(0, frame))
        ky, kx = frequency_axes((n, n), 2.077)
        x, y = truth.frame_shift_xy_angstrom[0, frame]
        total += np.fft.irfft2(spectrum * np.exp(2j * np.pi * (kx * x + ky * y)) * np.sign(transfer), (n, n))
    exact = np.zeros(k.shape, dtype=complex)
    for centre, rotation in zip(positions, molecules.rotations, strict=True):
        points = centre + structure.positions_angstrom_xyz @ rotation.T
        exact += direct_transform(params, truth.geometry.project(points)[0], structure)
    a, b = np.fft.rfft2(total * window), np.fft.rfft2(np.fft.irfft2(exact, (n, n)) * window)
    ring = np.rint(k * n * 2.077).astype(int)
    sums = [np.bincount(ring.ravel(), v.ravel()) for v in ((a * b.conj()).real, abs(a) ** 2, abs(b) ** 2)]
    curve = (sums[0] / np.sqrt(sums[1] * sums[2]))[: n // 2]
    smooth = np.convolve(curve, np.full(12, 1 / 12), mode="valid")
    limit = int(n * 2.077 / 4.5)
    report("ring correlation with the true projection, least to 4.5 Å", smooth[4:limit].min(), "", 0.9, at_least=True)


def defocus_figures(seed: int, *, quick: bool) -> None:
    """Defocus and hand that the estimation finds in movies of ice with astigmatism."""
    for hand in (1, -1):
        params = MicroscopeParams(
            tilt_step_deg=15.0 if quick else 9.0, total_dose_e_per_angstrom2=30.0, ice_phase_noise=0.03,
            defocus_hand=hand, drift_angstrom=0.0, hot_pixel_fraction=0.0, astigmatism_angstrom=200.0,
            defocus_jitter_angstrom=600.0,
        )  # fmt: skip
        movies, truth = record(slab(params, 1500.0, ()), {"bead": bead()}, params, seed)
        gain = movies.gain_yx.read()
        images = np.stack([movie.frames_tyx.read().sum(axis=0, dtype=np.float32) * gain for movie in movies.movies])
        tilts = tuple(
            Tilt(
                name=movie.name,
                nominal_tilt_deg=movie.nominal_tilt_deg,
                acquisition_order=movie.acquisition_order,
                dose_e_per_angstrom2=movie.dose_e_per_angstrom2,
                dose_before_e_per_angstrom2=movie.dose_before_e_per_angstrom2,
                mean_counts=float(image_yx.mean()),
            )
            for movie, image_yx in zip(movies.movies, images, strict=True)
        )
        series = TiltSeries(
            run="TS001", pixel_size_angstrom=5.0, tilts=tilts, images_nyx=InMemory(images),
            nominal_tilt_axis_deg=params.tilt_axis_deg, geometry=truth.geometry, optics=params.optics,
        )  # fmt: skip
        found = estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())
        defocus = np.array([tilt.ctf.defocus_angstrom for tilt in found.tilts])
        error = np.abs(defocus / true_defocus_at_centre_angstrom(truth) - 1)
        report(f"defocus estimated from ice, worst tilt, hand {hand:+d}", 100 * float(error.max()), "%", 1.0)
        report(f"hand estimated, {hand:+d}", float(found.defocus_hand == hand), "", 1.0, at_least=True)


def poisson_figures(seed: int) -> None:
    """Chi-square of the sampler at five million samples."""
    from scipy import stats

    for mean in (0.3, 1.4, 6.0, 15.0):
        drawn = poisson_counts(np.full((2048, 2560), mean, dtype=np.float32), key=(seed, 17), frame=1)
        observed = np.bincount(drawn.ravel(), minlength=256).astype(np.float64)
        expected = drawn.size * stats.poisson.pmf(np.arange(256), float(np.float32(mean)))
        keep = np.flatnonzero(expected >= 20)
        low, high = keep[0], keep[-1]
        both = [
            np.concatenate([[v[: low + 1].sum()], v[low + 1 : high], [v[high:].sum()]]) for v in (observed, expected)
        ]
        both[1] *= both[0].sum() / both[1].sum()
        p = float(stats.chisquare(*both).pvalue)
        # Both ends: a p near 1 says that the counts scatter less than they should.
        nearest_end = min(p, 1 - p)
        report(f"chi-square p of 5.2e6 counts at mean {mean:g}", nearest_end, "", 1e-4, at_least=True)


def mixture(params: MicroscopeParams, thickness: float, seed: int) -> tuple[Specimen, dict[str, Structure]]:
    """Molecules of the three-protein mixture at random places; overlaps do not matter for the cost."""
    rng = np.random.default_rng(seed)
    structures = {name: built_in_structure(name) for name in MIXTURE_MG_PER_ML}
    size = np.array([*field_of_view_size_xy_angstrom(params, thickness), thickness])
    molecules = []
    for name, mg_per_ml in MIXTURE_MG_PER_ML.items():
        copies = copies_from_mg_per_ml(mg_per_ml, structures[name].mass_kda, float(size.prod()))
        positions = (rng.random((copies, 3)) - 0.5) * (size - [0, 0, 2 * structures[name].radius_angstrom])
        molecules.append(
            Molecules(species=name, positions_angstrom_xyz=positions, rotations=random_rotations(copies, rng))
        )
    return slab(params, thickness, tuple(molecules)), structures


def cost_figures(seed: int, *, quick: bool) -> None:
    """CPU seconds and memory of a series of the demonstration's size, compilation excluded."""
    params = MicroscopeParams()
    specimen, structures = mixture(params, 1500.0, seed)
    movies, _ = record(specimen, structures, params, seed)
    movies.movies[0].frames_tyx.read((0,))
    start = time.process_time()
    movies, _ = record(specimen, structures, params, seed)
    views = movies.movies[:: 6 if quick else 1]
    for movie in views:
        movie.frames_tyx.read()
    seconds = (time.process_time() - start) * (len(movies.movies) / len(views))
    label = " (from 6 views)" if quick else ""
    report(f"all frames of a series of 31 x 8 x 768 x 864 pixels{label}", seconds, "CPU-s", 20.0)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    report("peak memory of the process", peak_gib, "GiB", 1.0)


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    cost_figures(options.seed, quick=options.quick)  # first, so that the peak memory is its own
    projection_figures(options.seed)
    geometry_figures(options.seed)
    engine_figures(options.seed, quick=options.quick)
    resolution_figures(options.seed)
    count_figures(options.seed)
    noise_figures(options.seed)
    defocus_figures(options.seed, quick=options.quick)
    poisson_figures(options.seed)


if __name__ == "__main__":
    main()
