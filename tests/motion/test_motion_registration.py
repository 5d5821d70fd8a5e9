"""Frames are found where the phantom put them, with the documented sign, whatever the camera adds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.motion import MotionParams, fixed_pattern_variance, register_frames
from tomoset.physics import fourier_shift_2d

SHAPE = (96, 128)
FINE = MotionParams(band_cycles_per_pixel=0.5, finest_angstrom=1.0)


def scene(rng):
    """A smooth random picture of mean 1."""
    ky, kx = np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1])[None, :]
    transform = np.fft.rfft2(rng.standard_normal(SHAPE)) * np.exp(-(ky**2 + kx**2) / (2 * 0.06**2))
    picture = np.fft.irfft2(transform, s=SHAPE)
    return 1 + 0.25 * picture / picture.std()


def frames_of(picture, track_xy, rng, *, counts=20.0, gain=1.0):
    """Poisson frames (t, y, x) of a picture that moves along a track in pixels."""
    transform = np.fft.rfft2(picture)
    moved = [np.fft.irfft2(fourier_shift_2d(transform, SHAPE, tuple(s)), s=SHAPE) for s in track_xy]
    return np.array([rng.poisson(np.clip(counts * m, 0, None)) * gain for m in moved])


def register(frames, **kwargs):
    transforms = np.fft.rfft2(frames).astype(np.complex64)
    return register_frames(
        transforms,
        SHAPE,
        FINE,
        pixel_size_angstrom=5.0,
        **kwargs,
    )


def rms(found, true):
    return float(np.sqrt(np.square(found - true).sum(axis=1).mean()))


def centred(track):
    return track - track.mean(axis=0)


def test_one_bead_that_moves_to_larger_x_and_y_has_a_growing_shift():
    bead = np.zeros((3, *SHAPE))
    for t, (x, y) in enumerate([(60, 40), (62, 43), (64, 46)]):
        bead[t, y - 1 : y + 2, x - 1 : x + 2] = 1.0
    np.testing.assert_allclose(register(bead), [[-2, -3], [0, 0], [2, 3]], atol=1e-3)


@given(seed=st.integers(0, 1000), reach=st.floats(0.0, 8.0))
def test_noiseless_frames_are_registered_to_a_hundredth_of_a_pixel(seed, reach):
    rng = np.random.default_rng(seed)
    track = centred(reach * rng.uniform(-0.5, 0.5, (5, 2)))
    transform = np.fft.rfft2(scene(rng))
    transforms = np.array([fourier_shift_2d(transform, SHAPE, tuple(s)) for s in track]).astype(np.complex64)
    found = register_frames(transforms, SHAPE, FINE, pixel_size_angstrom=5.0)
    assert rms(found, track) < 0.01


def test_counted_frames_are_registered_below_a_tenth_of_a_pixel():
    rng = np.random.default_rng(3)
    track = centred(np.cumsum(rng.normal(0, 0.8, (8, 2)), axis=0))
    assert rms(register(frames_of(scene(rng), track, rng)), track) < 0.1


def test_a_wrong_gain_pulls_towards_zero_unless_it_is_known():
    rng = np.random.default_rng(3)
    picture = 1 + 0.1 * (scene(rng) - 1) / 0.25
    track = centred(np.cumsum(rng.normal(0.5, 0.3, (8, 2)), axis=0))
    residue = 0.2
    gain = 1 + residue * rng.standard_normal(SHAPE)
    frames = frames_of(picture, track, rng, counts=40.0, gain=gain)
    power = np.full(8, 40.0 * residue * np.sqrt(SHAPE[0] * SHAPE[1]))
    naive, aware = register(frames), register(frames, pattern_t=power)
    assert rms(aware, track) < 0.2
    assert rms(naive, track) > 1.0  # next to nothing of the motion is seen


def test_pure_noise_does_not_wander():
    rng = np.random.default_rng(5)
    assert np.abs(register(rng.poisson(5.0, (6, *SHAPE)).astype(float))).max() < 3


def test_one_frame_does_not_move():
    assert register(np.ones((1, *SHAPE))).tolist() == [[0.0, 0.0]]


def test_transforms_of_another_shape_are_refused():
    with pytest.raises(GeometryError, match="do not belong"):
        register_frames(np.zeros((2, 8, 5), np.complex64), (10, 8), MotionParams(), pixel_size_angstrom=5.0)


@pytest.mark.parametrize("residue", [0.0, 0.02, 0.05])
def test_fixed_pattern_is_measured_between_different_scenes(residue):
    rng = np.random.default_rng(6)
    gain = 1 + residue * rng.standard_normal(SHAPE)
    first, second = ((rng.poisson(200 * scene(rng)) * gain).astype(np.float32) for _ in range(2))
    assert np.sqrt(fixed_pattern_variance(first, second)) == pytest.approx(residue, rel=0.2)


def test_fixed_pattern_of_darkness_is_zero():
    assert fixed_pattern_variance(np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)) == 0
