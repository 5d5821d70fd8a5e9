"""Compiled loops of packing; imported only by the functions that run them.

The grid is one bit a voxel along x: ``bits_zyb[z, y, x >> 3]`` holds eight voxels. It is periodic in x and y.
"""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

from tomoset.specimen.raster import Raster

__all__ = ["all_free", "insert_copies", "mark_near", "runs_of", "take_near"]


@numba.njit(cache=True)
def mark_near(mask_zyx: NDArray[np.bool_], points_zyx: NDArray[np.float64], reach: float) -> None:
    """Mark voxels whose centre lies within ``reach`` voxels of a point; the mask must hold them all."""
    r2 = reach * reach
    for p in range(len(points_zyx)):
        z, y, x = points_zyx[p]
        for i in range(int(np.ceil(z - reach)), int(np.floor(z + reach)) + 1):
            for j in range(int(np.ceil(y - reach)), int(np.floor(y + reach)) + 1):
                rest = r2 - (i - z) ** 2 - (j - y) ** 2
                if rest < 0:
                    continue
                half = np.sqrt(rest)
                for k in range(int(np.ceil(x - half)), int(np.floor(x + half)) + 1):
                    mask_zyx[i, j, k] = True


@numba.njit(cache=True)
def runs_of(mask_zyx: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Rows of a mask as runs along x: (n, 4) of z, y, first x, number of voxels."""
    nz, ny, nx = mask_zyx.shape
    count = 0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if mask_zyx[z, y, x] and (x == 0 or not mask_zyx[z, y, x - 1]):
                    count += 1
    runs = np.empty((count, 4), np.int16)
    count = -1
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if not mask_zyx[z, y, x]:
                    continue
                if x == 0 or not mask_zyx[z, y, x - 1]:
                    count += 1
                    runs[count, 0], runs[count, 1], runs[count, 2], runs[count, 3] = z, y, x, 0
                runs[count, 3] += 1
    return runs


@numba.njit(cache=True)
def _wrapped(i: int, n: int) -> int:
    if i < 0:
        return i + n
    return i - n if i >= n else i


@numba.njit(cache=True)
def _is_free(bits_zyb: NDArray[np.uint8], nx: int, probe_zyx: NDArray[np.int16], z: int, y: int, x: int) -> bool:
    ny = bits_zyb.shape[1]
    for p in range(len(probe_zyx)):
        k = _wrapped(x + probe_zyx[p, 2], nx)
        if bits_zyb[z + probe_zyx[p, 0], _wrapped(y + probe_zyx[p, 1], ny), k >> 3] >> (k & 7) & 1:
            return False
    return True


@numba.njit(cache=True)
def _stamp(bits_zyb: NDArray[np.uint8], nx: int, runs: NDArray[np.int16], z: int, y: int, x: int) -> None:
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    for r in range(len(runs)):
        i = z + runs[r, 0]
        if i < 0 or i >= nz:  # the room around a molecule may reach out of the ice
            continue
        j = _wrapped(y + runs[r, 1], ny)
        for step in range(runs[r, 3]):
            k = _wrapped(x + runs[r, 2] + step, nx)
            bits_zyb[i, j, k >> 3] |= np.uint8(1 << (k & 7))


@numba.njit(cache=True)
def take_near(bits_zyb: NDArray[np.uint8], nx: int, points_zyx: NDArray[np.float64], reach: float) -> None:
    """Take voxels whose centre lies within ``reach`` voxels of a point; periodic in x and y, cut at the walls in z."""
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    for p in range(len(points_zyx)):
        z, y, x = points_zyx[p]
        for i in range(max(int(np.ceil(z - reach)), 0), min(int(np.floor(z + reach)), nz - 1) + 1):
            for j in range(int(np.ceil(y - reach)), int(np.floor(y + reach)) + 1):
                rest = reach * reach - (i - z) ** 2 - (j - y) ** 2
                if rest < 0:
                    continue
                half = np.sqrt(rest)
                for k in range(int(np.ceil(x - half)), int(np.floor(x + half)) + 1):
                    column = k % nx
                    bits_zyb[i, j % ny, column >> 3] |= np.uint8(1 << (column & 7))


@numba.njit(cache=True)
def all_free(bits_zyb: NDArray[np.uint8], nx: int, points_zyx: NDArray[np.float64]) -> bool:
    """Whether all points lie in free voxels, between the walls in z."""
    nz, ny = bits_zyb.shape[0], bits_zyb.shape[1]
    for p in range(len(points_zyx)):
        i, j = int(np.floor(points_zyx[p, 0] + 0.5)), int(np.floor(points_zyx[p, 1] + 0.5)) % ny
        k = int(np.floor(points_zyx[p, 2] + 0.5)) % nx
        if i < 0 or i >= nz or bits_zyb[i, j, k >> 3] >> (k & 7) & 1:
            return False
    return True


@numba.njit(cache=True)
def insert_copies(
    bits_zyb: NDArray[np.uint8],
    nx: int,
    draws: NDArray[np.int64],
    bank: Raster,
    accepted: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Try proposals in turn until ``accepted`` is full or the proposals are used up.

    ``draws`` (n, 4) holds pose, z, y, x of each proposal.
    ``accepted`` receives the proposals taken. Returns how many were accepted, how many proposals were used, and the
    failures since the last one accepted.
    """
    n_accepted, failures = 0, 0
    for d in range(len(draws)):
        if n_accepted == len(accepted):
            return n_accepted, d, failures
        pose, z, y, x = draws[d]
        inside = bank.z_ranges[pose, 0] <= z <= bank.z_ranges[pose, 1]
        probe = bank.probes_zyx[bank.probe_starts[pose] : bank.probe_starts[pose + 1]]
        if inside and _is_free(bits_zyb, nx, probe, z, y, x):
            runs = bank.runs[bank.run_starts[pose] : bank.run_starts[pose + 1]]
            _stamp(bits_zyb, nx, runs, z, y, x)
            accepted[n_accepted] = d
            n_accepted += 1
            failures = 0
        else:
            failures += 1
    return n_accepted, len(draws), failures
