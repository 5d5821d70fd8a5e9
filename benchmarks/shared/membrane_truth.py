"""True membranes in a tomogram's frame, and how much of them a mask holds where the wedge shows them and where not."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from shared.tomogram_cases import LabeledCase
from tomoset.annotation import specimen_frame
from tomoset.benchmark.skeletons import medial_surface
from tomoset.model import Membrane, PickableObject
from tomoset.structures import label_volume

__all__ = ["SurfaceScores", "TrueMembranes", "score_surface", "true_membranes"]

NEAR_ANGSTROM = 200.0
EDGE_ANGSTROM = 40.0  # from the border of the volume: no filter reaches there


@dataclass(frozen=True, slots=True, eq=False)
class TrueMembranes:
    """Mid-surface points and masks of what is really there.

    Parameters
    ----------
    membranes : tuple of Membrane
        In the tomogram's volume frame.
    points_angstrom_xyz, labels, observed : (n, …) arrays
        Points of all mid-surfaces within the volume, the class of each, and whether the wedge lets one see it.
    mask_zyx : (z, y, x) array of uint8
        Classes.
    """

    membranes: tuple[Membrane, ...]
    points_angstrom_xyz: NDArray[np.float64]
    normals: NDArray[np.float64]
    labels: NDArray[np.int64]
    observed: NDArray[np.bool_]
    mask_zyx: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceScores:
    """Recall of the true mid-surface, precision of the predicted one, and their harmonic means (surface Dice)."""

    recall: float
    recall_observed: float
    recall_hidden: float
    precision: float
    precision_observed: float

    @property
    def surface_dice(self) -> float:
        """Of the whole."""
        return 2 * self.recall * self.precision / max(self.recall + self.precision, 1e-9)

    @property
    def surface_dice_observed(self) -> float:
        """Of what the wedge lets one see."""
        together = self.recall_observed + self.precision_observed
        return 2 * self.recall_observed * self.precision_observed / max(together, 1e-9)


def true_membranes(case: LabeledCase, objects: tuple[PickableObject, ...]) -> TrueMembranes:
    """The specimen's membranes; ``observed`` are planes inclined by no more than the largest tilt, about its axis."""
    grid, fit = case.tomogram.grid, specimen_frame(case.truth, case.tomogram)
    moved = tuple(
        replace(
            membrane,
            vertices_angstrom_xyz=grid.volume_from_specimen(fit.apply(membrane.vertices_angstrom_xyz)),
            normals=membrane.normals @ fit.rotation.T,
        )
        for membrane in case.truth.specimen.membranes
    )
    values = {item.name: item.label for item in objects}
    mask = label_volume(
        grid.shape_zyx,
        grid.voxel_size_angstrom,
        membranes=[(membrane, values[membrane.name]) for membrane in moved],
        origin_angstrom_xyz=np.zeros(3),
    ).semantic_zyx
    points, normals = _dense(moved)
    labels = np.concatenate([np.full(3 * len(m.faces), values[m.name]) for m in moved])
    inside = np.all((points > EDGE_ANGSTROM) & (points < grid.size_angstrom_xyz - EDGE_ANGSTROM), axis=1)
    points, normals, labels = points[inside], normals[inside], labels[inside]
    wedge = np.abs(case.tomogram.geometry.y_tilt_deg[list(case.tomogram.tilt_indices)]).max()
    observed = np.rad2deg(np.arctan2(np.abs(normals[:, 2]), np.abs(normals[:, 0]))) < wedge
    return TrueMembranes(moved, points, normals, labels, observed, np.asarray(mask, dtype=np.uint8))


def _dense(membranes: tuple[Membrane, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Three points in each triangle, halfway from its middle to the corners, with normals."""
    points, normals = [], []
    for membrane in membranes:
        corners, across = membrane.vertices_angstrom_xyz[membrane.faces], membrane.normals[membrane.faces]
        points.append(((corners + corners.mean(axis=1, keepdims=True)) / 2).reshape(-1, 3))
        turned = ((across + across.mean(axis=1, keepdims=True)) / 2).reshape(-1, 3)
        normals.append(turned / np.linalg.norm(turned, axis=1, keepdims=True))
    return np.concatenate(points), np.concatenate(normals)


def score_surface(predicted_zyx: NDArray[np.uint8], truth: TrueMembranes, voxel_size_angstrom: float) -> SurfaceScores:
    """Scores of a mask of membranes (any class) by mid-surfaces, as membrain's surface Dice.

    The precision of the observed part counts mid-surface voxels whose nearest true point is observed, and those far
    from any.
    """
    predicted = predicted_zyx > 0
    index = np.rint(truth.points_angstrom_xyz[:, ::-1] / voxel_size_angstrom).astype(int)
    hit = predicted[tuple(np.minimum(index, np.array(predicted.shape) - 1).T)]
    middle = np.argwhere(medial_surface(predicted))
    size = np.array(predicted.shape) * voxel_size_angstrom
    place = middle * voxel_size_angstrom
    kept = np.all((place > EDGE_ANGSTROM) & (place < size - EDGE_ANGSTROM), axis=1)
    middle, place = middle[kept], place[kept]
    right = truth.mask_zyx[tuple(middle.T)] > 0
    distance, nearest = cKDTree(truth.points_angstrom_xyz).query(place[:, ::-1], workers=1)
    counted = (distance > NEAR_ANGSTROM) | truth.observed[nearest]
    return SurfaceScores(
        recall=float(hit.mean()),
        recall_observed=float(hit[truth.observed].mean()),
        recall_hidden=float(hit[~truth.observed].mean()),
        precision=float(right.mean()) if len(right) else 0.0,
        precision_observed=float(right[counted].mean()) if counted.any() else 0.0,
    )
