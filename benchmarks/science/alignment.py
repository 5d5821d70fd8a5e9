"""How well tilt series are aligned: simulated series thin, thick, sparse, moving and empty against the truth.

The cases are those of ``benchmarks/shared/series_cases.py`` (638 nm field, 31 tilts, true tilts, axis and
magnifications off the nominal ones); tilt images and CTF are our own stages'. What is compared is in
``benchmarks/shared/alignment_errors.py``. Of a case, *median* is over the views of all seeds, *worst seed* the largest
of the seeds' own medians over views, and *95th percentile* over the views of all seeds; with motion what counts is the
whole field. The alignment's own estimate is held against the root mean square of a series' shift errors. The same
series are aligned by a recipe like AreTomo's (``benchmarks/shared/aretomo_like.py``), for comparison. Last, where no
cases are named, the demonstration's own chain (5 Å pixels, 8 frames with motion), with and without particles as
markers.

One JSON line a figure, after each series and over the series of a case. Usage: ``python benchmarks/science/alignment.py
--seed 1 [--seeds 1-5] [--cases NAME …] [--no-peer] [--cache DIR] [--kept FILE] [--quick]``. ``--cache`` keeps the
simulated tilt images; ``--kept`` keeps what became of every series, which is then not aligned again; ``--quick`` takes
the demonstration's chain alone, at half its field.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tomoset.alignment import AlignmentParams, align
from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.errors import AlignmentError
from tomoset.microscope import MicroscopeParams, field_of_view_size_xy_angstrom, image
from tomoset.model import MovieSet, Resources, SeriesTruth, Silent, Specimen, TiltSeries
from tomoset.motion import MotionParams, correct_motion

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.alignment_errors import alignment_errors
from shared.aretomo_like import align_like_aretomo
from shared.figures import report
from shared.series_cases import CASES, prepared_series
from shared.simulated import THICKNESS_ANGSTROM, simulate

WRONG_ANGSTROM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What a case is held against: shifts or the whole field in Å (median, worst seed, 95th percentile), axis in °."""

    median: float
    worst: float | None = None
    percentile: float | None = None
    axis: float = 0.1
    what: str = "shift"


BARS = {
    "three_proteins": Bars(median=1.0, worst=1.5, percentile=2.5),
    "seven_proteins": Bars(median=1.0, worst=1.5, percentile=2.5),
    "cell": Bars(median=1.5, worst=4.0, percentile=6.0),
    "ten_particles": Bars(median=2.0, worst=3.0, percentile=6.0, axis=0.4),
    "moving": Bars(median=3.0, what="field"),
}
MOST_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one series; plain numbers, so that it can be kept.

    Parameters
    ----------
    refusal : str
        Why it was refused; empty when it was not.
    seconds : float
        Processor time.
    shift, field, blur : list of float
        Errors of each view, Å; empty when refused.
    across, along : float
        Root mean square shift errors, Å.
    axis : float
        Error of the axis, degrees.
    tilt : float
        Root mean square error of the tilt angles less their mean, degrees.
    own : dict
        The alignment's diagnostics, without their prefix.
    peer_shift : list of float
        Errors of the recipe like AreTomo's, Å; empty when it was not run.
    peer_axis : float
    """

    refusal: str
    seconds: float
    shift: list[float]
    field: list[float]
    blur: list[float]
    across: float
    along: float
    axis: float
    tilt: float
    own: dict[str, float]
    peer_shift: list[float]
    peer_axis: float

    @property
    def flagged(self) -> bool:
        """Whether it was refused, or said itself that it is not to be trusted."""
        return bool(self.refusal) or self.own["trusted"] == 0.0

    @property
    def rms(self) -> float:
        """Root mean square of the shift errors; NaN when refused."""
        return float(np.hypot(self.across, self.along))


NOTHING = Outcome(
    refusal="refused",
    seconds=0.0,
    shift=[],
    field=[],
    blur=[],
    across=float("nan"),
    along=float("nan"),
    axis=float("nan"),
    tilt=float("nan"),
    own={},
    peer_shift=[],
    peer_axis=float("nan"),
)


def outcome(series: TiltSeries, truth: SeriesTruth, params: AlignmentParams, thickness: float) -> Outcome:
    """Align one series and compare."""
    start = time.process_time()
    try:
        aligned = align(series, params, resources=Resources(), progress=Silent())
    except AlignmentError as error:
        return replace(NOTHING, refusal=str(error), seconds=time.process_time() - start)
    seconds = time.process_time() - start
    if aligned.geometry is None or aligned.diagnostics is None:
        raise SystemExit("the series should be aligned and say how well")
    rows = aligned.used
    errors = alignment_errors(aligned.geometry.select(rows), truth, rows, thickness)
    across, along = np.sqrt(np.mean(np.square(errors.shift_uv), axis=0))
    return Outcome(
        refusal="",
        seconds=seconds,
        shift=errors.shift.tolist(),
        field=errors.field.tolist(),
        blur=errors.blur.tolist(),
        across=float(across),
        along=float(along),
        axis=errors.axis_deg,
        tilt=float(errors.tilt_deg.std()),
        own={k.removeprefix("alignment."): v for k, v in aligned.diagnostics.items() if k.startswith("alignment.")},
        peer_shift=[],
        peer_axis=float("nan"),
    )


def with_peer(result: Outcome, series: TiltSeries, truth: SeriesTruth, thickness: float) -> Outcome:
    """Add what the recipe like AreTomo's makes of the same series; the true thickness is given to it."""
    theirs = align_like_aretomo(series, series.nominal_tilt_axis_deg, thickness)
    errors = alignment_errors(theirs.select(series.used), truth, series.used, thickness)
    return replace(result, peer_shift=errors.shift.tolist(), peer_axis=errors.axis_deg)


