"""Fourier shell correlation on volumes whose answer is known."""

import numpy as np
import pytest

from tomoset.errors import GeometryError, PixelSizeError
from tomoset.reconstruction import fourier_shell_correlation, resolution_angstrom


def low_passed(volume, cut):
    """Keep frequencies below ``cut``, cycles a voxel."""
    k = np.sqrt(sum(np.square(a) for a in np.meshgrid(*[np.fft.fftfreq(n) for n in volume.shape], indexing="ij")))
    return np.fft.ifftn(np.fft.fftn(volume) * (k < cut)).real


@pytest.mark.parametrize("shape", [(32, 32, 32), (24, 31, 40)])
def test_equal_volumes_correlate_fully_and_opposite_ones_not_at_all(shape):
    volume = np.random.default_rng(0).standard_normal(shape)
    np.testing.assert_allclose(fourier_shell_correlation(volume, 3 * volume, 5.0).correlation, 1.0)
    np.testing.assert_allclose(fourier_shell_correlation(volume, -volume, 5.0).correlation, -1.0)


def test_signal_and_noise_give_the_expected_correlation():
    rng = np.random.default_rng(1)
    signal, a, b = rng.standard_normal((3, 64, 64, 64))
    fsc = fourier_shell_correlation(signal + 2 * a, signal + 2 * b, 5.0)
    # SNR 1/4 -> FSC = SNR / (1 + SNR) = 0.2, within five standard errors of each shell.
    assert np.all(np.abs(fsc.correlation[3:] - 0.2) < 5 / np.sqrt(fsc.count[3:] / 2))
    assert fsc.frequency_per_angstrom[-1] == pytest.approx(0.1)


def test_every_coefficient_of_the_sphere_is_counted_once():
    fsc = fourier_shell_correlation(np.ones((16, 16, 16)), np.ones((16, 16, 16)), 1.0)
    k = np.sqrt(sum(np.square(a) for a in np.meshgrid(*[np.fft.fftfreq(16) * 16] * 3, indexing="ij")))
    np.testing.assert_array_equal(fsc.count, np.bincount(np.rint(k).astype(int).ravel())[:9])


def test_resolution_is_where_the_common_signal_ends():
    rng = np.random.default_rng(2)
    signal = low_passed(rng.standard_normal((64, 64, 64)), 0.25)
    a, b = (signal + 0.05 * rng.standard_normal(signal.shape) for _ in range(2))
    fsc = fourier_shell_correlation(a, b, 4.0)
    # The shell at the cut is a sixteenth of it wide.
    assert resolution_angstrom(fsc, 0.143) == pytest.approx(16.0, rel=1 / 16)
    assert resolution_angstrom(fourier_shell_correlation(a, a, 4.0)) == pytest.approx(8.0)
    noise = rng.standard_normal((2, 32, 32, 32))
    assert resolution_angstrom(fourier_shell_correlation(*noise, 4.0), 0.9) == np.inf


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(GeometryError, match="one shape"):
        fourier_shell_correlation(np.zeros((4, 4, 4)), np.zeros((4, 4, 5)), 1.0)
    with pytest.raises(PixelSizeError, match="positive"):
        fourier_shell_correlation(np.zeros((4, 4, 4)), np.zeros((4, 4, 4)), 0.0)
