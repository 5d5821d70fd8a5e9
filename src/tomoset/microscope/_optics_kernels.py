"""Compiled loops of the optics: placing and splatting points, weighing planes, the contrast transfer; imported late."""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = [
    "add_factored",
    "assemble",
    "look_up",
    "pad_into",
    "place_points",
    "splat_points",
    "transfer",
    "weigh_plane",
]

Doubles = NDArray[np.float64]
Singles = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@njit(nogil=True, cache=True, error_model="numpy")
def place_points(
    positions: NDArray[np.floating],
    polynomials: Doubles,
    per_field: float,
    rotation: Doubles,
    shift_xy: Doubles,
    frame: tuple[float, float, float],
    placed: Doubles,
) -> None:
    """Deform, rotate and shift points; ``frame`` is the origin's index x and y and the pixel, ``placed`` (m, 3)."""
    origin_x, origin_y, pixel = frame
    deforms = bool(np.any(polynomials != 0.0))
    for p in range(positions.shape[0]):
        x, y, z = float(positions[p, 0]), float(positions[p, 1]), float(positions[p, 2])
        if deforms:
            u, v, w = x * per_field, y * per_field, z * per_field
            moved = np.empty(3)
            for axis in range(3):
                c = polynomials[axis]
                linear = c[0] + c[1] * u + c[2] * v + c[3] * w
                square = c[4] * u * u + c[5] * v * v + c[6] * w * w
                moved[axis] = linear + square + c[7] * u * v + c[8] * u * w + c[9] * v * w
            x, y, z = x + moved[0], y + moved[1], z + moved[2]
        image_x = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + shift_xy[0]
        image_y = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + shift_xy[1]
        placed[p, 0] = image_x / pixel + origin_x
        placed[p, 1] = image_y / pixel + origin_y
        placed[p, 2] = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z


@njit(nogil=True, cache=True)
def _spline_taps(t: float, taps: Singles) -> None:
    """Cubic B-spline at the four samples around a point with fraction t."""
    s = 1.0 - t
    taps[0] = s * s * s / 6.0
    taps[1] = 2.0 / 3.0 - 0.5 * t * t * (2.0 - t)
    taps[2] = 2.0 / 3.0 - 0.5 * s * s * (2.0 - s)
    taps[3] = t * t * t / 6.0


@njit(nogil=True, cache=True, error_model="numpy")
def splat_points(
    planes_hyx: Singles,
    pixel_xy: Doubles,
    heights: Doubles,
    strengths: Singles,
    table_rh: Singles,
    height_scale: tuple[float, float],
    oversampling: int,
) -> None:
    """Spread points over 4 x 4 pixels of every plane with cubic B-splines and their height's weights.

    Parameters
    ----------
    planes_hyx : (r, y, x) array of float32
        Periodic, so that what lies in the canvas's margin is not cut in two.
    pixel_xy : (m, 2) array of float64
        Canvas index before oversampling; points beyond the canvas are left out.
    heights : (m,) array of float64
    strengths : (m,) array of float32
    table_rh : (r, n) array of float32
        Weights by height at equal steps.
    height_scale : (float, float)
        First height of the table, and its steps per Å.
    oversampling : int
        Pixels of the planes per pixel of ``pixel_xy``.
    """
    r, ny, nx = planes_hyx.shape
    last = table_rh.shape[1] - 2
    wx, wy = np.empty(4, dtype=np.float32), np.empty(4, dtype=np.float32)
    for p in range(pixel_xy.shape[0]):
        x, y = pixel_xy[p, 0] * oversampling, pixel_xy[p, 1] * oversampling
        if not (0.0 <= x <= nx - 1 and 0.0 <= y <= ny - 1):
            continue
        x_floor, y_floor = math.floor(x), math.floor(y)
        _spline_taps(x - x_floor, wx)
        _spline_taps(y - y_floor, wy)
        position = min(max((heights[p] - height_scale[0]) * height_scale[1], 0.0), last + 1.0)
        row = min(int(position), last)
        part = np.float32(position - row)
        inside = 1 <= x_floor < nx - 2
        for h in range(r):
            weight = table_rh[h, row] + part * (table_rh[h, row + 1] - table_rh[h, row])
            weight *= strengths[p]
            for j in range(4):
                yj = (y_floor - 1 + j) % ny
                w = weight * wy[j]
                if inside:
                    line = planes_hyx[h, yj, x_floor - 1 : x_floor + 3]
                    for i in range(4):
                        line[i] += w * wx[i]
                else:
                    for i in range(4):
                        planes_hyx[h, yj, (x_floor - 1 + i) % nx] += w * wx[i]


