"""Compiled loops of the membrane tracer: second derivatives, their eigenvalues, votes and marks.

Imported only inside the functions that use it.
"""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["crest_points", "link", "plate_strength", "support"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_jit = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp", "afn"})

_THIRD = np.float32(1.0 / 3.0)
_SIXTH = np.float32(1.0 / 6.0)
_HALF = np.float32(0.5)
_QUARTER = np.float32(0.25)
_ONE = np.float32(1.0)
_TWO = np.float32(2.0)
_ZERO = np.float32(0.0)
_PI = np.float32(np.pi)
_ROOT3 = np.float32(np.sqrt(3.0))
_TINY = np.float32(1e-30)


@_jit
def _acos(x: np.float32) -> np.float32:
    """Arc cosine to 7e-5 without a branch (Abramowitz & Stegun 4.4.45, with four terms)."""
    a = abs(x)
    tail = np.float32(0.0742610) - np.float32(0.0187293) * a
    series = np.float32(1.5707288) + a * (np.float32(-0.2121144) + a * tail)
    positive = series * np.sqrt(_ONE - a)
    return positive if x >= _ZERO else _PI - positive


@_jit
def plate_strength(smooth_zyx: Floats, scale: np.float32, first: int, last: int, out_zyx: Floats) -> None:
    """Raise ``out_zyx`` to how much each voxel looks like the middle of a bright plate.

    The three eigenvalues of the matrix of second derivatives (central differences) come from the trigonometric
    solution of the characteristic equation; the strength is ``−l1 − max(|l2|, |l3|)`` of the most negative one and
    the other two, and zero where that is negative. Planes ``first`` to ``last`` are filled; the outermost voxels of
    each axis stay.
    """
    ny, nx = smooth_zyx.shape[1], smooth_zyx.shape[2]
    for z in range(first, last):
        for y in range(1, ny - 1):
            above, here, below = smooth_zyx[z + 1, y], smooth_zyx[z, y], smooth_zyx[z - 1, y]
            above_n, above_p = smooth_zyx[z + 1, y - 1], smooth_zyx[z + 1, y + 1]
            below_n, below_p = smooth_zyx[z - 1, y - 1], smooth_zyx[z - 1, y + 1]
            here_n, here_p = smooth_zyx[z, y - 1], smooth_zyx[z, y + 1]
            out = out_zyx[z, y]
            for i in range(nx - 2):
                low, x, high = np.uint64(i), np.uint64(i + 1), np.uint64(i + 2)
                twice = _TWO * here[x]
                zz = above[x] + below[x] - twice
                yy = here_p[x] + here_n[x] - twice
                xx = here[high] + here[low] - twice
                zy = _QUARTER * (above_p[x] - above_n[x] - below_p[x] + below_n[x])
                zx = _QUARTER * (above[high] - above[low] - below[high] + below[low])
                yx = _QUARTER * (here_p[high] - here_p[low] - here_n[high] + here_n[low])
                mean = _THIRD * (zz + yy + xx)
                a, b, c = zz - mean, yy - mean, xx - mean
                off = zy * zy + zx * zx + yx * yx
                spread = np.sqrt(_SIXTH * (a * a + b * b + c * c + _TWO * off)) + _TINY
                inverse = _ONE / spread
                a, b, c = a * inverse, b * inverse, c * inverse
                d, e, f = zy * inverse, zx * inverse, yx * inverse
                half_det = _HALF * (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e))
                half_det = min(max(half_det, -_ONE), _ONE)
                angle = _THIRD * _acos(half_det)
                square = angle * angle
                # sine and cosine on 0 to 60°
                cosine = _ONE - square * (_HALF - square * (np.float32(1 / 24) - square * np.float32(1 / 720)))
                sine = angle * (
                    _ONE - square * (_SIXTH - square * (np.float32(1 / 120) - square * np.float32(1 / 5040)))
                )
                largest = mean + _TWO * spread * cosine
                least = mean - spread * (cosine + _ROOT3 * sine)
                middle = _TWO * mean + mean - largest - least
                strength = -least - max(abs(middle), abs(largest))
                out[x] = max(out[x], scale * strength)


