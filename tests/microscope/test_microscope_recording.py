"""What the files say of a series: nominal values, gaps where a view is missing, turns of targets in parallel."""

import numpy as np
import pytest

from tomoset.microscope.camera import draw_camera
from tomoset.microscope.conditions import draw_conditions
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.recording import recorded_movies
from tomoset.model import InMemory


def describe(run="TS001", **changes):
    params = MicroscopeParams(frame_shape_yx=(240, 256), **changes)
    conditions = draw_conditions(params, run, 4)
    frames = [InMemory(np.zeros((params.n_frames, 240, 256), dtype=np.uint8)) for _ in conditions.names]
    return conditions, recorded_movies(run, params, conditions, draw_camera(params, run, 4), frames)


def test_files_hold_nominal_values_and_not_the_truth():
    conditions, movies = describe(
        tilt_error_deg=0.2, pretilt_deg=8.0, defocus_drift_angstrom=900.0, eucentric_error_angstrom=500.0
    )
    for movie, tilt, order in zip(movies.movies, range(-45, 46, 3), conditions.acquisition_order, strict=True):
        assert movie.nominal_tilt_deg == tilt
        assert movie.nominal_defocus_angstrom == movie.lens_defocus_angstrom == 35000.0
        assert movie.acquisition_order == order
        assert movie.exposure_time_s == pytest.approx(100 / 31 * 25 / 15)
        assert movie.image_shift_xy_angstrom == (0, 0)
    assert movies.nominal_tilt_axis_deg == 85.3
    assert movies.defect_pixels_yx is None


def test_a_missing_view_leaves_a_gap_in_order_time_and_dose():
    conditions, movies = describe(missing_fraction=0.2)
    assert len(movies.movies) == 31 - len(conditions.missing_tilts_deg) < 31
    by_time = sorted(movies.movies, key=lambda movie: movie.acquired_at)
    orders = [movie.acquisition_order for movie in by_time]
    assert orders == sorted(orders)
    assert orders != list(range(len(orders)))
    for movie in movies.movies:
        assert movie.dose_before_e_per_angstrom2 == pytest.approx(movie.acquisition_order * 100 / 31)


def test_targets_in_parallel_take_turns():
    series = [describe(f"TS00{i}", parallel_targets=3)[1].movies for i in (1, 2, 3)]
    times = [movie.acquired_at for movies in series for movie in movies]
    assert len(set(times)) == 93
    turns = sorted((movie.acquired_at, i) for i, movies in enumerate(series) for movie in movies)
    assert [i for _, i in turns] == [0, 1, 2] * 31


def test_dead_pixels_are_listed():
    _, movies = describe(dead_pixel_fraction=1e-3)
    gain = movies.gain_yx.read()
    np.testing.assert_array_equal(movies.defect_pixels_yx, np.argwhere(gain == 0))
    assert len(movies.defect_pixels_yx) == 61
