"""How far the border of a mask lies from the true one.

A border voxel belongs to the mask and has a face towards a voxel that does not. Where the volume ends, or the truth
is ``IGNORE``, nobody knows what comes next: faces towards there are no border.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.blocks import Mask, as_mask_source, check_same_shape, slabs
from tomoset.errors import ParameterError
from tomoset.model import IGNORE

__all__ = ["SurfaceDistances", "surface_distances"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceDistances:
    """Distances of the voxels of each border to the nearest of the other.

    Parameters
    ----------
    from_predicted, from_true : (n,) and (m,) arrays of float64
        Å; infinite where the other mask has no border.
    """

    from_predicted: Floats
    from_true: Floats

    def normalized_surface_dice(self, tolerance_angstrom: float) -> float:
        """Share of both borders no farther than this from the other (Nikolov et al. 2021); 1 without any border."""
        if not tolerance_angstrom >= 0:
            raise ParameterError(f"tolerance: expected 0 Å or more, found {tolerance_angstrom:g}")
        together = np.concatenate([self.from_predicted, self.from_true])
        # Distances on a grid are roots of sums of squares: equality must survive rounding.
        return float(np.mean(together <= tolerance_angstrom * (1 + 1e-9))) if len(together) else 1.0

    @property
    def hausdorff_95_angstrom(self) -> float:
        """The larger of both directions' 95th percentiles; 0 without any border, infinite with only one."""
        return max((_percentile(side, 95) for side in (self.from_predicted, self.from_true)), default=0.0)

    @property
    def hausdorff_angstrom(self) -> float:
        """The largest distance."""
        return max((_percentile(side, 100) for side in (self.from_predicted, self.from_true)), default=0.0)

    @property
    def mean_angstrom(self) -> float:
        """Mean over the voxels of both borders."""
        together = np.concatenate([self.from_predicted, self.from_true])
        return float(np.mean(together)) if len(together) else 0.0


def _percentile(distances: Floats, which: float) -> float:
    if not len(distances):
        return 0.0
    return float("inf") if np.isinf(distances[0]) else float(np.percentile(distances, which))


def surface_distances(
    predicted_zyx: Mask, true_zyx: Mask, voxel_size_angstrom: float, *, label: int = 1, workers: int = 1
) -> SurfaceDistances:
    """Distances between the borders of one class in two masks.

    Parameters
    ----------
    predicted_zyx, true_zyx : ArraySource or (z, y, x) array
        Semantic masks; what the prediction says where the truth is ``IGNORE`` is left out.
    voxel_size_angstrom : float
    label : int
        The class.
    workers : int
        Threads.

    Returns
    -------
    SurfaceDistances

    Notes
    -----
    Border voxels are collected slab by slab and looked up in a k-d tree: memory grows with the borders, not with the
    volume, and no distance is cut off.
    """
    from scipy.spatial import KDTree

    predicted, true = as_mask_source(predicted_zyx), as_mask_source(true_zyx)
    found: list[Floats] = []
    real: list[Floats] = []
    shape = check_same_shape(predicted, true)
    for slab in slabs(shape, halo=1):
        truth, prediction = slab.read(true), slab.read(predicted)
        unknown = truth == IGNORE
        for mask, points in ((prediction == label, found), (truth == label, real)):
            border = border_voxels(mask & ~unknown, unknown)[slab.inner]
            points.append(np.argwhere(border) + np.array([slab.start, 0, 0]))
    a, b = (np.concatenate(points).astype(np.float64) * voxel_size_angstrom for points in (found, real))
    if not len(a) or not len(b):
        return SurfaceDistances(np.full(len(a), np.inf), np.full(len(b), np.inf))
    return SurfaceDistances(KDTree(b).query(a, workers=workers)[0], KDTree(a).query(b, workers=workers)[0])


def border_voxels(mask_zyx: Bools, unknown_zyx: Bools) -> Bools:
    """Voxels of a mask with a face towards a voxel that is known to lie outside it."""
    outside = ~mask_zyx & ~unknown_zyx
    beside = np.zeros_like(mask_zyx)
    for axis in range(mask_zyx.ndim):
        ahead = [slice(None)] * mask_zyx.ndim
        behind = [slice(None)] * mask_zyx.ndim
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        beside[tuple(behind)] |= outside[tuple(ahead)]
        beside[tuple(ahead)] |= outside[tuple(behind)]
    return mask_zyx & beside
