"""Arrays to 8-bit PNG pictures, with as little memory as the picture needs."""

import io

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import ArraySource

__all__ = ["AXES", "fit_within", "grey_png", "slab_mean"]

AXES = {"z": 0, "y": 1, "x": 2}
_READ_BYTES = 128 * 2**20
_CONTRAST_SAMPLES = 2**17


def slab_mean(volume_zyx: ArraySource, axis: int, centre: int, n_slices: int) -> NDArray[np.float32]:
    """Mean over neighbouring slices, read in pieces of at most 128 MiB (or one slice).

    Parameters
    ----------
    volume_zyx : ArraySource
    axis : {0, 1, 2}
        0 gives an XY section (y, x), 1 an XZ section (z, x), 2 a YZ section (z, y).
    centre : int
        Index of the slab's middle along the axis.
    n_slices : int
        Thickness; the slab is cut where the volume ends.

    Returns
    -------
    array of float32
        Row 0 has the smallest index.

    Raises
    ------
    ParameterError
        If the centre lies outside the volume or no slice is asked for.
    """
    length = volume_zyx.shape[axis]
    if not 0 <= centre < length:
        raise ParameterError(f"index: expected a slice from 0 to {length - 1}, found {centre}")
    if n_slices < 1:
        raise ParameterError(f"slab: expected at least one slice, found {n_slices}")
    first = max(0, centre - (n_slices - 1) // 2)
    last = min(length, centre + n_slices // 2 + 1)
    shape = tuple(n for i, n in enumerate(volume_zyx.shape) if i != axis)
    step = max(1, _READ_BYTES // (int(np.prod(shape)) * volume_zyx.dtype.itemsize))
    total = np.zeros(shape, dtype=np.float64)
    for start in range(first, last, step):
        piece = slice(start, min(last, start + step))
        region = tuple(piece if i == axis else slice(None) for i in range(3))
        total += volume_zyx.read(region).sum(axis=axis, dtype=np.float64)
    return (total / (last - first)).astype(np.float32)


def fit_within(image: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """Average an image down until its longer side has ``longest`` pixels; smaller images stay as they are."""
    from PIL import Image

    rows, columns = image.shape
    ratio = longest / max(rows, columns)
    if ratio >= 1:
        return image
    size = (max(1, round(columns * ratio)), max(1, round(rows * ratio)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def grey_png(image: NDArray[np.float32], low_percent: float, high_percent: float) -> bytes:
    """Grey picture with row 0 at the bottom, as the specimen's y and z axes point.

    Parameters
    ----------
    image : array of float32
    low_percent, high_percent : float
        Percentiles of the image that become black and white.

    Returns
    -------
    bytes
        A PNG file.

    Raises
    ------
    ParameterError
        If the percentiles are not in order between 0 and 100.
    """
    from PIL import Image

    if not 0 <= low_percent < high_percent <= 100:
        raise ParameterError(
            f"low, high: expected percentiles with 0 ≤ low < high ≤ 100, found {low_percent:g} and {high_percent:g}"
        )
    levels = _grey_levels(image, low_percent, high_percent)
    buffer = io.BytesIO()
    # Level 1 is several times quicker than the default and, on noise, hardly larger.
    Image.fromarray(np.ascontiguousarray(levels[::-1])).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _grey_levels(image: NDArray[np.float32], low_percent: float, high_percent: float) -> NDArray[np.uint8]:
    values = image[np.isfinite(image)]
    if not values.size:
        return np.zeros(image.shape, dtype=np.uint8)
    low, high = np.percentile(values[:: max(1, values.size // _CONTRAST_SAMPLES)], (low_percent, high_percent))
    if not high > low:  # a flat image has no contrast to stretch
        return np.full(image.shape, 128, dtype=np.uint8)
    scaled = np.nan_to_num((image - low) * (255.0 / (high - low)), nan=0.0, posinf=255.0, neginf=0.0)
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)
