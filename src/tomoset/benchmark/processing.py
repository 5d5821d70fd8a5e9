"""How far motion, defocus and alignment of a simulated series are from the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, remove_gauge, rotation_about
from tomoset.model import SeriesTruth, TiltSeries

__all__ = [
    "ProcessingAccuracy",
    "alignment_residual",
    "measure_processing",
    "true_defocus_at_centre_angstrom",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProcessingAccuracy:
    """Errors of one processed series against its truth.

    Parameters
    ----------
    run : str
    motion_rms_pixel : float
        Frame positions averaged over the field (mean over frames removed), rms over all frames of all used tilts and
        both axes, in pixels of the images.
    axis_error_deg : float
        Estimated minus true tilt axis, mean over used tilts.
    shift_u_rms_angstrom, shift_v_rms_angstrom : float
        Shifts across and along the true tilt axis, gauge removed, rms over used tilts.
    shift_residual_uv_angstrom : (n, 2) array of float64
        The same per used tilt, for plots.
    tilt_deg : (n,) array of float64
        Nominal angles of the used tilts.
    defocus_zero_tilt_relative : float
        Estimated over true defocus minus one, at the tilt nearest 0°; both at the image's centre; NaN without an
        estimate.
    defocus_rms_relative : float
        The same, rms over the used tilts that have an estimate.
    hand_is_right : bool or None
        None when the hand was left undetermined.
    """

    run: str
    motion_rms_pixel: float
    axis_error_deg: float
    shift_u_rms_angstrom: float
    shift_v_rms_angstrom: float
    shift_residual_uv_angstrom: NDArray[np.float64]
    tilt_deg: NDArray[np.float64]
    defocus_zero_tilt_relative: float
    defocus_rms_relative: float
    hand_is_right: bool | None


def measure_processing(series: TiltSeries, truth: SeriesTruth) -> ProcessingAccuracy:
    """Compare a processed series with its truth, tilt by tilt.

    Parameters
    ----------
    series : TiltSeries
        Motion-corrected, with defocus and alignment.
    truth : SeriesTruth
        Of the same series, rows in the same order.

    Returns
    -------
    ProcessingAccuracy

    Raises
    ------
    GeometryError
        If the series is not aligned, or has another number of tilts than the truth.
    """
    if series.geometry is None or series.geometry.n_tilts != truth.geometry.n_tilts:
        raise GeometryError(f"{series.run}: expected an aligned series of {truth.geometry.n_tilts} tilts")
    used = series.used
    residual, axis_error = alignment_residual(series.geometry.select(used), truth.geometry.select(used))
    relative = _relative_defocus(series, truth)
    zero = int(np.argmin(np.abs(series.nominal_tilt_deg[used])))
    return ProcessingAccuracy(
        run=series.run,
        motion_rms_pixel=_motion_rms_pixel(series, truth),
        axis_error_deg=axis_error,
        shift_u_rms_angstrom=_rms(residual[:, 0]),
        shift_v_rms_angstrom=_rms(residual[:, 1]),
        shift_residual_uv_angstrom=residual,
        tilt_deg=series.nominal_tilt_deg[used],
        defocus_zero_tilt_relative=float(relative[zero]),
        defocus_rms_relative=_rms(relative[np.isfinite(relative)]),
        hand_is_right=None if series.defocus_hand == 0 else series.defocus_hand == truth.defocus_hand,
    )


def alignment_residual(estimated: TiltGeometry, true: TiltGeometry) -> tuple[NDArray[np.float64], float]:
    """Shift residuals that no translation of the specimen explains, and the error of the tilt axis.

    Parameters
    ----------
    estimated, true : TiltGeometry
        Of the same views, row by row.

    Returns
    -------
    residual_uv_angstrom : (n, 2) array of float64
        Estimated minus true shift across and along the true axis, Å, gauge removed.
    axis_error_deg : float
        Estimated minus true axis, mean over views, −180 to 180.

    Notes
    -----
    The tilt axis is no gauge: turning the specimen about z changes all views but the one at 0° otherwise than turning
    the axis does. With an axis that is wrong by a, the translation T that is removed belongs to either of two frames;
    they differ by a · T (0.1 Å for 0.3° and 20 Å). Errors of the tilt angles are not measured: the true ones are used.
    """
    inverse = rotation_about("z", -true.z_rot_deg)[:, :2, :2]
    difference_xy = estimated.shift_xy_angstrom - true.shift_xy_angstrom
    difference_uv = np.einsum("nij,nj->ni", inverse, difference_xy)
    residual, _ = remove_gauge(difference_uv, true.y_tilt_deg)
    axis_error = np.mean((estimated.z_rot_deg - true.z_rot_deg + 180.0) % 360.0 - 180.0)
    return residual, float(axis_error)


def _motion_rms_pixel(series: TiltSeries, truth: SeriesTruth) -> float:
    errors = []
    for i in series.used:
        track = series.tilts[i].motion
        if track is not None:
            error = track.shift_xy_angstrom - truth.frame_shift_xy_angstrom[i] - _mean_local(series, truth, i)
            errors.append(error - error.mean(axis=0))
    return _rms(np.concatenate(errors)) / series.pixel_size_angstrom if errors else float("nan")


def _mean_local(series: TiltSeries, truth: SeriesTruth, tilt: int) -> NDArray[np.float64] | float:
    """What local motion (t, 2) moves the field as a whole: its quadratic terms have a mean."""
    if truth.local_motion is None:
        return 0.0
    _, ny, nx = series.images_nyx.shape
    half = np.array([nx, ny]) / 2 * series.pixel_size_angstrom / truth.field_angstrom
    mean_terms = np.array([1.0, 0.0, 0.0, half[0] ** 2 / 3, 0.0, half[1] ** 2 / 3])
    return truth.local_motion[tilt] @ mean_terms


def _relative_defocus(series: TiltSeries, truth: SeriesTruth) -> NDArray[np.float64]:
    estimates = [series.tilts[i].ctf for i in series.used]
    defocus = np.array([np.nan if ctf is None else ctf.defocus_angstrom for ctf in estimates])
    return defocus / true_defocus_at_centre_angstrom(truth)[series.used] - 1


def true_defocus_at_centre_angstrom(truth: SeriesTruth) -> NDArray[np.float64]:
    """True defocus (n,) where a CTF estimate has it: of the specimen's middle plane at the centre of each image, Å.

    The truth is kept at the specimen's origin, which the stage's shifts move off the centre: at 45° and 40 Å the plane
    under the centre is 40 Å higher or lower.
    """
    geometry = truth.geometry
    height = -np.einsum("ni,ni->n", geometry.plane_gradient_xy, geometry.shift_xy_angstrom)
    return np.asarray(truth.defocus_angstrom + truth.defocus_hand * height)


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else float("nan")
