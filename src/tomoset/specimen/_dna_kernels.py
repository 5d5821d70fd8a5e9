"""The compiled walk of a chain that fills a space; imported only by the functions that run it."""

from typing import NamedTuple

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["Space", "Walk", "grow_chain"]

CANDIDATES = 16
ROUNDS = 20  # of ever wider turns
LOOK_AHEAD = 12  # steps
WALL = -1000
BEHIND = 5  # steps that are not yet in one another's way
MOST_LOST = 0.45  # of the cosine: 57 degrees a step, an emergency's turn
TURNS_AT_WALLS = 1000

Floats = NDArray[np.float64]


class Space(NamedTuple):
    """Three grids (z, y, x) from one corner, with their voxels an ångström: walls, what is taken, how crowded it is."""

    walls: NDArray[np.uint8]
    wall_scale: float
    taken: NDArray[np.uint8]
    taken_scale: float
    crowd: NDArray[np.int32]
    crowd_scale: float
    even_crowd: NDArray[np.float64]  # points in each cell of a complete chain that is spread evenly


class Walk(NamedTuple):
    """How the chain walks: its step (Å), the concentration of its turns, and the reach (Å) of what it takes."""

    step: float
    kappa: float
    reach: float


@numba.njit(cache=True)
def _is_set(grid: NDArray[np.uint8], scale: float, x: float, y: float, z: float) -> bool:
    """Whether a point lies in a voxel that is set, or beyond the grid."""
    if x < 0 or y < 0 or z < 0:
        return True
    i, j, k = int(z * scale), int(y * scale), int(x * scale)
    nz, ny, nx = grid.shape
    return i >= nz or j >= ny or k >= nx or grid[i, j, k] != 0


@numba.njit(cache=True)
def _turn(t: Floats, kappa: float, out: Floats, rng: np.random.Generator) -> None:
    """Draw a direction about ``t`` from Fisher's distribution, but for its widest turns."""
    u = rng.random()
    lost = -np.log(u + (1 - u) * np.exp(-2 * kappa)) / kappa
    if lost > MOST_LOST:
        lost = MOST_LOST * rng.random()
    sine, phi = np.sqrt(max(lost * (2 - lost), 0.0)), 2 * np.pi * rng.random()
    if abs(t[0]) < 0.6:
        a0, a1, a2 = 0.0, t[2], -t[1]
    else:
        a0, a1, a2 = -t[2], 0.0, t[0]
    norm = np.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
    a0, a1, a2 = a0 / norm, a1 / norm, a2 / norm
    c, s = sine * np.cos(phi), sine * np.sin(phi)
    out[0] = c * a0 + s * (t[1] * a2 - t[2] * a1) + (1 - lost) * t[0]
    out[1] = c * a1 + s * (t[2] * a0 - t[0] * a2) + (1 - lost) * t[1]
    out[2] = c * a2 + s * (t[0] * a1 - t[1] * a0) + (1 - lost) * t[2]
    out /= np.sqrt((out * out).sum())


@numba.njit(cache=True)
def _isotropic(out: Floats, rng: np.random.Generator) -> None:
    z, phi = 2 * rng.random() - 1, 2 * np.pi * rng.random()
    out[0], out[1], out[2] = np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z


@numba.njit(cache=True)
def _take(space: Space, point: Floats, reach_angstrom: float) -> None:
    """Take the voxels whose centres lie near a point, and count it among the crowd."""
    scale, taken = space.taken_scale, space.taken
    reach = reach_angstrom * scale
    z, y, x = point[2] * scale - 0.5, point[1] * scale - 0.5, point[0] * scale - 0.5
    nz, ny, nx = taken.shape
    for i in range(max(int(np.ceil(z - reach)), 0), min(int(np.floor(z + reach)) + 1, nz)):
        for j in range(max(int(np.ceil(y - reach)), 0), min(int(np.floor(y + reach)) + 1, ny)):
            rest = reach * reach - (i - z) ** 2 - (j - y) ** 2
            if rest < 0:
                continue
            half = np.sqrt(rest)
            for k in range(max(int(np.ceil(x - half)), 0), min(int(np.floor(x + half)) + 1, nx)):
                taken[i, j, k] = 1
    scale = space.crowd_scale
    space.crowd[int(point[2] * scale), int(point[1] * scale), int(point[0] * scale)] += 1


