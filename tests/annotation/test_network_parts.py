"""The pieces of detection by network: crops, targets, losses, peaks, thresholds, spectra."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tomoset.annotation.networks import AugmentationParams, Calibration, DetectorParams, PredictionParams
from tomoset.annotation.networks.augmentation import Crop, augment, flip_crop, turn_crop
from tomoset.annotation.networks.calibration import calibrate, calibrated, true_candidates
from tomoset.annotation.networks.inference import class_probabilities, mirrored_mean
from tomoset.annotation.networks.losses import detection_loss, segmentation_loss
from tomoset.annotation.networks.peaks import find_candidates
from tomoset.annotation.networks.sampling import Example, Sampler, class_weights
from tomoset.annotation.networks.targets import (
    cell_weights,
    cells_from_voxels,
    detection_targets,
    voxels_from_cells,
)
from tomoset.annotation.networks.volumes import match_spectrum, normal_volume, radial_amplitude
from tomoset.errors import GeometryError, InputMissingError, ParameterError
from tomoset.model import IGNORE, InMemory

PLAIN = AugmentationParams(flips=False, turn_share=0, contrast=0, offset=0)


def _crop(points, edge=16, spot=True):
    values = np.zeros((edge,) * 3, dtype=np.float32)
    zyx = np.stack(np.meshgrid(*(np.arange(edge),) * 3, indexing="ij"), axis=-1)
    for point in points:
        if spot:
            values += np.exp(-np.sum((zyx - point) ** 2, axis=-1) / 8).astype(np.float32)
    return Crop(values=values, points_zyx=(np.array(points, dtype=float),), mask=np.zeros((edge,) * 3, np.uint8))


def _centre(values):
    weights = np.maximum(values, 0)
    return np.array([np.average(i, weights=weights) for i in np.indices(values.shape)])


@given(st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_points_follow_a_mirrored_crop(axes):
    flipped = flip_crop(_crop([[5.0, 7.0, 10.0]]), axes)
    np.testing.assert_allclose(_centre(flipped.values), flipped.points_zyx[0][0], atol=0.1)


def test_points_follow_a_turned_crop():
    axis = np.array([0.6, 0.0, 0.8])
    turned = turn_crop(_crop([[10.0, 14.0, 12.0]], edge=24), 16, axis, 0.2)
    assert turned.values.shape == (16, 16, 16)
    np.testing.assert_allclose(_centre(turned.values), turned.points_zyx[0][0], atol=0.1)
    moved = np.linalg.norm(turned.points_zyx[0][0] + 4 - [10.0, 14.0, 12.0])
    assert moved > 0.3


def test_positions_and_cells_are_inverse():
    points = np.random.default_rng(0).uniform(0, 50, (10, 3))
    np.testing.assert_allclose(voxels_from_cells(cells_from_voxels(points)), points)
    np.testing.assert_allclose(cells_from_voxels(np.array([[0.5, 2.5, 4.5]])), [[0, 1, 2]])


def test_targets_are_a_unit_of_mass_whose_centre_is_the_position():
    point = np.array([[7.3, 9.1, 12.8]])
    heat, offset = detection_targets([np.zeros((0, 3)), point], 24)
    assert heat.shape == (2, 12, 12, 12)
    assert heat[0].sum() == 0
    assert heat[1].sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(_centre(heat[1]), cells_from_voxels(point)[0], atol=1e-6)
    cells = np.argwhere(heat[1] > 0)
    for z, y, x in cells:
        np.testing.assert_allclose([z, y, x] + offset[:, z, y, x], cells_from_voxels(point)[0], atol=1e-5)


def test_mass_never_exceeds_one_in_a_cell():
    close = np.array([[8.5, 8.5, 8.5], [8.6, 8.5, 8.5]])
    heat, _ = detection_targets([close, close], 16)
    assert heat.sum(axis=0).max() <= 1 + 1e-6


def test_cells_where_nobody_has_said_do_not_count():
    mask = np.zeros((16, 16, 16), dtype=np.uint8)
    mask[6, 6, 6] = IGNORE
    weights = cell_weights(mask)
    assert weights[3, 3, 3] == 0
    assert weights[4, 3, 3] == 1
    assert weights[0].sum() == 0


def test_least_loss_gives_the_probability():
    """Many cells alike with 30 % of mass: the best constant logits, freed of the weight, say 0.3."""
    heat = torch.full((1, 1, 4, 4, 4), 0.3)
    logits = torch.zeros(1, 5, 1, 1, 1, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.05)
    ones, zero = torch.ones(1, 4, 4, 4), torch.zeros(1, 3, 4, 4, 4)
    for _ in range(300):
        loss = detection_loss(logits.expand(1, 5, 4, 4, 4), heat, zero, ones, class_weights=[64.0], offset_weight=1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    p = class_probabilities(logits.detach()[0, :2], [64.0])
    assert float(p[1]) == pytest.approx(0.3, abs=0.01)


def test_ignored_cells_have_no_gradient():
    answer = torch.randn(1, 5, 4, 4, 4, requires_grad=True)
    weight = torch.ones(1, 4, 4, 4)
    weight[0, 1] = 0
    heat = torch.rand(1, 1, 4, 4, 4) * 0.5
    detection_loss(answer, heat, torch.zeros(1, 3, 4, 4, 4), weight, class_weights=[10.0], offset_weight=1).backward()
    assert float(answer.grad[0, :, 1].abs().max()) == 0
    assert float(answer.grad[0, :, 2].abs().max()) > 0

    classes = torch.zeros(1, 4, 4, 4, dtype=torch.int64)
    classes[0, 0], classes[0, 1] = 1, -1
    outlined = torch.randn(1, 3, 4, 4, 4, requires_grad=True)
    segmentation_loss(outlined, classes, dice_weight=1.0).backward()
    assert float(outlined.grad[0, :, 1].abs().max()) == 0
    nothing = segmentation_loss(outlined, torch.full_like(classes, -1), dice_weight=1.0)
    assert float(nothing.detach()) == 0


def _maps(points, n_classes=2, cells=24):
    maps = np.zeros((n_classes + 3, cells, cells, cells), dtype=np.float32)
    per_class = [np.array([p for k, p, _ in points if k == c], dtype=float).reshape(-1, 3) for c in range(n_classes)]
    heat, offset = detection_targets(per_class, 2 * cells)
    for k, p, share in points:
        near = (
            np.linalg.norm(np.indices(heat.shape[1:]).transpose(1, 2, 3, 0) - cells_from_voxels(np.array(p)), axis=-1)
            < 2.5
        )
        maps[k][near] += share * heat[k][near]
    maps[n_classes:] = offset
    return maps


def test_peaks_are_found_where_they_are():
    points = [(0, [10.2, 12.7, 30.1], 0.9), (1, [30.6, 20.3, 11.4], 0.6)]
    found = find_candidates(_maps(points), [40.0, 60.0], 10.0, exclusion_fraction=0.4)
    assert found.class_index.tolist() == [0, 1]
    np.testing.assert_allclose(found.voxels_zyx, [p for _, p, _ in points], atol=0.02)
    np.testing.assert_allclose(found.scores, [0.9, 0.6], atol=0.02)


def test_the_surer_of_two_that_are_too_near_stays():
    points = [(0, [20.0, 20.0, 20.0], 0.5), (1, [20.0, 20.0, 25.0], 0.8)]
    found = find_candidates(_maps(points), [40.0, 60.0], 10.0, exclusion_fraction=0.6)
    assert found.class_index.tolist() == [1]
    both = find_candidates(_maps(points), [40.0, 60.0], 10.0, exclusion_fraction=0.2)
    assert sorted(both.class_index.tolist()) == [0, 1]


def test_an_empty_answer_has_no_candidates():
    found = find_candidates(np.zeros((5, 8, 8, 8), np.float32), [40.0, 60.0], 10.0, exclusion_fraction=0.4)
    assert len(found) == 0
    assert found.posterior.shape == (0, 2)


def test_mirrored_answers_are_brought_back():
    class Local(torch.nn.Module):
        """Class logits from the voxels, offsets that point along the gradient of x."""

        def forward(self, values):
            pooled = torch.nn.functional.avg_pool3d(values, 2)
            slope = torch.diff(pooled, dim=4, prepend=pooled[..., :1]) + torch.diff(
                pooled, dim=4, append=pooled[..., -1:]
            )
            nothing = torch.zeros_like(pooled)
            return torch.cat([nothing, pooled, nothing, nothing, slope], dim=1)

    values = torch.randn(1, 1, 8, 8, 16)
    once = mirrored_mean(Local(), values, [1.0], 1)
    torch.testing.assert_close(mirrored_mean(Local(), values, [1.0], 8), once)


def test_thresholds_are_where_f1_is_best():
    rng = np.random.default_rng(0)
    good, bad = rng.beta(8, 2, 300), rng.beta(2, 8, 600)
    scores = np.concatenate([good, bad])
    hit = np.arange(900) < 300
    fitted = calibrate(scores, hit, 320)
    p = calibrated(scores, fitted)
    chosen = p >= fitted.threshold
    f1 = 2 * (chosen & hit).sum() / (chosen.sum() + 320)
    assert f1 == pytest.approx(fitted.f1, abs=0.006)
    likely = p > 0.8
    assert hit[likely].mean() == pytest.approx(p[likely].mean(), abs=0.05)
    assert p.mean() == pytest.approx(hit.mean(), abs=0.02)


def test_without_individuals_the_threshold_is_a_guess():
    assert calibrate(np.zeros(0), np.zeros(0, bool), 0).threshold == 0.25
    few = calibrate(np.array([0.99, 0.98, 0.97]), np.array([True, True, True]), 3)
    assert 0.4 < few.threshold <= 0.5
    assert math.isnan(calibrate(np.array([0.3]), np.array([False]), 0).f1)
    assert isinstance(few, Calibration)


def test_each_individual_is_found_once():
    positions = np.array([[0.0, 0, 0], [0.5, 0, 0], [9.0, 0, 0]])
    hit = true_candidates(positions, np.array([0.5, 0.9, 0.8]), np.array([[0.0, 0, 0], [20.0, 0, 0]]), 1.0)
    assert hit.tolist() == [False, True, False]
    assert not true_candidates(positions, np.ones(3), np.zeros((0, 3)), 1.0).any()


def test_volumes_are_read_protein_dark_and_beyond_their_ends():
    rng = np.random.default_rng(0)
    values = rng.normal(5, 2, (20, 30, 40)).astype(np.float32)
    dark = normal_volume(InMemory(values), contrast="dark", run="TS1")
    light = normal_volume(InMemory(values), contrast="light", run="TS1")
    np.testing.assert_allclose(dark.read((0, 0, 0), (20, 30, 40)), -light.read((0, 0, 0), (20, 30, 40)))
    assert dark.read((0, 0, 0), (20, 30, 40)).std() == pytest.approx(1, abs=0.05)
    beyond = dark.read((-4, 25, 36), (8, 8, 8))
    assert np.all(beyond[:4] == 0)
    assert np.all(beyond[4:, :5, :4] != 0)
    assert np.all(dark.read((40, 0, 0), (4, 4, 4)) == 0)
    for wrong, word in (
        (np.zeros((8, 8, 8), np.float32), "content"),
        (np.full((8, 8, 8), np.nan, np.float32), "finite"),
    ):
        with pytest.raises(GeometryError, match=word):
            normal_volume(InMemory(wrong), contrast="dark", run="TS1")


def test_spectra_are_measured_and_matched():
    rng = np.random.default_rng(1)
    white = normal_volume(InMemory(rng.standard_normal((48, 64, 64)).astype(np.float32)), contrast="dark", run="a")
    flat = radial_amplitude(white)
    np.testing.assert_allclose(flat[8:], 1, atol=0.1)
    wanted = np.linspace(2, 0.5, 32)
    matched = radial_amplitude(match_spectrum(white, wanted))
    ratio = matched[3:30] / wanted[3:30]
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.1)


def _example(points, mask=None, shape=(24, 40, 24)):
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return Example(
        run="TS1",
        volume=normal_volume(InMemory(values), contrast="dark", run="TS1"),
        points_zyx=points,
        mask_zyx=None if mask is None else InMemory(mask),
        trained_y=30,
    )


def test_crops_lie_in_the_trained_part_and_about_every_class():
    rare, common = np.array([[12.0, 5.0, 12.0]]), np.random.default_rng(0).uniform(0, 24, (200, 3))
    sampler = Sampler([_example((rare, common))], crop=16, balanced=1.0, augmentation=PLAIN)
    seen = 0
    for i in range(40):
        crop = sampler.draw(np.random.default_rng(i))
        assert crop.values.shape == (16, 16, 16)
        assert np.all(crop.mask == 0)
        seen += bool(np.all((crop.points_zyx[0] >= 0) & (crop.points_zyx[0] < 16)))
    assert seen > 15


def test_held_out_and_small_volumes_are_never_said_to_be_empty():
    example = _example((np.zeros((0, 3)),), mask=np.zeros((24, 40, 24), np.uint8))
    crop = Sampler([example], crop=32, balanced=0.0, augmentation=PLAIN).draw(np.random.default_rng(0))
    assert crop.mask.shape == (32, 32, 32)
    assert (crop.mask == 0).sum() == 24 * 30 * 24
    assert np.all((crop.mask == 0) | (crop.mask == IGNORE))
    with pytest.raises(InputMissingError, match="no label"):
        Sampler([_example((np.zeros((0, 3)),))], crop=16, balanced=0.5, augmentation=PLAIN)


def test_noise_of_empty_regions_is_added():
    noise = normal_volume(InMemory(np.random.default_rng(5).standard_normal((32, 32, 32)).astype(np.float32)),
                          contrast="dark", run="n")  # fmt: skip
    still = _crop([[8.0, 8.0, 8.0]])
    noisy = augment(lambda _: still, 16, PLAIN, np.random.default_rng(0), [noise])
    plain = augment(lambda _: still, 16, PLAIN, np.random.default_rng(0))
    np.testing.assert_array_equal(plain.values, still.values)
    assert 0 < (noisy.values - still.values).std() <= 0.6


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: DetectorParams(crop=20), "multiples of 8"),
        (lambda: DetectorParams(held_out=0.9), "held_out"),
        (lambda: DetectorParams(positive_weight=0), "positive_weight"),
        (lambda: AugmentationParams(turn_deg=90), "turn_deg"),
        (lambda: PredictionParams(flips=3), "flips"),
        (lambda: PredictionParams(tile=32, overlap=24), "overlap"),
        (lambda: PredictionParams(least_probability=2), "least_probability"),
    ],
)
def test_bad_parameters_say_what_is_wrong(make, word):
    with pytest.raises(ParameterError, match=word):
        make()


def test_rare_classes_weigh_more():
    rng = np.random.default_rng(0)
    common, rare, none = rng.uniform(0, 24, (400, 3)), np.full((2, 3), 5.0), np.zeros((0, 3))
    example = _example((common, rare, none))
    weights = class_weights([example], DetectorParams(crop=16, balanced=0.5, rarity=1.0, positive_weight=10.0))
    density = np.array([400, 2]) * 16**3 / (24 * 30 * 24) + 0.25
    np.testing.assert_allclose(np.array(weights[:2]) * density, 10 * density.mean())
    assert weights[2] == 10.0
    alike = class_weights([example], DetectorParams(crop=16, rarity=0.0, positive_weight=10.0))
    assert alike == (10.0, 10.0, 10.0)
