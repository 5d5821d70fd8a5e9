"""Whether a consensus of several annotators is better than each, and knows how sure it is.

The particles of a seven-protein specimen are marked by make-believe annotators: an expert, a novice, a template
search that sees small particles in pieces of larger ones, and two networks of one kind that share half of their false
picks and of what they miss. What the consensus states (sensitivities, share of false picks, particles that all have
missed) is held against what was drawn.

One JSON line a figure. Usage: ``python benchmarks/science/consensus.py --seed 1 [--quick]``.
"""

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import ConsensusParams, completeness_of, completeness_of_consensus, reach_consensus
from tomoset.benchmark import match_one_to_one
from tomoset.geometry import point_group, rotation_about
from tomoset.model import Labels, PickableObject, Picks, Resources, Silent, stream
from tomoset.specimen import make_specimen
from tomoset.workflow.molecules import simulated_structures
from tomoset.workflow.recipe import load_recipe

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/, which holds what its scripts share

from shared.figures import report

Floats = NDArray[np.float64]
FEWEST = 10  # particles of a class, for its F1 to say something
NAMES = ("pp7-vlp", "thyroglobulin", "apoferritin", "proteasome", "beta-amylase", "bsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """How an annotator errs.

    Sensitivity to the largest and to the smallest class, false picks over true particles, confusion of classes, errors
    of position (Å per axis) and of pose (degrees per axis); twins share half of what they miss and invent.
    """

    best: float
    worst: float
    false: float
    confusion: float
    position: float
    pose: float
    twin: str = ""


MAKERS = {
    "expert": Maker(best=0.98, worst=0.80, false=0.02, confusion=0.01, position=5.0, pose=6.0),
    "novice": Maker(best=0.90, worst=0.55, false=0.08, confusion=0.04, position=8.0, pose=12.0),
    "templates": Maker(best=0.97, worst=0.85, false=0.15, confusion=0.03, position=4.0, pose=5.0),
    "net-a": Maker(best=0.97, worst=0.88, false=0.08, confusion=0.02, position=6.0, pose=15.0, twin="net"),
    "net-b": Maker(best=0.96, worst=0.86, false=0.08, confusion=0.02, position=6.0, pose=15.0, twin="net"),
}


def specimen(seed: int, side: float) -> tuple[dict[str, tuple[Floats, Floats]], tuple[PickableObject, ...], Floats]:
    """Places and poses of each class, the classes, and the size of the volume, Å."""
    recipe = load_recipe("seven_proteins")
    if recipe.specimen is None:
        raise SystemExit("seven_proteins: expected a recipe that simulates")
    run = f"consensus-{seed}"
    content = make_specimen(
        run,
        recipe.specimen,
        size_xy_angstrom=(side, side),
        structures=simulated_structures(recipe, Path()),
        rng=stream(seed, "specimen", run),
    )
    size = np.array(content.size_angstrom_xyz)
    objects = tuple(item for item in recipe.pickable_objects() if item.name in NAMES)
    places = {}
    for item in objects:
        mine = [m for m in content.molecules if m.species == item.name]
        positions = np.concatenate([np.zeros((0, 3)), *(m.positions_angstrom_xyz for m in mine)]) + size / 2
        poses = np.concatenate([np.zeros((0, 3, 3)), *(np.asarray(m.rotations) for m in mine)])
        places[item.name] = (positions, poses)
    return places, objects, size


def annotate(
    maker: Maker, truth: dict[str, tuple[Floats, Floats]], size: Floats, seed: int, user: str
) -> dict[str, Picks]:
    """One annotator's picks. Twins draw half of what they miss and of their false picks from a common stream."""
    own, common = stream(seed, "annotator", user), stream(seed, "annotator", maker.twin or user)
    share = 0.5 if maker.twin else 0.0
    found: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in truth}
    largest = truth["thyroglobulin"][0]
    for rank, (name, (positions, poses)) in enumerate(truth.items()):
        n = len(positions)
        chance = maker.best + (maker.worst - maker.best) * rank / (len(truth) - 1)
        from_common, mine = common.random(n), own.random(n)
        draw = np.where(common.random(n) < share, from_common, mine)
        seen = np.flatnonzero(draw < chance)
        moved = positions[seen] + own.normal(0, maker.position, (len(seen), 3))
        turned = poses[seen]
        for axis in "xyz":
            turned = turned @ rotation_about(axis, own.normal(0, maker.pose, len(seen)))
        neighbour = np.clip(rank + own.choice([-1, 1], len(seen)), 0, len(truth) - 1)
        called = np.where(own.random(len(seen)) < maker.confusion, neighbour, rank)
        for other, label in enumerate(truth):
            found[label].append((moved[called == other], turned[called == other]))
        n_false = round(maker.false * n)
        n_common = round(share * n_false)
        nothing = np.concatenate([common.random((n_common, 3)), own.random((n_false - n_common, 3))]) * size
        if user == "templates" and rank > 3 and len(largest):  # pieces of larger molecules look like small ones
            nothing = largest[own.integers(0, len(largest), n_false)] + own.normal(0, 45, (n_false, 3))
        found[name].append((nothing, np.tile(np.eye(3), (n_false, 1, 1))))
    return {
        name: Picks(
            object_name=name,
            positions_angstrom_xyz=np.concatenate([p for p, _ in parts]),
            rotations=np.concatenate([r for _, r in parts]),
        )
        for name, parts in found.items()
    }


