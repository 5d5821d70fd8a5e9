"""Coarse alignment: each view against its neighbour towards 0°, with the weights that are optimal for a pair."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import CommonFrame
from tomoset.alignment.peaks import find_peak
from tomoset.alignment.preprocess import Views
from tomoset.alignment.signal_model import amplitude_at, parallax_coherence

__all__ = ["CoarseShifts", "align_neighbours"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CoarseShifts:
    """What the neighbour correlations say.

    Parameters
    ----------
    shift_uv_angstrom : (n, 2) array of float64
        To be added to the shifts that the views were resampled with, Å.
    significance : (n − 1,) array of float64
        Height of each pair's peak in standard deviations of its map.
    """

    shift_uv_angstrom: Floats
    significance: Floats


def align_neighbours(
    views: Views,
    frame: CommonFrame,
    values_mn: NDArray[np.complex64],
    signal_k: Floats,
    thickness_angstrom: float,
    range_angstrom: float,
) -> CoarseShifts:
    """Shift of every view by correlation with its neighbour, joined outward from the view nearest 0°.

    The cross spectrum of views i and j is weighted by ``c / (1 − c²)``, where c is the coherence that the slab model
    expects of the pair: the maximum-likelihood weight for two noisy views of one unknown specimen.
    """
    amplitude = amplitude_at(views, signal_k, frame.kx, frame.ky)
    shift_xy = np.zeros((views.n, 2))
    significance = np.zeros(views.n)
    radius = range_angstrom / frame.pixel_size_angstrom
    for i, j in views.outward():
        g = parallax_coherence(frame.kx, views.tan[i] - views.tan[j], thickness_angstrom)
        c = amplitude[:, i] * amplitude[:, j] * g
        cross = values_mn[:, i] * values_mn[:, j].conj() * (c / (1 - c**2))
        peak = find_peak(frame.map_of(cross), (radius, radius))
        shift_xy[i] = shift_xy[j] + np.array(peak.shift_xy) * frame.pixel_size_angstrom
        significance[i] = peak.significance
    order = [i for i, _ in views.outward()]
    # The common frame is stretched by 1 / cos t across the axis.
    shift_uv = np.column_stack([shift_xy[:, 0] * views.cos, shift_xy[:, 1]])
    return CoarseShifts(shift_uv_angstrom=shift_uv, significance=significance[order])
