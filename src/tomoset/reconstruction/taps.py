"""Reading an image between its samples: four taps a direction, and what they do to its spectrum."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["POSITIONS", "tap_table", "tap_transfer"]

# Fractions of a sample that have weights of their own; that there are no more costs 2e-4 of the amplitude.
POSITIONS = 1024
# Kaiser and Bessel's window on four samples, of the width that leaves least of the aliases of a band that ends at 0.4
# cycles a sample: 1 % of the amplitude at its end, 0.4 % over all of it. Cubic B-splines leave as much at 0.25 cycles.
_TAPS = 4
_SHARPNESS = 7.0


@cache
def tap_table() -> NDArray[np.float32]:
    """Weights (POSITIONS + 1, 4) of the samples −1, 0, 1 and 2 from the one below, for the middles of the fractions.

    The last row holds zeros, for positions without a sample.
    """
    fraction = (np.arange(POSITIONS) + 0.5) / POSITIONS
    away = np.arange(-1, 3)[None, :] - fraction[:, None]
    window = np.i0(_SHARPNESS * np.sqrt(1 - (2 * away / _TAPS) ** 2))
    table = np.zeros((POSITIONS + 1, _TAPS), np.float32)
    table[:-1] = window * (_SHARPNESS / (_TAPS * np.sinh(_SHARPNESS)))
    return table


def tap_transfer(cycles_per_sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average factor of a wave, 1 at zero frequency, for up to half a cycle a sample: ``sinh(q) / q`` over its value.

    With q² = sharpness² − (4 π f)² (Jackson et al. 1991, IEEE Trans. Med. Imaging 10:473).
    """
    left = np.sqrt(_SHARPNESS**2 - (np.pi * _TAPS * np.clip(cycles_per_sample, -0.5, 0.5)) ** 2)
    return np.asarray(np.sinh(left) / left * (_SHARPNESS / np.sinh(_SHARPNESS)))
