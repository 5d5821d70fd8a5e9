"""Where a tomogram looks like a membrane: crest points with normals, what supports them, and what chance supports."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.membranes.params import MembraneParams
from tomoset.annotation.membranes.working_volume import WorkingVolume
from tomoset.model import Progress

__all__ = ["CrestPoints", "Thresholds", "find_crests", "find_patches", "plate_strength_volume"]

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

STRONGEST_SHARE = 0.04  # of the voxels of the contrast-inverted tomogram pass the first gate
TRUNCATE = 3.0  # of the Gaussians, in standard deviations
SLAB_VOXELS = 6_000_000
LINK_REACH, LINK_AGREEMENT = 2, 0.5
NEAR_A_MEMBRANE_ANGSTROM = 160.0  # fringes of the contrast transfer function lie beside membranes, inverted
NEVER_BY_CHANCE = 5.0  # times the median support of chance


@dataclass(frozen=True, slots=True, eq=False)
class CrestPoints:
    """Points at which plate strength is largest across the plate; one a working voxel at most.

    Parameters
    ----------
    places_zyx : (n, 3) array of float32
        Fractional indices in the working volume.
    normals_zyx : (n, 3) array of float32
        Across the plate, of either sign.
    strengths : (n,) array of float32
    supports : (n,) array of float32
        Sum of the strengths of neighbours on one smooth surface with the point.
    """

    places_zyx: Floats
    normals_zyx: Floats
    strengths: Floats
    supports: Floats

    def __len__(self) -> int:
        """Number of points."""
        return len(self.strengths)

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "CrestPoints":
        """Some of them."""
        return CrestPoints(self.places_zyx[which], self.normals_zyx[which], self.strengths[which], self.supports[which])


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What chance reaches, and what is asked of a membrane.

    Parameters
    ----------
    weak, strong : float
        Support.
    levels, probabilities : (n,) array of float64
        Probability that a point with so much support, or more, belongs to a membrane.
    """

    weak: float
    strong: float
    levels: NDArray[np.float64]
    probabilities: NDArray[np.float64]

    def probability(self, supports: NDArray[np.floating]) -> NDArray[np.float64]:
        """Of points with these supports."""
        return np.interp(supports, self.levels, self.probabilities)


def find_crests(work: WorkingVolume, params: MembraneParams, progress: Progress) -> tuple[CrestPoints, Thresholds]:
    """Crest points of the volume, and the thresholds that the crest points of its negative set.

    A negative membrane does not exist: what looks like one is chance, or a fringe beside a membrane. Points of the
    negative near places with more support than chance ever gives are therefore left out of the null.
    """
    gate = _gate(work, params)
    negative = _supported(_crests(work, params, gate, -1.0, progress), work, params)
    positive = _supported(_crests(work, params, gate, 1.0, progress), work, params)
    sure = positive.supports > NEVER_BY_CHANCE * np.median(negative.supports) if len(negative) else np.ones(0, bool)
    chance = negative.supports[~_near(negative, positive.select(sure), work)]
    if not len(chance):
        chance = negative.supports if len(negative) else np.zeros(1, np.float32)
    weak, strong = np.quantile(chance, [1 - params.false_share_weak, 1 - params.false_share_strong])
    levels, probabilities = _probabilities(positive.supports, chance, len(negative))
    return positive, Thresholds(weak=float(weak), strong=float(strong), levels=levels, probabilities=probabilities)


