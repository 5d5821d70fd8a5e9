"""Motion within the field is found where there is some, left out where there is none, and kept as RELION writes it."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.errors import ParameterError
from tomoset.geometry import quadratic_terms
from tomoset.model import InMemory, MotionTrack, Movie, MovieSet, Resources, Silent
from tomoset.motion import MotionParams, centred_field, correct_motion
from tomoset.motion.local_basis import space_values, time_values, to_relion

SHAPE = (288, 320)
N_FRAMES = 8
PIXEL = 5.0
GRID = np.stack(np.meshgrid(*(2 * [np.linspace(-0.45, 0.45, 9)])), axis=-1).reshape(-1, 2)


def true_field(seed):
    """Quadratic pattern (2, 6) and course (t,) of a field without mean, pixels."""
    rng = np.random.default_rng(seed)
    pattern = rng.normal(0, 1.2, (2, 6)) * [0, 1, 1, 1, 1, 1]
    course = 1 - np.exp(-np.arange(N_FRAMES) / 3)
    return pattern, 4 * (course - course.mean())


def picture(balls, shift):
    """Balls at places (n, 2), −0.5 to 0.5, moved by (n, 2) pixels; 1 far from any."""
    size = np.array([SHAPE[1], SHAPE[0]])
    places = size // 2 + balls * size + shift
    y, x = np.arange(SHAPE[0]), np.arange(SHAPE[1])
    along_y = np.exp(-((y[:, None] - places[:, 1]) ** 2) / (2 * 2.5**2))
    along_x = np.exp(-((x[:, None] - places[:, 0]) ** 2) / (2 * 2.5**2))
    return np.clip(1 - 0.3 * along_y @ along_x.T, 0, None)


def local_movie(seed, strength, counts=30.0, n_balls=260):
    """Gaussian balls, each displaced by track and field at its own place."""
    rng = np.random.default_rng(seed)
    pattern, course = true_field(seed)
    track = np.cumsum(rng.normal(0.5, 0.3, (N_FRAMES, 2)), axis=0)
    track -= track.mean(axis=0)
    balls = rng.uniform(-0.5, 0.5, (n_balls, 2))
    moved = strength * course[:, None, None] * (quadratic_terms(balls) @ pattern.T)
    frames = [rng.poisson(counts * picture(balls, track[t] + moved[t])) for t in range(N_FRAMES)]
    movie = Movie(
        name=f"movie{seed}",
        frames_tyx=InMemory(np.array(frames, np.uint8)),
        nominal_tilt_deg=float(seed),
        acquisition_order=seed,
        dose_e_per_angstrom2=3.0,
        dose_before_e_per_angstrom2=3.0 * seed,
    )
    return movie, track, strength * course[:, None, None] * (quadratic_terms(GRID) @ pattern.T)


def series_of(movies, **params):
    movie_set = MovieSet(
        run="TS1", movies=tuple(movies), pixel_size_angstrom=PIXEL, gain_yx=None, nominal_tilt_axis_deg=0.0
    )
    return correct_motion(movie_set, MotionParams(**params), resources=Resources(), progress=Silent())


def test_the_field_is_found_below_a_third_of_a_pixel():
    movies, tracks, fields = zip(*(local_movie(seed, 1.0) for seed in range(3)), strict=True)
    series = series_of(movies)
    assert series.diagnostics["motion.local_accepted"] == 3
    for tilt, track, field in zip(series.tilts, tracks, fields, strict=True):
        found = tilt.motion.shift_xy_angstrom[:, None] + centred_field(tilt.motion.local_xy_angstrom, N_FRAMES, GRID)
        error = found / PIXEL - track[:, None] - field
        error -= error.mean(axis=0)
        assert np.sqrt(np.square(field).sum(axis=2).mean()) > 0.5
        assert np.sqrt(np.square(error).sum(axis=2).mean()) < 0.3


@pytest.mark.parametrize("seed", [3, 4, 6])
def test_few_balls_far_from_the_middle_of_their_patches_show_the_field_all_the_same(seed):
    """Cut once, patches that move as one ball does leave errors of 0.3 px."""
    movie, track, field = local_movie(seed, 2.0, counts=100.0, n_balls=24)
    (tilt,) = series_of([movie]).tilts
    found = tilt.motion.shift_xy_angstrom[:, None] + centred_field(tilt.motion.local_xy_angstrom, N_FRAMES, GRID)
    error = found / PIXEL - track[:, None] - field
    error -= error.mean(axis=0)
    assert np.sqrt(np.square(error).sum(axis=2).mean()) < 0.25


def test_sums_are_sharper_with_the_field_and_lie_at_the_mean_of_the_frames():
    movie, _, _ = local_movie(1, 3.0, counts=180.0)
    rng = np.random.default_rng(1)
    rng.normal(0.5, 0.3, (N_FRAMES, 2))
    truth = picture(rng.uniform(-0.5, 0.5, (260, 2)), 0.0)
    local, rigid = (series_of([movie], local_patches=n).images_nyx.read((0,)) for n in (5, 0))
    inside = (slice(16, -16), slice(16, -16))
    agreement = [np.corrcoef(one[inside].ravel(), truth[inside].ravel())[0, 1] for one in (local, rigid)]
    assert agreement[0] > 0.94, agreement
    assert agreement[0] > agreement[1] + 0.02, agreement


def test_where_nothing_moves_no_field_is_believed():
    series = series_of([local_movie(seed, 0.0)[0] for seed in range(4)])
    assert series.diagnostics["motion.local_accepted"] == 0
    assert all(tilt.motion.local_xy_angstrom is None for tilt in series.tilts)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [SHAPE, (24, 32)])
def test_pure_noise_has_no_field(shape, seed):
    movie, _, _ = local_movie(0, 0.0)
    noise = np.random.default_rng(seed).poisson(5, (N_FRAMES, *shape)).astype(np.uint8)
    series = series_of([replace(movie, frames_tyx=InMemory(noise))])
    assert series.diagnostics["motion.local_accepted"] == 0


def test_frames_that_are_all_alike_have_no_field():
    movie, _, _ = local_movie(0, 0.0)
    series = series_of([replace(movie, frames_tyx=InMemory(np.ones((N_FRAMES, *SHAPE), np.uint8)))])
    assert series.diagnostics["motion.local_accepted"] == 0
    np.testing.assert_array_equal(series.tilts[0].motion.shift_xy_angstrom, 0)


@pytest.mark.parametrize("n_frames", [3, 4, 8, 40])
def test_the_basis_is_orthonormal_and_relions_polynomial_is_the_same_field(n_frames):
    fine = (np.arange(200) + 0.5) / 200 - 0.5
    places = np.stack(np.meshgrid(fine, fine), axis=-1).reshape(-1, 2)
    space, time = space_values(places), time_values(n_frames)
    np.testing.assert_allclose(space.T @ space / len(space), np.eye(6), atol=1e-3)
    np.testing.assert_allclose(time.T @ time / n_frames, np.eye(time.shape[1]), atol=1e-8)
    np.testing.assert_allclose(time.mean(axis=0), 0, atol=1e-9)
    coefficients = np.random.default_rng(1).standard_normal((time.shape[1], 5, 2))
    field = np.einsum("tk,gj,kjc->tgc", time, space_values(GRID)[:, 1:], coefficients)
    relion = to_relion(coefficients, n_frames)
    np.testing.assert_allclose(centred_field(relion, n_frames, GRID), field, atol=1e-7)
    track = MotionTrack(shift_xy_angstrom=np.zeros((n_frames, 2)), local_xy_angstrom=relion)
    recorded = track.local_shift_xy_angstrom(GRID)
    np.testing.assert_allclose(recorded[0], 0, atol=1e-12)
    np.testing.assert_allclose(recorded - recorded.mean(axis=0), field, atol=1e-7)


def test_one_or_two_patches_are_refused():
    with pytest.raises(ParameterError, match="at least 3"):
        MotionParams(local_patches=2)
