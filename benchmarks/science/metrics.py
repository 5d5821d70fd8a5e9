"""Whether the metrics say what they should: against the challenges' public definitions, and on planted predictions.

One JSON line a figure. Usage: ``python benchmarks/science/metrics.py --seed 0 [--quick]``.
"""

import argparse
import math
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark import (
    CZII_RULES,
    PickRows,
    compare_scores,
    czii_score,
    dice,
    score,
    shrec_score,
    surface_dice,
    surface_distances,
)
from tomoset.geometry import random_rotations
from tomoset.model import Labels, PickableObject, Picks, Score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

RADIUS_ANGSTROM = 60.0
OBJECT = PickableObject(name="particle", label=1, radius_angstrom=RADIUS_ANGSTROM, symmetry="C1")
Floats = NDArray[np.float64]
Row = tuple[str, str, float, float, float]


def public_czii(solution: list[Row], submission: list[Row]) -> tuple[float, int]:
    """The challenge's definition over lists of rows, in plain Python; and the smallest count of false positives."""
    experiments = {row[0] for row in solution}
    total, smallest = 0.0, 0
    for kind in {row[1] for row in solution}:
        tp = fp = fn = 0
        for experiment in experiments:
            references = [row[2:] for row in solution if row[:2] == (experiment, kind)]
            candidates = [row[2:] for row in submission if row[:2] == (experiment, kind)]
            reach = CZII_RULES.radius_angstrom[kind] * 0.5
            matched = {j for c in candidates for j, r in enumerate(references) if math.dist(c, r) <= reach}
            tp, fp, fn = tp + len(matched), fp + len(candidates) - len(matched), fn + len(references) - len(matched)
        precision = tp / (tp + fp) if tp + fp > 0 else 0.0
        recall = tp / (tp + fn) if tp + fn > 0 else 0.0
        if precision + recall > 0:
            total += CZII_RULES.weights[kind] * 17 * precision * recall / (16 * precision + recall)
        smallest = min(smallest, fp)
    return total / sum(CZII_RULES.weights.values()), smallest


def fuzzed_rows(rng: np.random.Generator, n: int, runs: list[str], kinds: list[str]) -> list[Row]:
    """Rows on a lattice of 5 Å, so that distances equal radii and several things lie near one another."""
    places = (rng.integers(0, rng.integers(3, 40), (n, 3)) * 5.0).tolist()
    where, what = rng.integers(0, len(runs), n), rng.integers(0, len(kinds), n)
    return [(runs[i], kinds[j], *place) for i, j, place in zip(where, what, places, strict=True)]


def as_rows(rows: list[Row]) -> PickRows:
    """The table that our scorer takes."""
    return PickRows(
        experiments=np.array([row[0] for row in rows], dtype=np.str_),
        particle_types=np.array([row[1] for row in rows], dtype=np.str_),
        positions_angstrom_xyz=np.array([row[2:] for row in rows], dtype=np.float64).reshape(-1, 3),
    )


def czii_disagreements(rng: np.random.Generator, trials: int) -> tuple[int, int]:
    """Cases that are scored unlike the public definition, and cases in which it counts negative false positives."""
    wrong = negative = 0
    for _ in range(trials):
        kinds = [str(name) for name in rng.choice(list(CZII_RULES.weights), size=rng.integers(1, 7), replace=False)]
        runs = ["TS_1", "TS_2", "TS_3"][: rng.integers(1, 4)]
        once = {(row[0], *row[2:]): row for row in fuzzed_rows(rng, int(rng.integers(1, 16)), runs, kinds)}
        solution = list(once.values())
        submission = fuzzed_rows(rng, int(rng.integers(0, 16)), [*runs, "TS_9"], list(CZII_RULES.weights))
        expected, smallest = public_czii(solution, submission)
        wrong += not math.isclose(czii_score(as_rows(solution), as_rows(submission)).value, expected, abs_tol=1e-12)
        negative += smallest < 0
    return wrong, negative


