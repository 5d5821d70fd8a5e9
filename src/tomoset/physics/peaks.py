"""Where a sampled curve is highest, between its samples."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["vertex_offset"]


def vertex_offset(before: ArrayLike, at: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """Place of the top of the parabola through three neighbouring samples, from the middle one.

    Parameters
    ----------
    before, at, after : (...) array of float
        Values at −1, 0 and 1 samples.

    Returns
    -------
    (...) array of float64
        −0.5 to 0.5 samples; 0 where the three do not bend down.

    Examples
    --------
    >>> float(vertex_offset(0.0, 1.0, 0.5).round(3))
    0.167
    """
    before, at, after = (np.asarray(value) for value in (before, at, after))
    bend = (before - 2 * at + after).astype(np.float64)
    return np.clip(0.5 * (before - after) / np.where(bend < 0, bend, -np.inf), -0.5, 0.5)
