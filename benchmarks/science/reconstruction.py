"""How faithful a tomogram is: beads of known place, noise against an exact sum, thick slabs, the simulator's specimens.

One JSON line a figure. Usage: ``python benchmarks/science/reconstruction.py --seed 1 [--quick] [--cache FOLDER]``. The
whole chain is measured on the cases of ``shared/series_cases.py``, ``--case`` names others than the default three.
"""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from tomoset.alignment import align
from tomoset.geometry import TiltGeometry
from tomoset.microscope import MicroscopeParams
from tomoset.model import InMemory, Resources, SeriesTruth, Silent, Tilt, TiltSeries, Tomogram, stream
from tomoset.motion import MotionParams, correct_motion
from tomoset.reconstruction import (
    ReconstructionParams,
    ShellCorrelation,
    finest_agreement_angstrom,
    fourier_shell_correlation,
    measured_region,
    reconstruct,
    resolution_angstrom,
)
from tomoset.structures import Structure
from tomoset.workflow.molecules import simulated_structures

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.series_cases import CASES, prepared_series
from shared.simulated import few_tilts, simulate, with_true_geometry_and_defocus
from shared.thick_slab import DEPTH_ANGSTROM, FACE_ANGSTROM, PIXEL_ANGSTROM, dots_at_faces, dots_on_grid
from shared.true_volume import true_volume

Floats = NDArray[np.float64]
PIXEL = 5.0
PLAIN = ReconstructionParams(thickness_angstrom=400.0, dose_weighting=False, ctf_correction="none")
RADIUS_ANGSTROM = {"apoferritin": 60.0, "proteasome": 60.0, "pp7-vlp": 130.0}


def run(series: TiltSeries, params: ReconstructionParams = PLAIN) -> Tomogram:
    """Reconstruct with one thread."""
    return reconstruct(series, params, resources=Resources(), progress=Silent())


def series_of(images: Floats, geometry: TiltGeometry, pixel: float) -> TiltSeries:
    """Wrap images of 100 counts a pixel."""
    rows = tuple(
        Tilt(
            name=f"tilt-{i}",
            nominal_tilt_deg=float(tilt),
            acquisition_order=i,
            dose_e_per_angstrom2=3.0,
            dose_before_e_per_angstrom2=3.0 * i,
            mean_counts=100.0,
        )
        for i, tilt in enumerate(geometry.y_tilt_deg)
    )
    source = InMemory((100 * (1 + images)).astype(np.float32))
    return TiltSeries(run="ideal", pixel_size_angstrom=pixel, tilts=rows, images_nyx=source, geometry=geometry)