@njit(nogil=True, cache=True, error_model="numpy")
def weigh_plane(
    plane_yx: Singles,
    grains_yx: Singles,
    height: tuple[float, float, float],
    table_h: Singles,
    table_scale: tuple[float, float],
) -> None:
    """Set a plane to grains times their height's weight; heights lie on a plane: at (0, 0), per x and per y."""
    last = table_h.shape[0] - 2
    first, per_angstrom = table_scale
    for y in range(plane_yx.shape[0]):
        start = (height[0] + height[2] * y - first) * per_angstrom
        for x in range(plane_yx.shape[1]):
            position = min(max(start + height[1] * per_angstrom * x, 0.0), last + 1.0)
            row = min(int(position), last)
            part = np.float32(position - row)
            plane_yx[y, x] = grains_yx[y, x] * (table_h[row] + part * (table_h[row + 1] - table_h[row]))


@njit(nogil=True, cache=True, error_model="numpy")
def look_up(map_yx: Singles, index_from_image: Doubles, x: Doubles, y: Doubles, seen_yx: Singles) -> None:
    """Bilinear values of a map, whose sample N // 2 is the origin, at image places; held at its edges."""
    height, width = map_yx.shape
    for j in range(seen_yx.shape[0]):
        for i in range(seen_yx.shape[1]):
            u = index_from_image[0, 0] * x[i] + index_from_image[0, 1] * y[j] + width // 2
            v = index_from_image[1, 0] * x[i] + index_from_image[1, 1] * y[j] + height // 2
            u, v = min(max(u, 0.0), width - 1.0), min(max(v, 0.0), height - 1.0)
            column, row = min(int(u), max(width - 2, 0)), min(int(v), max(height - 2, 0))
            right, above = min(column + 1, width - 1), min(row + 1, height - 1)
            s, t = u - column, v - row
            low = (1.0 - s) * map_yx[row, column] + s * map_yx[row, right]
            high = (1.0 - s) * map_yx[above, column] + s * map_yx[above, right]
            seen_yx[j, i] = (1.0 - t) * low + t * high


@njit(nogil=True, cache=True)
def pad_into(total: Spectrum, coarse: Spectrum, factor: np.float32) -> None:
    """Add the transform of a coarser image of the same extent, its Nyquist row and column left out."""
    rows = total.shape[0]
    half = coarse.shape[0] // 2
    columns = coarse.shape[1] if coarse.shape[1] == total.shape[1] else coarse.shape[1] - 1
    for j in range(coarse.shape[0]):
        if j == half and coarse.shape[0] != rows:
            continue
        target = j if j < half else j + rows - coarse.shape[0]
        for i in range(columns):
            total[target, i] += factor * coarse[j, i]


@njit(nogil=True, cache=True, error_model="numpy")
def add_factored(total: Spectrum, plane: Spectrum, ky: Doubles, kx: Doubles, largest_k2: float, table: Singles) -> None:
    """``total += plane · f(k²)`` as far as a frequency, f read from a table with equal steps of k²."""
    per_k2 = (table.shape[0] - 1) / largest_k2
    last = table.shape[0] - 2
    for j in range(plane.shape[0]):
        for i in range(plane.shape[1]):
            k2 = ky[j] * ky[j] + kx[i] * kx[i]
            if k2 > largest_k2:
                break
            position = k2 * per_k2
            row = min(int(position), last)
            part = np.float32(position - row)
            total[j, i] += plane[j, i] * (table[row] + part * (table[row + 1] - table[row]))


