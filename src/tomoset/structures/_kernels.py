"""Compiled loops of this room; imported only by the functions that run them."""

import math

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["deposit_gaussians", "sample_turned"]

SIGMAS_KEPT = 4.5  # 3e-6 of a Gaussian lies beyond on each axis; the weights are renormalised, so no strength is lost


@numba.njit(cache=True)
def _axis_weights(centre: float, sigma: float, first: int, weights: NDArray[np.float64]) -> None:
    """Share of a unit Gaussian in voxels ``first``, ``first + 1`` …, all lengths in voxels; the shares sum to 1."""
    total = 0.0
    scale = 1.0 / (sigma * math.sqrt(2.0))
    below = math.erf((first - 0.5 - centre) * scale)
    for i in range(len(weights)):
        above = math.erf((first + i + 0.5 - centre) * scale)
        weights[i] = 0.5 * (above - below)
        below = above
        total += weights[i]
    for i in range(len(weights)):
        weights[i] /= total


@numba.njit(cache=True)
def deposit_gaussians(
    volume_zyx: NDArray[np.float64],
    centres_zyx: NDArray[np.float64],
    strengths: NDArray[np.float64],
    sigmas: NDArray[np.float64],
) -> None:
    """Add isotropic Gaussians, integrated over each voxel, to a volume.

    ``centres_zyx`` (n, 3) and ``sigmas`` (n,) are in voxels, ``strengths`` (n,) are the sums each Gaussian adds; the
    caller leaves room for every window (``SIGMAS_KEPT`` sigmas and one voxel).
    """
    for p in range(len(strengths)):
        reach = SIGMAS_KEPT * sigmas[p]
        n = 2 * math.ceil(reach) + 1
        wz, wy, wx = np.empty(n), np.empty(n), np.empty(n)
        z0 = round(centres_zyx[p, 0]) - n // 2
        y0 = round(centres_zyx[p, 1]) - n // 2
        x0 = round(centres_zyx[p, 2]) - n // 2
        _axis_weights(centres_zyx[p, 0], sigmas[p], z0, wz)
        _axis_weights(centres_zyx[p, 1], sigmas[p], y0, wy)
        _axis_weights(centres_zyx[p, 2], sigmas[p], x0, wx)
        for k in range(n):
            for j in range(n):
                plane = strengths[p] * wz[k] * wy[j]
                for i in range(n):
                    volume_zyx[z0 + k, y0 + j, x0 + i] += plane * wx[i]


@numba.njit(cache=True)
def sample_turned(
    volume_zyx: NDArray[np.float32], points_xyz: NDArray[np.float64], rotation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values of a volume at points turned about its voxel N // 2, in voxels, linearly interpolated; 0 outside."""
    n = volume_zyx.shape[0]
    values = np.zeros(len(points_xyz))
    for p in range(len(points_xyz)):
        a, b, c = points_xyz[p]
        x = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c + n // 2
        y = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c + n // 2
        z = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c + n // 2
        if min(x, y, z) < 0 or max(x, y, z) >= n - 1:
            continue
        i, j, k = int(z), int(y), int(x)
        w, v, u = z - i, y - j, x - k
        for dz in range(2):
            for dy in range(2):
                row = volume_zyx[i + dz, j + dy, k] * (1 - u) + volume_zyx[i + dz, j + dy, k + 1] * u
                values[p] += (w if dz else 1 - w) * (v if dy else 1 - v) * row
    return values
