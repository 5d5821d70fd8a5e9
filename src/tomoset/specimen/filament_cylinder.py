"""A filament as the packing sees it: a cylinder about a chain of nodes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.specimen.packing import PackingBox

__all__ = ["Cylinder", "least_distance"]

RING_SPACING_ANGSTROM = 20.0  # a molecule, with the room that it takes, is wider

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cylinder:
    """Its measures, Å.

    Parameters
    ----------
    step : float
        Distance of neighbouring nodes.
    core : float
        Farthest centre of a bead or atom from the axis.
    surface : float
        Outer radius.
    reach : float
        Voxels whose centres are as near to the axis are taken.
    gap : float
        Between the surfaces of bundled ones.
    voxel : float
        Of the packing box.
    persistence : float
        Persistence length.
    """

    step: float
    core: float
    surface: float
    reach: float
    gap: float
    voxel: float
    persistence: float

    @property
    def apart(self) -> float:
        """Least distance of two axes: the gap may shrink by half where bundled ones bend."""
        return 2 * self.surface + self.gap / 2

    def rings(self, nodes: Floats) -> Floats:
        """Points on rings about the axis out to the core, (n, 3), along nodes (m, 3)."""
        axis = self.axis(nodes)
        directions = np.gradient(axis, axis=0)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        x = np.cross(directions, np.eye(3)[np.argmin(np.abs(directions), axis=1)])
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        y = np.cross(directions, x)
        points = []
        n_rings = max(1, int(np.ceil(self.core / RING_SPACING_ANGSTROM)))
        for radius in self.core * np.arange(n_rings, 0, -1) / n_rings:
            angles = np.linspace(0, 2 * np.pi, max(8, int(np.ceil(np.pi * radius / self.voxel))), endpoint=False)
            around = np.cos(angles)[:, None, None] * x + np.sin(angles)[:, None, None] * y
            points.append((axis + radius * around).reshape(-1, 3))
        return np.concatenate(points)

    def axis(self, nodes: Floats) -> Floats:
        """Points on the axis, at most two voxels apart."""
        n = max(1, int(np.ceil(self.step / (2 * self.voxel))))
        shares = np.arange(n) / n
        between = nodes[:-1, None] * (1 - shares)[:, None] + nodes[1:, None] * shares[:, None]
        return np.concatenate([between.reshape(-1, 3), nodes[-1:]])

    def take(self, box: PackingBox, nodes: Floats) -> None:
        """Mark the room of a chain."""
        box.mark_points(self.axis(nodes), self.reach)

    def fits(self, box: PackingBox, nodes: Floats) -> bool:
        """Whether a chain runs through free space, and meets neither itself nor its copies beyond the slab's sides."""
        # Most proposals fail, and most of these on the axis already.
        on_axis = box.are_free(self.axis(nodes))
        return on_axis and box.are_free(self.rings(nodes)) and self._clear_of_itself(box, nodes)

    def _clear_of_itself(self, box: PackingBox, nodes: Floats) -> bool:
        from scipy.spatial import cKDTree

        axis = self.axis(nodes)
        shortest_side = min(box.shape_zyx[1:]) * box.voxel_angstrom
        contour = self.step * (len(nodes) - 1)
        if contour < min(shortest_side - self.apart, self.persistence):
            return True
        tree = cKDTree(_wrapped(box, axis), boxsize=_periods(box))
        pairs = tree.query_pairs(self.apart, output_type="ndarray")
        spacing = contour / (len(axis) - 1)
        return not bool((np.abs(pairs[:, 0] - pairs[:, 1]) * spacing > 1.5 * self.apart).any())


def least_distance(box: PackingBox, a_xyz: Floats, b_xyz: Floats) -> float:
    """Least distance of points (n, 3) and points (m, 3), their copies beyond the sides included."""
    from scipy.spatial import cKDTree

    tree = cKDTree(_wrapped(box, a_xyz), boxsize=_periods(box))
    return float(tree.query(_wrapped(box, b_xyz))[0].min())


def _periods(box: PackingBox) -> Floats:
    """Size of the box in x and y; in z a length that is never reached, for a tree that must be periodic."""
    nz, ny, nx = box.shape_zyx
    return np.array([nx, ny, 4 * nz]) * box.voxel_angstrom


def _wrapped(box: PackingBox, points_xyz: Floats) -> Floats:
    periods = _periods(box)
    wrapped = points_xyz % periods
    return np.asarray(np.where(wrapped < periods, wrapped, 0.0))  # a tiny negative number is rounded up to the period
