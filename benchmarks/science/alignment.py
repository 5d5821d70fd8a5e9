"""How well tilt series are aligned: simulated series thin, thick, sparse, moving and empty against the truth.

The cases are those of ``benchmarks/shared/series_cases.py`` (638 nm field, 31 tilts, true tilts, axis and
magnifications off the nominal ones); tilt images and CTF are our own stages'. What is compared is in
``benchmarks/shared/alignment_errors.py``. Of a case, *median* is over the views of all seeds, *worst seed* the largest
of the seeds' own medians over views, and *95th percentile* over the views of all seeds. The alignment's own estimate is
held against the root mean square of a series' shift errors. Last, the demonstration's own chain (5 Å pixels, 8 frames
with motion), with and without particles as markers.

One JSON line a figure. Usage: ``python benchmarks/science/alignment.py --seed 1 [--seeds 5] [--case NAME …] [--quick]
[--cache DIR]``; ``--quick`` takes the demonstration's chain alone, at half its field.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tomoset.alignment import AlignmentParams, align
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.errors import AlignmentError
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import MovieSet, Resources, SeriesTruth, Silent, Specimen, TiltSeries
from tomoset.motion import MotionParams, correct_motion

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.alignment_errors import AlignmentErrors, alignment_errors
from shared.figures import report
from shared.series_cases import CASES, prepared_series
from shared.simulated import THICKNESS_ANGSTROM, simulate

WRONG_ANGSTROM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What a case is held against: shifts in Å (median, worst seed, 95th percentile) and the axis in degrees."""

    median: float
    worst: float | None = None
    percentile: float | None = None
    axis: float = 0.1


