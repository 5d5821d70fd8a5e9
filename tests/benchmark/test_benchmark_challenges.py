"""The challenges' scorers against plain restatements of their public definitions, and each quirk by its name."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.benchmark import (
    CZII_RULES,
    CziiRules,
    PickRows,
    czii_counts,
    czii_score,
    labels_from_rows,
    octopi_counts,
    octopi_score,
    rows_from_labels,
    score,
    shrec_score,
)
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import PickableObject

NAMES = tuple(CZII_RULES.radius_angstrom)
FUZZED = 10_000


def rows(*entries):
    return PickRows(
        experiments=[e[0] for e in entries],
        particle_types=[e[1] for e in entries],
        positions_angstrom_xyz=np.array([e[2:5] for e in entries], dtype=float).reshape(-1, 3),
    )


def public_czii(solution, submission, radius, weights, multiplier=0.5, beta=4.0):
    """The public definition, in plain Python over lists of (experiment, type, x, y, z)."""
    experiments = {row[0] for row in solution}
    submission = [row for row in submission if row[0] in experiments]
    assert {row[1] for row in submission} <= set(weights)
    total, counts = 0.0, {}
    for kind in {row[1] for row in solution}:
        tp = fp = fn = 0
        for experiment in experiments:
            references = [row[2:] for row in solution if row[:2] == (experiment, kind)]
            candidates = [row[2:] for row in submission if row[:2] == (experiment, kind)]
            reach = radius[kind] * multiplier
            matched = {
                j
                for c in candidates
                for j, r in enumerate(references)
                if sum((a - b) ** 2 for a, b in zip(c, r, strict=True)) <= reach**2
            }
            tp += len(matched)
            fp += len(candidates) - len(matched)
            fn += len(references) - len(matched)
        precision = tp / (tp + fp) if tp + fp > 0 else 0
        recall = tp / (tp + fn) if tp + fn > 0 else 0
        below = beta**2 * precision + recall
        value = (1 + beta**2) * precision * recall / below if precision + recall > 0 else 0.0
        counts[kind] = (tp, fp, fn)
        total += value * weights[kind]
    return total / sum(weights.values()), counts


def fuzzed_case(rng):
    """A crowded scene on a lattice of 5 Å (so that distances equal radii), with unknown tomograms and empty classes."""

    def table(n, runs, kinds):
        steps = rng.integers(0, rng.integers(3, 40), (n, 3)) * 5.0
        return [(str(rng.choice(runs)), str(rng.choice(kinds)), *(float(v) for v in place)) for place in steps]

    kinds = rng.choice(NAMES, size=rng.integers(1, 7), replace=False)
    runs = ["TS_1", "TS_2", "TS_3"][: rng.integers(1, 4)]
    unique = {}
    for row in table(rng.integers(1, 16), runs, kinds):
        unique[row[0], row[2:]] = row
    return list(unique.values()), table(rng.integers(0, 16), [*runs, "TS_9"], NAMES)


def test_czii_equals_the_public_definition_on_ten_thousand_fuzzed_cases():
    rng = np.random.default_rng(20_241_105)
    negative = 0
    for _ in range(FUZZED):
        solution, submission = fuzzed_case(rng)
        expected, counts = public_czii(solution, submission, CZII_RULES.radius_angstrom, CZII_RULES.weights)
        got = czii_score(rows(*solution), rows(*submission))
        assert math.isclose(got.value, expected, rel_tol=1e-12, abs_tol=1e-15)
        assert {
            name: (c.true_positives, c.false_positives, c.false_negatives) for name, c in got.classes.items()
        } == counts
        negative += any(fp < 0 for _, fp, _ in counts.values())
    assert negative > FUZZED / 100  # the quirk was really met


def test_czii_quirk_set_wise_matching_makes_negative_false_positives():
    assert czii_counts([[0, 0, 0]], [[-5, 0, 0], [5, 0, 0]], 5.0) == (2, -1, 0)
    assert czii_counts([[0, 0, 0], [1, 0, 0]], [[0, 0, 0]], 5.0) == (1, 1, 0)


def test_czii_quirk_a_distance_equal_to_the_radius_counts():
    solution = rows(("a", "ribosome", 0, 0, 0))
    assert czii_score(solution, rows(("a", "ribosome", 75, 0, 0))).classes["ribosome"].true_positives == 1
    assert czii_score(solution, rows(("a", "ribosome", 75.0001, 0, 0))).classes["ribosome"].true_positives == 0


def test_czii_quirk_tomograms_that_the_solution_does_not_name_are_dropped_before_classes_are_checked():
    solution = rows(("a", "ribosome", 0, 0, 0))
    with_stranger = rows(("a", "ribosome", 0, 0, 0), ("b", "unicorn", 0, 0, 0))
    got = czii_score(solution, with_stranger)
    assert got.n_dropped == 1
    assert got.classes["ribosome"].false_positives == 0
    with pytest.raises(ParameterError, match="unicorn"):
        czii_score(solution, rows(("a", "unicorn", 0, 0, 0)))


def test_czii_quirk_a_class_that_the_solution_lacks_costs_its_weight():
    perfect = rows(*[("a", name, 300 * i, 0, 0) for i, name in enumerate(NAMES) if name != "ribosome"])
    assert czii_score(perfect, perfect).value == pytest.approx(6 / 7)


def test_czii_quirk_beta_amylase_has_no_weight_unless_told():
    solution = rows(("a", "beta-amylase", 0, 0, 0), ("a", "ribosome", 400, 0, 0))
    missed = rows(("a", "ribosome", 400, 0, 0))
    both = rows(
        *[
            (e, t, *p)
            for e, t, p in zip(
                solution.experiments, solution.particle_types, solution.positions_angstrom_xyz, strict=True
            )
        ]
    )
    assert czii_score(solution, missed).value == czii_score(solution, both).value == pytest.approx(1 / 7)
    weighted = CziiRules(
        radius_angstrom=CZII_RULES.radius_angstrom, weights={**CZII_RULES.weights, "beta-amylase": 1.0}
    )
    assert czii_score(solution, both, weighted).value > czii_score(solution, missed, weighted).value


def test_czii_quirk_over_picking_is_forgiven():
    rng = np.random.default_rng(0)
    solution = rows(*[("a", "ribosome", 1000.0 * i, 0, 0) for i in range(50)])
    noise = [("a", "ribosome", *rng.uniform(1e6, 2e6, 3)) for _ in range(450)]
    for times, expected in ((2, 0.944), (5, 0.810), (10, 0.654)):
        picks = [("a", "ribosome", 1000.0 * i, 0, 0) for i in range(50)] + noise[: 50 * (times - 1)]
        assert czii_score(solution, rows(*picks)).classes["ribosome"].f_beta == pytest.approx(expected, abs=1e-3)


def test_czii_refuses_a_solution_with_a_position_twice_and_rules_that_do_not_fit():
    with pytest.raises(ParameterError, match="found one twice"):
        czii_score(rows(("a", "ribosome", 0, 0, 0), ("a", "thyroglobulin", 0, 0, 0)), rows())
    with pytest.raises(ParameterError, match="radius and a weight"):
        CziiRules(radius_angstrom={"a": 1.0}, weights={"b": 1.0})
    with pytest.raises(ParameterError, match="above 0"):
        CziiRules(radius_angstrom={"a": 1.0}, weights={"a": 0.0})
    with pytest.raises(ParameterError, match="unicorn"):
        CziiRules.of_objects([PickableObject(name="a", label=1, radius_angstrom=1.0)], {"unicorn": 2.0})


def test_the_score_of_labels_holds_the_same_f4():
    rng = np.random.default_rng(5)
    objects = [
        PickableObject(name=n, label=i + 1, radius_angstrom=r)
        for i, (n, r) in enumerate(CZII_RULES.radius_angstrom.items())
    ]
    for _ in range(30):
        solution, submission = fuzzed_case(rng)
        submission = [row for row in submission if row[0] in {r[0] for r in solution}]
        made = {"session": "0", "voxel_size_angstrom": 10.0}
        truth = labels_from_rows(rows(*solution), user="gt", **made)
        found = labels_from_rows(rows(*submission), user="me", **made) if submission else []
        got = {c.object_name: c.f4_czii for c in score(found, truth, objects).classes}
        expected = czii_score(rows(*solution), rows(*submission))
        for name, item in expected.classes.items():
            assert got[name] == pytest.approx(item.f_beta)
        assert len(rows_from_labels(truth)) == len(solution)


def naive_shrec(predictions, classes, hitbox, centres, true_classes):
    """The 2019 evaluation script's loop, in words of its own."""
    times, said, distances, misses = [0] * len(centres), [""] * len(centres), [], 0
    for place, name in zip(predictions, classes, strict=True):
        z, y, x = (min(max(round(float(v)), 0), n - 1) for v, n in zip(place, hitbox.shape, strict=True))
        particle = int(hitbox[z, y, x]) - 1
        if particle < 0:
            misses += 1
            continue
        times[particle] += 1
        said[particle] = said[particle] or name
        distances.append(math.dist((z, y, x), centres[particle]))
    found = sum(n > 0 for n in times)
    recall, precision = found / len(centres), found / len(predictions) if predictions else 0.0
    f1 = 1 / ((1 / recall + 1 / precision) / 2) if found else 0.0
    names = sorted(set(true_classes))
    classified = {}
    for name in names:
        hit = sum(t == name == s for t, s in zip(true_classes, said, strict=True))
        false = sum(s == name != t for t, s in zip(true_classes, said, strict=True))
        missed = sum(t == name != s for t, s in zip(true_classes, said, strict=True))
        classified[name] = 2 * hit / (2 * hit + false + missed) if hit + false + missed else math.nan
    mean = sum(distances) / len(distances) if distances else math.nan
    return found, misses, sum(n > 1 for n in times), recall, precision, f1, mean, classified


