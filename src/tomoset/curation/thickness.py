"""How much ice there is: from the counts that get through it, and from the depth in which half tomograms agree."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.model import Tomogram

__all__ = ["HalfAgreement", "IntensityLaw", "half_agreement", "intensity_law"]

Floats = NDArray[np.float64]

_BIN = 4
_PLANES_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IntensityLaw:
    """``counts = I0 exp(−a / cos θ)`` fitted to a series.

    Parameters
    ----------
    attenuation : float
        ``a = t / L``, thickness over mean free path, 0 or more.
    ratio : (n,) array of float64
        Counts over the law, 1 for a tilt that follows it, 0 for one without counts.
    """

    attenuation: float
    ratio: Floats


def intensity_law(counts: ArrayLike, tilt_deg: ArrayLike) -> IntensityLaw:
    """Fit the loss of electrons in tilted ice, so that a quarter of bad tilts does not move it.

    Parameters
    ----------
    counts : (n,) array of float
        Mean counts for equal dose.
    tilt_deg : (n,) array of float

    Returns
    -------
    IntensityLaw
        With the median of all pairwise slopes (Theil 1950; Sen 1968, J. Am. Stat. Assoc. 63:1379).

    Raises
    ------
    GeometryError
        If lengths differ.
    """
    value = np.asarray(counts, dtype=np.float64)
    path = 1 / np.cos(np.deg2rad(np.asarray(tilt_deg, dtype=np.float64)))
    if value.shape != path.shape or value.ndim != 1:
        raise GeometryError(f"expected one count for each tilt, found {value.shape} and {path.shape}")
    good = np.flatnonzero(value > 0)
    if good.size == 0:
        return IntensityLaw(attenuation=0.0, ratio=np.zeros(value.size))
    log = np.log(value[good])
    slopes = [
        (log[j] - log[i]) / (path[good[j]] - path[good[i]])
        for i, j in itertools.combinations(range(good.size), 2)
        if abs(path[good[j]] - path[good[i]]) > 1e-3
    ]
    slope = min(0.0, float(np.median(slopes))) if slopes else 0.0
    level = float(np.median(log - slope * path[good]))
    ratio = np.zeros(value.size)
    ratio[good] = np.exp(log - level - slope * path[good])
    return IntensityLaw(attenuation=-slope if slope else 0.0, ratio=ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfAgreement:
    """Where and how well two half tomograms agree.

    Parameters
    ----------
    correlation : float
        Of all voxels, averaged over 4 × 4 in each plane.
    thickness_angstrom : float or None
        Depth in which the planes' common variance exceeds half of its upper tenth; None when the halves have nothing
        in common.
    """

    correlation: float
    thickness_angstrom: float | None


def half_agreement(tomogram: Tomogram) -> HalfAgreement | None:
    """Compare the half tomograms plane by plane; None when there are none.

    The common variance is what is no noise: molecules, membranes and the grain of the ice. Reconstruction smears it
    along z by the missing wedge, so that the thickness is an estimate from above.
    """
    if tomogram.odd_zyx is None or tomogram.even_zyx is None:
        return None
    depth = tomogram.grid.shape_zyx[0]
    products = np.zeros((depth, 3))
    for first in range(0, depth, _PLANES_AT_ONCE):
        planes = slice(first, min(first + _PLANES_AT_ONCE, depth))
        a, b = (_coarse(np.asarray(s.read((planes,)))) for s in (tomogram.odd_zyx, tomogram.even_zyx))
        products[planes] = np.stack([(p * q).mean(axis=(1, 2)) for p, q in ((a, b), (a, a), (b, b))], axis=1)
    common, power = products[:, 0].sum(), np.sqrt(products[:, 1].sum() * products[:, 2].sum())
    correlation = float(common / power) if power > 0 else 0.0
    thickness = _width(products[:, 0]) * tomogram.grid.voxel_size_angstrom
    return HalfAgreement(correlation=correlation, thickness_angstrom=thickness if correlation > 0 else None)


def _coarse(planes_zyx: NDArray[np.floating]) -> Floats:
    """Means over squares of voxels, the plane's own mean removed."""
    b = max(1, min(_BIN, *planes_zyx.shape[1:]))
    nz, ny, nx = planes_zyx.shape[0], planes_zyx.shape[1] // b, planes_zyx.shape[2] // b
    cut = planes_zyx[:, : ny * b, : nx * b].reshape(nz, ny, b, nx, b)
    means = cut.mean(axis=(2, 4), dtype=np.float64)
    return np.asarray(means - means.mean(axis=(1, 2), keepdims=True), dtype=np.float64)


def _width(profile: Floats) -> float:
    """Samples between the outermost crossings of half the upper tenth, a running mean of five taking the noise off."""
    smooth = np.convolve(profile, np.ones(5) / 5, mode="same") if profile.size >= 5 else profile
    half = 0.5 * float(np.quantile(smooth, 0.9))
    above = np.flatnonzero(smooth >= half)
    return float(above[-1] - above[0] + 1) if above.size else 0.0
