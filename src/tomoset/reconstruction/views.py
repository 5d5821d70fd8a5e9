"""Tilt images to filtered views in the frame of the tilt axis: two Fourier transforms and one interpolation."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import CtfEstimate, TiltSeries
from tomoset.physics import wavelength_angstrom
from tomoset.reconstruction.params import ReconstructionParams
from tomoset.reconstruction.plan import PaddedFrame, Plan
from tomoset.reconstruction.weighting import (
    DefocusStrips,
    across_axis_filter,
    band_edge,
    defocus_strips,
    dose_filters,
)

__all__ = ["ViewFilters", "contrast_of_counts", "filtered_view", "make_filters", "padded_spectrum"]

Floats = NDArray[np.float64]
_TABLE = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewFilters:
    """What each used view is multiplied by in Fourier space.

    Parameters
    ----------
    across : (n, m) array of float64
        Table over frequencies across the tilt axis, 0 to Nyquist: ramp, band edge, correction of the back-projection's
        interpolation, and the voxel's edge (so that a voxel holds the change of intensity it makes).
    along : (m,) array of float64
        Table over frequencies along the axis: the band's edge.
    radial : (n, m) array of float64
        Table over the magnitude, 0 to sqrt(2) Nyquist: dose.
    strips : tuple of DefocusStrips
    optics : tuple of (s, 7) array of float64
        For each strip, the numbers of the CTF that the kernel wants.
    """

    across: Floats
    along: Floats
    radial: Floats
    strips: tuple[DefocusStrips, ...]
    optics: tuple[Floats, ...]


def make_filters(series: TiltSeries, params: ReconstructionParams, plan: Plan) -> ViewFilters:
    """Tables and defocus strips of all used views.

    Raises
    ------
    ParameterError
        If the phases are to be flipped and a used tilt has no defocus.
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
            kind=params.filter,
            cut_per_angstrom=cut,
            thickness_angstrom=params.thickness_angstrom,
            bin_per_angstrom=bin_width,
        )
        for i in range(plan.used.size)
    ]
    magnitude = np.linspace(0, math.sqrt(2) * cut, _TABLE)
    radial = np.ones((plan.used.size, _TABLE))
    if params.dose_weighting:
        radial = dose_filters(magnitude, series.dose_middle_e_per_angstrom2[plan.used], series.optics.voltage_kv)
    strips = _all_strips(series, params, plan)
    return ViewFilters(
        across=np.stack(weights) * (edge / tent * voxel),
        along=edge,
        radial=radial,
        strips=strips,
        optics=tuple(_optics(series, params, row, strips[i]) for i, row in enumerate(plan.used)),
    )


def _all_strips(series: TiltSeries, params: ReconstructionParams, plan: Plan) -> tuple[DefocusStrips, ...]:
    ny, nx = (n * series.pixel_size_angstrom for n in plan.source.shape_yx)
    shift_u = plan.geometry.shift_uv_angstrom()[:, 0]
    found = []
    for i, tilt in enumerate(plan.geometry.y_tilt_deg):
        turn = math.radians(plan.geometry.z_rot_deg[i])
        half = 0.5 * (nx * abs(math.cos(turn)) + ny * abs(math.sin(turn)))
        strips = defocus_strips(
            float(tilt),
            series.defocus_hand if params.ctf_correction == "phase-flip" else 0,
            half,
            float(-shift_u[i]),
            cut_per_angstrom=plan.cut_per_angstrom,
            voltage_kv=series.optics.voltage_kv,
        )
        found.append(strips)
    return tuple(found)


def _optics(series: TiltSeries, params: ReconstructionParams, row: int, strips: DefocusStrips) -> Floats:
    """Numbers that the kernel needs to know the sign of the CTF, one line a strip."""
    if params.ctf_correction == "none":
        return np.zeros((strips.offset_angstrom.size, 7))
    ctf = series.tilts[row].ctf
    if ctf is None:
        raise ParameterError(
            f"{series.run}: flipping phases needs the defocus of every used tilt, found none for "
            f"{series.tilts[row].name}; estimate the CTF first, exclude the "
            "tilt, or set reconstruction.ctf_correction to none"
        )
    return np.stack([_optics_line(series, ctf, offset) for offset in strips.offset_angstrom])


