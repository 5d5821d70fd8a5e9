"""Whether the metrics say what they should: against the public CZII formula, and on predictions of known quality.

One JSON line a figure. Usage: ``python benchmarks/science/metrics.py --seed 0 [--quick]``.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark import czii_counts, score
from tomoset.geometry import random_rotations
from tomoset.model import Labels, PickableObject, Picks, Score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

RADIUS_ANGSTROM = 60.0
OBJECT = PickableObject(name="particle", label=1, radius_angstrom=RADIUS_ANGSTROM, symmetry="C1")
Floats = NDArray[np.float64]


def public_czii_counts(candidates: Floats, reference: Floats, radius_angstrom: float) -> tuple[int, int, int]:
    """The challenge's formula: the set of reference indices over all ball queries of the candidates."""
    from scipy.spatial import KDTree

    if not len(reference):
        return 0, len(candidates), 0
    if not len(candidates):
        return 0, 0, len(reference)
    raw = KDTree(candidates).query_ball_tree(KDTree(reference), r=radius_angstrom)
    found = len({index for near in raw for index in near})
    return found, len(candidates) - found, len(reference) - found


def czii_disagreements(rng: np.random.Generator, trials: int) -> int:
    """Number of random scenes, crowded and on a lattice so that distances equal the radius, that are counted apart."""
    wrong = 0
    for _ in range(trials):
        reference = rng.integers(0, 8, (rng.integers(0, 30), 3)) * 10.0
        candidates = rng.integers(0, 8, (rng.integers(0, 30), 3)) * 10.0
        radius = float(rng.choice([10.0, 20.0, 30.0, 17.0]))
        wrong += czii_counts(candidates, reference, radius) != public_czii_counts(candidates, reference, radius)
    return wrong


def labels(positions: Floats, rotations: Floats, scores: Floats | None = None) -> Labels:
    """Labels of one class in one run."""
    picks = Picks(object_name=OBJECT.name, positions_angstrom_xyz=positions, rotations=rotations, scores=scores)
    return Labels(run="TS-001", user="me", session="0", voxel_size_angstrom=10.0, picks=(picks,))


def known_quality(rng: np.random.Generator, n: int) -> tuple[Score, float, float]:
    """Score of picks with 80 % recall, a fifth false, 5 Å rms per axis; with the true F1 and median distance."""
    steps = np.stack(np.meshgrid(*[np.arange(round(np.cbrt(n)))] * 3), -1).reshape(-1, 3)
    truth, poses = steps * 200.0, random_rotations(len(steps), rng)
    kept = rng.permutation(len(truth))[: int(0.8 * len(truth))]
    moved = truth[kept] + rng.normal(0, 5.0, (len(kept), 3))
    false = truth[kept[: len(kept) // 4]] + 100.0
    positions = np.concatenate([moved, false])
    rotations = np.concatenate([poses[kept], random_rotations(len(false), rng)])
    scores = np.concatenate([rng.normal(3, 1, len(moved)), rng.normal(0, 1, len(false))])
    expected = 2 * len(kept) / (len(positions) + len(truth))
    median = float(np.median(np.linalg.norm(moved - truth[kept], axis=1)))
    return score([labels(positions, rotations, scores)], [labels(truth, poses)], [OBJECT]), expected, median


def main() -> None:
    """Fuzz, plant and time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    trials, n = (300, 1000) if options.quick else (5000, 10_000)
    report(
        f"CZII counts unlike the public formula in {trials} scenes",
        czii_disagreements(rng, trials),
        "",
        0,
    )
    began = time.process_time()
    result, expected, median = known_quality(rng, n)
    seconds = time.process_time() - began
    item = result.classes[0]
    report("error of F1 on planted picks", abs(item.f1 - expected), "", 1e-9)
    report("error of the median distance", abs(item.localisation_median_angstrom - median), "angstrom", 1e-9)
    report("orientation error of exact poses", item.orientation_median_deg, "degree", 1e-5)
    report(f"scoring {item.n_truth} particles", seconds, "CPU s", 10.0)


if __name__ == "__main__":
    main()
