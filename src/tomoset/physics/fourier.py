"""Fourier grids, cropping and shifting, with the frequency always in 1/Å."""

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError

__all__ = ["fourier_crop_2d", "fourier_shift_2d", "rfft_axes_2d", "rfft_frequency_2d", "rfft_frequency_3d"]


def rfft_axes_2d(
    shape_yx: tuple[int, int], pixel_size_angstrom: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies ``ky`` (ny, 1) and ``kx`` (1, nx // 2 + 1) of ``rfft2``, 1/Å."""
    ny, nx = shape_yx
    ky = np.asarray(np.fft.fftfreq(ny, pixel_size_angstrom), dtype=np.float64)
    kx = np.asarray(np.fft.rfftfreq(nx, pixel_size_angstrom), dtype=np.float64)
    return ky[:, None], kx[None, :]


def rfft_frequency_2d(shape_yx: tuple[int, int], pixel_size_angstrom: float) -> NDArray[np.float64]:
    """Magnitude of the frequency (ny, nx // 2 + 1) of ``rfft2``, 1/Å."""
    ky, kx = rfft_axes_2d(shape_yx, pixel_size_angstrom)
    return np.sqrt(ky**2 + kx**2)  # several times faster than hypot, and nothing here can overflow


def rfft_frequency_3d(shape_zyx: tuple[int, int, int], voxel_size_angstrom: float) -> NDArray[np.float64]:
    """Magnitude of the frequency (nz, ny, nx // 2 + 1) of ``rfftn``, 1/Å."""
    nz, ny, nx = shape_zyx
    kz = np.fft.fftfreq(nz, voxel_size_angstrom)[:, None, None]
    ky = np.fft.fftfreq(ny, voxel_size_angstrom)[None, :, None]
    kx = np.fft.rfftfreq(nx, voxel_size_angstrom)[None, None, :]
    return np.sqrt(kz**2 + ky**2 + kx**2)


def fourier_shift_2d(
    transform_yx: NDArray[np.complexfloating], shape_yx: tuple[int, int], shift_xy_pixel: tuple[float, float]
) -> NDArray[np.complexfloating]:
    """Transform of an image whose content has moved by ``shift_xy_pixel`` (x, y), from its ``rfft2``.

    Returns an array of the input's complex type and shape (ny, nx // 2 + 1).
    """
    ny, nx = shape_yx
    sx, sy = shift_xy_pixel
    row = np.exp(-2j * np.pi * np.fft.rfftfreq(nx) * sx)
    column = np.exp(-2j * np.pi * np.fft.fftfreq(ny) * sy)
    return transform_yx * (column[:, None] * row[None, :]).astype(transform_yx.dtype)


def fourier_crop_2d(
    transform_yx: NDArray[np.complexfloating], shape_yx: tuple[int, int], cropped_shape_yx: tuple[int, int]
) -> NDArray[np.complexfloating]:
    """Keep the low frequencies of an ``rfft2`` so that the inverse transform has fewer, larger pixels.

    Parameters
    ----------
    transform_yx : (ny, nx // 2 + 1) complex array
        ``rfft2`` of an image of ``shape_yx``.
    shape_yx, cropped_shape_yx : tuple of int
        Image shapes before and after; all even.

    Returns
    -------
    (my, mx // 2 + 1) complex array
        Scaled so that its inverse ``rfft2`` of ``cropped_shape_yx`` keeps the image's mean. Pixel (0, 0) stays where
        it was (no half-pixel shift, unlike averaging) and index N // 2 stays at N // 2 when the size is divided by an
        integer.

    Raises
    ------
    GeometryError
        If a size is odd or grows.
    """
    (ny, nx), (my, mx) = shape_yx, cropped_shape_yx
    if any(n % 2 for n in (ny, nx, my, mx)) or my > ny or mx > nx:
        raise GeometryError(f"Fourier cropping needs even sizes that shrink, got {shape_yx} -> {cropped_shape_yx}")
    kept = np.concatenate([transform_yx[: my // 2], transform_yx[ny - my // 2 :]], axis=0)[:, : mx // 2 + 1].copy()
    if my < ny:
        kept[my // 2] = 0  # the Nyquist row of the small image has no unambiguous sign
    if mx < nx:
        kept[:, mx // 2] = 0
    return kept * np.asarray((my * mx) / (ny * nx), dtype=kept.real.dtype)
