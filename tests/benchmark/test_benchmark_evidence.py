"""Regions to ignore, strata, calibration, intervals and significance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.benchmark import (
    Surroundings,
    compare_scores,
    confusion,
    fdr_calibration,
    free_response,
    probability_calibration,
    score,
    truth_version,
)
from tomoset.benchmark.intervals import with_mask_intervals
from tomoset.errors import ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import (
    IGNORE,
    InMemory,
    Labels,
    MembraneSurface,
    PickableObject,
    PickFlag,
    Picks,
    Segmentation,
    SegmentationScore,
)

APO = PickableObject(name="apoferritin", label=1, radius_angstrom=60.0, symmetry="O")
BSA = PickableObject(name="bsa", label=2, radius_angstrom=35.0)


def labels(run="TS-1", user="me", segmentations=(), membranes=(), **picks):
    made = tuple(
        replace(p, object_name=name) if isinstance(p, Picks) else Picks(object_name=name, positions_angstrom_xyz=p)
        for name, p in picks.items()
    )
    return Labels(
        run=run, user=user, session="0", voxel_size_angstrom=10.0, picks=made, segmentations=segmentations,
        membranes=membranes,
    )  # fmt: skip


def scattered(seed, n, size=2000.0):
    return np.random.default_rng(seed).uniform(0, size, (n, 3))


def lattice(n, step=200.0):
    return np.array([[step * i, 0.0, 0.0] for i in range(n)])


def mask_with(region, shape=(20, 20, 60)):
    mask = np.zeros(shape, dtype=np.uint8)
    mask[region] = IGNORE
    return (Segmentation(name="semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=10.0),)


def test_picks_in_an_ignored_region_are_neither_right_nor_false():
    left = mask_with(np.s_[:, :, :30])
    truth = labels(apoferritin=[[100, 50, 50], [400, 50, 50]], segmentations=left)
    everything = labels(apoferritin=[[400, 50, 50], [100, 50, 50], [20, 20, 20], [590, 190, 190]])
    got = score([everything], [truth], [APO]).classes[0]
    assert (got.n_truth, got.n_matched, got.n_predicted, got.n_set_aside) == (1, 1, 2, 2)
    silent = score([labels(apoferritin=[[400, 50, 50], [590, 190, 190]])], [truth], [APO]).classes[0]
    assert (silent.precision, silent.recall) == (got.precision, got.recall) == (0.5, 1.0)
    table = confusion([everything], [truth], [APO]).counts
    assert table.tolist() == [[1, 0], [1, 0]]


def test_a_particle_at_the_rim_of_an_ignored_region_may_be_found_from_within_it():
    truth = labels(apoferritin=[[305, 50, 50]], segmentations=mask_with(np.s_[:, :, :30]))
    got = score([labels(apoferritin=[[288, 50, 50]])], [truth], [APO]).classes[0]
    assert (got.n_matched, got.n_set_aside) == (1, 0)


def test_excluded_particles_are_neither_found_nor_missed():
    flags = [PickFlag.NONE, PickFlag.EXCLUDED_REGION]
    truth = labels(apoferritin=Picks(object_name="", positions_angstrom_xyz=lattice(2), flags=flags))
    for found, expected in ((lattice(2), (1, 1, 1)), (lattice(1), (1, 1, 1))):
        got = score([labels(apoferritin=found)], [truth], [APO]).classes[0]
        assert (got.n_truth, got.n_matched, got.n_predicted) == expected


def test_classes_that_were_not_searched_do_not_weigh_on_the_mean_of_those_that_were():
    truth = labels(apoferritin=lattice(3), bsa=lattice(4) + 1000)
    result = score([labels(apoferritin=lattice(3))], [truth], [APO, BSA])
    assert (result.mean_f1, result.mean_f1_claimed) == (0.5, 1.0)
    assert [c.claimed for c in result.classes] == [True, False]
    tried = score([labels(apoferritin=lattice(3), bsa=np.zeros((0, 3)))], [truth], [APO, BSA])
    assert tried.mean_f1_claimed == 0.5
    assert score([labels(apoferritin=lattice(3))], [truth], [APO, BSA], claimed={"bsa"}).mean_f1_claimed == 0.0


def test_detection_whatever_the_class_forgives_a_wrong_name_and_not_a_second_pick():
    truth = labels(apoferritin=lattice(4), bsa=lattice(4) + 1000)
    swapped = labels(apoferritin=lattice(4) + 1000, bsa=lattice(4))
    result = score([swapped], [truth], [APO, BSA])
    assert result.mean_f1 == 0.0
    assert result.any_class is not None
    assert (result.any_class.f1, result.any_class.n_truth) == (1.0, 8)
    doubled = labels(apoferritin=lattice(4), bsa=np.vstack([lattice(4), lattice(4) + 1000]))
    again = score([doubled], [truth], [APO, BSA]).any_class
    assert again is not None
    assert (again.n_duplicates, again.n_matched) == (4, 8)


def test_duplicates_are_counted_apart_from_other_false_picks():
    found = np.vstack([lattice(3), lattice(2) + 5.0, [[0, 0, 5000.0]]])
    got = score([labels(apoferritin=found)], [labels(apoferritin=lattice(3))], [APO]).classes[0]
    assert (got.n_matched, got.n_duplicates, got.n_predicted) == (3, 2, 6)


def stratum(result, name):
    return {(s.low, s.high): s for s in result.strata if s.stratum == name}


def test_strata_hold_every_particle_and_every_false_pick_once():
    truth = labels(apoferritin=scattered(1, 60), bsa=scattered(2, 40))
    found = labels(apoferritin=np.vstack([scattered(1, 60)[:30], scattered(3, 20)]), bsa=scattered(2, 40)[5:])
    around = {"TS-1": Surroundings(size_angstrom_xyz=(2000.0, 2000.0, 2000.0), ice_angstrom_z=(200.0, 1800.0))}
    result = score([found], [truth], [APO, BSA], surroundings=around)
    assert {s.stratum for s in result.strata} == {"depth", "edge", "crowding", "size"}
    n_false = sum(c.n_predicted - c.n_matched for c in result.classes)
    for name in ("depth", "edge", "crowding", "size"):
        ranges = stratum(result, name).values()
        assert sum(s.n_truth for s in ranges) == 100
        assert sum(s.n_matched for s in ranges) == sum(c.n_matched for c in result.classes)
        assert sum(s.n_false for s in ranges) == n_false


def test_strata_put_things_where_they_are():
    vertices = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0]], dtype=float)
    membrane = MembraneSurface(
        object_name="liposome", instance_id=1, vertices_angstrom_xyz=vertices, faces=np.array([[0, 1, 2]]),
        normals=np.tile([0.0, 0, 1], (3, 1)),
    )  # fmt: skip
    upright = Picks(
        object_name="",
        positions_angstrom_xyz=[[0, 0, 50], [500, 500, 500], [600, 500, 500]],
        rotations=np.array([np.eye(3), [[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]], np.eye(3)]),
    )
    truth = labels(apoferritin=upright, membranes=(membrane,))
    around = {"TS-1": Surroundings(size_angstrom_xyz=(3000.0, 3000.0, 1000.0))}
    result = score([labels(apoferritin=[[0, 0, 50.0]])], [truth], [APO], surroundings=around)
    near = stratum(result, "membrane")[-np.inf, 100.0]
    assert (near.n_truth, near.n_matched, near.recall, near.precision) == (1, 1, 1.0, 1.0)
    assert stratum(result, "crowding")[-np.inf, 20.0].n_truth == 2
    assert stratum(result, "depth")[400.0, np.inf].n_truth == 2
    assert stratum(result, "edge")[-np.inf, 200.0].n_truth == 1
    along, across = stratum(result, "wedge")[-np.inf, 30.0], stratum(result, "wedge")[60.0, np.inf]
    assert (along.n_truth, across.n_truth) == (2, 1)
    assert np.isnan(along.precision)


def test_free_response_of_a_known_list():
    curve = free_response([4.0, 3.0, 2.0, 1.0], [True, False, True, False], 4, 2)
    assert curve.false_per_tomogram.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert curve.recall_at(0.5) == 0.5
    assert curve.recall_at(0.0) == 0.25


@given(st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_calibration_error_of_honest_probabilities_vanishes_and_of_boasts_does_not(seed):
    rng = np.random.default_rng(seed)
    stated = rng.random(20_000)
    honest = probability_calibration(stated, rng.random(20_000) < stated)
    assert honest.error < 0.03
    assert honest.counts.sum() == 20_000
    boast = probability_calibration(np.full(1000, 0.9), np.arange(1000) < 500)
    assert boast.error == pytest.approx(0.4)
    with pytest.raises(ParameterError, match="0 to 1"):
        probability_calibration([1.2], [True])


def test_stated_and_true_false_discovery_rates():
    right = np.ones(100, dtype=bool)
    right[50::2] = False
    stated = np.repeat([0.0, 0.25], 50)
    result = fdr_calibration(stated, right)
    assert result.counts.tolist() == [50, 100]
    assert result.observed.tolist() == pytest.approx([0.0, 0.25])
    assert result.error == pytest.approx(0.0)
    assert np.isnan(fdr_calibration([0.1], [True]).error)


def test_picks_that_state_rates_and_probabilities_are_held_to_them():
    truth = labels(apoferritin=lattice(30))
    places = np.vstack([lattice(30), lattice(10) + np.array([0, 0, 5000.0])])
    probability = np.repeat([0.9, 0.2], [30, 10])
    stated = Picks(
        object_name="", positions_angstrom_xyz=places, scores=probability, score_kind="probability",
        false_discovery_rates=np.repeat([0.0, 0.3], [30, 10]),
    )  # fmt: skip
    got = score([labels(apoferritin=stated)], [truth], [APO]).classes[0]
    assert got.probability_calibration is not None
    assert got.fdr_calibration is not None
    assert got.probability_calibration.error == pytest.approx(0.75 * 0.1 + 0.25 * 0.2)
    assert got.fdr_calibration.error == pytest.approx(0.05)
    assert got.free_response is not None
    assert got.free_response.false_per_tomogram[-1] == 10
    silent = score([labels(apoferritin=places)], [truth], [APO]).classes[0]
    assert silent.probability_calibration is silent.fdr_calibration is silent.curve is None


def method(recalls, seed=0, user="me"):
    """Labels of tomograms of 40 particles of which a share is found, and their truth."""
    truth, found = [], []
    for i, recall in enumerate(recalls):
        places = lattice(40) + 10.0 * i
        truth.append(labels(f"TS-{i:02d}", apoferritin=places))
        kept = np.random.default_rng(seed + i).random(40) < recall
        found.append(labels(f"TS-{i:02d}", user=user, apoferritin=places[kept]))
    return found, truth


def test_intervals_hold_the_score_and_shrink_with_tomograms():
    widths = []
    for n in (4, 36):
        found, truth = method(np.linspace(0.5, 0.9, n))
        result = score(found, truth, [APO])
        low, high = result.classes[0].intervals["f1"]
        assert low <= result.classes[0].f1 <= high
        assert result.intervals["mean_f1"] == (low, high)
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]
    few, truth = method([0.5, 0.9])
    assert np.isnan(score(few, truth, [APO]).intervals["czii"][0])


def test_the_bootstrap_interval_covers_the_expected_score():
    """The true expectation of recall is 0.7 whatever the tomogram; 95 % intervals miss it now and then only."""
    held = 0
    for trial in range(30):
        recalls = np.random.default_rng(trial).uniform(0.4, 1.0, 20)
        found, truth = method(recalls, seed=1000 * trial)
        low, high = score(found, truth, [APO]).classes[0].intervals["recall"]
        held += low <= 0.7 <= high
    assert held >= 25


def test_a_better_method_is_told_from_an_equal_one():
    good, truth = method(np.full(8, 0.9))
    bad, _ = method(np.full(8, 0.6), seed=50)
    twin, _ = method(np.full(8, 0.9), seed=100)
    a, b, c = (score(each, truth, [APO]) for each in (good, bad, twin))
    better = compare_scores(a, b)
    assert better.difference == pytest.approx(a.mean_f1 - b.mean_f1)
    assert better.p_value == better.smallest_p_value == 2 / 2**8
    assert better.interval[0] > 0
    reverse = compare_scores(b, a)
    assert (reverse.difference, reverse.p_value) == (-better.difference, better.p_value)
    equal = compare_scores(a, c)
    assert equal.p_value > 0.1
    assert equal.interval[0] < 0 < equal.interval[1]
    assert compare_scores(a, a).p_value == 1.0


def test_many_tomograms_are_exchanged_at_random():
    good, truth = method(np.full(15, 0.9))
    bad, _ = method(np.full(15, 0.7), seed=50)
    result = compare_scores(score(good, truth, [APO]), score(bad, truth, [APO]), "czii")
    assert 0 < result.p_value < 0.01


def masked(values):
    runs = tuple(f"TS-{i:02d}" for i in range(len(values)))
    made = [
        SegmentationScore(
            object_name="liposome", run=run, n_truth=1, n_predicted=1, dice=v, iou=v, precision=v, recall=v,
            surface_dice=v / 2, normalized_surface_dice=v, tolerance_angstrom=20.0, centreline_dice=v,
            hausdorff_95_angstrom=1.0, mean_distance_angstrom=1.0,
        )
        for run, v in zip(runs, values, strict=True)
    ]  # fmt: skip
    found, truth = method(np.full(len(values), 0.9))
    return with_mask_intervals(replace(score(found, truth, [APO]), segmentations=tuple(made)))


def test_masks_are_compared_tomogram_by_tomogram():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.3, 0.9, 10)  # tomograms differ more than methods do
    a, b = masked(hard + 0.05), masked(hard)
    result = compare_scores(a, b, "mean_dice")
    assert result.difference == pytest.approx(0.05)
    assert result.p_value == result.smallest_p_value
    low, high = a.intervals["surface_dice"]
    assert low < a.surface_dice < high
    assert compare_scores(a, b, "surface_dice").difference == pytest.approx(0.025)
    with pytest.raises(ParameterError, match="expected masks"):
        compare_scores(a, b, "panoptic_quality")


def test_detection_is_compared_whatever_the_class():
    good, truth = method(np.full(8, 0.9))
    bad, _ = method(np.full(8, 0.6), seed=50)
    a, b = score(good, truth, [APO]), score(bad, truth, [APO])
    assert compare_scores(a, b, "f1_any_class").difference == pytest.approx(a.f1_any_class - b.f1_any_class)
    assert a.intervals["f1_any_class"] == a.intervals["mean_f1"]


def test_scores_of_different_truths_do_not_compare():
    found, truth = method([0.5, 0.5, 0.5])
    moved = [replace(t, picks=(replace(t.picks[0], positions_angstrom_xyz=lattice(40)),)) for t in truth]
    with pytest.raises(ParameterError, match="truth version"):
        compare_scores(score(found, truth, [APO]), score(found, moved, [APO]))
    with pytest.raises(ParameterError, match="tomograms"):
        compare_scores(score(found, truth, [APO]), score(found[:2], truth[:2], [APO]))


def test_the_truth_version_sees_content_and_nothing_else():
    rng = np.random.default_rng(0)
    picks = Picks(object_name="", positions_angstrom_xyz=lattice(5), rotations=random_rotations(5, rng))
    truth = [labels("TS-1", apoferritin=picks), labels("TS-2", apoferritin=lattice(3))]
    version = truth_version(truth, [APO, BSA])
    shuffled = labels("TS-1", user="other", apoferritin=picks.select([4, 2, 0, 1, 3]))
    assert truth_version([truth[1], shuffled], [BSA, APO]) == version
    assert truth_version(truth, [replace(APO, radius_angstrom=61.0), BSA]) != version
    assert truth_version([truth[1], labels("TS-1", apoferritin=lattice(5))], [APO, BSA]) != version
    assert truth_version(truth[:1], [APO, BSA]) != version
