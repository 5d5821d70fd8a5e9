"""Compiled loops of the alignment; imported only when a series is aligned.

All sampling is by cubic B-splines from coefficients that were prepared once; outside the image there is nothing.
"""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["back_project", "cut_boxes", "find_tops", "sample_affine", "sample_points"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@njit(nogil=True, fastmath={"contract"}, cache=True, inline="always")
def _weights(t: float) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Cubic B-spline at the four knots about a place that lies ``t`` after the second."""
    r = 1.0 - t
    a = r * r * r / 6.0
    d = t * t * t / 6.0
    b = 2.0 / 3.0 - 0.5 * t * t * (1.0 + r)
    return np.float32(a), np.float32(b), np.float32(1.0 - a - b - d), np.float32(d)


@njit(nogil=True, fastmath={"contract"}, cache=True, inline="always")
def _sample(coefficients_yx: Floats, y: float, x: float) -> np.float32:
    """Value at a place in pixels; zero where a knot would lie outside."""
    iy, ix = math.floor(y), math.floor(x)
    row, column = int(iy) - 1, int(ix) - 1
    ny, nx = coefficients_yx.shape
    if row < 0 or column < 0 or row + 3 >= ny or column + 3 >= nx:
        return np.float32(0.0)
    wy = _weights(y - iy)
    wx = _weights(x - ix)
    total = np.float32(0.0)
    for j in range(4):
        line = coefficients_yx[row + j]
        along = wx[0] * line[column] + wx[1] * line[column + 1]
        along += wx[2] * line[column + 2] + wx[3] * line[column + 3]
        total += wy[j] * along
    return total


@njit(nogil=True, fastmath={"contract"}, cache=True)
def sample_affine(coefficients_yx: Floats, matrix: Doubles, offset: Doubles, out_yx: Floats) -> None:
    """Fill ``out[j, i]`` with the image at ``matrix @ (j, i) + offset`` (y, x)."""
    for j in range(out_yx.shape[0]):
        y0 = matrix[0, 0] * j + offset[0]
        x0 = matrix[1, 0] * j + offset[1]
        for i in range(out_yx.shape[1]):
            out_yx[j, i] = _sample(coefficients_yx, y0 + matrix[0, 1] * i, x0 + matrix[1, 1] * i)


@njit(nogil=True, fastmath={"contract"}, cache=True)
def sample_points(coefficients_yx: Floats, xy: Doubles, out: Floats) -> None:
    """Fill ``out[i]`` with the image at places ``xy[i]`` (x, y), pixels from the corner."""
    for i in range(out.size):
        out[i] = _sample(coefficients_yx, xy[i, 1], xy[i, 0])


@njit(nogil=True, fastmath={"contract"}, cache=True)
def cut_boxes(coefficients_yx: Floats, xy: Doubles, cos: float, sin: float, mask_yx: Floats, out: Floats) -> None:
    """Boxes (p, size, size) about places (p, 2), columns across the axis and rows along it, masked, of mean zero.

    ``cos, sin`` are those of the axis angle; a place is the box's index size // 2.
    """
    size = mask_yx.shape[0]
    middle = size // 2
    total_mask = mask_yx.sum()
    for p in range(xy.shape[0]):
        mean = np.float32(0.0)
        for j in range(size):
            for i in range(size):
                u, v = i - middle, j - middle
                value = _sample(coefficients_yx, xy[p, 1] + sin * u + cos * v, xy[p, 0] + cos * u - sin * v)
                out[p, j, i] = value
                mean += value * mask_yx[j, i]
        mean /= total_mask
        for j in range(size):
            for i in range(size):
                out[p, j, i] = (out[p, j, i] - mean) * mask_yx[j, i]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def back_project(line_xy: Floats, place_zx: Doubles, volume_zxy: Floats) -> None:
    """Add one view: rows of ``line_xy`` at the (fractional) rows ``place_zx``, which are held to the view's own."""
    nz, nx, ny = volume_zxy.shape
    last = line_xy.shape[0] - 2
    for z in range(nz):
        for x in range(nx):
            low = math.floor(place_zx[z, x])
            part = np.float32(place_zx[z, x] - low)
            row = int(low)
            if row < 0:
                row, part = 0, np.float32(0.0)
            elif row > last:
                row, part = last, np.float32(1.0)
            rest = np.float32(1.0) - part
            first, second, out = line_xy[row], line_xy[row + 1], volume_zxy[z, x]
            for y in range(ny):
                out[y] += rest * first[y] + part * second[y]


@njit(nogil=True, cache=True, inline="always")
def _is_top(volume_zyx: Floats, z: int, y: int, x: int, reach: int) -> bool:
    """Whether no voxel within ``reach`` on every axis is higher."""
    nz, ny, nx = volume_zyx.shape
    here = volume_zyx[z, y, x]
    for k in range(max(z - reach, 0), min(z + reach + 1, nz)):
        for j in range(max(y - reach, 0), min(y + reach + 1, ny)):
            for i in range(max(x - reach, 0), min(x + reach + 1, nx)):
                if volume_zyx[k, j, i] > here:
                    return False
    return True


@njit(nogil=True, cache=True)
def find_tops(volume_zyx: Floats, least: float, reach: int, top_zyx: NDArray[np.bool_]) -> None:
    """Mark voxels above ``least`` that are the highest within ``reach``; the near ones are looked at first."""
    nz, ny, nx = volume_zyx.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                high = volume_zyx[z, y, x] > least
                top_zyx[z, y, x] = high and _is_top(volume_zyx, z, y, x, 1) and _is_top(volume_zyx, z, y, x, reach)
