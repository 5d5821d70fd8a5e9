"""Astigmatism: one for the series, as the lens has it, and one of its own for a tilt that insists.

Both are accepted only when they make tiles likelier that the fit has not seen (the other half of the chess board).
A single tilt of 100 e⁻/Å² in 31 views cannot tell 1000 Å of astigmatism from noise; the series can.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.likelihood import Correlations

__all__ = ["common_astigmatism", "fit_tilt"]

Floats = NDArray[np.float64]

_ALL = (0, 1)
# Held-out gain that chance does not reach: noise of two free numbers loses likelihood on average.
_LEAST_GAIN = 5.0
_START_ANGLES = np.deg2rad(np.arange(0.0, 180.0, 30.0))


def common_astigmatism(
    tilts: Sequence[Correlations], defocus_angstrom: Sequence[float], envelope: int, hand: int, largest_angstrom: float
) -> Floats:
    """Astigmatism that all tilts share.

    Parameters
    ----------
    tilts : sequence of Correlations
    defocus_angstrom : sequence of float
        Mean defocus of each, which is kept.
    envelope, hand : int
        As chosen for the series.
    largest_angstrom : float
        Largest U − V.

    Returns
    -------
    (2,) array of float64
        ``½ (U − V) (cos 2α, sin 2α)``, Å; zeros when held-out tiles do not ask for any.
    """

    def gain(vector: Floats, halves: tuple[int, ...]) -> float:
        return sum(one.at(envelope, hand, d, vector, halves) for one, d in zip(tilts, defocus_angstrom, strict=True))

    none = np.zeros(2)
    if largest_angstrom == 0:
        return none
    held_out = 0.0
    for seen, unseen in ((0, 1), (1, 0)):
        fitted = _maximise(partial(gain, halves=(seen,)), _starts(largest_angstrom), largest_angstrom)
        held_out += gain(fitted, (unseen,)) - gain(none, (unseen,))
    if held_out < _LEAST_GAIN:
        return none
    return _maximise(partial(gain, halves=_ALL), _starts(largest_angstrom), largest_angstrom)


def fit_tilt(
    data: Correlations, envelope: int, hand: int, defocus_angstrom: float, common_xy: Floats, largest_angstrom: float
) -> tuple[float, Floats]:
    """Refine the defocus of one tilt, with the series' astigmatism or, if unseen tiles gain by it, its own.

    Returns
    -------
    defocus_angstrom : float
        Mean of U and V.
    astigmatism_xy : (2,) array of float64
        ``½ (U − V) (cos 2α, sin 2α)``, Å.
    """

    def gain(parameters: Floats, halves: tuple[int, ...]) -> float:
        return data.at(envelope, hand, defocus_angstrom + float(parameters[2]), parameters[:2], halves)

    shared = np.array([*common_xy, 0.0])
    if largest_angstrom == 0:
        return defocus_angstrom, common_xy
    starts = [shared, *(np.array([*vector, 0.0]) for vector in _starts(largest_angstrom))]
    held_out = 0.0
    for seen, unseen in ((0, 1), (1, 0)):
        fitted = _maximise(partial(gain, halves=(seen,)), starts, largest_angstrom)
        held_out += gain(fitted, (unseen,)) - gain(shared, (unseen,))
    if held_out < _LEAST_GAIN:
        if not common_xy.any():
            return defocus_angstrom, common_xy
        moved = _maximise(lambda p: gain(np.array([*common_xy, p[2]]), _ALL), [shared], largest_angstrom)
        return defocus_angstrom + float(moved[2]), common_xy
    best = _maximise(partial(gain, halves=_ALL), starts, largest_angstrom)
    return defocus_angstrom + float(best[2]), best[:2]


def _starts(largest_angstrom: float) -> list[Floats]:
    """A few vectors of small and of large astigmatism in all directions."""
    return [
        part * 0.5 * largest_angstrom * np.array([np.cos(2 * angle), np.sin(2 * angle)])
        for part in (0.1, 0.4)
        for angle in _START_ANGLES
    ]


def _maximise(gain: Callable[[Floats], float], starts: Sequence[Floats], largest_angstrom: float) -> Floats:
    """Parameters (astigmatism first, no longer than half the largest difference) of the largest gain (simplex)."""
    from scipy.optimize import minimize

    largest = 0.5 * largest_angstrom

    def inside(parameters: Floats) -> Floats:
        length = float(np.linalg.norm(parameters[:2]))
        scale = np.ones_like(parameters)
        scale[:2] = min(1.0, largest / max(length, 1e-9))
        return parameters * scale

    def loss(parameters: Floats) -> float:
        return -gain(inside(parameters))

    best = max(starts, key=gain)
    simplex = best + np.vstack([np.zeros(best.size), 150.0 * np.eye(best.size)])
    result = minimize(
        loss,
        best,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 2.0, "fatol": 0.02, "maxfev": 150},
    )
    return inside(np.asarray(result.x, dtype=np.float64))
