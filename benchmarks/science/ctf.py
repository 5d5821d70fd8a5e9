"""How well the defocus, the sign of its gradient and the specimen's plane are found.

First simulated series of three recipes, thin and thick, at 4 to 5 Å a pixel (``--cases`` knows more, up to 8 Å), with
all imperfections of the optics, both hands and specimens that stand at an angle to the stage
(``shared/ctf_cases.py``), against their truth.
Then sheets of ice whose defocus follows the tilted plane (strips of the image at the defocus of their own height), made
apart from the simulator, with both hands. Strong sheets must give the right hand; sheets without a gradient, and sheets
so faint that nothing can be known, must never give a wrong one.

One JSON line a series and one a figure. ``python benchmarks/science/ctf.py --seed 1 [--quick]`` takes one seed,
``--seed 1 --seeds 5`` five and reports median and worst; ``--cases`` names some of the cases; ``--cache`` keeps the
simulated images in a folder.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.processing import true_defocus_at_centre_angstrom
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.geometry import TiltGeometry
from tomoset.model import InMemory, Optics, Resources, SeriesTruth, Silent, Tilt, TiltSeries, stream
from tomoset.physics import ctf_2d

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.ctf_cases import CTF_CASES, ctf_case
from shared.figures import report

N_STRIPS = 9
COUNTS = 50.0
FAINT = (0.004, 0.008, 0.012, 0.016)  # radians a pixel; ice of 150 nm has 0.032
FINE_CASES = ("three_proteins", "seven_proteins", "three_proteins thick", "pelagibacter")


def estimate(series: TiltSeries) -> TiltSeries:
    """Run the stage with its defaults."""
    return estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())


def error_percent(series: TiltSeries, truth_angstrom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute defocus error of each tilt, % of the truth."""
    found = np.array([tilt.ctf.defocus_angstrom for tilt in series.tilts if tilt.ctf is not None])
    return np.asarray(100 * np.abs(found / truth_angstrom - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesErrors:
    """Errors of one series; angles in degrees, lengths in Å; ``hand_margin`` is a log-likelihood."""

    at_zero: float
    at_ends: float
    rms: float
    rms_over_claimed: float
    undetermined: bool
    wrong_hand: bool
    hand_margin: float
    plane: float
    astigmatism: float
    seconds: float


def measure_series(name: str, seed: int, cache: Path | None, *, quick: bool) -> SeriesErrors:
    """Estimate one simulated series and compare it with its truth."""
    series, truth, pretilt_deg = ctf_case(name, seed, cache, quick=quick)
    start = time.process_time()
    found = estimate(series)
    seconds = time.process_time() - start
    rows = [i for i, tilt in enumerate(found.tilts) if tilt.ctf is not None]
    estimates = [tilt.ctf for tilt in found.tilts if tilt.ctf is not None]
    error = np.array([one.defocus_angstrom for one in estimates]) - true_defocus_at_centre_angstrom(truth)[rows]
    claimed = np.array([one.defocus_error_angstrom or np.inf for one in estimates])
    tilts = series.nominal_tilt_deg[rows]
    numbers = found.diagnostics or {}
    about = numbers.get("ctf.plane_tilt_about_axis_deg", np.nan) - pretilt_deg
    across = numbers.get("ctf.plane_tilt_across_axis_deg", np.nan)
    return SeriesErrors(
        at_zero=float(abs(error[np.argmin(np.abs(tilts))])),
        at_ends=float(np.abs(error[[np.argmin(tilts), np.argmax(tilts)]]).mean()),
        rms=float(np.sqrt(np.mean(error**2))),
        rms_over_claimed=float(np.sqrt(np.mean((error / claimed) ** 2))),
        undetermined=found.defocus_hand == 0,
        wrong_hand=found.defocus_hand == -truth.defocus_hand,
        hand_margin=numbers["ctf.hand_margin"],
        plane=float(np.hypot(about, across)),
        astigmatism=astigmatism_error(numbers, truth),
        seconds=seconds,
    )


def report_series(name: str, errors: SeriesErrors) -> None:
    """One line with everything about one series."""
    numbers = {key: round(float(value), 3) for key, value in asdict(errors).items()}
    line = {"figure": f"{name}: defocus error of all tilts, rms", "value": numbers["rms"], "unit": "Å", **numbers}
    print(json.dumps(line, ensure_ascii=False), flush=True)


def astigmatism_error(numbers: dict[str, float], truth: SeriesTruth) -> float:
    """Length of the difference between the series' astigmatism and the mean of the true ones, U − V, Å."""
    found = numbers["ctf.astigmatism_angstrom"] * np.exp(2j * np.deg2rad(numbers["ctf.astigmatism_deg"]))
    if truth.astigmatism_angstrom is None or truth.astigmatism_deg is None:
        return float(abs(found))
    return float(abs(found - np.mean(truth.astigmatism_angstrom * np.exp(2j * np.deg2rad(truth.astigmatism_deg)))))


def measure_simulator(names: list[str], seeds: list[int], cache: Path | None, *, quick: bool) -> None:
    """Report each case, over all seeds."""
    everything: list[SeriesErrors] = []
    for name in names:
        errors = []
        for seed in seeds:
            errors.append(measure_series(name, seed, cache, quick=quick))
            report_series(f"{name}, seed {seed}", errors[-1])
        everything += errors
        many = len(errors) > 1
        for figure, values, bar in (
            ("defocus error at 0°", [e.at_zero for e in errors], 150.0),
            ("defocus error at ±45°", [e.at_ends for e in errors], 400.0),
            ("defocus error of all tilts, rms", [e.rms for e in errors], None),
        ):
            report(f"{name}: {figure}{', median' if many else ''}", float(np.median(values)), "Å", bar)
            if many:
                report(f"{name}: {figure}, worst", float(np.max(values)), "Å")
        report(f"{name}: error over claimed error, rms", _median([e.rms_over_claimed for e in errors]), "", 2.0)
        report(f"{name}: wrong hands", float(sum(e.wrong_hand for e in errors)), "", 0.0)
        report(f"{name}: smallest margin of the hand", min(e.hand_margin for e in errors), "ln L")
        report(f"{name}: error of the specimen's plane, median", _median([e.plane for e in errors]), "deg")
        report(f"{name}: astigmatism error, median", _median([e.astigmatism for e in errors]), "Å")
        report(f"{name}: processor time, median", _median([e.seconds for e in errors]), "s")
    if not quick:
        share = float(np.mean([e.undetermined for e in everything]))
        report(f"{len(everything)} series: undetermined hands", share, "", 0.1)


def _median(values: list[float]) -> float:
    return float(np.median(values))


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
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on")
    parser.add_argument("--cases", nargs="+", choices=sorted(CTF_CASES), help="default: three recipes, thin and thick")
    parser.add_argument("--cache", type=Path, help="folder for simulated tilt images")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    names = options.cases or (["three_proteins"] if options.quick else list(FINE_CASES))
    measure_simulator(
        names, list(range(options.seed, options.seed + options.seeds)), options.cache, quick=options.quick
    )
    measure_sheets(options.seed, options.quick)


if __name__ == "__main__":
    main()
