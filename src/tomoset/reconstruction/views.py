"""Tilt images to filtered views in the frame of the tilt axis: two Fourier transforms and one interpolation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import CtfEstimate, TiltSeries
from tomoset.physics import wavelength_angstrom
from tomoset.reconstruction.focus import corrected_spectra
from tomoset.reconstruction.image_spectra import image_rows, padded_spectrum
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.plan import Plan
from tomoset.reconstruction.taps import tap_table, tap_transfer
from tomoset.reconstruction.weighting import (
    DefocusLevels,
    across_axis_filter,
    band_edge,
    defocus_levels,
    dose_filters,
)

__all__ = [
    "ViewFilters",
    "contrast_of_counts",
    "filtered_views",
    "fine_image",
    "make_filters",
    "sample_lines",
    "seen_samples",
]

Floats = NDArray[np.float64]
_TABLE = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewFilters:
    """What each used view is multiplied by in Fourier space.

    Parameters
    ----------
    across : (n, m) array of float64
        Table over frequencies across the tilt axis, 0 to Nyquist: the band's edge, and unless the volume is found by
        iterations ramp, correction of the back-projection's
        interpolation, and the voxel's edge (so that a voxel holds the change of intensity it makes).
    along : (m,) array of float64
        Table over frequencies along the axis: the band's edge.
    radial : (n, m) array of float64
        Table over the magnitude, 0 to sqrt(2) Nyquist: dose.
    levels : tuple of DefocusLevels
    optics : tuple of (s, 7) array of float64
        For each level, the numbers of the CTF that the kernel wants.
    """

    across: Floats
    along: Floats
    radial: Floats
    levels: tuple[DefocusLevels, ...]
    optics: tuple[Floats, ...]


def make_filters(series: TiltSeries, params: ReconstructionParams, plan: Plan) -> ViewFilters:
    """Tables and defocus levels of all used views.

    Raises
    ------
    ParameterError
        If the CTF is to be corrected and a used tilt has no defocus, or in slabs and the hand is not known.
    """
    cut = plan.cut_per_angstrom
    frequency = np.linspace(0, cut, _TABLE)
    voxel = plan.grid.voxel_size_angstrom
    tent = np.sinc(frequency * plan.rows.step_u_angstrom) ** 2
    edge = band_edge(frequency, cut)
    bin_width = 1 / (max(plan.source.padded_yx) * plan.source.pixel_size_angstrom)
    weights = [
        across_axis_filter(
            frequency,
            i,
            plan.geometry.y_tilt_deg,
            params,
            bin_per_angstrom=bin_width,
        )
        for i in range(plan.used.size)
    ]
    magnitude = np.linspace(0, math.sqrt(2) * cut, _TABLE)
    radial = np.ones((plan.used.size, _TABLE))
    if params.dose_weighting:
        radial = dose_filters(magnitude, series.dose_middle_e_per_angstrom2[plan.used], series.optics.voltage_kv)
    levels = _all_levels(series, params, plan)
    return ViewFilters(
        across=np.stack(weights) * (edge / tent * voxel) if params.method == "wbp" else np.tile(edge, (len(levels), 1)),
        along=edge,
        radial=radial,
        levels=levels,
        optics=tuple(_optics(series, params, row, levels[i]) for i, row in enumerate(plan.used)),
    )


def _all_levels(series: TiltSeries, params: ReconstructionParams, plan: Plan) -> tuple[DefocusLevels, ...]:
    if params.in_slabs and series.defocus_hand == 0:
        raise ParameterError(
            f"{series.run}: correcting the CTF in slabs needs the sign of the defocus gradient, found it undetermined; "
            "set reconstruction.ctf_correction to phase-flip, or give the hand"
        )
    ny, nx = (n * series.pixel_size_angstrom for n in plan.source.shape_yx)
    half_depth = 0.5 * plan.grid.size_angstrom_xyz[2] if params.in_slabs else 0.0
    found = []
    for i, tilt in enumerate(plan.geometry.y_tilt_deg):
        turn = math.radians(plan.geometry.z_rot_deg[i])
        half = 0.5 * (nx * abs(math.cos(turn)) + ny * abs(math.sin(turn)))
        from_centre = _from_image_centre(plan, i)[[0, -1]]
        levels = defocus_levels(
            float(tilt),
            0 if params.ctf_correction == "none" else series.defocus_hand,
            (float(np.clip(from_centre[0], -half, half)), float(np.clip(from_centre[1], -half, half))),
            (plan.middle_z_angstrom - half_depth, plan.middle_z_angstrom + half_depth),
            cut_per_angstrom=plan.cut_per_angstrom,
            voltage_kv=series.optics.voltage_kv,
        )
        found.append(levels)
    return tuple(found)


def _from_image_centre(plan: Plan, index: int) -> Floats:
    """Distance of every row of a view from the image's centre, across the tilt axis, Å."""
    return plan.rows.u_angstrom + float(plan.geometry.shift_uv_angstrom()[index, 0])


