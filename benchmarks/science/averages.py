"""Whether averages of labeled particles tell right labels from wrong ones, and what averaging costs.

A tomogram of the three-protein mixture (true alignment unless ``--alignment own``): the true labels, the same with
poses of other particles, the same moved by half a radius, and the same with a third replaced by random places.

One JSON line a figure. Usage: ``python benchmarks/science/averages.py --seed 1 [--quick]``.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

from tomoset.annotation import ClassEvidence, EvidenceParams, gather_evidence, truth_labels
from tomoset.annotation._average_kernels import rotate_add
from tomoset.geometry import random_rotations
from tomoset.model import PickableObject, Picks, Resources, Silent, stream
from tomoset.structures import built_in_structure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.tomogram_cases import LabeledCase, labeled_case

BAR_MS = 0.8


def evidence_for(case: LabeledCase, item: PickableObject, picks: Picks, seed: int) -> ClassEvidence:
    """Averages of some picks of one class."""
    return gather_evidence(
        [(case.tomogram, picks)],
        item,
        EvidenceParams(),
        rng=stream(seed, "evidence", item.name),
        resources=Resources(),
        progress=Silent(),
        template=built_in_structure(item.name),
        series=[case.series],
    )


def wrong(picks: Picks, item: PickableObject, size: np.ndarray, rng: np.random.Generator) -> dict[str, Picks]:
    """The same labels with one thing wrong."""
    n = len(picks)
    away = rng.normal(size=(n, 3))
    away *= 0.5 * item.radius_angstrom / np.linalg.norm(away, axis=1, keepdims=True)
    elsewhere = picks.positions_angstrom_xyz.copy()
    third = rng.permutation(n)[: max(1, n // 3)]
    elsewhere[third] = rng.uniform(0.1, 0.9, (len(third), 3)) * size
    return {
        "random poses": replace(picks, rotations=random_rotations(n, rng)),
        "moved by half a radius": replace(picks, positions_angstrom_xyz=picks.positions_angstrom_xyz + away),
        "a third at random places": replace(picks, positions_angstrom_xyz=elsewhere),
    }


def cost() -> None:
    """Time of turning and adding one particle of 64³ voxels, beside scipy's interpolation of the same box."""
    rng = np.random.default_rng(0)
    box, out = rng.normal(size=(66, 66, 66)).astype(np.float32), np.zeros((64, 64, 64), np.float32)
    turns, centre = random_rotations(100, rng), np.full(3, 32.6)
    rotate_add(box.ravel(), 66, turns[0], centre, 31.0, out)
    ours, theirs = [], []
    for _ in range(5):
        began = time.process_time()
        for turn in turns:
            rotate_add(box.ravel(), 66, turn, centre, 31.0, out)
        ours.append((time.process_time() - began) / len(turns))
        began = time.process_time()
        for turn in turns[:10]:
            affine_transform(box, turn[::-1, ::-1], order=1, output_shape=out.shape)
        theirs.append((time.process_time() - began) / 10)
    report("rotate and add a particle of 64³ voxels", 1e3 * min(ours), "CPU ms", BAR_MS)
    report("scipy's linear interpolation of the same box over it", min(theirs) / min(ours), "", 3.5, at_least=True)


def main() -> None:
    """Average right and wrong labels."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the middle of the field")
    parser.add_argument("--alignment", default="true", choices=("true", "own"))
    parser.add_argument("--cache", type=Path, default=None, help="folder of kept tilt images")
    options = parser.parse_args()
    shape = (256, 256) if options.quick else (448, 448)
    case = labeled_case(
        "three_proteins", options.seed, alignment=options.alignment, lateral_shape_yx=shape, cache=options.cache
    )
    labels = truth_labels(case.truth, case.tomogram)
    rng = np.random.default_rng(options.seed)
    for item in (each for each in case.truth.objects if each.is_particle):
        picks = labels.of(item.name)
        if len(picks) < 2:
            continue
        began = time.process_time()
        right = evidence_for(case, item, picks, options.seed)
        name = f"{item.name} ({right.n_particles})"
        report(f"{name}: halves agree to", right.resolution_angstrom, "angstrom")
        report(f"{name}: correlation with the template at 35 Å", right.correlation, "", 0.7, at_least=True)
        if np.isfinite(right.share_alike):  # five particles or more
            report(f"{name}: share that holds the average", right.share_alike, "", 0.9, at_least=True)
        chance = max(right.random_correlation, default=float("nan"))
        report(f"{name}: the same at random places, at most", chance, "")
        for how, others in wrong(picks, item, case.tomogram.grid.size_angstrom_xyz, rng).items():
            found = evidence_for(case, item, others, options.seed)
            report(f"{name}: correlation with the template, {how}", found.correlation, "", right.correlation)
            if how.startswith("a third") and np.isfinite(found.share_alike):
                true_share = 1 - max(1, len(picks) // 3) / len(picks)
                off = abs(found.share_alike - true_share)
                report(f"{name}: share that holds the average, {how}, stated less true", off, "", 0.1)
        report(f"{name}: four averages with their random places", time.process_time() - began, "CPU s")
    cost()


if __name__ == "__main__":
    main()
