"""The law that a series' own counts follow, and what departs from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.curation.outliers import least_trimmed_line, robust_centre_and_scale
from tomoset.errors import GeometryError

__all__ = ["IntensityLaw", "intensity_law"]

Floats = NDArray[np.float64]

_LARGEST_PRETILT_DEG, _PRETILT_STEP_DEG = 30, 2
_PRETILT_GAIN = 0.01  # a pretilt must bring the counts this much nearer to the law, mean of the logarithm
_WILD = 0.15
_STEEPEST_TILT_DEG = 85.0
_LEAST_SCATTER = 0.02  # beams and counters are no steadier from view to view


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntensityLaw:
    """``counts = I0 exp(−a / cos(θ + θ0))`` fitted to a series.

    Parameters
    ----------
    attenuation : float
        ``a = t / L``, thickness over mean free path, 0 or more.
    pretilt_deg : float
        ``θ0``, angle of the ice against the stage (a milled lamella's); 0 unless the counts ask for it.
    untilted_counts : float
        What the law says for a stage angle of 0°.
    ratio : (n,) array of float64
        Counts over the law, 1 for a tilt that follows it, 0 for one without counts.
    z : (n,) array of float64
        Logarithm of the ratio over the scatter of the views that follow the law (2 % at least).
    """

    attenuation: float
    pretilt_deg: float
    untilted_counts: float
    ratio: Floats
    z: Floats


def intensity_law(counts: ArrayLike, tilt_deg: ArrayLike) -> IntensityLaw:
    """Fit the loss of electrons in tilted ice, so that two bad tilts in five do not move it.

    Parameters
    ----------
    counts : (n,) array of float
        Mean counts for equal dose.
    tilt_deg : (n,) array of float

    Returns
    -------
    IntensityLaw
        By least trimmed deviations of the logarithm.

    Raises
    ------
    GeometryError
        If lengths differ.
    """
    value, tilt = np.asarray(counts, dtype=np.float64), np.asarray(tilt_deg, dtype=np.float64)
    if value.shape != tilt.shape or value.ndim != 1:
        raise GeometryError(f"expected one count for each tilt, found {value.shape} and {tilt.shape}")
    good = np.flatnonzero(value > 0)
    ratio, z = np.zeros(value.size), np.full(value.size, -np.inf)
    if good.size == 0:
        return IntensityLaw(attenuation=0.0, pretilt_deg=0.0, untilted_counts=0.0, ratio=ratio, z=z)
    log = np.log(value[good])
    pretilt = _pretilt_deg(log, tilt[good])
    path = _path(tilt[good] + pretilt)
    level, slope, _ = least_trimmed_line(path, log, steepest=0.0)
    left = log - level - slope * path
    ratio[good] = np.exp(left)
    z[good] = left / max(robust_centre_and_scale(left)[1], _LEAST_SCATTER)
    untilted = float(np.exp(level + slope * _path(np.array([pretilt]))[0]))
    return IntensityLaw(attenuation=max(0.0, -slope), pretilt_deg=pretilt, untilted_counts=untilted, ratio=ratio, z=z)


def _path(tilt_deg: Floats) -> Floats:
    """Way through a slab, in units of its thickness."""
    return np.asarray(1 / np.cos(np.deg2rad(np.clip(tilt_deg, -_STEEPEST_TILT_DEG, _STEEPEST_TILT_DEG))))


def _pretilt_deg(log_counts: Floats, tilt_deg: Floats) -> float:
    """Angle of the ice against the stage; 0 unless another explains the counts much better."""
    angles = np.arange(-_LARGEST_PRETILT_DEG, _LARGEST_PRETILT_DEG + 1, _PRETILT_STEP_DEG, dtype=np.float64)
    misfits = [_misfit(log_counts, _path(tilt_deg + angle)) for angle in angles]
    best = int(np.argmin(misfits))
    return float(angles[best]) if misfits[best] < _misfit(log_counts, _path(tilt_deg)) - _PRETILT_GAIN else 0.0


def _misfit(log_counts: Floats, path: Floats) -> float:
    """Mean deviation from the line, in which a wild view counts no more than another wild view."""
    level, slope, _ = least_trimmed_line(path, log_counts, steepest=0.0)
    return float(np.minimum(np.abs(log_counts - level - slope * path), _WILD).mean())
