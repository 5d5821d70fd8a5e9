"""The joint fit's derivatives against differences, and what the series makes of the focus of its tilts."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.ctf import CtfParams
from tomoset.ctf.focus_prior import expected_focus
from tomoset.ctf.spectra import TileSpectra, ring_grid
from tomoset.ctf.tilt_model import N_GEOMETRY, Rings, TiltData, TiltState, View, evaluate
from tomoset.model import Optics


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    grid = ring_grid((512, 512), 5.0, CtfParams())
    shape = (5, *grid.count.shape)
    mean = 1 + 2 * np.exp(-40 * grid.frequency) * np.sin(4e3 * grid.frequency**2) ** 2
    spectra = TileSpectra(
        power=(mean * rng.gamma(20, 1 / 20, shape)).astype(np.float32),
        position_xy_angstrom=rng.uniform(-1000, 1000, (5, 2)),
        n_tiles=np.array([1.0, 2.0, 1.0, 1.0, 3.0]),
        extent_angstrom=150.0,
    )
    return TiltData(spectra, Rings.of(grid, Optics()))


def state_of(data, parameters):
    return TiltState(
        defocus_angstrom=float(parameters[0]),
        astigmatism_xy=parameters[3:5],
        shape=parameters[N_GEOMETRY:],
        occupancy=np.array([0.5, 1.0, 1.5, 1.0, 1.0]),
    )


def test_the_gradient_is_that_of_the_likelihood(data):
    rng = np.random.default_rng(1)
    parameters = np.concatenate([[35000.0, 0.3, -0.2, 120.0, -80.0], 0.1 * rng.standard_normal(data.rings.n_shape)])
    steps = np.concatenate([[1.0, 1e-3, 1e-3, 1.0, 1.0], np.full(data.rings.n_shape, 1e-4)])
    # The damping by a tile's own slope and by the rings' width is taken as known: hold it while differences are made.
    still = replace(data, spectra=replace(data.spectra, extent_angstrom=0.0))
    still = replace(still, rings=replace(still.rings, grid=replace(still.rings.grid, ring_width=0.0)))

    def value(p):
        return evaluate(still, state_of(still, p), View(p[1:3], 1.1), 1500.0)

    found = value(parameters).gradient
    for i, step in enumerate(steps):
        move = np.zeros_like(parameters)
        move[i] = step
        expected = (value(parameters + move).value - value(parameters - move).value) / (2 * step)
        assert found[i] == pytest.approx(expected, rel=1e-3, abs=1e-3 * np.abs(found * steps).max() / step)


def test_information_is_symmetric_and_positive(data):
    parameters = np.concatenate([[35000.0, 0.3, -0.2, 0.0, 0.0], np.zeros(data.rings.n_shape)])
    found = evaluate(data, state_of(data, parameters), View(parameters[1:3], 1.0), 0.0).information
    np.testing.assert_allclose(found, found.T)
    scale = np.sqrt(np.diag(found))
    assert np.linalg.eigvalsh(found / np.outer(scale, scale)).min() > -1e-9


def test_the_focus_of_a_series_is_its_slow_course_and_its_scatter():
    rng = np.random.default_rng(2)
    tilt = np.arange(-45.0, 46.0, 3.0)
    dose = rng.permutation(31) * 3.2
    course = 35000 + 600 * (1 - np.cos(np.deg2rad(tilt))) + 8 * dose
    error = np.full(31, 100.0)
    error[4] = 5000.0
    measured = course + 300 * rng.standard_normal(31) + error * rng.standard_normal(31)
    measured[20] += 4000.0  # refocused
    mean, precision, scatter = expected_focus(measured, error, tilt, dose)
    assert 150 < scatter < 600
    assert np.abs(mean - course).mean() < 200
    # The tilt that was refocused is pulled by no more than two standard deviations' worth.
    assert precision[20] < 0.3 * precision[4]
    pull = precision[20] * (measured[20] - mean[20]) * error[20] ** 2
    assert abs(pull) < 200
