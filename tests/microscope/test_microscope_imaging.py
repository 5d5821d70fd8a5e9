"""Counts, dose, motion, camera and reproducibility of a recorded series."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from microscope_scene import QUIET, beads, crowd, displacement_pixel, record, small, specimen

from tomoset.errors import GeometryError, ParameterError
from tomoset.microscope import image, methods_text
from tomoset.model import ArraySource, Resources, Silent
from tomoset.physics import damage_amplitude, transmission


def test_mean_counts_are_dose_times_area_times_dqe_times_transmission():
    params = small(hot_pixel_fraction=0.0)
    movies, truth = record(crowd(params, 20), beads(), params)
    for movie, tilt in zip(movies.movies, truth.geometry.y_tilt_deg, strict=True):
        expected = movie.dose_e_per_angstrom2 * 25.0 * params.dqe * transmission(1000.0, tilt)
        recorded = (movie.frames_tyx.read() * movies.gain_yx.read()).sum(axis=0).mean()
        assert recorded == pytest.approx(expected, rel=0.01)


def test_shot_noise_is_poisson():
    params = small(**QUIET, gain_spread=0.0, n_frames=12, total_dose_e_per_angstrom2=40.0)
    movies, _ = record(specimen(params, []), beads(), params)
    frames = movies.movies[1].frames_tyx.read().astype(float)
    assert frames.var() / frames.mean() == pytest.approx(1.0, abs=0.01)


def test_movies_are_a_sorted_series_with_its_dose():
    params = small(tilt_step_deg=15.0)
    movies, truth = record(specimen(params, []), beads(), params)
    tilts = [m.nominal_tilt_deg for m in movies.movies]
    assert tilts == [-45, -30, -15, 0, 15, 30, 45]
    assert [m.acquisition_order for m in movies.movies] == [6, 4, 2, 0, 1, 3, 5]
    assert movies.movies[2].name == "TS001_003_-15.0.tif"
    for movie in movies.movies:
        assert movie.dose_before_e_per_angstrom2 == pytest.approx(movie.acquisition_order * 12.0 / 7)
        assert isinstance(movie.frames_tyx, ArraySource)
        assert movie.frames_tyx.shape == (3, 192, 256)
        assert movie.frames_tyx.dtype == np.uint8
    by_time = sorted(movies.movies, key=lambda m: m.acquired_at)
    assert [m.acquisition_order for m in by_time] == list(range(7))
    assert truth.geometry.n_tilts == 7
    assert truth.objects[0].name == "beads"


def test_frame_motion_is_the_truth_told():
    params = small(**{**QUIET, "drift_angstrom": 25.0, "n_frames": 5})
    movies, truth = record(specimen(params, [(0, 50, 0)]), beads(), params)
    np.testing.assert_allclose(truth.frame_shift_xy_angstrom.mean(axis=1), 0, atol=1e-9)
    scene = movies.movies[1].frames_tyx.scene
    reference = scene.contrast(1, 0)
    for frame in range(1, 5):
        moved = displacement_pixel(scene.contrast(1, frame), reference, limit=0.012) * 5.0
        expected = truth.frame_shift_xy_angstrom[1, frame] - truth.frame_shift_xy_angstrom[1, 0]
        np.testing.assert_allclose(moved, expected, atol=0.2)
    steps = np.linalg.norm(np.diff(truth.frame_shift_xy_angstrom, axis=1), axis=2).mean(axis=0)
    assert steps[0] > 2 * steps[-1]


def test_signal_fades_with_the_dose_in_order_of_acquisition():
    params = small(**QUIET, stage_shift_angstrom=0.0, axis_error_deg=0.0, total_dose_e_per_angstrom2=60.0, n_frames=8)
    movies, _ = record(specimen(params, [(0, 0, 0)]), beads(spread=8.0), params)
    scene = movies.movies[0].frames_tyx.scene
    n = 192
    k = np.fft.rfftfreq(n, 5.0)

    def amplitude(tilt, frame):
        square = scene.contrast(tilt, frame)[:, 32:-32]
        return np.abs(np.fft.rfft2(square))[0]

    band = (k > 0.02) & (k < 0.035)
    # A centred bead has the same transform in every view: only the dose before differs (orders 2, 0, 1).
    ratio = amplitude(0, 7)[band] / amplitude(1, 0)[band]
    expected = damage_amplitude(k[band], 40 + 7.5 * 2.5) / damage_amplitude(k[band], 1.25)
    np.testing.assert_allclose(ratio, expected, rtol=0.02)


def test_multiplying_by_the_gain_flattens_the_frames():
    params = small(**QUIET, gain_spread=0.1, total_dose_e_per_angstrom2=60.0, n_frames=8)
    movies, _ = record(specimen(params, []), beads(), params)
    total = sum(m.frames_tyx.read().sum(axis=0, dtype=float) for m in movies.movies)
    gain = movies.gain_yx.read()
    poisson = total.mean() ** 0.5
    assert (total * gain).std() < 1.05 * poisson
    assert (total * gain[::-1]).std() > 1.5 * poisson
    assert total.std() > 1.5 * poisson


def test_hot_pixels_count_more_in_every_frame():
    params = small(**{**QUIET, "hot_pixel_fraction": 0.002})
    movies, _ = record(specimen(params, []), beads(), params)
    where, _ = movies.movies[0].frames_tyx.scene.camera.hot_pixels
    frames = movies.movies[0].frames_tyx.read().reshape(3, -1)
    assert frames[:, where].mean() > 2 * frames.mean()


def test_reading_in_any_order_and_by_region_gives_the_same_bits():
    params = small()
    first, _ = record(crowd(params), beads(), params, seed=9)
    second, _ = record(crowd(params), beads(), params, seed=9, workers=2)
    whole = [m.frames_tyx.read() for m in first.movies]
    for tilt in (2, 0, 1):
        source = second.movies[tilt].frames_tyx
        np.testing.assert_array_equal(source.read((2,)), whole[tilt][2])
        np.testing.assert_array_equal(
            source.read((slice(0, 2), slice(10, 20), slice(5, 200, 3))), whole[tilt][:2, 10:20, 5:200:3]
        )
        np.testing.assert_array_equal(source.read((slice(None, None, -1), 7)), whole[tilt][::-1, 7])
        np.testing.assert_array_equal(source.read((-1, slice(3))), whole[tilt][-1, :3])
    other, _ = record(crowd(params), beads(), params, seed=10)
    assert not np.array_equal(other.movies[0].frames_tyx.read(), whole[0])


def test_worker_processes_render_the_same_bits():
    params = small()
    movies, _ = record(crowd(params), beads(), params, seed=9)
    here = [m.frames_tyx.read() for m in movies.movies]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = list(pool.map(_read, [m.frames_tyx for m in movies.movies]))
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


def _read(source):
    return source.read()


def test_what_is_sent_to_a_worker_holds_no_rendered_view():
    params = small()
    movies, _ = record(crowd(params), beads(), params)
    before = len(pickle.dumps(movies.movies[0].frames_tyx))
    movies.movies[0].frames_tyx.read((0,))
    assert len(pickle.dumps(movies.movies[0].frames_tyx)) == before


def test_a_specimen_that_is_too_small_is_refused():
    params = small()
    with pytest.raises(GeometryError, match="pack a larger one"):
        record(specimen(small(frame_shape_yx=(128, 128)), []), beads(), params)


def test_a_species_without_a_structure_is_refused():
    params = small()
    with pytest.raises(ParameterError, match="beads"):
        image(specimen(params, [(0, 0, 0)]), {}, params, seed=1, resources=Resources(), progress=Silent())


def test_methods_text_is_one_sentence_with_the_numbers():
    text = methods_text(small())
    assert text.count(". ") == 0
    assert text.endswith(".")
    for word in ("300 kV", "-45° to 45°", "12 e⁻/Å²", "3.5 µm"):
        assert word in text


def test_methods_text_names_what_is_on_and_nothing_else():
    plain = methods_text(small())
    full = methods_text(small(astigmatism_angstrom=300.0, mtf="k3-cds", propagation="multislice", slab_angstrom=80.0))
    for words in ("astigmatism of 30 nm", "k3-cds", "slabs of 8 nm"):
        assert words in full
        assert words not in plain
    assert full.count(". ") == 0


def test_threads_that_read_different_movies_at_once_get_the_same_bits():
    params = small()
    movies, _ = record(crowd(params), beads(), params, seed=9)
    alone = [m.frames_tyx.read() for m in movies.movies]
    again, _ = record(crowd(params), beads(), params, seed=9)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(_read, [m.frames_tyx for m in again.movies]))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)
