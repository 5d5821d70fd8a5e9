"""Images to half-plane spectra and back, without transforming what is zero or what nobody reads."""

import numpy as np
from numpy.typing import NDArray

from tomoset.reconstruction.plan import PaddedFrame

__all__ = ["image_rows", "padded_spectrum", "spectrum_of_rows"]

Floats = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


def padded_spectrum(image_yx: Floats, frame: PaddedFrame) -> Spectrum:
    """Spectrum (padded y, columns) of an image whose mirrored edges fade to zero into the padding."""
    taper = frame.taper
    fade = 0.5 * (1 + np.cos(np.pi * np.arange(1, taper + 1) / (taper + 1)))
    framed = np.pad(image_yx, taper, mode="reflect")
    for axis in (0, 1):
        ones = np.ones(frame.shape_yx[axis])
        window = np.concatenate([fade[::-1], ones, fade]).astype(np.float32)
        framed *= window[:, None] if axis == 0 else window[None, :]
    return spectrum_of_rows(framed, frame.padded_yx, frame.columns)


def spectrum_of_rows(rows_yx: Floats, shape_yx: tuple[int, int], columns: int) -> Spectrum:
    """The first columns of ``rfft2`` of an image of a shape that begins with these samples and is zero beyond them."""
    from scipy.fft import fft, rfft

    across = rfft(rows_yx, n=shape_yx[1], axis=1)[:, :columns]
    return np.asarray(fft(across, n=shape_yx[0], axis=0), dtype=np.complex64)


def image_rows(spectrum: Spectrum, shape_yx: tuple[int, int], rows: slice) -> Floats:
    """Some rows of ``irfft2`` of a spectrum (y, columns) that is zero in further columns; it is overwritten."""
    from scipy.fft import ifft, irfft

    columns = ifft(spectrum, axis=0, overwrite_x=True)[rows]
    return np.asarray(irfft(columns, n=shape_yx[1], axis=1), dtype=np.float32)
