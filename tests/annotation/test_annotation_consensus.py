"""Consensus: sites are never chained, reliabilities come back, poses are averaged modulo symmetry, votes are kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.annotation.consensus import (
    NOT_ASKED,
    ConsensusParams,
    estimate_reliability,
    join_sites,
    mean_rotations,
    reach_consensus,
    staple,
)
from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import angle_between_deg, point_group, random_rotations, rotation_about
from tomoset.model import IGNORE, Labels, PickableObject, PickFlag, Picks, Resources, Silent

OBJECTS = (
    PickableObject(name="big", label=1, radius_angstrom=75.0, symmetry="D7"),
    PickableObject(name="small", label=2, radius_angstrom=45.0),
)
FIELD = np.array([6000.0, 6000.0, 1500.0])


def labels_of(user, positions, *, rotations=None, session="1", run="TS1", voxel=10.0):
    picks = tuple(
        Picks(object_name=name, positions_angstrom_xyz=p, rotations=None if rotations is None else rotations[name])
        for name, p in positions.items()
    )
    return Labels(run=run, user=user, session=session, voxel_size_angstrom=voxel, picks=picks)


def agree(labels):
    volumes = {each.run: float(np.prod(FIELD)) for each in labels}
    params = ConsensusParams()
    return reach_consensus(labels, OBJECTS, params, volumes_angstrom3=volumes, resources=Resources(), progress=Silent())


def annotate(truth, rng, *, sensitivity, n_false, error, confusion=0.0):
    """One annotator's picks of a truth: missed, moved, called another class, and out of nothing."""
    found = {name: [] for name in truth}
    for name, points in truth.items():
        for point in points:
            if rng.random() < sensitivity:
                called = name if rng.random() >= confusion else next(n for n in truth if n != name)
                found[called].append(point + rng.normal(0, error, 3))
    for name, points in found.items():
        points += list(rng.uniform(0, 1, (n_false, 3)) * FIELD)
        found[name] = np.array(points).reshape(-1, 3)
    return found


def spread(rng, n, spacing):
    """Points at least so far apart."""
    cells = np.stack(np.meshgrid(*(np.arange(spacing, f - spacing, spacing) for f in FIELD), indexing="ij"), -1)
    return rng.permutation(cells.reshape(-1, 3))[:n] + rng.uniform(-0.1, 0.1, (n, 3)) * spacing


def test_a_row_of_picks_is_not_chained_into_one_site():
    points = np.stack([np.arange(0.0, 120, 20), np.zeros(6), np.zeros(6)], axis=1)
    site = join_sites(points, np.arange(6), np.zeros(6), np.full(6, 25.0))
    assert len(np.unique(site)) >= 2
    # an annotator has one vote a site, however near two of them are
    assert len(np.unique(join_sites(points[:2] / 20, [0, 0], [0, 0], np.full(2, 25.0)))) == 2


def test_two_annotators_are_joined_optimally_where_greed_is_not():
    # the nearest pair is (1, 2); taking it leaves 0 and 3 alone although two pairs are possible
    points = np.array([[0.0, 0, 0], [21.0, 0, 0], [30.0, 0, 0], [10.0, 0, 0]])
    site = join_sites(points, [0, 0, 1, 1], [0, 0, 0, 0], np.full(4, 12.0))
    assert site.tolist() == [0, 1, 1, 0]
    site = join_sites(
        np.array([[0.0, 0, 0], [22.0, 0, 0], [12.0, 0, 0], [34.0, 0, 0]]), [0, 0, 1, 1], [0] * 4, [12.5] * 4
    )
    assert site.tolist() == [0, 1, 0, 1]


def test_a_pick_of_the_same_class_is_preferred_to_a_nearer_one_of_another():
    points = np.array([[0.0, 0, 0], [5.0, 0, 0], [2.0, 0, 0]])
    assert join_sites(points, [0, 1, 1], [0, 0, 1], np.full(3, 20.0)).tolist() == [0, 0, 1]


@given(st.integers(0, 10_000))
def test_sites_obey_their_rules_and_do_not_depend_on_the_order(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    points = rng.uniform(0, 80, (n, 3))
    who, classes, reach = rng.integers(0, 4, n), rng.integers(0, 2, n), rng.choice([15.0, 30.0], n)
    site = join_sites(points, who, classes, reach)
    assert set(site) == set(range(site.max() + 1))
    for s in range(site.max() + 1):
        members = np.flatnonzero(site == s)
        assert len(set(who[members])) == len(members)
        apart = np.linalg.norm(points[members] - points[members].mean(axis=0), axis=1)
        assert np.all(apart <= reach[members].min())
    order = rng.permutation(n)
    again = np.empty(n, int)
    again[order] = join_sites(points[order], who[order], classes[order], reach[order])
    assert len(set(zip(site, again, strict=True))) == len(set(site)) == len(set(again))


def test_reliabilities_come_back_from_votes_alone():
    rng = np.random.default_rng(1)
    true_confusion = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.8, 0.2], [0.1, 0.9]], [[0.6, 0.4], [0.3, 0.7]]])
    truth = rng.random(20000) < 0.3
    votes = np.stack([(rng.random(20000) < table[truth.astype(int), 1]) for table in true_confusion], 1).astype(int)
    votes[::7, 2] = NOT_ASKED
    found = estimate_reliability(votes, np.array([[4.0, 1.0], [1.0, 4.0]]))
    np.testing.assert_allclose(found.confusion, true_confusion, atol=0.04)
    assert abs(found.prevalence[1] - 0.3) < 0.02
    # the posteriors are calibrated
    sure = found.posterior[:, 1]
    for low, high in ((0.0, 0.1), (0.3, 0.7), (0.9, 1.0)):
        inside = (sure >= low) & (sure <= high)
        if inside.sum() > 300:
            assert abs(truth[inside].mean() - sure[inside].mean()) < 0.05
    with pytest.raises(ParameterError, match="0 to 1"):
        estimate_reliability([[2]], np.ones((2, 2)))


