"""How well membranes are found, closed through the missing wedge, and told apart.

Tomograms of liposomes among seven proteins and of a cell with two membranes, reconstructed at 10 Å (20 Å for the cell
with ``--quick``), against the true mid-surfaces. ``observed`` is the part whose planes are inclined by no more than
the largest tilt about the tilt axis; ``hidden`` is the rest. Nothing is tuned on the truth.

One JSON line a figure. Usage: ``python benchmarks/science/membranes.py --seed 1 [--quick] [--case cell]
[--alignment own] [--network] [--cache FOLDER]``.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from tomoset.annotation.membranes import (
    MembraneNetworkParams,
    MembraneParams,
    find_membranes,
    segment_membranes_with_network,
    train_membrane_network,
)
from tomoset.benchmark.overlap import dice
from tomoset.model import Labels, PickableObject, Resources, Silent

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report
from shared.membrane_truth import TrueMembranes, score_surface, true_membranes
from shared.tomogram_cases import LabeledCase, labeled_case

CLASSES = {"seven_proteins": ("liposome",), "cell": ("outer-membrane", "inner-membrane")}


def membrane_objects(case: LabeledCase, name: str) -> tuple[PickableObject, ...]:
    """The recipe's classes of membranes."""
    return tuple(item for item in case.recipe.pickable_objects() if item.name in CLASSES[name])


def mask_of(labels: Labels) -> np.ndarray:
    """Values of the semantic mask."""
    return np.asarray(labels.segmentations[0].mask_zyx.read(), dtype=np.uint8)


def report_mask(what: str, mask: np.ndarray, truth: TrueMembranes, voxel: float, bars: dict[str, float]) -> None:
    """Surface Dice, recall by part, Dice."""
    scores = score_surface(mask, truth, voxel)
    for figure, value in (
        ("surface Dice, whole", scores.surface_dice),
        ("surface Dice, observed", scores.surface_dice_observed),
        ("recall, observed", scores.recall_observed),
        ("recall, hidden", scores.recall_hidden),
        ("precision", scores.precision),
    ):
        report(f"{what}: {figure}", value, "", bars.get(figure), at_least=True)
    report(f"{what}: Dice", dice((mask > 0).astype(np.uint8), (truth.mask_zyx > 0).astype(np.uint8)), "")


def report_classes(what: str, mask: np.ndarray, truth: TrueMembranes, voxel: float) -> None:
    """Share of the true mid-surface found as a membrane that is given its own class."""
    index = np.rint(truth.points_angstrom_xyz[:, ::-1] / voxel).astype(int)
    value = mask[tuple(index.T)]
    found = value > 0
    report(f"{what}: found as the right membrane", float((value == truth.labels)[found].mean()), "")


def report_meshes(what: str, labels: Labels, truth: TrueMembranes, size_angstrom_xyz: np.ndarray) -> None:
    """Distance of the meshes' vertices from the true mid-surface, and the leaflets' distance."""
    tree = cKDTree(truth.points_angstrom_xyz)
    parts: dict[str, list[np.ndarray]] = {"observed": [], "inferred": []}
    for membrane in labels.membranes:
        x = membrane.vertices_angstrom_xyz
        inside = np.all((x > 40) & (x < size_angstrom_xyz - 40), axis=1)
        distance, nearest = tree.query(x)
        height = np.einsum("ni,ni->n", x - truth.points_angstrom_xyz[nearest], truth.normals[nearest])
        inferred = np.zeros(len(x), bool) if membrane.inferred is None else membrane.inferred
        for name, which in (("observed", ~inferred), ("inferred", inferred)):
            parts[name].append(height[which & inside & (distance < 400)])
    for name, found in parts.items():
        heights = np.concatenate([np.zeros(0), *found])
        if len(heights):
            report(f"{what}: mid-surface error, {name} vertices, rms", np.sqrt(np.mean(heights**2)), "angstrom")
            report(f"{what}: within half a membrane, {name} vertices", np.mean(np.abs(heights) < 24.5), "")
    thick = [m.thickness_angstrom for m in labels.membranes if m.thickness_angstrom is not None]
    if thick:
        true = 2 * float(np.mean([m.profile.head_offset_angstrom for m in truth.membranes]))
        report(f"{what}: head-to-head distance less the true {true:g}", float(np.median(thick)) - true, "angstrom")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", choices=[*CLASSES, "all"], default="all")
    parser.add_argument("--alignment", default="true")
    parser.add_argument("--network", action="store_true", help="train the network on simulated membranes too")
    parser.add_argument("--steps", type=int, default=0, help="training steps of the network (0: its default)")
    parser.add_argument("--quick", action="store_true", help="liposomes only, a part of the field")
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    names = list(CLASSES) if options.case == "all" and not options.quick else [options.case]
    names = ["seven_proteins"] if options.quick and options.case == "all" else names
    for name in names:
        case = labeled_case(
            name,
            options.seed,
            alignment=options.alignment,
            lateral_shape_yx=(384, 384) if options.quick else None,
            cache=options.cache,
        )
        measure(name, case, options)


def measure(name: str, case: LabeledCase, options: argparse.Namespace) -> None:
    """All figures of one tomogram."""
    objects, voxel = membrane_objects(case, name), case.tomogram.grid.voxel_size_angstrom
    truth = true_membranes(case, objects)
    params = MembraneParams()
    plain = replace(params, closed_surfaces=False)
    seen = find_membranes(case.tomogram, case.series, plain, objects=objects, resources=Resources(), progress=Silent())
    bars = {"surface Dice, whole": 0.75, "recall, observed": 0.90}
    report_mask(f"{name}, as seen", mask_of(seen), truth, voxel, bars)
    start = time.process_time()
    closed = find_membranes(
        case.tomogram, case.series, params, objects=objects, resources=Resources(), progress=Silent()
    )
    seconds = time.process_time() - start
    report_mask(f"{name}, closed", mask_of(closed), truth, voxel, {"surface Dice, whole": 0.88})
    report_meshes(f"{name}, closed", closed, truth, case.tomogram.grid.size_angstrom_xyz)
    if len(objects) > 1:
        report_classes(f"{name}, closed", mask_of(closed), truth, voxel)
    report(f"{name}: processor time a Mvoxel", seconds / (np.prod(case.tomogram.grid.shape_zyx) / 1e6), "s")
    if options.network:
        network = MembraneNetworkParams()
        if options.steps:
            network = replace(network, training=replace(network.training, steps=options.steps))
        start = time.process_time()
        checkpoint = train_membrane_network(network, seed=options.seed, resources=Resources(), progress=Silent())
        report("network: training, processor time", time.process_time() - start, "s", 900.0)
        labels = segment_membranes_with_network(
            case.tomogram, checkpoint, params, objects=objects, resources=Resources(), progress=Silent()
        )
        report_mask(f"{name}, network", mask_of(labels), truth, voxel, {"surface Dice, observed": 0.90})


if __name__ == "__main__":
    main()
