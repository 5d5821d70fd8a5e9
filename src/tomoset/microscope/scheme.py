"""Which tilt is recorded when."""

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.params import MicroscopeParams, Scheme

__all__ = ["acquisition_order", "nominal_tilts_deg"]


def nominal_tilts_deg(params: MicroscopeParams) -> NDArray[np.float64]:
    """Stage angles (n,), ascending, degrees; no −0."""
    tilts = params.tilt_min_deg + params.tilt_step_deg * np.arange(params.n_tilts)
    return np.round(tilts, 6) + 0.0


def acquisition_order(
    tilts_deg: NDArray[np.float64],
    scheme: Scheme,
    group_size: int = 1,
    *,
    start_tilt_deg: float = 0.0,
    group_grows_from_deg: float = 180.0,
) -> NDArray[np.intp]:
    """When each tilt is recorded.

    Parameters
    ----------
    tilts_deg : (n,) array of float64
        Ascending tilts, degrees.
    scheme : {"dose-symmetric", "bidirectional", "unidirectional"}
        Dose-symmetric: from the tilt nearest the start outwards, ``group_size`` tilts on the positive side, as many
        on the negative side, and so on (Hagen, Wan & Briggs 2017, J. Struct. Biol. 197:191). Bidirectional: from the
        start to the largest tilt, then from the start to the smallest. Unidirectional: from the smallest to the
        largest.
    group_size : int
        Only for the dose-symmetric scheme.
    start_tilt_deg : float
        Where the dose-symmetric and bidirectional schemes begin; for a lamella minus its pretilt.
    group_grows_from_deg : float
        From this distance to the start on, each group is one tilt larger than the one before on its side (SerialEM's
        "Increase group size").

    Returns
    -------
    (n,) array of int
        0 for the tilt recorded first.

    Examples
    --------
    >>> acquisition_order(np.array([-6.0, -3.0, 0.0, 3.0, 6.0]), "dose-symmetric").tolist()
    [4, 2, 0, 1, 3]
    """
    n = len(tilts_deg)
    start = int(np.argmin(np.abs(tilts_deg - start_tilt_deg)))
    up, down = list(range(start + 1, n)), list(range(start - 1, -1, -1))
    if scheme == "unidirectional":
        sequence = list(range(n))
    elif scheme == "bidirectional":
        sequence = [start, *up, *down]
    else:
        distance = np.abs(tilts_deg - tilts_deg[start])
        sequence = [start]
        size = {True: group_size, False: group_size}
        upwards = True
        while up or down:
            side = up if upwards else down
            if side and distance[side[0]] >= group_grows_from_deg:
                size[upwards] += 1
            sequence += side[: size[upwards]]
            del side[: size[upwards]]
            upwards = not upwards
    order = np.empty(n, dtype=np.intp)
    order[sequence] = np.arange(n)
    return order
