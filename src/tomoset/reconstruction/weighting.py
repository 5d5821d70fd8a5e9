"""Weights of the views in Fourier space: across the tilt axis, by dose, at the edge of the band; and defocus strips."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.physics import damage_amplitude, wavelength_angstrom
from tomoset.reconstruction.params import Filter

__all__ = ["DefocusStrips", "across_axis_filter", "band_edge", "defocus_strips", "dose_filters", "tilt_steps_rad"]

Floats = NDArray[np.float64]

# The band ends at the voxels' Nyquist frequency with a cosine over its last twentieth, so that nothing rings.
_EDGE_BEGINS = 0.95
# Two neighbouring defocus strips differ by at most this phase at the end of the band; between them images are blended.
_STRIP_PHASE_RAD = 0.5


def tilt_steps_rad(y_tilt_deg: Floats) -> Floats:
    """Angle that each view stands for: half the distance of its two neighbours, radians.

    Parameters
    ----------
    y_tilt_deg : (n,) array of float
        Tilts of the used views, degrees, in any order.

    Returns
    -------
    (n,) array of float64
        The first and the last view stand for the distance to their only neighbour; one view alone for π.

    Raises
    ------
    GeometryError
        If there is no view, or all have the same tilt.
    """
    tilt = np.deg2rad(np.asarray(y_tilt_deg, dtype=np.float64))
    if tilt.size == 0:
        raise GeometryError("a reconstruction needs at least one used tilt, found none; mark tilts as used")
    if tilt.size == 1:
        return np.array([np.pi])
    order = np.argsort(tilt, kind="stable")
    gaps = np.diff(tilt[order])
    if not gaps.sum() > 0:
        raise GeometryError(f"{tilt.size} used tilts all have the same angle ({np.rad2deg(tilt[0]):g}°)")
    steps = np.empty_like(tilt)
    steps[order] = 0.5 * (np.concatenate([gaps[:1], gaps]) + np.concatenate([gaps, gaps[-1:]]))
    return steps


def band_edge(frequency_per_angstrom: Floats, cut_per_angstrom: float) -> Floats:
    """1 inside the band, a cosine to 0 over its last twentieth."""
    beyond = (frequency_per_angstrom / cut_per_angstrom - _EDGE_BEGINS) / (1 - _EDGE_BEGINS)
    return 0.5 * (1 + np.cos(np.pi * np.clip(beyond, 0, 1)))


def across_axis_filter(
    frequency_per_angstrom: Floats,
    index: int,
    y_tilt_deg: Floats,
    *,
    kind: Filter,
    cut_per_angstrom: float,
    thickness_angstrom: float,
    bin_per_angstrom: float,
) -> Floats:
    """Weight of one view across the tilt axis, 1/Å: ``k Δθ`` for the ramp.

    Parameters
    ----------
    frequency_per_angstrom : (m,) array of float
        Frequencies across the axis, ≥ 0.
    index : int
        Which of the views.
    y_tilt_deg : (n,) array of float
        Tilts of all used views.
    kind : {"ramp", "hamming", "exact"}
    cut_per_angstrom : float
        Nyquist frequency of the voxels.
    thickness_angstrom : float
        Diameter of the object, for the exact weights.
    bin_per_angstrom : float
        Width of a bin of the discrete transform: the zero bin holds a quarter of it, the ramp's mean over it.

    Returns
    -------
    (m,) array of float64

    Notes
    -----
    The sum over views of filtered projections (in change of intensity) is then the change of intensity per Å of path.
    Exact weights: ``1 / (D Σ_s max(0, 1 − k |sin(θ_s − θ)| D))``, which is the ramp where slices overlap densely and
    1 / D where a view is alone (Harauz & van Heel 1986).
    """
    k = np.maximum(frequency_per_angstrom, bin_per_angstrom / 4)
    if kind == "exact":
        apart = np.abs(np.sin(np.deg2rad(y_tilt_deg - y_tilt_deg[index])))
        overlap = np.maximum(0, 1 - k[:, None] * apart[None, :] * thickness_angstrom).sum(axis=1)
        return 1 / (thickness_angstrom * overlap)
    ramp = k * tilt_steps_rad(y_tilt_deg)[index]
    if kind == "hamming":
        ramp = ramp * (0.55 + 0.45 * np.cos(np.pi * frequency_per_angstrom / cut_per_angstrom))
    return ramp


def dose_filters(frequency_per_angstrom: Floats, dose_middle_e_per_angstrom2: Floats, voltage_kv: float) -> Floats:
    """Weights (n, m) of n views by what radiation has left, with a mean square over the views of one."""
    left = damage_amplitude(frequency_per_angstrom[None, :], dose_middle_e_per_angstrom2[:, None], voltage_kv)
    power = np.mean(left**2, axis=0)
    return left / np.sqrt(np.maximum(power, np.finfo(np.float64).tiny))


@dataclass(frozen=True, slots=True, kw_only=True)
class DefocusStrips:
    """Strips along the tilt axis in each of which one defocus is good enough.

    Parameters
    ----------
    centre_u_angstrom : (s,) array of float64
        Where across the axis a strip's defocus is exact, ascending, Å from the specimen's origin.
    offset_angstrom : (s,) array of float64
        Defocus there minus the defocus at the image's centre.
    """

    centre_u_angstrom: Floats
    offset_angstrom: Floats

    def weights(self, strip: int, u_angstrom: Floats) -> Floats:
        """Share of one strip at positions u: tents between the centres, held beyond the first and last."""
        values = np.zeros(self.centre_u_angstrom.size)
        values[strip] = 1.0
        return np.interp(u_angstrom, self.centre_u_angstrom, values)


def defocus_strips(
    y_tilt_deg: float,
    hand: int,
    half_field_angstrom: float,
    centre_u_angstrom: float,
    *,
    cut_per_angstrom: float,
    voltage_kv: float,
) -> DefocusStrips:
    """Divide a view into strips by the defocus gradient across the tilt axis.

    Parameters
    ----------
    y_tilt_deg : float
        Tilt of the view, degrees.
    hand : int
        ``TiltSeries.defocus_hand``: sign of the gradient; 0 for none.
    half_field_angstrom : float
        How far from the image's centre the view reaches across the axis, Å.
    centre_u_angstrom : float
        Where the image's centre lies across the axis, from the specimen's origin, Å.
    cut_per_angstrom : float
        Nyquist frequency of the voxels: where the phase is most sensitive.
    voltage_kv : float

    Returns
    -------
    DefocusStrips

    Notes
    -----
    The middle plane of the specimen has camera height ``−u tan t``; ``π λ k² Δz`` is the phase that an error Δz of the
    defocus makes.
    """
    slope = -hand * math.tan(math.radians(y_tilt_deg))
    step = _STRIP_PHASE_RAD / (math.pi * wavelength_angstrom(voltage_kv) * cut_per_angstrom**2)
    reach = abs(slope) * half_field_angstrom
    if reach <= step / 2:
        return DefocusStrips(centre_u_angstrom=np.array([centre_u_angstrom]), offset_angstrom=np.zeros(1))
    number = math.ceil(2 * reach / step) + 1
    from_centre = np.linspace(-half_field_angstrom, half_field_angstrom, number)
    return DefocusStrips(centre_u_angstrom=centre_u_angstrom + from_centre, offset_angstrom=slope * from_centre)
