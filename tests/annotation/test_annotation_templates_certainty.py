"""How sure picks are said to be, against draws whose truth is known; hand and contrast."""

import numpy as np
import pytest

from tomoset.annotation.templates.certainty import best_of_each, class_probabilities, false_discovery_rates, fit_mixture
from tomoset.annotation.templates.competition import Hits
from tomoset.annotation.templates.hand import contrast_is_inverted, hand_log_likelihood, mirrored
from tomoset.annotation.templates.preparation import Prepared
from tomoset.annotation.templates.refine import Refiner
from tomoset.annotation.templates.residual import add_template, subtract
from tomoset.annotation.templates.template_spectrum import template_spectrum
from tomoset.annotation.templates.whitening import WhitenedVolume
from tomoset.geometry import random_rotations
from tomoset.structures import built_in_structure

VOXEL = 40.0 / 3.0


def draws(rng, n_true, n_false, least=0.5):
    """Ratios as the mixture describes them, and which are true."""
    true = []
    while len(true) < n_true:
        side = rng.random() < 0.06 * np.sqrt(np.pi / 2) / (0.06 * np.sqrt(np.pi / 2) + 0.09)
        value = 1.0 + abs(rng.normal(0, 0.06)) if side else 1.0 - rng.exponential(0.09)
        if value > least:
            true.append(value)
    false = least + rng.exponential(0.12, n_false)
    return np.concatenate([true, false]), np.arange(n_true + n_false) < n_true


@pytest.mark.parametrize(("n_true", "n_false"), [(900, 100), (600, 300), (400, 10)])
def test_the_stated_share_of_false_picks_is_the_true_one(n_true, n_false):
    ratio, true = draws(np.random.default_rng(n_false), n_true, n_false)
    mixture = fit_mixture(ratio, 0.5)
    doubt = mixture.false_probability(ratio)
    assert mixture.false_share == pytest.approx(n_false / (n_true + n_false), abs=0.05)
    kept = doubt < 0.5
    stated = false_discovery_rates(doubt[kept], ratio[kept]).max()
    assert stated == pytest.approx(np.mean(~true[kept]), abs=0.02)


def test_a_handful_of_good_picks_is_believed():
    mixture = fit_mixture(np.array([0.97, 1.02, 0.99]), 0.5)
    assert mixture.false_probability(np.array([0.97, 1.0])).max() < 0.05
    assert mixture.false_probability(np.array([0.52]))[0] > 0.4
    assert fit_mixture(np.zeros(0), 0.5).false_share < 0.2


def test_cut_particles_are_doubted_more():
    ratio = np.array([0.75, 0.85, 1.0, 1.02, 0.98, 0.6, 0.55])
    whole, cut = fit_mixture(ratio, 0.5), fit_mixture(ratio, 0.5, cut=True)
    assert np.all(cut.false_probability(ratio)[:2] > whole.false_probability(ratio)[:2])


def test_rates_never_fall_as_scores_get_worse():
    rng = np.random.default_rng(2)
    scores, doubt = rng.normal(size=50), rng.random(50)
    rates = false_discovery_rates(doubt, scores)
    assert np.all(np.diff(rates[np.argsort(-scores)]) >= 0)
    assert rates.max() >= doubt.mean() - 1e-12


def test_probabilities_follow_likelihoods_and_priors():
    ratios = np.array([[10.0, 0.0], [10.0, 10.0], [0.0, 0.0]])
    found = class_probabilities(ratios, np.array([1e-3, 1e-3]), np.array([0.1, 0.0, 0.0]))
    assert found[0, 0] == pytest.approx(0.9 * np.exp(10) * 1e-3 / (np.exp(10) * 1e-3 + 1e-3 + 0.998))
    assert found[1, 0] == pytest.approx(found[1, 1])
    assert found[2].sum() < 3e-3
    assert np.all(found.sum(axis=1) <= 1)


def test_the_best_rival_is_near():
    best = best_of_each(np.array([[0.0, 0, 0]]), [np.array([[10.0, 0, 0], [90.0, 0, 0]])], [np.array([3.0, 9.0])], 30.0)
    assert best.tolist() == [[3.0]]


def test_the_hand_of_a_molecule_is_told():
    """Two copies in noise: the template wins over its mirror image, and a mirrored template loses as clearly."""
    structure = built_in_structure("proteasome")
    n = 40
    weight = np.ones((24, 24, 13), np.float32)
    weight[0, 0, 0] = 0
    rng = np.random.default_rng(4)
    volume = rng.normal(0, 1.0, (n, n, n)).astype(np.float32)
    prepared = Prepared(WhitenedVolume(volume, VOXEL, (n, n, n)), weight)
    fit = Refiner(template_spectrum(structure, VOXEL), weight, structure.radius_angstrom, VOXEL, 8.0)
    rotation = random_rotations(1, rng)
    place = np.array([[260.0, 262.0, 258.0]])
    add_template(prepared, fit, place[0], rotation[0], 2.0)
    hits = Hits(place, rotation, np.array([2 * fit.norm(rotation[0])]), np.array([fit.norm(rotation[0])]))
    amplitudes = subtract(prepared, hits, fit, 4.0)
    right = hand_log_likelihood(prepared, hits, amplitudes, structure, "D7")
    assert right > 10
    assert hand_log_likelihood(prepared, hits.select(np.zeros(1, bool)), amplitudes[:0], structure, "D7") == 0.0
    turned = mirrored(mirrored(structure))
    np.testing.assert_allclose(turned.positions_angstrom_xyz, structure.positions_angstrom_xyz)


def test_inverted_contrast_is_noticed():
    rng = np.random.default_rng(0)
    noise, real = 4.5 + rng.exponential(0.3, 200), np.concatenate([np.full(30, 15.0), 4.5 + rng.exponential(0.3, 99)])
    assert not contrast_is_inverted([real], [noise])
    assert not contrast_is_inverted([noise], [noise])
    assert contrast_is_inverted([noise], [real])
    assert not contrast_is_inverted([np.zeros(0)], [np.zeros(0)])
