"""Plots of what the processing found, with the truth beside it where there is one."""

from pathlib import Path

import numpy as np

from tomoset.benchmark.processing import ProcessingAccuracy, true_defocus_at_centre_angstrom
from tomoset.ctf import CtfParams, ctf_curve
from tomoset.curation.intensity import intensity_law
from tomoset.model import SeriesTruth, TiltSeries
from tomoset.report.pictures import save_picture

__all__ = ["draw_alignment", "draw_ctf", "draw_curation", "draw_motion"]


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
    """Spectrum and fit at the tilt nearest 0° that has an estimate, and the defocus of all tilts.

    Raises
    ------
    ParameterError
        If no tilt has an estimate.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    tilt_deg = series.nominal_tilt_deg
    missing = np.array([tilt.ctf is None for tilt in series.tilts])
    middle = int(np.argmin(np.where(missing, np.inf, np.abs(tilt_deg))))
    curve = ctf_curve(series, middle, params)
    left.plot(curve.frequency_per_angstrom, curve.spectrum, label="spectrum, background removed")
    left.plot(curve.frequency_per_angstrom, curve.model, label="fit")
    estimate = series.tilts[middle].ctf
    if estimate is not None:
        seen = f"rings seen to {estimate.resolution_angstrom:.1f} Å"
        left.axvline(1 / estimate.resolution_angstrom, color="0.6", lw=0.8, label=seen)
        left.set_title(f"{tilt_deg[middle]:g}°: {estimate.defocus_angstrom / 1e4:.3f} µm")
    left.set(xlabel="spatial frequency, 1/Å", ylabel="power")
    left.legend(fontsize=7)
    known = [(angle, tilt.ctf) for angle, tilt in zip(tilt_deg, series.tilts, strict=True) if tilt.ctf is not None]
    right.errorbar(
        [angle for angle, _ in known],
        [ctf.defocus_angstrom / 1e4 for _, ctf in known],
        [(ctf.defocus_error_angstrom or 0.0) / 1e4 for _, ctf in known],
        fmt="o",
        ms=4,
        lw=0.8,
        label="estimate, standard error",
    )
    if truth is not None:
        at_centre = true_defocus_at_centre_angstrom(truth)
        right.plot(tilt_deg, at_centre / 1e4, "k_", ms=8, label="truth", zorder=3)
    hand = {1: "+1", -1: "−1"}.get(series.defocus_hand, "undetermined")
    right.set(xlabel="tilt, °", ylabel="defocus, µm", title=f"defocus of each tilt, hand {hand}")
    right.margins(y=0.2)
    right.legend(fontsize=7)
    save_picture(path, figure, dpi=110)


def draw_curation(path: Path, series: TiltSeries) -> None:
    """Counts of each tilt beside the law of the ice, masked area and CTF score; tilts that are not used are crossed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    tilt_deg, unused = series.nominal_tilt_deg, np.array([not tilt.use for tilt in series.tilts])
    dose = np.array([tilt.dose_e_per_angstrom2 for tilt in series.tilts])
    counts = np.array([tilt.mean_counts for tilt in series.tilts]) / np.where(dose > 0, dose, 1.0)
    law = intensity_law(counts, tilt_deg)
    followed = law.ratio > 0
    left.plot(tilt_deg, counts, "o", ms=4, label="measured")
    left.plot(tilt_deg[followed], (counts / np.maximum(law.ratio, 1e-9))[followed], "-", lw=1, label="law of the ice")
    left.plot(tilt_deg[unused], counts[unused], "rx", ms=9, label=f"not used ({unused.sum()})")
    left.set(xlabel="tilt, °", ylabel="electrons a pixel per e/Å²", title="intensity", ylim=(0, None))
    left.legend(fontsize=7)
    masked = np.array([np.nan if tilt.masked_fraction is None else tilt.masked_fraction for tilt in series.tilts])
    score = np.array([np.nan if tilt.ctf is None else tilt.ctf.score for tilt in series.tilts])
    for values, label in ((score, "CTF score"), (masked, "masked share")):
        right.plot(tilt_deg, values, "o-", ms=3, label=label)
        right.plot(tilt_deg[unused], values[unused], "rx", ms=9)
    right.set(xlabel="tilt, °", title="CTF score and masked area", ylim=(min(0.0, np.nanmin([0.0, *score])), 1.02))
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
