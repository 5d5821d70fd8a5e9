"""Compiled loops that mark membranes in masks. Imported only inside the functions that use it."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["mark_discs", "mark_shell"]

_jit = numba.njit(cache=True, nogil=True, error_model="numpy")


@_jit
def mark_discs(
    nearest_zyx: NDArray[np.float32],
    instance_zyx: NDArray[np.uint32],
    probability_zyx: NDArray[np.float32],
    places_zyx: NDArray[np.float64],
    normals_zyx: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    number: int,
    half_thickness: float,
    radius: float,
) -> None:
    """Give voxels within a flat disc about each point to the instance, where no other surface is nearer. In voxels."""
    nz, ny, nx = nearest_zyx.shape
    reach = int(np.ceil(np.sqrt(radius**2 + half_thickness**2)))
    for i in range(len(places_zyx)):
        z0, y0, x0 = places_zyx[i]
        for z in range(max(0, int(z0) - reach), min(nz, int(z0) + reach + 2)):
            for y in range(max(0, int(y0) - reach), min(ny, int(y0) + reach + 2)):
                for x in range(max(0, int(x0) - reach), min(nx, int(x0) + reach + 2)):
                    dz, dy, dx = z - z0, y - y0, x - x0
                    height = dz * normals_zyx[i, 0] + dy * normals_zyx[i, 1] + dx * normals_zyx[i, 2]
                    aside = dz * dz + dy * dy + dx * dx - height * height
                    if (
                        abs(height) <= half_thickness
                        and aside <= radius * radius
                        and abs(height) < nearest_zyx[z, y, x]
                    ):
                        nearest_zyx[z, y, x] = abs(height)
                        instance_zyx[z, y, x] = number
                        probability_zyx[z, y, x] = probabilities[i]


@_jit
def _table(table: NDArray[np.float32], row: float, column: float) -> float:
    """Bilinear look-up; columns go round."""
    rows, columns = table.shape
    i = min(max(int(row), 0), rows - 2)
    j = int(np.floor(column))
    a, b = row - i, column - j
    left, right = j % columns, (j + 1) % columns
    above = (1 - b) * table[i, left] + b * table[i, right]
    below = (1 - b) * table[i + 1, left] + b * table[i + 1, right]
    return (1 - a) * above + a * below


@_jit
def mark_shell(
    nearest_zyx: NDArray[np.float32],
    instance_zyx: NDArray[np.uint32],
    probability_zyx: NDArray[np.float32],
    depth_zyx: NDArray[np.uint32],
    bounds_zyx: NDArray[np.int64],
    centre_zyx: NDArray[np.float64],
    tables: NDArray[np.float32],
    number: int,
    half_thickness: float,
) -> None:
    """Mark a closed surface, and what lies within it, between two corners of the volume.

    ``tables`` are its radii, the cosines between ray and normal, and its probabilities over polar angle and azimuth.
    ``depth_zyx`` becomes the number of the last surface marked that holds the voxel: mark outer surfaces first.
    """
    radii, cosines, probabilities = tables[0], tables[1], tables[2]
    rows, columns = radii.shape
    for z in range(bounds_zyx[0, 0], bounds_zyx[1, 0]):
        for y in range(bounds_zyx[0, 1], bounds_zyx[1, 1]):
            for x in range(bounds_zyx[0, 2], bounds_zyx[1, 2]):
                dz, dy, dx = z - centre_zyx[0], y - centre_zyx[1], x - centre_zyx[2]
                distance = np.sqrt(dz * dz + dy * dy + dx * dx)
                row = np.arccos(min(max(dz / max(distance, 1e-6), -1.0), 1.0)) / np.pi * (rows - 1)
                column = np.arctan2(dy, dx) / (2 * np.pi) * columns
                below = distance - _table(radii, row, column)
                height = below * _table(cosines, row, column)
                if below < 0:
                    depth_zyx[z, y, x] = number
                if abs(height) <= half_thickness and abs(height) < nearest_zyx[z, y, x]:
                    nearest_zyx[z, y, x] = abs(height)
                    instance_zyx[z, y, x] = number
                    probability_zyx[z, y, x] = _table(probabilities, row, column)
