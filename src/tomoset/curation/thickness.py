"""How much ice there is: from the depth in which half tomograms agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import Tomogram

__all__ = ["HalfAgreement", "half_agreement"]

Floats = NDArray[np.float64]

_BIN = 4
_PLANES_AT_ONCE = 16


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
