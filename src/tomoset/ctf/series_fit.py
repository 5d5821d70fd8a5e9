"""One defocus per tilt for a whole series: the path that the tilts together find most likely."""

import numpy as np
from numpy.typing import NDArray

from tomoset.physics import vertex_offset

__all__ = ["best_path", "parabola_vertex"]

Floats = NDArray[np.float64]


def best_path(gain_nd: Floats, cost_per_step: float) -> NDArray[np.intp]:
    """Most likely path through the gains of consecutive tilts (Viterbi).

    Parameters
    ----------
    gain_nd : (n, d) array of float64
        Log-likelihood of each tilt at each defocus of an even grid.
    cost_per_step : float
        Log-likelihood lost for every grid step between neighbouring tilts. A cost that grows linearly lets a strong
        tilt jump (real focus changes do) and still holds a weak one between its neighbours.

    Returns
    -------
    (n,) array of int
        Index of the chosen defocus of each tilt.
    """
    n, d = gain_nd.shape
    came_from = np.zeros((n, d), dtype=np.intp)
    score = gain_nd[0].copy()
    for i in range(1, n):
        score, came_from[i] = _spread(score, cost_per_step)
        score += gain_nd[i]
    path = np.empty(n, dtype=np.intp)
    path[-1] = int(np.argmax(score))
    for i in range(n - 1, 0, -1):
        path[i - 1] = came_from[i, path[i]]
    return path


def _spread(score: Floats, cost: float) -> tuple[Floats, NDArray[np.intp]]:
    """Best ``score[j] − cost · |i − j|`` over j, for every i, and the j that gives it."""
    index = np.arange(len(score))
    left = score + cost * index
    right = score - cost * index
    from_left = _running_argmax(left)
    from_right = len(score) - 1 - _running_argmax(right[::-1])[::-1]
    left_wins = left[from_left] - cost * index >= right[from_right] + cost * index
    origin = np.where(left_wins, from_left, from_right)
    return np.where(left_wins, left[from_left] - cost * index, right[from_right] + cost * index), origin


def _running_argmax(values: Floats) -> NDArray[np.intp]:
    """Index of the largest value up to each place."""
    is_new = values >= np.maximum.accumulate(values)
    return np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))


def parabola_vertex(values: Floats, index: int) -> float:
    """Place of the maximum near ``index`` by a parabola through three values; the index itself at the ends."""
    if not 0 < index < len(values) - 1:
        return float(index)
    return index + float(vertex_offset(*values[index - 1 : index + 2]))
