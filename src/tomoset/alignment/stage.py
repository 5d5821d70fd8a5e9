"""The verb ``align``: coarse shifts, tilt axis, joint refinement, particle markers, and checks of itself."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import (
    CommonFrame,
    Pose,
    make_frame,
    resample_views,
    spline_coefficients,
)
from tomoset.alignment.common_lines import search_axis
from tomoset.alignment.marker_model import MarkerModel, start_model
from tomoset.alignment.marker_refinement import refine_with_markers
from tomoset.alignment.pair_correlation import align_neighbours
from tomoset.alignment.params import AlignmentParams
from tomoset.alignment.preprocess import Views, prepare_views
from tomoset.alignment.refinement import newton_step, scan_thickness, wiener_sweep
from tomoset.alignment.self_checks import PairAgreement, own_error, pair_agreement, specimen_slope
from tomoset.alignment.signal_model import make_slab_model, shot_noise_signal, signal_from_neighbours
from tomoset.alignment.sparse_stage import align_on_few_particles
from tomoset.errors import AlignmentError
from tomoset.geometry import TiltGeometry, remove_gauge
from tomoset.model import Progress, Resources, TiltSeries

__all__ = ["align", "methods_text"]

Floats = NDArray[np.float64]

_LEAST_VIEWS = 5
_COARSE_FACTOR = 2.0  # the start is found on pixels twice as large, where everything is five times cheaper
_CONVERGED_ANGSTROM = 0.05
_CONVERGED_DEG = 0.01


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Level:
    """The views at one pixel size, ready to be resampled."""

    views: Views
    coefficients: NDArray[np.float32]
    frame: CommonFrame
    axis_deg: float

    def values(self, pose: Pose) -> NDArray[np.complex64]:
        return resample_views(self.coefficients, self.views, self.frame, pose)


def align(series: TiltSeries, params: AlignmentParams, *, resources: Resources, progress: Progress) -> TiltSeries:
    """Find the tilt axis and the shift of every used tilt.

    Parameters
    ----------
    series : TiltSeries
        Tilt images; CTF estimates, doses and nominal angles are used.
    params : AlignmentParams
    resources : Resources
        Not used: the stage runs on one thread and holds the binned tilt images, a few times, in memory.
    progress : Progress

    Returns
    -------
    TiltSeries
        With ``geometry``: nominal tilt angles, one refined axis for all rows, and shifts in Å. Rows of unused tilts
        hold the nominal angle, the series' axis and a shift of zero. The specimen's translation, which no alignment
        can know, is chosen so that the shifts are as small as possible. ``diagnostics`` gains the entries
        ``alignment.*``, all of them had without truth.

    Raises
    ------
    AlignmentError
        If fewer than five tilts are used, or if neighbouring views have too little in common and particles do not
        lead either (see ``align_on_few_particles``).
    """
    del resources
    if series.used.size < _LEAST_VIEWS:
        raise AlignmentError(
            f"{series.run}: expected at least {_LEAST_VIEWS} used tilts to align, found {series.used.size}; mark more "
            "tilts as used, or take TiltSeries.nominal_geometry() as it is"
        )
    diagnostics: dict[str, float] = {}
    large = _large_pixels(series, params, progress)
    agreement = _agreement(large, params)
    diagnostics["alignment.pair_agreement"] = agreement.fraction
    diagnostics["alignment.pair_significance"] = agreement.median_significance
    if agreement.enough:
        start = _find_start(large, params, diagnostics, progress)
        level = _make_level(series, params, params.pixel_size_angstrom, start.axis_deg, progress)
        pose = _refine(level, params, start, diagnostics, progress)
        model = start_model(level.views, pose)
        if params.markers:
            model = _use_particles(level, params, pose, diagnostics, progress)
    else:
        model, found = align_on_few_particles(series.run, large.views, large.axis_deg, agreement, params)
        diagnostics |= found
    model = _smallest_shifts(model)
    diagnostics["alignment.axis_deg"] = model.axis_deg
    diagnostics |= own_error(diagnostics)
    return replace(
        series,
        geometry=_geometry(series, large.views.rows, model),
        diagnostics={**(series.diagnostics or {}), **diagnostics},
    )


def _make_level(
    series: TiltSeries, params: AlignmentParams, pixel_angstrom: float, axis_deg: float, progress: Progress
) -> _Level:
    views = prepare_views(series, pixel_angstrom, progress)
    return _Level(
        views=views,
        coefficients=spline_coefficients(views),
        frame=make_frame(views, axis_deg, *_band(views, params)),
        axis_deg=axis_deg,
    )


def _large_pixels(series: TiltSeries, params: AlignmentParams, progress: Progress) -> _Level:
    """The views on large pixels in the nominal axis' frame, or in that of the best axis where none is known."""
    axis = series.nominal_tilt_axis_deg
    level = _make_level(series, params, _COARSE_FACTOR * params.pixel_size_angstrom, axis, progress)
    if params.axis_range_deg < 90:
        return level
    band = _band(level.views, params)
    whole = search_axis(
        level.views,
        shot_noise_signal(level.views),
        Pose(axis_deg=axis, shift_uv_angstrom=np.zeros((level.views.n, 2))),
        range_deg=90.0,
        step_deg=2.0,
        band_angstrom=band,
        slack_angstrom=params.search_range_angstrom,
    )
    return replace(level, frame=make_frame(level.views, whole.axis_deg, *band), axis_deg=whole.axis_deg)