def _optics(series: TiltSeries, params: ReconstructionParams, row: int, levels: DefocusLevels) -> Floats:
    """Numbers that the kernel needs to know the CTF, one line a level."""
    if params.ctf_correction == "none":
        return np.zeros((levels.offset_angstrom.size, 7))
    ctf = series.tilts[row].ctf
    if ctf is None:
        raise ParameterError(
            f"{series.run}: correcting the CTF needs the defocus of every used tilt, found none for "
            f"{series.tilts[row].name}; estimate the CTF first, exclude the "
            "tilt, or set reconstruction.ctf_correction to none"
        )
    from tomoset.reconstruction._view_kernels import FLIP, MULTIPLY

    how = MULTIPLY if params.ctf_correction.startswith("multiply") else FLIP
    return np.stack([_optics_line(series, ctf, offset, how) for offset in levels.offset_angstrom])


def _optics_line(series: TiltSeries, ctf: CtfEstimate, offset_angstrom: float, how: float) -> Floats:
    wavelength = wavelength_angstrom(series.optics.voltage_kv)
    return np.array(
        [
            how,
            math.pi * wavelength,
            ctf.defocus_angstrom + offset_angstrom,
            0.5 * (ctf.defocus_u_angstrom - ctf.defocus_v_angstrom),
            2 * math.radians(ctf.astigmatism_deg),
            0.5 * wavelength**2 * series.optics.cs_mm * 1e7,
            math.asin(series.optics.amplitude_contrast),
        ]
    )


def contrast_of_counts(counts_yx: NDArray[np.floating], name: str) -> NDArray[np.float32]:
    """Relative change of intensity: counts over their mean, minus one.

    Raises
    ------
    ParameterError
        If the mean is not a positive number.
    """
    mean = float(np.mean(counts_yx, dtype=np.float64))
    if not (math.isfinite(mean) and mean > 0):
        raise ParameterError(
            f"{name}: expected an image of electron counts with a positive mean, found {mean:g}; exclude this tilt"
        )
    return np.asarray(counts_yx, dtype=np.float32) * np.float32(1 / mean) - np.float32(1)


def filtered_views(
    image_yx: NDArray[np.float32],
    plans: Sequence[Plan],
    filters: ViewFilters,
    index: int,
    rows: Sequence[NDArray[np.float32]],
    first_v: int = 0,
) -> None:
    """Filter, turn and shift one view into the rows (y blocks, u, 64 y) of volumes that differ in depth and height.

    The rows begin at sample ``first_v`` and hold zeros before. The content between the source's pixels comes from four
    taps a direction, whose average transfer is divided out with the filter. The geometry's magnification and field
    enter here and nowhere else.
    """
    from tomoset.reconstruction import _view_kernels
    from tomoset.reconstruction._kernels import ROWS_Y

    frame = plans[0].source
    spectrum = padded_spectrum(image_yx, frame)
    corrected = corrected_spectra(spectrum, plans, index, filters.levels[index], filters.optics[index])
    fine, made_of = np.empty(0, np.float32), None
    for plan, source, target in zip(plans, corrected, rows, strict=True):
        if source is not made_of:
            fine, made_of = fine_image(source, plan, filters, index), source
        n_v = min(plan.rows.n_v - first_v, target.shape[0] * ROWS_Y)
        lines = sample_lines(plan, index)
        _view_kernels.resample_aligned(fine, target, lines, first_v, n_v, frame.field_yx, tap_table())