@numba.njit(cache=True)
def _clear_steps(space: Space, p: Floats, t: Floats, step: float) -> int:
    """Steps straight ahead before something is in the way, at most ``LOOK_AHEAD``.

    Where the first step meets the chain: minus the steps until it is passed; ``WALL`` where it meets a wall.
    """
    blocked = 0
    for s in range(1, LOOK_AHEAD + 1):
        x, y, z = p[0] + s * step * t[0], p[1] + s * step * t[1], p[2] + s * step * t[2]
        if _is_set(space.walls, space.wall_scale, x, y, z):
            if s == 1:
                return WALL
            return -LOOK_AHEAD if blocked else s - 1
        if _is_set(space.taken, space.taken_scale, x, y, z):
            if blocked < s - 1:
                return s - 1
            blocked = s
        elif blocked:
            return -blocked
    return -LOOK_AHEAD if blocked else LOOK_AHEAD


@numba.njit(cache=True)
def _crowd_ahead(space: Space, p: Floats, t: Floats, step: float) -> float:
    """How much of the chain lies some way ahead, relative to an even spread; as much where the space ends."""
    far, scale = LOOK_AHEAD * step, space.crowd_scale
    x, y, z = p[0] + far * t[0], p[1] + far * t[1], p[2] + far * t[2]
    if _is_set(space.walls, space.wall_scale, x, y, z):
        return 1.0
    cell = int(z * scale), int(y * scale), int(x * scale)
    return space.crowd[cell] / max(space.even_crowd[cell], 1.0)


@numba.njit(cache=True)
def _choose(space: Space, walk: Walk, p: Floats, t: Floats, out: Floats, rng: np.random.Generator) -> int:
    """Draw turns until some are free and choose one of them; else that which passes the chain soonest.

    Returns 1 for a free turn, 0 for one through the chain, −1 where there is none off the walls.
    """
    weights, directions = np.zeros(CANDIDATES), np.empty((CANDIDATES, 3))
    width, soonest = walk.kappa, WALL
    for _ in range(ROUNDS):
        total = 0.0
        for c in range(CANDIDATES):
            _turn(t, width, directions[c], rng)
            clear = _clear_steps(space, p, directions[c], walk.step)
            weights[c] = 0.0
            if clear > 0:
                weights[c] = np.exp(0.5 * clear - 2 * min(_crowd_ahead(space, p, directions[c], walk.step), 4.0))
            elif clear > soonest:
                soonest = clear
                out[:] = directions[c]
            total += weights[c]
        if total > 0:
            draw = total * rng.random()
            for c in range(CANDIDATES):
                draw -= weights[c]
                if weights[c] > 0 and draw <= 0:
                    out[:] = directions[c]
                    return 1
        width = max(width / 2, 1.0)
    return 0 if soonest > WALL else -1


@numba.njit(cache=True)
def _turn_about(space: Space, walk: Walk, p: Floats, out: Floats, rng: np.random.Generator) -> bool:
    """Find any direction off the walls."""
    for _ in range(TURNS_AT_WALLS):
        _isotropic(out, rng)
        if _clear_steps(space, p, out, walk.step) > WALL:
            return True
    return False


@numba.njit(cache=True)
def grow_chain(space: Space, walk: Walk, nodes: Floats, rng: np.random.Generator) -> int:
    """Grow a chain from ``nodes[0]`` through a space, keeping off its walls and, where it can, off itself.

    At each step some turns are drawn from the worm-like chain's distribution; one is taken by how far it leads before
    something is in the way and by how little of the chain already lies there. Where every one is blocked, turns are
    drawn from wider distributions. Nodes are xyz from the grids' corner, Å. Returns the number of steps that went
    where the chain already was; −1 where even the walls left no way.
    """
    t, turned = np.empty(3), np.empty(3)
    _isotropic(t, rng)
    contacts = 0
    for i in range(1, len(nodes)):
        found = _choose(space, walk, nodes[i - 1], t, turned, rng)
        if found < 0 and not _turn_about(space, walk, nodes[i - 1], turned, rng):
            return -1
        contacts += found < 1
        t[:] = turned
        nodes[i] = nodes[i - 1] + walk.step * t
        if i >= BEHIND:
            _take(space, nodes[i - BEHIND], walk.reach)
    return contacts
