"""Fewer rotations first: a cover of all rotations by some, and where all of them are worth trying."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cover", "cover_rotations", "places_to_refine"]

_FLOOR = 3.4
_NEIGHBOURS = 1


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """Some of many rotations.

    Parameters
    ----------
    centres : (c,) array of int32
        Indices of the rotations chosen.
    least_correlation : float
        Every rotation's template correlates at least this well with that of one of the chosen.
    """

    centres: NDArray[np.int32]
    least_correlation: float


def cover_rotations(coefficients: NDArray[np.float32], least_correlation: float, most: int) -> Cover | None:
    """Choose rotations until every other one looks like one of them.

    Parameters
    ----------
    coefficients : (r, k) array of float32
        Of about unit length: their products are the correlations of templates, seen through weights and missing
        wedge. That is the distance that counts; it knows the particle's symmetry, and where its turning shows little.
    least_correlation : float
        When to stop.
    most : int
        When to stop at the latest: rotations chosen.

    Returns
    -------
    Cover or None
        Each rotation chosen is the one that those before it represented worst. None where it takes more than half of
        them: then all may as well be tried.
    """
    chosen = [0]
    nearest = coefficients @ coefficients[0]
    while nearest.min() < least_correlation and len(chosen) < most:
        if len(chosen) > len(coefficients) // 2:
            return None
        chosen.append(int(np.argmin(nearest)))
        np.maximum(nearest, coefficients @ coefficients[chosen[-1]], out=nearest)
    return Cover(np.array(chosen, dtype=np.int32), float(nearest.min()))


def places_to_refine(best: NDArray[np.float32], worst: NDArray[np.float32]) -> NDArray[np.int64]:
    """Voxels around local maxima of either contrast that a particle could hide in: flat indices, ascending.

    All local maxima above a low floor, not the highest few per cent: in a crowd the highest are all of membranes and
    larger molecules. The floor is absolute because the scores are in units of the noise.
    """
    from scipy import ndimage

    from tomoset.annotation.templates import _kernels

    marked = np.zeros(best.shape, dtype=bool)
    for scores in (best, -worst):
        marked[tuple(_kernels.local_maxima(scores, _FLOOR).T)] = True
    around = np.ones((2 * _NEIGHBOURS + 1,) * 3, dtype=bool)
    return np.flatnonzero(ndimage.binary_dilation(marked, around))