def _band(views: Views, params: AlignmentParams) -> tuple[float, float]:
    return params.coarsest_angstrom, max(params.finest_angstrom, 2.1 * views.pixel_size_angstrom)


def _agreement(level: _Level, params: AlignmentParams) -> PairAgreement:
    values = level.values(Pose(axis_deg=level.axis_deg, shift_uv_angstrom=np.zeros((level.views.n, 2))))
    signal = shot_noise_signal(level.views)
    thickness, reach = params.thickness_angstrom, params.search_range_angstrom
    return pair_agreement(level.views, level.frame, values, signal, thickness, reach)


def _find_start(level: _Level, params: AlignmentParams, diagnostics: dict[str, float], progress: Progress) -> Pose:
    """Shifts and axis good enough for the joint refinement, from images on large pixels."""
    views, thickness = level.views, params.thickness_angstrom
    band = _band(views, params)
    signal = shot_noise_signal(views)
    pose = Pose(axis_deg=level.axis_deg, shift_uv_angstrom=np.zeros((views.n, 2)))
    values = level.values(pose)
    for _ in range(2):
        coarse = align_neighbours(views, level.frame, values, signal, thickness, params.search_range_angstrom)
        pose = replace(pose, shift_uv_angstrom=pose.shift_uv_angstrom + coarse.shift_uv_angstrom)
        values = level.values(pose)
    signal = signal_from_neighbours(views, level.frame, values, thickness)
    model = make_slab_model(views, level.frame, signal, thickness)
    centre = pose.axis_deg
    for step in range(8):
        if step < 3:
            values = level.values(pose)
            pose, _ = wiener_sweep(views, level.frame, values, model, pose, 60.0)
        moved = newton_step(
            level.coefficients,
            views,
            level.frame,
            model,
            pose,
            axis_limits_deg=(centre - params.axis_range_deg, centre + params.axis_range_deg),
        )
        pose = moved.pose
        progress.step("find the axis", step + 1, 8)
        if step >= 3 and moved.rms_angstrom < 0.5 and abs(moved.axis_change_deg) < 0.1:
            break
    lines = search_axis(views, signal, pose, range_deg=4.0, step_deg=0.5, band_angstrom=band, slack_angstrom=20.0)
    diagnostics["alignment.axis_contrast"] = lines.contrast
    diagnostics["alignment.common_line_axis_deg"] = lines.axis_deg
    return pose


def _refine(
    level: _Level, params: AlignmentParams, start: Pose, diagnostics: dict[str, float], progress: Progress
) -> Pose:
    """Joint Newton steps under the slab model, on the final pixels."""
    views, frame = level.views, level.frame
    values = level.values(start)
    signal = signal_from_neighbours(views, frame, values, params.thickness_angstrom)
    thickness = scan_thickness(views, frame, values, signal, params.thickness_angstrom)
    model = make_slab_model(views, frame, signal, thickness)
    pose = start
    limits = (start.axis_deg - params.axis_range_deg, start.axis_deg + params.axis_range_deg)
    for step in range(params.newton_steps):
        moved = newton_step(level.coefficients, views, frame, model, pose, axis_limits_deg=limits)
        pose = moved.pose
        diagnostics["alignment.last_step_angstrom"] = moved.rms_angstrom
        diagnostics["alignment.slab_error_u_angstrom"] = float(moved.deviation_uv_angstrom[0])
        diagnostics["alignment.slab_error_v_angstrom"] = float(moved.deviation_uv_angstrom[1])
        progress.step("refine", step + 1, params.newton_steps)
        if moved.rms_angstrom < _CONVERGED_ANGSTROM and abs(moved.axis_change_deg) < _CONVERGED_DEG:
            break
    diagnostics["alignment.thickness_angstrom"] = thickness
    return pose


