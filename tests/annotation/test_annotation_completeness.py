"""Capture and recapture: textbook figures, coverage of the interval, and words where sets are not independent."""

import math

import numpy as np
import pytest

from tomoset.annotation.completeness import chapman, completeness_of, completeness_of_consensus, darroch
from tomoset.annotation.consensus import ConsensusParams, reach_consensus
from tomoset.errors import ParameterError
from tomoset.model import Labels, PickableObject, Picks, Resources, Silent

BEAD = PickableObject(name="bead", label=1, radius_angstrom=50.0)


def test_chapman_is_that_of_the_textbook():
    # Seber 1982, ch. 3: (n1 + 1)(n2 + 1)/(m + 1) - 1
    estimate, low, high = chapman(200, 150, 75)
    assert estimate == pytest.approx(201 * 151 / 76 - 1)
    assert 275 < low < estimate < high
    assert chapman(50, 40, 40) == (50.0, 50.0, 50.0)
    with pytest.raises(ParameterError, match="at most 40"):
        chapman(50, 40, 41)


def test_two_samples_give_the_lincoln_petersen_number_by_darroch():
    estimate, _, _ = darroch([200, 150], 200 + 150 - 75)
    assert estimate == pytest.approx(200 * 150 / 75, rel=1e-6)
    assert darroch([20, 30], 50)[0] == math.inf
    assert darroch([20, 30], 30) == (30.0, 30.0, 30.0)


@pytest.mark.parametrize("sensitivities", [(0.8, 0.6), (0.8, 0.7, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(sensitivities):
    rng = np.random.default_rng(0)
    hits, estimates = 0, []
    for _ in range(400):
        caught = rng.random((300, len(sensitivities))) < sensitivities
        seen = int(caught.any(axis=1).sum())
        sums = caught.sum(axis=0)
        if len(sensitivities) == 2:
            estimate, low, high = chapman(sums[0], sums[1], int(caught.all(axis=1).sum()))
        else:
            estimate, low, high = darroch(sums, seen)
        hits += low <= 300 <= high
        estimates.append(estimate)
    assert 0.91 <= hits / 400 <= 0.985
    assert np.mean(estimates) == pytest.approx(300, rel=0.01)


def labels_by(user, points, *, scores=None, session="1", method=""):
    picks = Picks(object_name="bead", positions_angstrom_xyz=points, scores=scores)
    return Labels(run="TS1", user=user, session=session, voxel_size_angstrom=10.0, picks=(picks,), method=method)


def sets(rng, chances, n=400, scores=None):
    points = np.stack(np.meshgrid(*([np.arange(0, 1600.0, 200)] * 3), indexing="ij"), -1).reshape(-1, 3)[:n]
    out = []
    for user, chance in chances.items():
        found = rng.random(n) < chance
        moved = points[found] + rng.normal(0, 4, (found.sum(), 3))
        out.append(labels_by(user, moved, scores=None if scores is None else scores[found]))
    return out


def test_independent_sets_estimate_what_all_have_missed():
    rng = np.random.default_rng(1)
    (two,) = completeness_of(sets(rng, {"a": 0.8, "b": 0.6}), [BEAD])
    assert two.low < 400 < two.high
    assert abs(two.share_seen - 0.92) < 0.03
    assert two.warnings == ("two sets cannot show whether they are independent; a third can",)
    (three,) = completeness_of(sets(rng, {"a": 0.7, "b": 0.6, "c": 0.5}), [BEAD])
    assert three.low < 400 < three.high
    assert three.warnings == ()


def test_dependence_is_said():
    rng = np.random.default_rng(2)
    easy = np.where(np.arange(400) < 200, 0.95, 0.15)
    (found,) = completeness_of(sets(rng, {"a": easy, "b": easy, "c": easy}), [BEAD])
    assert any("not independent" in w and "low" in w for w in found.warnings)
    assert found.high < 400
    (found,) = completeness_of(sets(rng, {"a": easy, "b": easy}, scores=easy + rng.normal(0, 0.1, 400)), [BEAD])
    assert any("surer picks of a/1" in w for w in found.warnings)
    points = np.zeros((1, 3))
    (found,) = completeness_of([labels_by("a", points), labels_by("a", points, session="2")], [BEAD])
    assert any("one author" in w for w in found.warnings)
    (found,) = completeness_of([labels_by("a", points, method="m"), labels_by("b", points, method="m")], [BEAD])
    assert any("one method" in w for w in found.warnings)
    with pytest.raises(ParameterError, match="independently"):
        completeness_of([labels_by("a", points)], [BEAD])


def test_false_picks_hardly_count_when_sites_count_with_their_probability():
    rng = np.random.default_rng(3)
    made = sets(rng, {"a": 0.8, "b": 0.7, "c": 0.6})
    false = [rng.uniform(0, 1600, (60, 3)) for _ in made]
    made = [
        labels_by(m.user, np.concatenate([m.of("bead").positions_angstrom_xyz, f]))
        for m, f in zip(made, false, strict=True)
    ]
    consensus = reach_consensus(
        made, [BEAD], ConsensusParams(), volumes_angstrom3={"TS1": 1e11}, resources=Resources(), progress=Silent()
    )
    (plain,), (weighed,) = completeness_of(made, [BEAD]), completeness_of_consensus(consensus, [BEAD])
    assert plain.low > 430
    assert weighed.low < 405
    assert weighed.high > 398
    assert weighed.estimate == pytest.approx(400, abs=12)


def test_a_class_without_picks_has_no_estimate():
    empty = np.zeros((0, 3))
    (found,) = completeness_of([labels_by("a", empty), labels_by("b", empty)], [BEAD])
    assert math.isnan(found.estimate)
    assert found.n_seen == 0
