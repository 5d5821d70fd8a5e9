"""What hides the specimen in one view: grid bars, carbon film, crystals and drops, gold beads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.curation.mask_params import MaskParams
from tomoset.curation.views import View, block_mean, halves_of

__all__ = ["at_pixels", "coarse_mean", "mask_shape_yx", "obstacle_mask"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_OPEN_SHARE = 0.85  # quantile of the local means that still lies in open ice where a bar covers most of the field
_FEWEST_ELECTRONS = 25.0  # in a pixel of the mask: darker views cannot be judged
_SMOOTHING_ANGSTROM = 120.0
_DARK_SHARES = (0.5, 0.75, 0.9)  # of the counts in open ice, beside what the histogram suggests
_RIM_ANGSTROM, _RING_ANGSTROM = 100.0, 350.0  # what is left out at a region's border, and how far its ring reaches
_STEP_SHARE = 0.7  # of a region's contrast that lies in its border: less is a slope of the ice, or a border misplaced
_TEXTURE_BAND_ANGSTROM = (50.0, 150.0)
_GOLD_FRINGE_ANGSTROM = 40.0
_GOLD_SIGMAS = 6.0


def mask_shape_yx(shape_yx: tuple[int, int], pixel_size_angstrom: float, params: MaskParams) -> tuple[int, int]:
    """Pixels of a mask over images of this shape."""
    ny, nx = (max(1, round(n * pixel_size_angstrom / params.pixel_angstrom)) for n in shape_yx)
    return min(ny, shape_yx[0]), min(nx, shape_yx[1])


def coarse_mean(image_yx: NDArray[np.floating], shape_yx: tuple[int, int]) -> Floats:
    """Means over the pixels of a coarser grid of the same field; its pixels may differ by one of the image's."""
    sums = np.asarray(image_yx, dtype=np.float64)
    for axis, n in enumerate(shape_yx):
        first = np.linspace(0, image_yx.shape[axis], n, endpoint=False).astype(np.intp)
        widths = np.diff(first, append=image_yx.shape[axis])
        sums = np.add.reduceat(sums, first, axis=axis) / (widths[:, None] if axis == 0 else widths[None])
    return sums


