"""Compiled loops between a tilt image and its aligned rows; imported only when a tomogram is made."""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

from tomoset.reconstruction._kernels import four_by_four

__all__ = ["FLIP", "MULTIPLY", "blend_level", "correct_phases", "filter_spectrum", "resample_aligned"]

# An even number of half turns that makes every phase positive.
_HALF_TURNS = 4096.0
# What the first number of a line of optics asks for; 0 leaves the phases as they are.
FLIP = 1.0
MULTIPLY = 2.0

Floats = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _signed(row: int, rows: int) -> int:
    """Frequency of a row of a spectrum, in steps."""
    return row if row < (rows + 1) // 2 else row - rows


@njit(nogil=True, fastmath={"contract"}, cache=True)
def correct_phases(spectrum: Spectrum, out: Spectrum, frequency_y: Doubles, step_x: float, optics: Doubles) -> None:
    """Turn over the phases that the CTF has turned, or multiply by it; ``out`` may have fewer rows.

    ``frequency_y`` of the rows of ``out`` and the ``step_x`` from column to column are in 1/Å; ``optics`` is
    (FLIP or MULTIPLY, π λ, mean defocus, half astigmatism, 2 × its angle, ½ λ² Cs, asin of the amplitude contrast).
    The factor is positive at low frequency.
    """
    n_in, n_out = spectrum.shape[0], out.shape[0]
    cos, sin = math.cos(optics[4]), math.sin(optics[4])
    columns = np.uint64(out.shape[1])
    half_turns, factor = np.empty(out.shape[1]), np.empty(out.shape[1], np.float32)
    for row in range(n_out):
        signed = _signed(row, n_out)
        if 2 * abs(signed) >= min(n_in, n_out):
            out[row, :] = 0
            continue
        source = signed if signed >= 0 else signed + n_in
        ky = frequency_y[row]
        for column in range(columns):
            kx = step_x * np.float64(column)
            k2 = kx * kx + ky * ky
            turned = (kx * kx - ky * ky) * cos + 2 * kx * ky * sin
            phase = optics[1] * (k2 * (optics[2] - optics[5] * k2) + optics[3] * turned) + optics[6]
            half_turns[column] = phase * (1 / math.pi)
        if optics[0] == FLIP:
            for column in range(columns):
                factor[column] = np.float32(1 - 2 * (np.int32(half_turns[column] + _HALF_TURNS) & 1))
        else:
            for column in range(columns):
                factor[column] = np.float32(math.sin(math.pi * half_turns[column]))
        for column in range(columns):
            out[row, column] = spectrum[source, column] * factor[column]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def blend_level(
    image: Floats, total: Floats, level: float, last: float, start: float, step_y: float, step_x: float
) -> None:
    """Add an image times the share of a level: a tent of the level's number, which is held within 0 to ``last``."""
    columns = np.uint64(image.shape[1])
    here, highest, step, none, one = (
        np.float32(level),
        np.float32(last),
        np.float32(step_x),
        np.float32(0.0),
        np.float32(1.0),
    )
    for row in range(image.shape[0]):
        first = np.float32(start + step_y * row)
        for column in range(columns):
            number = min(max(first + step * np.float32(column), none), highest)
            total[row, column] += max(one - abs(number - here), none) * image[row, column]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def filter_spectrum(  # noqa: PLR0913, PLR0917
    spectrum: Spectrum,
    filtered: Spectrum,
    frequency_y: Doubles,
    step_x: float,
    gain_y: Doubles,
    gain_x: Doubles,
    axis_rad: float,
    cut: float,
    across: Doubles,
    along: Doubles,
    radial: Doubles,
) -> None:
    """Multiply a half-plane spectrum by all that does not change from place to place, cropping or padding its rows.

    ``frequency_y`` (1/Å) and the separable gains belong to ``filtered``; ``across`` and ``along`` are tables over
    abs(k_u) and abs(k_v) from 0 to ``cut``, ``radial`` over abs(k) from 0 to sqrt(2) cut.
    """
    n_in, n_out = spectrum.shape[0], filtered.shape[0]
    cos_a, sin_a = math.cos(axis_rad), math.sin(axis_rad)
    last = across.size - 1
    to_table = last / cut
    to_radial = (radial.size - 1) / (math.sqrt(2.0) * cut)
    weights = np.empty(filtered.shape[1], np.float32)
    for row in range(n_out):
        signed = _signed(row, n_out)
        if 2 * abs(signed) >= min(n_in, n_out):
            filtered[row, :] = 0
            continue
        source = signed if signed >= 0 else signed + n_in
        ky = frequency_y[row]
        for column in range(filtered.shape[1]):
            kx = step_x * column
            at_u = abs(kx * cos_a + ky * sin_a) * to_table
            at_v = abs(ky * cos_a - kx * sin_a) * to_table
            weights[column] = np.float32(0.0)
            if at_u < last and at_v < last:
                at_k = math.sqrt(kx * kx + ky * ky) * to_radial
                iu, iv, ik = np.uint64(at_u), np.uint64(at_v), np.uint64(at_k)
                one = np.uint64(1)
                weight = across[iu] + (at_u - iu) * (across[iu + one] - across[iu])
                weight *= along[iv] + (at_v - iv) * (along[iv + one] - along[iv])
                weight *= radial[ik] + (at_k - ik) * (radial[ik + one] - radial[ik])
                weights[column] = np.float32(weight * gain_y[row] * gain_x[column])
        for column in range(np.uint64(filtered.shape[1])):
            filtered[row, column] = spectrum[source, column] * weights[column]