@_jit
def _axis_of_plate(hessian: Doubles, out: Doubles) -> None:
    """Unit eigenvector (z, y, x) of the most negative eigenvalue of a symmetric matrix, by inverse iteration."""
    zz, yy, xx, zy, zx, yx = hessian
    mean = (zz + yy + xx) / 3
    a, b, c = zz - mean, yy - mean, xx - mean
    spread = np.sqrt((a * a + b * b + c * c + 2 * (zy * zy + zx * zx + yx * yx)) / 6) + 1e-30
    det = a * (b * c - yx * yx) - zy * (zy * c - yx * zx) + zx * (zy * yx - b * zx)
    angle = np.arccos(min(max(det / (2 * spread**3), -1.0), 1.0)) / 3
    least = 2 * spread * np.cos(angle + 2 * np.pi / 3)
    a, b, c = a - least, b - least, c - least
    # The rows of (H − l·1) are orthogonal to the axis: the longest of their three cross products is it.
    best = -1.0
    for pair in range(3):
        if pair == 0:
            u, v, w = zy * yx - zx * b, zx * zy - a * yx, a * b - zy * zy
        elif pair == 1:
            u, v, w = zy * c - zx * yx, zx * zx - a * c, a * yx - zy * zx
        else:
            u, v, w = b * c - yx * yx, yx * zx - zy * c, zy * yx - b * zx
        length = u * u + v * v + w * w
        if length > best:
            best = length
            scale = 1 / np.sqrt(length + 1e-300)
            out[0], out[1], out[2] = u * scale, v * scale, w * scale


@_jit
def _sample(volume_zyx: Floats, z: float, y: float, x: float) -> float:
    """Trilinear interpolation; positions are inside by construction."""
    iz, iy, ix = int(z), int(y), int(x)
    fz, fy, fx = z - iz, y - iy, x - ix
    total = 0.0
    for dz in range(2):
        wz = fz if dz else 1 - fz
        for dy in range(2):
            wy = fy if dy else 1 - fy
            row = volume_zyx[iz + dz, iy + dy]
            total += wz * wy * ((1 - fx) * row[ix] + fx * row[ix + 1])
    return total


@_jit
def crest_points(
    strength_zyx: Floats,
    smooth_zyx: Floats,
    least: float,
    first: int,
    last: int,
    places_zyx: Floats,
    normals_zyx: Floats,
    strengths: Floats,
) -> int:
    """Fill in the points at which the strength is above ``least`` and the largest along the plate's own normal.

    Returns how many there are; more than the arrays can take are counted, not kept.
    """
    nz, ny, nx = strength_zyx.shape
    hessian, normal = np.empty(6), np.empty(3)
    found = 0
    for z in range(max(first, 3), min(last, nz - 3)):
        for y in range(3, ny - 3):
            for x in range(3, nx - 3):
                here = strength_zyx[z, y, x]
                if here <= least:
                    continue
                s = smooth_zyx
                hessian[0] = s[z + 1, y, x] + s[z - 1, y, x] - 2 * s[z, y, x]
                hessian[1] = s[z, y + 1, x] + s[z, y - 1, x] - 2 * s[z, y, x]
                hessian[2] = s[z, y, x + 1] + s[z, y, x - 1] - 2 * s[z, y, x]
                hessian[3] = (s[z + 1, y + 1, x] - s[z + 1, y - 1, x] - s[z - 1, y + 1, x] + s[z - 1, y - 1, x]) / 4
                hessian[4] = (s[z + 1, y, x + 1] - s[z + 1, y, x - 1] - s[z - 1, y, x + 1] + s[z - 1, y, x - 1]) / 4
                hessian[5] = (s[z, y + 1, x + 1] - s[z, y + 1, x - 1] - s[z, y - 1, x + 1] + s[z, y - 1, x - 1]) / 4
                _axis_of_plate(hessian, normal)
                ahead = _sample(strength_zyx, z + normal[0], y + normal[1], x + normal[2])
                behind = _sample(strength_zyx, z - normal[0], y - normal[1], x - normal[2])
                if ahead > here or behind >= here:
                    continue
                curvature = ahead + behind - 2 * here
                shift = 0.0
                if curvature < 0:
                    shift = min(max((behind - ahead) / (2 * curvature), -0.7), 0.7)
                if found < strengths.size:
                    strengths[found] = here
                    for axis, at in enumerate((z, y, x)):
                        places_zyx[found, axis] = at + shift * normal[axis]
                        normals_zyx[found, axis] = normal[axis]
                found += 1
    return found


