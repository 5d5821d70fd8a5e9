"""The simulated specimen as a volume on a tomogram's grid, to compare reconstructions with."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import specimen_frame
from tomoset.model import SeriesTruth, Tomogram
from tomoset.structures import Structure

__all__ = ["true_volume"]

Floats = NDArray[np.float64]
_POINTS_AT_ONCE = 2_000_000


def true_volume(truth: SeriesTruth, structures: Mapping[str, Structure], tomogram: Tomogram) -> NDArray[np.float32]:
    """Minus the potential in the tomogram's frame (protein dark), in volts: points shared linearly between voxels.

    The specimen is carried over by the rigid motion that best maps the true geometry to the tomogram's, as labels are.
    """
    fit = specimen_frame(truth, tomogram)
    total = np.zeros(tomogram.grid.shape_zyx).ravel()
    for molecules in truth.specimen.molecules:
        structure = structures[molecules.species]
        points, strengths = structure.positions_angstrom_xyz, structure.strengths_volt_angstrom3
        at_once = max(1, _POINTS_AT_ONCE // len(points))
        for first in range(0, len(molecules), at_once):
            rotations = molecules.rotations[first : first + at_once]
            centres = molecules.positions_angstrom_xyz[first : first + at_once]
            places = centres[:, None] + np.einsum("nij,mj->nmi", rotations, points)
            _deposit(total, tomogram, fit.apply(places.reshape(-1, 3)), np.tile(strengths, len(rotations)))
    for matter in truth.specimen.scatterers:
        for first in range(0, len(matter.positions_angstrom_xyz), _POINTS_AT_ONCE):
            some = slice(first, first + _POINTS_AT_ONCE)
            _deposit(
                total, tomogram, fit.apply(matter.positions_angstrom_xyz[some]), matter.strengths_volt_angstrom3[some]
            )
    total /= -(tomogram.grid.voxel_size_angstrom**3)
    return total.reshape(tomogram.grid.shape_zyx).astype(np.float32)


def _deposit(total: Floats, tomogram: Tomogram, places: Floats, strengths: NDArray[np.floating]) -> None:
    """Add points to the flat volume, each shared between the eight voxels around it."""
    shape = np.array(tomogram.grid.shape_zyx)
    index = tomogram.grid.index_zyx(tomogram.grid.volume_from_specimen(places))
    low = np.floor(index).astype(np.int64)
    inside = np.all((low >= 0) & (low < shape - 1), axis=1)
    low, part = low[inside], (index - low)[inside]
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(np.array(corner), part, 1 - part), axis=1) * strengths[inside]
        flat = np.ravel_multi_index(tuple((low + np.array(corner)).T), tuple(shape))
        total += np.bincount(flat, weights=share, minlength=total.size)
