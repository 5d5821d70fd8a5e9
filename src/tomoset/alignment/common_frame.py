"""Views brought to one frame: X across the tilt axis as at 0° (stretched by 1 / cos t), Y along the axis.

In this frame a particle at specimen (x, y, z) lies at ``X = x + z tan t + u_shift / cos t`` and ``Y = y + v_shift``,
and every view's transform samples the specimen's own transform at ``(kx, ky, kx tan t)``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.preprocess import Views, edge_taper

__all__ = ["CommonFrame", "Pose", "make_frame", "resample_views", "spline_coefficients", "xy_from_uv"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pose:
    """One tilt axis and one shift a view: what is being estimated.

    Parameters
    ----------
    axis_deg : float
        ``z_rot`` of the series.
    shift_uv_angstrom : (n, 2) array of float64
        Where the specimen's origin lands, across and along the axis, Å.
    """

    axis_deg: float
    shift_uv_angstrom: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CommonFrame:
    """The grid of the common frame and the half-plane frequencies that are used on it.

    Parameters
    ----------
    shape_yx : tuple of int
        Pixels along Y and X.
    pixel_size_angstrom : float
    window_yx : (ny, nx) array of float32
        Taper applied to every view.
    flat : (m,) array of int
        Flat index into the ``rfft2`` half plane of the used frequencies.
    kx, ky : (m,) array of float64
        Their frequencies, 1/Å; kx ≥ 0.
    weight : (m,) array of float64
        1, or ½ on kx = 0 where both (k, −k) are present.
    """

    shape_yx: tuple[int, int]
    pixel_size_angstrom: float
    window_yx: NDArray[np.float32]
    flat: NDArray[np.intp]
    kx: Floats
    ky: Floats
    weight: Floats

    def map_of(self, values_m: NDArray[np.complexfloating]) -> NDArray[np.float32]:
        """Inverse transform (ny, nx) of values on the used frequencies; zero lag at index (0, 0)."""
        from scipy import fft

        ny, nx = self.shape_yx
        half = np.zeros(ny * (nx // 2 + 1), dtype=np.complex64)
        half[self.flat] = values_m
        return np.asarray(fft.irfft2(half.reshape(ny, nx // 2 + 1), s=self.shape_yx), dtype=np.float32)

    def phase(self, shift_xy_angstrom: tuple[float, float]) -> Complexes:
        """Factor (m,) that moves content back by a shift (X, Y) of the common frame."""
        x, y = shift_xy_angstrom
        return np.exp(2j * np.pi * (self.kx * x + self.ky * y)).astype(np.complex64)


def xy_from_uv(uv: NDArray[np.float64], axis_deg: float) -> Floats:
    """Turn (…, 2) vectors from (across, along) the axis to image (x, y)."""
    c, s = np.cos(np.deg2rad(axis_deg)), np.sin(np.deg2rad(axis_deg))
    return np.stack([c * uv[..., 0] - s * uv[..., 1], s * uv[..., 0] + c * uv[..., 1]], axis=-1)


def make_frame(views: Views, axis_deg: float, coarsest_angstrom: float, finest_angstrom: float) -> CommonFrame:
    """Lay the common frame of a series whose axis is about ``axis_deg``.

    The frame covers what every view shows for an axis near x or y; between, its corners reach outside the images,
    where they are zero.
    """
    _, ny, nx = views.images_nyx.shape
    c2 = np.cos(np.deg2rad(axis_deg)) ** 2
    width, height = (8 * int(size // 8) for size in (nx * c2 + ny * (1 - c2), nx * (1 - c2) + ny * c2))
    pixel = views.pixel_size_angstrom
    ky, kx = np.meshgrid(np.fft.fftfreq(height, pixel), np.fft.rfftfreq(width, pixel), indexing="ij")
    k = np.hypot(ky, kx)
    flat = np.flatnonzero((k >= 1 / coarsest_angstrom) & (k <= 1 / finest_angstrom))
    kx_used = kx.ravel()[flat]
    return CommonFrame(
        shape_yx=(height, width),
        pixel_size_angstrom=pixel,
        window_yx=edge_taper((height, width), 0.12),
        flat=flat,
        kx=kx_used,
        ky=ky.ravel()[flat],
        weight=np.where(kx_used == 0, 0.5, 1.0),
    )


def spline_coefficients(views: Views) -> NDArray[np.float32]:
    """Cubic spline coefficients (n, ny, nx) of the images, so that each is prepared once."""
    from scipy import ndimage

    return np.stack([ndimage.spline_filter(image, order=3, output=np.float32) for image in views.images_nyx])


def resample_view(
    coefficients_yx: NDArray[np.float32], frame: CommonFrame, axis_deg: float, cos: float, shift_uv_angstrom: Floats
) -> NDArray[np.float32]:
    """One view in the common frame (ny, nx), by cubic splines; outside the image zero."""
    from tomoset.alignment import _kernels

    c, s = np.cos(np.deg2rad(axis_deg)), np.sin(np.deg2rad(axis_deg))
    matrix = np.array([[c, s * cos], [-s, c * cos]])  # (Y, X) of the frame -> (y, x) of the image
    shift_x, shift_y = xy_from_uv(shift_uv_angstrom, axis_deg) / frame.pixel_size_angstrom
    origin = np.array([coefficients_yx.shape[0] // 2 + shift_y, coefficients_yx.shape[1] // 2 + shift_x])
    offset = origin - matrix @ np.array([frame.shape_yx[0] // 2, frame.shape_yx[1] // 2])
    out = np.empty(frame.shape_yx, dtype=np.float32)
    _kernels.sample_affine(coefficients_yx, matrix, offset, out)
    return out


def resample_views(coefficients_nyx: NDArray[np.float32], views: Views, frame: CommonFrame, pose: Pose) -> Complexes:
    """Transforms (m, n) of all views in the common frame under a pose, with unit mean power.

    The shift of the pose is taken out: in a perfect alignment views differ by parallax and noise only.
    """
    from scipy import fft

    norm = np.sqrt(np.square(frame.window_yx, dtype=np.float64).sum())
    values = np.empty((views.n, frame.flat.size), dtype=np.complex64)
    for i, cos in enumerate(views.cos):
        image = resample_view(coefficients_nyx[i], frame, pose.axis_deg, cos, pose.shift_uv_angstrom[i])
        # Stretching by 1 / cos crowds the power of white noise into 1 / cos as much per frequency.
        values[i] = fft.rfft2(image * frame.window_yx).ravel()[frame.flat] * (np.sqrt(cos) / norm)
    return np.ascontiguousarray(values.T)
