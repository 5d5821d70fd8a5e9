"""How well filaments are traced in simulated tomograms of the seven-protein mixture.

The real chain makes the tomograms: packed specimen, simulated movies, motion correction, CTF, the true alignment or our
own, weighted back-projection. A true filament counts where its piece in the volume is two diameters long or longer; a
trace is right within half a radius of the true axis. Thresholds are those of ``FilamentParams``: nothing is tuned to
the truth.

One JSON line a figure. Usage: ``python benchmarks/science/filaments.py --seeds 1 2 [--alignment own] [--quick]``.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from tomoset.annotation import Template
from tomoset.annotation.filaments import FilamentParams, trace_filaments, truth_filaments
from tomoset.benchmark.filaments import FilamentScore, pooled_filaments, score_filaments
from tomoset.model import PickableObject, Resources, Silent
from tomoset.structures import built_in_structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.tomogram_cases import labeled_case

CLASS, RADIUS_ANGSTROM = "tmv", 90.0
LENGTH_RECALL_BAR, INSTANCE_BAR = 0.95, 0.9


def template() -> Template:
    """Tobacco mosaic virus."""
    item = PickableObject(name=CLASS, label=1, radius_angstrom=RADIUS_ANGSTROM, is_particle=False)
    return Template(object=item, structure=built_in_structure(CLASS))


def trace_one(seed: int, options: argparse.Namespace) -> tuple[FilamentScore, float]:
    """Score of one tomogram and the CPU seconds a megavoxel of tracing."""
    case = labeled_case(
        options.case,
        seed,
        alignment=options.alignment,
        shift_error_angstrom=options.shift_error,
        lateral_shape_yx=(256, 256) if options.quick else None,
        cache=options.cache,
    )
    began = time.process_time()
    labels = trace_filaments(
        case.tomogram, case.series, [template()], FilamentParams(), resources=Resources(), progress=Silent()
    )
    cpu = (time.process_time() - began) / (np.prod(case.tomogram.grid.shape_zyx) / 1e6)
    truth = [t for t in truth_filaments(case.truth, case.tomogram) if t.object_name == CLASS]
    score = score_filaments(
        labels.filaments,
        truth,
        tolerance_angstrom=RADIUS_ANGSTROM / 2,
        least_length_angstrom=4 * RADIUS_ANGSTROM,
    )
    if options.verbose:
        print(seed, score, labels.notes, f"{cpu:.2f} CPU s/Mvoxel", file=sys.stderr, flush=True)
    return score, cpu


def main() -> None:
    """Trace, score, pool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", "--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--case", default="seven_proteins")
    parser.add_argument("--alignment", choices=("true", "own"), default="true")
    parser.add_argument("--shift-error", type=float, default=0.0, help="error of the shifts, Å rms per axis")
    parser.add_argument("--quick", action="store_true", help="the middle 256 x 256 voxels of the field")
    parser.add_argument("--cache", type=Path, default=None, help="folder of tilt images that earlier calls left")
    parser.add_argument("--verbose", action="store_true", help="each tomogram's score on standard error")
    options = parser.parse_args()
    scores, costs = zip(*[trace_one(seed, options) for seed in options.seeds], strict=True)
    pooled = pooled_filaments(scores)
    where = f"{CLASS}, {options.alignment} alignment, {pooled.n_truth} filaments in {len(scores)} tomograms"
    report(f"length recall ({where})", pooled.length_recall, "", LENGTH_RECALL_BAR, at_least=True)
    report(f"length precision ({where})", pooled.length_precision, "")
    report(f"instance F1 ({where})", pooled.instance_f1, "", INSTANCE_BAR, at_least=True)
    report(f"instance recall ({where})", pooled.instance_recall, "")
    report(f"distance from the true axis, rms ({where})", pooled.rms_distance_angstrom, "angstrom")
    report(f"filaments split ({where})", pooled.n_splits, "")
    report(f"filaments merged ({where})", pooled.n_merges, "")
    report(f"polarities decided ({where})", pooled.n_polarity_decided, "")
    if pooled.n_polarity_decided:
        report(f"polarities right among the decided ({where})", pooled.polarity_accuracy, "")
    report("tracing", float(np.mean(costs)), "CPU s / Mvoxel")


if __name__ == "__main__":
    main()