def test_mean_pose_is_found_through_symmetry_and_from_any_start():
    rng = np.random.default_rng(2)
    for name in ("C1", "C2", "D7", "O", "I"):
        group = point_group(name)
        true = random_rotations(40, rng)
        noise = np.stack([rotation_about(axis, rng.normal(0, 3.0, (40, 5))) for axis in "xyz"])
        seen = true[:, None] @ noise[0] @ noise[1] @ noise[2]
        seen = seen @ group.rotations[rng.integers(0, group.order, (40, 5))]
        weights = np.ones((40, 5))
        seen[:, 4], weights[:, 4] = random_rotations(40, rng), 0.0
        error = group.angle_between_deg(mean_rotations(seen, weights, group), true)
        assert np.median(error) < 3.5, name
        assert error.max() < 9.0, name
    with pytest.raises(GeometryError, match="weights"):
        mean_rotations(seen, np.zeros((40, 5)), group)


@given(st.integers(0, 10_000), st.sampled_from(["C1", "C5", "D2", "T", "O", "I"]))
def test_the_representative_is_the_same_for_all_equivalents(seed, name):
    rng = np.random.default_rng(seed)
    group = point_group(name)
    pose = random_rotations(1, rng)
    all_of_it = group.representatives(pose @ group.rotations)
    assert angle_between_deg(all_of_it, all_of_it[:1]).max() < 1e-5
    assert group.angle_between_deg(all_of_it[0], pose[0]) < 1e-5


def test_consensus_of_three_is_better_than_any_of_them_and_knows_who_is_good():
    rng = np.random.default_rng(3)
    places = spread(rng, 330, 220.0)
    truth = {"big": places[:90], "small": places[90:]}
    makers = {
        "ada": {"sensitivity": 0.95, "n_false": 6, "error": 3.0},
        "bob": {"sensitivity": 0.85, "n_false": 20, "error": 5.0, "confusion": 0.05},
        "tool": {"sensitivity": 0.75, "n_false": 60, "error": 6.0, "confusion": 0.1},
    }
    sets = [labels_of(user, annotate(truth, rng, **how)) for user, how in makers.items()]
    result = agree(sets)
    assert result.warnings == ()
    for report in result.annotators:
        how = makers[report.user]
        assert abs(np.mean(list(report.sensitivity.values())) - how["sensitivity"]) < 0.08
        marked = sum(len(p) for p in next(s for s in sets if s.user == report.user).picks)
        assert abs(report.false_share - 2 * how["n_false"] / marked) < 0.06
        assert abs(report.position_error_angstrom / how["error"] - 1) < 0.35
    (labels,), (votes,) = result.labels, result.votes
    assert len(votes.vote) == sum(len(p) for s in sets for p in s.picks)  # every raw vote is there
    assert len(votes.rows()) == len(votes.vote)
    for name, points in truth.items():
        picks = labels.of(name)
        near = np.linalg.norm(picks.positions_angstrom_xyz[:, None] - points[None], axis=-1)
        recall, precision = (near.min(axis=0) < 25).mean(), (near.min(axis=1) < 25).mean()
        assert recall > 0.9, name
        assert precision > 0.91, name
        assert np.median(near.min(axis=1)) < 5.0
        assert picks.score_kind == "probability"
        # stated probabilities are those of being right
        assert abs(picks.scores.mean() - precision) < 0.06
        assert labels.notes[f"expected_missed_{name}"] < 8
    pair = next(p for p in result.agreement if (p.first[0], p.second[0]) == ("ada", "bob"))
    assert 0.6 < pair.kappa < 0.95
    assert 0.5 < pair.f1["small"] < 0.95


def test_disputes_are_flagged_and_poses_of_the_winning_class_are_averaged():
    rng = np.random.default_rng(4)
    place = np.array([[1000.0, 1000, 500], [3000.0, 1000, 500]])
    pose = random_rotations(2, rng)
    turned = pose @ point_group("D7").rotations[[3, 5]]
    first = labels_of("a", {"big": place}, rotations={"big": pose})
    second = labels_of("b", {"big": place + 4}, rotations={"big": turned})
    third = labels_of("c", {"big": place[:1] + 2, "small": place[1:] - 3})
    (labels,) = agree([first, second, third]).labels
    picks = labels.of("big")
    assert len(picks) == 2
    assert point_group("D7").angle_between_deg(picks.rotations, pose).max() < 1e-3
    assert picks.flags.tolist() == [0, PickFlag.CONFLICT]
    assert picks.rivals[1] == "small"
    assert picks.scores[0] > picks.scores[1] > 0.5
    assert len(labels.of("small")) == 0


