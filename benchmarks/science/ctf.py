"""How well the defocus and the sign of its gradient are found.

First the three-protein mixture of the simulator after motion correction (31 tilts; ``--quick``: 7), against the true
defocus. Then sheets of ice whose defocus follows the tilted plane (strips of the image at the defocus of their own
height), made apart from the simulator, with both hands. Strong sheets must give the right hand; sheets
without a gradient, and sheets so faint that nothing can be known, must never give a wrong one.

One JSON line a figure. Usage: ``python benchmarks/science/ctf.py --seed 1 [--quick]``.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.processing import true_defocus_at_centre_angstrom
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.geometry import TiltGeometry
from tomoset.microscope import MicroscopeParams
from tomoset.model import InMemory, Optics, Resources, Silent, Tilt, TiltSeries, stream
from tomoset.motion import MotionParams, correct_motion
from tomoset.physics import ctf_2d

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.simulated import few_tilts, simulate

N_STRIPS = 9
COUNTS = 50.0
FAINT = (0.004, 0.008, 0.012, 0.016)  # radians a pixel; ice of 150 nm has 0.032


def estimate(series: TiltSeries) -> TiltSeries:
    """Run the stage with its defaults."""
    return estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())


def error_percent(series: TiltSeries, truth_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute defocus error of each tilt, % of the truth."""
    found = np.array([tilt.ctf.defocus_angstrom for tilt in series.tilts if tilt.ctf is not None])
    return np.asarray(100 * np.abs(found / truth_angstrom - 1))


def measure_simulator(seed: int, quick: bool) -> None:
    """Defocus of the simulated mixture."""
    microscope = few_tilts(MicroscopeParams(), 15.0) if quick else MicroscopeParams()
    movies, truth = simulate(seed, microscope)
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    start = time.process_time()
    series = estimate(series)
    seconds = time.process_time() - start
    error = error_percent(series, true_defocus_at_centre_angstrom(truth))
    middle = int(np.argmin(np.abs(series.nominal_tilt_deg)))
    report("mixture: defocus error at 0°", float(error[middle]), "%", 3.0)
    report("mixture: defocus error at the outermost tilts", float(max(error[0], error[-1])), "%", 3.0)
    report("mixture: worst defocus error of all tilts", float(error.max()), "%", 3.0)
    report("mixture: wrong hand reported", float(series.defocus_hand == -truth.defocus_hand), "", 0.0)
    report(f"mixture: processor time of {len(series.tilts)} tilts", seconds, "s", 8.0)


def ice_sheet(
    seed: int,
    *,
    tilt_deg: NDArray[np.float64],
    shape_yx: tuple[int, int] = (768, 864),
    phase_noise: float = 0.035,
    gradient: float = 1.0,
    defocus_angstrom: float = 35000.0,
) -> tuple[TiltSeries, NDArray[np.float64]]:
    """White phase noise of a tilted sheet of ice; ``gradient`` ±1 is the hand, 0 an (impossible) flat defocus."""
    rng = stream(seed, "ice sheet", *shape_yx)
    n, pixel, optics = len(tilt_deg), 5.0, Optics()
    geometry = TiltGeometry(y_tilt_deg=tilt_deg, z_rot_deg=np.full(n, 85.3), shift_xy_angstrom=np.zeros((n, 2)))
    ny, nx = shape_yx
    x, y = (np.arange(nx) - nx // 2) * pixel, (np.arange(ny) - ny // 2) * pixel
    defocus = defocus_angstrom + 700.0 * rng.standard_normal(n)
    images = np.zeros((n, ny, nx), dtype=np.float32)
    for i, (slope, tilt) in enumerate(zip(geometry.plane_gradient_xy, np.deg2rad(tilt_deg), strict=True)):
        noise = np.fft.rfft2(2 * phase_noise / np.sqrt(np.cos(tilt)) * rng.standard_normal(shape_yx))
        height = gradient * (slope[0] * x[None, :] + slope[1] * y[:, None])
        nodes = np.linspace(height.min() - 1, height.max() + 1, N_STRIPS)
        contrast = np.zeros(shape_yx)
        for node in nodes:
            transfer = ctf_2d(
                shape_yx,
                pixel,
                defocus[i] + node,
                voltage_kv=optics.voltage_kv,
                cs_mm=optics.cs_mm,
                amplitude_contrast=optics.amplitude_contrast,
            )
            strip = np.clip(1 - np.abs(height - node) / (nodes[1] - nodes[0]), 0, 1)
            contrast += strip * np.fft.irfft2(noise * transfer, s=shape_yx)
        images[i] = rng.poisson(np.clip(COUNTS * (1 + contrast), 0, None))
    tilts = tuple(
        Tilt(
            name=f"sheet{i}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * i,
            mean_counts=COUNTS,
        )
        for i, angle in enumerate(tilt_deg)
    )
    series = TiltSeries(
        run="TS1",
        pixel_size_angstrom=pixel,
        tilts=tilts,
        images_nyx=InMemory(images),
        nominal_tilt_axis_deg=85.3,
        optics=optics,
    )
    return series, defocus


def measure_sheets(seed: int, quick: bool) -> None:
    """Hand and defocus of tilted ice sheets, strong, flat and faint."""
    coarse = np.arange(-45.0, 46.0, 15.0 if quick else 9.0)
    for hand in (1, -1):
        series, truth = ice_sheet(seed, tilt_deg=coarse, gradient=hand)
        found = estimate(series)
        diagnostics = found.diagnostics or {}
        report(f"sheet of hand {hand:+d}: right hand", float(found.defocus_hand == hand), "", 1.0, at_least=True)
        report(
            f"sheet of hand {hand:+d}: margin of the hand",
            diagnostics["ctf.hand_margin"],
            "ln L",
            100,
            at_least=True,
        )
        report(f"sheet of hand {hand:+d}: worst defocus error", float(error_percent(found, truth).max()), "%", 1.0)
    measure_hopeless_sheets(seed, 6 if quick else 40)


def measure_hopeless_sheets(seed: int, n_trials: int) -> None:
    """How often, and by how much, a wrong hand wins where nothing can be known."""
    wrong, largest = 0, 0.0
    for trial in range(n_trials):
        gradient, noise = (0.0, 0.035) if trial % 2 else (1.0, FAINT[trial // 2 % len(FAINT)])
        series, _ = ice_sheet(
            1000 * seed + trial,
            tilt_deg=np.arange(-45.0, 46.0, 15.0),
            shape_yx=(512, 512),
            phase_noise=noise,
            gradient=gradient,
        )
        found = estimate(series)
        diagnostics = found.diagnostics or {}
        wrong += found.defocus_hand == -1 or (gradient == 0 and found.defocus_hand != 0)
        if diagnostics["ctf.best_hand"] == -1 or (gradient == 0 and diagnostics["ctf.best_hand"] != 0):
            largest = max(largest, diagnostics["ctf.hand_margin"])
    report(f"{n_trials} flat or faint sheets: wrong hands", float(wrong), "", 0.0)
    report(f"{n_trials} flat or faint sheets: largest margin of a wrong hand", largest, "ln L", 5.0)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    measure_simulator(options.seed, options.quick)
    measure_sheets(options.seed, options.quick)


if __name__ == "__main__":
    main()
