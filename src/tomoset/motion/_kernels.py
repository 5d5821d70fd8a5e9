"""Compiled loops of motion correction: sums of shifted transforms, moments of cross-spectra, smooth warps."""

from typing import Any

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "add_aligned",
    "box_deviation",
    "correct_gain",
    "cross_moments",
    "high_pass",
    "outliers",
    "ring_power",
    "sum_frames",
    "warp_add",
]

_TWO = np.float32(2.0)


@numba.njit(cache=True, nogil=True, fastmath=True)
def add_aligned(
    frames_ptyx: NDArray[np.complex64],
    rows_ptx: NDArray[np.complex64],
    columns_pty: NDArray[np.complex64],
    totals_pyx: NDArray[np.complex64],
) -> None:
    """Add every frame times its phase ``column ⊗ row`` to the total of its patch."""
    n_patches, n_frames, ny, nx = frames_ptyx.shape
    for p in range(n_patches):
        for y in range(ny):
            out = totals_pyx[p, y]
            for t in range(n_frames):
                frame, row, factor = frames_ptyx[p, t, y], rows_ptx[p, t], columns_pty[p, t, y]
                for x in range(nx):
                    out[x] += frame[x] * (row[x] * factor)


@numba.njit(cache=True, nogil=True, fastmath=True)
def cross_moments(
    frames_ptyx: NDArray[np.complex64],
    totals_pyx: NDArray[np.complex64],
    rows_ptx: NDArray[np.complex64],
    columns_pty: NDArray[np.complex64],
    weight_pyx: NDArray[np.float32],
    half_yx: NDArray[np.float32],
    kx: NDArray[np.float32],
    ky: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Moments of ``w conj(sum of the others) · frame``, both brought back, in two halves of Fourier space.

    Returns (p, t, 2, 5): Im kx, Im ky, Re kx², Re kx ky, Re ky²; half 1 is where ``half_yx`` is 1.
    """
    n_patches, n_frames, ny, nx = frames_ptyx.shape
    moments = np.zeros((n_patches, n_frames, 2, 5))
    for p in range(n_patches):
        for t in range(n_frames):
            row = rows_ptx[p, t]
            for y in range(ny):
                factor = columns_pty[p, t, y]
                frame, total, weight, half = frames_ptyx[p, t, y], totals_pyx[p, y], weight_pyx[p, y], half_yx[y]
                i0, ix, r0, rx, rxx = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                j0, jx, s0, sx, sxx = np.float32(0), np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                for x in range(nx):
                    own = frame[x] * (row[x] * factor)
                    a, b = own.real, own.imag
                    c, d = total[x].real - a, total[x].imag - b
                    w, k, h = weight[x], kx[x], half[x]
                    re, im = w * (a * c + b * d), w * (b * c - a * d)
                    hre, him = h * re, h * im
                    i0 += im
                    ix += im * k
                    r0 += re
                    rx += re * k
                    rxx += re * k * k
                    j0 += him
                    jx += him * k
                    s0 += hre
                    sx += hre * k
                    sxx += hre * k * k
                q = ky[y]
                one, all_ = moments[p, t, 1], moments[p, t, 0]
                one[0] += jx
                one[1] += j0 * q
                one[2] += sxx
                one[3] += sx * q
                one[4] += s0 * q * q
                all_[0] += ix
                all_[1] += i0 * q
                all_[2] += rxx
                all_[3] += rx * q
                all_[4] += r0 * q * q
    moments[:, :, 0] -= moments[:, :, 1]
    return moments


@numba.njit(cache=True, nogil=True)
def ring_power(transforms_pyx: NDArray[np.complex64], ring_yx: NDArray[np.int32], n_rings: int) -> NDArray[np.float64]:
    """Sum (p, n_rings) of the power of each transform over its rings; ring numbers of ``n_rings`` are left out."""
    n_patches, ny, nx = transforms_pyx.shape
    power = np.zeros((n_patches, n_rings + 1))
    for p in range(n_patches):
        out = power[p]
        for y in range(ny):
            row, ring = transforms_pyx[p, y], ring_yx[y]
            for x in range(nx):
                out[ring[x]] += row[x].real * row[x].real + row[x].imag * row[x].imag
    return power[:, :n_rings]


@numba.njit(cache=True, nogil=True)
def sum_frames(frames_tyx: NDArray[Any], total_yx: NDArray[np.float32]) -> None:
    """Put the sum of raw frames into ``total_yx``."""
    n_frames, ny, nx = frames_tyx.shape
    for y in range(ny):
        out = total_yx[y]
        out[:] = 0
        for t in range(n_frames):
            row = frames_tyx[t, y]
            for x in range(nx):
                out[x] += np.float32(row[x])


@numba.njit(cache=True, nogil=True)
def correct_gain(frame_yx: NDArray[Any], gain_yx: NDArray[np.float32], out_yx: NDArray[np.float32]) -> None:
    """Put a raw frame times the gain into ``out_yx``."""
    ny, nx = frame_yx.shape
    for y in range(ny):
        row, gain, out = frame_yx[y], gain_yx[y], out_yx[y]
        for x in range(nx):
            out[x] = np.float32(row[x]) * gain[x]


@numba.njit(cache=True, nogil=True)
def outliers(values_yx: NDArray[np.float32], bound: float) -> NDArray[np.intp]:
    """Flat indices of the values beyond ± ``bound``."""
    flat = values_yx.ravel()
    limit = np.float32(bound)
    count = 0
    for i in range(flat.size):
        count += abs(flat[i]) > limit
    found = np.empty(count, dtype=np.intp)
    count = 0
    for i in range(flat.size):
        if abs(flat[i]) > limit:
            found[count] = i
            count += 1
    return found


@numba.njit(cache=True, nogil=True, fastmath=True)
def box_deviation(image_yx: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Difference of every pixel from the mean of its square neighbourhood, whose edge pixels repeat."""
    ny, nx = image_yx.shape
    out = np.empty_like(image_yx)
    columns = np.empty(nx + 2 * reach, dtype=np.float32)
    share = np.float32(1.0 / (2 * reach + 1) ** 2)
    for y in range(ny):
        columns[:] = 0
        inner = columns[reach : reach + nx]
        for dy in range(-reach, reach + 1):
            row = image_yx[min(max(y + dy, 0), ny - 1)]
            for x in range(nx):
                inner[x] += row[x]
        columns[:reach] = inner[0]
        columns[reach + nx :] = inner[nx - 1]
        centre, line = image_yx[y], out[y]
        for x in range(nx):
            total = np.float32(0)
            for dx in range(2 * reach + 1):
                total += columns[x + dx]
            line[x] = centre[x] - total * share
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def high_pass(image_yx: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """Second difference along y and x of ``scale · image``, over 6 so that white noise keeps its variance."""
    ny, nx = image_yx.shape
    out = np.empty((ny - 2, nx - 2), dtype=np.float32)
    along_y = np.empty(nx, dtype=np.float32)
    factor = np.float32(scale / 6.0)
    for y in range(ny - 2):
        below, here, above, line = image_yx[y], image_yx[y + 1], image_yx[y + 2], out[y]
        for x in range(nx):
            along_y[x] = below[x] - _TWO * here[x] + above[x]
        for x in range(nx - 2):
            line[x] = factor * (along_y[x] - _TWO * along_y[x + 1] + along_y[x + 2])
    return out


@numba.njit(inline="always")
def _spline_weights(f: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Cubic B-spline at 1 + f, f, 1 − f and 2 − f."""
    one, half, sixth, two_thirds = np.float32(1), np.float32(0.5), np.float32(1 / 6), np.float32(2 / 3)
    g = one - f
    return (
        g * g * g * sixth,
        two_thirds - half * f * f * (g + one),
        two_thirds - half * g * g * (f + one),
        f * f * f * sixth,
    )


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_run(
    spline_yx: NDArray[np.float32],
    row: int,
    first: int,
    dx: NDArray[np.float32],
    dy: NDArray[np.float32],
    whole_x: np.float32,
    whole_y: np.float32,
    line: NDArray[np.float32],
) -> None:
    """Add the spline's values along a run of pixels whose neighbourhoods lie side by side."""
    a, b = spline_yx[row, first:], spline_yx[row + 1, first:]
    c, d = spline_yx[row + 2, first:], spline_yx[row + 3, first:]
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)  # unsigned: no index can count from the end
    for x in range(np.uint64(line.size)):
        w0, w1, w2, w3 = _spline_weights(dx[x] - whole_x)
        v0, v1, v2, v3 = _spline_weights(dy[x] - whole_y)
        line[x] += (
            w0 * (v0 * a[x] + v1 * b[x] + v2 * c[x] + v3 * d[x])
            + w1 * (v0 * a[x + one] + v1 * b[x + one] + v2 * c[x + one] + v3 * d[x + one])
            + w2 * (v0 * a[x + two] + v1 * b[x + two] + v2 * c[x + two] + v3 * d[x + two])
            + w3 * (v0 * a[x + three] + v1 * b[x + three] + v2 * c[x + three] + v3 * d[x + three])
        )


@numba.njit(cache=True, nogil=True, fastmath=True)
def warp_add(
    spline_yx: NDArray[np.float32],
    field_xy: NDArray[np.float64],
    first_yx: tuple[int, int],
    image_yx: NDArray[np.float32],
) -> None:
    """Add to every pixel of an image the cubic B-spline's value at the pixel plus a quadratic field.

    ``spline_yx`` are the spline's coefficients on a periodic grid, of which the image is the part that begins at
    ``first_yx``; ``field_xy`` (2, 6) is in pixels, of the terms 1, u, v, u², uv, v² with u, v the pixel's place from
    the image's index N // 2, divided by the image's width and height.
    """
    my, mx = spline_yx.shape
    ny, nx = image_yx.shape
    along_x, along_y = field_xy[0], field_xy[1]
    dx, dy, one = np.empty(nx, dtype=np.float32), np.empty(nx, dtype=np.float32), np.float32(1)
    for y in range(ny):
        v = (y - ny // 2) / ny
        x_0, x_1 = along_x[0] + v * (along_x[2] + v * along_x[5]), along_x[1] + v * along_x[4]
        y_0, y_1 = along_y[0] + v * (along_y[2] + v * along_y[5]), along_y[1] + v * along_y[4]
        for x in range(nx):
            u = (x - nx // 2) / nx
            dx[x] = x_0 + u * (x_1 + u * along_x[3])
            dy[x] = y_0 + u * (y_1 + u * along_y[3])
        line = image_yx[y]
        start = 0
        while start < nx:
            # A smooth field has the same whole pixels over long runs, in which memory is read in order.
            whole_x, whole_y = np.floor(dx[start]), np.floor(dy[start])
            end = start + 1
            first, row = first_yx[1] + start + int(whole_x) - 1, first_yx[0] + y + int(whole_y) - 1
            inside = first >= 0 and first + 4 <= mx and row >= 0 and row + 4 <= my
            last = min(nx, start + mx - first - 3) if inside else end
            while end < last and whole_x <= dx[end] < whole_x + one and whole_y <= dy[end] < whole_y + one:
                end += 1
            if inside:
                _add_run(spline_yx, row, first, dx[start:end], dy[start:end], whole_x, whole_y, line[start:end])
            else:
                wx, wy = _spline_weights(dx[start] - whole_x), _spline_weights(dy[start] - whole_y)
                for j in range(4):
                    for i in range(4):
                        line[start] += wy[j] * wx[i] * spline_yx[(row + j) % my, (first + i) % mx]
            start = end
