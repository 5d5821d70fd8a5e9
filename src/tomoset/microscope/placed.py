"""Copies of a molecule where one view sees them, stamped onto planes."""

import math
from copy import copy

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.beads import BeadModel, project_beads
from tomoset.microscope.field import Canvas
from tomoset.microscope.projection import MoleculeTransform, project_molecules
from tomoset.microscope.views import View
from tomoset.model import Molecules

__all__ = ["PlacedMolecules"]

_COPIES_AT_ONCE = 256
_BLOCK_PIXELS = 64
_LOOKUPS_PER_BEAD = 4.0  # a sample of a slice takes about four times as long as a bead: both were timed


class PlacedMolecules:
    """Copies of one species that touch the canvas in one view, neighbours in the image following each other."""

    __slots__ = ("beads", "corners_yx", "heights", "molecule", "offsets_xy", "rotations")

    def __init__(self, copies: Molecules, molecule: MoleculeTransform, view: View, canvas: Canvas) -> None:
        self.molecule = molecule
        self.beads = _beads_if_faster(molecule)
        n = molecule.box_pixels if self.beads is None else self.beads.box_pixels(molecule.pixel_size_angstrom)
        position, heights = view.place(copies.positions_angstrom_xyz, canvas)
        centre = np.rint(position).astype(np.int64)
        corners = centre[:, ::-1] - n // 2
        inside = np.flatnonzero(np.all((corners > -n) & (corners < np.array(canvas.shape_yx)), axis=1))
        # Rows of blocks, so that the part of the planes that is worked on stays in the cache.
        chosen = inside[np.lexsort((corners[inside, 1], corners[inside, 0] // _BLOCK_PIXELS))]
        self.corners_yx = corners[chosen]
        self.offsets_xy = (position - centre)[chosen]
        self.heights = heights[chosen]
        self.rotations = view.image_from_specimen @ copies.rotations[chosen]

    def where(self, chosen: NDArray[np.bool_]) -> "PlacedMolecules":
        """Return some of the copies."""
        some = copy(self)
        for name in ("corners_yx", "heights", "offsets_xy", "rotations"):
            setattr(some, name, getattr(self, name)[chosen])
        return some

    def stamp(self, planes_hyx: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
        """Add all copies to the planes."""
        from tomoset.microscope import _kernels

        for first in range(0, len(self.heights), _COPIES_AT_ONCE):
            some = slice(first, first + _COPIES_AT_ONCE)
            patches = self._project(some)
            _kernels.stamp_patches(planes_hyx, patches, self.corners_yx[some], np.ascontiguousarray(weights[some]))

    def _project(self, some: slice) -> NDArray[np.float32]:
        if self.beads is None:
            return project_molecules(self.molecule, self.rotations[some], self.offsets_xy[some])
        pixel = self.molecule.pixel_size_angstrom
        return project_beads(self.beads, pixel, self.rotations[some], self.offsets_xy[some])


def _beads_if_faster(molecule: MoleculeTransform) -> BeadModel | None:
    """Return the molecule as beads where the pixels resolve them and splatting them takes less time than a slice."""
    beads, pixel = molecule.beads, molecule.pixel_size_angstrom
    if beads is None or not beads.fits(pixel):
        return None
    looked_up = 0.5 * math.pi * (molecule.band_per_angstrom * molecule.box_pixels * pixel) ** 2
    return beads if len(beads.strengths_volt_angstrom3) < _LOOKUPS_PER_BEAD * looked_up else None
