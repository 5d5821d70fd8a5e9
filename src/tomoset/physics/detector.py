"""Modulation transfer of counting cameras."""

from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError

__all__ = ["mtf"]

# Gatan's measured curves of the K3 at 300 kV, every fourth value; frequencies are multiples of 4/63 cycles per pixel.
# The files mtf_k3_standard_300kV_FL2.star and mtf_k3_CDS_300kV_FL1.star are passed on with ttsim3d (BSD-3-Clause).
_STEP_PER_PIXEL = 4 / 63
_CURVES = MappingProxyType(
    {
        "k3-standard": (1.0, 0.9816, 0.9613, 0.9303, 0.8859, 0.8296, 0.7650, 0.6965, 0.6279),
        "k3-cds": (1.0, 0.9919, 0.9732, 0.9459, 0.9113, 0.8701, 0.8228, 0.7705, 0.7143),
    }
)


def mtf(frequency_per_pixel: ArrayLike, camera: str) -> NDArray[np.float64]:
    """Modulation transfer function of a camera.

    Parameters
    ----------
    frequency_per_pixel : (...) array of float
        Cycles per pixel, 0.5 at Nyquist; beyond 0.51 the curve is continued as a straight line.
    camera : {"none", "k3-standard", "k3-cds"}
        ``none`` for pixels that count exactly what falls on them.

    Returns
    -------
    (...) array of float64
        1 at zero frequency.

    Raises
    ------
    ParameterError
        If no curve of that name is known.

    Examples
    --------
    >>> float(mtf(0.5, "k3-standard").round(2))
    0.64
    """
    frequency = np.asarray(frequency_per_pixel, dtype=np.float64)
    if camera == "none":
        return np.ones_like(frequency)
    if camera not in _CURVES:
        raise ParameterError(f"camera: expected one of none, {', '.join(_CURVES)}, got {camera!r}")
    values = np.asarray(_CURVES[camera])
    knots = _STEP_PER_PIXEL * np.arange(len(values))
    inside = np.interp(frequency, knots, values)
    slope = (values[-1] - values[-2]) / _STEP_PER_PIXEL
    return np.maximum(inside + slope * np.maximum(frequency - knots[-1], 0), 0.0)