def report_series(name: str, result: Outcome) -> None:
    """Figures of one series, for information."""
    report(f"{name}: refused or flagged", float(result.flagged), "")
    report(f"{name}: processor time", result.seconds, "s")
    if result.peer_shift:
        report(f"{name}: AreTomo-like recipe, shift, median", np.median(result.peer_shift), "Å")
    if result.refusal:
        print(f"{name}: {result.refusal}", file=sys.stderr, flush=True)
        return
    report(f"{name}: shift, median", np.median(result.shift), "Å")
    report(f"{name}: shift, 95th percentile", np.percentile(result.shift, 95), "Å")
    report(f"{name}: shift across the axis, rms", result.across, "Å")
    report(f"{name}: shift along the axis, rms", result.along, "Å")
    report(f"{name}: own estimate over truth", result.own["error_angstrom"] / result.rms, "")
    report(f"{name}: axis error", result.axis, "°")
    report(f"{name}: tilt errors, rms", result.tilt, "°")
    report(f"{name}: whole field, median", np.median(result.field), "Å")
    report(f"{name}: blur of the whole field, median", np.median(result.blur), "Å")


def report_case(name: str, results: list[Outcome]) -> None:
    """Figures of a case over its seeds, held against their bars."""
    bars = BARS[name]
    known = [r for r in results if not r.refusal]
    report(f"{name}: series refused", len(results) - len(known), "", 0)
    report(f"{name}: processor time, largest", max(r.seconds for r in results), "s", MOST_SECONDS)
    theirs = [r.peer_shift for r in results if r.peer_shift]
    if theirs:
        report(f"{name}: AreTomo-like recipe, shift, median", np.median(np.concatenate(theirs)), "Å")
        report(f"{name}: AreTomo-like recipe, shift, worst seed", max(np.median(s) for s in theirs), "Å")
    if not known:
        return
    report(f"{name}: axis, worst seed", max(abs(r.axis) for r in known), "°", bars.axis)
    for what in ("shift", "field", "blur"):
        held = bars if what == bars.what else None
        values = [np.array(getattr(r, what)) for r in known]
        every = np.concatenate(values)
        report(f"{name}: {what}, median", np.median(every), "Å", held and held.median)
        report(f"{name}: {what}, worst seed", max(np.median(v) for v in values), "Å", held and held.worst)
        report(f"{name}: {what}, 95th percentile", np.percentile(every, 95), "Å", held and held.percentile)


