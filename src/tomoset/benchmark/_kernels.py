"""Compiled loops of the scores; imported only by the functions that run them."""

import numba  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

__all__ = ["thin_to_curves"]


@numba.njit(cache=True)
def _is_simple(around: NDArray[np.uint8], stack: NDArray[np.int64], seen: NDArray[np.uint8]) -> bool:
    """Whether the middle of a 3×3×3 neighbourhood can go without changing topology (26 for objects, 6 for the rest)."""
    return _one_object_part(around, stack, seen) and _one_background_part(around, stack, seen)


@numba.njit(cache=True)
def _one_object_part(around: NDArray[np.uint8], stack: NDArray[np.int64], seen: NDArray[np.uint8]) -> bool:
    seen[:] = 0
    parts = 0
    for start in range(27):
        if start == 13 or not around[start] or seen[start]:
            continue
        parts += 1
        if parts > 1:
            return False
        top = 0
        stack[top] = start
        seen[start] = 1
        while top >= 0:
            here = stack[top]
            top -= 1
            z, y, x = here // 9, here // 3 % 3, here % 3
            for c in range(max(0, z - 1), min(3, z + 2)):
                for b in range(max(0, y - 1), min(3, y + 2)):
                    for a in range(max(0, x - 1), min(3, x + 2)):
                        there = 9 * c + 3 * b + a
                        if there != 13 and around[there] and not seen[there]:
                            seen[there] = 1
                            top += 1
                            stack[top] = there
    return parts == 1


@numba.njit(cache=True)
def _one_background_part(around: NDArray[np.uint8], stack: NDArray[np.int64], seen: NDArray[np.uint8]) -> bool:
    """One part of the background, connected by faces within the 18 neighbours, touches the middle by a face."""
    seen[:] = 0
    parts = 0
    for start in (4, 10, 12, 14, 16, 22):
        if around[start] or seen[start]:
            continue
        parts += 1
        if parts > 1:
            return False
        top = 0
        stack[top] = start
        seen[start] = 1
        while top >= 0:
            here = stack[top]
            top -= 1
            z, y, x = here // 9, here // 3 % 3, here % 3
            for axis in range(3):
                for step in (-1, 1):
                    c, b, a = z, y, x
                    if axis == 0:
                        c += step
                    elif axis == 1:
                        b += step
                    else:
                        a += step
                    if min(c, b, a) < 0 or max(c, b, a) > 2:
                        continue
                    there = 9 * c + 3 * b + a
                    off = (c != 1) + (b != 1) + (a != 1)
                    if off in (1, 2) and not around[there] and not seen[there]:
                        seen[there] = 1
                        top += 1
                        stack[top] = there
    return parts == 1


@numba.njit(cache=True)
def thin_to_curves(mask_zyx: NDArray[np.uint8], inside_zyx: NDArray[np.int64]) -> None:
    """Peel a mask layer by layer of what is neither an end nor needed to connect.

    ``mask_zyx`` has a border of zeros and is changed in place; ``inside_zyx`` (n, 3) are its voxels. A layer goes in
    eight turns, by whether z, y and x are even, so that neighbours never go together and nothing is peeled from end
    to end.
    """
    around = np.zeros(27, dtype=np.uint8)
    seen = np.zeros(27, dtype=np.uint8)
    stack = np.zeros(27, dtype=np.int64)
    bare = np.zeros(len(inside_zyx), dtype=np.uint8)
    left = len(inside_zyx)
    before = left + 1
    while left < before:
        before = left
        for i in range(left):
            z, y, x = inside_zyx[i, 0], inside_zyx[i, 1], inside_zyx[i, 2]
            faces = mask_zyx[z - 1, y, x] + mask_zyx[z + 1, y, x] + mask_zyx[z, y - 1, x]
            bare[i] = faces + mask_zyx[z, y + 1, x] + mask_zyx[z, y, x - 1] + mask_zyx[z, y, x + 1] < 6
        for turn in range(8):
            for i in range(left):
                z, y, x = inside_zyx[i, 0], inside_zyx[i, 1], inside_zyx[i, 2]
                if not bare[i] or 4 * (z % 2) + 2 * (y % 2) + x % 2 != turn:
                    continue
                n = 0
                for k in range(27):
                    around[k] = mask_zyx[z + k // 9 - 1, y + k // 3 % 3 - 1, x + k % 3 - 1]
                    n += around[k]
                if n > 2 and _is_simple(around, stack, seen):  # itself and two neighbours or more: no end
                    mask_zyx[z, y, x] = 0
        kept = 0
        for i in range(left):
            if mask_zyx[inside_zyx[i, 0], inside_zyx[i, 1], inside_zyx[i, 2]]:
                inside_zyx[kept] = inside_zyx[i]
                kept += 1
        left = kept
