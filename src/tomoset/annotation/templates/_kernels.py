"""Compiled inner loops of template matching. Imported only inside the functions that use it."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "interpolate_half_grid",
    "local_maxima",
    "patch_product",
    "project_rotation",
    "read_rotated",
    "resample_half_grid",
    "rotate_and_multiply",
    "update_extremes",
]

_jit = numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"})


@_jit
def interpolate_half_grid(box: NDArray[np.float32], shape_zyx: tuple[int, int, int], out: NDArray[np.float32]) -> None:
    """Trilinear interpolation of a real function from the rfftn grid of a cube to that of a larger volume."""
    n = box.shape[0]
    nz, ny, nx = shape_zyx
    for iz in range(out.shape[0]):
        fz = (iz if iz < (nz + 1) // 2 else iz - nz) * n / nz
        z0 = int(np.floor(fz))
        az = fz - z0
        for iy in range(out.shape[1]):
            fy = (iy if iy < (ny + 1) // 2 else iy - ny) * n / ny
            y0 = int(np.floor(fy))
            ay = fy - y0
            for ix in range(out.shape[2]):
                fx = ix * n / nx
                x0 = min(int(fx), n // 2 - 1)
                ax = fx - x0
                total = 0.0
                for dz in range(2):
                    wz = az if dz else 1 - az
                    for dy in range(2):
                        wy = ay if dy else 1 - ay
                        row = box[(z0 + dz) % n, (y0 + dy) % n]
                        total += wz * wy * ((1 - ax) * row[x0] + ax * row[x0 + 1])
                out[iz, iy, ix] = total


@_jit
def resample_half_grid(
    source: NDArray[np.float32], shape_zyx: tuple[int, int, int], target_zyx: tuple[int, int, int]
) -> NDArray[np.float32]:
    """Trilinear interpolation of a real function from the rfftn grid of one shape to that of another."""
    nz, ny, nx = shape_zyx
    tz, ty, tx = target_zyx
    last = source.shape[2] - 1
    out = np.empty((tz, ty, tx // 2 + 1), dtype=np.float32)
    for iz in range(tz):
        fz = (iz if iz < (tz + 1) // 2 else iz - tz) * nz / tz
        z0 = int(np.floor(fz))
        az = fz - z0
        for iy in range(ty):
            fy = (iy if iy < (ty + 1) // 2 else iy - ty) * ny / ty
            y0 = int(np.floor(fy))
            ay = fy - y0
            for ix in range(out.shape[2]):
                fx = ix * nx / tx
                x0 = min(int(fx), last)
                x1 = min(x0 + 1, last)
                ax = fx - x0
                total = 0.0
                for dz in range(2):
                    wz = az if dz else 1 - az
                    for dy in range(2):
                        wy = ay if dy else 1 - ay
                        if wz * wy > 0:
                            row = source[(z0 + dz) % nz, (y0 + dy) % ny]
                            total += wz * wy * ((1 - ax) * row[x0] + ax * row[x1])
                out[iz, iy, ix] = total
    return out


@_jit
def _sample(spectrum: NDArray[np.float32], gx: float, gy: float, gz: float) -> tuple[np.float32, np.float32]:
    """Trilinear value (re, im) of a complex cube (n, n, n, 2) at index coordinates; 0 outside."""
    n = spectrum.shape[0]
    x0, y0, z0 = int(np.floor(gx)), int(np.floor(gy)), int(np.floor(gz))
    if x0 < 0 or y0 < 0 or z0 < 0 or x0 >= n - 1 or y0 >= n - 1 or z0 >= n - 1:
        return np.float32(0.0), np.float32(0.0)
    ax, ay, az = np.float32(gx - x0), np.float32(gy - y0), np.float32(gz - z0)
    re, im = np.float32(0.0), np.float32(0.0)
    bx, by, bz = np.float32(1) - ax, np.float32(1) - ay, np.float32(1) - az
    for dz in range(2):
        wz = az if dz else bz
        for dy in range(2):
            w = wz * (ay if dy else by)
            re += w * (bx * spectrum[z0 + dz, y0 + dy, x0, 0] + ax * spectrum[z0 + dz, y0 + dy, x0 + 1, 0])
            im += w * (bx * spectrum[z0 + dz, y0 + dy, x0, 1] + ax * spectrum[z0 + dz, y0 + dy, x0 + 1, 1])
    return re, im


@_jit
def rotate_and_multiply(
    volume_hat: NDArray[np.complex64],
    weight: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    per_step: float,
    rotation: NDArray[np.float64],
    step_zyx: NDArray[np.float64],
    out: NDArray[np.complex64],
) -> float:
    """``out = volume_hat · conj(template at Rᵀ k) · weight``; returns Σ |template · weight|² over the full grid.

    ``spectrum`` holds the template's transform on a grid with ``1 / per_step`` between its points, centred;
    ``step_zyx`` are the frequency steps of the volume's grid.
    """
    nz, ny, nx = volume_hat.shape
    half = np.float32(spectrum.shape[0] // 2)
    power = 0.0
    # particle-frame frequency = Rᵀ k: its components are the dot products of k with R's columns.
    c = (rotation * per_step).astype(np.float32)
    for iz in range(nz):
        kz = np.float32((iz if iz < (nz + 1) // 2 else iz - nz) * step_zyx[0])
        for iy in range(ny):
            ky = np.float32((iy if iy < (ny + 1) // 2 else iy - ny) * step_zyx[1])
            bx = c[1, 0] * ky + c[2, 0] * kz + half
            by = c[1, 1] * ky + c[2, 1] * kz + half
            bz = c[1, 2] * ky + c[2, 2] * kz + half
            row_power = 0.0
            for ix in range(nx):
                w = weight[iz, iy, ix]
                if w == 0:
                    out[iz, iy, ix] = 0
                    continue
                kx = np.float32(ix * step_zyx[2])
                re, im = _sample(spectrum, bx + c[0, 0] * kx, by + c[0, 1] * kx, bz + c[0, 2] * kx)
                re *= w
                im *= w
                out[iz, iy, ix] = volume_hat[iz, iy, ix] * np.complex64(complex(re, -im))
                row_power += (1.0 if ix == 0 else 2.0) * (re * re + im * im)
            power += row_power
    return power


@_jit
def read_rotated(
    k_xyz: NDArray[np.float32],
    spectrum: NDArray[np.float32],
    per_step: float,
    rotations: NDArray[np.float64],
) -> NDArray[np.complex64]:
    """A template's transform at frequencies (p, 3) for every rotation: (r, p)."""
    half = np.float32(spectrum.shape[0] // 2)
    out = np.empty((rotations.shape[0], k_xyz.shape[0]), dtype=np.complex64)
    for i in range(rotations.shape[0]):
        c = (rotations[i] * per_step).astype(np.float32)
        for j in range(k_xyz.shape[0]):
            kx, ky, kz = k_xyz[j, 0], k_xyz[j, 1], k_xyz[j, 2]
            gx = c[0, 0] * kx + c[1, 0] * ky + c[2, 0] * kz + half
            gy = c[0, 1] * kx + c[1, 1] * ky + c[2, 1] * kz + half
            gz = c[0, 2] * kx + c[1, 2] * ky + c[2, 2] * kz + half
            re, im = _sample(spectrum, gx, gy, gz)
            out[i, j] = complex(re, im)
    return out


@_jit
def update_extremes(
    correlation: NDArray[np.float32],
    scale: np.float32,
    index: int,
    best: NDArray[np.float32],
    which: NDArray[np.integer],
    worst: NDArray[np.float32],
    which_worst: NDArray[np.integer],
) -> None:
    """Keep the largest and the smallest value at every voxel, each with the index of its rotation."""
    flat, best_flat, worst_flat = correlation.reshape(-1), best.reshape(-1), worst.reshape(-1)
    which_flat, which_worst_flat = which.reshape(-1), which_worst.reshape(-1)
    for i in range(flat.size):
        value = flat[i] * scale
        if value > best_flat[i] or (value == best_flat[i] and index < which_flat[i]):
            best_flat[i] = value
            which_flat[i] = index
        if value < worst_flat[i] or (value == worst_flat[i] and index < which_worst_flat[i]):
            worst_flat[i] = value
            which_worst_flat[i] = index


@_jit
def local_maxima(values: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Indices (n, 3) zyx of voxels above a threshold that no neighbour of the 26 exceeds."""
    found = []
    nz, ny, nx = values.shape
    for iz in range(nz):
        for iy in range(ny):
            for ix in range(nx):
                v = values[iz, iy, ix]
                if not v > threshold:
                    continue
                top = True
                for jz in range(max(iz - 1, 0), min(iz + 2, nz)):
                    for jy in range(max(iy - 1, 0), min(iy + 2, ny)):
                        for jx in range(max(ix - 1, 0), min(ix + 2, nx)):
                            if values[jz, jy, jx] > v:
                                top = False
                if top:
                    found.append((iz, iy, ix))
    out = np.empty((len(found), 3), dtype=np.int64)
    for i in range(len(found)):
        out[i, 0], out[i, 1], out[i, 2] = found[i]
    return out


@_jit
def project_rotation(
    k_xyz: NDArray[np.float64],
    data: NDArray[np.complex128],
    weight: NDArray[np.float64],
    multiplicity: NDArray[np.float64],
    spectrum: NDArray[np.float32],
    per_step: float,
    rotation: NDArray[np.float64],
    shift_xyz: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Score of a patch against a rotated, shifted template, with its derivatives by the shift.

    Returns (score, template power, gradient x y z, curvature xx yy zz xy xz yz); the curvature is that of the score.
    """
    out = np.zeros(11)
    half = spectrum.shape[0] // 2
    two_pi = 2 * np.pi
    for i in range(k_xyz.shape[0]):
        kx, ky, kz = k_xyz[i, 0], k_xyz[i, 1], k_xyz[i, 2]
        gx = (rotation[0, 0] * kx + rotation[1, 0] * ky + rotation[2, 0] * kz) * per_step + half
        gy = (rotation[0, 1] * kx + rotation[1, 1] * ky + rotation[2, 1] * kz) * per_step + half
        gz = (rotation[0, 2] * kx + rotation[1, 2] * ky + rotation[2, 2] * kz) * per_step + half
        re, im = _sample(spectrum, gx, gy, gz)
        w = weight[i]
        m = multiplicity[i]
        phase = two_pi * (kx * shift_xyz[0] + ky * shift_xyz[1] + kz * shift_xyz[2])
        c, s = np.cos(phase), np.sin(phase)
        dr = data[i].real * c - data[i].imag * s
        di = data[i].real * s + data[i].imag * c
        pr = m * w * (dr * re + di * im)
        pi = m * w * (di * re - dr * im)
        out[0] += pr
        out[1] += m * w * w * (re * re + im * im)
        out[2] -= two_pi * kx * pi
        out[3] -= two_pi * ky * pi
        out[4] -= two_pi * kz * pi
        curved = two_pi * two_pi * pr
        out[5] -= curved * kx * kx
        out[6] -= curved * ky * ky
        out[7] -= curved * kz * kz
        out[8] -= curved * kx * ky
        out[9] -= curved * kx * kz
        out[10] -= curved * ky * kz
    return out


@_jit
def patch_product(
    k_xyz: NDArray[np.float64],
    data: NDArray[np.complex128],
    weight: NDArray[np.float64],
    spectrum: NDArray[np.float32],
    per_step: float,
    rotation: NDArray[np.float64],
) -> NDArray[np.complex64]:
    """``data · conj(template at Rᵀ k) · weight`` at every frequency of a patch."""
    out = np.empty(k_xyz.shape[0], dtype=np.complex64)
    half = spectrum.shape[0] // 2
    for i in range(k_xyz.shape[0]):
        kx, ky, kz = k_xyz[i, 0], k_xyz[i, 1], k_xyz[i, 2]
        gx = (rotation[0, 0] * kx + rotation[1, 0] * ky + rotation[2, 0] * kz) * per_step + half
        gy = (rotation[0, 1] * kx + rotation[1, 1] * ky + rotation[2, 1] * kz) * per_step + half
        gz = (rotation[0, 2] * kx + rotation[1, 2] * ky + rotation[2, 2] * kz) * per_step + half
        re, im = _sample(spectrum, gx, gy, gz)
        out[i] = np.complex64(data[i] * complex(re * weight[i], -im * weight[i]))
    return out
