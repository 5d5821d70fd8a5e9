"""Where particles may be in each view: matched filters for round particles of several sizes, in standard deviations.

A shell is what a round particle's low frequencies look like, hollow or not; what is dark in the image through its CTF
is positive here. With ten particles in a field this is all the signal there is: a few standard deviations in a view for
apoferritin, ten and more for a virus-like particle, where whole views correlate with their neighbours no better than
noise does.
"""

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.preprocess import Views

__all__ = ["particle_maps", "place_deviation"]

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_RADII_ANGSTROM = (40.0, 55.0, 75.0, 100.0, 130.0)
_WALL_ANGSTROM = 15.0
_COARSEST_ANGSTROM = 700.0


def _shells(k: Floats) -> list[Floats]:
    """Transforms of thin shells of several radii, without the very lowest frequencies."""
    return [
        np.sinc(2 * k * radius) * np.exp(-2 * (np.pi * k * _WALL_ANGSTROM) ** 2) * (k > 1 / _COARSEST_ANGSTROM)
        for radius in _RADII_ANGSTROM
    ]


def place_deviation(views: Views) -> Floats:
    """Standard deviation (radii, n), Å, of a particle's place along x or y where its map is one deviation high.

    The Fisher information of a matched filter: ``1 / (2 π height sqrt(<kx²>))`` under the filter's signal spectrum.
    """
    k = views.frequency_per_angstrom
    power = np.square(np.array(_shells(k)))[:, None, :] * (np.square(views.transfer_nk) / views.power_nk) * k
    return np.asarray(1 / (2 * np.pi * np.sqrt(0.5 * (power * k**2).sum(axis=2) / power.sum(axis=2))))


def particle_maps(views: Views) -> Images:
    """Matched filters (radii, n, ny, nx), in robust standard deviations of each map."""
    from scipy import fft

    _, ny, nx = views.images_nyx.shape
    pixel, k = views.pixel_size_angstrom, views.frequency_per_angstrom
    frequency = np.hypot(np.fft.fftfreq(ny, pixel)[:, None], np.fft.rfftfreq(nx, pixel)[None, :])
    ring = np.minimum(np.rint(frequency / k[1]).astype(np.intp), k.size - 1)
    filters = _shells(k)
    out = np.empty((len(filters), views.n, ny, nx), dtype=np.float32)
    for i, image in enumerate(views.images_nyx):
        spectrum = fft.rfft2(image)
        seen = views.transfer_nk[i] / np.sqrt(views.power_nk[i])
        for channel, form in enumerate(filters):
            found = fft.irfft2(spectrum * (form * seen)[ring].astype(np.float32), s=(ny, nx))
            middle = np.median(found)
            out[channel, i] = (found - middle) / (1.4826 * np.median(np.abs(found - middle)))
    return out
