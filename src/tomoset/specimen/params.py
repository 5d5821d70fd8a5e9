"""What a specimen is asked to hold."""

from dataclasses import dataclass, field

from tomoset.errors import ParameterError
from tomoset.specimen.cells import CellParams
from tomoset.specimen.components import Component
from tomoset.specimen.contamination import ContaminationParams
from tomoset.specimen.filaments import FilamentParams
from tomoset.specimen.film import FilmParams
from tomoset.specimen.gold import GoldParams
from tomoset.specimen.ice import IceParams
from tomoset.specimen.liposomes import LiposomeParams

__all__ = ["Component", "SpecimenParams"]

THICKEST_ANGSTROM = 5e4  # twelve mean free paths: no electron comes through unscattered


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecimenParams:
    """A slab of vitreous ice and what lies in it.

    Parameters
    ----------
    components : tuple of Component
        What floats in the ice: species and their amounts, each species once; in TOML an array of tables
        ``[[specimen.components]]``. What vesicles and cells hold is listed in their own tables.
    thickness_angstrom : float
        Largest thickness of the ice, Å.
    margin_angstrom : float
        Layer under each of the two surfaces that no atom or bead centre enters, Å.
    clearance_angstrom : float
        Least gap between the surfaces of different molecules, Å: between the balls that their atoms (1.6 Å) or beads
        (by their mass) stand for.
    packing_voxel_angstrom : float
        Voxel of the grid that keeps molecules apart, Å: finer packs denser and takes longer.
    mask_voxel_angstrom : float
        Voxel of the true masks, Å.
    allow_short : bool
        Accept fewer copies than asked for, where they do not fit; the composition says so.
    ice : IceParams
        How the ice differs from a plane slab.
    film : FilmParams, optional
        The carbon film around the hole.
    gold : GoldParams, optional
        Fiducial beads.
    contamination : ContaminationParams, optional
        What settled on the surfaces.
    filaments : tuple of FilamentParams
        Filaments that float in the ice, or lie in a compartment of each cell that has it.
    liposomes : tuple of LiposomeParams
        Populations of liposomes, with what they hold.
    cells : tuple of CellParams
        Whole cells, with what they hold.

    Raises
    ------
    ParameterError
        If a length is not positive (the margin may be zero), the ice is too thick to see through, the margins leave
        none of it, a species is named twice, or one that floats in the ice is said to be in a cell.
    """

    components: tuple[Component, ...] = ()
    thickness_angstrom: float = 1500.0
    margin_angstrom: float = 20.0
    clearance_angstrom: float = 2.0
    packing_voxel_angstrom: float = 5.0
    mask_voxel_angstrom: float = 10.0
    allow_short: bool = False
    ice: IceParams = field(default_factory=IceParams)
    film: FilmParams | None = None
    gold: GoldParams | None = None
    contamination: ContaminationParams | None = None
    filaments: tuple[FilamentParams, ...] = ()
    liposomes: tuple[LiposomeParams, ...] = ()
    cells: tuple[CellParams, ...] = ()

    def __post_init__(self) -> None:
        """Refuse slabs that cannot exist."""
        if not 0 < self.thickness_angstrom <= THICKEST_ANGSTROM:
            raise ParameterError(
                f"expected a positive ice thickness of at most {THICKEST_ANGSTROM:g} Å, found "
                f"{self.thickness_angstrom:g} Å"
            )
        if not 0 <= self.margin_angstrom < self.thickness_angstrom / 2:
            raise ParameterError(
                f"expected a margin between 0 and half the ice thickness ({self.thickness_angstrom / 2:g} Å), found "
                f"{self.margin_angstrom:g} Å"
            )
        if not 0 <= self.clearance_angstrom <= 100:
            raise ParameterError(f"expected a clearance between 0 and 100 Å, found {self.clearance_angstrom:g} Å")
        if not 2 <= self.mask_voxel_angstrom <= 100:
            raise ParameterError(f"expected a voxel of 2 to 100 Å for the masks, found {self.mask_voxel_angstrom:g} Å")
        if not 2 <= self.packing_voxel_angstrom <= 40:
            raise ParameterError(f"expected a packing voxel of 2 to 40 Å, found {self.packing_voxel_angstrom:g} Å")
        self._check_species()

    def _check_species(self) -> None:
        for component in self.components:
            if component.compartment != "ice":
                raise ParameterError(
                    f"component {component.species}: expected compartment = 'ice' in specimen.components, found "
                    f"{component.compartment!r}; list it among the components of the cell or liposome that holds it"
                )
        holders: tuple[LiposomeParams | CellParams, ...] = (*self.liposomes, *self.cells)
        for held in (self._floating(), *(holder.components for holder in holders)):
            places = [(item.species, item.compartment) for item in held]
            twice = sorted({_where(*place) for place in places if places.count(place) > 1})
            if twice:
                raise ParameterError(
                    f"expected each species once, found {', '.join(twice)} more than once; add them up"
                )
        known = {"ice", *(name for holder in holders for name in _parts(holder))}
        for filament in self.filaments:
            if filament.compartment not in known:
                raise ParameterError(
                    f"filament {filament.species}: expected a compartment that the specimen has "
                    f"({', '.join(sorted(known))}), found {filament.compartment!r}; add the cell or correct it"
                )

    def _floating(self) -> tuple[Component | FilamentParams, ...]:
        return (*self.components, *self.filaments)


def _parts(holder: LiposomeParams | CellParams) -> tuple[str, ...]:
    """Compartments with a volume."""
    if isinstance(holder, LiposomeParams):
        return ("lumen",)
    return tuple(name for name in holder.compartments if not name.endswith("membrane"))


def _where(species: str, compartment: str) -> str:
    return species if compartment == "ice" else f"{species} in the {compartment}"