def report_honesty(results: list[Outcome]) -> None:
    """How well the alignment knows its own error, over all series."""
    known = [r for r in results if not r.refusal]
    wrong = [r for r in known if r.rms > WRONG_ANGSTROM]
    report("series worse than 10 Å neither refused nor flagged", sum(not r.flagged for r in wrong), "", 0)
    fine = [r for r in known if r.rms <= WRONG_ANGSTROM]
    report("series better than 10 Å flagged", sum(r.flagged for r in fine), "")
    if fine:
        ratios = np.array([r.own["error_angstrom"] / r.rms for r in fine])
        near = float(np.mean((ratios > 0.5) & (ratios < 2.0)))
        report("series whose own error estimate is within a factor 2", near, "", 0.9, at_least=True)


def series_outcome(name: str, seed: int, cache: Path | None, *, peer: bool) -> Outcome:
    """Simulate or load, align and compare one series."""
    series, truth, recipe = prepared_series(name, seed, cache)
    thickness = truth.specimen.size_angstrom_xyz[2]
    result = outcome(series, truth, recipe.alignment, thickness)
    return with_peer(result, series, truth, thickness) if peer and name in BARS else result


def run_cases(names: list[str], seeds: list[int], cache: Path | None, kept: Path | None, *, peer: bool) -> None:
    """All cases at all seeds, one series after another."""
    done: dict[str, Outcome] = {}
    if kept is not None and kept.is_file():
        for line in kept.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            done[entry["series"]] = Outcome(**entry["outcome"])
    everything: list[Outcome] = []
    for name in names:
        results = []
        for seed in seeds:
            key = f"{name} {seed}"
            if key not in done:
                done[key] = series_outcome(name, seed, cache, peer=peer)
                if kept is not None:
                    with kept.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps({"series": key, "outcome": asdict(done[key])}) + "\n")
            results.append(done[key])
            report_series(key, results[-1])
        if name in BARS:
            report_case(name, results)
            everything += results
        else:
            report(f"{name}: aligned instead of refused", sum(not r.refusal for r in results), "", 0)
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
        if result.refusal:
            raise SystemExit(f"{name}{label}: expected an alignment, found a refusal: {result.refusal}")
        looser = 4.0 if label else 1.0  # the slab alone is the fallback, and knows less
        report(f"{name}{label}: axis error", abs(result.axis), "°", 0.1 * looser)
        report(f"{name}{label}: shift across the axis, rms", result.across, "Å", bars[0] * looser)
        report(f"{name}{label}: shift along the axis, rms", result.along, "Å", bars[1] * looser)
        report(f"{name}{label}: processor time", result.seconds, "s", MOST_SECONDS)
        report(f"{name}{label}: own estimate over truth", result.own["error_angstrom"] / result.rms, "")
    size = field_of_view_size_xy_angstrom(small, THICKNESS_ANGSTROM)
    ice = Specimen(run="ICE", size_angstrom_xyz=(*size, THICKNESS_ANGSTROM), molecules=(), composition=())
    empty, nothing = image(ice, {}, small, seed=seed, resources=Resources(), progress=Silent())
    images = correct_motion(empty, MotionParams(), resources=Resources(), progress=Silent())
    refused = outcome(replace(images, run="ICE"), nothing, AlignmentParams(), THICKNESS_ANGSTROM).refusal
    report("empty ice: aligned instead of refused", 0.0 if refused else 1.0, "", 0.0)


def numbers(text: str) -> list[int]:
    """Seeds of ``1-5`` or ``1,2,7``."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(part) for part in text.split(",")]


def main() -> None:
    """Simulate, prepare, align, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=numbers, default=None, help="1-5 or 1,2,7, instead of --seed")
    parser.add_argument("--cases", nargs="*", choices=list(CASES), default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-peer", action="store_true", help="without the recipe like AreTomo's")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps the simulated tilt images")
    parser.add_argument("--kept", type=Path, default=None, help="file that keeps what became of each series")
    options = parser.parse_args()
    seeds = [options.seed] if options.seeds is None else options.seeds
    if not options.quick:
        run_cases(options.cases or list(CASES), seeds, options.cache, options.kept, peer=not options.no_peer)
    if options.quick or options.cases is None:
        demonstration(seeds[0], quick=options.quick)


if __name__ == "__main__":
    main()
