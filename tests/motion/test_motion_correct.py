"""The stage as a whole: gain, defects, motion, sums, and what is done with bad input."""

from dataclasses import replace

import numpy as np
import pytest

from tomoset.errors import GeometryError, ParameterError
from tomoset.model import InMemory, Movie, MovieSet, Resources, Silent
from tomoset.motion import MotionParams, correct_motion, methods_text
from tomoset.physics import fourier_shift_2d

SHAPE = (128, 160)
N_FRAMES = 6
PIXEL = 5.0
COUNTS = 15.0


def make_movies(n_tilts=3, seed=0, residue=0.0):
    """Movies of random scenes, their true tracks (n, t, 2) in Å and the moved scenes of frame sums."""
    rng = np.random.default_rng(seed)
    sensitivity = 1 + 0.1 * rng.standard_normal(SHAPE)
    gain = (1 / sensitivity * (1 + residue * rng.standard_normal(SHAPE))).astype(np.float32)
    ky, kx = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])[None, :]
    movies, tracks, scenes = [], [], []
    for tilt in range(n_tilts):
        picture = np.fft.irfft2(
            np.fft.rfft2(rng.standard_normal(SHAPE)) * np.exp(-(ky**2 + kx**2) / (2 * 0.08**2)), s=SHAPE
        )
        scene = COUNTS * (1 + 0.2 * picture / picture.std())
        track = np.cumsum(rng.normal(0, 0.7, (N_FRAMES, 2)), axis=0)
        track -= track.mean(axis=0)
        transform = np.fft.rfft2(scene)
        frames = [np.fft.irfft2(fourier_shift_2d(transform, SHAPE, tuple(s)), s=SHAPE) for s in track]
        counted = rng.poisson(np.clip(np.array(frames) * sensitivity, 0, None)).astype(np.uint8)
        counted[:, 40, 50] = 255
        movies.append(
            Movie(
                name=f"TS1_{tilt}.tif",
                frames_tyx=InMemory(counted),
                nominal_tilt_deg=float(-45 + 45 * tilt),
                acquisition_order=tilt,
                dose_e_per_angstrom2=3.0,
                dose_before_e_per_angstrom2=3.0 * tilt,
            )
        )
        tracks.append(track * PIXEL)
        scenes.append(scene)
    series = MovieSet(
        run="TS1",
        movies=tuple(movies),
        pixel_size_angstrom=PIXEL,
        gain_yx=InMemory(gain),
        nominal_tilt_axis_deg=85.3,
    )
    return series, np.array(tracks), np.array(scenes)


def correct(movies, params=None, **resources):
    return correct_motion(movies, params or MotionParams(), resources=Resources(**resources), progress=Silent())


@pytest.fixture(scope="module")
def phantom():
    return make_movies()


def test_tracks_follow_the_specimen(phantom):
    movies, tracks, _ = phantom
    series = correct(movies)
    found = np.array([tilt.motion.shift_xy_angstrom for tilt in series.tilts])
    error = np.sqrt(np.square(found - tracks).sum(axis=2).mean(axis=1)) / PIXEL
    assert error.max() < 0.1
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-9)


def test_sums_show_the_scene_where_it_is_on_average(phantom):
    movies, _, scenes = phantom
    series = correct(movies)
    images, odd, even = (source.read(()) for source in (series.images_nyx, series.odd_nyx, series.even_nyx))
    np.testing.assert_array_equal(images, odd + even)
    for image, scene in zip(images, scenes, strict=True):
        residual = image / N_FRAMES - scene
        assert abs(residual.mean()) < 0.1
        # Shot noise of the mean of six frames, spread by nothing else: a blurred or unmended sum is far above it.
        assert residual.std() == pytest.approx(np.sqrt(COUNTS / N_FRAMES), rel=0.1)
    assert images.dtype == np.float32
    assert series.diagnostics["motion.defects_replaced"] >= 3


def test_rows_carry_the_facts_of_their_movies(phantom):
    movies, _, _ = phantom
    series = correct(movies)
    assert [tilt.name for tilt in series.tilts] == [movie.name for movie in movies.movies]
    assert [tilt.dose_before_e_per_angstrom2 for tilt in series.tilts] == [0.0, 3.0, 6.0]
    assert series.nominal_tilt_axis_deg == 85.3
    for tilt, image in zip(series.tilts, series.images_nyx.read(()), strict=True):
        assert tilt.use
        assert tilt.mean_counts == pytest.approx(N_FRAMES * COUNTS, rel=0.01)
        assert tilt.mean_counts == pytest.approx(float(image.mean()), rel=1e-5)


def test_workers_and_memory_never_change_a_bit(phantom):
    movies, _, _ = phantom
    one, many, small = correct(movies), correct(movies, workers=3), correct(movies, memory_gib=1e-6)
    for other in (many, small):
        np.testing.assert_array_equal(one.images_nyx.read(()), other.images_nyx.read(()))
        for a, b in zip(one.tilts, other.tilts, strict=True):
            np.testing.assert_array_equal(a.motion.shift_xy_angstrom, b.motion.shift_xy_angstrom)


