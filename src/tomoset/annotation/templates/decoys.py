"""Pieces of filaments and membranes as competitors: they take the places that they explain, and are not picked.

A template search over a tomogram with filaments or vesicles in it calls their pieces by the name of the class that
resembles them most. A piece of filament and a patch of bilayer that compete on the same scale of likelihood, and are
subtracted with everything else that was recognised, leave nothing there to be misnamed.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.templates.params import Template
from tomoset.errors import ParameterError
from tomoset.model import PickableObject
from tomoset.structures import Structure

__all__ = ["filament_decoy", "membrane_decoy"]

Floats = NDArray[np.float64]

# At the detail that is matched (25 Å and coarser) a filament of some 50 subunits a repeat looks round.
_FOLD = 17
_RING_ANGSTROM = 8.0
_SEGMENT_DIAMETERS = 1.0
# A lipid's potential as the simulator's phospholipid has it: heads and tails at these heights, V Å per layer.
_LAYERS_ANGSTROM = (19.5, 8.0, -8.0, -19.5)
_LAYERS_VOLT_ANGSTROM = (23.2, 17.7, 17.7, 23.2)
_LAYER_SPREAD_ANGSTROM = 4.5
_PATCH_RADIUS_ANGSTROM = 90.0


def filament_decoy(item: PickableObject, structure: Structure) -> Template:
    """A piece of a filament as long as it is wide, averaged about its axis.

    Parameters
    ----------
    item : PickableObject
        The filament's class.
    structure : Structure
        One repeat of it, along z.

    Returns
    -------
    Template
        A decoy.

    Raises
    ------
    ParameterError
        If the structure does not say after which distance it repeats.
    """
    repeat = structure.repeat_angstrom
    if repeat is None:
        raise ParameterError(
            f"{item.name}: expected one repeat of a filament with its repeat distance, found a molecule that stands "
            "alone; give a structure with repeat_angstrom, or no decoy for this class"
        )
    points = structure.positions_angstrom_xyz
    across = np.hypot(points[:, 0], points[:, 1])
    copies = max(1, round(_SEGMENT_DIAMETERS * 2 * across.max() / repeat))
    heights = (np.arange(copies) - (copies - 1) / 2) * repeat
    z = (points[:, 2][None, :] + heights[:, None]).ravel()
    radius = np.tile(across, copies)
    strength = np.tile(structure.strengths_volt_angstrom3, copies)
    both = np.concatenate([z, -z]), np.concatenate([radius, radius]), np.concatenate([strength, strength]) / 2
    spread = float(structure.spreads_angstrom.mean())
    piece = _solid_of_revolution(item, *both, structure.mass_kda * copies, spread)
    return replace(piece, structure=replace(piece.structure, repeat_angstrom=copies * repeat))


def membrane_decoy(item: PickableObject) -> Template:
    """A flat round patch of phospholipid bilayer.

    Parameters
    ----------
    item : PickableObject
        The membrane's class.

    Returns
    -------
    Template
        A decoy of 90 Å radius.
    """
    radii = np.arange(0.5, _PATCH_RADIUS_ANGSTROM / _RING_ANGSTROM) * _RING_ANGSTROM
    area = 2 * np.pi * radii * _RING_ANGSTROM
    z = np.repeat(_LAYERS_ANGSTROM, len(radii))
    strength = np.outer(_LAYERS_VOLT_ANGSTROM, area).ravel()
    mass_kda = area.sum() / 62.0 * 2 * 0.72  # two lipids of 0.72 kDa on every 62 Å² of the mid-surface
    return _solid_of_revolution(
        item, z, np.tile(radii, len(_LAYERS_ANGSTROM)), strength, mass_kda, _LAYER_SPREAD_ANGSTROM
    )


def _solid_of_revolution(
    item: PickableObject, z: Floats, radius: Floats, strength: Floats, mass_kda: float, spread_angstrom: float
) -> Template:
    """Beads on rings: the given mass gathered in cells of height and radius, then spread evenly over the azimuth."""
    cells, which = np.unique(
        np.stack([np.rint(z / _RING_ANGSTROM), np.floor(radius / _RING_ANGSTROM)], axis=-1), axis=0, return_inverse=True
    )
    total = np.bincount(which.ravel(), strength)
    height = np.bincount(which.ravel(), strength * z) / total
    out = np.bincount(which.ravel(), strength * radius) / total
    positions, strengths = [], []
    for ring in range(len(cells)):
        n = _FOLD * max(1, int(np.ceil(2 * np.pi * out[ring] / _RING_ANGSTROM / _FOLD)))
        turn = 2 * np.pi * np.arange(n) / n
        positions.append(
            np.stack([out[ring] * np.cos(turn), out[ring] * np.sin(turn), np.full(n, height[ring])], axis=-1)
        )
        strengths.append(np.full(n, total[ring] / n))
    structure = Structure(
        name=f"{item.name}-piece",
        symmetry=f"D{_FOLD}",
        mass_kda=mass_kda,
        positions_angstrom_xyz=np.concatenate(positions),
        strengths_volt_angstrom3=np.concatenate(strengths),
        spreads_angstrom=np.full(sum(map(len, strengths)), np.hypot(spread_angstrom, _RING_ANGSTROM / 3)),
        source=f"a piece of {item.name}, averaged about its axis, to compete with particles",
    )
    return Template(object=item, structure=structure, decoy=True)
