"""Parts of the specimen's space: compartments of cells, carbon film, the air beyond the ice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoset.model import CompositionRow, Filament, Membrane, Molecules, Scatterers
from tomoset.specimen.components import Component

__all__ = ["Body", "Obstacle", "Region"]

Floats = NDArray[np.float64]
Content = tuple[tuple[Filament, ...], tuple[Scatterers, ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A part of space, as a test of points and a box that holds it.

    Parameters
    ----------
    contains : callable
        ``points (n, 3) xyz, Å, specimen frame -> (n,) bool``.
    lower_angstrom_xyz, upper_angstrom_xyz : (3,) tuple of float
        Corners of a box outside of which nothing belongs to it; infinite where it has no bound.
    volume_angstrom3 : float
        Its volume, for concentrations; nan when it is only ever avoided.
    """

    contains: Callable[[Floats], NDArray[np.bool_]]
    lower_angstrom_xyz: tuple[float, float, float]
    upper_angstrom_xyz: tuple[float, float, float]
    volume_angstrom3: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Obstacle:
    """Something that molecules must stay out of: carbon film, a gold bead, a crystal, air."""

    scatterers: tuple[Scatterers, ...] = ()
    occupied: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    """One vesicle or cell.

    Parameters
    ----------
    kind : str
        ``liposome``, ``minicell``, ``pelagibacter``, ``syn3a``.
    membranes : tuple of Membrane
        Outermost first.
    compartments : dict of str to Region
        Where molecules may be: ``lumen``, ``cytosol``, ``nucleoid``, ``periplasm``.
    whole : Region
        Everything from the outermost leaflet inwards: kept clear of what floats outside.
    molecules : tuple of Molecules
        Proteins embedded in its membranes.
    placements : tuple of CompositionRow
        Requested versus placed of those proteins, in the same order.
    filaments : tuple of Filament
        Nucleic acid.
    scatterers : tuple of Scatterers
        Lipids, peptidoglycan, nucleic acid.
    components : tuple of Component
        What it was asked to hold, in its compartments and membranes.
    share : float
        Part of its volume that lies within the slab.
    contents : callable or None
        What makes its wall and nucleic acid, where they are not among its filaments and scatterers yet:
        ``(free parts of its compartments by name, rng) -> (filaments, scatterers)``.
    """

    kind: str
    membranes: tuple[Membrane, ...]
    compartments: dict[str, Region]
    whole: Region
    molecules: tuple[Molecules, ...] = ()
    placements: tuple[CompositionRow, ...] = ()
    filaments: tuple[Filament, ...] = ()
    scatterers: tuple[Scatterers, ...] = field(default=())
    components: tuple[Component, ...] = ()
    share: float = 1.0
    contents: Callable[[Mapping[str, Region], np.random.Generator], Content] | None = None
