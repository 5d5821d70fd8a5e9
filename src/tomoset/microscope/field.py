"""How much specimen the camera sees, and the canvas on which a view is computed."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.params import MicroscopeParams
from tomoset.physics import wavelength_angstrom

__all__ = ["LARGEST_DRAW_SIGMAS", "Canvas", "canvas_of", "field_of_view_size_xy_angstrom"]

LARGEST_DRAW_SIGMAS = 4.0  # draws are clipped there, so that the field of view below is a guarantee
_SMALLEST_MARGIN_PIXELS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A periodic image somewhat larger than the frame: what wraps around at its edge never reaches the frame.

    Parameters
    ----------
    shape_yx : tuple of int
        Even, and of small prime factors for the Fourier transform.
    frame_shape_yx : tuple of int
        The frame in it.
    corner_yx : tuple of int
        Canvas index of the frame's pixel (0, 0).
    pixel_size_angstrom : float
    """

    shape_yx: tuple[int, int]
    frame_shape_yx: tuple[int, int]
    corner_yx: tuple[int, int]
    pixel_size_angstrom: float

    @property
    def origin_yx(self) -> tuple[int, int]:
        """Canvas index of the frame's index N // 2, from where positions are counted."""
        (cy, cx), (ny, nx) = self.corner_yx, self.frame_shape_yx
        return (cy + ny // 2, cx + nx // 2)

    def frame(self, image_yx: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the frame's part of a canvas, as a view."""
        (cy, cx), (ny, nx) = self.corner_yx, self.frame_shape_yx
        return image_yx[cy : cy + ny, cx : cx + nx]


def _largest_tilt_deg(params: MicroscopeParams) -> float:
    nominal = max(abs(params.tilt_min_deg), abs(params.tilt_max_deg))
    return min(nominal + LARGEST_DRAW_SIGMAS * params.tilt_error_deg, 89.0)


def _margin_angstrom(params: MicroscopeParams) -> float:
    """Width of the border outside the frame from which signal can reach it: delocalisation and frame motion."""
    largest_side = max(params.frame_shape_yx) * params.pixel_size_angstrom
    # The defocus of the specimen's far end; its height grows with the tangent of the tilt.
    rise = 0.5 * largest_side * math.tan(math.radians(_largest_tilt_deg(params)))
    defocus = params.defocus_angstrom + LARGEST_DRAW_SIGMAS * params.defocus_jitter_angstrom + rise
    sideways = wavelength_angstrom(params.voltage_kv) * defocus * 0.5 / params.pixel_size_angstrom
    return max(sideways + 3 * params.drift_angstrom, _SMALLEST_MARGIN_PIXELS * params.pixel_size_angstrom)


def canvas_of(params: MicroscopeParams) -> Canvas:
    """Canvas for the frames of a microscope: the frame in the middle, a guard of at least 32 pixels on every side."""
    from scipy.fft import next_fast_len

    margin = math.ceil(_margin_angstrom(params) / params.pixel_size_angstrom)
    # A fast length of half the size, doubled, is fast and even.
    ny, nx = (2 * next_fast_len(n // 2 + margin, real=True) for n in params.frame_shape_yx)
    corner_yx = tuple((n - m) // 2 for n, m in zip((ny, nx), params.frame_shape_yx, strict=True))
    return Canvas(
        shape_yx=(ny, nx),
        frame_shape_yx=params.frame_shape_yx,
        corner_yx=(corner_yx[0], corner_yx[1]),
        pixel_size_angstrom=params.pixel_size_angstrom,
    )


def field_of_view_size_xy_angstrom(params: MicroscopeParams, thickness_angstrom: float) -> tuple[float, float]:
    """Extent of the specimen that no view of the series looks past.

    Parameters
    ----------
    params : MicroscopeParams
    thickness_angstrom : float
        Of the ice, Å.

    Returns
    -------
    (x, y) : tuple of float
        Edge lengths in the specimen frame (tilt axis along y), centred on its origin, Å. Holds for the largest tilt,
        every axis angle and every shift the simulation can draw, and includes the border from which defocus carries
        signal into the frame.
    """
    border = _margin_angstrom(params) + LARGEST_DRAW_SIGMAS * params.stage_shift_angstrom
    half_y, half_x = (0.5 * n * params.pixel_size_angstrom + border for n in params.frame_shape_yx)
    reach_deg = LARGEST_DRAW_SIGMAS * params.axis_error_deg
    axis = np.deg2rad(params.tilt_axis_deg + np.linspace(-reach_deg, reach_deg, 101))
    across = float(np.max(half_x * np.abs(np.cos(axis)) + half_y * np.abs(np.sin(axis))))
    along = float(np.max(half_x * np.abs(np.sin(axis)) + half_y * np.abs(np.cos(axis))))
    # A view at tilt t sees u = x cos t + z sin t for every height z in the slab.
    tilts = np.deg2rad(np.linspace(0.0, _largest_tilt_deg(params), 181))
    half_width = float(np.max((across + 0.5 * thickness_angstrom * np.sin(tilts)) / np.cos(tilts)))
    return (2 * half_width, 2 * along)
