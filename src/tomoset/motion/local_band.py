"""How fine the detail must be on which a field of local motion is fitted."""

import numpy as np
from numpy.typing import NDArray

from tomoset.motion.shared_signal import SharedSignal

__all__ = ["band_for_field"]

_COEFFICIENTS = 15  # an axis: three courses in time times five functions of place
_PRECISION_PIXELS = 0.05
_COARSEST_ANGSTROM = 16.0  # up to 40 Å alone the errors of crowded specimens grow three-fold


def band_for_field(whole: SharedSignal, shift_tc: NDArray[np.float64], pixel_size_angstrom: float) -> float:
    """The lowest band, cycles per pixel, whose information makes the field precise enough; else the whole band.

    A field has 15 coefficients an axis, each of variance 1 / (n² I) with I what two of the n frames say about a shift.
    A K3 movie of dense matter knows its field from detail of 16 Å as well as from 8 Å, at under half of the cost.

    Parameters
    ----------
    whole : SharedSignal
        The movie's frames, each as one patch.
    shift_tc : (t, 2) array of float64
        Their global track, pixels of the frame.
    pixel_size_angstrom : float
        Of the frame.
    """
    information = whole.information_by_ring(whole.spectra(shift_tc[None]))
    variance = _COEFFICIENTS / (len(shift_tc) ** 2 * np.maximum(np.cumsum(information), 1e-30))
    rings = np.arange(1, len(information) + 1) / len(information)
    fine = rings * whole.band >= pixel_size_angstrom / _COARSEST_ANGSTROM
    enough = fine & (variance < _PRECISION_PIXELS**2)
    return float(whole.band * rings[np.argmax(enough)]) if enough.any() else whole.band
