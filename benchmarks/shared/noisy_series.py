"""Tilt series of any size whose memory is that of one image: one noisy image under every tilt, with Thon rings."""

import numpy as np
from numpy.typing import NDArray

from tomoset.model import ArraySource, Optics, Tilt, TiltSeries, stream
from tomoset.physics import ctf_2d

__all__ = ["noisy_series"]

COUNTS = 50.0


class RepeatedImage:
    """One image under every tilt, so that memory holds one."""

    def __init__(self, image_yx: NDArray[np.float32], n_tilts: int) -> None:
        self._image = image_yx
        self.shape = (n_tilts, *image_yx.shape)
        self.dtype = image_yx.dtype

    def read(self, region: tuple[int | slice, ...] = ()) -> NDArray[np.float32]:
        """Return the image, whichever is asked for."""
        return self._image if region else np.broadcast_to(self._image, self.shape)


def noisy_series(shape_yx: tuple[int, int], pixel: float) -> TiltSeries:
    """31 tilts of one image of thin ice, its odd and even frames with noise of their own."""
    rng, optics = stream(1, "noisy series", *shape_yx), Optics()
    transfer = ctf_2d(
        shape_yx,
        pixel,
        35000.0,
        voltage_kv=optics.voltage_kv,
        cs_mm=optics.cs_mm,
        amplitude_contrast=optics.amplitude_contrast,
    )
    contrast = np.fft.irfft2(np.fft.rfft2(0.06 * rng.standard_normal(shape_yx)) * transfer, s=shape_yx)
    expected = np.clip(0.5 * COUNTS * (1 + contrast), 0, None)
    odd, even = (rng.poisson(expected).astype(np.float32) for _ in range(2))
    angles = np.arange(-45.0, 46.0, 3.0)
    tilts = tuple(
        Tilt(
            name=f"tilt{i}",
            nominal_tilt_deg=float(angle),
            acquisition_order=i,
            dose_e_per_angstrom2=3.2,
            dose_before_e_per_angstrom2=3.2 * i,
            mean_counts=COUNTS,
        )
        for i, angle in enumerate(angles)
    )
    images: list[ArraySource] = [RepeatedImage(image, len(tilts)) for image in (odd + even, odd, even)]
    return TiltSeries(
        run="TS1",
        pixel_size_angstrom=pixel,
        tilts=tilts,
        images_nyx=images[0],
        odd_nyx=images[1],
        even_nyx=images[2],
        nominal_tilt_axis_deg=85.3,
        optics=optics,
    )
