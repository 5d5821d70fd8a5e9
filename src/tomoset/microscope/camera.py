"""The counting camera: gain, dead and hot pixels, Poisson counts in one byte."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.model import stream

if TYPE_CHECKING:
    from tomoset.microscope.params import MicroscopeParams

__all__ = [
    "Camera",
    "draw_camera",
    "draw_dead_pixels",
    "draw_gain",
    "draw_hot_pixels",
    "poisson_counts",
    "with_dead_pixels",
]

_HOT_COUNTS = (10.0, 60.0)  # extra counts of a hot pixel in every frame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """The camera during one series.

    Parameters
    ----------
    gain_yx : (y, x) array of float32
        Multiplicative gain reference; 0 where a pixel is dead, as in Gatan's gain references.
    sensitivity_yx : (y, x) array of float32
        Counts an electron gives: 1 / gain, 0 where a pixel is dead.
    dead_pixels : (m,) array of int
        Flat indices; the camera's, the same in all series.
    hot_pixels : tuple of arrays
        Flat indices, and counts each adds to every frame on average; the series' own.
    """

    gain_yx: NDArray[np.float32]
    sensitivity_yx: NDArray[np.float32]
    dead_pixels: NDArray[np.intp]
    hot_pixels: tuple[NDArray[np.intp], NDArray[np.float32]]


def draw_camera(params: "MicroscopeParams", run: str, seed: int) -> Camera:
    """Draw the camera of a series; no pixel is both dead and hot."""
    shape_yx = params.frame_shape_yx
    dead = draw_dead_pixels(shape_yx, params.dead_pixel_fraction, seed)
    gain_yx = with_dead_pixels(draw_gain(shape_yx, params.gain_spread, seed), dead)
    sensitivity_yx = np.zeros_like(gain_yx)
    np.reciprocal(gain_yx, out=sensitivity_yx, where=gain_yx > 0)
    where, extra = draw_hot_pixels(shape_yx, params.hot_pixel_fraction, run, seed)
    alive = ~np.isin(where, dead)
    return Camera(
        gain_yx=gain_yx,
        sensitivity_yx=sensitivity_yx,
        dead_pixels=dead,
        hot_pixels=(where[alive], extra[alive]),
    )


def draw_dead_pixels(shape_yx: tuple[int, int], fraction: float, seed: int) -> NDArray[np.intp]:
    """Flat indices, ascending, of the pixels that never count; one camera for all series of a seed."""
    n = math.prod(shape_yx)
    rng = stream(seed, "image", "camera", "dead pixels")
    return np.sort(rng.choice(n, size=round(fraction * n), replace=False))


def with_dead_pixels(gain_yx: NDArray[np.float32], dead_pixels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Gain reference with 0 at the dead pixels."""
    marked_yx = gain_yx.copy()
    marked_yx.reshape(-1)[dead_pixels] = 0
    return marked_yx


def draw_gain(shape_yx: tuple[int, int], spread: float, seed: int) -> NDArray[np.float32]:
    """Multiplicative gain reference of the camera, mean 1; one camera for all series of a seed.

    Half of the variance varies slowly over the sensor, half from pixel to pixel.
    """
    rng = stream(seed, "image", "camera", "gain")
    fine = rng.standard_normal(shape_yx, dtype=np.float32)
    slow = _slow_pattern(shape_yx, rng)
    gain_yx = 1 + np.float32(spread) * np.clip((fine + slow) / np.float32(math.sqrt(2)), -4, 4)
    return np.asarray(gain_yx / gain_yx.mean(dtype=np.float64), dtype=np.float32)


def _slow_pattern(shape_yx: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Sum of the longest plane waves with random phases, variance 1."""
    phase_y, phase_x = (2 * np.pi * np.arange(n) / n for n in shape_yx)
    pattern_yx = np.zeros(shape_yx, dtype=np.float32)
    waves = [(j, i) for j in range(-2, 3) for i in range(3) if i > 0 or j > 0]
    for j, i in waves:
        turn = rng.uniform(0, 2 * np.pi)
        row, column = np.exp(1j * (i * phase_x + turn)), np.exp(1j * j * phase_y)
        pattern_yx += (column.real[:, None] * row.real - column.imag[:, None] * row.imag).astype(np.float32)
    return pattern_yx / np.float32(math.sqrt(len(waves) / 2))


def draw_hot_pixels(
    shape_yx: tuple[int, int], fraction: float, run: str, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Flat indices of the series' hot pixels, and the counts each adds to every frame on average."""
    rng = stream(seed, "image", run, "hot pixels")
    n = math.prod(shape_yx)
    where = np.sort(rng.choice(n, size=round(fraction * n), replace=False))
    return where, rng.uniform(*_HOT_COUNTS, size=len(where)).astype(np.float32)


def poisson_counts(expected_yx: NDArray[np.float32], *, key: tuple[int, int], frame: int) -> NDArray[np.uint8]:
    """Counted electrons of one frame.

    Parameters
    ----------
    expected_yx : (y, x) array of float32
        Mean number of counts, ≥ 0.
    key : tuple of int
        Two words of 32 bits that name the movie.
    frame : int
        Index of the frame; movie, frame and pixel alone decide the random numbers.

    Returns
    -------
    (y, x) array of uint8
        Poisson draws; larger ones than 255 are stored as 255.
    """
    from tomoset.microscope import _counting_kernels

    counts = np.empty(expected_yx.shape, dtype=np.uint8)
    mean = np.ascontiguousarray(expected_yx).reshape(-1)
    starts = np.arange(0, len(mean), _counting_kernels.BLOCK_PIXELS)
    parts = np.ceil(np.maximum.reduceat(mean, starts) / np.float32(_counting_kernels.LARGEST_PART))
    parts = np.maximum(parts, 1).astype(np.uint16)
    _counting_kernels.count_electrons(mean, parts, frame, key, counts.reshape(-1))
    return counts
