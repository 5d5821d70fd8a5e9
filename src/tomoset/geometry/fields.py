"""Smooth fields over an image: how far from rigid a specimen moves."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["quadratic_terms"]


def quadratic_terms(position_xy: ArrayLike) -> NDArray[np.float64]:
    """Values (..., 6) of 1, x, y, x², xy, y² at positions (..., 2), x then y, in any unit.

    Examples
    --------
    >>> quadratic_terms([0.5, 2.0]).tolist()
    [1.0, 0.5, 2.0, 0.25, 1.0, 4.0]
    """
    x, y = np.moveaxis(np.asarray(position_xy, dtype=np.float64), -1, 0)
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
