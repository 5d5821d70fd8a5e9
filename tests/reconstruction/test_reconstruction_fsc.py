"""Fourier shell correlation on volumes whose answer is known."""

import numpy as np
import pytest
import scipy.fft

from tomoset.errors import GeometryError, PixelSizeError
from tomoset.model import InMemory
from tomoset.physics import rfft_frequency_3d
from tomoset.reconstruction import (
    ShellCorrelation,
    finest_agreement_angstrom,
    fourier_shell_correlation,
    measured_region,
    resolution_angstrom,
    sampled_shell_correlation,
)


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


def test_boxes_say_what_the_whole_volume_says():
    rng = np.random.default_rng(4)
    k = rfft_frequency_3d((48, 160, 96), 10.0)
    signal = scipy.fft.irfftn(np.fft.rfftn(rng.normal(size=(48, 160, 96))) * np.exp(-((k * 60) ** 2)), s=(48, 160, 96))
    signal /= signal.std()
    a, b = ((signal + rng.normal(0, 1, signal.shape)).astype(np.float32) for _ in range(2))
    whole = resolution_angstrom(fourier_shell_correlation(a, b, 10.0), 0.5)
    boxes = sampled_shell_correlation(InMemory(a), InMemory(b), 10.0, box=48)
    assert resolution_angstrom(boxes, 0.5) == pytest.approx(whole, rel=0.05)
    assert boxes.count.sum() > 3 * 48**3  # 3 boxes along y, 2 along x, as far as the Nyquist sphere
    few = sampled_shell_correlation(InMemory(a), InMemory(b), 10.0, box=24, most_boxes=4)
    assert few.count.sum() <= 4 * 24**3


def test_the_measured_region_is_between_the_first_and_the_last_view():
    seen = measured_region((64, 4, 64), np.arange(-45.0, 46.0, 3.0))
    assert seen.shape == (64, 4, 33)
    z, x = np.meshgrid(np.fft.fftfreq(64) * 64, np.arange(33), indexing="ij")
    angle = np.rad2deg(np.arctan2(np.abs(z), x))
    np.testing.assert_array_equal(seen[:, 2], angle <= 46.5)


def test_only_the_region_counts():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 32, 32, 32))
    within = measured_region((32, 32, 32), np.arange(-60.0, 61.0, 3.0))
    unseen = np.fft.rfftn(a) * within + np.fft.rfftn(b) * ~within
    other = scipy.fft.irfftn(unseen, s=(32, 32, 32))
    inside = fourier_shell_correlation(a, other, 10.0, within=within)
    np.testing.assert_allclose(inside.correlation[2:16], 1.0, atol=0.02)  # the plane kx = 0 mixes with its mirror
    assert fourier_shell_correlation(a, other, 10.0).correlation[2:16].max() < 0.9
    with pytest.raises(GeometryError, match="region"):
        fourier_shell_correlation(a, b, 10.0, within=within[:5])


def test_a_dip_does_not_end_the_agreement():
    frequency = np.arange(21) / 1000.0
    correlation = np.where(np.arange(21) < 15, 0.6, 0.0)
    correlation[[5, 6]] = 0.0
    fsc = ShellCorrelation(frequency_per_angstrom=frequency, correlation=correlation, count=np.ones(21, np.int64))
    assert resolution_angstrom(fsc) > 200
    assert finest_agreement_angstrom(fsc) == pytest.approx(1000 / 15)
    nothing = ShellCorrelation(frequency_per_angstrom=frequency, correlation=0 * correlation, count=fsc.count)
    assert finest_agreement_angstrom(nothing) == np.inf
