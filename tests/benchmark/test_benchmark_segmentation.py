"""Laws of the scores of masks, known solids, ignored voxels, and MONAI's own numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from tomoset.benchmark import blocks, overlap, panoptic_quality, score_segmentation, skeletons, surfaces
from tomoset.benchmark.overlap import count_overlap, dice, iou
from tomoset.benchmark.skeletons import centreline_dice, medial_surface, surface_dice
from tomoset.benchmark.surfaces import surface_distances
from tomoset.errors import GeometryError, ParameterError
from tomoset.model import IGNORE, InMemory, PickableObject

LIPID = PickableObject(name="liposome", label=1, radius_angstrom=25.0, is_particle=False)


def ball(radius, n=40, centre=None):
    c = np.full(3, (n - 1) / 2) if centre is None else np.asarray(centre, dtype=float)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1)
    return (np.linalg.norm(grid - c, axis=-1) <= radius).astype(np.uint8)


def shell(inner, outer, n=40):
    return (ball(outer, n) & ~ball(inner, n).astype(bool)).astype(np.uint8)


masks = st.integers(0, 10_000).map(
    lambda seed: (np.random.default_rng(seed).random((7, 8, 9)) < np.random.default_rng(seed).random()).astype(np.uint8)
)


@given(masks, masks)
@settings(max_examples=60, deadline=None)
def test_dice_and_iou_are_those_of_sets_and_symmetric(a, b):
    both, either = (a & b).sum(), (a | b).sum()
    assert iou(a, b) == pytest.approx(both / either if either else 1.0)
    assert dice(a, b) == pytest.approx(2 * both / (a.sum() + b.sum()) if either else 1.0)
    assert dice(a, b) == dice(b, a)
    assert dice(a, a) == iou(a, a) == 1.0


@given(masks, masks)
@settings(max_examples=40, deadline=None)
def test_the_other_scores_are_symmetric_and_one_for_equal_masks(a, b):
    for measure in (surface_dice, centreline_dice):
        assert measure(a, b) == pytest.approx(measure(b, a))
    forth, back = surface_distances(a, b, 5.0), surface_distances(b, a, 5.0)
    assert forth.hausdorff_95_angstrom == back.hausdorff_95_angstrom
    assert forth.normalized_surface_dice(7.0) == back.normalized_surface_dice(7.0)
    same = surface_distances(a, a, 5.0)
    assert same.hausdorff_angstrom == same.mean_angstrom == 0.0
    assert same.normalized_surface_dice(0.0) == 1.0
    assert surface_dice(a, a) == centreline_dice(a, a) == 1.0


@given(st.tuples(*[st.integers(-4, 4)] * 3))
@settings(max_examples=20, deadline=None)
def test_moving_both_masks_changes_nothing(step):
    a, b = shell(5, 9, 32), shell(6, 10, 32)
    moved = [np.roll(m, step, (0, 1, 2)) for m in (a, b)]
    assert surface_dice(*moved) == surface_dice(a, b)
    assert centreline_dice(*moved) == centreline_dice(a, b)
    assert surface_distances(*moved, 1.0).hausdorff_95_angstrom == surface_distances(a, b, 1.0).hausdorff_95_angstrom


def test_concentric_balls_have_the_known_numbers():
    small, large = ball(12), ball(15)
    assert dice(small, large) == pytest.approx(2 * 12**3 / (12**3 + 15**3), abs=0.01)
    apart = surface_distances(small, large, 2.0)
    assert apart.mean_angstrom == pytest.approx(6.0, abs=0.6)
    assert apart.hausdorff_95_angstrom == pytest.approx(6.0, abs=1.5)  # three voxels of 2 Å, on a grid
    assert apart.normalized_surface_dice(8.0) == 1.0
    assert apart.normalized_surface_dice(3.0) == 0.0


def test_a_shifted_ball_is_no_farther_than_its_shift():
    apart = surface_distances(ball(10, centre=(20, 20, 17)), ball(10, centre=(20, 20, 20)), 10.0)
    assert apart.hausdorff_angstrom == pytest.approx(30.0)
    assert 0 < apart.hausdorff_95_angstrom <= 30.0


def test_a_membrane_of_another_thickness_keeps_its_surface_dice_and_a_bridge_costs():
    thin, thick = shell(13, 15), shell(12, 16)
    assert dice(thin, thick) < 0.75
    assert surface_dice(thin, thick) > 0.95
    holed = thick.copy()
    holed[:, :, 20:] = 0
    assert surface_dice(holed, thick) == pytest.approx(2 / 3, abs=0.03)
    assert surface_dice(shell(5, 8), thick) == 0.0


def test_the_medial_surface_of_a_plate_is_its_middle_plane():
    plate = np.zeros((21, 30, 30), dtype=bool)
    plate[8:13] = True
    expected = np.zeros_like(plate)
    expected[10] = True
    assert np.array_equal(medial_surface(plate), expected)
    assert medial_surface(np.zeros((4, 4, 4), dtype=bool)).sum() == 0


@given(masks)
@settings(max_examples=30, deadline=None)
def test_distances_to_the_border_are_those_of_a_distance_transform(mask):
    inside = mask > 0
    if inside.any() and not inside.all():
        index = np.argwhere(inside)
        got = skeletons._distance_to_border(inside, index)
        np.testing.assert_allclose(got, distance_transform_edt(inside), rtol=1e-6)


def test_a_cut_filament_loses_centre_line():
    rod = np.zeros((30, 16, 16), dtype=np.uint8)
    rod[2:28, 6:10, 6:10] = 1
    assert 20 <= skeletons._centre_line(rod > 0).sum() <= 30
    cut = rod.copy()
    cut[12:18] = 0
    assert centreline_dice(rod, rod) == 1.0
    assert 0.8 < centreline_dice(cut, rod) < 0.95


def test_what_is_to_be_ignored_changes_nothing():
    truth, found = shell(8, 12), shell(8, 13)
    rng = np.random.default_rng(0)
    truth_with_hole = truth.copy()
    truth_with_hole[:12] = IGNORE
    noisy = found.copy()
    noisy[:12] = rng.integers(0, 2, noisy[:12].shape)
    for measure in (dice, iou, surface_dice, centreline_dice):
        quiet = found.copy()
        quiet[:12] = 0
        assert measure(noisy, truth_with_hole) == pytest.approx(measure(quiet, truth_with_hole))
    clean, dirty = (surface_distances(m, truth_with_hole, 1.0) for m in (found, noisy))
    assert np.array_equal(np.sort(clean.from_predicted), np.sort(dirty.from_predicted))
    exact = np.where(truth_with_hole == IGNORE, noisy, truth)
    assert dice(exact, truth_with_hole) == 1.0
    assert surface_distances(exact, truth_with_hole, 1.0).hausdorff_angstrom == 0.0


def test_a_prediction_that_says_nothing_somewhere_misses_what_is_there():
    silent = np.full((4, 4, 4), IGNORE, dtype=np.uint8)
    truth = np.ones((4, 4, 4), dtype=np.uint8)
    counts = count_overlap(silent, truth)
    assert set(counts) == {1}
    assert counts[1].recall == 0.0


def test_one_empty_mask_gives_zero_and_infinity_two_give_one():
    none, some = np.zeros((20, 20, 20), dtype=np.uint8), ball(5, 20)
    for measure in (dice, iou, surface_dice, centreline_dice):
        assert measure(none, some) == 0.0
        assert measure(none, none) == 1.0
    apart = surface_distances(none, some, 1.0)
    assert apart.normalized_surface_dice(3.0) == 0.0
    assert np.isinf(apart.hausdorff_95_angstrom)


def test_slabs_do_not_change_a_score(monkeypatch):
    rng = np.random.default_rng(1)
    a = np.where(shell(9, 12), 1, 2 * (rng.random((40, 40, 40)) < 0.01)).astype(np.uint8)
    b = np.where(shell(8, 12), 1, 0).astype(np.uint8)

    def numbers():
        (s,) = score_segmentation(InMemory(a), InMemory(b), [LIPID], 10.0, run="TS-1")
        middles = (s.surface_dice, s.normalized_surface_dice, s.centreline_dice, s.hausdorff_95_angstrom)
        return (s.dice, *middles, panoptic_quality(a, b).panoptic_quality)

    whole = numbers()
    few = lambda shape, *, halo=0: blocks.slabs(shape, halo=halo, voxels=5 * 1600)  # noqa: E731
    for module in (overlap, surfaces, skeletons):
        monkeypatch.setattr(module, "slabs", few)
    monkeypatch.setattr("tomoset.benchmark.panoptic.slabs", few)
    assert numbers() == pytest.approx(whole)


def test_panoptic_quality_of_known_individuals():
    truth = np.zeros((10, 20, 20), dtype=np.uint32)
    truth[2:6, 2:6, 2:6], truth[2:6, 12:16, 2:6], truth[2:6, 2:6, 12:16] = 1, 2, 70_000
    found = np.zeros_like(truth)
    found[2:6, 2:6, 2:5], found[2:6, 12:16, 2:3], found[7:9, 7:9, 7:9] = 9, 8, 7
    result = panoptic_quality(found, truth)
    assert (result.n_matched, result.n_false, result.n_missed) == (1, 2, 2)
    assert result.segmentation_quality == pytest.approx(0.75)
    assert result.panoptic_quality == pytest.approx(0.75 / (1 + 1 + 1))
    assert result.panoptic_quality == pytest.approx(result.segmentation_quality * result.recognition_quality)
    hidden = np.zeros(truth.shape, dtype=bool)
    hidden[7:9] = True
    assert panoptic_quality(found, truth, ignore_zyx=hidden).n_false == 1
    apart = panoptic_quality(found, truth, predicted_classes={9: "vlp"}, true_classes={1: "apoferritin"})
    assert apart.n_matched == 0
    same = panoptic_quality(truth, truth)
    assert same.panoptic_quality == 1.0


def test_relabelling_individuals_changes_nothing():
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 5, (2, 6, 12, 12)).astype(np.uint16).repeat(2, axis=1)
    shuffle = np.array([0, 30, 7, 9, 2], dtype=np.uint16)
    assert panoptic_quality(shuffle[a], b).panoptic_quality == panoptic_quality(a, b).panoptic_quality
    assert panoptic_quality(shuffle[a], a).panoptic_quality == 1.0


def test_masks_that_cannot_be_compared_are_refused():
    with pytest.raises(GeometryError, match="grid of the truth"):
        dice(np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3, 4), np.uint8))
    with pytest.raises(ParameterError, match="threshold it first"):
        dice(np.zeros((3, 3, 3), np.float32), np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(ParameterError, match="0 to 255"):
        dice(np.full((3, 3, 3), 300), np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(ParameterError, match="voxel size"):
        score_segmentation(ball(3, 10), ball(3, 10), [LIPID], 0.0)
    with pytest.raises(ParameterError, match="individuals"):
        panoptic_quality(np.zeros((3, 3, 3)), np.zeros((3, 3, 3)))
