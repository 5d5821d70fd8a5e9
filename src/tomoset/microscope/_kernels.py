"""Compiled loops of the microscope; imported only by the functions that run them."""

import math

import numpy as np
from numba import njit  # noqa: TID253
from numpy.typing import NDArray

__all__ = ["slice_spectra", "splat_beads", "stamp_patches"]

Doubles = NDArray[np.float64]


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _slice_row(
    lattice: NDArray[np.float32],
    strides_zy: tuple[int, int],
    first_zyx: tuple[int, int, int],
    table: NDArray[np.float32],
    rotation: Doubles,
    row: int,
    scale: float,
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
) -> None:
    """One row of a central slice, as many elements as ``real`` has.

    The eight sums over rows of four complex numbers are written out: the compiler keeps them in one register.
    """
    steps = table.shape[0] - 1
    two, four = np.uint64(2), np.uint64(4)
    for i in range(real.shape[0]):
        # The slice plane in the particle's own axes: transpose of the rotation.
        x = (rotation[0, 0] * i + rotation[1, 0] * row) * scale
        y = (rotation[0, 1] * i + rotation[1, 1] * row) * scale
        z = (rotation[0, 2] * i + rotation[1, 2] * row) * scale
        sign = np.float32(1.0)
        if x < 0:
            x, y, z, sign = -x, -y, -z, np.float32(-1.0)
        x_floor, y_floor, z_floor = math.floor(x), math.floor(y), math.floor(z)
        tx, ty, tz = (
            np.uint64((x - x_floor) * steps + 0.5),
            np.uint64((y - y_floor) * steps + 0.5),
            np.uint64((z - z_floor) * steps + 0.5),
        )
        corner = (int(z_floor) - 1 - first_zyx[0]) * strides_zy[0]
        corner += (int(y_floor) - 1 - first_zyx[1]) * strides_zy[1] + int(x_floor) - 1 - first_zyx[2]
        a0 = b0 = a1 = b1 = a2 = b2 = a3 = b3 = np.float32(0.0)
        for c in range(4):
            weight_z = table[tz, np.uint64(c)]
            for b in range(4):
                weight = weight_z * table[ty, np.uint64(b)]
                p = np.uint64(2 * (corner + c * strides_zy[0] + b * strides_zy[1]))
                a0 += weight * lattice[p]
                b0 += weight * lattice[p + np.uint64(1)]
                a1 += weight * lattice[p + two]
                b1 += weight * lattice[p + np.uint64(3)]
                a2 += weight * lattice[p + four]
                b2 += weight * lattice[p + np.uint64(5)]
                a3 += weight * lattice[p + np.uint64(6)]
                b3 += weight * lattice[p + np.uint64(7)]
        w0, w1 = table[tx, np.uint64(0)], table[tx, np.uint64(1)]
        w2, w3 = table[tx, two], table[tx, np.uint64(3)]
        real[i] = w0 * a0 + w1 * a1 + w2 * a2 + w3 * a3
        imaginary[i] = sign * (w0 * b0 + w1 * b1 + w2 * b2 + w3 * b3)