def test_shrec_equals_its_definition_on_fuzzed_cases():
    rng = np.random.default_rng(2019)
    for _ in range(1000):
        n = int(rng.integers(1, 12))
        shape = tuple(rng.integers(4, 12, 3))
        centres = rng.integers(0, shape, (n, 3))
        hitbox = np.where(rng.random(shape) < 0.4, rng.integers(1, n + 1, shape), 0).astype(np.uint32)
        true_classes = [f"p{k}" for k in rng.integers(0, 4, n)]
        predictions = rng.uniform(-3, np.array(shape) + 3, (rng.integers(0, 30), 3)).round(1).tolist()
        classes = [str(rng.choice(true_classes)) for _ in predictions]
        got = shrec_score(predictions, classes, hitbox, centres, true_classes)
        found, misses, multiple, recall, precision, f1, mean, classified = naive_shrec(
            predictions, classes, hitbox, centres.tolist(), true_classes
        )
        assert (got.n_found, got.n_misses, got.n_multiple) == (found, misses, multiple)
        assert (got.recall, got.precision, got.f1) == pytest.approx((recall, precision, f1))
        assert got.miss_rate == pytest.approx(1 - recall)
        assert got.mean_distance == pytest.approx(mean, nan_ok=True)
        for name, value in classified.items():
            assert got.class_f1(name) == pytest.approx(value, nan_ok=True)
        assert got.confusion.sum() == n