def at_pixels(coarse_yx: NDArray[Any], shape_yx: tuple[int, ...]) -> NDArray[Any]:
    """Values of a coarse grid at the pixels of an image of the same field."""
    rows, columns = (np.arange(n) * m // n for n, m in zip(shape_yx, coarse_yx.shape, strict=True))
    return coarse_yx[rows[:, None], columns[None]]


@dataclass(frozen=True, slots=True, eq=False)
class _Coarse:
    """One view on the mask's grid."""

    counts_yx: Floats
    texture_yx: Floats
    pixel_angstrom: float
    params: MaskParams


def obstacle_mask(view: View, shape_yx: tuple[int, int], params: MaskParams) -> Mask:
    """Where a view does not show the specimen.

    Parameters
    ----------
    view : View
    shape_yx : tuple of int
        Of the mask.
    params : MaskParams

    Returns
    -------
    (my, mx) array of bool
        False everywhere in a view with too few electrons to tell.
    """
    counts = coarse_mean(view.image_yx, shape_yx)
    pixels = view.camera_pixels * view.image_yx.size / counts.size
    level = _open_level(counts, np.zeros(shape_yx, dtype=np.bool_))
    if level * pixels < _FEWEST_ELECTRONS:
        return np.zeros(shape_yx, dtype=np.bool_)
    pixel = view.pixel_size_angstrom * view.image_yx.shape[1] / shape_yx[1]
    coarse = _Coarse(counts, _texture(view, shape_yx), pixel, params)
    opaque = _opaque(coarse, level)
    mask = opaque | _gold(view, counts, params)
    return mask | _regions(coarse, mask)


def _open_level(counts_yx: Floats, masked: Mask) -> float:
    from scipy.ndimage import uniform_filter

    smooth = uniform_filter(counts_yx, min(3, *counts_yx.shape), mode="nearest")
    return float(np.quantile(smooth[~masked] if not masked.all() else smooth, _OPEN_SHARE))


def _opaque(coarse: _Coarse, level: float) -> Mask:
    """Where next to no electrons arrive, with its fringe."""
    from scipy.ndimage import binary_dilation, uniform_filter

    smooth = uniform_filter(coarse.counts_yx, min(3, *coarse.counts_yx.shape), mode="nearest")
    dark = _without_specks(smooth < coarse.params.opaque_max * level, coarse, 3 * coarse.pixel_angstrom)
    return np.asarray(binary_dilation(dark, iterations=1), dtype=np.bool_)


def _without_specks(mask: Mask, coarse: _Coarse, side_angstrom: float) -> Mask:
    """Regions at least as large as a square of this side."""
    from scipy.ndimage import label

    regions, _ = label(mask)
    area = np.bincount(regions.ravel())
    large = area >= (side_angstrom / coarse.pixel_angstrom) ** 2
    large[0] = False
    return np.asarray(large[regions], dtype=np.bool_)


def _texture(view: View, shape_yx: tuple[int, int]) -> Floats:
    """Power of structures of 50 to 150 Å over the mean, so that its noise is as large in dark regions as in light ones.

    It is the product of two halves, to which shot noise adds nothing on average.
    """
    from scipy.ndimage import gaussian_filter

    odd, even, pixel = halves_of(view)
    factor = max(1, int(_TEXTURE_BAND_ANGSTROM[0] / 2.5 // pixel))
    pixel *= factor
    narrow, wide = (length / (2 * np.pi * pixel) for length in _TEXTURE_BAND_ANGSTROM)
    halves = [block_mean(half, factor) for half in (odd, even)]
    bands = [
        gaussian_filter(half, narrow, mode="nearest") - gaussian_filter(half, wide, mode="nearest") for half in halves
    ]
    mean = np.sqrt(np.maximum(gaussian_filter(halves[0], 2 * wide) * gaussian_filter(halves[1], 2 * wide), 0.0))
    power = bands[0] * bands[1] / np.maximum(mean, 1e-6 * max(float(mean.max()), 1e-30))
    return coarse_mean(power, shape_yx)


def _regions(coarse: _Coarse, masked: Mask) -> Mask:
    """Film, crystals and drops: darker than the open ice behind a sharp border, and no richer in structure."""
    if masked.mean() > 0.9:
        return np.zeros_like(masked)
    log = _smooth_log(coarse, masked)
    found = np.zeros_like(masked)
    level = float(np.quantile(log[~masked], _OPEN_SHARE))
    open_ice = ~masked & (log >= level)
    for threshold in (*_thresholds(log[~masked]), *(level + np.log(_DARK_SHARES))):
        dark = _without_specks((log < threshold) & ~masked, coarse, coarse.params.smallest_angstrom)
        found |= _like_an_obstacle(dark, open_ice, coarse, masked)
    return found


def _smooth_log(coarse: _Coarse, masked: Mask) -> Floats:
    """Logarithm of the local mean over what is not masked yet."""
    from scipy.ndimage import gaussian_filter

    sigma = _SMOOTHING_ANGSTROM / coarse.pixel_angstrom
    weight = gaussian_filter((~masked).astype(np.float64), sigma, mode="nearest")
    total = gaussian_filter(np.where(masked, 0.0, coarse.counts_yx), sigma, mode="nearest")
    return np.log(np.maximum(total, 1e-6 * max(float(total.max()), 1e-30)) / np.maximum(weight, 1e-6))


def _thresholds(values: Floats) -> list[float]:
    """Where a histogram parts best (Otsu 1979), and where its darker and its lighter part do."""
    whole = _otsu(values)
    parts = [part for part in (values[values < whole], values[values >= whole]) if part.size > 50]
    return [whole, *(_otsu(part) for part in parts)]


def _otsu(values: Floats) -> float:
    counts, edges = np.histogram(values, 128)
    middle = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)
    above = below[-1] - below
    mean_below = np.cumsum(counts * middle) / np.maximum(below, 1)
    mean_above = (float((counts * middle).sum()) - np.cumsum(counts * middle)) / np.maximum(above, 1)
    between = below * above * np.square(mean_below - mean_above)
    return float(edges[1 + int(np.argmax(between))])


def _like_an_obstacle(dark: Mask, open_ice: Mask, coarse: _Coarse, masked: Mask) -> Mask:
    """Those regions whose border is a step and whose structure is not a specimen's."""
    from scipy.ndimage import binary_dilation, binary_erosion, label, uniform_filter

    regions, n_regions = label(dark)
    accepted = np.zeros_like(dark)
    rim, ring = (max(1, round(length / coarse.pixel_angstrom)) for length in (_RIM_ANGSTROM, _RING_ANGSTROM))
    for number in range(1, n_regions + 1):
        region = regions == number
        inside = binary_erosion(region, iterations=rim, border_value=1)
        near_inside = inside & ~binary_erosion(region, iterations=ring, border_value=1)
        outside = ~binary_dilation(region, iterations=rim) & ~masked & ~dark
        near_outside = outside & binary_dilation(region, iterations=ring)
        if min(near_inside.sum(), near_outside.sum()) < 20:
            continue
        mean_inside, mean_outside = (float(coarse.counts_yx[part].mean()) for part in (near_inside, near_outside))
        step = 1 - mean_inside / mean_outside
        contrast = 1 - coarse.counts_yx[inside].mean() / coarse.counts_yx[open_ice].mean()
        if step < max(coarse.params.film_step_min, _STEP_SHARE * contrast) or _is_specimen(inside, open_ice, coarse):
            continue
        # Smoothing has spread the region: what lies beyond the middle of the step at its rim goes.
        at_rim = region & ~binary_erosion(region, iterations=2 * rim, border_value=1)
        light = uniform_filter(coarse.counts_yx, 3, mode="nearest") > 0.5 * (mean_inside + mean_outside)
        accepted |= binary_dilation(region & ~(at_rim & light), iterations=1)
    return accepted


def _is_specimen(inside: Mask, open_ice: Mask, coarse: _Coarse) -> bool:
    """Whether a dark region holds more structure than the lightest part of the view does.

    Of both the upper quartile is compared: a specimen is rich in structure everywhere, a crystal at its edges only,
    and where there is none at all the noise of the estimate takes its place.
    """
    least, region = (float(np.quantile(coarse.texture_yx[part], 0.75)) for part in (open_ice, inside))
    return region > coarse.params.texture_max * max(least, 1e-12)


def _gold(view: View, counts_yx: Floats, params: MaskParams) -> Mask:
    """Compact discs far darker than what surrounds them."""
    from scipy.ndimage import binary_dilation, gaussian_filter, label, median_filter

    pixel, shape_yx = view.pixel_size_angstrom, counts_yx.shape
    halved = block_mean(counts_yx.astype(np.float32), 2 if min(shape_yx) >= 8 else 1)
    wide = 3 * params.gold_diameter_max_angstrom / pixel * halved.shape[1] / view.image_yx.shape[1]
    background = median_filter(halved, size=max(3, int(wide) | 1), mode="nearest")
    floor = max(0.1 * float(np.median(background)), 1e-6)
    relative = view.image_yx / np.maximum(at_pixels(background, view.image_yx.shape), floor) - 1
    smooth = gaussian_filter(relative, 12.0 / pixel, mode="nearest")
    scatter = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
    seeds = smooth < -max(params.gold_contrast_min, _GOLD_SIGMAS * scatter)
    regions, _ = label(smooth < -max(0.4 * params.gold_contrast_min, 3 * scatter))
    area = np.bincount(regions.ravel())
    compact = area <= np.pi / 4 * ((params.gold_diameter_max_angstrom + 2 * _GOLD_FRINGE_ANGSTROM) / pixel) ** 2
    compact[0] = False
    chosen = np.zeros(len(area), dtype=np.bool_)
    chosen[np.unique(regions[seeds])] = True
    beads = (chosen & compact)[regions]
    beads = binary_dilation(beads, iterations=max(1, round(_GOLD_FRINGE_ANGSTROM / pixel)))
    return coarse_mean(beads, (shape_yx[0], shape_yx[1])) > 0.25
