"""Laws of the scores, and the CZII scorer's quirks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import KDTree

from tomoset.benchmark import (
    confusion,
    czii_counts,
    f_beta,
    match_one_to_one,
    methods_text,
    neighbours_within,
    newly_matched,
    precision_recall,
    score,
)
from tomoset.errors import GeometryError, ParameterError
from tomoset.geometry import point_group, random_rotations, rotation_about
from tomoset.model import Labels, PickableObject, Picks

APO = PickableObject(name="apoferritin", label=1, radius_angstrom=60.0, symmetry="O")
VLP = PickableObject(name="pp7-vlp", label=2, radius_angstrom=140.0, symmetry="I")


def labels(run="TS-1", user="me", **picks):
    made = []
    for name, value in picks.items():
        given_picks = value if isinstance(value, Picks) else Picks(object_name="x", positions_angstrom_xyz=value)
        made.append(replace(given_picks, object_name=name.replace("_", "-")))
    return Labels(run=run, user=user, session="0", voxel_size_angstrom=10.0, picks=tuple(made))


def scattered(seed, n, size=600.0):
    return np.random.default_rng(seed).uniform(0, size, (n, 3))


def only(result, name="apoferritin"):
    return next(c for c in result.classes if c.object_name == name)


points = st.integers(0, 12).flatmap(lambda n: st.integers(0, 10_000).map(lambda s: scattered(s, n, 200.0)))


@given(points, points)
def test_the_matching_is_one_to_one_and_as_large_as_possible(a, b):
    matching = match_one_to_one(a, b, 40.0)
    assert len(set(matching.predicted)) == len(matching) == len(set(matching.true))
    assert np.all(matching.distance_angstrom <= 40.0)
    near_a, near_b, _ = neighbours_within(a, b, 40.0)
    _, gained = newly_matched(np.arange(len(a), dtype=float), near_a, near_b)
    assert gained.sum() == len(matching)  # two independent algorithms agree on the largest number of pairs


def test_the_matching_prefers_more_pairs_to_shorter_ones():
    matching = match_one_to_one([[0, 0, 0], [10, 0, 0]], [[9, 0, 0], [-20, 0, 0]], 25.0)
    assert dict(zip(matching.predicted.tolist(), matching.true.tolist(), strict=True)) == {0: 1, 1: 0}
    nearest = match_one_to_one([[0, 0, 0], [10, 0, 0]], [[9, 0, 0]], 25.0)
    assert nearest.predicted.tolist() == [1]


@given(points, points, st.floats(1.0, 120.0))
def test_czii_counts_equal_the_public_scorer(candidates, reference, radius):
    # The public formula, written as in the challenge's scorer: a set of reference indices over all ball queries.
    if len(reference) == 0:
        expected = (0, len(candidates), 0)
    elif len(candidates) == 0:
        expected = (0, 0, len(reference))
    else:
        raw = KDTree(candidates).query_ball_tree(KDTree(reference), r=radius)
        found = len({i for hits in raw for i in hits})
        expected = (found, len(candidates) - found, len(reference) - found)
    assert czii_counts(candidates, reference, radius) == expected


def test_czii_quirks():
    assert czii_counts([[0, 0, 0]], [[-5, 0, 0], [5, 0, 0]], 5.0) == (2, -1, 0)
    assert czii_counts([[0, 0, 0], [1, 0, 0]], [[0, 0, 0]], 5.0) == (1, 1, 0)
    assert czii_counts([[5, 0, 0]], [[0, 0, 0]], 4.999) == (0, 1, 1)
    assert f_beta(10, 10, 0, 4.0) == pytest.approx(17 * 0.5 / (16 * 0.5 + 1))
    assert f_beta(0, 3, 0, 4.0) == 0.0


@given(st.integers(0, 1000), st.integers(1, 15))
def test_perfect_predictions_score_one(seed, n):
    truth = labels(apoferritin=scattered(seed, n))
    got = only(score([truth], [truth], [APO]))
    assert got.precision == got.recall == got.f1 == 1.0
    assert got.localisation_median_angstrom == 0.0


@given(st.integers(0, 1000))
def test_the_order_of_picks_and_runs_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, 20).astype(float)  # with ties
    picks = Picks(object_name="a", positions_angstrom_xyz=scattered(seed, 20, 300.0), scores=scores)
    truth = labels(apoferritin=scattered(seed + 1, 15, 300.0))
    other = labels("TS-2", apoferritin=scattered(seed + 2, 5))
    first = only(score([labels(apoferritin=picks)], [truth, other], [APO]))
    shuffled = labels(apoferritin=picks.select(rng.permutation(20)))
    second = only(score([shuffled], [other, truth], [APO]))
    for name in ("precision", "recall", "f1", "f4_czii", "localisation_median_angstrom"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), nan_ok=True)
    assert first.curve is not None
    assert second.curve is not None
    assert first.curve.average_precision == pytest.approx(second.curve.average_precision)
    assert first.curve.recall[-1] == pytest.approx(first.recall)


@given(st.integers(0, 1000), st.integers(1, 10))
def test_a_far_false_positive_lowers_precision_only(seed, n):
    truth = labels(apoferritin=scattered(seed, n))
    worse = labels(apoferritin=np.vstack([scattered(seed, n), [[5000.0, 0, 0]]]))
    got = only(score([worse], [truth], [APO]))
    assert got.recall == 1.0
    assert got.precision == pytest.approx(n / (n + 1))


def test_a_duplicate_is_a_false_positive():
    truth = labels(apoferritin=[[0, 0, 0]])
    got = only(score([labels(apoferritin=[[0, 0, 0], [3, 0, 0]])], [truth], [APO]))
    assert (got.n_matched, got.precision) == (1, 0.5)


def test_renaming_the_classes_renames_the_scores():
    truth = labels(apoferritin=scattered(1, 9), pp7_vlp=scattered(2, 5))
    found = labels(apoferritin=scattered(1, 6), pp7_vlp=scattered(2, 7))
    swap = {"apoferritin": "pp7-vlp", "pp7-vlp": "apoferritin"}

    def swapped(made):
        return replace(made, picks=tuple(replace(p, object_name=swap[p.object_name]) for p in made.picks))

    radius = [replace(APO, radius_angstrom=60.0), replace(VLP, radius_angstrom=60.0)]
    before, after = score([found], [truth], radius), score([swapped(found)], [swapped(truth)], radius)
    assert only(before, "apoferritin").f1 == only(after, "pp7-vlp").f1
    assert only(before, "pp7-vlp").f1 == only(after, "apoferritin").f1


def test_nothing_found_and_nothing_there_give_numbers():
    nothing = labels()
    missed = only(score([], [labels(apoferritin=[[0, 0, 0]])], [APO]))
    assert (missed.precision, missed.recall, missed.f1, missed.f4_czii) == (0.0, 0.0, 0.0, 0.0)
    assert np.isnan(missed.localisation_median_angstrom)
    invented = only(score([labels(apoferritin=[[0, 0, 0]])], [nothing], [APO]))
    assert (invented.precision, invented.recall, invented.f1) == (0.0, 0.0, 0.0)
    absent = only(score([nothing], [nothing], [APO]))
    assert (absent.precision, absent.recall, absent.f1, absent.f4_czii) == (1.0, 1.0, 1.0, 0.0)
    assert absent.curve is None


def test_orientation_errors_know_the_symmetry():
    rng = np.random.default_rng(3)
    poses = random_rotations(7, rng)
    elements = point_group("O").rotations
    equal = poses @ elements[rng.integers(0, 24, 7)] @ rotation_about("x", 4.0)
    places = scattered(4, 7)
    truth = labels(apoferritin=Picks(object_name="a", positions_angstrom_xyz=places, rotations=poses))
    found = labels(apoferritin=Picks(object_name="a", positions_angstrom_xyz=places, rotations=equal))
    assert only(score([found], [truth], [APO])).orientation_median_deg == pytest.approx(4.0, abs=1e-3)


def test_average_precision_of_a_known_list():
    curve = precision_recall([4.0, 3.0, 2.0, 1.0], [True, False, True, False], 4)
    assert curve.recall.tolist() == [0.25, 0.25, 0.5, 0.5]
    assert curve.average_precision == pytest.approx(0.25 * 1.0 + 0.25 * 2 / 3)
    ties = precision_recall([1.0, 1.0], [False, True], 1)
    assert ties.precision.tolist() == [0.5]


def test_confusion_counts_every_particle_and_every_pick_once():
    truth = labels(apoferritin=[[0, 0, 0], [300, 0, 0]], pp7_vlp=[[0, 600, 0]])
    found = labels(apoferritin=[[0, 0, 5], [0, 0, 900]], pp7_vlp=[[310, 0, 0]])
    table = confusion([found], [truth], [APO, VLP])
    assert table.names == ("apoferritin", "pp7-vlp")
    assert table.counts.tolist() == [[1, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_what_cannot_be_scored_is_refused():
    truth = labels(apoferritin=[[0, 0, 0]])
    with pytest.raises(ParameterError, match="TS-9"):
        score([labels("TS-9")], [truth], [APO])
    with pytest.raises(ParameterError, match="one entry per run"):
        score([truth], [truth, truth], [APO])
    with pytest.raises(ParameterError, match="match_fraction"):
        score([truth], [truth], [APO], match_fraction=0.0)
    with pytest.raises(GeometryError, match="finite"):
        score([labels(apoferritin=[[np.nan, 0, 0]])], [truth], [APO])
    nameless = Picks(object_name="a", positions_angstrom_xyz=[[0, 0, 0]], scores=[np.nan])
    with pytest.raises(ParameterError, match="finite"):
        score([labels(apoferritin=nameless)], [truth], [APO])


def test_methods_text_names_the_distance():
    assert "0.5 particle radii" in methods_text()