@njit(nogil=True, cache=True, error_model="numpy")
def transfer(
    even: Spectrum,
    odd: Spectrum,
    ky: Doubles,
    kx: Doubles,
    largest_k2: float,
    phase: tuple[float, float, float, float, float],
    dimming: Singles,
) -> None:
    """``even = −(sin χ₀ · even + cos χ₀ · odd) · dimming(k²)``, zero beyond a frequency.

    ``phase`` holds χ₀'s coefficients of k², kx² − ky², 2 kx ky and k⁴, and its constant.
    """
    per_k2 = (dimming.shape[0] - 1) / largest_k2
    last = dimming.shape[0] - 2
    for j in range(even.shape[0]):
        for i in range(even.shape[1]):
            k2 = ky[j] * ky[j] + kx[i] * kx[i]
            if k2 > largest_k2:
                even[j, i:] = 0.0
                break
            chi = phase[4] + k2 * (phase[0] + phase[3] * k2)
            chi += phase[1] * (kx[i] * kx[i] - ky[j] * ky[j]) + phase[2] * 2.0 * kx[i] * ky[j]
            position = k2 * per_k2
            row = min(int(position), last)
            part = np.float32(position - row)
            scale = dimming[row] + part * (dimming[row + 1] - dimming[row])
            even[j, i] = -scale * (np.float32(math.sin(chi)) * even[j, i] + np.float32(math.cos(chi)) * odd[j, i])


@njit(nogil=True, cache=True, error_model="numpy")
def assemble(
    frame: Spectrum,
    fading: Spectrum,
    steady: Spectrum,
    shares: Singles,
    squares: tuple[Doubles, Doubles, float],
    survival: Singles,
    turn_y: Spectrum,
    turn_x: Spectrum,
) -> None:
    """Transform of one frame: what fades, times what is left of it, plus what stays; shifted.

    Parameters
    ----------
    frame : (ny, nx // 2 + 1) complex64 array
        Receives the sum.
    fading : (my, mx // 2 + 1) complex64 array
        On a coarser canvas of the same extent, scaled for the finer one.
    steady : (n, ny, nx // 2 + 1) complex64 array
    shares : (n,) array of float32
        Of each of ``steady``.
    squares : (ky² (my,), kx² (mx // 2 + 1,), largest k²)
        Of the coarser canvas.
    survival : (m,) array of float32
        Amplitude left at equal steps of k² to the largest.
    turn_y, turn_x : complex64 arrays
        Factors of the rows and columns of the frame.
    """
    ky2, kx2, largest_k2 = squares
    per_k2 = (survival.shape[0] - 1) / largest_k2
    last = survival.shape[0] - 2
    rows, coarse_rows = frame.shape[0], fading.shape[0]
    half = coarse_rows // 2
    columns = fading.shape[1] if fading.shape[1] == frame.shape[1] else fading.shape[1] - 1
    for j in range(rows):
        for i in range(frame.shape[1]):
            frame[j, i] = shares[0] * steady[0, j, i]
        for n in range(1, shares.shape[0]):
            if shares[n] != 0:
                for i in range(frame.shape[1]):
                    frame[j, i] += shares[n] * steady[n, j, i]
        source = j if j < half else j - rows + coarse_rows
        if (j < half or source >= half) and not (source == half and coarse_rows != rows):
            for i in range(columns):
                k2 = ky2[source] + kx2[i]
                if k2 > largest_k2:
                    break
                position = k2 * per_k2
                row = min(int(position), last)
                part = np.float32(position - row)
                left = survival[row] + part * (survival[row + 1] - survival[row])
                frame[j, i] += left * fading[source, i]
        for i in range(frame.shape[1]):
            frame[j, i] *= turn_y[j] * turn_x[i]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _spline_row(line_yx: Singles, along: Singles, across: Singles, column: int, row: int, values: Singles) -> None:
    """Neighbouring values of a cubic B-spline image that share their fractions."""
    w0, w1, w2, w3 = across[0], across[1], across[2], across[3]
    for b in range(4):
        line = line_yx[row - 1 + b, column - 1 : column + values.shape[0] + 2]
        w = along[b]
        for i in range(values.shape[0]):
            value = w * (w0 * line[i] + w1 * line[i + 1] + w2 * line[i + 2] + w3 * line[i + 3])
            values[i] = value if b == 0 else values[i] + value