def test_votes_for_one_particle_stay_together_when_errors_are_as_large_as_the_reach():
    rng = np.random.default_rng(8)
    places = spread(rng, 200, 220.0)
    points = np.concatenate([places + rng.normal(0, 6, places.shape) for _ in range(5)])
    site = join_sites(points, np.repeat(np.arange(5), 200), np.zeros(1000), np.full(1000, 22.0))
    assert site.max() + 1 < 1.1 * 200


def test_two_who_err_together_count_as_one_where_that_shows():
    rng = np.random.default_rng(9)
    places = spread(rng, 700, 220.0)
    truth = {"big": places[:100], "small": places[100:600]}
    shared = {"big": np.zeros((0, 3)), "small": places[600:640]}  # nothing is there, and both twins say so
    sets = []
    for user in ("ada", "bob", "cid", "twin-a", "twin-b"):
        found = annotate(truth, rng, sensitivity=0.85, n_false=5, error=3.0)
        if "twin" in user:
            found = {
                name: np.concatenate([p, shared[name] + rng.normal(0, 3, shared[name].shape)])
                for name, p in found.items()
            }
        sets.append(labels_of(user, found))
    result = agree(sets)
    assert any("twin-a/1 and twin-b/1 err together" in w for w in result.warnings)
    (labels,) = result.labels
    invented = np.linalg.norm(labels.of("small").positions_angstrom_xyz[:, None] - shared["small"][None], axis=-1)
    assert np.count_nonzero(invented.min(axis=1) < 20) < 10
    for report in result.annotators:
        assert abs(report.sensitivity["small"] - 0.85) < 0.05
    same_user = [
        replace(each, user=each.user.removesuffix("-a").removesuffix("-b"), session=each.user) for each in sets
    ]
    twice = agree(same_user)
    assert any("twin voted 2 times" in w for w in twice.warnings)
    assert len(twice.labels[0].of("small")) == pytest.approx(len(labels.of("small")), abs=12)


def test_who_did_not_look_is_not_held_to_have_seen_nothing():
    place = spread(np.random.default_rng(5), 60, 220.0)
    one = [labels_of(user, {"big": place}, run="TS1") for user in "ab"]
    both = [*one, *(labels_of(user, {"big": place}, run="TS2") for user in "abc")]
    result = agree(both)
    lazy = next(r for r in result.annotators if r.user == "c")
    assert lazy.sensitivity["big"] > 0.9
    assert [len(each.of("big")) for each in result.labels] == [60, 60]


def test_what_cannot_be_joined_is_said():
    place = {"big": np.full((1, 3), 500.0)}
    with pytest.raises(ParameterError, match="two or more"):
        agree([labels_of("a", place)])
    with pytest.raises(ParameterError, match="found two"):
        agree([labels_of("a", place), labels_of("a", place), labels_of("b", place)])
    with pytest.raises(ParameterError, match="transfer"):
        agree([labels_of("a", place), labels_of("b", place, voxel=5.0)])
    with pytest.raises(ParameterError, match="radius_share"):
        ConsensusParams(radius_share=0.0)
    result = agree([labels_of("a", place), labels_of("a", place, session="2")])
    assert any("third" in w for w in result.warnings)
    assert any("voted 2 times" in w for w in result.warnings)


def test_staple_joins_masks_and_respects_what_was_not_said():
    rng = np.random.default_rng(6)
    z, y, x = np.indices((24, 40, 40))
    truth = np.zeros((24, 40, 40), np.uint8)
    truth[(z - 12) ** 2 + (y - 14) ** 2 + (x - 14) ** 2 < 80] = 1
    truth[(z - 12) ** 2 + (y - 28) ** 2 + (x - 28) ** 2 < 50] = 2
    masks = []
    for error in (0.03, 0.08, 0.25):
        wrong = rng.random(truth.shape) < error
        masks.append(np.where(wrong, rng.integers(0, 3, truth.shape), truth).astype(np.uint8))
    masks[0][:, :, 30:] = IGNORE
    masks[1][:, :, 36:] = IGNORE
    masks[2][:, :, 38:] = IGNORE
    found = staple(masks)
    said = x < 38
    assert np.all(found.mask_zyx[~said] == IGNORE)
    assert (found.mask_zyx == truth)[said & (x < 30)].mean() > 0.985
    right = [np.diag(table).mean() for table in found.confusion]
    assert right[0] > right[1] > right[2]
    assert found.probability_zyx[said].min() > 0.3
    majority = np.median(np.stack(masks), axis=0)
    assert (found.mask_zyx != truth)[x < 30].sum() <= (majority != truth)[x < 30].sum()
    with pytest.raises(GeometryError, match="one grid"):
        staple([masks[0], masks[1][1:]])
