"""How well frames are aligned: estimated against true motion of simulated movies, mean over frames removed.

The three-protein mixture in 150 nm of ice, 31 tilts of 8 frames at 5 Å (or 7 tilts with ``--quick``). The same movies
are corrected with the true gain, with a gain that is 2 % wrong in every pixel, and, drawn again, with the ice's own
signal switched off, so that only molecules hold the frames together (in real ice, water moves within an exposure).

One JSON line a figure. Usage: ``python benchmarks/science/motion.py --seed 1 [--quick]``.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope import MicroscopeParams
from tomoset.model import InMemory, MovieSet, Resources, SeriesTruth, Silent, TiltSeries, stream
from tomoset.motion import MotionParams, correct_motion

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.simulated import few_tilts, simulate


def with_wrong_gain(movies: MovieSet, residue: float, seed: int) -> MovieSet:
    """Return the same movies with a gain reference that is wrong by a random fraction in every pixel."""
    if movies.gain_yx is None:
        raise SystemExit("the simulated series should come with a gain reference")
    gain = movies.gain_yx.read(())
    error = stream(seed, "gain residue").standard_normal(gain.shape, dtype=np.float32)
    return replace(movies, gain_yx=InMemory((gain * (1 + residue * error)).astype(np.float32)))


def error_pixel(series: TiltSeries, truth: SeriesTruth) -> NDArray[np.float64]:
    """Rms distance between estimated and true track of each tilt, pixels."""
    tracks = np.array([tilt.motion.shift_xy_angstrom for tilt in series.tilts if tilt.motion is not None])
    squared = np.square(tracks - truth.frame_shift_xy_angstrom).sum(axis=2)
    return np.asarray(np.sqrt(squared.mean(axis=1)) / series.pixel_size_angstrom)


def measure(name: str, movies: MovieSet, truth: SeriesTruth, cpu_bar_s: float, bar_pixel: float = 0.2) -> None:
    """Correct one series and print its figures."""
    start = time.process_time()
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    seconds = time.process_time() - start
    error = error_pixel(series, truth)
    true_motion = np.sqrt(np.square(truth.frame_shift_xy_angstrom).sum(axis=2).mean()) / series.pixel_size_angstrom
    report(
        f"{name}: worst tilt, rms over frames (the motion itself: {true_motion:.2f} px rms)",
        error.max(),
        "px",
        bar_pixel,
    )
    report(f"{name}: median tilt, rms over frames", float(np.median(error)), "px", 0.2)
    outermost = max(error[0], error[-1])
    report(f"{name}: outermost tilts", float(outermost), "px", 0.2)
    report(f"{name}: processor time of {len(series.tilts)} movies", seconds, "s", cpu_bar_s)


def main() -> None:
    """Simulate, correct, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    microscope = few_tilts(MicroscopeParams(), 15.0) if options.quick else MicroscopeParams()
    cpu_bar_s = (
        12.0 * microscope.n_tilts / 31 + 2.0 * options.quick
    )  # loading and the gain cost the same for any number
    movies, truth = simulate(options.seed, microscope)
    measure("true gain", movies, truth, cpu_bar_s)
    measure("gain 2 % wrong", with_wrong_gain(movies, 0.02, options.seed), truth, cpu_bar_s)
    movies, truth = simulate(options.seed, replace(microscope, ice_phase_noise=0.0))
    measure("molecules only", movies, truth, cpu_bar_s, bar_pixel=0.2)


if __name__ == "__main__":
    main()
