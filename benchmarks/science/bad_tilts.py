"""How surely bad tilts are found, and how rarely good ones are: the rules against what the simulator spoiled.

Three recipes, the mixtures in thin and in thick ice, at 400² pixels of 8.308 Å, 31 tilts of 4 frames, of which about
a tenth each are nearly dark, covered by a grid bar on 15 to 60 % of the field's extent, and blurred by drift of 20 to
40 Å a frame; and the same without a bad tilt. Movies are corrected by our own stage, defocus is estimated by it too.
The thresholds were chosen on seeds 1 to 5.

One JSON line a figure, over all series. Usage: ``python benchmarks/science/bad_tilts.py --seed 1 [--seeds 5]
[--quick]``; ``--quick`` leaves out thick ice and cells.
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tomoset.ctf import CtfParams, estimate_ctf
from tomoset.curation import CurationParams, find_masks, measure, suggest
from tomoset.microscope import MicroscopeParams
from tomoset.model import Resources, SeriesTruth, Silent, TiltSeries

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
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


def simulate(case: str, seed: int, microscope: MicroscopeParams) -> tuple[TiltSeries, SeriesTruth]:
    """Tilt images of one series, and its truth."""
    name, thickness = CASES[case]
    run = f"{case.replace(', ', '-').replace('_', '-')}-{seed}"
    return small_series(run, name, seed, microscope, lambda s: replace(s, thickness_angstrom=thickness))


@dataclass(slots=True)
class Tally:
    """Tilts by what is wrong with them, and of these the ones that were excluded."""

    tilts: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    cpu_s: list[float] = field(default_factory=list)
    masked_of_good: list[float] = field(default_factory=list)

    def add(self, name: str, series: TiltSeries, truth: SeriesTruth) -> None:
        """Judge one series, and say on standard error what was got wrong."""
        params, start = CurationParams(), time.process_time()
        series = find_masks(series, params.masks, resources=Resources(workers=1), progress=Silent())
        verdict = suggest(measure(series), params)
        self.cpu_s.append(time.process_time() - start)
        self.rejected += verdict.verdict == "reject"
        conditions = truth.conditions or ("good",) * len(series.tilts)
        for tilt, judged, condition in zip(series.tilts, verdict.tilts, conditions, strict=True):
            self.tilts[condition] += 1
            self.excluded[condition] += not judged.use
            if condition == "good":
                self.masked_of_good.append(tilt.masked_fraction or 0.0)
            if judged.use != (condition == "good"):
                print(f"{name}: {tilt.nominal_tilt_deg:g}°, {condition}: {judged.reason or 'kept'}", file=sys.stderr)

    def report(self, name: str) -> None:
        """Print recall of each kind, false alarms, area masked in vain and cost."""
        bad = [condition for condition in self.tilts if condition != "good"]
        for condition in sorted(bad):
            share = self.excluded[condition] / self.tilts[condition]
            report(f"{name}: {condition} tilts excluded, of {self.tilts[condition]}", share, "", 0.95, at_least=True)
        if bad:
            found, all_bad = (sum(counts[condition] for condition in bad) for counts in (self.excluded, self.tilts))
            report(f"{name}: bad tilts excluded, of {all_bad}", found / all_bad, "", 0.95, at_least=True)
        good = self.tilts["good"]
        report(f"{name}: good tilts excluded, of {good}", self.excluded["good"] / good, "", 0.01)
        masked = sum(self.masked_of_good) / len(self.masked_of_good)
        report(f"{name}: area of good tilts that is masked (nothing is in the way)", masked, "", 0.02)
        report(f"{name}: processor time of masks, measurements and verdict, a series", max(self.cpu_s), "s", 10.0)


def main() -> None:
    """Simulate, judge, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for title, microscope in (("a tenth each dark, blocked, blurred", SPOILED), ("no bad tilt", GOOD)):
        tally = Tally()
        for case in QUICK if options.quick else CASES:
            for seed in range(options.seed, options.seed + options.seeds):
                series, truth = simulate(case, seed, microscope)
                series = estimate_ctf(series, CtfParams(), resources=Resources(), progress=Silent())
                tally.add(f"{case}, seed {seed}", series, truth)
        tally.report(title)


if __name__ == "__main__":
    main()
