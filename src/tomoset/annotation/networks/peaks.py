"""From maps of where centres may be to a list of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.networks.targets import STRIDE, voxels_from_cells

__all__ = ["Candidates", "find_candidates"]

Floats = NDArray[np.float64]

_LEAST = 0.05
_TIE_BREAK = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Places where something may be, of all classes, none too near another.

    Parameters
    ----------
    class_index : (n,) array of int
    voxels_zyx : (n, 3) array of float64
        Sub-voxel positions.
    posterior : (n, n_classes) array of float64
        Probability of each class about the place, before calibration; at most one in all.
    """

    class_index: NDArray[np.intp]
    voxels_zyx: Floats
    posterior: Floats

    def __len__(self) -> int:
        """How many."""
        return len(self.class_index)

    @property
    def scores(self) -> Floats:
        """Posterior of each candidate's own class."""
        return np.asarray(self.posterior[np.arange(len(self)), self.class_index])

    def select(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Candidates":
        """Some of them."""
        return Candidates(
            class_index=self.class_index[which], voxels_zyx=self.voxels_zyx[which], posterior=self.posterior[which]
        )


def find_candidates(
    maps: NDArray[np.float32],
    radii_angstrom: Sequence[float],
    voxel_size_angstrom: float,
    *,
    exclusion_fraction: float,
) -> Candidates:
    """Find the peaks of a detector's answer.

    Parameters
    ----------
    maps : (n_classes + 3, z, y, x) array of float32
        Probability of a centre in each cell, then offsets z, y, x in cells.
    radii_angstrom : sequence of float
        Of the classes.
    voxel_size_angstrom : float
        Of the tomogram.
    exclusion_fraction : float
        Two candidates are never closer than this share of the sum of their radii; the surer one stays.

    Returns
    -------
    Candidates
        From the surest down. The probability of a particle is the mass of the 27 cells about a peak, its position
        the mean of what these cells say, weighted by their mass.
    """
    n_classes = len(radii_angstrom)
    mass = np.stack([_mass(maps[k]) for k in range(n_classes)])
    rows = [
        _peaks(mass[k], maps[k], 0.5 * radii_angstrom[k] / (STRIDE * voxel_size_angstrom)) for k in range(n_classes)
    ]
    cells = np.concatenate(rows).astype(np.intp).reshape(-1, 3)
    index = np.repeat(np.arange(n_classes), [len(each) for each in rows])
    around = mass[:, cells[:, 0], cells[:, 1], cells[:, 2]].T.astype(np.float64)
    found = Candidates(
        class_index=index,
        voxels_zyx=voxels_from_cells(_refined(maps, index, cells)),
        posterior=around / np.maximum(around.sum(axis=1, keepdims=True), 1.0),
    )
    found = found.select(np.argsort(-found.scores, kind="stable"))
    return found.select(_apart(found, np.asarray(radii_angstrom) * exclusion_fraction / voxel_size_angstrom))


def _mass(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    return np.asarray(uniform_filter(probability, 3, mode="constant") * np.float32(27))


def _peaks(mass: NDArray[np.float32], probability: NDArray[np.float32], radius: float) -> NDArray[np.intp]:
    """Cells that nothing within the radius surpasses; where the mass is level, the cell with most of it."""
    from scipy.ndimage import maximum_filter

    value = mass + np.float32(_TIE_BREAK) * probability
    highest = maximum_filter(value, size=2 * max(1, round(radius)) + 1, mode="constant")
    return np.argwhere((value == highest) & (mass > _LEAST))


def _refined(maps: NDArray[np.float32], index: NDArray[np.intp], cells: NDArray[np.intp]) -> Floats:
    """Centre of mass of the 27 cells' own answers."""
    total = np.zeros(len(cells))
    moment = np.zeros((len(cells), 3))
    last = np.array(maps.shape[1:]) - 1
    for step in np.ndindex(3, 3, 3):
        at = cells + np.array(step) - 1
        inside = np.all((at >= 0) & (at <= last), axis=1)
        z, y, x = np.clip(at, 0, last).T
        p = np.where(inside, maps[index, z, y, x], 0.0)
        way = np.clip(maps[-3:, z, y, x].T, -1.5, 1.5)
        total += p
        moment += p[:, None] * (at + way)
    return moment / np.maximum(total, 1e-12)[:, None]


def _apart(found: Candidates, reach_voxels: Floats) -> NDArray[np.intp]:
    """Keep the surest where two are too near each other."""
    from scipy.spatial import KDTree

    if not len(found):
        return np.zeros(0, dtype=np.intp)
    reach = reach_voxels[found.class_index]
    pairs = KDTree(found.voxels_zyx).query_pairs(2 * float(reach_voxels.max()), output_type="ndarray")
    distance = np.linalg.norm(found.voxels_zyx[pairs[:, 0]] - found.voxels_zyx[pairs[:, 1]], axis=1)
    pairs = np.sort(pairs[distance < reach[pairs[:, 0]] + reach[pairs[:, 1]]], axis=1)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    surer, first = np.unique(pairs[:, 0], return_index=True)
    kept = np.ones(len(found), dtype=bool)
    for i, others in zip(surer, np.split(pairs[:, 1], first[1:]), strict=False):
        if kept[i]:
            kept[others] = False
    return np.flatnonzero(kept)
