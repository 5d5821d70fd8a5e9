"""Counts that a coincident electron takes away: how many, and what noise is left."""

import numpy as np
import pytest
import scipy.fft
from hypothesis import given
from hypothesis import strategies as st

from tomoset.microscope.camera import draw_camera, draw_dead_pixels, poisson_counts
from tomoset.microscope.coincidence import coincidence_ntf2, lose_coincidences, ntf2, surviving_share
from tomoset.microscope.params import MicroscopeParams


def flat(rate, *, internal_frames, area_pixels, frame=0, size=2048):
    counts = poisson_counts(np.full((size, size), rate, dtype=np.float32), key=(3, 4), frame=frame)
    kept = lose_coincidences(counts, internal_frames=internal_frames, area_pixels=area_pixels, key=(3, 4), frame=frame)
    return counts, kept


@pytest.mark.parametrize(("rate", "internal_frames", "area_pixels"), [(1.39, 20.0, 9.0), (15.0, 300.0, 6.25)])
def test_loss_and_noise_of_a_flat_field_are_those_of_the_closed_form(rate, internal_frames, area_pixels):
    camera = {"internal_frames": internal_frames, "area_pixels": area_pixels}
    power, mean, n_frames = 0.0, 0.0, 2
    for frame in range(n_frames):
        _, kept = flat(rate, **camera, frame=frame)
        mean += kept[1:-1, 1:-1].mean() / n_frames
        centred = kept[1:-1, 1:-1] - kept[1:-1, 1:-1].mean()
        power = power + np.abs(scipy.fft.rfft2(centred.astype(np.float32))) ** 2 / centred.size / n_frames
    assert mean / rate == pytest.approx(surviving_share(rate, internal_frames, area_pixels), rel=1e-3)
    fy, fx = np.fft.fftfreq(2046)[:, None], np.fft.rfftfreq(2046)[None, :]
    expected = coincidence_ntf2(fy, fx, electrons_per_pixel=rate, **camera)
    ring = (np.hypot(fy, fx) * 20).astype(int).ravel()
    size = np.bincount(ring)
    measured, predicted = (np.bincount(ring, values.ravel()) / size for values in (power / mean, expected))
    np.testing.assert_allclose(measured[:13], predicted[:13], rtol=0.02)
    assert expected[0, 0] < 1 - 1.3 * (1 - mean / rate)  # the dip is nearly twice the loss


def test_each_pixel_loses_by_its_neighbours_and_never_more_than_it_has():
    counts, kept = flat(4.0, internal_frames=2.0, area_pixels=9.0, size=512)
    assert np.all(kept <= counts)
    around = sum(np.roll(counts, (j, i), (0, 1)).astype(float) for j in (-1, 0, 1) for i in (-1, 0, 1)) - 1
    inside = np.zeros(counts.shape, dtype=bool)
    inside[1:-1, 1:-1] = True
    for others in (20, 35, 50):
        chosen = inside & (around == others) & (counts > 0)
        share = kept[chosen].sum() / counts[chosen].sum()
        assert share == pytest.approx(np.exp(-others / 4), abs=5 / np.sqrt(counts[chosen].sum()))


def test_single_electrons_and_cameras_without_loss_keep_all():
    counts = np.zeros((40, 60), dtype=np.uint8)
    counts[::3, ::3] = 1
    kept = lose_coincidences(counts, internal_frames=1.0, area_pixels=9.0, key=(1, 2), frame=0)
    np.testing.assert_array_equal(kept, counts)
    counts, kept = flat(5.0, internal_frames=1.0, area_pixels=0.0, size=64)
    np.testing.assert_array_equal(kept, counts)
    assert surviving_share(5.0, 1.0, 0.0) == 1
    assert np.all(coincidence_ntf2([0.0, 0.3], 0.1, electrons_per_pixel=5.0, internal_frames=1.0, area_pixels=0) == 1)


