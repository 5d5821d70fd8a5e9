"""Compiled loops between a tilt image and its aligned rows; imported only when a tomogram is made."""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["FLIP", "MULTIPLY", "filter_spectrum", "resample_aligned"]

# What the first number of a line of optics asks for; 0 leaves the phases as they are.
FLIP = 1.0
MULTIPLY = 2.0

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True)
def _transfer(kx: float, ky: float, optics: Doubles) -> float:
    """Factor that turns the phases of the CTF over: its sign, or the CTF itself, positive at low frequency."""
    k2 = kx * kx + ky * ky
    turn = ((kx * kx - ky * ky) * math.cos(optics[4]) + 2 * kx * ky * math.sin(optics[4])) / k2 if k2 > 0 else 0.0
    defocus = optics[2] + optics[3] * turn
    phase = optics[1] * k2 * (defocus - optics[5] * k2) + optics[6]
    if optics[0] == MULTIPLY:
        return math.sin(phase)
    return -1.0 if math.floor(phase / math.pi) % 2 != 0 else 1.0


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
    (0, FLIP or MULTIPLY, π λ, mean defocus, half astigmatism, 2 × its angle, ½ λ² Cs, asin of the amplitude contrast).
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
            at_k = math.sqrt(kx * kx + ky * ky) * to_radial
            iu, iv, ik = int(at_u), int(at_v), int(at_k)
            weight = across[iu] + (at_u - iu) * (across[iu + 1] - across[iu])
            weight *= along[iv] + (at_v - iv) * (along[iv + 1] - along[iv])
            weight *= radial[ik] + (at_k - ik) * (radial[ik + 1] - radial[ik])
            if optics[0] > 0:
                weight *= _transfer(kx, ky, optics)
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
    lines: Doubles,
    first_v: int,
    n_v: int,
    field_yx: Doubles,
) -> None:
    """Add an image, carried into the frame of the tilt axis, to ``rows`` (y blocks, u rows, y).

    ``lines`` (u rows, 2, 3) holds for each row the pixel (y, then x) of its samples: a quadratic polynomial of the
    sample's number along v, which begins at ``first_v``. Samples outside ``field_yx`` (first y, last y, first x,
    last x; at least one pixel from the first and two from the last of the image) are zero. Cubic B-spline, whose
    average transfer the Fourier filter has undone.
    """
    width = rows.shape[2]
    for u in range(rows.shape[1]):
        weight = weight_of_row[u]
        if weight == 0.0:
            continue
        for v in range(n_v):
            at = float(first_v + v)
            y = lines[u, 0, 0] + at * (lines[u, 0, 1] + at * lines[u, 0, 2])
            x = lines[u, 1, 0] + at * (lines[u, 1, 1] + at * lines[u, 1, 2])
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
            rows[v // width, u, v % width] += np.float32(weight * total)