def shrec_scene():
    hitbox = np.zeros((6, 8, 10), dtype=np.uint16)
    hitbox[1:4, 1:4, 1:4], hitbox[2:5, 4:7, 6:9] = 1, 2
    return hitbox, [[2, 2, 2], [3, 5, 7]], ["1bxn", "4d8q"]


def test_shrec_quirk_the_first_class_said_counts_and_second_hits_lower_precision():
    got = shrec_score([[2, 2, 2], [2, 2, 3], [3, 5, 7]], ["4d8q", "1bxn", "4d8q"], *shrec_scene())
    assert (got.recall, got.precision, got.n_multiple) == (1.0, pytest.approx(2 / 3), 1)
    assert got.class_f1("1bxn") == 0.0
    assert got.class_f1("4d8q") == pytest.approx(2 / 3)
    assert got.confusion.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_shrec_quirk_coordinates_are_rounded_half_to_even_and_moved_inside():
    got = shrec_score([[0.5, 1, 1], [1.5, 1, 1], [2, 2, -40]], ["1bxn"] * 3, *shrec_scene())
    assert (got.n_misses, got.n_found, got.n_clipped) == (2, 1, 1)


def test_shrec_2020_closes_holes_and_takes_the_first_distance():
    hitbox, centres, classes = shrec_scene()
    hitbox[2, 2, 2] = 0
    places, said = [[2, 2, 2], [2, 2, 3], [0, 2, 2]], ["1bxn"] * 3
    assert shrec_score(places, said, hitbox, centres, classes).n_misses == 2
    newer = shrec_score(places, said, hitbox, centres, classes, edition="2020")
    assert (newer.n_misses, newer.n_multiple, newer.mean_distance) == (0, 1, 0.0)


