"""How well template matching finds the particles of simulated mixtures and cells, and what it says of itself.

The series are those that alignment is measured on; tomograms are reconstructed with the true geometry and defocus, or
with those of our own stages. Thresholds are the stage's own: nothing here is chosen with the truth in hand.

One JSON line a figure, pooled over seeds. Usage: ``python benchmarks/science/templates.py --case seven_proteins
--alignment true --seeds 21 22 23 24 [--edge 256] [--cache FOLDER] [--shift-error 5]``.
"""

import argparse
import pickle
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import match_templates, specimen_frame, truth_labels
from tomoset.benchmark import confusion, score
from tomoset.benchmark.matching import match_one_to_one
from tomoset.model import Labels, PickableObject, Resources, Score, Silent
from tomoset.workflow.molecules import templates

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.tomogram_cases import LabeledCase, labeled_case

# Bars for F1: with the true alignment, and with our own.
F1_BARS = {
    "three_proteins": dict.fromkeys(("apoferritin", "proteasome", "pp7-vlp"), (0.98, 0.97)),
    "seven_proteins": {
        "pp7-vlp": (0.98, 0.97),
        "thyroglobulin": (0.98, 0.95),
        "apoferritin": (0.97, 0.95),
        "proteasome": (0.95, 0.92),
        "beta-amylase": (0.93, 0.90),
        "bsa": (0.80, 0.70),
    },
    "cell": {"ribosome-70s": (0.93, 0.92)},
}
LOCALISATION_BARS_ANGSTROM = (4.0, 6.0)
ORIENTATION_BAR_DEG = 6.0
FDR_BAR = 0.2
_FEWEST_FALSE = 5


def labeled(case: LabeledCase) -> tuple[Labels, float]:
    """Picks of one tomogram, and the CPU seconds of the search."""
    began = time.process_time()
    found = match_templates(
        case.tomogram,
        case.series,
        templates(case.recipe, Path()),
        case.recipe.annotation,
        resources=Resources(),
        progress=Silent(),
    )
    return found, time.process_time() - began


def report_scores(result: Score, case: str, own: int) -> None:
    """Print F1, localisation, orientation and average precision of every class."""
    for item in result.classes:
        name = item.object_name
        if not item.n_truth:
            report(f"false picks of {name}, of which there is none", item.n_predicted, "")
            continue
        f1_bar = F1_BARS[case][name][own]
        report(f"F1 {name} ({item.n_truth} particles)", item.f1, "", f1_bar, at_least=True)
        report(f"precision {name}", item.precision, "")
        report(f"recall {name}", item.recall, "")
        bar = LOCALISATION_BARS_ANGSTROM[own] if case == "three_proteins" else None
        report(f"localisation median {name}", item.localisation_median_angstrom, "angstrom", bar)
        bar = ORIENTATION_BAR_DEG if case == "three_proteins" else None
        report(f"orientation median {name}", item.orientation_median_deg, "degree", bar)
        if item.curve is not None:
            report(f"average precision {name}", item.curve.average_precision, "")


def everything(case: LabeledCase) -> dict[str, NDArray[np.float64]]:
    """Where all particles of each class are, those centred outside the volume included."""
    frame = specimen_frame(case.truth, case.tomogram)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for molecules in case.truth.specimen.molecules:
        places = case.tomogram.grid.volume_from_specimen(frame.apply(molecules.positions_angstrom_xyz))
        found.setdefault(molecules.species, []).append(places)
    return {name: np.concatenate(places) for name, places in found.items()}


def report_false_discoveries(
    picks: list[Labels], places: list[dict[str, NDArray[np.float64]]], objects: list[PickableObject]
) -> None:
    """Stated against true share of false picks, pooled over classes and tomograms, and in each class.

    A pick on a molecule whose centre lies a few Å outside the volume is no false discovery, although F1 counts it so.
    """
    everywhere = [0.0, 0.0, 0.0]
    for item in objects:
        stated, false, n = 0.0, 0.0, 0
        for found, true in zip(picks, places, strict=True):
            mine = found.of(item.name)
            rates = mine.false_discovery_rates
            if rates is None or not len(mine):
                continue
            there = true.get(item.name, np.zeros((0, 3)))
            hit = match_one_to_one(mine.positions_angstrom_xyz, there, 0.5 * item.radius_angstrom)
            stated += float(rates.max()) * len(mine)
            false += len(mine) - len(hit.predicted)
            n += len(mine)
        report(f"stated false picks {item.name}", stated, "picks")
        report(f"true false picks {item.name}", false, "picks")
        everywhere = [everywhere[0] + stated, everywhere[1] + false, everywhere[2] + n]
    stated, false, n = everywhere
    report("stated share of false picks, all classes", stated / max(n, 1), "")
    report("true share of false picks, all classes", false / max(n, 1), "")
    if false >= _FEWEST_FALSE:
        report("stated against true share of false picks, off by", abs(stated / false - 1), "", FDR_BAR)


def main() -> None:
    """Make the tomograms, search and score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--case", choices=tuple(F1_BARS), default="three_proteins")
    parser.add_argument("--alignment", choices=("true", "own"), default="true")
    parser.add_argument("--seed", type=int, default=1, help="one tomogram, unless --seeds")
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--quick", action="store_true", help="the middle 128 x 128 voxels")
    parser.add_argument("--edge", type=int, help="lateral voxels of the middle of the field; all of it when left out")
    parser.add_argument("--shift-error", type=float, default=0.0, help="error of the shifts, Å rms per axis")
    parser.add_argument("--cache", type=Path, help="folder of tilt images that earlier calls left")
    parser.add_argument("--keep", type=Path, help="folder to leave the labels and their truth in")
    options = parser.parse_args()
    edge = 128 if options.quick else options.edge
    picks, truths, places, seconds, megavoxels = [], [], [], [], []
    for seed in options.seeds or [options.seed]:
        case = labeled_case(
            options.case,
            seed,
            alignment=options.alignment,
            shift_error_angstrom=options.shift_error,
            lateral_shape_yx=None if edge is None else (edge, edge),
            cache=options.cache,
        )
        found, cpu = labeled(case)
        picks.append(found)
        truths.append(truth_labels(case.truth, case.tomogram))
        places.append(everything(case))
        seconds.append(cpu)
        megavoxels.append(float(np.prod(case.tomogram.grid.shape_zyx)) / 1e6)
        objects = [o for o in case.recipe.pickable_objects() if o.name in F1_BARS[options.case]]
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            path = options.keep / f"{options.case}-{seed}-{options.alignment}.pickle"
            path.write_bytes(pickle.dumps((found, truths[-1], places[-1])))
    own = int(options.alignment == "own")
    report_scores(score(picks, truths, objects), options.case, own)
    table = confusion(picks, truths, objects)
    wrong = int(table.counts[:-1, :-1].sum() - np.trace(table.counts[:-1, :-1]))
    report("particles given another class", wrong, "")
    report_false_discoveries(picks, places, objects)
    report("search", float(np.sum(seconds) / np.sum(megavoxels)), "CPU s per Mvoxel")


if __name__ == "__main__":
    main()
