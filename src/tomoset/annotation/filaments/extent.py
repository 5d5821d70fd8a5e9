"""Where along its line a filament begins, ends, and is not seen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Extent", "seen_extent"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a line: indices of its first and last sample, and which samples between are bridged."""

    first: int
    last: int
    bridged: NDArray[np.bool_]


def seen_extent(
    amplitude: Floats, spacing_angstrom: float, gap_angstrom: float, least_run_angstrom: float, level: float = 0.5
) -> Extent | None:
    """Find the longest stretch of a line along which a filament is seen.

    Parameters
    ----------
    amplitude : (n,) array of float64
        Of short segments at even steps, in units of the filament's own; NaN where no view shows the place.
    spacing_angstrom : float
        Of the samples.
    gap_angstrom : float
        Longest gap between two seen runs of one filament.
    least_run_angstrom : float
        A shorter run is chance and ends a filament rather than going on with it.
    level : float
        Share of the plateau (the 75th percentile of what is seen) at which a filament is taken to end: a tapered
        segment centred on an end is half covered.

    Returns
    -------
    Extent or None
        None where nothing is seen.
    """
    values = np.nan_to_num(amplitude)
    positive = values[values > 0]
    if not len(positive):
        return None
    seen = values >= level * min(1.0, float(np.quantile(positive, 0.75)))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(np.int8), [0]])))
    runs = [(a, b - 1) for a, b in edges.reshape(-1, 2) if (b - a) * spacing_angstrom >= least_run_angstrom]
    if not runs:
        return None
    joined = [list(runs[0])]
    for a, b in runs[1:]:
        if (a - joined[-1][1]) * spacing_angstrom <= gap_angstrom:
            joined[-1][1] = b
        else:
            joined.append([a, b])
    first, last = max(joined, key=lambda run: run[1] - run[0])
    return Extent(first, last, ~seen[first : last + 1])
