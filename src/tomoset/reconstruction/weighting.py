"""Weights of the views in Fourier space: across the tilt axis, by dose, at the edge of the band; and defocus levels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.physics import damage_amplitude, wavelength_angstrom
from tomoset.reconstruction.params import ReconstructionParams

__all__ = ["DefocusLevels", "across_axis_filter", "band_edge", "defocus_levels", "dose_filters", "tilt_steps_rad"]

Floats = NDArray[np.float64]

# The band ends at the voxels' Nyquist frequency with a cosine over its last twentieth, so that nothing rings.
_EDGE_BEGINS = 0.95
# Two neighbouring defocus levels differ by at most this phase at the end of the band; between them images are blended.
_LEVEL_PHASE_RAD = 0.5
# IMOD's ramp at zero frequency, in bins (Kak & Slaney's weighting), and the constants of its imitation of SIRT, which
# its authors found by comparison (program tilt, radialWeights): in cycles a pixel, and iterations.
_IMOD_ZERO_BINS = 0.2
_IMOD_SIRT_ALPHA = 0.00195
_IMOD_SIRT_MORE = 0.3


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
    params: ReconstructionParams,
    *,
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
    params : ReconstructionParams
        Its filter, what belongs to it, and the voxel size, to whose Nyquist frequency they refer.
    bin_per_angstrom : float
        Width of a bin of the discrete transform: the zero bin holds a quarter of it, the ramp's mean over it (a fifth
        for IMOD's).

    Returns
    -------
    (m,) array of float64

    Notes
    -----
    The sum over views of filtered projections (in change of intensity) is then the change of intensity per Å of path.
    Exact weights: ``1 / (D Σ_s max(0, 1 − k |sin(θ_s − θ)| D))``, which is the ramp where slices overlap densely and
    1 / D where a view is alone (Harauz & van Heel 1986).

    Like SIRT: each of n iterations adds the mean over N views of what is not yet explained, spread over the depth D,
    so that a coefficient is approached by the share λ = overlap / N of what is left: the exact weights times
    ``1 − (1 − λ)^n``.
    """
    if params.filter in {"exact", "sirt-like"}:
        k = np.maximum(frequency_per_angstrom, bin_per_angstrom / 4)
        size = params.specimen_thickness_angstrom or params.thickness_angstrom
        apart = np.abs(np.sin(np.deg2rad(y_tilt_deg - y_tilt_deg[index])))
        overlap = np.maximum(0, 1 - k[:, None] * apart[None, :] * size).sum(axis=1)
        reached = 1 - (1 - overlap / y_tilt_deg.size) ** params.sirt_iterations
        return (reached if params.filter == "sirt-like" else 1.0) / (size * overlap)
    step = tilt_steps_rad(y_tilt_deg)[index]
    voxel = params.voxel_size_angstrom
    if params.filter in {"imod", "imod-sirt"}:
        return _imod_ramp(frequency_per_angstrom * voxel, bin_per_angstrom * voxel, params) * step / voxel
    ramp = np.maximum(frequency_per_angstrom, bin_per_angstrom / 4) * step
    if params.filter == "hamming":
        ramp = ramp * (0.55 + 0.45 * np.cos(2 * np.pi * frequency_per_angstrom * voxel))
    return ramp


def _imod_ramp(cycles_per_voxel: Floats, bin_cycles: float, params: ReconstructionParams) -> Floats:
    """Ramp of IMOD's ``tilt`` in cycles a voxel: its value at zero, its roll-off and, if asked for, its SIRT.

    Up to the cutoff f, for n iterations f (1 − (1 − 0.00195 / f)^(n' + 0.3)), with n' = n up to 15,
    15 + 0.8 (n − 15) to 30 and 27 + 0.6 (n − 30) beyond; from there the value at the cutoff times a Gaussian.
    """
    cutoff, sigma = params.imod_cutoff_cycles_per_voxel, params.imod_falloff_cycles_per_voxel
    below = np.minimum(cycles_per_voxel, cutoff)
    ramp = np.maximum(below, _IMOD_ZERO_BINS * bin_cycles)
    if params.filter == "imod-sirt":
        n = params.sirt_iterations
        like = n if n <= 15 else 15 + 0.8 * (n - 15) if n <= 30 else 27 + 0.6 * (n - 30)
        left = 1 - _IMOD_SIRT_ALPHA / np.maximum(below, _IMOD_SIRT_ALPHA)
        ramp = ramp * (1 - left ** (like + _IMOD_SIRT_MORE))
    return ramp * np.exp(-0.5 * ((cycles_per_voxel - below) / sigma) ** 2)