@njit(nogil=True, cache=True, error_model="numpy")
def warp(
    spline_yx: Singles,
    corner_yx: tuple[int, int],
    motion: Doubles,
    scale: tuple[float, float, float],
    frame_yx: Singles,
) -> None:
    """Cubic B-spline image at places that a field of motion displaces.

    Eight neighbours in a row share one displacement, that of their middle: the field changes by less than 0.005 of a
    pixel from one to the next.

    Parameters
    ----------
    spline_yx : (ny, nx) array of float32
        Coefficients on the canvas.
    corner_yx : tuple of int
        Canvas index of the frame's (0, 0).
    motion : (2, 6) array of float64
        Displacement x then y, pixels, by the polynomials 1, x, y, x², xy, y².
    scale : (origin x, origin y, field units per pixel)
        Frame index at which the polynomials' x and y are zero.
    frame_yx : (my, mx) array of float32
        Receives the image.
    """
    across, along = np.empty(4, dtype=np.float32), np.empty(4, dtype=np.float32)
    ny, nx = spline_yx.shape
    for j in range(frame_yx.shape[0]):
        v = (j - scale[1]) * scale[2]
        for first in range(0, frame_yx.shape[1], 8):
            count = min(8, frame_yx.shape[1] - first)
            u = (first + 3.5 - scale[0]) * scale[2]
            dx = motion[0, 0] + u * (motion[0, 1] + motion[0, 3] * u + motion[0, 4] * v)
            dx += v * (motion[0, 2] + motion[0, 5] * v)
            dy = motion[1, 0] + u * (motion[1, 1] + motion[1, 3] * u + motion[1, 4] * v)
            dy += v * (motion[1, 2] + motion[1, 5] * v)
            x, y = corner_yx[1] + first - dx, corner_yx[0] + j - dy
            column, row = math.floor(x), math.floor(y)
            _spline_taps(x - column, across)
            _spline_taps(y - row, along)
            column, row = min(max(column, 1), nx - count - 2), min(max(row, 1), ny - 3)
            _spline_row(spline_yx, along, across, column, row, frame_yx[j, first : first + count])


@njit(nogil=True, cache=True, error_model="numpy")
def expose(
    frame_yx: Singles,
    rate_yx: Singles,
    rate: float,
    attenuation_yx: Singles,
    corner_yx: tuple[int, int],
    shift_xy: tuple[float, float],
) -> None:
    """Contrast becomes mean counts: ``max(1 + contrast, 0) · rate``, times an attenuation that moves with the frame.

    ``attenuation_yx`` is that of the canvas, read bilinearly, or has a single element for none.
    """
    ny, nx = attenuation_yx.shape
    dims = ny > 1
    left, below = math.floor(-shift_xy[0]), math.floor(-shift_xy[1])
    s, t = np.float32(-shift_xy[0] - left), np.float32(-shift_xy[1] - below)
    one = np.float32(1.0)
    for j in range(frame_yx.shape[0]):
        y = min(max(corner_yx[0] + j + below, 0), ny - 2) if dims else 0
        for i in range(frame_yx.shape[1]):
            mean = max(frame_yx[j, i] + one, np.float32(0.0)) * rate_yx[j, i] * np.float32(rate)
            if dims:
                x = min(max(corner_yx[1] + i + left, 0), nx - 2)
                low = (one - s) * attenuation_yx[y, x] + s * attenuation_yx[y, x + 1]
                high = (one - s) * attenuation_yx[y + 1, x] + s * attenuation_yx[y + 1, x + 1]
                mean *= (one - t) * low + t * high
            frame_yx[j, i] = mean
