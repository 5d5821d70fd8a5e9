"""Plots of what the processing found, with the truth beside it where there is one."""

from pathlib import Path

import numpy as np

from tomoset.benchmark.processing import ProcessingAccuracy, true_defocus_at_centre_angstrom
from tomoset.ctf import CtfParams, ctf_curve
from tomoset.model import SeriesTruth, TiltSeries
from tomoset.report.pictures import save_picture

__all__ = ["draw_alignment", "draw_ctf", "draw_motion"]


def draw_motion(path: Path, series: TiltSeries, truth: SeriesTruth | None) -> None:
    """Frame tracks of the first, the middle and the last exposure, and every tilt's path length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort([tilt.acquisition_order for tilt in series.tilts])
    for i in (order[0], order[len(order) // 2], order[-1]):
        tilt = series.tilts[i]
        if tilt.motion is None:
            continue
        track = tilt.motion.shift_xy_angstrom
        label = f"exposure {tilt.acquisition_order + 1}, {tilt.nominal_tilt_deg:g}°"
        (line,) = left.plot(*track.T, "o-", ms=3, label=label)
        if truth is not None:
            left.plot(*truth.frame_shift_xy_angstrom[i].T, "x--", ms=5, lw=0.8, color=line.get_color())
    left.set(xlabel="x, Å", ylabel="y, Å", title="motion" + (" (dashed: truth)" if truth else ""))
    left.set_aspect("equal", adjustable="datalim")
    left.legend(fontsize=7)
    right.plot(
        series.nominal_tilt_deg,
        [np.nan if tilt.motion is None else tilt.motion.total_angstrom for tilt in series.tilts],
        "o-",
        ms=3,
    )
    right.set(xlabel="tilt, °", ylabel="path length, Å", title="motion of each movie", ylim=(0, None))
    save_picture(path, figure, dpi=110)


def draw_ctf(path: Path, series: TiltSeries, params: CtfParams, truth: SeriesTruth | None) -> None:
    """Spectrum and fit at the tilt nearest 0°, and the defocus of all tilts."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    middle = int(np.argmin(np.abs(series.nominal_tilt_deg)))
    curve = ctf_curve(series, middle, params)
    left.plot(curve.frequency_per_angstrom, curve.spectrum, label="spectrum, background removed")
    left.plot(curve.frequency_per_angstrom, curve.model, label="fit")
    estimate = series.tilts[middle].ctf
    if estimate is not None:
        left.axvline(1 / estimate.resolution_angstrom, color="0.6", lw=0.8)
        left.set_title(f"{series.tilts[middle].nominal_tilt_deg:g}°: {estimate.defocus_angstrom / 1e4:.3f} µm")
    left.set(xlabel="spatial frequency, 1/Å", ylabel="power")
    left.legend(fontsize=7)
    defocus = [np.nan if tilt.ctf is None else tilt.ctf.defocus_angstrom / 1e4 for tilt in series.tilts]
    right.plot(series.nominal_tilt_deg, defocus, "o", ms=4, label="estimate")
    if truth is not None:
        at_centre = true_defocus_at_centre_angstrom(truth)
        right.plot(series.nominal_tilt_deg, at_centre / 1e4, "k_", ms=8, label="truth")
    right.set(xlabel="tilt, °", ylabel="defocus, µm", title="defocus of each tilt")
    right.legend(fontsize=7)
    save_picture(path, figure, dpi=110)


def draw_alignment(path: Path, series: TiltSeries, accuracy: ProcessingAccuracy | None) -> None:
    """Shifts of the views, and what is left of them against the truth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    if series.geometry is not None:
        used = series.used
        shift = series.geometry.shift_xy_angstrom[used]
        left.plot(series.nominal_tilt_deg[used], shift[:, 0], "o-", ms=3, label="x")
        left.plot(series.nominal_tilt_deg[used], shift[:, 1], "o-", ms=3, label="y")
        axis = float(np.median(series.geometry.z_rot_deg[used]))
        left.set(xlabel="tilt, °", ylabel="shift, Å", title=f"image shifts, tilt axis {axis:.2f}°")
        left.legend(fontsize=7)
    if accuracy is None:
        right.set_axis_off()
    else:
        residual_uv = accuracy.shift_residual_uv_angstrom
        right.plot(accuracy.tilt_deg, residual_uv[:, 0], "o-", ms=3, label="across the axis (u)")
        right.plot(accuracy.tilt_deg, residual_uv[:, 1], "o-", ms=3, label="along the axis (v)")
        right.axhline(0, color="0.6", lw=0.8)
        right.set(xlabel="tilt, °", ylabel="error, Å", title="against the truth, gauge removed")
        right.legend(fontsize=7)
    save_picture(path, figure, dpi=110)
