"""Which molecules a specimen needs, and how each of them looks."""

from collections.abc import Iterator
from dataclasses import dataclass

from tomoset.errors import ParameterError
from tomoset.specimen.cells import CellParams
from tomoset.specimen.components import Component
from tomoset.specimen.liposomes import LiposomeParams
from tomoset.specimen.params import SpecimenParams

__all__ = ["RequiredSpecies", "required_species"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredSpecies:
    """One molecule that must be known before the specimen can be made.

    Parameters
    ----------
    species : str
        Its name: the key of the ``structures`` given to ``make_specimen``.
    structure : str
        How it looks: a built-in model, an identifier or a file; empty for the object of the species' name.
    mass_kda : float or None
        Where the recipe gives it.
    symmetry : str
        Point group, where the recipe gives it.
    """

    species: str
    structure: str = ""
    mass_kda: float | None = None
    symmetry: str = ""


def required_species(params: SpecimenParams) -> tuple[RequiredSpecies, ...]:
    """Every species of a specimen, each once, with its structure: of the ice, its filaments, vesicles and cells.

    Raises
    ------
    ParameterError
        If one species is given two different looks.
    """
    needed: dict[str, RequiredSpecies] = {}
    for item in _listed(params):
        known = needed.setdefault(item.species, item)
        merged = _merged(known, item)
        if merged is None:
            raise ParameterError(
                f"species {item.species}: expected one structure, mass and symmetry, found {_look(known)} and "
                f"{_look(item)}; give different molecules different names"
            )
        needed[item.species] = merged
    return tuple(needed.values())


def _listed(params: SpecimenParams) -> Iterator[RequiredSpecies]:
    for component in components_of(params):
        yield RequiredSpecies(
            species=component.species,
            structure=component.structure,
            mass_kda=component.mass_kda,
            symmetry=component.symmetry,
        )
    for filament in params.filaments:
        yield RequiredSpecies(species=filament.species)


def components_of(params: SpecimenParams) -> tuple[Component, ...]:
    """Components of the ice, then those of liposomes and cells."""
    holders: tuple[LiposomeParams | CellParams, ...] = (*params.liposomes, *params.cells)
    return (*params.components, *(component for holder in holders for component in holder.components))


def _merged(known: RequiredSpecies, other: RequiredSpecies) -> RequiredSpecies | None:
    """What both say together; None where they contradict each other."""
    for a, b in (
        (known.structure, other.structure),
        (known.mass_kda, other.mass_kda),
        (known.symmetry, other.symmetry),
    ):
        if a and b and a != b:
            return None
    return RequiredSpecies(
        species=known.species,
        structure=known.structure or other.structure,
        mass_kda=known.mass_kda or other.mass_kda,
        symmetry=known.symmetry or other.symmetry,
    )


def _look(item: RequiredSpecies) -> str:
    mass = "" if item.mass_kda is None else f", {item.mass_kda:g} kDa"
    return f"{item.structure or 'the object of its name'}{mass}{', ' + item.symmetry if item.symmetry else ''}"