def f1(picks: Picks, positions: Floats, radius: float) -> tuple[float, NDArray[np.bool_]]:
    """F1 within half a radius, and which picks are right."""
    pairs = match_one_to_one(picks.positions_angstrom_xyz, positions, 0.5 * radius)
    right = np.zeros(len(picks), np.bool_)
    right[pairs.predicted] = True
    return 2 * len(pairs) / max(1, len(picks) + len(positions)), right


def main() -> None:
    """Draw annotators, join them, compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a small field")
    options = parser.parse_args()
    truth, objects, size = specimen(options.seed, 2500.0 if options.quick else 5000.0)
    truth = {item.name: truth[item.name] for item in sorted(objects, key=lambda o: -o.radius_angstrom)}
    objects = tuple(sorted(objects, key=lambda o: -o.radius_angstrom))
    labels = [
        Labels(
            run="TS1",
            user=maker.twin or user,
            session=user,
            voxel_size_angstrom=10.0,
            picks=tuple(annotate(maker, truth, size, options.seed, user).values()),
        )
        for user, maker in MAKERS.items()
    ]
    for users in (("expert", "novice", "templates"), ("templates", "net-a", "net-b"), tuple(MAKERS)):
        compare([each for each in labels if each.session in users], truth, objects, size, " + ".join(users))


def compare(
    labels: list[Labels],
    truth: dict[str, tuple[Floats, Floats]],
    objects: tuple[PickableObject, ...],
    size: Floats,
    who: str,
) -> None:
    """Report one consensus."""
    began = time.process_time()
    result = reach_consensus(
        labels,
        objects,
        ConsensusParams(),
        volumes_angstrom3={"TS1": float(np.prod(size))},
        resources=Resources(),
        progress=Silent(),
    )
    seconds = time.process_time() - began
    (made,) = result.labels
    present = [item for item in objects if len(truth[item.name][0]) >= FEWEST]
    macro = {
        each.session: float(np.mean([f1(each.of(i.name), truth[i.name][0], i.radius_angstrom)[0] for i in present]))
        for each in [*labels, replace(made, session="consensus")]
    }
    best = max(value for user, value in macro.items() if user != "consensus")
    report(f"{who}: macro F1 of the best annotator", best, "")
    report(f"{who}: macro F1 of the consensus", macro["consensus"], "", best, at_least=True)
    right, stated, angles = [], [], []
    for item in present:
        picks = made.of(item.name)
        right.append(f1(picks, truth[item.name][0], item.radius_angstrom)[1])
        stated.append(np.zeros(0) if picks.scores is None else picks.scores)
        angles.append(pose_errors(picks, truth[item.name], item))
    false = float(1 - np.concatenate(right).mean())
    report(f"{who}: true share of false picks", false, "")
    report(
        f"{who}: stated share of false picks less the true one", float(1 - np.concatenate(stated).mean()) - false, ""
    )
    report(f"{who}: median pose error of the consensus", float(np.median(np.concatenate(angles))), "degree")
    apart = []
    for each in result.annotators:
        made_of = next(one for one in labels if one.session == each.session)
        for item in present:
            positions = truth[item.name][0]
            if len(positions) >= 30:
                anything = np.concatenate([p.positions_angstrom_xyz for p in made_of.picks])
                hit = len(match_one_to_one(anything, positions, 0.5 * item.radius_angstrom)) / len(positions)
                apart.append(abs(each.sensitivity[item.name] - hit))
    report(f"{who}: sensitivities stated and true apart, mean", float(np.mean(apart)), "", 0.05)
    report(f"{who}: time for {len(result.votes[0].vote)} votes", seconds, "CPU s")
    every_pick, by_probability = completeness_of(labels, objects), completeness_of_consensus(result, objects)
    for item, plain, found in zip(objects, every_pick, by_probability, strict=True):
        n = len(truth[item.name][0])
        if n >= 30:
            report(f"{who}: {item.name}, number estimated from all picks over the true one", plain.estimate / n, "")
            report(f"{who}: {item.name}, from probabilities", abs(found.estimate / n - 1), "", 0.1)


def pose_errors(picks: Picks, truth: tuple[Floats, Floats], item: PickableObject) -> Floats:
    """Degrees modulo symmetry, of the matched picks."""
    if picks.rotations is None or not len(picks):
        return np.zeros(0)
    pairs = match_one_to_one(picks.positions_angstrom_xyz, truth[0], 0.5 * item.radius_angstrom)
    group = point_group(item.symmetry)
    return group.angle_between_deg(picks.rotations[pairs.predicted], truth[1][pairs.true])


if __name__ == "__main__":
    main()
