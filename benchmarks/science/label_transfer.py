"""How well labels follow their tomogram to another reconstruction of the same series.

A series is reconstructed with our own alignment, with 6 Å of error in every view's shift, and with the true alignment.
The places of its particles in the first two are moved to the last. How far each is off in truth is measured on the
images: the two tomograms' densities around it, one turned into the other's frame, are correlated (both hold the same
particle and the same noise). The error that moving states must be what is found, within a factor of 1.5.

One JSON line a figure. Usage: ``python benchmarks/science/label_transfer.py --seed 1 [--quick]``.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from tomoset.annotation import truth_labels
from tomoset.annotation.label_transfer import TomogramFrame, TransferParams, transfer_labels
from tomoset.model import Labels, Tomogram

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.tomogram_cases import labeled_case

HALF = 14
FINEST_ANGSTROM = 30.0


def frame_of(tomogram: Tomogram) -> TomogramFrame:
    """What positions depend on."""
    return TomogramFrame(
        run=tomogram.run, grid=tomogram.grid, geometry=tomogram.geometry, tilt_indices=tomogram.tilt_indices
    )


def box(volume_zyx: NDArray[np.float32], centre_zyx: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray:
    """Density around a place, sampled along rotated axes (columns: the box's x, y, z in the volume)."""
    steps = np.arange(-HALF, HALF + 1)
    z, y, x = np.meshgrid(steps, steps, steps, indexing="ij")
    offsets = np.stack([x, y, z], -1) @ axes.T
    at = centre_zyx[:, None, None, None] + np.moveaxis(offsets[..., ::-1], -1, 0)
    return map_coordinates(volume_zyx, at, order=3, mode="nearest", prefilter=True)


def displacement_angstrom(first: NDArray, second: NDArray, voxel_angstrom: float) -> NDArray[np.float64]:
    """Where the content of the first box lies in the second, xyz, Å, from the peak of their correlation."""
    n = first.shape[0]
    window = np.hanning(n + 2)[1:-1]
    taper = window[:, None, None] * window[None, :, None] * window[None, None, :]
    k = np.fft.fftfreq(n, voxel_angstrom)
    kz, ky, kx = np.meshgrid(k, k, k, indexing="ij")
    soft = np.exp(-2 * (np.pi * FINEST_ANGSTROM / 4) ** 2 * (kx**2 + ky**2 + kz**2))
    spectra = [np.fft.fftn((b - b.mean()) * taper) * soft for b in (first, second)]
    correlation = np.fft.fftshift(np.fft.ifftn(np.conj(spectra[0]) * spectra[1]).real)
    peak = np.array(np.unravel_index(int(correlation.argmax()), correlation.shape))
    shift = peak - n // 2 + np.zeros(3)
    if np.all((peak > 0) & (peak < n - 1)):
        for axis in range(3):
            low, high = (correlation[tuple(peak + step * np.eye(3, dtype=int)[axis])] for step in (-1, 1))
            middle = correlation[tuple(peak)]
            shift[axis] += 0.5 * (low - high) / (low - 2 * middle + high)
    return shift[::-1] * voxel_angstrom


def found_errors(moved: Labels, labels: Labels, source: Tomogram, target: Tomogram, most: int) -> NDArray[np.float64]:
    """Distance from where labels were moved to where their density is, Å; both sets row by row the same."""
    volumes = [np.asarray(t.volume_zyx.read(), dtype=np.float32) for t in (source, target)]
    out = []
    for before, after in zip(labels.picks, moved.picks, strict=True):
        for i in range(len(before)):
            turn = after.rotations[i] @ before.rotations[i].T
            centres = [t.grid.index_zyx(p.positions_angstrom_xyz[i]) for t, p in ((source, before), (target, after))]
            if any(
                np.any(c < HALF + 3) or np.any(c > np.array(v.shape) - HALF - 4)
                for c, v in zip(centres, volumes, strict=True)
            ):
                continue
            boxes = [
                box(cut(v, c), HALF + 3.0 + (c - np.round(c)), axes)
                for v, c, axes in zip(volumes, centres, (np.eye(3), turn), strict=True)
            ]
            out.append(displacement_angstrom(*boxes, source.grid.voxel_size_angstrom))
            if len(out) == most:
                return np.array(out)
    return np.array(out)


def cut(volume_zyx: NDArray[np.float32], centre_zyx: NDArray[np.float64]) -> NDArray[np.float32]:
    """The part of a volume that a turned box needs."""
    middle = np.round(centre_zyx).astype(int)
    return volume_zyx[tuple(slice(m - HALF - 3, m + HALF + 4) for m in middle)]


def inner(labels: Labels, tomogram: Tomogram, margin: float) -> Labels:
    """Labels whose place is well inside the volume."""
    size = tomogram.grid.size_angstrom_xyz
    return replace(
        labels,
        picks=tuple(
            p.select(np.all((p.positions_angstrom_xyz > margin) & (p.positions_angstrom_xyz < size - margin), axis=1))
            for p in labels.picks
        ),
    )


def main() -> None:
    """Reconstruct twice, move, measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="fewer particles")
    parser.add_argument("--case", default="three_proteins")
    parser.add_argument("--cache", type=Path, default=None, help="folder of kept tilt images")
    options = parser.parse_args()
    shape = (256, 256) if options.quick else (400, 400)
    most = 40 if options.quick else 150
    cases = {
        how: labeled_case(
            options.case,
            options.seed,
            alignment="own" if how == "own" else "true",
            shift_error_angstrom=6.0 if how == "blurred" else 0.0,
            lateral_shape_yx=shape,
            cache=options.cache,
        )
        for how in ("true", "own", "blurred")
    }
    for how, words in (("own", "of our own alignment"), ("blurred", "with 6 Å of error in every shift")):
        source = cases[how].tomogram
        measure(source, cases["true"].tomogram, truth_labels(cases[how].truth, source), most, words)


def measure(source: Tomogram, target: Tomogram, labels: Labels, most: int, words: str) -> None:
    """Move labels of one tomogram to the other and hold what is stated against what is found."""
    labels = inner(labels, source, 250.0)
    for rigid in (True, False):
        how = "rigidly" if rigid else "locally"
        params = TransferParams(rigid_only=rigid, largest_error_angstrom=1000.0)
        moved = transfer_labels(labels, frame_of(source), frame_of(target), params)
        if [len(p) for p in labels.picks] != [len(p) for p in moved.picks]:
            raise SystemExit("labels well inside one tomogram left the other")
        errors = found_errors(moved, labels, source, target, most)
        found = float(np.median(np.linalg.norm(errors, axis=1)))
        stated = moved.notes["transfer_error_median_angstrom"]
        report(f"labels {words}, moved {how}: error found, median of {len(errors)}", found, "angstrom")
        report(f"labels {words}, moved {how}: error stated, as a median", stated, "angstrom")
        report(
            f"labels {words}, moved {how}: found and stated apart by a factor",
            max(found / stated, stated / found),
            "",
            1.5,
        )


if __name__ == "__main__":
    main()