def test_the_area_counts_electrons_of_the_pixel_itself_at_least():
    counts = np.zeros((64, 64), dtype=np.uint8)
    counts[1::3, 1::3] = 2
    kept = lose_coincidences(counts, internal_frames=0.5, area_pixels=1.0, key=(1, 2), frame=0)
    # Each of two electrons is lost with 1 - exp(-1).
    assert kept.sum() / counts.sum() == pytest.approx(np.exp(-1), abs=0.06)
    assert set(np.unique(kept)) <= {0, 1, 2}


def test_loss_is_the_same_again_and_independent_from_frame_to_frame():
    first, again = (flat(3.0, internal_frames=5.0, area_pixels=4.0, size=256)[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    counts = np.full((512, 512), 4, dtype=np.uint8)
    lost = [
        4.0 - lose_coincidences(counts, internal_frames=100.0, area_pixels=9.0, key=(1, 2), frame=f) for f in (0, 1)
    ]
    assert abs(np.mean((lost[0] - lost[0].mean()) * (lost[1] - lost[1].mean()))) < 4 * lost[0].var() / 512
    flat_lost = lost[0].ravel() - lost[0].mean()
    for step in (1, 2, 64, 128, 512):
        assert abs(np.mean(flat_lost[step:] * flat_lost[:-step])) < 4 * lost[0].var() / 512


@given(st.integers(3, 40), st.integers(3, 1300), st.integers(0, 5))
def test_frames_of_any_size_are_thinned_to_the_last_pixel(height, width, frame):
    counts = np.full((height, width), 200, dtype=np.uint8)
    kept = lose_coincidences(counts, internal_frames=1.0, area_pixels=9.0, key=(1, 2), frame=frame)
    assert kept.max() == 0


def test_ntf2_of_the_parameters_is_one_without_loss_and_dips_at_low_frequency_with_it():
    k3 = {"pixel_size_angstrom": 2.077, "frame_shape_yx": (4092, 5760), "n_frames": 10}
    k = np.linspace(0, 0.5, 6)
    np.testing.assert_array_equal(ntf2(k, MicroscopeParams(**k3)), 1)
    values = ntf2(k, MicroscopeParams(**k3, coincidence_pixels=6.0))
    assert values[0] == values.min() < 0.96
    assert values[-1] > 0.995
    assert np.all(ntf2(k, MicroscopeParams(**k3, coincidence_pixels=6.0), transmission=0.4)[:3] > values[:3])


# ---- dead pixels ----


def test_dead_pixels_are_the_cameras_and_hot_ones_the_series():
    params = MicroscopeParams(frame_shape_yx=(400, 500), dead_pixel_fraction=2e-3, hot_pixel_fraction=5e-3)
    first, second = (draw_camera(params, run, 3) for run in ("TS001", "TS002"))
    assert len(first.dead_pixels) == 400
    np.testing.assert_array_equal(first.dead_pixels, second.dead_pixels)
    np.testing.assert_array_equal(first.gain_yx, second.gain_yx)
    assert not np.array_equal(first.hot_pixels[0], second.hot_pixels[0])
    assert not np.isin(first.hot_pixels[0], first.dead_pixels).any()
    assert np.flatnonzero(first.gain_yx == 0).tolist() == first.dead_pixels.tolist()
    alive = first.gain_yx > 0
    np.testing.assert_allclose(first.sensitivity_yx[alive] * first.gain_yx[alive], 1, rtol=1e-6)
    assert not first.sensitivity_yx[~alive].any()
    counts = poisson_counts(np.float32(9) * first.sensitivity_yx, key=(1, 2), frame=0)
    assert not counts.reshape(-1)[first.dead_pixels].any()


def test_a_camera_without_dead_pixels_keeps_its_gain():
    params = MicroscopeParams(frame_shape_yx=(200, 300), defocus_angstrom=20000.0)
    camera = draw_camera(params, "TS001", 3)
    assert len(camera.dead_pixels) == 0
    np.testing.assert_array_equal(camera.sensitivity_yx, np.reciprocal(camera.gain_yx))
    assert len(draw_dead_pixels((200, 300), 0.0, 3)) == 0