def _probabilities(supports: Floats, chance: Floats, n_chance: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One less the share of points above each level that chance explains; it never falls."""
    levels = np.quantile(np.concatenate([supports, chance]), np.linspace(0, 1, 65)).astype(np.float64)
    above = (len(supports) - np.searchsorted(np.sort(supports), levels)) / max(1, len(supports))
    above_by_chance = (len(chance) - np.searchsorted(np.sort(chance), levels)) / max(1, len(chance))
    expected = above_by_chance * n_chance / max(1, len(supports))
    share = np.clip(1 - expected / np.maximum(above, 1e-9), 0.0, 1.0)
    return levels, np.maximum.accumulate(share)


def find_patches(
    crests: CrestPoints, thresholds: Thresholds, work: WorkingVolume, params: MembraneParams
) -> tuple[CrestPoints, Ints]:
    """Points of membranes, and the number of the patch each belongs to (from 0, the largest first).

    Hysteresis on the graph of points that agree: a patch is made of weak points and holds an area of strong ones.
    """
    from tomoset.annotation.membranes import _kernels

    points = crests.select(crests.supports > thresholds.weak)
    parents = np.arange(len(points), dtype=np.int32)
    index = _index(points, work.volume_zyx.shape)
    _kernels.link(index, points.places_zyx, points.normals_zyx, LINK_REACH, LINK_AGREEMENT, parents)
    _, member = np.unique(parents, return_inverse=True)
    strong = np.bincount(member, points.supports > thresholds.strong, minlength=1)
    large = strong * work.voxel_size_angstrom**2 >= max(params.least_area_angstrom2, 1.0)
    order = np.argsort(-strong, kind="stable")
    number = np.full(len(strong), -1, dtype=np.int32)
    number[order] = np.where(large[order], np.arange(len(order)), -1)
    kept = number[member] >= 0
    return points.select(kept), number[member][kept]


def plate_strength_volume(volume_zyx: Floats, sigmas_voxels: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Largest plate strength over the scales, in units that a scale does not change, and the coarsest smooth volume."""
    from scipy import ndimage

    from tomoset.annotation.membranes import _kernels

    strength, smooth = np.zeros_like(volume_zyx), volume_zyx
    for sigma in sorted(sigmas_voxels):
        smooth = ndimage.gaussian_filter(volume_zyx, sigma, truncate=TRUNCATE)
        _kernels.plate_strength(smooth, np.float32(sigma**2), 1, len(smooth) - 1, strength)
    return strength, smooth


def _slabs(work: WorkingVolume, params: MembraneParams, sign: float) -> Iterator[tuple[int, int, int, Floats, Floats]]:
    """First and last plane, planes above the first that were read too, strength and smooth volume of each slab."""
    nz, ny, nx = work.volume_zyx.shape
    sigmas = tuple(scale / work.voxel_size_angstrom for scale in params.scales_angstrom)
    halo = int(np.ceil(TRUNCATE * max(sigmas))) + 3
    planes = max(8, SLAB_VOXELS // (ny * nx))
    for first in range(0, nz, planes):
        last = min(first + planes, nz)
        start, stop = max(0, first - halo), min(nz, last + halo)
        strength, smooth = plate_strength_volume(np.float32(sign) * work.volume_zyx[start:stop], sigmas)
        yield first, last, start, strength, smooth


def _gate(work: WorkingVolume, params: MembraneParams) -> float:
    """Strength that few voxels of the negative exceed, from its middle planes."""
    nz, ny, nx = work.volume_zyx.shape
    planes = min(nz, max(24, 2_000_000 // (ny * nx)))
    middle = slice((nz - planes) // 2, (nz - planes) // 2 + planes)
    sigmas = tuple(scale / work.voxel_size_angstrom for scale in params.scales_angstrom)
    strength, _ = plate_strength_volume(-work.volume_zyx[middle], sigmas)
    return float(np.quantile(strength[2:-2, 2:-2, 2:-2], 1 - STRONGEST_SHARE))


def _crests(work: WorkingVolume, params: MembraneParams, gate: float, sign: float, progress: Progress) -> CrestPoints:
    from tomoset.annotation.membranes import _kernels

    nz = work.volume_zyx.shape[0]
    parts: list[tuple[Floats, Floats, Floats]] = []
    for first, last, start, strength, smooth in _slabs(work, params, sign):
        room = int(np.count_nonzero(strength[first - start : last - start] > gate))
        places, normals = np.empty((room, 3), np.float32), np.empty((room, 3), np.float32)
        strengths = np.empty(room, np.float32)
        n = _kernels.crest_points(strength, smooth, gate, first - start, last - start, places, normals, strengths)
        places[:n, 0] += np.float32(start)
        parts.append((places[:n].copy(), normals[:n].copy(), strengths[:n].copy()))
        progress.step("membrane crests" if sign > 0 else "chance crests", last, nz)
    places, normals, strengths = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return CrestPoints(places, normals, strengths, np.zeros(len(strengths), np.float32))


def _supported(crests: CrestPoints, work: WorkingVolume, params: MembraneParams) -> CrestPoints:
    """The strongest crest point of each voxel, with its support."""
    from tomoset.annotation.membranes import _kernels

    shape = work.volume_zyx.shape
    ascending = crests.select(np.argsort(crests.strengths, kind="stable"))
    index = _index(ascending, shape)  # the last one written to a voxel is its strongest
    voxels = np.rint(ascending.places_zyx).astype(np.intp)
    points = ascending.select(index[tuple(voxels.T)] == np.arange(len(ascending)))
    index = _index(points, shape)
    spread = params.support_angstrom / work.voxel_size_angstrom
    _kernels.support(index, points.places_zyx, points.normals_zyx, points.strengths, spread, points.supports)
    return points


def _index(points: CrestPoints, shape_zyx: tuple[int, ...]) -> Ints:
    """Which point lies in each voxel; −1 for none."""
    index = np.full(shape_zyx, -1, dtype=np.int32)
    index[tuple(np.rint(points.places_zyx).astype(np.intp).T)] = np.arange(len(points), dtype=np.int32)
    return index


def _near(points: CrestPoints, others: CrestPoints, work: WorkingVolume) -> NDArray[np.bool_]:
    """Whether each point lies near one of the others."""
    from scipy.spatial import cKDTree

    if not len(others) or not len(points):
        return np.zeros(len(points), dtype=np.bool_)
    reach = NEAR_A_MEMBRANE_ANGSTROM / work.voxel_size_angstrom
    distance, _ = cKDTree(others.places_zyx).query(points.places_zyx, distance_upper_bound=reach)
    return np.asarray(np.isfinite(distance), dtype=np.bool_)
