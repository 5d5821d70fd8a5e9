"""Bundle adjustment of tracks: IMOD's own tracks of gold beads, and simulated tracks with known truth.

Real: the beads of a dual-axis plastic section that IMOD's ``tiltalign`` was run on (axes a and b, 23 beads in 61 views;
``.resid`` holds the tracks). IMOD's kind of model as its results show it: shift, rotation and magnification of each
view, tilt angles linear between nodes five views apart, stretch between nodes seven apart. Its figure is the mean
length of all residuals. Skipped, and said so, where the folder is absent.

Simulated: 300 markers of a field of 640 nm in 31 views, 2.2 Å of noise, a fifth of the measurements missing and a tenth
of them gross errors of 50 Å; truth off the nominal geometry in shift (40 Å), axis (0.7° and 0.05° a view), tilt (0.2°)
and magnification (0.1 %). Second, the same with a field of 40 Å at the edges that grows with the dose.

One JSON line a figure. Usage: ``python benchmarks/science/tracks.py --seed 1 [--quick]``.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment import Freedom, TrackParams, TrackSolution, solve_tracks
from tomoset.formats.imod_tracks import read_residuals
from tomoset.geometry import TiltGeometry

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

Floats = NDArray[np.float64]

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "imod" / "BB"
REAL_TILTS: Floats = 65.0 - 2.0 * np.arange(61)
REAL_CENTRE = 256.5  # model coordinate of index N // 2 in 512 pixels
IMOD_MODEL = TrackParams(
    axis=Freedom(kind="view"),
    magnification=Freedom(kind="view"),
    tilt=Freedom(kind="smooth", every=5),
    stretch=Freedom(kind="smooth", every=7),
    loss="tukey",
)

TILTS: Floats = np.arange(-45.0, 46.0, 3.0)
NOISE_ANGSTROM = 2.2
OUR_MODEL = TrackParams(
    axis=Freedom(kind="view", prior=0.2),
    tilt=Freedom(kind="view", prior=0.5),
    magnification=Freedom(kind="view", prior=2e-3),
)
BENT_MODEL = TrackParams(
    axis=Freedom(kind="view", prior=0.2),
    tilt=Freedom(kind="view", prior=0.5),
    magnification=Freedom(kind="view", prior=2e-3),
    field=Freedom(kind="smooth", every=4, prior=40.0, along="dose"),
)


def real() -> None:
    """Solve IMOD's tracks from scratch: nominal tilts, no shifts, one axis."""
    if not REAL.is_dir():
        print(f"tracks of IMOD skipped: no folder {'/'.join(REAL.parts[-4:])} beside the checkout", file=sys.stderr)
        return
    start = TiltGeometry(
        y_tilt_deg=REAL_TILTS, z_rot_deg=np.full(61, -11.0), shift_xy_angstrom=np.zeros((61, 2))
    )  # "Å" are pixels here
    unstretched = replace(IMOD_MODEL, stretch=Freedom())
    for name, params in (("BBa", IMOD_MODEL), ("BBb", IMOD_MODEL), ("BBa_simple-align", unstretched)):
        positions, residual = read_residuals(REAL / f"{name}.resid", 61)
        imod = float(np.nanmean(np.linalg.norm(residual, axis=-1)))
        solution = solve_tracks(positions - REAL_CENTRE, start, params)
        ours = solution.mean_residual_angstrom
        report(f"beads, {name}: mean residual (IMOD {imod:.4f})", ours, "px", round(1.1 * imod, 4))
        report(f"beads, {name}: mean residual over IMOD's", ours / imod, "", 1.1)
        # With stretch free, tilt and stretch can hardly be told apart in a section.
        difference = solution.geometry.y_tilt_deg - np.loadtxt(REAL / f"{name}.tlt")
        report(f"beads, {name}: tilt against IMOD's, rms", float(difference.std()), "°")


