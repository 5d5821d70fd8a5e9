"""How surely bad tilts are found, and how rarely good ones are: the rules against what was spoiled.

Three recipes, the mixtures in thin and in thick ice, at 400² pixels of 8.308 Å, 31 tilts of 4 frames.

1. Spoiled by the simulator: about a tenth each nearly dark, covered by a grid bar on 15 to 60 % of the field's extent,
   and blurred by drift of 20 to 40 Å a frame.
2. Only the good views of these series, six of them spoiled in other ways (``shared/bad_views.py``): one shows another
   place, one a crystal over a fifth to a half of the field, one vacuum, one has 30 to 65 % of its exposure, and two
   were recorded at each other's stage angle.
3. Series of 31 tilts without a bad one, of the mixtures in thin ice.

Movies are corrected by our own stage, then masks, CTF and verdict follow as in a project before alignment. The
thresholds were chosen on seeds 1 to 5. One JSON line a figure, over all series, and one a series. Usage:
``python benchmarks/science/bad_tilts.py --seed 1 [--seeds 5] [--cache FOLDER] [--cases NAME …] [--quick]``; ``--quick``
leaves out thick ice, cells and the third part.
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.curation import CurationParams, apply_verdict, find_masks, measure, suggest
from tomoset.microscope import MicroscopeParams
from tomoset.model import Resources, SeriesTruth, Silent, TiltSeries

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.bad_views import plant_bad_views, rows_of
from shared.figures import report
from shared.kept_series import kept_path
from shared.small_series import GOOD, SPOILED, small_series

CASES = {
    "three_proteins, thin": ("three_proteins", 1500.0),
    "seven_proteins, thin": ("seven_proteins", 1500.0),
    "three_proteins, thick": ("three_proteins", 3000.0),
    "seven_proteins, thick": ("seven_proteins", 3000.0),
    "pelagibacter": ("pelagibacter", 3300.0),
    "pelagibacter, thick": ("pelagibacter", 4500.0),
}
QUICK = ("three_proteins, thin", "seven_proteins, thin")


def simulate(
    case: str, seed: int, kind: str, microscope: MicroscopeParams, cache: Path | None
) -> tuple[TiltSeries, SeriesTruth]:
    """Tilt images of one series, and its truth."""
    name, thickness = CASES[case]
    run = f"{case.replace(', ', '-').replace('_', '-')}-{seed}"
    kept = kept_path(cache, f"{case.replace(', ', '-')}-{kind}-{seed}")
    return small_series(run, name, seed, microscope, lambda s: replace(s, thickness_angstrom=thickness), kept)


@dataclass(slots=True)
class Tally:
    """Tilts by what is wrong with them, and of these the ones that were excluded."""

    title: str
    tilts: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    cpu_s: list[float] = field(default_factory=list)
    masked_of_good: list[float] = field(default_factory=list)

    def add(self, name: str, series: TiltSeries, conditions: tuple[str, ...]) -> None:
        """Judge one series, print its line, and say on standard error what was got wrong."""
        params, resources = CurationParams(), Resources(workers=1)
        start = time.process_time()
        series = find_masks(series, params.masks, resources=resources, progress=Silent())
        seconds = time.process_time() - start
        series = estimate_ctf(series, CtfParams(), resources=resources, progress=Silent())
        start = time.process_time()
        judged = apply_verdict(series, suggest(measure(series), params))
        self.cpu_s.append(seconds + time.process_time() - start)
        self.lost += len(series.tilts) - len(judged.tilts)
        self.lost += sum(not tilt.use and not tilt.reason for tilt in judged.tilts)
        wrong = 0
        for tilt, condition in zip(judged.tilts, conditions, strict=True):
            self.tilts[condition] += 1
            self.excluded[condition] += not tilt.use
            if condition == "good":
                self.masked_of_good.append(tilt.masked_fraction or 0.0)
            if tilt.use != (condition == "good"):
                wrong += 1
                print(f"{name}: {tilt.nominal_tilt_deg:g}°, {condition}: {tilt.reason or 'kept'}", file=sys.stderr)
        report(f"{self.title}: {name}: tilts misjudged, of {len(conditions)}", wrong, "")

    def report(self) -> None:
        """Print recall of each kind, false alarms, area masked in vain and cost."""
        name = self.title
        bad = [condition for condition in self.tilts if condition != "good"]
        for condition in sorted(bad):
            share = self.excluded[condition] / self.tilts[condition]
            report(f"{name}: {condition} tilts excluded, of {self.tilts[condition]}", share, "", 0.95, at_least=True)
        if bad:
            found, all_bad = (sum(counts[condition] for condition in bad) for counts in (self.excluded, self.tilts))
            report(f"{name}: bad tilts excluded, of {all_bad}", found / all_bad, "", 0.95, at_least=True)
        good = self.tilts["good"]
        report(f"{name}: good tilts excluded, of {good}", self.excluded["good"] / good, "", 0.01)
        report(f"{name}: rows lost, or excluded without a reason", float(self.lost), "", 0.0)
        masked = sum(self.masked_of_good) / len(self.masked_of_good)
        report(f"{name}: area of good tilts that is masked (nothing is in the way)", masked, "", 0.02)
        report(f"{name}: processor time of masks, measurements and verdict, a series", max(self.cpu_s), "s", 10.0)


def main() -> None:
    """Simulate, judge, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--cache", type=Path, help="folder for simulated tilt images")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    cases = [case for case in options.cases if case in QUICK or not options.quick]
    seeds = range(options.seed, options.seed + options.seeds)
    simulated, planted, good = Tally("dark, blocked, blurred"), Tally("six planted"), Tally("no bad tilt")
    for case in cases:
        for seed in seeds:
            series, truth = simulate(case, seed, "spoiled", SPOILED, options.cache)
            simulated.add(f"{case}, seed {seed}", series, truth.conditions)
            rows = np.flatnonzero([condition == "good" for condition in truth.conditions])
            planted.add(f"{case}, seed {seed}", *plant_bad_views(rows_of(series, rows), CASES[case][1], seed))
            if case in QUICK and not options.quick:
                series, _ = simulate(case, seed, "good", GOOD, options.cache)
                good.add(f"{case}, seed {seed}", series, ("good",) * len(series.tilts))
    for tally in (simulated, planted, good):
        if tally.tilts:
            tally.report()


if __name__ == "__main__":
    main()
