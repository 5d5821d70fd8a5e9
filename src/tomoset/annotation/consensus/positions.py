"""Mean positions of sites, and how well each annotator places picks."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["position_errors", "weighted_positions"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_STEPS = 50
_FLOOR_ANGSTROM = 0.5
_BELIEF = 5.0


def weighted_positions(positions_xyz: Floats, site: Indices, weight: Floats, n_sites: int) -> Floats:
    """Weighted mean position (s, 3) of each site; every site has a vote of weight above 0."""
    total = np.bincount(site, weights=weight, minlength=n_sites)
    sums = [np.bincount(site, weights=weight * positions_xyz[:, axis], minlength=n_sites) for axis in range(3)]
    return np.asarray(np.stack(sums, axis=1) / total[:, None], dtype=np.float64)


def position_errors(positions_xyz: Floats, site: Indices, annotator: Indices, n_annotators: int) -> Floats:
    """Standard deviation, Å per axis, of each annotator's positions about the particles' true ones.

    Parameters
    ----------
    positions_xyz : (n, 3) array of float64
    site : (n,) array of int
    annotator : (n,) array of int
    n_annotators : int

    Returns
    -------
    (a,) array of float64
        At least 0.5 Å. Without shared sites, or between two annotators only, all are taken as equally good.

    Notes
    -----
    A vote of variance σ² and weight share w at its site scatters about the weighted mean with σ² (1 − w); the weights
    1 / σ² and the variances are found in turns. Each annotator's variance is drawn to that of all by a few votes'
    worth, so that one with hardly any shared site is neither trusted nor ignored.
    """
    n_sites = int(site.max(initial=-1)) + 1
    shared = np.bincount(site, minlength=n_sites)[site] > 1
    if not shared.any():
        return np.ones(n_annotators)
    where, who = site[shared], annotator[shared]
    points = positions_xyz[shared]
    _, where = np.unique(where, return_inverse=True)
    n_shared = int(where.max()) + 1
    n_sharing = len(np.unique(who))
    variance = np.ones(n_annotators)
    for _ in range(_STEPS):
        weight = 1 / variance[who]
        mean = weighted_positions(points, where, weight, n_shared)
        share = weight / np.bincount(where, weights=weight, minlength=n_shared)[where]
        squared = np.mean((points - mean[where]) ** 2, axis=1)
        pooled = float(squared.sum() / np.maximum((1 - share).sum(), 1e-9))
        if n_sharing < 3:
            variance = np.full(n_annotators, pooled)
            break
        scatter = np.bincount(who, weights=squared, minlength=n_annotators) + _BELIEF * pooled
        freedom = np.bincount(who, weights=1 - share, minlength=n_annotators) + _BELIEF
        variance = np.maximum(scatter / freedom, _FLOOR_ANGSTROM**2)
    return np.sqrt(np.maximum(variance, _FLOOR_ANGSTROM**2))