def simulated(seed: int, name: str, params: TrackParams, *, bent: bool, markers: int) -> None:
    """Planted geometry, tracks with noise and gross errors, and the errors against those predicted."""
    rng = np.random.default_rng(seed)
    n = TILTS.size
    dose = 3.226 * np.argsort(np.argsort(np.abs(TILTS) + (TILTS < 0) * 1e-3))
    field = np.zeros((n, 2, 6))
    field[:, :, 3:] = rng.normal(0, 20.0, (2, 3)) * np.sqrt(dose / dose.max())[:, None, None]
    truth = TiltGeometry(
        y_tilt_deg=TILTS + rng.normal(0, 0.2, n),
        z_rot_deg=85.3 + rng.normal(0, 0.7) + rng.normal(0, 0.05, n),
        shift_xy_angstrom=rng.normal(0, 40.0, (n, 2)),
        magnification=1 + rng.normal(0, 1e-3, n),
        field_xy_angstrom=field if bent else None,
        field_unit_angstrom=3190.0 if bent else 1.0,
    )
    positions = np.column_stack([rng.uniform(-3000, 3000, (markers, 2)), rng.uniform(-700, 700, markers)])
    exact = truth.project(positions).transpose(1, 0, 2)
    tracks = exact + rng.normal(0, NOISE_ANGSTROM, exact.shape)
    wrong = rng.random(exact.shape[:2]) < 0.1
    tracks[wrong] += rng.normal(0, 50.0, (np.count_nonzero(wrong), 2))
    tracks[rng.random(exact.shape[:2]) < 0.2] = np.nan
    start = TiltGeometry(y_tilt_deg=TILTS, z_rot_deg=np.full(n, 85.3), shift_xy_angstrom=np.zeros((n, 2)))
    begun = time.process_time()
    solution = solve_tracks(tracks, start, params, dose_before=dose)
    seconds = time.process_time() - begun
    compare(name, solution, truth, positions)
    report(f"{name}: processor time", seconds, "s", 5.0)


def compare(name: str, solution: TrackSolution, truth: TiltGeometry, positions: Floats) -> None:
    """Errors of what tracks show, each held against its own standard error (within 30 %)."""
    found, errors = solution.geometry, solution.errors
    if found.magnification is None or truth.magnification is None:
        raise SystemExit("the magnification should be free")
    tilt = found.y_tilt_deg - truth.y_tilt_deg
    tilt -= tilt.mean()
    axis = found.z_rot_deg - truth.z_rot_deg
    scale = found.magnification - truth.magnification / truth.magnification.mean()
    report(f"{name}: axis of the series, error", abs(float(axis.mean())), "°", 0.05)
    report(f"{name}: tilt, rms error", float(np.sqrt(np.mean(tilt**2))), "°", 0.06)
    report(f"{name}: magnification, rms error", float(np.sqrt(np.mean(scale**2))), "", 3e-4)
    # Where the markers really are, seen through the geometry that was found, less a move of the whole specimen.
    seen, true = (g.project(positions).transpose(1, 0, 2) for g in (found, truth))
    apart = true - seen
    rotation = found.image_from_specimen[:, :2]
    design = rotation.reshape(-1, 3)
    centre = apart.mean(axis=0).reshape(-1)
    translation, *_ = np.linalg.lstsq(design, centre, rcond=None)
    shift = (centre - design @ translation).reshape(-1, 2)
    report(f"{name}: place of the markers in a view, rms error", float(np.sqrt(np.mean(shift**2))), "Å", 1.0)
    for what, error, predicted in (
        ("tilt", tilt, errors.tilt_deg),
        ("magnification", scale, errors.magnification),
    ):
        ratio = float(np.sqrt(np.mean(np.square(error / predicted))))
        report(f"{name}: {what}, error over its standard error ({ratio:.2f})", max(ratio, 1 / ratio), "", 1.6)


def main() -> None:
    """Real tracks, then simulated ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    real()
    markers = 80 if options.quick else 300
    simulated(options.seed, "tracks", OUR_MODEL, bent=False, markers=markers)
    simulated(options.seed, "tracks of a bending specimen", BENT_MODEL, bent=True, markers=markers)


if __name__ == "__main__":
    main()
