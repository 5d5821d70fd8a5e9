"""What a detector shall answer: where centres are, of which class, and how far from the middle of their voxel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.model import IGNORE

__all__ = ["STRIDE", "cell_weights", "cells_from_voxels", "detection_targets", "voxels_from_cells"]

STRIDE = 2
"""Voxels of the tomogram per voxel of a detector's answer."""

_EDGE = 1


def cells_from_voxels(voxel_zyx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position in the answer's voxels (cells): cell c covers voxels 2c and 2c + 1."""
    return (voxel_zyx - (STRIDE - 1) / 2) / STRIDE


def voxels_from_cells(cell_zyx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of :func:`cells_from_voxels`."""
    return cell_zyx * STRIDE + (STRIDE - 1) / 2


def detection_targets(
    points_zyx: Sequence[NDArray[np.float64]], crop: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Centres spread over the cells around them, and the way from each of these to the centre.

    Parameters
    ----------
    points_zyx : sequence of (n, 3) array of float64
        Centres of each class in voxels of the crop; those outside are left out.
    crop : int
        Edge, voxels.

    Returns
    -------
    heat : (n_classes, m, m, m) array of float32
        Each centre is a unit of mass on the eight cells about it with trilinear weights, so that the mass around a
        peak of the answer is the probability of a particle and its centre of mass the position.
    offset : (3, m, m, m) array of float32
        z, y, x from the cell to the centre, in cells, where there is mass.
    """
    m = crop // STRIDE
    heat = np.zeros((len(points_zyx), m, m, m), dtype=np.float32)
    offset = np.zeros((3, m, m, m), dtype=np.float32)
    largest = np.zeros((m, m, m), dtype=np.float32)
    for k, points in enumerate(points_zyx):
        cells = cells_from_voxels(np.asarray(points, dtype=np.float64).reshape(-1, 3))
        cells = cells[np.all((cells > -1) & (cells < m), axis=1)]
        base = np.floor(cells).astype(np.intp)
        for corner in np.ndindex(2, 2, 2):
            at = base + corner
            away = cells - at
            mass = np.prod(1 - np.abs(away), axis=1)
            inside = np.all((at >= 0) & (at < m), axis=1)
            for (z, y, x), way, share in zip(at[inside], away[inside], mass[inside], strict=True):
                heat[k, z, y, x] = min(1.0, heat[k, z, y, x] + share)
                if share > largest[z, y, x]:
                    largest[z, y, x] = share
                    offset[:, z, y, x] = way
    total = heat.sum(axis=0)
    heat /= np.maximum(total, 1.0)
    return heat, offset


def cell_weights(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One for cells that count; zero where a voxel is ``IGNORE``, and at the crop's faces.

    Returns
    -------
    (m, m, m) array of float32
    """
    m = mask.shape[0] // STRIDE
    said = (mask != IGNORE).reshape(m, STRIDE, m, STRIDE, m, STRIDE).all(axis=(1, 3, 5))
    weights = np.zeros((m, m, m), dtype=np.float32)
    inner = (slice(_EDGE, m - _EDGE),) * 3
    weights[inner] = said[inner]
    return weights
