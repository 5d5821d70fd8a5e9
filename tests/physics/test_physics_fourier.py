"""Laws of the Fourier helpers: Parseval, shift, cropping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoset.errors import GeometryError
from tomoset.physics import fourier_crop_2d, fourier_shift_2d, rfft_axes_2d, rfft_frequency_2d, rfft_frequency_3d

even = st.integers(4, 24).map(lambda n: 2 * n)
seeds = st.integers(0, 2**31)


def white(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape)


@given(seeds, even, even, st.integers(-30, 30), st.integers(-30, 30))
def test_shift_by_whole_pixels_rolls_the_image(seed, ny, nx, sx, sy):
    image = white(seed, (ny, nx))
    moved = np.fft.irfft2(fourier_shift_2d(np.fft.rfft2(image), (ny, nx), (sx, sy)), (ny, nx))
    np.testing.assert_allclose(moved, np.roll(image, (sy, sx), axis=(0, 1)), atol=1e-10)


@given(seeds, st.floats(-5, 5), st.floats(-5, 5))
def test_shift_keeps_the_power_and_undoes_itself(seed, sx, sy):
    shape = (24, 32)
    transform = np.fft.rfft2(white(seed, shape))
    moved = fourier_shift_2d(transform, shape, (sx, sy))
    np.testing.assert_allclose(np.abs(moved), np.abs(transform), atol=1e-9)
    np.testing.assert_allclose(fourier_shift_2d(moved, shape, (-sx, -sy)), transform, atol=1e-9)


def test_shift_keeps_single_precision():
    transform = np.fft.rfft2(white(1, (8, 8))).astype(np.complex64)
    assert fourier_shift_2d(transform, (8, 8), (0.5, 0.25)).dtype == np.complex64


@given(seeds, even, even)
def test_parseval_on_the_half_plane(seed, ny, nx):
    image = white(seed, (ny, nx))
    power = np.abs(np.fft.rfft2(image)) ** 2
    twice = np.full(nx // 2 + 1, 2.0)
    twice[[0, -1]] = 1
    assert (power * twice).sum() / (ny * nx) == pytest.approx((image**2).sum())


@given(seeds)
def test_cropping_keeps_the_mean_and_the_values_of_a_smooth_image(seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :48]
    waves = [(rng.integers(-5, 6), rng.integers(0, 6), rng.uniform(0, 6)) for _ in range(4)]
    image = 3 + sum(np.cos(2 * np.pi * (a * y / 32 + b * x / 48) + c) for a, b, c in waves)
    small = np.fft.irfft2(fourier_crop_2d(np.fft.rfft2(image), (32, 48), (16, 24)), (16, 24))
    assert small.mean() == pytest.approx(image.mean())
    np.testing.assert_allclose(small, image[::2, ::2], atol=1e-9)


@pytest.mark.parametrize("small", [(15, 16), (34, 16), (16, 64)])
def test_cropping_refuses_odd_and_growing_sizes(small):
    with pytest.raises(GeometryError):
        fourier_crop_2d(np.zeros((32, 17), complex), (32, 32), small)


def test_frequencies_end_at_nyquist_in_inverse_angstrom():
    ky, kx = rfft_axes_2d((8, 10), 2.5)
    assert kx.max() == pytest.approx(0.2)
    assert np.abs(ky).max() == pytest.approx(0.2)
    assert rfft_frequency_2d((8, 10), 2.5)[4, 5] == pytest.approx(0.2 * np.sqrt(2))
    assert rfft_frequency_3d((8, 8, 8), 2.5)[4, 4, 4] == pytest.approx(0.2 * np.sqrt(3))
