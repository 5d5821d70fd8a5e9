"""What can be measured about every tilt and about the tomogram, without judging it."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.curation.thickness import half_agreement, intensity_law
from tomoset.model import TiltSeries, Tomogram

__all__ = ["Measurements", "TiltMeasurements", "measure", "shift_jumps_angstrom"]

Floats = NDArray[np.float64]

_NEIGHBOURS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TiltMeasurements:
    """Numbers about one tilt; None where nothing was measured.

    Parameters
    ----------
    name : str
    tilt_deg : float
        From the alignment where there is one, else nominal.
    use : bool
        As the stages left it, with their ``reason``.
    reason : str
    mean_counts : float
        Electrons a pixel.
    intensity_ratio : float
        Counts over what the series' own law ``exp(−t / (L cos θ))`` expects.
    motion_angstrom : float or None
        Length of the movie's track.
    ctf_score, ctf_resolution_angstrom : float or None
    shift_jump_angstrom : float or None
        Distance of the view's shift from the median of up to three neighbours on either side.
    """

    name: str
    tilt_deg: float
    use: bool
    reason: str
    mean_counts: float
    intensity_ratio: float
    motion_angstrom: float | None
    ctf_score: float | None
    ctf_resolution_angstrom: float | None
    shift_jump_angstrom: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Numbers about one series and its tomogram; None where nothing was measured.

    Parameters
    ----------
    run : str
    tilts : tuple of TiltMeasurements
        One row a tilt, in the order of the series.
    n_used : int
        Tilts in use, those of the tomogram where there is one.
    tilt_range_deg, tilt_gap_deg : float
        Angle from the first to the last used tilt, and the largest between neighbours.
    attenuation : float
        Optical thickness at zero tilt, ``t / L``, from the counts.
    thickness_angstrom : float or None
        Depth in which the half tomograms agree.
    half_correlation : float or None
        Correlation of the half tomograms, averaged over 4 × 4 voxels of each plane.
    diagnostics : dict
        What the stages said about themselves.
    """

    run: str
    tilts: tuple[TiltMeasurements, ...]
    n_used: int
    tilt_range_deg: float
    tilt_gap_deg: float
    attenuation: float
    thickness_angstrom: float | None
    half_correlation: float | None
    diagnostics: dict[str, float]


def measure(series: TiltSeries, tomogram: Tomogram | None = None) -> Measurements:
    """Measure every tilt and, where there is one, the tomogram.

    Parameters
    ----------
    series : TiltSeries
    tomogram : Tomogram or None

    Returns
    -------
    Measurements
        A row for every tilt, used or not.
    """
    tilt_deg = series.nominal_tilt_deg if series.geometry is None else series.geometry.y_tilt_deg
    dose = np.array([tilt.dose_e_per_angstrom2 for tilt in series.tilts])
    counts = np.array([tilt.mean_counts for tilt in series.tilts])
    law = intensity_law(counts / np.where(dose > 0, dose, 1.0), tilt_deg)
    jumps = None
    if series.geometry is not None:
        jumps = shift_jumps_angstrom(series.geometry.shift_uv_angstrom(), tilt_deg, series.used)
    rows = tuple(
        TiltMeasurements(
            name=tilt.name,
            tilt_deg=float(tilt_deg[i]),
            use=tilt.use,
            reason=tilt.reason,
            mean_counts=float(tilt.mean_counts),
            intensity_ratio=float(law.ratio[i]),
            motion_angstrom=None if tilt.motion is None else tilt.motion.total_angstrom,
            ctf_score=None if tilt.ctf is None else tilt.ctf.score,
            ctf_resolution_angstrom=None if tilt.ctf is None else tilt.ctf.resolution_angstrom,
            shift_jump_angstrom=None if jumps is None else float(jumps[i]),
        )
        for i, tilt in enumerate(series.tilts)
    )
    used = list(series.used) if tomogram is None else list(tomogram.tilt_indices)
    angles = sorted(float(tilt_deg[i]) for i in used)
    halves = None if tomogram is None else half_agreement(tomogram)
    return Measurements(
        run=series.run,
        tilts=rows,
        n_used=len(used),
        tilt_range_deg=angles[-1] - angles[0] if angles else 0.0,
        tilt_gap_deg=max((b - a for a, b in itertools.pairwise(angles)), default=0.0),
        attenuation=law.attenuation,
        thickness_angstrom=None if halves is None else halves.thickness_angstrom,
        half_correlation=None if halves is None else halves.correlation,
        diagnostics=dict(series.diagnostics or {}),
    )


def shift_jumps_angstrom(shift_uv_angstrom: ArrayLike, tilt_deg: ArrayLike, used: ArrayLike) -> Floats:
    """Distance of each view's shift from the median over its neighbours in tilt.

    Parameters
    ----------
    shift_uv_angstrom : (n, 2) array of float
        Shifts across and along the tilt axis, Å.
    tilt_deg : (n,) array of float
    used : (m,) array of int
        Rows whose shifts may be trusted as neighbours.

    Returns
    -------
    (n,) array of float64
        0 where a view has no neighbour.
    """
    shift, tilt = np.asarray(shift_uv_angstrom, dtype=np.float64), np.asarray(tilt_deg, dtype=np.float64)
    order = np.asarray(used)[np.argsort(tilt[np.asarray(used)], kind="stable")]
    jumps = np.zeros(tilt.size)
    for i in range(tilt.size):
        others = order[order != i]
        at = int(np.searchsorted(tilt[others], tilt[i]))
        near = others[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
        if near.size:
            jumps[i] = np.linalg.norm(shift[i] - np.median(shift[near], axis=0))
    return jumps