@njit(nogil=True, cache=True, error_model="numpy")
def slice_spectra(
    lattice: NDArray[np.float32],
    strides_zy: tuple[int, int],
    first_zyx: tuple[int, int, int],
    table: NDArray[np.float32],
    rotations: Doubles,
    offsets_xy_pixel: Doubles,
    lattice_per_frequency: float,
    largest_square: float,
    spectra: NDArray[np.complex64],
) -> None:
    """Central slices of a molecule's transform, each with its own rotation and sub-pixel shift.

    Parameters
    ----------
    lattice : (2 n,) array of float32
        Transform on an oversampled lattice of the half space kx ≥ 0, with the kernel's reach beyond kx = 0, flat, real
        and imaginary parts in turn.
    strides_zy : tuple of int
        Complex elements from one z, and one y, to the next.
    first_zyx : tuple of int
        Lattice frequency of its element (0, 0, 0).
    table : (steps + 1, 4) array of float32
        Weights of the interpolation kernel by fractional offset; the nearest row is taken.
    rotations : (m, 3, 3) array of float64
        Particle -> camera.
    offsets_xy_pixel : (m, 2) array of float64
        Where the centre goes, from the box's index N // 2, pixels.
    lattice_per_frequency : float
        Lattice steps per step of the box's discrete frequency.
    largest_square : float
        Square of the largest discrete frequency that is looked up; beyond, the spectra are zero.
    spectra : (m, n, n // 2 + 1) complex64 array
        Receives ``rfft2`` of the projections; the Nyquist row and column stay zero.
    """
    m, n, _ = spectra.shape
    half = n // 2
    real, imaginary = np.empty(half, dtype=np.float32), np.empty(half, dtype=np.float32)
    row_phase = np.empty(half, dtype=np.complex128)
    for p in range(m):
        ox, oy = offsets_xy_pixel[p, 0] + half, offsets_xy_pixel[p, 1] + half
        for i in range(half):
            angle = -2.0 * math.pi * i * ox / n
            row_phase[i] = complex(math.cos(angle), math.sin(angle))
        for row in range(n):
            spectra[p, row, :] = 0.0
            j = row if row < half else row - n
            room = largest_square - j * j
            if row == half or room < 0:
                continue
            count = min(half, int(math.sqrt(room)) + 1)
            _slice_row(
                lattice, strides_zy, first_zyx, table, rotations[p], j, lattice_per_frequency,
                real[:count], imaginary[:count],
            )  # fmt: skip
            angle = -2.0 * math.pi * j * oy / n
            column_phase = complex(math.cos(angle), math.sin(angle))
            for i in range(count):
                spectra[p, row, i] = complex(real[i], imaginary[i]) * (row_phase[i] * column_phase)


@njit(nogil=True, cache=True)
def splat_beads(
    positions_xyz: Doubles,
    strengths: NDArray[np.float32],
    weights: NDArray[np.float32],
    rotations: Doubles,
    offsets_xy: Doubles,
    patches: NDArray[np.float32],
) -> None:
    """Add the beads of copies of a molecule to their patches, lengths in pixels.

    Parameters
    ----------
    positions_xyz : (n, 3) array of float64
    strengths : (n,) array of float32
    weights : (fractions + 1, taps) array of float32
        One axis of a bead at pixels floor − taps/2 + 1 … floor + taps/2, by fraction; taps is a multiple of 8.
    rotations : (m, 2, 3) array of float64
    offsets_xy : (m, 2) array of float64
        Of the centre from the patch's index N // 2.
    patches : (m, y, x) array of float32
    """
    fractions, taps = weights.shape[0] - 1, weights.shape[1]
    half, width = patches.shape[1] // 2, patches.shape[2]
    for p in range(rotations.shape[0]):
        r = rotations[p]
        patch = patches[p].reshape(-1)  # one dimension: the compiler then works on several pixels at once
        for bead in range(positions_xyz.shape[0]):
            bx, by, bz = positions_xyz[bead, 0], positions_xyz[bead, 1], positions_xyz[bead, 2]
            x = r[0, 0] * bx + r[0, 1] * by + r[0, 2] * bz + offsets_xy[p, 0] + half
            y = r[1, 0] * bx + r[1, 1] * by + r[1, 2] * bz + offsets_xy[p, 1] + half
            column, row = math.floor(x), math.floor(y)
            across = weights[int((x - column) * fractions + 0.5)]
            along = weights[int((y - row) * fractions + 0.5)]
            start = (row - taps // 2 + 1) * width + column - taps // 2 + 1
            for j in range(taps):
                weight = along[j] * strengths[bead]
                line = patch[start + j * width : start + j * width + taps]
                for i in range(taps):
                    line[i] += weight * across[i]


@njit(nogil=True, cache=True)
def stamp_patches(
    planes_hyx: NDArray[np.float32],
    patches: NDArray[np.float32],
    corners_yx: NDArray[np.int64],
    weights: NDArray[np.float32],
) -> None:
    """Add patches (m, n, n) to every plane with weights (m, h); what lies beyond the planes' edges is cut."""
    n_planes, height, width = planes_hyx.shape
    m, n, _ = patches.shape
    for p in range(m):
        y0, x0 = corners_yx[p, 0], corners_yx[p, 1]
        x_start, x_stop = max(x0, 0), min(x0 + n, width)
        for h in range(n_planes):
            weight = weights[p, h]
            for y in range(max(y0, 0), min(y0 + n, height)):
                for x in range(x_start, x_stop):
                    planes_hyx[h, y, x] += weight * patches[p, y - y0, x - x0]
