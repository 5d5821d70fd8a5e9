"""Compiled loops of the reconstruction; imported only when a tomogram is made.

The back-projection keeps the tilt axis (y) innermost: for fixed (z, x) every y of a block reads the same two rows with
the same weights, so that the innermost loop is a plain multiply-add over contiguous memory. Indices are unsigned
(negative-index wrap-around would keep LLVM from vectorising) and outputs, never sums, are divided between threads:
the result does not depend on their number.
"""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["ROWS_Y", "TILE_X", "back_project_general", "back_project_tile", "filter_spectrum", "resample_aligned"]

# A block of 128 float32 is eight AVX-512 registers; four tilts a pass and tiles of 8 x keep all tilts' rows in L2.
ROWS_Y = 128
TILE_X = 8
_TILTS_A_PASS = 4

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True)
def filter_spectrum(  # noqa: PLR0913, PLR0917
    spectrum: NDArray[np.complex64],
    filtered: NDArray[np.complex64],
    frequency_y: Doubles,
    frequency_x: Doubles,
    gain_y: Doubles,
    gain_x: Doubles,
    axis_rad: float,
    cut: float,
    across: Doubles,
    along: Doubles,
    radial: Doubles,
    optics: Doubles,
) -> None:
    """Multiply a half-plane spectrum by everything that is a product in Fourier space, cropping or padding it.

    ``frequency_y, frequency_x`` (1/Å) and the separable gains belong to ``filtered``; ``across`` and ``along`` are
    tables over abs(k_u) and abs(k_v) from 0 to ``cut``; ``radial`` over abs(k) from 0 to sqrt(2) cut; ``optics`` is
    (flip?, π λ, mean defocus, half astigmatism, 2 × its angle, ½ λ² Cs, asin of the amplitude contrast).
    """
    n_in, n_out = spectrum.shape[0], filtered.shape[0]
    columns = min(spectrum.shape[1], filtered.shape[1])
    half = min(n_in, n_out) // 2
    cos_a, sin_a = math.cos(axis_rad), math.sin(axis_rad)
    last = across.size - 1
    to_table = last / cut
    to_radial = (radial.size - 1) / (math.sqrt(2.0) * cut)
    filtered[:] = 0
    for row in range(n_out):
        signed = row if row < (n_out + 1) // 2 else row - n_out
        if abs(signed) >= half:
            continue
        source = signed if signed >= 0 else signed + n_in
        ky = frequency_y[row]
        for column in range(columns):
            kx = frequency_x[column]
            at_u = abs(kx * cos_a + ky * sin_a) * to_table
            at_v = abs(ky * cos_a - kx * sin_a) * to_table
            if at_u >= last or at_v >= last:
                continue
            k2 = kx * kx + ky * ky
            at_k = math.sqrt(k2) * to_radial
            iu, iv, ik = int(at_u), int(at_v), int(at_k)
            weight = across[iu] + (at_u - iu) * (across[iu + 1] - across[iu])
            weight *= along[iv] + (at_v - iv) * (along[iv + 1] - along[iv])
            weight *= radial[ik] + (at_k - ik) * (radial[ik + 1] - radial[ik])
            if optics[0] > 0 and k2 > 0:
                turn = ((kx * kx - ky * ky) * math.cos(optics[4]) + 2 * kx * ky * math.sin(optics[4])) / k2
                defocus = optics[2] + optics[3] * turn
                phase = optics[1] * k2 * (defocus - optics[5] * k2) + optics[6]
                if math.floor(phase / math.pi) % 2 != 0:
                    weight = -weight
            weight *= gain_y[row] * gain_x[column]
            filtered[row, column] = spectrum[source, column] * np.float32(weight)


@njit(nogil=True, cache=True)
def _spline_weights(fraction: float) -> tuple[float, float, float, float]:
    """Cubic B-spline at −1, 0, 1, 2 samples from the one below."""
    rest = 1.0 - fraction
    return (
        rest * rest * rest / 6.0,
        (4.0 - 6.0 * fraction * fraction + 3.0 * fraction * fraction * fraction) / 6.0,
        (4.0 - 6.0 * rest * rest + 3.0 * rest * rest * rest) / 6.0,
        fraction * fraction * fraction / 6.0,
    )


