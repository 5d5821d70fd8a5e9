"""What denoising brings: correlation with the true specimen before and after, by bands of spacing, and what it costs.

One JSON line a figure. Usage: ``python benchmarks/science/denoise.py --seed 1 [--quick] [--picture FILE.png]``. The
three-protein mixture of the demonstration, reconstructed with its true geometry and defocus; only Fourier coefficients
that the views have measured count. ``--quick`` takes every third view's angle and a fifth of the training;
``--picture`` draws middle slices before and after beside the specimen.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope import MicroscopeParams
from tomoset.model import Resources, Silent, Tomogram
from tomoset.motion import MotionParams, correct_motion
from tomoset.physics import rfft_frequency_3d
from tomoset.reconstruction import (
    DenoiseParams,
    ReconstructionParams,
    denoise,
    fourier_shell_correlation,
    measured_region,
    reconstruct,
)
from tomoset.structures import built_in_structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.simulated import few_tilts, simulate, with_true_geometry_and_defocus
from shared.true_volume import true_volume

Floats = NDArray[np.float64]
BANDS_ANGSTROM = ((2000.0, 200.0), (200.0, 100.0), (100.0, 50.0), (50.0, 33.0), (33.0, 25.0))


def band_correlations(volume: NDArray[np.float32], true: NDArray[np.float32], tilt_deg: Floats, voxel: float) -> Floats:
    """Correlation of two volumes in each band and, last, over all of them, within the measured region."""
    from scipy.fft import rfftn

    a, b = rfftn(volume), rfftn(true)
    frequency = rfft_frequency_3d((volume.shape[0], volume.shape[1], volume.shape[2]), voxel)
    region = measured_region((volume.shape[0], volume.shape[1], volume.shape[2]), tilt_deg)
    widest = (BANDS_ANGSTROM[0][0], BANDS_ANGSTROM[-1][1])
    found = []
    for coarse, fine in (*BANDS_ANGSTROM, widest):
        some = region & (frequency >= 1 / coarse) & (frequency < 1 / fine)
        cross = float((a[some] * b[some].conj()).real.sum())
        found.append(cross / np.sqrt(float((np.abs(a[some]) ** 2).sum()) * float((np.abs(b[some]) ** 2).sum())))
    return np.array(found)


def mixture(seed: int, quick: bool) -> tuple[Tomogram, NDArray[np.float32]]:
    """Tomogram with halves, and the true specimen on its grid."""
    microscope = few_tilts(MicroscopeParams(), 9.0) if quick else MicroscopeParams()
    movies, truth = simulate(seed, microscope)
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    series = with_true_geometry_and_defocus(series, truth)
    tomogram = reconstruct(series, ReconstructionParams(), resources=Resources(), progress=Silent())
    structures = {m.species: built_in_structure(m.species) for m in truth.specimen.molecules}
    return tomogram, true_volume(truth, structures, tomogram)


def draw(path: Path, before: Tomogram, after: Tomogram, true: NDArray[np.float32]) -> None:
    """Middle planes in xy and xz; the specimen as the views can show it, low-passed to 25 Å."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(true, 25.0 / before.grid.voxel_size_angstrom / 2.355)
    volumes = {"tomogram": before.volume_zyx.read(), "denoised": after.volume_zyx.read(), "specimen": smooth}
    figure, axes = pyplot.subplots(2, 3, figsize=(15, 9), height_ratios=(2, 1))
    for column, (name, volume) in enumerate(volumes.items()):
        planes = volume[volume.shape[0] // 2], volume[:, volume.shape[1] // 2]
        for axis, plane in zip(axes[:, column], planes, strict=True):
            low, high = np.percentile(plane, (0.5, 99.5))
            axis.imshow(plane, cmap="gray", vmin=low, vmax=high, origin="lower")
            axis.set_axis_off()
        axes[0, column].set_title(name)
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    pyplot.close(figure)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--picture", type=Path, help="where to draw slices before and after")
    options = parser.parse_args()
    tomogram, true = mixture(options.seed, options.quick)
    params = DenoiseParams()
    if options.quick:
        params = replace(params, training=replace(params.training, steps=params.training.steps // 5))
    start = time.process_time()
    denoised = denoise(tomogram, params, resources=Resources(), seed=options.seed, progress=Silent())
    seconds = time.process_time() - start
    if options.picture is not None:
        draw(options.picture, tomogram, denoised, true)
    voxel, tilt = tomogram.grid.voxel_size_angstrom, tomogram.geometry.y_tilt_deg
    before = band_correlations(tomogram.volume_zyx.read(), true, tilt, voxel)
    after = band_correlations(denoised.volume_zyx.read(), true, tilt, voxel)
    names = [f"{coarse:g} to {fine:g} Å" for coarse, fine in BANDS_ANGSTROM] + ["all bands"]
    for name, raw, clean in zip(names, before, after, strict=True):
        report(f"correlation with the specimen, {name}, before", raw, "")
        report(f"correlation with the specimen, {name}, denoised", clean, "", raw, at_least=True)
    if tomogram.odd_zyx is not None and tomogram.even_zyx is not None:
        fsc = fourier_shell_correlation(tomogram.odd_zyx.read(), tomogram.even_zyx.read(), voxel)
        band = (fsc.frequency_per_angstrom > 1 / 50) & (fsc.frequency_per_angstrom < 1 / 33)
        report("correlation of the halves at 50 to 33 Å, before", fsc.correlation[band].mean(), "")
    for name, value in (denoised.diagnostics or {}).items():
        report(f"halves agree to, {name.split('.')[1].split('_')[2]}", value, "Å")
    report("two networks trained, both halves denoised", seconds, "CPU-s", 300.0)
    report("a million voxels", seconds / (true.size / 1e6), "CPU-s")


if __name__ == "__main__":
    main()