def bead_errors(seed: int, axis_deg: float, shape_yx: tuple[int, int]) -> Floats:
    """Offset (20, 3), voxels, of 20 beads from where the grid says they are."""
    rng = stream(seed, "beads", str(axis_deg))
    tilt = np.arange(-60.0, 61.0, 3.0)
    geometry = TiltGeometry(
        y_tilt_deg=tilt,
        z_rot_deg=axis_deg + rng.normal(0, 0.2, tilt.size),
        shift_xy_angstrom=rng.uniform(-40, 40, (tilt.size, 2)),
    )
    turned = shape_yx[::-1] if round(axis_deg / 90) % 2 else shape_yx
    cells = np.stack(np.meshgrid(np.linspace(-0.25, 0.25, 5), np.linspace(-0.25, 0.25, 4)), -1).reshape(-1, 2)
    beads = np.column_stack([cells * np.array(turned[::-1]) * PIXEL, rng.uniform(-130, 130, 20)])
    beads[:, :2] += rng.uniform(-10, 10, (20, 2))
    y, x = ((np.arange(n) - n // 2) * PIXEL for n in shape_yx)
    images = np.zeros((tilt.size, *shape_yx))
    for t, places in enumerate(geometry.project(beads)):
        for px, py in places:
            images[t] -= 0.1 * np.outer(np.exp(-((y - py) ** 2) / 400), np.exp(-((x - px) ** 2) / 400))
    tomogram = run(series_of(images, geometry, PIXEL))
    volume = tomogram.volume_zyx.read().astype(float)
    expected = tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(beads))
    return np.array([darkest(volume, at) - at for at in expected])


def darkest(volume: Floats, guess: Floats) -> Floats:
    """Sub-voxel minimum near a guess, by quintic splines on ever finer grids."""
    centre = np.round(guess).astype(int)
    first = np.maximum(centre - 8, 0)
    box = volume[tuple(slice(f, c + 9) for f, c in zip(first, centre, strict=True))]
    found = guess - first
    for step in (1.0, 0.25, 0.06, 0.015):
        offsets = np.stack(np.meshgrid(*[np.arange(-3, 4) * step] * 3, indexing="ij"))
        at = found[:, None, None, None] + offsets
        found = at.reshape(3, -1)[:, map_coordinates(box, at, order=5, mode="nearest").argmin()]
    return found + first


def noise_error(seed: int, share_of_nyquist: float) -> float:
    """Rms difference from an exact band-limited sum over the sum's own rms, images of band-limited white noise."""
    tilt = np.arange(-60.0, 61.0, 6.0)
    nx, ny, nz, half = 256, 40, 24, 24
    noise = stream(seed, "white").normal(0, 0.05, (tilt.size, ny, nx))
    spectrum = np.fft.fft2(noise)
    spectrum[:, np.abs(np.fft.fftfreq(ny)) > share_of_nyquist / 2] = 0
    spectrum[:, :, np.abs(np.fft.fftfreq(nx)) > share_of_nyquist / 2] = 0
    spectrum[:, 0, 0] = 0
    noise = np.fft.ifft2(spectrum).real
    geometry = TiltGeometry(y_tilt_deg=tilt, z_rot_deg=np.zeros(tilt.size), shift_xy_angstrom=np.zeros((tilt.size, 2)))
    series = series_of(noise, geometry, PLAIN.voxel_size_angstrom)
    thickness = nz * PLAIN.voxel_size_angstrom
    ours = run(series, replace(PLAIN, thickness_angstrom=thickness)).volume_zyx.read().astype(float)
    padded, k = np.fft.fft(noise, n=4 * nx, axis=2), np.fft.fftfreq(4 * nx)
    z, x = np.meshgrid(np.arange(nz) - nz // 2, np.arange(-half, half), indexing="ij")
    exact = np.zeros((nz, ny, 2 * half))
    for view, angle in zip(padded, np.deg2rad(tilt), strict=True):
        u = x * np.cos(angle) + z * np.sin(angle) + nx // 2
        waves = np.exp(2j * np.pi * k[:, None] * u.ravel()[None, :]) / (4 * nx)
        exact += ((view * np.abs(k) * np.deg2rad(6.0)) @ waves).real.reshape(ny, nz, 2 * half).swapaxes(0, 1)
    inner = (slice(None), slice(12, -12), slice(nx // 2 - half, nx // 2 + half))
    return float(np.std(ours[inner] - exact[:, 12:-12]) / np.std(exact[:, 12:-12]))


def contrast_at_molecules(tomogram: Tomogram, positions_specimen: Floats, radius_angstrom: float, seed: int) -> float:
    """Mean density at true centres below that at random places, in standard deviations of the latter.

    The volume is first smoothed to about the size of the molecule.
    """
    sigma = radius_angstrom / 2 / tomogram.grid.voxel_size_angstrom
    smooth = gaussian_filter(tomogram.volume_zyx.read(), sigma)
    rng = stream(seed, "places")
    half = np.array([1500.0, 1500.0, 500.0])
    inside = np.all(np.abs(positions_specimen) < half, axis=1)
    elsewhere = rng.uniform(-half, half, (2000, 3))

    def values(places: Floats) -> Floats:
        index = tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(places))
        return map_coordinates(smooth, index.T, order=1)

    here, there = values(positions_specimen[inside]), values(elsewhere)
    return float((there.mean() - here.mean()) / there.std())


def measure_simulator(seed: int, quick: bool) -> None:
    """Molecules of the three-protein mixture, reconstructed with the true geometry and defocus."""
    microscope = few_tilts(MicroscopeParams(), 15.0) if quick else MicroscopeParams()
    movies, truth = simulate(seed, microscope)
    series = with_true_geometry_and_defocus(
        correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent()), truth
    )
    contrasts = {}
    for correction in ("phase-flip", "none"):
        tomogram = run(series, replace(ReconstructionParams(), ctf_correction=correction))
        for molecules in truth.specimen.molecules:
            contrasts[correction, molecules.species] = contrast_at_molecules(
                tomogram, molecules.positions_angstrom_xyz, RADIUS_ANGSTROM[molecules.species], seed
            )
        if correction == "phase-flip" and tomogram.odd_zyx is not None and tomogram.even_zyx is not None:
            fsc = fourier_shell_correlation(tomogram.odd_zyx.read(), tomogram.even_zyx.read(), 10.0)
            # Shells at a zero of the molecules' form factors hold nothing: one "resolution" would say less than this.
            band = (fsc.frequency_per_angstrom > 1 / 50) & (fsc.frequency_per_angstrom < 1 / 33)
            report("simulated mixture: half tomograms, mean FSC at 50 to 33 Å", fsc.correlation[band].mean(), "")
    for molecules in truth.specimen.molecules:
        species = molecules.species
        flipped = contrasts["phase-flip", species]
        report(f"simulated mixture: darkness at true {species}", flipped, "sd of background", 0.5, at_least=True)
        report(f"simulated mixture: darkness at true {species}, phases as recorded", contrasts["none", species], "sd")


def face_correlation(tomogram: Tomogram, places: Floats, tilt_deg: Floats, spacings: tuple[float, float]) -> float:
    """Mean shell correlation between two spacings, Å, with the dots at the two faces of the thick slab."""
    volume, found = tomogram.volume_zyx.read(), []
    depth = round(1.6 * FACE_ANGSTROM / PIXEL_ANGSTROM)
    for sign in (1, -1):
        middle = volume.shape[0] // 2 + sign * round((DEPTH_ANGSTROM - FACE_ANGSTROM) / 2 / PIXEL_ANGSTROM)
        box = volume[middle - depth // 2 : middle + depth - depth // 2]
        origin = np.array([0.0, 0.0, (middle - volume.shape[0] // 2) * PIXEL_ANGSTROM])
        true = dots_on_grid(places, box.shape, origin)
        region = measured_region(box.shape, tilt_deg)
        fsc = fourier_shell_correlation(box, true, PIXEL_ANGSTROM, within=region)
        band = (fsc.frequency_per_angstrom >= 1 / spacings[0]) & (fsc.frequency_per_angstrom <= 1 / spacings[1])
        found.append(fsc.correlation[band].mean())
    return float(np.mean(found))


def measure_slabs(seed: int) -> None:
    """Dots at the faces of 300 nm at 3 Å, each with its own defocus: what slabs with their own defocus bring."""
    series, places = dots_at_faces(seed)
    params = ReconstructionParams(
        voxel_size_angstrom=PIXEL_ANGSTROM,
        thickness_angstrom=1.1 * DEPTH_ANGSTROM,
        lateral_shape_yx=(120, 120),
        dose_weighting=False,
        half_sets=False,
    )
    tilt = np.array([t.nominal_tilt_deg for t in series.tilts])
    found, seconds = {}, {}
    for kind in ("phase-flip", "phase-flip-slabs", "multiply", "multiply-slabs"):
        start = time.process_time()
        tomogram = run(series, replace(params, ctf_correction=kind))
        seconds[kind] = time.process_time() - start
        for band in ((14.0, 10.0), (10.0, 8.0)):
            found[kind, band] = face_correlation(tomogram, places, tilt, band)
    for band in ((14.0, 10.0), (10.0, 8.0)):
        label = f"300 nm slab, dots at its faces, FSC at {band[0]:g} to {band[1]:g} Å"
        for kind in ("phase-flip", "multiply"):
            plain, slabs = found[kind, band], found[f"{kind}-slabs", band]
            report(f"{label}, {kind}", plain, "")
            report(f"{label}, {kind} in slabs", slabs, "", max(0.45, plain), at_least=True)
    share = seconds["phase-flip-slabs"] / seconds["phase-flip"]
    report("300 nm slab: CPU time with 19 slabs over that without", share, "", 6.0)


def specimen_correlation(
    tomogram: Tomogram, truth: SeriesTruth, structures: Mapping[str, Structure]
) -> ShellCorrelation:
    """Shell correlation with the true specimen over the Fourier region that the views have measured."""
    volume = tomogram.volume_zyx.read()
    region = measured_region(tomogram.grid.shape_zyx, tomogram.geometry.y_tilt_deg[list(tomogram.tilt_indices)])
    true = true_volume(truth, structures, tomogram)
    return fourier_shell_correlation(volume, true, tomogram.grid.voxel_size_angstrom, within=region)


def true_geometry(truth: SeriesTruth) -> TiltGeometry:
    """The truth with its magnifications, which scale the image about its middle, as a geometry about the origin."""
    if truth.magnification is None:
        return truth.geometry
    shift = truth.geometry.shift_xy_angstrom * truth.magnification[:, None]
    return replace(truth.geometry, magnification=truth.magnification, shift_xy_angstrom=shift)


def measure_chain(name: str, seed: int, cache: Path | None) -> None:
    """Specimen against tomogram: with our own CTF and alignment, and with the true geometry in their place."""
    series, truth, recipe = prepared_series(name, seed, cache)
    case = CASES[name]
    if recipe.specimen is None:
        raise SystemExit(f"{name}: expected a recipe that simulates")
    specimen = recipe.specimen if case.specimen is None else case.specimen(recipe.specimen)
    structures = simulated_structures(replace(recipe, specimen=specimen), Path())
    aligned = align(series, recipe.alignment, resources=Resources(), progress=Silent())
    true = replace(series, geometry=true_geometry(truth), defocus_hand=truth.defocus_hand)
    params = ReconstructionParams(
        thickness_angstrom=specimen.thickness_angstrom + 200.0, lateral_shape_yx=(384, 384), half_sets=False
    )
    found = {}
    for kind, one in (("true geometry", true), ("our alignment", aligned)):
        fsc = specimen_correlation(run(one, params), truth, structures)
        found[kind] = resolution_angstrom(fsc, 0.143)
        band = (fsc.frequency_per_angstrom > 1 / 60) & (fsc.frequency_per_angstrom < 1 / 30)
        report(f"{name}: FSC with the specimen at 60 to 30 Å, {kind}", fsc.correlation[band].mean(), "")
        report(f"{name}: FSC with the specimen falls below 0.143, {kind}", found[kind], "Å")
        # The curve may dip where the CTF or the molecules' form factors vanish, and rise again.
        report(f"{name}: FSC with the specimen last reaches 0.143, {kind}", finest_agreement_angstrom(fsc), "Å")
    ratio = found["our alignment"] / found["true geometry"]
    report(f"{name}: resolution with our alignment over that with the true geometry", ratio, "", 1.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cache", type=Path, help="folder of tilt images that earlier calls left")
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="only the whole chain, on this case")
    options = parser.parse_args()
    if options.case:
        for name in options.case:
            measure_chain(name, options.seed, options.cache)
        return
    for axis, shape in ((0.0, (256, 320)), (85.3, (256, 320)), (-95.0, (320, 256)), (40.0, (288, 288))):
        errors = bead_errors(options.seed, axis, shape)
        # Streaks of the other beads move single peaks a little; what they share would be an error of the geometry.
        report(f"beads, axis {axis:g}°, rms of 20", np.sqrt(np.square(errors).sum(axis=1).mean()), "voxel", 0.1)
        report(f"beads, axis {axis:g}°, common offset", np.linalg.norm(errors.mean(axis=0)), "voxel", 0.05)
    for share, bar in ((0.5, 0.02), (0.7, 0.03), (0.9, 0.045)):
        report(f"white noise to {share:g} of Nyquist, rms error", noise_error(options.seed, share), "", bar)
    measure_slabs(options.seed)
    measure_simulator(options.seed, options.quick)
    for name in ("three_proteins",) if options.quick else ("three_proteins", "seven_proteins", "cell"):
        measure_chain(name, options.seed, options.cache)


if __name__ == "__main__":
    main()