@njit(nogil=True, fastmath={"contract"}, cache=True)
def _places(
    line: Doubles, first: int, count: int, wide: int, field_yx: Doubles, positions: int, places: NDArray[np.uint32]
) -> None:
    """First sample read, and rows of the table along y and x (3, count), of samples of one row from ``first``."""
    nowhere, here = np.uint32(positions), np.float64(first)
    y_0, y_1, y_2, x_0, x_1, x_2 = line[0], line[1], line[2], line[3], line[4], line[5]
    least_y, most_y, least_x, most_x = field_yx[0], field_yx[1], field_yx[2], field_yx[3]
    for i in range(np.uint64(count)):
        at = here + np.float64(i)
        y = y_0 + at * (y_1 + at * y_2)
        x = x_0 + at * (x_1 + at * x_2)
        inside = (y >= least_y) & (y <= most_y) & (x >= least_x) & (x <= most_x)
        y, x = (y, x) if inside else (1.0, 1.0)
        low_y, low_x = np.int32(y), np.int32(x)
        of_y, of_x = np.int32((y - low_y) * positions), np.int32((x - low_x) * positions)
        places[0, i] = np.uint32((low_y - 1) * np.int32(wide) + low_x - 1)
        places[1, i] = np.uint32(of_y) if inside else nowhere
        places[2, i] = np.uint32(of_x)


@njit(nogil=True, cache=True)
def resample_aligned(
    image: Floats, rows: Floats, lines: Doubles, first_v: int, n_v: int, field_yx: Doubles, table: Floats
) -> None:
    """Carry an image into the frame of the tilt axis: ``rows`` (y blocks, u rows, y), as far as ``n_v`` samples reach.

    ``lines`` (u rows, 2, 3) holds for each row the pixel (y, then x) of its samples: a quadratic polynomial of the
    sample's number along v, which begins at ``first_v``. Samples outside ``field_yx`` (first y, last y, first x,
    last x; at least one pixel from the first and two from the last of the image) are zero. ``table`` (fractions, 4)
    holds the weights of the samples around a position, and in its last row those of no sample.
    """
    width, positions = rows.shape[2], table.shape[0] - 1
    flat, weights = image.reshape(-1), table.reshape(-1)
    wide, four = np.uint64(image.shape[1]), np.uint64(4)
    places = np.empty((3, width), np.uint32)
    for block in range(-(-n_v // width)):
        before = block * width
        count = min(width, n_v - before)
        for u in range(rows.shape[1]):
            _places(lines[u].reshape(-1), first_v + before, count, image.shape[1], field_yx, positions, places)
            of_row = rows[block, u]
            for i in range(np.uint64(count)):
                of_y, of_x = np.uint64(places[1, i]), np.uint64(places[2, i])
                of_row[i] = four_by_four(flat, np.uint64(places[0, i]), wide, weights, four * of_y, four * of_x)