def _use_particles(
    level: _Level, params: AlignmentParams, pose: Pose, diagnostics: dict[str, float], progress: Progress
) -> MarkerModel:
    """Let particles refine the slab's solution, and report how well they agree with one another."""
    thickness = diagnostics["alignment.thickness_angstrom"]
    signal = signal_from_neighbours(level.views, level.frame, level.values(pose), thickness)
    expected = np.array([diagnostics[f"alignment.slab_error_{side}_angstrom"] for side in "uv"])
    result = refine_with_markers(level.views, signal, pose, expected, thickness, params, progress)
    diagnostics["alignment.markers"] = float(result.n_markers)
    diagnostics["alignment.markers_accepted"] = float(result.accepted)
    diagnostics["alignment.marker_fraction"] = result.accepted_fraction
    diagnostics["alignment.marker_residual_u_angstrom"] = float(result.residual_uv_angstrom[0])
    diagnostics["alignment.marker_residual_v_angstrom"] = float(result.residual_uv_angstrom[1])
    diagnostics["alignment.marker_error_u_angstrom"] = float(result.error_uv_angstrom[0])
    diagnostics["alignment.marker_error_v_angstrom"] = float(result.error_uv_angstrom[1])
    diagnostics["alignment.marker_last_step_angstrom"] = result.last_step_angstrom
    diagnostics["alignment.motion_fitted"] = float(result.accepted and "motion" in result.model.freed)
    diagnostics["alignment.views_fitted"] = float(result.accepted and "views" in result.model.freed)
    if not result.accepted:
        return start_model(level.views, pose)
    slope, error = specimen_slope(result.positions_angstrom_xyz)
    diagnostics["alignment.specimen_slope_x_deg"], diagnostics["alignment.specimen_slope_y_deg"] = map(float, slope)
    diagnostics["alignment.specimen_slope_error_deg"] = error
    return result.model


def _smallest_shifts(model: MarkerModel) -> MarkerModel:
    """Choose the specimen's translation so that the shifts are smallest in the least-squares sense."""
    residual, _ = remove_gauge(model.shift_uv_angstrom, model.nominal_tilt_deg)
    return replace(model, shift_uv_angstrom=residual)


def _geometry(series: TiltSeries, rows: NDArray[np.intp], model: MarkerModel) -> TiltGeometry:
    """Geometry of every row of the series; unused rows have no shift, and nominal angles."""
    n = len(series.tilts)
    found = model.geometry()
    y_tilt, z_rot, shift_xy = series.nominal_tilt_deg.copy(), np.full(n, model.axis_deg), np.zeros((n, 2))
    y_tilt[rows], z_rot[rows], shift_xy[rows] = found.y_tilt_deg, found.z_rot_deg, found.shift_xy_angstrom
    magnification = field = None
    if found.magnification is not None:
        magnification = np.ones(n)
        magnification[rows] = found.magnification
    if found.field_xy_angstrom is not None:
        field = np.zeros((n, 2, 6))
        field[rows] = found.field_xy_angstrom
    return TiltGeometry(
        y_tilt_deg=y_tilt,
        z_rot_deg=z_rot,
        shift_xy_angstrom=shift_xy,
        magnification=magnification,
        field_xy_angstrom=field,
        field_unit_angstrom=found.field_unit_angstrom,
    )


def methods_text(params: AlignmentParams) -> str:
    """Return one sentence for a methods section."""
    particles = f", and last on up to {params.markers} particles as markers by robust bundle adjustment"
    few = ", where whole views have too little in common on single particles, from starts that must agree"
    return (
        f"Tilt series were aligned without fiducial markers on images binned to about {params.pixel_size_angstrom:g} Å "
        f"({params.coarsest_angstrom:g} to {params.finest_angstrom:g} Å band): neighbouring views by whitened, "
        "pair-optimally weighted cosine-stretched correlation, then all shifts and one tilt axis jointly by Fisher "
        "scoring of a Gaussian slab likelihood whose thickness was estimated from the data"
        f"{particles + few if params.markers else ''}."
    )