@_jit
def _agreement(places: Floats, normals: Floats, i: int, j: int) -> float:
    """How well two points with normals lie on one smooth surface: 1 on a common circle, 0 from some 30° away from it.

    The normal that a circle through both points, tangent at the first, has at the second is the first one's mirror
    image in the plane between them (co-circularity, Medioni, Lee & Tang 2000).
    """
    dz, dy, dx = places[j, 0] - places[i, 0], places[j, 1] - places[i, 1], places[j, 2] - places[i, 2]
    length = np.sqrt(dz * dz + dy * dy + dx * dx) + 1e-6
    rise_i = (normals[i, 0] * dz + normals[i, 1] * dy + normals[i, 2] * dx) / length
    rise_j = (normals[j, 0] * dz + normals[j, 1] * dy + normals[j, 2] * dx) / length
    if length < 1.5:  # neighbours on the grid: their offset says nothing of the surface
        rise_i = rise_j = 0.0
    if abs(rise_i) > 0.5:
        return 0.0
    dot = normals[i, 0] * normals[j, 0] + normals[i, 1] * normals[j, 1] + normals[i, 2] * normals[j, 2]
    cosine = dot - 2 * rise_i * rise_j
    return max(0.0, (cosine * cosine - 0.75) * 4)


@_jit
def support(
    index_zyx: NDArray[np.int32], places: Floats, normals: Floats, strengths: Floats, spread: float, out: Floats
) -> None:
    """Strength of the neighbours that lie on one smooth surface with each point, by distance (a Gaussian)."""
    nz, ny, nx = index_zyx.shape
    reach = int(np.ceil(2 * spread))
    for i in range(len(strengths)):
        z, y, x = int(places[i, 0] + 0.5), int(places[i, 1] + 0.5), int(places[i, 2] + 0.5)
        total = 0.0
        for a in range(max(0, z - reach), min(nz, z + reach + 1)):
            for b in range(max(0, y - reach), min(ny, y + reach + 1)):
                for c in range(max(0, x - reach), min(nx, x + reach + 1)):
                    j = index_zyx[a, b, c]
                    if j < 0 or j == i:
                        continue
                    square = (a - z) ** 2 + (b - y) ** 2 + (c - x) ** 2
                    if square > reach * reach:
                        continue
                    total += strengths[j] * _agreement(places, normals, i, j) * np.exp(-square / (2 * spread * spread))
        out[i] = total


@_jit
def _root(parents: NDArray[np.int32], i: int) -> int:
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@_jit
def link(
    index_zyx: NDArray[np.int32], places: Floats, normals: Floats, reach: int, least: float, parents: NDArray[np.int32]
) -> None:
    """Join points within ``reach`` voxels that agree by ``least`` into patches; ``parents`` become the first."""
    nz, ny, nx = index_zyx.shape
    for i in range(len(parents)):
        z, y, x = int(places[i, 0] + 0.5), int(places[i, 1] + 0.5), int(places[i, 2] + 0.5)
        for a in range(max(0, z - reach), min(nz, z + reach + 1)):
            for b in range(max(0, y - reach), min(ny, y + reach + 1)):
                for c in range(max(0, x - reach), min(nx, x + reach + 1)):
                    j = index_zyx[a, b, c]
                    if (
                        j > i
                        and _agreement(places, normals, i, j) >= least
                        and _agreement(places, normals, j, i) >= least
                    ):
                        parents[_root(parents, j)] = _root(parents, i)
    for i in range(len(parents)):
        parents[i] = _root(parents, i)
