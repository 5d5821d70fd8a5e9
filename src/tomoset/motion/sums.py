"""Sums of the frames of a movie, each moved back: odd, even, and weighted by dose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.motion.arrays import Arrays
from tomoset.motion.frame_grid import FrameGrid
from tomoset.motion.local_basis import from_relion
from tomoset.physics import critical_dose

__all__ = ["FrameSums", "add_warped", "dose_weights", "sum_frames"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FrameSums:
    """Aligned sums (y, x): of the odd frames (the first is odd), of the even ones, weighted by dose or None."""

    odd_yx: NDArray[np.float32]
    even_yx: NDArray[np.float32]
    dose_weighted_yx: NDArray[np.float32] | None


def sum_frames(
    arrays: Arrays,
    transform: Callable[[int], Any],
    grid: FrameGrid,
    shift_tc: Floats,
    local_ckq: Floats | None,
    weights_tyx: Callable[[int], NDArray[np.float32]] | None,
) -> FrameSums:
    """Add up frames moved back by their shifts and, where given, by a smooth field.

    Parameters
    ----------
    arrays : Arrays
    transform : callable
        Frame number -> its transform on the grid that is kept.
    grid : FrameGrid
    shift_tc : (t, 2) array of float64
        Pixels of the frame.
    local_ckq : (2, 3, 6) array of float64 or None
        RELION's coefficients of the motion within the field, pixels of the frame.
    weights_tyx : callable or None
        Frame number -> weight of each coefficient for the dose-weighted sum.
    """
    add = _FourierSum if local_ckq is None else _WarpedSum
    sums = [add(arrays, grid) for _ in range(2 if weights_tyx is None else 3)]
    phases = _Phases(arrays, grid)
    fields = None if local_ckq is None else from_relion(local_ckq, len(shift_tc))
    for t, shift in enumerate(shift_tc):
        field = None if fields is None else fields[t]
        frame, factors = transform(t), phases.factors(shift)
        sums[t % 2].add(frame, factors, field)
        if weights_tyx is not None:
            sums[2].add(frame * arrays.array(weights_tyx(t)), factors, field)
    images = [one.image() for one in sums]
    return FrameSums(images[0], images[1], images[2] if len(images) == 3 else None)


def dose_weights(grid: FrameGrid, dose_at_end_t: Floats, voltage_kv: float) -> Callable[[int], NDArray[np.float32]]:
    """Frame number -> ``exp(−N / (2 Ne(k)))`` over the root of the mean of its square over frames.

    ``dose_at_end_t`` (t,), e⁻/Å², is what the specimen has received by the end of each frame (Grant & Grigorieff 2015).
    RELION divides by the root of the sum of squares; with the mean, the sum stays one of counted electrons and its
    noise stays that of the unweighted sum, at all frequencies.
    """
    (ny, nx), pixel = grid.kept, grid.pixel_size_angstrom
    k = np.sqrt(np.square(np.fft.fftfreq(ny, pixel))[:, None] + np.square(np.fft.rfftfreq(nx, pixel))[None, :])
    rate = 1 / (2 * np.maximum(critical_dose(k, voltage_kv), 1e-30))
    norm = np.zeros_like(rate)
    for dose in dose_at_end_t:
        norm += np.exp(-2 * dose * rate)
    scale = np.sqrt(len(dose_at_end_t) / norm)
    return lambda t: np.asarray(np.exp(-dose_at_end_t[t] * rate) * scale, dtype=np.float32)


def add_warped(
    arrays: Arrays,
    transform: Any,
    factors: tuple[NDArray[Any], NDArray[Any]],
    shape_yx: tuple[int, int],
    field_xy: Floats,
    first_yx: tuple[int, int],
    image_yx: Any,
) -> None:
    """Add a frame, moved back by phase factors (1, 1, x) and (1, 1, y) and then by a field, to an image.

    ``field_xy`` (2, 6) is in pixels of the image, which begins at ``first_yx`` of the transformed grid of ``shape_yx``.
    """
    row, column = (
        (3 / (2 + np.cos(2 * np.pi * k))).astype(np.complex64)
        for k in (np.fft.rfftfreq(shape_yx[1]), np.fft.fftfreq(shape_yx[0]))
    )
    moved = arrays.zeros((1, shape_yx[0], shape_yx[1] // 2 + 1), "complex64")
    arrays.add_aligned(transform[None, None], factors[0] * row, factors[1] * column, moved)
    arrays.warp_add(arrays.irfft2(moved[0], shape_yx), field_xy, first_yx, image_yx)


class _Phases:
    """Phases that move a frame back, on the kept grid."""

    def __init__(self, arrays: Arrays, grid: FrameGrid) -> None:
        (ny, nx), (py, px) = grid.kept, grid.padded
        self._kx, self._ky = np.fft.rfftfreq(nx) * nx / px, np.fft.fftfreq(ny) * ny / py

    def factors(self, shift_c: Floats) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Along x (1, 1, x) and y (1, 1, y)."""
        row, column = np.exp(2j * np.pi * self._kx * shift_c[0]), np.exp(2j * np.pi * self._ky * shift_c[1])
        return row.astype(np.complex64)[None, None], column.astype(np.complex64)[None, None]


class _FourierSum:
    """Frames without local motion are added as transforms: one inverse transform for all."""

    def __init__(self, arrays: Arrays, grid: FrameGrid) -> None:
        self._arrays, self._grid = arrays, grid
        self._total = arrays.zeros((1, grid.kept[0], grid.kept[1] // 2 + 1), "complex64")

    def add(self, transform: Any, factors: tuple[NDArray[Any], NDArray[Any]], field_cq: Floats | None) -> None:
        del field_cq
        self._arrays.add_aligned(transform[None, None], *factors, self._total)

    def image(self) -> NDArray[np.float32]:
        image = self._arrays.irfft2(self._total[0], self._grid.kept)[self._grid.cut]
        return np.ascontiguousarray(self._arrays.host(image))


class _WarpedSum:
    """Frames with local motion are cubic B-splines, whose coefficients cost one factor in the transform."""

    def __init__(self, arrays: Arrays, grid: FrameGrid) -> None:
        self._arrays, self._grid = arrays, grid
        self._image = arrays.zeros(grid.image, "float32")

    def add(self, transform: Any, factors: tuple[NDArray[Any], NDArray[Any]], field_cq: Floats | None) -> None:
        if field_cq is None:
            raise ValueError("a warped sum needs a field")
        grid = self._grid
        field = _image_pixels(field_cq, grid)
        add_warped(self._arrays, transform, factors, grid.kept, field, grid.image_first, self._image)

    def image(self) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._arrays.host(self._image))


def _image_pixels(field_cq: Floats, grid: FrameGrid) -> Floats:
    """The field in pixels of the image, of places divided by the image's sides instead of the frame's."""
    scale = np.array([grid.kept[1] / grid.padded[1], grid.kept[0] / grid.padded[0]])
    u = grid.image[1] / (grid.frame[1] * scale[0])
    v = grid.image[0] / (grid.frame[0] * scale[1])
    return np.asarray(field_cq * scale[:, None] * np.array([1, u, v, u * u, u * v, v * v]))