@njit(nogil=True, cache=True)
def resample_aligned(
    image: Floats,
    rows: Floats,
    weight_of_row: Doubles,
    origin_yx: Doubles,
    step_u_yx: Doubles,
    step_v_yx: Doubles,
    first_v: int,
    n_v: int,
    field_yx: Doubles,
) -> None:
    """Add an image, turned into the frame of the tilt axis, to ``rows`` (y blocks, u rows, 128 y).

    ``origin_yx`` is the (fractional) pixel of u row 0 and y ``first_v``; ``step_*_yx`` are the pixels a step along u
    or y moves; samples outside ``field_yx`` (first y, last y, first x, last x; at least one pixel from the first and
    two from the last of the image) are zero. Cubic B-spline, whose average transfer the Fourier filter has undone.
    """
    for u in range(rows.shape[1]):
        weight = weight_of_row[u]
        if weight == 0.0:
            continue
        for v in range(n_v):
            y = origin_yx[0] + u * step_u_yx[0] + (first_v + v) * step_v_yx[0]
            x = origin_yx[1] + u * step_u_yx[1] + (first_v + v) * step_v_yx[1]
            if y < field_yx[0] or y > field_yx[1] or x < field_yx[2] or x > field_yx[3]:
                continue
            low_y, low_x = int(y), int(x)
            y0, y1, y2, y3 = _spline_weights(y - low_y)
            x0, x1, x2, x3 = _spline_weights(x - low_x)
            top, left = np.uint64(low_y - 1), np.uint64(low_x - 1)
            one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
            total = 0.0
            for line, weight_y in ((top, y0), (top + one, y1), (top + two, y2), (top + three, y3)):
                total += weight_y * (
                    x0 * image[line, left]
                    + x1 * image[line, left + one]
                    + x2 * image[line, left + two]
                    + x3 * image[line, left + three]
                )
            rows[v // ROWS_Y, u, v % ROWS_Y] += np.float32(weight * total)


@njit(nogil=True, fastmath={"contract"}, cache=True)
def back_project_tile(
    rows: Floats,
    n_rows: int,
    cos_rows: Doubles,
    sin_rows: Doubles,
    centre_rows: float,
    volume: Floats,
    y_first: int,
    x_first: int,
) -> None:
    """Sum all tilts into ``volume[:, y_first : y_first + 128, x_first : x_first + 8]``.

    ``rows`` is one y block, flat (tilts × n_rows × 128), the number of tilts a multiple of 4; ``cos_rows, sin_rows``
    are the u rows that a voxel along x and z moves; ``centre_rows`` is the row of u = 0. Every row that a voxel of the
    volume reads exists: the caller made enough of them. Voxels at index N // 2 have x = 0 and z = 0.
    """
    nz, ny, nx = volume.shape
    tile = np.empty((TILE_X, ROWS_Y), np.float32)
    n_x = min(TILE_X, nx - x_first)
    n_y = min(ROWS_Y, ny - y_first)
    for iz in range(nz):
        z = float(iz - nz // 2)
        for ix in range(n_x):
            x = float(x_first + ix - nx // 2)
            row = np.uint64(ix)
            for y in range(np.uint64(ROWS_Y)):
                tile[row, y] = np.float32(0.0)
            for t in range(0, cos_rows.size, _TILTS_A_PASS):
                p0 = x * cos_rows[t] + z * sin_rows[t] + centre_rows
                p1 = x * cos_rows[t + 1] + z * sin_rows[t + 1] + centre_rows
                p2 = x * cos_rows[t + 2] + z * sin_rows[t + 2] + centre_rows
                p3 = x * cos_rows[t + 3] + z * sin_rows[t + 3] + centre_rows
                i0, i1, i2, i3 = int(p0), int(p1), int(p2), int(p3)
                b0, b1, b2, b3 = np.float32(p0 - i0), np.float32(p1 - i1), np.float32(p2 - i2), np.float32(p3 - i3)
                one = np.float32(1.0)
                a0, a1, a2, a3 = one - b0, one - b1, one - b2, one - b3
                o0 = np.uint64((t * n_rows + i0) * ROWS_Y)
                o1 = np.uint64(((t + 1) * n_rows + i1) * ROWS_Y)
                o2 = np.uint64(((t + 2) * n_rows + i2) * ROWS_Y)
                o3 = np.uint64(((t + 3) * n_rows + i3) * ROWS_Y)
                width = np.uint64(ROWS_Y)
                for y in range(width):
                    tile[row, y] += (
                        a0 * rows[o0 + y]
                        + b0 * rows[o0 + width + y]
                        + a1 * rows[o1 + y]
                        + b1 * rows[o1 + width + y]
                        + a2 * rows[o2 + y]
                        + b2 * rows[o2 + width + y]
                        + a3 * rows[o3 + y]
                        + b3 * rows[o3 + width + y]
                    )
        for y in range(np.uint64(n_y)):
            line = volume[iz, np.uint64(y_first) + y]
            for ix in range(np.uint64(n_x)):
                line[np.uint64(x_first) + ix] = tile[ix, y]


@njit(nogil=True, cache=True)
def back_project_general(
    rows: Floats, to_u: Doubles, to_v: Doubles, centre_u: float, centre_v: float, volume: Floats, z_index: int
) -> None:
    """Sum all tilts into one z plane for views that are not tilted about y alone (bilinear, voxel by voxel).

    ``rows`` is (tilts, u rows, v); ``to_u, to_v`` (tilts, 3) turn voxel offsets (x, y, z) into rows and columns.
    """
    nz, ny, nx = volume.shape
    n_u, n_v = rows.shape[1], rows.shape[2]
    z = float(z_index - nz // 2)
    for iy in range(ny):
        y = float(iy - ny // 2)
        for ix in range(nx):
            x = float(ix - nx // 2)
            total = 0.0
            for t in range(rows.shape[0]):
                u = to_u[t, 0] * x + to_u[t, 1] * y + to_u[t, 2] * z + centre_u
                v = to_v[t, 0] * x + to_v[t, 1] * y + to_v[t, 2] * z + centre_v
                iu, iv = math.floor(u), math.floor(v)
                if iu < 0 or iv < 0 or iu + 1 >= n_u or iv + 1 >= n_v:
                    continue
                fu, fv = u - iu, v - iv
                low = (1 - fv) * rows[t, iu, iv] + fv * rows[t, iu, iv + 1]
                high = (1 - fv) * rows[t, iu + 1, iv] + fv * rows[t, iu + 1, iv + 1]
                total += (1 - fu) * low + fu * high
            volume[z_index, iy, ix] = np.float32(total)
