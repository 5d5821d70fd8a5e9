"""What is in the ice: the simulated specimen, which is also the truth about it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import check_rotations

__all__ = ["CompositionRow", "Molecules", "Specimen"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Molecules:
    """All copies of one species.

    Parameters
    ----------
    species : str
        Name of the structure.
    positions_angstrom_xyz : (n, 3) array of float64
        Centres in the *specimen* frame, Å.
    rotations : (n, 3, 3) array of float64
        Active, particle -> specimen.

    Raises
    ------
    GeometryError
        If lengths differ.
    """

    species: str
    positions_angstrom_xyz: NDArray[np.float64]
    rotations: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check lengths and rotations."""
        check_rotations(np.asarray(self.rotations).reshape(-1, 3, 3), f"molecules of {self.species}")
        if self.positions_angstrom_xyz.shape != (len(self.rotations), 3):
            raise GeometryError(f"{self.species}: positions and rotations differ in number")

    def __len__(self) -> int:
        """Number of copies."""
        return len(self.rotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositionRow:
    """What was asked for and what was placed of one species."""

    species: str
    mass_kda: float
    requested_mg_per_ml: float
    requested_copies: int
    placed_copies: int
    placed_mg_per_ml: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Specimen:
    """Molecules in a slab of vitreous ice.

    Parameters
    ----------
    run : str
        Name of the tilt series it will become.
    size_angstrom_xyz : (3,) tuple of float
        The slab: it reaches beyond the field of view in x and y, its thickness is z; centred on the specimen origin.
    molecules : tuple of Molecules
        One entry per species.
    composition : tuple of CompositionRow
        Requested versus placed.
    """

    run: str
    size_angstrom_xyz: tuple[float, float, float]
    molecules: tuple[Molecules, ...]
    composition: tuple[CompositionRow, ...]

    @property
    def thickness_angstrom(self) -> float:
        """Thickness of the ice."""
        return self.size_angstrom_xyz[2]
