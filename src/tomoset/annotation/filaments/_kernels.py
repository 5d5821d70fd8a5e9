"""Compiled inner loops of filament tracing. Imported only inside the functions that use it."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["keep_best", "segment_product", "sum_views"]

_jit = numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})


@_jit
def _seen_range(first: float, step: float, last: float, n: int) -> tuple[int, int]:
    """Indices i in [low, high) for which ``0 <= first + i step < last``."""
    if step == 0:
        return (0, n) if 0 <= first < last else (0, 0)
    a, b = -first / step, (last - first) / step
    if step > 0:
        return max(0, int(np.ceil(a))), max(0, min(n, int(np.ceil(b))))
    return max(0, int(np.floor(b)) + 1), max(0, min(n, int(np.floor(a)) + 1))


@_jit
def sum_views(
    responses: NDArray[np.float32],
    gains: NDArray[np.float32],
    variances: NDArray[np.float32],
    index_from_volume: NDArray[np.float64],
    shape_xy: NDArray[np.intp],
    step_angstrom: float,
    z: NDArray[np.float32],
    amplitude: NDArray[np.float32],
) -> None:
    """Sum the views' responses at every voxel that they show: over the root of its variance, and over its gain.

    One slab at a time and in it one view after the other, whose image then stays in the cache.
    """
    nz, ny, nx = z.shape
    total = np.empty((ny, nx), dtype=np.float32)
    gain = np.empty((ny, nx), dtype=np.float32)
    variance = np.empty((ny, nx), dtype=np.float32)
    last_x, last_y = float(shape_xy[0] - 1) - 1e-3, float(shape_xy[1] - 1) - 1e-3
    for iz in range(nz):
        total[:] = 0
        gain[:] = 0
        variance[:] = 0
        for v in range(responses.shape[0]):
            m = index_from_volume[v]
            image = responses[v]
            slope_x, slope_y = m[0, 0] * step_angstrom, m[1, 0] * step_angstrom
            dx, dy = np.float32(slope_x), np.float32(slope_y)
            view_gain, view_variance = gains[v], variances[v]
            for iy in range(ny):
                px = (m[0, 1] * iy + m[0, 2] * iz) * step_angstrom + m[0, 3]
                py = (m[1, 1] * iy + m[1, 2] * iz) * step_angstrom + m[1, 3]
                low_x, high_x = _seen_range(px, slope_x, last_x, nx)
                low_y, high_y = _seen_range(py, slope_y, last_y, nx)
                x0, y0 = np.float32(px), np.float32(py)
                for ix in range(max(low_x, low_y), min(high_x, high_y)):
                    x, y = x0 + dx * np.float32(ix), y0 + dy * np.float32(ix)
                    jx, jy = np.int32(x), np.int32(y)
                    ax, ay = x - np.float32(jx), y - np.float32(jy)
                    low = image[jy, jx] + ax * (image[jy, jx + 1] - image[jy, jx])
                    high = image[jy + 1, jx] + ax * (image[jy + 1, jx + 1] - image[jy + 1, jx])
                    total[iy, ix] += low + ay * (high - low)
                    gain[iy, ix] += view_gain
                    variance[iy, ix] += view_variance
        for iy in range(ny):
            for ix in range(nx):
                seen = variance[iy, ix] > 0
                z[iz, iy, ix] = total[iy, ix] / np.sqrt(variance[iy, ix]) if seen else 0.0
                amplitude[iz, iy, ix] = total[iy, ix] / gain[iy, ix] if seen else 0.0


@_jit
def keep_best(
    z: NDArray[np.float32],
    amplitude: NDArray[np.float32],
    scale: np.float32,
    index: int,
    best: NDArray[np.float32],
    best_amplitude: NDArray[np.float32],
    which: NDArray[np.int16],
) -> None:
    """Keep the largest score at every voxel, with its amplitude and its index."""
    new, new_amplitude = z.reshape(-1), amplitude.reshape(-1)
    old, old_amplitude, old_which = best.reshape(-1), best_amplitude.reshape(-1), which.reshape(-1)
    for i in range(new.size):
        value = new[i] * scale
        if value > old[i] or (value == old[i] and value > 0 and index < old_which[i]):
            old[i] = value
            old_amplitude[i] = new_amplitude[i]
            old_which[i] = index


@_jit
def segment_product(
    weighted_hat: NDArray[np.complex64],
    gain: NDArray[np.float32],
    noise: NDArray[np.float32],
    frequency_y: NDArray[np.float32],
    frequency_x: NDArray[np.float32],
    direction_xyz: NDArray[np.float64],
    profile: NDArray[np.float32],
    profile_step: float,
    sigma_angstrom: float,
    out: NDArray[np.complex64],
) -> tuple[float, float]:
    """``out = weighted_hat · segment``; returns the sums of ``|segment|²`` times gain and noise over the full grid.

    The segment's projection transforms to the radial profile across its axis, times a Gaussian along it; where that
    has fallen to exp(-12) nothing is summed.
    """
    dx, dy = np.float32(direction_xyz[0]), np.float32(direction_xyz[1])
    falloff = np.float32(-2 * (np.pi * sigma_angstrom) ** 2)
    height = np.float32(np.sqrt(2 * np.pi) * sigma_angstrom)
    per_step = np.float32(1 / profile_step)
    last = profile.shape[0] - 2
    gained, spread = 0.0, 0.0
    for iy in range(out.shape[0]):
        ky = frequency_y[iy]
        row_gain, row_noise = np.float32(0), np.float32(0)
        for ix in range(out.shape[1]):
            kx = frequency_x[ix]
            along = kx * dx + ky * dy
            exponent = falloff * along * along
            if noise[iy, ix] == 0 or exponent < -12:
                out[iy, ix] = 0
                continue
            grid = np.sqrt(max(kx * kx + ky * ky - along * along, np.float32(0))) * per_step
            low = min(int(grid), last)
            value = profile[low] + (grid - np.float32(low)) * (profile[low + 1] - profile[low])
            value *= height * np.exp(exponent)
            out[iy, ix] = weighted_hat[iy, ix] * value
            power = (np.float32(1) if ix == 0 else np.float32(2)) * value * value
            row_gain += power * gain[iy, ix]
            row_noise += power * noise[iy, ix]
        gained += float(row_gain)
        spread += float(row_noise)
    return gained, spread
