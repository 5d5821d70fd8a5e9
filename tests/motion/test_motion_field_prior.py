"""The prior of a field leaves strong motion alone, halves the noise of one common course and vanishes with nothing."""

import numpy as np
import pytest

from tomoset.motion.field_prior import most_probable_field


def information(seed=0):
    """Curvature of 12 coefficients that know of one another, the two common shifts best."""
    design = np.random.default_rng(seed).standard_normal((60, 12)) * np.r_[3, 3, np.ones(10)]
    return design.T @ design


def seen(truth, curvature, noise, seed=0):
    """Slope at zero of coefficients seen with a noise in their own standard errors."""
    errors = np.random.default_rng(seed).standard_normal(truth.shape) @ np.linalg.cholesky(curvature).T
    return truth @ curvature + noise * errors


def test_what_is_seen_well_is_left_as_it_is():
    curvature = information()
    truth = np.random.default_rng(1).standard_normal((3, 12)) * 1e4
    found = most_probable_field(seen(truth, curvature, 1.0), curvature, np.zeros((3, 12)))
    expected = np.linalg.solve(curvature, seen(truth, curvature, 1.0).T).T
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_leaves_no_field_but_any_common_shift(seed):
    curvature = information(seed)
    truth = np.zeros((3, 12))
    truth[:, :2] = 50.0
    slope = seen(truth, curvature, 1.0, seed)
    found = most_probable_field(slope, curvature, np.zeros((3, 12)))
    free = np.linalg.solve(curvature, slope.T).T
    assert found[:, :2] == pytest.approx(truth[:, :2], abs=0.2)

    def power(field):
        return np.einsum("km,mn,kn->", field, curvature[2:, 2:], field)

    assert power(found[:, 2:]) < 0.35 * power(free[:, 2:])


def test_one_course_everywhere_is_told_from_three():
    """Ten coefficients of one course are 10 + 2 unknowns, not 30: the errors' power falls to about that share."""
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        curvature = information(seed)
        truth = np.outer([1.0, 0.5, 0.2], np.r_[0, 0, rng.standard_normal(10)]) * 2
        slope = seen(truth, curvature, 1.0, seed)
        found = most_probable_field(slope, curvature, np.zeros((3, 12)))
        free = np.linalg.solve(curvature, slope.T).T
        shares.append([np.square(one - truth)[:, 2:].sum() for one in (found, free)])
    found, free = np.mean(shares, axis=0)
    assert found < 0.6 * free


def test_the_answer_does_not_depend_on_where_slopes_were_taken():
    curvature = information()
    truth = np.random.default_rng(2).standard_normal((2, 12))
    slope, current = seen(truth, curvature, 1.0), np.random.default_rng(3).standard_normal((2, 12))
    there = most_probable_field(slope - current @ curvature, curvature, current)
    np.testing.assert_allclose(there, most_probable_field(slope, curvature, np.zeros((2, 12))), rtol=1e-9, atol=1e-12)
