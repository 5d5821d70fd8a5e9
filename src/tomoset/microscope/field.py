"""How much specimen the camera sees, and the canvas on which a view is computed."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.motion_fields import largest_local_motion_share
from tomoset.microscope.params import MicroscopeParams
from tomoset.microscope.reach import (
    LARGEST_BLUR_ANGSTROM,
    LARGEST_BLURRED_PATH_ANGSTROM,
    LARGEST_DRAW_SIGMAS,
    frame_aspect_xy,
    largest_axis_error_deg,
    largest_extra_defocus_angstrom,
    largest_extra_shift_angstrom,
    largest_tilt_deg,
)
from tomoset.physics import wavelength_angstrom

__all__ = ["Canvas", "canvas_of", "field_of_view_size_xy_angstrom"]

_SMALLEST_MARGIN_PIXELS = 32
_PARTS = 12  # canvases are multiples of so many pixels, so that coarser ones of the same extent exist


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
    coarseness : float
        Size of its pixels over the frame's: more than 1 for a canvas on which a view's fading detail is not resolved.
    """

    shape_yx: tuple[int, int]
    frame_shape_yx: tuple[int, int]
    corner_yx: tuple[int, int]
    pixel_size_angstrom: float
    coarseness: float = 1.0

    @property
    def origin_yx(self) -> tuple[float, float]:
        """Canvas index of the frame's index N // 2, from where positions are counted."""
        (cy, cx), (ny, nx) = self.corner_yx, self.frame_shape_yx
        return ((cy + ny // 2) / self.coarseness, (cx + nx // 2) / self.coarseness)

    @property
    def corner_frequency_per_angstrom(self) -> float:
        """Largest frequency of its transform, along the diagonal."""
        return math.sqrt(0.5) / self.pixel_size_angstrom

    def magnified(self, magnification: float) -> "Canvas":
        """Return the canvas of an image of another magnification: pixels that are smaller on the specimen."""
        return replace(self, pixel_size_angstrom=self.pixel_size_angstrom / magnification)

    def resolving(self, frequency_per_angstrom: float) -> "Canvas":
        """Return the coarsest canvas of the same extent whose Nyquist frequency reaches a frequency, or this one.

        Its transform is the middle of this one's: sizes are twelfths of this one's, and even.
        """
        for parts in range(3, _PARTS):
            shape_yx = tuple(n // _PARTS * parts for n in self.shape_yx)
            coarseness = _PARTS / parts
            nyquist = 0.5 / (self.pixel_size_angstrom * coarseness)
            if nyquist >= frequency_per_angstrom and not any(n % 2 for n in shape_yx):
                return replace(
                    self,
                    shape_yx=(shape_yx[0], shape_yx[1]),
                    pixel_size_angstrom=self.pixel_size_angstrom * coarseness,
                    coarseness=self.coarseness * coarseness,
                )
        return self

    def frame(self, image_yx: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the frame's part of a canvas, as a view."""
        (cy, cx), (ny, nx) = self.corner_yx, self.frame_shape_yx
        return image_yx[cy : cy + ny, cx : cx + nx]


def _margin_angstrom(params: MicroscopeParams) -> float:
    """Width of the border outside the frame from which signal can reach it: delocalisation and motion in a movie."""
    # The defocus of the specimen's far end; its height grows with the tangent of the tilt.
    rise = params.field_angstrom * math.tan(math.radians(largest_tilt_deg(params)))
    defocus = params.defocus_angstrom + LARGEST_DRAW_SIGMAS * params.defocus_jitter_angstrom + rise
    defocus += largest_extra_defocus_angstrom(params)
    sideways = wavelength_angstrom(params.voltage_kv) * defocus * 0.5 / params.pixel_size_angstrom
    motion = 3 * params.drift_angstrom
    if params.local_motion_angstrom:
        motion += params.local_motion_angstrom * largest_local_motion_share(frame_aspect_xy(params), params.n_frames)
    if params.blurred_fraction:
        motion += 0.5 * LARGEST_BLURRED_PATH_ANGSTROM + LARGEST_BLUR_ANGSTROM
    return max(sideways + motion, _SMALLEST_MARGIN_PIXELS * params.pixel_size_angstrom)


def canvas_of(params: MicroscopeParams) -> Canvas:
    """Canvas for the frames of a microscope: the frame in the middle, a guard of at least 32 pixels on every side."""
    from scipy.fft import next_fast_len

    margin = math.ceil(_margin_angstrom(params) / params.pixel_size_angstrom)
    # A fast length of a twelfth of the size, times twelve, is fast.
    ny, nx = (_PARTS * next_fast_len(math.ceil((n + 2 * margin) / _PARTS), real=True) for n in params.frame_shape_yx)
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
    border += largest_extra_shift_angstrom(params)
    half_y, half_x = (0.5 * n * params.pixel_size_angstrom + border for n in params.frame_shape_yx)
    reach_deg = largest_axis_error_deg(params)
    axis = np.deg2rad(params.tilt_axis_deg + np.linspace(-reach_deg, reach_deg, 101))
    across = float(np.max(half_x * np.abs(np.cos(axis)) + half_y * np.abs(np.sin(axis))))
    along = float(np.max(half_x * np.abs(np.sin(axis)) + half_y * np.abs(np.cos(axis))))
    # A view at tilt t sees u = x cos t + z sin t for every height z in the slab.
    tilts = np.deg2rad(np.linspace(0.0, largest_tilt_deg(params), 181))
    half_width = float(np.max((across + 0.5 * thickness_angstrom * np.sin(tilts)) / np.cos(tilts)))
    return (2 * half_width, 2 * along)
