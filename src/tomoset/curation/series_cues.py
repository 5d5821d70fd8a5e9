"""Every cue against what the rest of the series leads to expect, so that a number can be judged."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.curation.image_cues import ImageCues, image_cues
from tomoset.curation.intensity import IntensityLaw, intensity_law
from tomoset.curation.likeness import Likeness, neighbour_likeness
from tomoset.curation.outliers import robust_centre_and_scale, robust_trend
from tomoset.model import TiltSeries
from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM

__all__ = ["SeriesCues", "series_cues", "shift_jumps_angstrom"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NEIGHBOURS = 3
_TRUSTED_Z = 6.0
_TRUSTED_MASK = 0.1
# Scatter below which a series is not believed to be that even.
_LEAST_PATH_SCATTER_ANGSTROM, _LEAST_STEP_SCATTER_ANGSTROM, _LEAST_JUMP_SCATTER_ANGSTROM = 4.0, 2.0, 10.0
_LEAST_SCORE_SCATTER = 0.05
_LEAST_LOG_SCATTER = 0.1
_SIGNIFICANT = 5.0  # standard errors of a fine power that others are measured by


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesCues:
    """One number a view; NaN where it was not measured. See ``TiltMeasurements`` for their meaning."""

    law: IntensityLaw
    relative_intensity: Floats
    mean_over_deviation_ratio: Floats
    masked_excess: Floats
    motion_angstrom: Floats
    motion_z: Floats
    frame_motion_angstrom: Floats
    frame_motion_z: Floats
    fine_detail_ratio: Floats
    fine_detail_z: Floats
    likeness: Likeness
    ctf_score_z: Floats
    shift_jump_angstrom: Floats
    shift_jump_z: Floats


def series_cues(series: TiltSeries) -> SeriesCues:
    """Measure a series: rows, masks, motion, CTF, shifts, and every image once."""
    tilt_deg = series.nominal_tilt_deg if series.geometry is None else series.geometry.y_tilt_deg
    dose = np.array([tilt.dose_e_per_angstrom2 for tilt in series.tilts])
    counts = np.array([tilt.mean_counts for tilt in series.tilts]) / np.where(dose > 0, dose, 1.0)
    images = image_cues(series)
    counts = counts * images.open_share
    law = intensity_law(counts, tilt_deg)
    masked = _numbers(tilt.masked_fraction for tilt in series.tilts)
    excess = masked - _usual_share(masked, tilt_deg)
    trusted = (np.abs(law.z) < _TRUSTED_Z) & ~(excess > _TRUSTED_MASK)
    likeness = neighbour_likeness(
        images.small,
        images.small_pixel_angstrom,
        trusted=trusted,
        tilt_deg=tilt_deg,
        axis_deg=series.nominal_tilt_axis_deg,
        thickness_angstrom=law.attenuation * ICE_MEAN_FREE_PATH_ANGSTROM,
    )
    terms = np.column_stack([1 / np.cos(np.deg2rad(tilt_deg)) - 1, series.dose_middle_e_per_angstrom2 / 100.0])
    path, step = _motion(series)
    fine_ratio, fine_z = _fine_detail(images, terms, trusted)
    score = _numbers(None if tilt.ctf is None else tilt.ctf.score for tilt in series.tilts)
    expected_score, scatter = robust_trend(terms, score, trusted)
    jump, jump_z = _jumps(series, tilt_deg)
    cosine = np.cos(np.deg2rad(tilt_deg))
    return SeriesCues(
        law=law,
        relative_intensity=counts / np.maximum(cosine * law.untilted_counts, 1e-12),
        mean_over_deviation_ratio=_ratio(images.mean_over_deviation, terms, trusted),
        masked_excess=excess,
        motion_angstrom=path,
        motion_z=_z(path, trusted, _LEAST_PATH_SCATTER_ANGSTROM),
        frame_motion_angstrom=step,
        frame_motion_z=_z(step, trusted, _LEAST_STEP_SCATTER_ANGSTROM),
        fine_detail_ratio=fine_ratio,
        fine_detail_z=fine_z,
        likeness=likeness,
        ctf_score_z=(score - expected_score) / max(scatter, _LEAST_SCORE_SCATTER),
        shift_jump_angstrom=jump,
        shift_jump_z=jump_z,
    )


def _usual_share(masked: Floats, tilt_deg: Floats) -> Floats:
    """What most of the neighbours have masked, or less: a film or a crystal goes on from tilt to tilt, a bar does not.

    The second smallest share of up to three views on either side.
    """
    order = np.argsort(tilt_deg, kind="stable")
    usual = np.zeros(masked.size)
    for place, index in enumerate(order):
        near = np.delete(order[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1], min(place, _NEIGHBOURS))
        known = np.sort(masked[near][np.isfinite(masked[near])])
        usual[index] = known[min(1, known.size - 1)] if known.size else 0.0
    return usual


def _numbers(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _z(values: Floats, trusted: Mask, least_scatter: float) -> Floats:
    """Distance from the median of the trusted views in units of their scatter."""
    centre, scatter = robust_centre_and_scale(values[trusted & np.isfinite(values)])
    return (values - centre) / max(scatter, least_scatter)


def _ratio(values: Floats, terms: Floats, trusted: Mask) -> Floats:
    """Values over what tilt and dose lead to expect."""
    log = np.log(np.where(values > 0, values, np.nan))
    expected, _ = robust_trend(terms, log, trusted)
    return np.where(np.isfinite(values), np.maximum(values, 0.0) / np.exp(expected), np.nan)


def _motion(series: TiltSeries) -> tuple[Floats, Floats]:
    """Length of each movie's path, and the median distance between its successive frames."""
    path, step = np.full(len(series.tilts), np.nan), np.full(len(series.tilts), np.nan)
    for i, tilt in enumerate(series.tilts):
        if tilt.motion is not None:
            path[i] = tilt.motion.total_angstrom
            steps = np.linalg.norm(np.diff(tilt.motion.shift_xy_angstrom, axis=0), axis=1)
            step[i] = float(np.median(steps)) if steps.size else np.nan
    return path, step


def _fine_detail(images: ImageCues, terms: Floats, trusted: Mask) -> tuple[Floats, Floats]:
    """Fine power over what tilt and dose lead to expect, and the difference in standard errors.

    NaN where the series shows too little fine structure for blur to be seen. The scatter of the views about the
    trend is part of the error.
    """
    power, error = images.fine_power, np.maximum(images.fine_error, 1e-12)
    clear = trusted & (power > _SIGNIFICANT * error)
    nothing = np.full(power.size, np.nan)
    if clear.sum() < max(5, 0.5 * trusted.sum()):
        return nothing, nothing
    trend, scatter = robust_trend(terms, np.log(np.where(clear, power, np.nan)), clear)
    expected = np.exp(trend)
    total = np.hypot(error, max(scatter, _LEAST_LOG_SCATTER) * expected)
    seen = expected > _SIGNIFICANT * error
    return np.where(seen, power / expected, np.nan), np.where(seen, (power - expected) / total, np.nan)


def _jumps(series: TiltSeries, tilt_deg: Floats) -> tuple[Floats, Floats]:
    n = len(series.tilts)
    if series.geometry is None:
        return np.full(n, np.nan), np.full(n, np.nan)
    jumps = shift_jumps_angstrom(series.geometry.shift_uv_angstrom(), tilt_deg, series.used)
    used = np.zeros(n, dtype=np.bool_)
    used[series.used] = True
    return jumps, _z(jumps, used, _LEAST_JUMP_SCATTER_ANGSTROM)


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
