"""What others would use for the projections of a tilt series, with the same weights and centres."""

import math
import time

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

__all__ = ["SLICES", "astra_seconds", "by_matrix", "sparse_matrix"]

Floats = NDArray[np.float32]
SLICES = 32


def sparse_matrix(tilt_deg: NDArray[np.float64], n_u: int, nz: int, nx: int) -> csr_matrix:
    """Weights of (tilt, u) in each (z, x), linear interpolation, voxel and sample N // 2 on the axis."""
    z, x = np.meshgrid(np.arange(nz) - nz // 2, np.arange(nx) - nx // 2, indexing="ij")
    columns = np.empty((nz * nx, tilt_deg.size, 2), np.int32)
    values = np.empty((nz * nx, tilt_deg.size, 2), np.float32)
    for t, tilt in enumerate(np.deg2rad(tilt_deg)):
        at = (x * np.cos(tilt) + z * np.sin(tilt) + n_u // 2).ravel()
        low = np.floor(at).astype(np.int32)
        for offset, weight in ((0, 1 - (at - low)), (1, at - low)):
            inside = (low + offset >= 0) & (low + offset < n_u)
            columns[:, t, offset] = np.where(inside, t * n_u + low + offset, 0)
            values[:, t, offset] = weight * inside
    start = np.arange(nz * nx + 1, dtype=np.int32) * (2 * tilt_deg.size)
    return csr_matrix((values.ravel(), columns.ravel(), start), shape=(nz * nx, tilt_deg.size * n_u))


def by_matrix(matrix: csr_matrix, views: Floats, volume: Floats) -> Floats:
    """Back-project block by block of slices into ``volume``."""
    nz, ny, _ = volume.shape
    flat = views.reshape(-1, ny)
    for y in range(0, ny, SLICES):
        part = matrix @ np.ascontiguousarray(flat[:, y : y + SLICES])
        volume[:, y : y + SLICES] = part.reshape(nz, -1, part.shape[1]).transpose(0, 2, 1)
    return volume


def astra_seconds(tilt_deg: NDArray[np.float64], n: int, nz: int, slices: int) -> float | None:
    """CPU seconds of one slice's linear back-projection by the ASTRA toolbox, or None where it is not installed."""
    try:
        import astra
    except ImportError:
        return None
    volume = astra.create_vol_geom(nz, n)
    beams = astra.create_proj_geom("parallel", 1.0, n, np.deg2rad(tilt_deg))
    projector = astra.create_projector("linear", beams, volume)
    sinogram = np.random.default_rng(1).standard_normal((tilt_deg.size, n)).astype(np.float32)
    best = math.inf
    for _ in range(slices):
        start = time.process_time()
        identifier, _ = astra.create_backprojection(sinogram, projector)
        best = min(best, time.process_time() - start)
        astra.data2d.delete(identifier)
    astra.projector.delete(projector)
    return best
