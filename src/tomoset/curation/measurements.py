"""What can be measured about every tilt and about the tomogram, without judging it."""

import itertools
import math
from dataclasses import dataclass

from tomoset.curation.series_cues import series_cues
from tomoset.curation.thickness import half_agreement
from tomoset.model import TiltSeries, Tomogram

__all__ = ["Measurements", "TiltMeasurements", "measure"]


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
    intensity_ratio, intensity_z : float
        Counts of what is not masked over what the series' own law ``exp(−t / (L cos θ))`` expects; the logarithm of
        that over the series' scatter.
    relative_intensity : float
        Counts over ``cos θ`` times those of the untilted ice, Warp's measure.
    mean_over_deviation_ratio : float or None
        Mean over standard deviation of what is not masked, AreTomo's measure, over what tilt and dose lead to expect.
    masked_fraction, masked_excess : float or None
        Share of the image that is masked, and how much more that is than in the neighbouring views.
    motion_angstrom, motion_z : float or None
        Length of the movie's track; its distance from the series' median over the series' scatter.
    frame_motion_angstrom, frame_motion_z : float or None
        Median distance between successive frames, which is also what blurs a frame; the same for it.
    fine_detail_ratio, fine_detail_z : float or None
        Power of details of 22 to 40 Å that odd and even frames share, over what tilt and dose lead to expect; the
        difference over its error. None where the series shows no such detail.
    likeness, likeness_ratio : float or None
        Highest correlation peak with up to two views on either side, in standard deviations of the correlation (two
        images of different places give 5 to 10); the peaks over what common signal, angles and thickness lead to
        expect.
    resembled_tilt_deg : float or None
        Angle of another view that this one resembles clearly more than its neighbours.
    ctf_score, ctf_score_z, ctf_resolution_angstrom : float or None
    shift_jump_angstrom, shift_jump_z : float or None
        Distance of the view's shift from the median of up to three neighbours on either side.
    """

    name: str
    tilt_deg: float
    use: bool
    reason: str
    mean_counts: float
    intensity_ratio: float
    intensity_z: float
    relative_intensity: float
    mean_over_deviation_ratio: float | None
    masked_fraction: float | None
    masked_excess: float | None
    motion_angstrom: float | None
    motion_z: float | None
    frame_motion_angstrom: float | None
    frame_motion_z: float | None
    fine_detail_ratio: float | None
    fine_detail_z: float | None
    likeness: float | None
    likeness_ratio: float | None
    resembled_tilt_deg: float | None
    ctf_score: float | None
    ctf_score_z: float | None
    ctf_resolution_angstrom: float | None
    shift_jump_angstrom: float | None
    shift_jump_z: float | None


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
    cues = series_cues(series)
    tilt_deg = series.nominal_tilt_deg if series.geometry is None else series.geometry.y_tilt_deg
    rows = tuple(
        TiltMeasurements(
            name=tilt.name,
            tilt_deg=float(tilt_deg[i]),
            use=tilt.use,
            reason=tilt.reason,
            mean_counts=float(tilt.mean_counts),
            intensity_ratio=float(cues.law.ratio[i]),
            intensity_z=float(cues.law.z[i]),
            relative_intensity=float(cues.relative_intensity[i]),
            mean_over_deviation_ratio=_known(cues.mean_over_deviation_ratio[i]),
            masked_fraction=tilt.masked_fraction,
            masked_excess=_known(cues.masked_excess[i]),
            motion_angstrom=_known(cues.motion_angstrom[i]),
            motion_z=_known(cues.motion_z[i]),
            frame_motion_angstrom=_known(cues.frame_motion_angstrom[i]),
            frame_motion_z=_known(cues.frame_motion_z[i]),
            fine_detail_ratio=_known(cues.fine_detail_ratio[i]),
            fine_detail_z=_known(cues.fine_detail_z[i]),
            likeness=_known(cues.likeness.height[i]),
            likeness_ratio=_known(cues.likeness.ratio[i]),
            resembled_tilt_deg=_known(cues.likeness.better_tilt_deg[i]),
            ctf_score=None if tilt.ctf is None else tilt.ctf.score,
            ctf_score_z=_known(cues.ctf_score_z[i]),
            ctf_resolution_angstrom=None if tilt.ctf is None else tilt.ctf.resolution_angstrom,
            shift_jump_angstrom=_known(cues.shift_jump_angstrom[i]),
            shift_jump_z=_known(cues.shift_jump_z[i]),
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
        attenuation=cues.law.attenuation,
        thickness_angstrom=None if halves is None else halves.thickness_angstrom,
        half_correlation=None if halves is None else halves.correlation,
        diagnostics=dict(series.diagnostics or {}),
    )


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
