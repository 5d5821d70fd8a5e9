"""How far the draws of a series can go, so that the field of view is a guarantee."""

import math

from tomoset.microscope._param_checks import LARGEST_DRAW_SIGMAS
from tomoset.microscope.motion_fields import largest_deformation_share, largest_local_motion_share
from tomoset.microscope.params import MicroscopeParams

__all__ = [
    "LARGEST_BLURRED_PATH_ANGSTROM",
    "LARGEST_BLUR_ANGSTROM",
    "LARGEST_DRAW_SIGMAS",
    "deformation_reach_xy",
    "frame_aspect_xy",
    "largest_axis_error_deg",
    "largest_extra_defocus_angstrom",
    "largest_extra_shift_angstrom",
    "largest_tilt_deg",
]

LARGEST_BLUR_ANGSTROM = 40.0  # displacement within one frame of a blurred view
LARGEST_BLURRED_PATH_ANGSTROM = 400.0  # displacement within a whole blurred movie
_BEYOND_FRAME = 1.15  # the border from which signal reaches the frame


def frame_aspect_xy(params: MicroscopeParams) -> tuple[float, float]:
    """Half of the frame's sides in units of ``field_angstrom``: the longer one is 1."""
    height, width = params.frame_shape_yx
    longest = max(height, width)
    return width / longest, height / longest


def deformation_reach_xy(params: MicroscopeParams) -> tuple[float, float]:
    """How far the views see the specimen, across and along the tilt axis, in units of ``field_angstrom``."""
    along = _BEYOND_FRAME * math.hypot(*frame_aspect_xy(params))
    return along / math.cos(math.radians(largest_tilt_deg(params))), along


def largest_tilt_deg(params: MicroscopeParams) -> float:
    """Largest distance of the specimen's true tilt from zero, with pretilt and errors; below 90."""
    nominal = max(abs(params.tilt_min_deg + params.pretilt_deg), abs(params.tilt_max_deg + params.pretilt_deg))
    return min(nominal + LARGEST_DRAW_SIGMAS * params.tilt_error_deg, 89.0)


def largest_axis_error_deg(params: MicroscopeParams) -> float:
    """Largest distance of a view's true axis from the nominal one."""
    return LARGEST_DRAW_SIGMAS * (params.axis_error_deg + params.axis_jitter_deg)


def largest_extra_shift_angstrom(params: MicroscopeParams) -> float:
    """Largest displacement in the image that is not the stage shift's nor the ordinary drift's, Å.

    Sum of what eucentric error, magnification, deformation, local motion and a blurred view can bring about; zero
    where all of these are off.
    """
    tilt = math.radians(largest_tilt_deg(params))
    aspect = frame_aspect_xy(params)
    half_diagonal = math.hypot(*aspect)
    eucentric = LARGEST_DRAW_SIGMAS * params.eucentric_error_angstrom * math.sin(tilt)
    scale = LARGEST_DRAW_SIGMAS * params.magnification_error * half_diagonal * _BEYOND_FRAME * params.field_angstrom
    shift = eucentric + scale
    if params.deformation_angstrom:
        shift += params.deformation_angstrom * largest_deformation_share(deformation_reach_xy(params))
    if params.local_motion_angstrom:
        shift += params.local_motion_angstrom * largest_local_motion_share(aspect, params.n_frames)
    if params.blurred_fraction:
        shift += 0.5 * LARGEST_BLURRED_PATH_ANGSTROM + LARGEST_BLUR_ANGSTROM
    return shift


def largest_extra_defocus_angstrom(params: MicroscopeParams) -> float:
    """Largest change of defocus beyond jitter and tilt: drift, eucentric error and half the astigmatism, Å."""
    jitter = LARGEST_DRAW_SIGMAS * params.astigmatism_jitter_angstrom * math.sqrt(2)
    drawn = LARGEST_DRAW_SIGMAS * (params.defocus_drift_angstrom + 2 * params.eucentric_error_angstrom)
    return drawn + 0.5 * (params.astigmatism_angstrom + jitter)
