"""The wave through slabs: equal to the linear image for weak matter, and of second order beyond it."""

import numpy as np
import pytest
from microscope_scene import QUIET, beads, record, small, specimen

from tomoset.microscope.multislice import slab_numbers
from tomoset.physics import damage_amplitude

SETTING = {
    **QUIET,
    "stage_shift_angstrom": 0.0,
    "n_frames": 1,
    "tilt_min_deg": 0.0,
    "tilt_max_deg": 0.0,
    "total_dose_e_per_angstrom2": 3.0,
}
SIGMA, SPREAD = 6.526e-4, 20.0


def images(phase_rad, positions=((0.0, 0.0, 0.0),), **changes):
    """Linear image and wave image of beads whose projected phase is as large in their middle."""
    strength = phase_rad / SIGMA * 2 * np.pi * SPREAD**2
    pair = []
    for propagation in ("linear", "multislice"):
        params = small(**{**SETTING, **changes}, propagation=propagation)
        structure = beads(spread=SPREAD, strength=strength)
        movies, _ = record(specimen(params, positions), structure, params)
        pair.append(movies.movies[0].frames_tyx.scene.contrast(0, 0).astype(float))
    return pair


def rms(image):
    return np.sqrt(np.mean(np.square(image)))


def test_weak_matter_has_the_linear_image():
    linear, wave = images(3e-3, [(40, 10, -300), (-60, 30, 0), (20, -50, 300)])
    assert rms(wave - linear) < 0.01 * rms(linear)


def test_what_is_added_is_of_second_order():
    ratios = []
    for phase in (0.075, 0.15, 0.3):
        linear, wave = images(phase)
        ratios.append(rms(wave - linear) / rms(linear))
    assert ratios[1] / ratios[0] == pytest.approx(2.0, rel=0.1)
    assert ratios[2] / ratios[1] == pytest.approx(2.0, rel=0.15)
    assert 0.05 < ratios[2] < 0.6


@pytest.mark.parametrize("hand", [1, -1])
def test_a_single_slab_images_the_exact_exit_wave(hand):
    phase, height = 0.3, 200.0
    params = small(**SETTING)
    _, wave = images(phase, [(0.0, 0.0, height)], defocus_hand=hand)
    ny, nx = params.frame_shape_yx
    y, x = np.mgrid[-ny // 2 : ny // 2, -nx // 2 : nx // 2] * 5.0
    ky, kx = np.fft.fftfreq(ny, 5.0)[:, None], np.fft.fftfreq(nx, 5.0)[None, :]
    k2 = kx**2 + ky**2
    gaussian = np.fft.fft2(phase * np.exp(-(x**2 + y**2) / (2 * SPREAD**2)))
    dose = 3.0 / 2
    sigma_v = np.fft.ifft2(gaussian * damage_amplitude(np.sqrt(k2), dose)).real
    exit_wave = np.exp(1j * sigma_v * np.exp(1j * np.arcsin(0.07)))
    chi = np.pi * 0.0196875 * k2 * (35000.0 + hand * height - 0.5 * 0.0196875**2 * 2.7e7 * k2)
    expected = np.abs(np.fft.ifft2(np.fft.fft2(exit_wave) * np.exp(1j * chi))) ** 2 - 1
    inner = (slice(20, -20), slice(20, -20))
    assert rms((wave - expected)[inner]) < 0.01 * rms(expected[inner])


def test_matter_far_apart_is_counted_once_in_its_slab():
    heights = np.array([-149.0, -51.0, -49.0, 0.0, 49.0, 51.0])
    assert slab_numbers(heights, 100.0).tolist() == [-1, -1, 0, 0, 0, 1]


def test_beads_behind_each_other_are_not_the_sum_of_their_images():
    together = images(0.2, [(0, 0, -300), (0, 0, 300)])
    alone = [images(0.2, [(0, 0, z)]) for z in (-300, 300)]
    linear_sum, wave_sum = (sum(pair[i] for pair in alone) for i in (0, 1))
    assert rms(together[0] - linear_sum) < 1e-3 * rms(linear_sum)
    assert rms(together[1] - wave_sum) > 0.02 * rms(wave_sum)


def test_frames_hold_the_same_addition_and_any_order_gives_the_same_bits():
    params = small(propagation="multislice", n_frames=2)
    scene_specimen = specimen(params, [(0, 0, 0)])
    first, second = (record(scene_specimen, beads(), params)[0] for _ in range(2))
    whole = first.movies[1].frames_tyx.read()
    np.testing.assert_array_equal(second.movies[1].frames_tyx.read((1,)), whole[1])
