"""The compiled walk of a chain that fills a space; imported only by the functions that run it."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["grow_chain"]

CANDIDATES = 6
LOOK_AHEAD = 8  # steps
BEHIND = 5  # steps that are not yet in one another's way
WIDEST_COSINE = 0.55  # 57 degrees a step: an emergency's turn


@numba.njit(cache=True)
def _is_taken(taken: NDArray[np.uint8], scale: float, x: float, y: float, z: float) -> bool:
    i, j, k = int(z * scale), int(y * scale), int(x * scale)
    n, m, o = taken.shape
    if z < 0 or y < 0 or x < 0 or i >= n or j >= m or k >= o:
        return True
    return taken[i, j, k] != 0


@numba.njit(cache=True)
def _is_wall(walls: NDArray[np.uint8], scale: float, x: float, y: float, z: float) -> bool:
    return _is_taken(walls, scale, x, y, z)


@numba.njit(cache=True)
def _turn(t: NDArray[np.float64], kappa: float, out: NDArray[np.float64]) -> None:
    """A direction about ``t`` from Fisher's distribution of concentration kappa."""
    u = np.random.random()
    lost = -np.log(u + (1 - u) * np.exp(-2 * kappa)) / kappa
    if lost > 1 - WIDEST_COSINE:
        lost = (1 - WIDEST_COSINE) * np.random.random()
    sine = np.sqrt(max(lost * (2 - lost), 0.0))
    phi = 2 * np.pi * np.random.random()
    # any frame about t does
    if abs(t[0]) < 0.6:
        a0, a1, a2 = 0.0, t[2], -t[1]
    else:
        a0, a1, a2 = -t[2], 0.0, t[0]
    norm = np.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
    a0, a1, a2 = a0 / norm, a1 / norm, a2 / norm
    b0, b1, b2 = t[1] * a2 - t[2] * a1, t[2] * a0 - t[0] * a2, t[0] * a1 - t[1] * a0
    c, s = sine * np.cos(phi), sine * np.sin(phi)
    out[0] = c * a0 + s * b0 + (1 - lost) * t[0]
    out[1] = c * a1 + s * b1 + (1 - lost) * t[1]
    out[2] = c * a2 + s * b2 + (1 - lost) * t[2]
    norm = np.sqrt(out[0] * out[0] + out[1] * out[1] + out[2] * out[2])
    out[0] /= norm
    out[1] /= norm
    out[2] /= norm


@numba.njit(cache=True)
def _mark(taken: NDArray[np.uint8], scale: float, point: NDArray[np.float64], reach: float) -> None:
    """Take the voxels whose centres lie within ``reach`` voxels of a point."""
    z, y, x = point[2] * scale - 0.5, point[1] * scale - 0.5, point[0] * scale - 0.5
    n, m, o = taken.shape
    for i in range(max(int(np.ceil(z - reach)), 0), min(int(np.floor(z + reach)) + 1, n)):
        for j in range(max(int(np.ceil(y - reach)), 0), min(int(np.floor(y + reach)) + 1, m)):
            rest = reach * reach - (i - z) ** 2 - (j - y) ** 2
            if rest < 0:
                continue
            half = np.sqrt(rest)
            for k in range(max(int(np.ceil(x - half)), 0), min(int(np.floor(x + half)) + 1, o)):
                taken[i, j, k] = 1


@numba.njit(cache=True)
def _clear_steps(
    taken: NDArray[np.uint8],
    taken_scale: float,
    walls: NDArray[np.uint8],
    wall_scale: float,
    p: NDArray[np.float64],
    t: NDArray[np.float64],
    step: float,
) -> int:
    """Steps straight ahead before something is in the way, at most ``LOOK_AHEAD``; −1 where the first hits a wall."""
    for s in range(1, LOOK_AHEAD + 1):
        x, y, z = p[0] + s * step * t[0], p[1] + s * step * t[1], p[2] + s * step * t[2]
        if _is_wall(walls, wall_scale, x, y, z):
            return s - 1 if s > 1 else -1
        if _is_taken(taken, taken_scale, x, y, z):
            return s - 1
    return LOOK_AHEAD