BARS = {
    "three_proteins": Bars(median=1.0, worst=1.5, percentile=2.5),
    "seven_proteins": Bars(median=1.0, worst=1.5, percentile=2.5),
    "cell": Bars(median=1.5, worst=4.0, percentile=6.0),
    "ten_particles": Bars(median=2.0, worst=3.0, percentile=6.0, axis=0.4),
    "moving": Bars(median=3.0),
}
MOST_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What became of one series.

    Parameters
    ----------
    errors : AlignmentErrors or None
        None when it was refused.
    seconds : float
        Processor time.
    own : dict
        The alignment's diagnostics, without their prefix.
    """

    errors: AlignmentErrors | None
    seconds: float
    own: dict[str, float]

    @property
    def flagged(self) -> bool:
        """Whether it was refused, or said itself that it is not to be trusted."""
        return self.errors is None or self.own["trusted"] == 0.0

    @property
    def rms(self) -> float:
        """Root mean square of the shift errors."""
        return float("nan") if self.errors is None else float(np.sqrt(np.mean(np.square(self.errors.shift))))


def outcome(series: TiltSeries, truth: SeriesTruth, params: AlignmentParams, thickness: float) -> Outcome:
    """Align one series and compare."""
    start = time.process_time()
    try:
        aligned = align(series, params, resources=Resources(), progress=Silent())
    except AlignmentError:
        return Outcome(errors=None, seconds=time.process_time() - start, own={})
    seconds = time.process_time() - start
    if aligned.geometry is None or aligned.diagnostics is None:
        raise SystemExit("the series should be aligned and say how well")
    rows = aligned.used
    own = {k.removeprefix("alignment."): v for k, v in aligned.diagnostics.items() if k.startswith("alignment.")}
    errors = alignment_errors(aligned.geometry.select(rows), truth, rows, thickness)
    return Outcome(errors=errors, seconds=seconds, own=own)


def report_series(name: str, result: Outcome) -> None:
    """Figures of one series, for information."""
    report(f"{name}: refused or flagged", float(result.flagged), "")
    report(f"{name}: processor time", result.seconds, "s")
    if result.errors is None:
        return
    errors = result.errors
    report(f"{name}: shift, median", np.median(errors.shift), "Å")
    report(f"{name}: shift, 95th percentile", np.percentile(errors.shift, 95), "Å")
    for side, value in zip(("across", "along"), np.sqrt(np.mean(np.square(errors.shift_uv), axis=0)), strict=True):
        report(f"{name}: shift {side} the axis, rms", value, "Å")
    report(f"{name}: own estimate over truth", result.own["error_angstrom"] / result.rms, "")
    report(f"{name}: axis error", errors.axis_deg, "°")
    report(f"{name}: tilt errors, rms", errors.tilt_deg.std(), "°")
    report(f"{name}: whole field, median", np.median(errors.field), "Å")
    report(f"{name}: blur of the whole field, median", np.median(errors.blur), "Å")


def report_case(name: str, results: list[Outcome]) -> None:
    """Figures of a case over its seeds, held against their bars."""
    bars = BARS[name]
    trusted = [r for r in results if r.errors is not None]
    report(f"{name}: series refused", len(results) - len(trusted), "", 0)
    report(f"{name}: processor time, largest", max(r.seconds for r in results), "s", MOST_SECONDS)
    if not trusted:
        return
    shifts = [r.errors.shift for r in trusted if r.errors is not None]
    report(f"{name}: shift, median", np.median(np.concatenate(shifts)), "Å", bars.median)
    report(f"{name}: shift, worst seed", max(np.median(s) for s in shifts), "Å", bars.worst)
    report(f"{name}: shift, 95th percentile", np.percentile(np.concatenate(shifts), 95), "Å", bars.percentile)
    report(f"{name}: axis, worst seed", max(abs(r.errors.axis_deg) for r in trusted if r.errors), "°", bars.axis)
    for which in ("field", "blur"):
        values = np.concatenate([getattr(r.errors, which) for r in trusted])
        report(f"{name}: {which}, median", np.median(values), "Å")


def report_honesty(results: list[Outcome]) -> None:
    """How well the alignment knows its own error, over all series."""
    known = [r for r in results if r.errors is not None]
    wrong = [r for r in known if r.rms > WRONG_ANGSTROM]
    report("series worse than 10 Å neither refused nor flagged", sum(not r.flagged for r in wrong), "", 0)
    fine = [r for r in results if r.errors is not None and r.rms <= WRONG_ANGSTROM]
    report("series better than 10 Å flagged", sum(r.flagged for r in fine), "")
    if fine:
        ratios = np.array([r.own["error_angstrom"] / r.rms for r in fine])
        near = float(np.mean((ratios > 0.5) & (ratios < 2.0)))
        report("series whose own error estimate is within a factor 2", near, "", 0.9, at_least=True)


def run_cases(names: list[str], seeds: range, cache: Path | None) -> None:
    """All cases at all seeds."""
    everything: list[Outcome] = []
    for name in names:
        results = []
        for seed in seeds:
            series, truth, recipe = prepared_series(name, seed, cache)
            thickness = truth.specimen.size_angstrom_xyz[2]
            results.append(outcome(series, truth, recipe.alignment, thickness))
            if name in BARS:
                report_series(f"{name} {seed}", results[-1])
        if name in BARS:
            report_case(name, results)
            everything += results
        else:
            report(f"{name}: aligned instead of refused", sum(r.errors is not None for r in results), "", 0)
    report_honesty(everything)


def prepared(movies: MovieSet) -> TiltSeries:
    """Tilt images with their CTF estimates, by our own stages."""
    series = correct_motion(movies, MotionParams(), resources=Resources(), progress=Silent())
    return estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())


def demonstration(seed: int, *, quick: bool) -> None:
    """The demonstration's chain, with and without particles as markers, and ice that holds no molecule."""
    small = MicroscopeParams(frame_shape_yx=(384, 432), n_frames=4)
    microscope = small if quick else MicroscopeParams()
    movies, truth = simulate(seed, microscope)
    series = prepared(movies)
    name = "demonstration, half field" if quick else "demonstration"
    bars = (3.0, 2.0) if quick else (1.5, 1.0)
    for label, params in (("", AlignmentParams()), (", slab only", AlignmentParams(markers=0))):
        result = outcome(series, truth, params, THICKNESS_ANGSTROM)
        if result.errors is None:
            raise SystemExit(f"{name}{label}: expected an alignment, found a refusal")
        looser = 4.0 if label else 1.0  # the slab alone is the fallback, and knows less
        across, along = np.sqrt(np.mean(np.square(result.errors.shift_uv), axis=0))
        report(f"{name}{label}: axis error", abs(result.errors.axis_deg), "°", 0.1 * looser)
        report(f"{name}{label}: shift across the axis, rms", across, "Å", bars[0] * looser)
        report(f"{name}{label}: shift along the axis, rms", along, "Å", bars[1] * looser)
        report(f"{name}{label}: processor time", result.seconds, "s", MOST_SECONDS)
        report(f"{name}{label}: own estimate over truth", result.own["error_angstrom"] / result.rms, "")
    size = field_of_view_size_xy_angstrom(small, THICKNESS_ANGSTROM)
    ice = Specimen(run="ICE", size_angstrom_xyz=(*size, THICKNESS_ANGSTROM), molecules=(), composition=())
    empty, nothing = image(ice, {}, small, seed=seed, resources=Resources(), progress=Silent())
    images = correct_motion(empty, MotionParams(), resources=Resources(), progress=Silent())
    refused = outcome(replace(images, run="ICE"), nothing, AlignmentParams(), THICKNESS_ANGSTROM).errors is None
    report("empty ice: aligned instead of refused", 0.0 if refused else 1.0, "", 0.0)


def main() -> None:
    """Simulate, prepare, align, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="this many, from --seed on")
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps the simulated tilt images")
    options = parser.parse_args()
    if not options.quick:
        run_cases(options.case, range(options.seed, options.seed + options.seeds), options.cache)
    if options.quick or options.case == list(CASES):
        demonstration(options.seed, quick=options.quick)


if __name__ == "__main__":
    main()
