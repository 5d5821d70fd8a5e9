"""What is in the ice: the simulated specimen, which is also the truth about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import check_rotations
from tomoset.model.matter import Filament, IceLayer, Membrane, Scatterers

__all__ = ["CompositionRow", "Molecules", "Specimen"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Molecules:
    """Copies of one species in one compartment.

    Parameters
    ----------
    species : str
        Name of the structure.
    positions_angstrom_xyz : (n, 3) array of float64
        Centres in the *specimen* frame, Å.
    rotations : (n, 3, 3) array of float64
        Active, particle -> specimen.
    compartment : str
        ``ice``, ``cytosol``, ``periplasm``, ``inner-membrane`` …
    filament_index : (n,) array of int or None
        For subunits of filaments: which of ``Specimen.filaments`` each belongs to, in order along the filament.

    Raises
    ------
    GeometryError
        If lengths differ.
    """

    species: str
    positions_angstrom_xyz: NDArray[np.float64]
    rotations: NDArray[np.float64]
    compartment: str = "ice"
    filament_index: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        """Check lengths and rotations."""
        check_rotations(np.asarray(self.rotations).reshape(-1, 3, 3), f"molecules of {self.species}")
        if self.positions_angstrom_xyz.shape != (len(self.rotations), 3):
            raise GeometryError(f"{self.species}: positions and rotations differ in number")
        if self.filament_index is not None and self.filament_index.shape != (len(self.rotations),):
            raise GeometryError(f"{self.species}: positions and filament indices differ in number")

    def __len__(self) -> int:
        """Number of copies."""
        return len(self.rotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionRow:
    """What was asked for and what was placed of one species in one compartment.

    Parameters
    ----------
    species : str
    mass_kda : float
        Of one copy (of one subunit for a filament).
    requested_mg_per_ml, placed_mg_per_ml : float
        Concentration in the compartment's volume.
    requested_copies, placed_copies : int
    compartment : str
    volume_fraction : float
        Share of the compartment that the placed copies fill, at 1.23 Å³/Da (protein of 1.35 g/cm³).
    note : str
        Such as that it is a sized globule because no structure is known.
    """

    species: str
    mass_kda: float
    requested_mg_per_ml: float
    requested_copies: int
    placed_copies: int
    placed_mg_per_ml: float
    compartment: str = "ice"
    volume_fraction: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Specimen:
    """What a slab of vitreous ice holds.

    Parameters
    ----------
    run : str
        Name of the tilt series it will become.
    size_angstrom_xyz : (3,) tuple of float
        The slab: it reaches beyond the field of view in x and y, its thickness is z; centred on the specimen origin.
    molecules : tuple of Molecules
        One entry per species and compartment.
    composition : tuple of CompositionRow
        Requested versus placed, in the same order.
    filaments : tuple of Filament
    membranes : tuple of Membrane
    scatterers : tuple of Scatterers
        All matter beside the molecules: the lipids of the membranes, nucleic acid, carbon film, gold, contamination.
    ice : IceLayer or None
        Its surfaces; None for the plane slab of ``size_angstrom_xyz``, which they never leave.
    """

    run: str
    size_angstrom_xyz: tuple[float, float, float]
    molecules: tuple[Molecules, ...]
    composition: tuple[CompositionRow, ...]
    filaments: tuple[Filament, ...] = ()
    membranes: tuple[Membrane, ...] = ()
    scatterers: tuple[Scatterers, ...] = ()
    ice: IceLayer | None = None

    @property
    def thickness_angstrom(self) -> float:
        """Largest thickness of the ice."""
        return self.size_angstrom_xyz[2]
