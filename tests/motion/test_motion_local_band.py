"""Dense movies are fitted on coarse detail, faint ones on all there is, and the expected error is the real one."""

import numpy as np
import pytest

from tomoset.motion.arrays import select_arrays
from tomoset.motion.local_band import band_for_field
from tomoset.motion.shared_signal import SharedSignal

SHAPE, N_FRAMES, BAND, PIXEL = (256, 320), 8, 0.4, 2.0


def movie(seed, amplitude):
    """Frames of white noise of variance one that share white noise of another amplitude, at rest."""
    rng = np.random.default_rng(seed)
    shared = amplitude * rng.standard_normal(SHAPE)
    frames = shared + rng.standard_normal((N_FRAMES, *SHAPE))
    return SharedSignal(
        select_arrays("cpu"),
        np.fft.rfft2(frames).astype(np.complex64)[None],
        SHAPE,
        zoom_xy=(1.0, 1.0),
        band=BAND,
        pattern_t=np.zeros(N_FRAMES),
    )


def test_dense_matter_needs_no_finer_detail_than_16_angstrom():
    band = band_for_field(movie(1, 2.0), np.zeros((N_FRAMES, 2)), PIXEL)
    assert PIXEL / 16.0 <= band < PIXEL / 16.0 + 1.01 * BAND / 40


def test_a_faint_movie_keeps_its_whole_band():
    assert band_for_field(movie(2, 0.003), np.zeros((N_FRAMES, 2)), PIXEL) == BAND


def test_between_the_two_the_band_reaches_as_far_as_the_precision_asks():
    bands = [band_for_field(movie(3, amplitude), np.zeros((N_FRAMES, 2)), PIXEL) for amplitude in (1.0, 0.5, 0.3)]
    assert bands == sorted(bands)
    assert bands[0] < bands[-1]


def test_pixels_coarser_than_the_coarsest_detail_keep_the_whole_band():
    assert band_for_field(movie(4, 2.0), np.zeros((N_FRAMES, 2)), 12.0) == BAND


@pytest.mark.parametrize("amplitude", [0.3, 1.0])
def test_information_by_ring_adds_up_to_the_information(amplitude):
    signal = movie(5, amplitude)
    spectra = signal.spectra(np.zeros((1, N_FRAMES, 2)))
    both = signal.information(spectra).sum(axis=(0, 1))
    assert signal.information_by_ring(spectra).sum() == pytest.approx(np.trace(both) / 2)
