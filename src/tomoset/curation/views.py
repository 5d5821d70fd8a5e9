"""Tilt images as curation looks at them: averaged to some 10 Å, odd and even frames apart where there are any."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import ArraySource, TiltSeries

__all__ = ["View", "block_mean", "halves_of", "read_view"]

Image = NDArray[np.float32]

_WORKING_PIXEL_ANGSTROM = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One tilt image.

    Parameters
    ----------
    image_yx : (ny, nx) array of float32
        Electrons a pixel of the camera, averaged over pixels of ``pixel_size_angstrom``.
    odd_yx, even_yx : (ny, nx) array of float32 or None
        Of the odd and of the even frames; their noise has nothing in common.
    pixel_size_angstrom : float
        At most 10 Å, or that of the series.
    camera_pixels : int
        Pixels of the series in one of these.
    """

    image_yx: Image
    odd_yx: Image | None
    even_yx: Image | None
    pixel_size_angstrom: float
    camera_pixels: int


def read_view(series: TiltSeries, index: int) -> View:
    """Read one tilt and average it down."""
    factor = max(1, int(_WORKING_PIXEL_ANGSTROM // series.pixel_size_angstrom))
    factor = max(1, min(factor, *(n // 2 for n in series.images_nyx.shape[1:])))

    def binned(source: ArraySource) -> Image:
        return block_mean(np.asarray(source.read((index,)), dtype=np.float32), factor)

    odd = even = None
    if series.odd_nyx is not None and series.even_nyx is not None:
        odd, even = binned(series.odd_nyx), binned(series.even_nyx)
    return View(
        image_yx=binned(series.images_nyx) if odd is None or even is None else odd + even,
        odd_yx=odd,
        even_yx=even,
        pixel_size_angstrom=factor * series.pixel_size_angstrom,
        camera_pixels=factor**2,
    )


def halves_of(view: View) -> tuple[Image, Image, float]:
    """Two images of the same with independent noise, and their pixel size.

    Odd and even frames; without them the two diagonals of every square of 2 × 2 pixels, which have one middle.
    """
    if view.odd_yx is not None and view.even_yx is not None:
        return view.odd_yx, view.even_yx, view.pixel_size_angstrom
    ny, nx = (n // 2 * 2 for n in view.image_yx.shape)
    a, b = view.image_yx[0:ny:2, 0:nx:2], view.image_yx[0:ny:2, 1:nx:2]
    c, d = view.image_yx[1:ny:2, 0:nx:2], view.image_yx[1:ny:2, 1:nx:2]
    diagonals = [np.asarray(0.5 * (one + other), dtype=np.float32) for one, other in ((a, d), (b, c))]
    return diagonals[0], diagonals[1], 2 * view.pixel_size_angstrom


def block_mean(image_yx: Image, factor: int) -> Image:
    """Mean over squares of pixels; what is left over at the far edges is cut off."""
    if factor == 1:
        return image_yx
    ny, nx = (n // factor for n in image_yx.shape)
    # Rows first, then strided columns: a fifth of the time of one mean over both axes.
    rows = image_yx[: ny * factor, : nx * factor].reshape(ny, factor, nx * factor).sum(axis=1, dtype=np.float32)
    total = sum((rows[:, column::factor] for column in range(1, factor)), start=rows[:, ::factor])
    return np.asarray(total / np.float32(factor**2), dtype=np.float32)
