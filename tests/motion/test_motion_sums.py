"""Sums: dose weights, the loss of a warp, and the same answers from NumPy and torch."""

from dataclasses import replace

import numpy as np
import pytest
from test_motion_local import N_FRAMES, PIXEL, local_movie, series_of

from tomoset.errors import ParameterError
from tomoset.model import MovieSet, Resources, Silent
from tomoset.motion import MotionParams, correct, correct_motion, make_frame_grid
from tomoset.motion.arrays import numpy_arrays, select_arrays, torch_arrays
from tomoset.motion.sums import dose_weights, sum_frames
from tomoset.physics import critical_dose


def test_dose_weights_are_grant_and_grigorieffs_and_leave_noise_white():
    grid = make_frame_grid((64, 80), 1.5, None)
    ends = 12.0 + np.cumsum([1.0, 2.0, 0.5, 3.0])
    weights = np.array([dose_weights(grid, ends, 300.0)(t) for t in range(4)], dtype=np.float64)
    np.testing.assert_allclose(np.square(weights).sum(axis=0), 4, rtol=1e-5)
    np.testing.assert_allclose(weights[:, 0, 0], 1, rtol=1e-6)
    k = np.hypot(np.fft.fftfreq(64, 1.5)[9], np.fft.rfftfreq(80, 1.5)[14])
    expected = np.exp(-(ends[3] - ends[0]) / (2 * critical_dose(k)))
    assert weights[3, 9, 14] / weights[0, 9, 14] == pytest.approx(expected, rel=1e-5)


def test_the_weighted_sum_is_optional_and_keeps_the_counts():
    movie, _, _ = local_movie(2, 0.0)
    movie = replace(movie, dose_before_e_per_angstrom2=60.0, dose_e_per_angstrom2=40.0)
    assert series_of([movie]).dose_weighted_nyx is None
    series = series_of([movie], dose_weighted=True)
    plain, weighted = series.images_nyx.read((0,)), series.dose_weighted_nyx.read((0,))
    assert weighted.mean() == pytest.approx(plain.mean(), rel=1e-4)
    assert 0.9 < np.corrcoef(weighted.ravel(), plain.ravel())[0, 1] < 0.9999
    skewed = replace(movie, frame_dose_e_per_angstrom2=np.array([33.0] + [1.0] * (N_FRAMES - 1)))
    other = series_of([skewed], dose_weighted=True).dose_weighted_nyx.read((0,))
    assert np.abs(other - weighted).max() > 1


def test_a_warp_by_a_whole_field_of_fractions_keeps_white_noise_to_half_of_nyquist():
    """A cubic B-spline keeps all of the power below half of Nyquist; what it loses lies near Nyquist."""
    rng = np.random.default_rng(0)
    grid = make_frame_grid((256, 256), 1.0, None)
    noise = rng.standard_normal((256, 256)).astype(np.float32)
    transform = np.fft.rfft2(noise).astype(np.complex64)
    field = np.zeros((2, 3, 6))
    field[:, 0, 1:3] = 7.0  # one step a frame; two frames, of which half are seen each
    sums = sum_frames(numpy_arrays(), lambda t: transform.copy(), grid, np.zeros((2, 2)), field, None)
    kept, had = (np.square(np.abs(np.fft.fft2(one))) for one in (sums.odd_yx, noise))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    low = (radius > 0.02) & (radius < 0.25)
    assert 0.7 < kept.sum() / had.sum() < 1.0
    assert kept[low].sum() / had[low].sum() == pytest.approx(1, abs=0.03)


def corrected(movies, arrays, monkeypatch, **params):
    monkeypatch.setattr(correct, "select_arrays", lambda device: arrays)
    movie_set = MovieSet(
        run="TS1", movies=tuple(movies), pixel_size_angstrom=PIXEL, gain_yx=None, nominal_tilt_axis_deg=0.0
    )
    return correct_motion(movie_set, MotionParams(**params), resources=Resources(), progress=Silent())


@pytest.mark.parametrize("pixel", [None, 8.0])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_torch_gives_the_same_answer(strength, pixel, monkeypatch):
    movies = [local_movie(seed, strength)[0] for seed in range(2)]
    params = {"pixel_size_angstrom": pixel, "dose_weighted": True}
    one = corrected(movies, numpy_arrays(), monkeypatch, **params)
    other = corrected(movies, torch_arrays("cpu"), monkeypatch, **params)
    assert one.diagnostics["motion.local_accepted"] == other.diagnostics["motion.local_accepted"] == 2 * strength
    for a, b in zip(one.tilts, other.tilts, strict=True):
        difference = a.motion.shift_xy_angstrom - b.motion.shift_xy_angstrom
        assert np.abs(difference).max() < 1e-3 * PIXEL
    for name in ("images_nyx", "odd_nyx", "even_nyx", "dose_weighted_nyx"):
        a, b = getattr(one, name).read(()), getattr(other, name).read(())
        assert np.sqrt(np.square(a - b).mean()) < 1e-3 * np.sqrt(np.square(a - a.mean()).mean())


def test_a_device_that_is_not_there_is_refused():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ParameterError, match="--device cpu"):
        select_arrays("cuda")
