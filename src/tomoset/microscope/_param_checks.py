"""What the settings of a simulated microscope must fulfil."""

import math
from typing import TYPE_CHECKING

from tomoset.errors import ParameterError
from tomoset.physics import wavelength_angstrom

if TYPE_CHECKING:
    from tomoset.microscope.params import MicroscopeParams

__all__ = ["LARGEST_DRAW_SIGMAS", "check"]

LARGEST_DRAW_SIGMAS = 4.0  # draws are clipped there, so that the field of view is a guarantee

_POSITIVE = (
    "pixel_size_angstrom",
    "tilt_step_deg",
    "total_dose_e_per_angstrom2",
    "defocus_angstrom",
    "mean_free_path_angstrom",
    "voltage_kv",
    "slab_angstrom",
    "dose_rate_e_per_pixel_s",
    "internal_frames_per_s",
    "target_spacing_angstrom",
)
_NOT_NEGATIVE = (
    "group_grows_from_deg",
    "defocus_jitter_angstrom",
    "defocus_drift_angstrom",
    "astigmatism_angstrom",
    "astigmatism_jitter_angstrom",
    "axis_error_deg",
    "axis_jitter_deg",
    "stage_shift_angstrom",
    "eucentric_error_angstrom",
    "tilt_error_deg",
    "magnification_error",
    "drift_angstrom",
    "deformation_angstrom",
    "local_motion_angstrom",
    "illumination_half_angle_mrad",
    "focal_spread_angstrom",
    "ice_phase_noise",
    "ice_correlation_dose_e_per_angstrom2",
    "gain_spread",
    "coincidence_pixels",
    "dark_fraction",
    "blocked_fraction",
    "blurred_fraction",
    "missing_fraction",
    "cs_mm",
)
_FINITE = ("start_tilt_deg", "pretilt_deg", "astigmatism_deg", "tilt_axis_deg")
_AT_LEAST_ONE = ("n_frames", "group_size", "parallel_targets")
_SHARE_OF_PIXELS = ("hot_pixel_fraction", "dead_pixel_fraction")
_CHOICES = {
    "scheme": ("dose-symmetric", "bidirectional", "unidirectional"),
    "mtf": ("none", "k3-standard", "k3-cds"),
    "propagation": ("linear", "multislice"),
    "frame_format": ("tiff", "mrc"),
}
# Frames are stored in one byte; a mean of this many counts leaves room for contrast, gain and ten standard deviations.
_LARGEST_MEAN_COUNTS = 100.0
_LARGEST_BAD_SHARE = 1 / 3
_LARGEST_COINCIDENCE_PIXELS = 9.0  # three by three


def check(params: "MicroscopeParams") -> None:
    """Raise ``ParameterError`` for what no microscope can do and what the simulation cannot."""
    _check_numbers(params)
    _check_choices(params)
    _check_imperfections(params)
    _check_tilts(params)
    _check_sampling(params)


def _check_numbers(params: "MicroscopeParams") -> None:
    for name in _POSITIVE:
        value = getattr(params, name)
        if not (math.isfinite(value) and value > 0):
            raise ParameterError(f"{name}: expected a positive number, got {value}")
    for name in _NOT_NEGATIVE:
        value = getattr(params, name)
        if not (math.isfinite(value) and value >= 0):
            raise ParameterError(f"{name}: expected zero or a positive number, got {value}")
    for name in _FINITE:
        if not math.isfinite(getattr(params, name)):
            raise ParameterError(f"{name}: expected a finite number of degrees, got {getattr(params, name)}")
    for name in _AT_LEAST_ONE:
        if getattr(params, name) < 1:
            raise ParameterError(f"{name}: expected 1 or more, got {getattr(params, name)}")


def _check_choices(params: "MicroscopeParams") -> None:
    for name, choices in _CHOICES.items():
        if getattr(params, name) not in choices:
            expected = ", ".join(repr(choice) for choice in choices)
            raise ParameterError(f"{name}: expected one of {expected}, got {getattr(params, name)!r}")
    if params.defocus_hand not in {-1, 1}:
        raise ParameterError(f"defocus_hand: expected +1 or -1, got {params.defocus_hand}")