def _optics_line(series: TiltSeries, ctf: CtfEstimate, offset_angstrom: float) -> Floats:
    wavelength = wavelength_angstrom(series.optics.voltage_kv)
    return np.array(
        [
            1.0,
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


def padded_spectrum(image_yx: NDArray[np.float32], frame: PaddedFrame) -> NDArray[np.complex64]:
    """``rfft2`` of an image whose mirrored edges fade to zero into the padding; see ``PaddedFrame``."""
    from scipy.fft import rfft2

    taper = frame.taper
    fade = 0.5 * (1 + np.cos(np.pi * np.arange(1, taper + 1) / (taper + 1)))
    framed = np.pad(image_yx, taper, mode="reflect")
    for axis in (0, 1):
        ones = np.ones(frame.shape_yx[axis])
        window = np.concatenate([fade[::-1], ones, fade]).astype(np.float32)
        framed *= window[:, None] if axis == 0 else window[None, :]
    padded = np.zeros(frame.padded_yx, np.float32)
    padded[: framed.shape[0], : framed.shape[1]] = framed
    return np.asarray(rfft2(padded, overwrite_x=True), dtype=np.complex64)


def filtered_view(
    image_yx: NDArray[np.float32],
    plan: Plan,
    filters: ViewFilters,
    index: int,
    rows: NDArray[np.float32],
    first_v: int = 0,
) -> None:
    """Add one filtered, turned and shifted view to ``rows`` (y blocks, u, 128 y), which begin at sample ``first_v``.

    The content between the source's pixels comes from cubic B-splines on an image of twice the voxels' sampling; the
    average transfer of the splines, sinc⁴, is divided out with the filter. At the end of the band 1.2 % of the
    amplitude is left as aliases.
    """
    from scipy.fft import irfft2

    from tomoset.reconstruction import _kernels

    frame, grid = plan.source, plan.rows
    spectrum = padded_spectrum(image_yx, frame)
    pixel_y, pixel_x = frame.fine_pixel_yx_angstrom
    frequency_y = np.fft.fftfreq(frame.fine_yx[0], pixel_y)
    frequency_x = np.fft.rfftfreq(frame.fine_yx[1], pixel_x)
    size = math.prod(frame.fine_yx) / math.prod(frame.padded_yx)
    gain_y = size / np.sinc(frequency_y * pixel_y) ** 4
    gain_x = 1 / np.sinc(frequency_x * pixel_x) ** 4
    axis = math.radians(plan.geometry.z_rot_deg[index])
    filtered = np.empty((frequency_y.size, frequency_x.size), np.complex64)
    strips, u = filters.strips[index], grid.u_angstrom
    n_v = min(grid.n_v - first_v, rows.shape[0] * _kernels.ROWS_Y)
    for strip in range(strips.offset_angstrom.size):
        _kernels.filter_spectrum(
            spectrum,
            filtered,
            frequency_y,
            frequency_x,
            gain_y,
            gain_x,
            axis,
            plan.cut_per_angstrom,
            filters.across[index],
            filters.along,
            filters.radial[index],
            filters.optics[index][strip],
        )
        image = irfft2(filtered, s=frame.fine_yx, overwrite_x=True)
        origin, step_u, step_v = _sampling(plan, index)
        _kernels.resample_aligned(
            image, rows, strips.weights(strip, u), origin, step_u, step_v, first_v, n_v, frame.field_yx
        )


def _sampling(plan: Plan, index: int) -> tuple[Floats, Floats, Floats]:
    """Pixel (y, x) of sample (0, 0) in the fine image, and how far one step along u or v moves in it."""
    turn = math.radians(plan.geometry.z_rot_deg[index])
    cos, sin = math.cos(turn), math.sin(turn)
    frame, rows = plan.source, plan.rows
    pixel = frame.fine_pixel_yx_angstrom
    step_u = np.array([sin, cos]) * rows.step_u_angstrom / pixel
    step_v = np.array([cos, -sin]) * rows.step_v_angstrom / pixel
    centre = np.array([n // 2 + frame.taper for n in frame.shape_yx]) * frame.pixel_size_angstrom
    origin = (centre + plan.geometry.shift_xy_angstrom[index][::-1]) / pixel
    return origin - rows.centre_u * step_u - rows.centre_v * step_v, step_u, step_v