def shrec_disagreements(rng: np.random.Generator, trials: int) -> int:
    """Cases whose localisation is unlike that of the challenge's script."""
    wrong = 0
    for _ in range(trials):
        n, shape = int(rng.integers(1, 12)), rng.integers(4, 12, 3)
        centres = rng.integers(0, shape, (n, 3))
        hitbox = np.where(rng.random(shape) < 0.4, rng.integers(1, n + 1, shape), 0).astype(np.uint32)
        names = [f"p{k}" for k in rng.integers(0, 4, n)]
        places = rng.uniform(-3, shape + 3, (int(rng.integers(1, 30)), 3)).round(1)
        said = [str(rng.choice(names)) for _ in places]
        hits = [int(hitbox[tuple(min(max(round(v), 0), m - 1) for v, m in zip(p, shape, strict=True))]) for p in places]
        found = len(set(hits) - {0})
        first: dict[int, str] = {}
        for hit, name in zip(hits, said, strict=True):
            first.setdefault(hit, name)
        got = shrec_score(places, said, hitbox, centres, names)
        right = sum(first.get(i + 1) == name for i, name in enumerate(names))
        wrong += (
            (got.n_found, got.n_misses) != (found, hits.count(0))
            or got.precision != found / len(places)
            or int(np.trace(got.confusion)) != right
        )
    return wrong


def labels(
    positions: Floats, rotations: Floats | None = None, scores: Floats | None = None, run: str = "TS-1"
) -> Labels:
    """Labels of one class in one run."""
    picks = Picks(object_name=OBJECT.name, positions_angstrom_xyz=positions, rotations=rotations, scores=scores)
    return Labels(run=run, user="me", session="0", voxel_size_angstrom=10.0, picks=(picks,))


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


def planted_score(rng: np.random.Generator, n_runs: int, mean: float) -> Score:
    """Score of a method whose recall differs from tomogram to tomogram about its mean."""
    places = np.arange(40)[:, None] * np.array([200.0, 0.0, 0.0])
    truth = [labels(places, run=f"TS-{i:02d}") for i in range(n_runs)]
    found = []
    for each in truth:
        kept = rng.random(40) < rng.uniform(mean - 0.2, mean + 0.2)
        found.append(replace(each, picks=(each.picks[0].select(kept),)))
    return score(found, truth, [OBJECT])


def held_and_found(rng: np.random.Generator, trials: int, n_runs: int = 12) -> tuple[float, float, float]:
    """Share of intervals that hold the expected recall; of equal methods told apart; of unequal ones told apart."""
    held = equal = unequal = 0
    for _ in range(trials):
        a, b, c = (planted_score(rng, n_runs, mean) for mean in (0.7, 0.7, 0.6))
        low, high = a.classes[0].intervals["recall"]
        held += low <= 0.7 <= high
        equal += compare_scores(a, b).p_value <= 0.05
        unequal += compare_scores(a, c).p_value <= 0.05
    return held / trials, equal / trials, unequal / trials


def ball(radius: float, n: int) -> NDArray[np.uint8]:
    """A ball in a cube of n voxels."""
    axes = np.ogrid[:n, :n, :n]
    return (sum((axis - (n - 1) / 2) ** 2 for axis in axes) <= radius**2).astype(np.uint8)


def solids(n: int) -> None:
    """Masks whose scores are known: concentric balls and shells."""
    inner, outer = 0.3 * n, 0.4 * n
    small, large = ball(inner, n), ball(outer, n)
    expected = 2 * inner**3 / (inner**3 + outer**3)
    report("error of Dice of concentric balls", abs(dice(small, large) - expected), "", 0.01)
    apart = surface_distances(small, large, 1.0)
    report("error of the mean distance of their borders", abs(apart.mean_angstrom - (outer - inner)), "voxel", 0.5)
    thin = ball(outer, n) - ball(outer - 3, n)
    thick = ball(outer + 1, n) - ball(outer - 4, n)
    report("surface Dice of a membrane that is two voxels too thick", surface_dice(thick, thin), "")
    report("Dice of the same", dice(thick, thin), "")


def main() -> None:
    """Fuzz, plant and time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    trials, n, planted = (500, 1000, 40) if options.quick else (10_000, 10_000, 200)
    wrong, negative = czii_disagreements(rng, trials)
    report(f"CZII scores unlike the public definition in {trials} fuzzed cases", wrong, "", 0)
    report("of them with negative false positives", negative, "", 1, at_least=True)
    report(
        f"SHREC scores unlike the definition in {trials // 2} fuzzed cases",
        shrec_disagreements(rng, trials // 2),
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
    held, equal, unequal = held_and_found(rng, planted)
    report("share of 95 % intervals that hold the expected recall, 12 tomograms", held, "", 0.85, at_least=True)
    report("share of equal methods told apart at 5 %, 12 tomograms", equal, "", 0.1)
    report("share of methods 0.1 apart that are told apart", unequal, "")
    solids(40 if options.quick else 120)


if __name__ == "__main__":
    main()