def test_results_go_where_the_workflow_says(phantom, tmp_path):
    movies, _, _ = phantom
    asked = []

    def allocate(name, shape, dtype):
        asked.append((name, shape))
        return np.lib.format.open_memmap(tmp_path / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)

    series = correct(movies, allocate=allocate)
    assert asked == [(name, (3, *SHAPE)) for name in ("images", "odd", "even")]
    np.testing.assert_array_equal(np.load(tmp_path / "odd.npy"), series.odd_nyx.read(()))


def test_the_gain_residue_is_reported():
    movies, _, _ = make_movies(seed=1, residue=0.03)
    assert correct(movies).diagnostics["motion.gain_residue"] == pytest.approx(0.03, rel=0.25)


def test_a_dark_movie_keeps_its_row_and_says_why(phantom):
    movies, _, _ = phantom
    nothing = InMemory(np.zeros((N_FRAMES, *SHAPE), np.uint8))
    dim = InMemory(np.random.default_rng(0).poisson(0.1, (N_FRAMES, *SHAPE)).astype(np.uint8))
    dark = replace(movies.movies[2], frames_tyx=nothing)
    series = correct(replace(movies, movies=(*movies.movies[:2], dark)))
    assert [tilt.use for tilt in series.tilts] == [True, True, False]
    assert "no electrons" in series.tilts[2].reason
    assert not series.images_nyx.read((2,)).any()
    dimmed = replace(movies.movies[0], frames_tyx=dim)
    series = correct(replace(movies, movies=(dimmed, *movies.movies[1:])))
    assert "median" in series.tilts[0].reason
    series = correct(replace(movies, movies=(dark,)))
    assert not series.tilts[0].use


def test_an_empty_frame_leaves_the_others_where_they_belong(phantom):
    movies, tracks, _ = phantom
    frames = movies.movies[0].frames_tyx.read(()).copy()
    frames[-1] = 0
    movie = replace(movies.movies[0], frames_tyx=InMemory(frames))
    (tilt,) = correct(replace(movies, movies=(movie,))).tilts
    found = tilt.motion.shift_xy_angstrom
    error = found[:-1] - tracks[0, :-1]
    assert np.sqrt(np.square(error - error.mean(axis=0)).sum(axis=1).mean()) < 0.2 * PIXEL
    assert np.abs(found).max() < 2 * np.abs(tracks[0]).max()


@pytest.mark.parametrize("value", [0, 3])
@pytest.mark.parametrize("shape", [(32, 48), (48, 32), (33, 47), (128, 160)])
def test_a_movie_in_which_all_is_alike_gives_numbers(phantom, shape, value):
    movies, _, _ = phantom
    alike = InMemory(np.full((N_FRAMES, *shape), value, np.uint8))
    series = correct(
        replace(movies, movies=tuple(replace(m, frames_tyx=alike) for m in movies.movies), gain_yx=None),
        MotionParams(dose_weighted=True),
    )
    assert series.diagnostics["motion.local_accepted"] == 0
    assert np.isfinite(list(series.diagnostics.values())).all()
    for stack in (series.images_nyx, series.odd_nyx, series.even_nyx, series.dose_weighted_nyx):
        even = tuple(n // 2 * 2 for n in shape)
        assert stack.shape[1:] == even
        assert np.isfinite(stack.read(())).all()
    assert all(tilt.use == (value > 0) for tilt in series.tilts)
    assert all(not tilt.motion.shift_xy_angstrom.any() for tilt in series.tilts)


def test_a_movie_of_one_frame_is_summed_as_it_is(phantom):
    movies, _, _ = phantom
    first = movies.movies[0]
    single = replace(first, frames_tyx=InMemory(first.frames_tyx.read((slice(0, 1),))))
    series = correct(replace(movies, movies=(single,)))
    assert series.tilts[0].motion.shift_xy_angstrom.tolist() == [[0.0, 0.0]]
    assert not series.even_nyx.read(()).any()
    assert series.odd_nyx.read(()).mean() == pytest.approx(COUNTS, rel=0.02)


def test_frames_without_a_gain_are_taken_as_corrected():
    movies, _, _ = make_movies(n_tilts=1)
    series = correct(replace(movies, gain_yx=None))
    assert series.tilts[0].mean_counts == pytest.approx(N_FRAMES * COUNTS, rel=0.05)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda m: replace(m, movies=()), ParameterError, "found none"),
        (lambda m: replace(m, gain_yx=InMemory(np.ones((4, 4)))), GeometryError, "gain is"),
        (
            lambda m: replace(
                m, movies=(m.movies[0], replace(m.movies[1], frames_tyx=InMemory(np.zeros((2, 8, 8), np.uint8))))
            ),
            GeometryError,
            "another size",
        ),
    ],
)
def test_input_that_does_not_fit_is_refused(phantom, change, error, text):
    with pytest.raises(error, match=text):
        correct(change(phantom[0]))


@pytest.mark.parametrize(
    "wrong", [{"band_cycles_per_pixel": 0.7}, {"max_iterations": 0}, {"hot_pixel_sigma": float("nan")}]
)
def test_params_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        MotionParams(**wrong)


def test_the_methods_sentence_names_the_settings():
    assert "B = 99 px²" in methods_text(MotionParams(b_factor_pixel2=99))
