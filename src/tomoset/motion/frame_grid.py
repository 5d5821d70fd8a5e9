"""From the recorded frame to the image: the padded grid that is transformed, the grid that is kept, the image cut out.

A frame is laid into a padded grid so that index N // 2 falls on index N // 2, the padding filled with the frame's mean.
The padded grid is the smallest on which the transform is fast and on which the wanted pixel size is (to a few parts in
10⁵) a ratio of two even sizes. An image has even sizes: of an odd number of rows or columns the last one is left out,
so that index N // 2 stays the same pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

__all__ = ["FrameGrid", "crop_transform", "make_frame_grid"]

_FAST_PRIMES = (2, 3, 5, 7, 11)
_ROOM = 0.04  # of the frame, that padding may add at most where no better ratio asks for it
_SCALE_TOLERANCE = 2e-5  # a tenth of a pixel over 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameGrid:
    """Sizes (y, x) on the way from a frame to an image.

    Parameters
    ----------
    frame : tuple of int
        As recorded.
    padded : tuple of int
        What is transformed; even.
    kept : tuple of int
        The Fourier-cropped grid; even.
    image : tuple of int
        What is cut out of it; even.
    pixel_size_angstrom : float
        Of the image.
    """

    frame: tuple[int, int]
    padded: tuple[int, int]
    kept: tuple[int, int]
    image: tuple[int, int]
    pixel_size_angstrom: float

    @property
    def frame_first(self) -> tuple[int, int]:
        """Index (y, x) in the padded grid of the frame's first pixel."""
        return self.padded[0] // 2 - self.frame[0] // 2, self.padded[1] // 2 - self.frame[1] // 2

    @property
    def image_first(self) -> tuple[int, int]:
        """Index (y, x) in the kept grid of the image's first pixel."""
        return self.kept[0] // 2 - self.image[0] // 2, self.kept[1] // 2 - self.image[1] // 2

    @property
    def inside(self) -> tuple[slice, slice]:
        """The frame's place in the padded grid."""
        y, x = self.frame_first
        return slice(y, y + self.frame[0]), slice(x, x + self.frame[1])

    @property
    def cut(self) -> tuple[slice, slice]:
        """The image's place in the kept grid."""
        y, x = self.image_first
        return slice(y, y + self.image[0]), slice(x, x + self.image[1])


def make_frame_grid(shape_yx: tuple[int, int], pixel_size_angstrom: float, wanted_angstrom: float | None) -> FrameGrid:
    """Choose the grids.

    Raises
    ------
    ParameterError
        If the wanted pixel is finer than the recorded one, or the image would be smaller than 16 pixels.
    """
    ratio = 1.0 if wanted_angstrom is None else pixel_size_angstrom / wanted_angstrom
    if ratio > 1 + 1e-6:
        raise ParameterError(
            f"motion: pixel_size_angstrom must not be finer than the recorded {pixel_size_angstrom:g} Å, found "
            f"{wanted_angstrom:g} Å; leave it out to keep the recorded one"
        )
    image = (2 * int(shape_yx[0] * ratio / 2 + 1e-9), 2 * int(shape_yx[1] * ratio / 2 + 1e-9))
    if min(image) < 16:
        raise ParameterError(
            f"motion: expected images of at least 16 pixels, found {image} for frames of {shape_yx} at "
            f"{wanted_angstrom or pixel_size_angstrom:g} Å; choose a smaller pixel_size_angstrom"
        )
    padded, kept = zip(*(_axis(n, ratio) for n in shape_yx), strict=True)
    return FrameGrid(
        frame=shape_yx,
        padded=padded,
        kept=kept,
        image=image,
        pixel_size_angstrom=pixel_size_angstrom if ratio == 1 else float(wanted_angstrom or 0),
    )


def _axis(n: int, ratio: float) -> tuple[int, int]:
    """Padded and kept size along one axis."""
    padded = np.arange(n + n % 2, int(n * (1 + _ROOM)) + 66, 2)
    kept = 2 * np.rint(padded * ratio / 2).astype(np.intp)
    error = np.abs(kept / (padded * ratio) - 1)
    slow = np.array([_largest_prime(int(size)) > max(_FAST_PRIMES) for size in padded])
    cost = padded / n + 0.5 * slow + 0.1 * np.maximum(error / _SCALE_TOLERANCE - 1, 0)
    best = int(np.argmin(cost))
    return int(padded[best]), int(kept[best])


def _largest_prime(n: int) -> int:
    for prime in _FAST_PRIMES:
        while n % prime == 0:
            n //= prime
    return max(n, 2)


def crop_transform(
    transform_yx: NDArray[np.complexfloating], shape_yx: tuple[int, int], kept_yx: tuple[int, int]
) -> NDArray[np.complexfloating]:
    """Low frequencies (my, mx // 2 + 1) of the ``rfft2`` of an image of ``shape_yx``, unscaled.

    Unscaled, the inverse transform gives sums over the larger pixels, so that counts stay counts. The Nyquist row and
    column of an axis that shrinks are zero: their sign is not known. Columns beyond those kept may be absent from the
    transform. Works on NumPy and torch arrays.
    """
    (ny, nx), (my, mx) = shape_yx, kept_yx
    half, width = my // 2, mx // 2 + 1
    if my == ny and width == transform_yx.shape[1]:
        return transform_yx
    kept = transform_yx[:my, :width] * 0
    kept[:half] = transform_yx[:half, :width]
    kept[my - half :] = transform_yx[ny - half :, :width]
    if my < ny:
        kept[half] = 0
    if mx < nx:
        kept[:, width - 1] = 0
    return kept