def _check_imperfections(params: "MicroscopeParams") -> None:
    if not 0 < params.dqe <= 1 or not 0 <= params.amplitude_contrast < 1:
        raise ParameterError(
            f"expected 0 < dqe ≤ 1 and 0 ≤ amplitude_contrast < 1, got {params.dqe} and {params.amplitude_contrast}"
        )
    for name in _SHARE_OF_PIXELS:
        if not 0 <= getattr(params, name) <= 0.01:
            raise ParameterError(f"{name}: expected a share between 0 and 0.01, got {getattr(params, name)}")
    if params.gain_spread > 0.2:
        raise ParameterError(f"gain_spread: expected at most 0.2, got {params.gain_spread}")
    if params.magnification_error > 0.02:
        raise ParameterError(f"magnification_error: expected a share of at most 0.02, got {params.magnification_error}")
    if params.coincidence_pixels and not 1 <= params.coincidence_pixels <= _LARGEST_COINCIDENCE_PIXELS:
        raise ParameterError(
            "coincidence_pixels: expected 0 for no loss, or an area of 1 to "
            f"{_LARGEST_COINCIDENCE_PIXELS:g} pixels, got {params.coincidence_pixels}"
        )
    bad = params.dark_fraction + params.blocked_fraction + params.blurred_fraction + params.missing_fraction
    if bad > _LARGEST_BAD_SHARE + 1e-9:
        raise ParameterError(
            "expected dark_fraction + blocked_fraction + blurred_fraction + missing_fraction of at most one third, "
            f"got {bad:g}; a series with more bad views is not worth a simulation"
        )


def _check_tilts(params: "MicroscopeParams") -> None:
    if not -90 < params.tilt_min_deg <= params.tilt_max_deg < 90:
        raise ParameterError(
            "expected -90 < tilt_min_deg <= tilt_max_deg < 90, "
            f"got {params.tilt_min_deg} and {params.tilt_max_deg}; a slab cannot be seen edge-on"
        )
    first, last = params.tilt_min_deg + params.pretilt_deg, params.tilt_max_deg + params.pretilt_deg
    error = LARGEST_DRAW_SIGMAS * params.tilt_error_deg
    if first - error <= -90 or last + error >= 90:
        raise ParameterError(
            f"expected the specimen's tilt between -90° and 90°, got {first:g}° to {last:g}° with the pretilt of "
            f"{params.pretilt_deg:g}° and errors of up to {error:g}°; take a smaller range of tilts"
        )
    if not params.tilt_min_deg <= params.start_tilt_deg <= params.tilt_max_deg and params.start_tilt_deg != 0:
        raise ParameterError(
            f"start_tilt_deg: expected a tilt between {params.tilt_min_deg:g}° and {params.tilt_max_deg:g}°, "
            f"got {params.start_tilt_deg:g}°"
        )


def _check_sampling(params: "MicroscopeParams") -> None:
    shape = params.frame_shape_yx
    if any(n < 32 or n % 2 for n in shape):
        raise ParameterError(f"frame_shape_yx: expected two even numbers of at least 32 pixels, got {shape}")
    if params.pixel_size_angstrom < 1.0:
        raise ParameterError(
            f"pixel_size_angstrom: expected 1 Å or more, got {params.pixel_size_angstrom:g} Å; molecules are "
            "modelled on a grid of half a pixel, which is not made finer than 0.5 Å"
        )
    first_zero_angstrom = math.sqrt(wavelength_angstrom(params.voltage_kv) * params.defocus_angstrom)
    if 2 * params.pixel_size_angstrom > first_zero_angstrom:
        raise ParameterError(
            f"pixel_size_angstrom: at {params.defocus_angstrom:g} Å defocus the first CTF zero lies at "
            f"{first_zero_angstrom:.1f} Å and a pixel of at most {first_zero_angstrom / 2:.1f} Å is needed to see "
            f"it, got {params.pixel_size_angstrom:g} Å; take finer pixels or more defocus"
        )
    field_angstrom = min(shape) * params.pixel_size_angstrom
    if field_angstrom < 2 * params.delocalisation_angstrom:
        raise ParameterError(
            f"frame_shape_yx: the defocus carries detail {params.delocalisation_angstrom:.0f} Å sideways and the "
            f"frame is only {field_angstrom:.0f} Å wide; take larger frames, coarser pixels or less defocus"
        )
    if params.electrons_per_pixel_and_frame > _LARGEST_MEAN_COUNTS:
        raise ParameterError(
            f"{params.electrons_per_pixel_and_frame:.0f} electrons a pixel and frame do not fit the one byte that "
            f"counts are stored in (at most {_LARGEST_MEAN_COUNTS:.0f}); take more frames or finer pixels"
        )
