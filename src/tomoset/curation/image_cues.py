"""What the images themselves say of each view: mean over deviation, and fine structure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.curation.obstacles import at_pixels
from tomoset.curation.views import View, block_mean, halves_of, read_view
from tomoset.model import TiltSeries

__all__ = ["ImageCues", "image_cues"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Halves = tuple[NDArray[np.float32], NDArray[np.float32]]

_SMALLEST_SIDE = 32  # pixels: smaller images tell nothing
_FINE_BAND_ANGSTROM = (22.0, 40.0)
_FINEST_BAND_PIXELS = 2.2
# Of the images that views are compared in: large fields have enough to compare on coarser pixels.
_SMALL_PIXEL_ANGSTROM, _LARGE_FIELD_PIXEL_ANGSTROM, _ENOUGH_PIXELS = 20.0, 40.0, 360
_MOST_MASKED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageCues:
    """One number a view; NaN where it could not be measured.

    Parameters
    ----------
    open_share : (n,) array of float64
        Mean of what is not masked over the mean of the image; 1 where nothing is masked or seen.
    mean_over_deviation : (n,) array of float64
        Of the pixels that are not masked (AreTomo's measure of dark images).
    fine_power, fine_error : (n,) array of float64
        Power between 1/40 and 1/22 per Å that odd and even frames share, relative to the mean squared, and its
        standard error. Shot noise adds nothing to it, blur takes it away.
    small : tuple of two (my, mx) arrays of float32, or None
        Each view twice with independent noise, on pixels of ``small_pixel_angstrom``, masks filled.
    """

    open_share: Floats
    mean_over_deviation: Floats
    fine_power: Floats
    fine_error: Floats
    small: tuple[Halves | None, ...]
    small_pixel_angstrom: float


def image_cues(series: TiltSeries) -> ImageCues:
    """Look at every image once; masks are heeded where there are any."""
    n = len(series.tilts)
    share, ratio, power, error = (np.full(n, fill) for fill in (1.0, np.nan, np.nan, np.nan))
    small: list[Halves | None] = [None] * n
    pixel = series.pixel_size_angstrom
    if min(series.images_nyx.shape[1:]) >= _SMALLEST_SIDE:
        for index in range(n):
            view, mask = read_view(series, index), None if series.masks_nyx is None else series.masks_nyx[index]
            mean = float(view.image_yx.mean(dtype=np.float64))
            if not mean > 0 or (mask is not None and mask.mean() > _MOST_MASKED):
                continue
            filled = _mask_filled(view, mask)
            share[index] = float(filled.image_yx.mean(dtype=np.float64)) / mean
            ratio[index] = _mean_over_deviation(view, mask)
            power[index], error[index] = _fine_power(filled, mask)
            first, second, pixel = halves_of(filled)
            factor = _comparing_factor(pixel, max(first.shape))
            small[index] = block_mean(first, factor), block_mean(second, factor)
            pixel *= factor
    return ImageCues(
        open_share=share,
        mean_over_deviation=ratio,
        fine_power=power,
        fine_error=error,
        small=tuple(small),
        small_pixel_angstrom=pixel,
    )


def _comparing_factor(pixel_size_angstrom: float, side_pixels: int) -> int:
    """How many pixels become one in the images that views are compared in."""
    usual, coarsest = (
        max(1, int(limit // pixel_size_angstrom)) for limit in (_SMALL_PIXEL_ANGSTROM, _LARGE_FIELD_PIXEL_ANGSTROM)
    )
    return min(max(usual, -(-side_pixels // _ENOUGH_PIXELS)), coarsest)


def _mean_over_deviation(view: View, mask: Mask | None) -> float:
    image = view.image_yx.astype(np.float64)
    seen = image if mask is None else image[~at_pixels(mask, image.shape)]
    return float(seen.mean() / max(float(seen.std()), 1e-12))


def _mask_filled(view: View, mask: Mask | None) -> View:
    """The view with the mean of what is seen in place of what is masked."""
    if mask is None or not mask.any():
        return view
    hidden = at_pixels(mask, view.image_yx.shape)

    def fill(image: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        return None if image is None else np.where(hidden, image[~hidden].mean(), image).astype(np.float32)

    filled = fill(view.image_yx)
    return View(
        image_yx=view.image_yx if filled is None else filled,
        odd_yx=fill(view.odd_yx),
        even_yx=fill(view.even_yx),
        pixel_size_angstrom=view.pixel_size_angstrom,
        camera_pixels=view.camera_pixels,
    )


def _fine_power(view: View, mask: Mask | None) -> tuple[float, float]:
    """Mean and standard error of the halves' cross-spectrum in the fine band, over what is not masked."""
    from scipy import fft

    if view.odd_yx is None or view.even_yx is None:
        return np.nan, np.nan
    ny, nx = view.image_yx.shape
    window = np.hanning(ny)[:, None] * np.hanning(nx)[None]
    halves = [
        fft.rfft2(((half / max(half.mean(), 1e-9) - 1) * window).astype(np.float32))
        for half in (view.odd_yx, view.even_yx)
    ]
    k = np.hypot(fft.fftfreq(ny, view.pixel_size_angstrom)[:, None], fft.rfftfreq(nx, view.pixel_size_angstrom)[None])
    finest = max(_FINE_BAND_ANGSTROM[0], _FINEST_BAND_PIXELS * view.pixel_size_angstrom)
    band = (k > 1 / max(_FINE_BAND_ANGSTROM[1], 1.8 * finest)) & (k < 1 / finest)
    if band.sum() < 16:
        return np.nan, np.nan
    seen = np.square(window if mask is None else np.where(at_pixels(mask, window.shape), 0.0, window)).sum()
    if seen < (1 - _MOST_MASKED) * np.square(window).sum():
        return np.nan, np.nan
    cross = (halves[0][band] * halves[1][band].conj()).real.astype(np.float64) / seen
    # The window makes neighbouring coefficients alike: fewer of them are independent.
    alike = float(np.power(window, 4).mean() / np.square(np.square(window).mean()))
    return float(cross.mean()), float(cross.std() * np.sqrt(alike / cross.size))
