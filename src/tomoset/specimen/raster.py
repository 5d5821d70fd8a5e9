"""The voxels of a species in many poses, laid out for compiled loops."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Raster"]


class Raster(NamedTuple):
    """Voxels of all poses of one species; those of pose p lie from ``starts[p]`` to ``starts[p + 1]``.

    Parameters
    ----------
    probes_zyx : (n, 3) array of int16
        Voxels, relative to the pose's own, that hold an atom or bead, outermost first: all of them must be free.
    probe_starts : (p + 1,) array of int64
    runs : (m, 4) array of int16
        Voxels so near that no other molecule's atom or bead may lie in them, as runs along x: z, y, first x, number.
    run_starts : (p + 1,) array of int64
    z_ranges : (p, 2) array of int64
        First and last z voxel at which the pose stays inside the ice; last < first if it never does.
    """

    probes_zyx: NDArray[np.int16]
    probe_starts: NDArray[np.int64]
    runs: NDArray[np.int16]
    run_starts: NDArray[np.int64]
    z_ranges: NDArray[np.int64]

    @property
    def fits(self) -> bool:
        """Whether any pose stays inside the ice."""
        return bool((self.z_ranges[:, 1] >= self.z_ranges[:, 0]).any())