def test_shrec_refuses_what_does_not_fit():
    hitbox, centres, classes = shrec_scene()
    with pytest.raises(ParameterError, match="unicorn"):
        shrec_score([[0, 0, 0]], ["unicorn"], hitbox, centres, classes)
    with pytest.raises(GeometryError, match="a class for each"):
        shrec_score([[0, 0, 0]], [], hitbox, centres, classes)
    with pytest.raises(GeometryError, match="finite"):
        shrec_score([[np.nan, 0, 0]], ["1bxn"], hitbox, centres, classes)
    with pytest.raises(GeometryError, match="particles 1 to 1"):
        shrec_score([[3, 5, 7]], ["1bxn"], hitbox, centres[:1], classes[:1])


points = st.integers(0, 9).flatmap(
    lambda n: st.integers(0, 10_000).map(lambda s: np.random.default_rng(s).integers(0, 6, (n, 3)) * 10.0)
)


@given(points, points, st.sampled_from([10.0, 20.0, 17.0]))
@settings(max_examples=200, deadline=None)
def test_octopi_counts_are_those_of_its_distance_matrix(found, real, reach):
    if not len(found) or not len(real):
        expected = (0, len(found), len(real))
    else:
        apart = np.linalg.norm(found[:, None] - real[None], axis=-1)
        near = int((apart.min(axis=1) < reach).sum())
        expected = (near, len(found) - near, int((apart.min(axis=0) >= reach).sum()))
    assert octopi_counts(found, real, reach) == expected


def test_octopi_quirk_duplicates_are_all_true_and_equal_distances_are_not():
    assert octopi_counts([[0, 0, 0], [1, 0, 0]], [[0, 0, 0]], 5.0) == (2, 0, 0)
    assert octopi_counts([[5, 0, 0]], [[0, 0, 0]], 5.0) == (0, 1, 1)
    objects = [PickableObject(name=n, label=i, radius_angstrom=50.0) for i, n in ((1, "a"), (2, "b"))]
    made = {"session": "0", "voxel_size_angstrom": 10.0, "user": "x"}
    truth = labels_from_rows(rows(("t", "a", 0, 0, 0), ("t", "b", 500, 0, 0)), **made)
    found = labels_from_rows(rows(("t", "a", 39, 0, 0), ("t", "a", 1, 0, 0)), **made)
    assert octopi_score(found, truth, objects).value == pytest.approx(0.5)
    assert octopi_score(found, truth, objects, weights={"b": 0.0}).value == pytest.approx(1.0)
    with pytest.raises(ParameterError, match="above 0"):
        octopi_score(found, truth, objects, weights={"a": 0.0, "b": 0.0})
