"""How well tilt series are aligned: the whole chain from simulated movies against the true geometry.

The three-protein mixture in 150 nm of ice, 31 tilts of 8 frames at 5 Å, corrected and fitted by our own motion and CTF
stages. Shifts are compared with the specimen's translation removed. ``--quick`` takes half the field in x and y (a
quarter of the particles) and four frames. Last, ice without molecules, which must be refused.

One JSON line a figure. Usage: ``python benchmarks/science/alignment.py --seed 1 [--quick]``.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from tomoset.alignment import AlignmentParams, align
from tomoset.benchmark.processing import alignment_residual
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.errors import AlignmentError
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import MovieSet, Resources, SeriesTruth, Silent, Specimen, TiltSeries
from tomoset.motion import MotionParams, correct_motion

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.simulated import THICKNESS_ANGSTROM, simulate

ALIGNED_PIXEL_ANGSTROM = 10.0


def prepared(movies: MovieSet) -> TiltSeries:
    """Tilt images with their CTF estimates, by our own stages."""
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    return estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())


def measure(name: str, series: TiltSeries, truth: SeriesTruth, *, bar_angstrom: tuple[float, float]) -> None:
    """Align one series with and without particles as markers, and print the figures."""
    for label, params in (("", AlignmentParams()), (", slab only", AlignmentParams(markers=0))):
        start = time.process_time()
        aligned = align(series, params, resources=Resources(), progress=Silent())
        seconds = time.process_time() - start
        if aligned.geometry is None or aligned.diagnostics is None:
            raise SystemExit("the series should be aligned and say how well")
        residual, axis_error = alignment_residual(
            aligned.geometry.select(aligned.used), truth.geometry.select(aligned.used)
        )
        across, along = np.sqrt(np.mean(np.square(residual), axis=0))
        looser = 2.5 if label else 1.0  # the slab alone is the fallback, and knows less
        report(f"{name}{label}: axis error", abs(axis_error), "°", 0.3 * looser)
        report(f"{name}{label}: shift across the axis, rms", across, "Å", bar_angstrom[0] * looser)
        report(f"{name}{label}: shift along the axis, rms", along, "Å", bar_angstrom[1] * looser)
        both = float(np.sqrt(np.mean(np.square([across, along])))) / ALIGNED_PIXEL_ANGSTROM
        report(f"{name}{label}: shift, rms of both", both, "px of 10 Å", 0.5 * looser)
        report(f"{name}{label}: processor time", seconds, "s", 40.0)
        if not label:
            own = aligned.diagnostics
            report(f"{name}: markers rejected", 1.0 - own["alignment.markers_accepted"], "", 0.0)
            # The half-sets see noise, not the slow drift across the axis that a missing constant in u makes.
            for side, error, bar in (("u", across, 2.0), ("v", along, 2.0)):
                claimed = own[f"alignment.marker_error_{side}_angstrom"]
                report(f"{name}: error over its own estimate ({claimed:.2f} Å), {side}", error / claimed, "", bar)


def empty_ice(microscope: MicroscopeParams, seed: int) -> MovieSet:
    """Movies of ice that holds no molecule."""
    size = field_of_view_size_xy_angstrom(microscope, THICKNESS_ANGSTROM)
    ice = Specimen(run="ICE", size_angstrom_xyz=(*size, THICKNESS_ANGSTROM), molecules=(), composition=())
    movies, _ = image(ice, {}, microscope, seed=seed, resources=Resources(), progress=Silent())
    return movies


def main() -> None:
    """Simulate, prepare, align, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    small = MicroscopeParams(frame_shape_yx=(384, 432), n_frames=4)
    microscope = small if options.quick else MicroscopeParams()
    movies, truth = simulate(options.seed, microscope)
    name = "half field" if options.quick else "mixture"
    measure(name, prepared(movies), truth, bar_angstrom=(3.0, 2.0) if options.quick else (2.5, 1.0))
    ice = correct_motion(empty_ice(small, options.seed), MotionParams(), resources=Resources(), progress=Silent())
    refused = 0.0
    try:
        align(replace(ice, run="ICE"), AlignmentParams(), resources=Resources(), progress=Silent())
    except AlignmentError:
        refused = 1.0
    report("empty ice: aligned instead of refused", 1.0 - refused, "", 0.0)


if __name__ == "__main__":
    main()