@numba.njit(cache=True)
def grow_chain(
    walls: NDArray[np.uint8],
    wall_scale: float,
    taken: NDArray[np.uint8],
    taken_scale: float,
    density: NDArray[np.int32],
    density_scale: float,
    start: NDArray[np.float64],
    nodes: NDArray[np.float64],
    step: float,
    kappa: float,
    reach: float,
    seed: int,
) -> int:
    """Grow a chain through a space, keeping off its walls and, where it can, off itself.

    At each step some turns are drawn from the worm-like chain's distribution; one is taken by how far it leads before
    something is in the way and by how little of the chain already lies there. Where every one is blocked, turns are
    drawn from wider distributions. Returns the number of steps that had to go where the chain already was; −1 where
    even the walls left no way.

    Coordinates are relative to the corner of the three grids (z, y, x), Å; ``scale`` is voxels an ångström.
    """
    np.random.seed(seed)
    n = len(nodes)
    directions = np.empty((CANDIDATES, 3))
    weights = np.empty(CANDIDATES)
    t = np.empty(3)
    z0 = 2 * np.random.random() - 1
    phi = 2 * np.pi * np.random.random()
    t[0], t[1], t[2] = np.sqrt(1 - z0 * z0) * np.cos(phi), np.sqrt(1 - z0 * z0) * np.sin(phi), z0
    nodes[0] = start
    contacts = 0
    mean_density = 0.0
    n_open = 0
    for w in walls.ravel():
        n_open += 1 if w == 0 else 0
    cells = n_open * (density_scale / wall_scale) ** 3
    for i in range(1, n):
        p = nodes[i - 1]
        mean_density = i / cells + 1.0
        width = kappa
        chosen, fallback = -1, -1
        for attempt in range(12):
            total, fallback = 0.0, -1
            for c in range(CANDIDATES):
                _turn(t, width, directions[c])
                clear = _clear_steps(taken, taken_scale, walls, wall_scale, p, directions[c], step)
                if clear >= 0 and fallback < 0:
                    fallback = c
                if clear < 1:
                    weights[c] = 0.0
                    continue
                far = 1.5 * LOOK_AHEAD * step
                a = min(max(int((p[2] + far * directions[c, 2]) * density_scale), 0), density.shape[0] - 1)
                b = min(max(int((p[1] + far * directions[c, 1]) * density_scale), 0), density.shape[1] - 1)
                d = min(max(int((p[0] + far * directions[c, 0]) * density_scale), 0), density.shape[2] - 1)
                crowd = density[a, b, d] / mean_density
                weights[c] = np.exp(0.5 * clear - 2.0 * min(crowd, 4.0))
                total += weights[c]
            if total > 0:
                draw = np.random.random() * total
                for c in range(CANDIDATES):
                    draw -= weights[c]
                    if weights[c] > 0:
                        chosen = c
                        if draw <= 0:
                            break
                break
            width = max(width / 2, 1.0)
        if chosen < 0:
            if fallback < 0:
                # Against the wall: turn about.
                for attempt in range(200):
                    _turn(t, 0.05, directions[0])
                    if attempt >= 100:
                        for axis in range(3):
                            directions[0, axis] = np.random.standard_normal()
                        directions[0] /= np.sqrt((directions[0] ** 2).sum())
                    if _clear_steps(taken, taken_scale, walls, wall_scale, p, directions[0], step) >= 0:
                        fallback = 0
                        break
                if fallback < 0:
                    return -1
            chosen = fallback
            contacts += 1
        for axis in range(3):
            t[axis] = directions[chosen, axis]
            nodes[i, axis] = p[axis] + step * t[axis]
        if i >= BEHIND:
            _mark(taken, taken_scale, nodes[i - BEHIND], reach)
            q = nodes[i - BEHIND]
            density[int(q[2] * density_scale), int(q[1] * density_scale), int(q[0] * density_scale)] += 1
    return contacts