def dose_filters(frequency_per_angstrom: Floats, dose_middle_e_per_angstrom2: Floats, voltage_kv: float) -> Floats:
    """Weights (n, m) of n views by what radiation has left, with a mean square over the views of one."""
    left = damage_amplitude(frequency_per_angstrom[None, :], dose_middle_e_per_angstrom2[:, None], voltage_kv)
    power = np.mean(left**2, axis=0)
    return left / np.sqrt(np.maximum(power, np.finfo(np.float64).tiny))


@dataclass(frozen=True, slots=True, kw_only=True)
class DefocusLevels:
    """The defocus of one view over a volume, and the few values of it that images are corrected for.

    Parameters
    ----------
    per_u, per_z : float
        Defocus per Å across the tilt axis in a plane of the specimen, and per Å from plane to plane at fixed u.
    offset_angstrom : (s,) array of float64
        The values, ascending, minus the defocus at the image's centre.
    """

    per_u: float
    per_z: float
    offset_angstrom: Floats

    def weights(self, level: int, from_centre_u_angstrom: Floats, plane_z_angstrom: float) -> Floats:
        """Share of one level at distances u from the image's centre in a plane: tents, held beyond first and last."""
        values = np.zeros(self.offset_angstrom.size)
        values[level] = 1.0
        offset = self.per_u * from_centre_u_angstrom + self.per_z * plane_z_angstrom
        return np.interp(offset, self.offset_angstrom, values)


def defocus_levels(
    y_tilt_deg: float,
    hand: int,
    reach_u_angstrom: tuple[float, float],
    reach_z_angstrom: tuple[float, float],
    *,
    cut_per_angstrom: float,
    voltage_kv: float,
) -> DefocusLevels:
    """Choose the defocus values of a view: near enough that images blended between two have the right phases.

    Parameters
    ----------
    y_tilt_deg : float
        Tilt of the view, degrees.
    hand : int
        ``TiltSeries.defocus_hand``: sign of the gradient; 0 for none.
    reach_u_angstrom : tuple of float
        Smallest and largest distance from the image's centre across the tilt axis, Å.
    reach_z_angstrom : tuple of float
        Lowest and highest plane of the specimen that gets its own defocus, Å from the specimen's origin.
    cut_per_angstrom : float
        Nyquist frequency of the voxels: where the phase is most sensitive.
    voltage_kv : float

    Returns
    -------
    DefocusLevels

    Notes
    -----
    A point of the specimen that is seen at u in the plane z has camera height ``−u tan t + z / cos t``; ``π λ k² Δz``
    is the phase that an error Δz of the defocus makes.
    """
    tilt = math.radians(y_tilt_deg)
    per_u, per_z = -hand * math.tan(tilt), hand / math.cos(tilt)
    corners = [per_u * u + per_z * z for u in reach_u_angstrom for z in reach_z_angstrom]
    least, most = min(corners), max(corners)
    step = _LEVEL_PHASE_RAD / (math.pi * wavelength_angstrom(voltage_kv) * cut_per_angstrom**2)
    number = 1 + math.ceil((most - least) / step - 1e-9) if most - least > step else 1
    offsets = np.linspace(least, most, number) if number > 1 else np.array([0.5 * (least + most)])
    return DefocusLevels(per_u=per_u, per_z=per_z, offset_angstrom=offsets)
