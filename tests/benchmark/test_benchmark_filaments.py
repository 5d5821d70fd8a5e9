"""Scores of filaments on curves whose answer is known."""

import numpy as np
import pytest

from tomoset.benchmark.filaments import evenly_spaced, pooled_filaments, score_filaments
from tomoset.errors import ParameterError
from tomoset.model import FilamentTrace


def rod(start, end, number=1, polarity=0):
    return FilamentTrace(
        object_name="rod",
        instance_id=number,
        points_angstrom_xyz=np.linspace(start, end, 5),
        radius_angstrom=90.0,
        polarity=polarity,
    )


def scored(traced, truth, **options):
    return score_filaments(traced, truth, tolerance_angstrom=45.0, **options)


def test_the_truth_scores_perfectly_in_either_order():
    truth = [rod((0, 0, 0), (1000, 0, 0), polarity=1), rod((0, 500, 0), (0, 500, 800), 2, polarity=1)]
    traced = [rod((1000, 0, 0), (0, 0, 0), polarity=-1), rod((0, 500, 0), (0, 500, 800), 2)]
    score = scored(traced, truth)
    assert score.length_recall == score.length_precision == score.instance_f1 == score.polarity_accuracy == 1
    assert (score.n_polarity_decided, score.n_splits, score.n_merges) == (1, 0, 0)
    assert score.rms_distance_angstrom == pytest.approx(0, abs=1e-9)


def test_half_a_filament_is_half_the_length_and_still_the_individual():
    score = scored([rod((0, 30, 0), (600, 30, 0))], [rod((0, 0, 0), (1000, 0, 0))])
    assert score.length_recall == pytest.approx(0.63, abs=0.02)  # the end reaches another sqrt(45² - 30²) Å
    assert score.length_precision == 1
    assert score.n_matched == 1
    assert score.rms_distance_angstrom == pytest.approx(30, abs=0.1)


def test_what_lies_beyond_the_tolerance_is_wrong():
    score = scored([rod((0, 46, 0), (1000, 46, 0))], [rod((0, 0, 0), (1000, 0, 0))])
    assert score.length_recall == score.length_precision == score.instance_f1 == 0


def test_a_split_and_a_merge_are_counted():
    truth = [rod((0, 0, 0), (1000, 0, 0))]
    halves = [rod((0, 0, 0), (480, 0, 0)), rod((520, 0, 0), (1000, 0, 0), 2)]
    split = scored(halves, truth)
    assert (split.n_splits, split.n_merges, split.n_matched) == (1, 0, 1)
    merged = scored(truth, halves)
    assert (merged.n_splits, merged.n_merges, merged.n_matched) == (0, 1, 1)
    assert merged.instance_f1 == pytest.approx(2 / 3)


def test_the_wrong_polarity_is_wrong_and_an_undecided_one_is_not_counted():
    truth = [rod((0, 0, 0), (1000, 0, 0), polarity=1)]
    assert scored([rod((0, 0, 0), (1000, 0, 0), polarity=-1)], truth).polarity_accuracy == 0
    assert scored([rod((1000, 0, 0), (0, 0, 0), polarity=-1)], truth).polarity_accuracy == 1
    assert np.isnan(scored([rod((0, 0, 0), (1000, 0, 0))], truth).polarity_accuracy)


def test_short_pieces_are_neither_asked_for_nor_wrong():
    truth = [rod((0, 0, 0), (1000, 0, 0)), rod((0, 900, 0), (300, 900, 0), 2)]
    traced = [rod((0, 0, 0), (1000, 0, 0)), rod((0, 900, 0), (300, 900, 0), 2)]
    for found in (traced, traced[:1]):
        score = scored(found, truth, least_length_angstrom=360.0)
        assert score.length_recall == score.length_precision == score.instance_f1 == 1


def test_nothing_traced_and_nothing_there():
    one = [rod((0, 0, 0), (1000, 0, 0))]
    assert scored([], one).length_recall == 0
    assert scored(one, []).length_precision == 0
    assert np.isnan(scored([], []).instance_f1)


def test_scores_of_several_tomograms_add_up():
    one = [rod((0, 0, 0), (1000, 0, 0))]
    pooled = pooled_filaments([scored(one, one), scored([], one)])
    assert pooled.length_recall == 0.5
    assert pooled.instance_f1 == pytest.approx(2 / 3)


def test_samples_are_the_middles_of_equal_pieces():
    samples = evenly_spaced(np.array([[0.0, 0, 0], [50, 0, 0], [50, 50, 0]]), 10.0)
    assert len(samples) == 10
    np.testing.assert_allclose(samples[[0, -1]], [[5, 0, 0], [50, 45, 0]])


@pytest.mark.parametrize(("tolerance", "overlap"), [(0.0, 0.5), (float("nan"), 0.5), (45.0, 0.0), (45.0, 1.5)])
def test_a_tolerance_that_means_nothing_is_refused(tolerance, overlap):
    with pytest.raises(ParameterError, match="tolerance above 0"):
        score_filaments([], [], tolerance_angstrom=tolerance, overlap=overlap)