def fine_image(spectrum: NDArray[np.complex64], plan: Plan, filters: ViewFilters, index: int) -> NDArray[np.float32]:
    """One view through every filter, at the samples that are read between: its rows that hold the field."""
    from tomoset.reconstruction import _view_kernels

    frame = plan.source
    length_y, length_x = (n * frame.pixel_size_angstrom for n in frame.padded_yx)
    cycles_y = np.asarray(np.fft.fftfreq(frame.fine_yx[0]), dtype=np.float64)
    cycles_x = np.arange(frame.columns) / frame.fine_yx[1]
    size = math.prod(frame.fine_yx) / math.prod(frame.padded_yx)
    filtered = np.empty((frame.fine_yx[0], frame.columns), np.complex64)
    _view_kernels.filter_spectrum(
        spectrum,
        filtered,
        cycles_y * (frame.fine_yx[0] / length_y),
        1 / length_x,
        size / tap_transfer(cycles_y),
        1 / tap_transfer(cycles_x),
        math.radians(plan.geometry.z_rot_deg[index]),
        plan.cut_per_angstrom,
        filters.across[index],
        filters.along,
        filters.radial[index],
    )
    return image_rows(filtered, frame.fine_yx, slice(0, frame.rows_at(frame.fine_yx)))


def seen_samples(plan: Plan, index: int) -> NDArray[np.bool_]:
    """Which samples (u, v) of an aligned view its image shows; the others are a taper or nothing."""
    frame = plan.source
    lines, at = sample_lines(plan, index), np.arange(plan.rows.n_v)
    first = frame.taper * frame.pixel_size_angstrom / frame.fine_pixel_yx_angstrom
    seen = np.ones((plan.rows.n_u, plan.rows.n_v), np.bool_)
    for axis, n in enumerate(frame.shape_yx):
        pixel = lines[:, axis, :1] + at * (lines[:, axis, 1:2] + at * lines[:, axis, 2:])
        last = first[axis] + (n - 1) * frame.pixel_size_angstrom / frame.fine_pixel_yx_angstrom[axis]
        seen &= (pixel >= first[axis]) & (pixel <= last)
    return seen


def sample_lines(plan: Plan, index: int) -> Floats:
    """Pixel (y, x) in the fine image of the samples of each u row, as a quadratic of their number along v: (u, 2, 3).

    The geometry's field is quadratic, so that three samples a row say all.
    """
    frame, rows = plan.source, plan.rows
    geometry = plan.geometry.select([index])
    turn = math.radians(geometry.z_rot_deg[0])
    cos, sin = math.cos(turn), math.sin(turn)
    far = max(1, rows.n_v // 2)
    u = rows.u_angstrom[:, None]
    v = (np.arange(3) * far - rows.centre_v)[None, :] * rows.step_v_angstrom
    rigid = np.stack([u * cos - v * sin, u * sin + v * cos], axis=-1)
    landed = geometry.distort(rigid.reshape(1, -1, 2)).reshape(rigid.shape) + geometry.shift_xy_angstrom[0]
    centre = np.array([n // 2 + frame.taper for n in frame.shape_yx]) * frame.pixel_size_angstrom
    pixel = (landed[..., ::-1] + centre) / frame.fine_pixel_yx_angstrom
    curve = (pixel[:, 0] - 2 * pixel[:, 1] + pixel[:, 2]) / (2 * far**2)
    slope = (pixel[:, 1] - pixel[:, 0]) / far - curve * far
    return np.ascontiguousarray(np.stack([pixel[:, 0], slope, curve], axis=-1))
