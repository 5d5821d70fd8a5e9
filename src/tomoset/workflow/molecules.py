"""The recipe's objects as structures and templates."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomoset.annotation import Template, filament_decoy, membrane_decoy
from tomoset.errors import OutputError, ParameterError, TomosetError
from tomoset.formats.atomic import atomic_path
from tomoset.specimen import required_species
from tomoset.structures import Structure, resolve_structure
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import ObjectSpec, Recipe

__all__ = [
    "filament_templates",
    "keep_structure",
    "load_structure",
    "load_structures",
    "simulated_structures",
    "templates",
]


def load_structure(spec: ObjectSpec, folder: Path) -> Structure:
    """Structure of one object, whose files are relative to ``folder``; errors as ``resolve_structure``."""
    with _about(f"objects.{spec.name}.structure"):
        return resolve_structure(
            spec.structure,
            folder=folder,
            name=spec.name,
            symmetry=spec.symmetry,
            mass_kda=spec.mass_kda,
            threshold=spec.threshold,
            assembly=spec.assembly or None,
        )


@contextmanager
def _about(subject: str) -> Iterator[None]:
    """Say which line of the recipe an error is about."""
    try:
        yield
    except TomosetError as error:
        error.args = (f"{subject}: {error}", *error.args[1:])
        raise


def keep_structure(layout: ProjectLayout, source: Path) -> str:
    """Copy a structure file into the project, so that it stays whole when it moves; its path in the project.

    Raises
    ------
    OutputError
        If the project holds another structure of this name, or the copy cannot be written.
    """
    kept = layout.structure(source.name)
    if kept.is_file() and kept.read_bytes() != source.read_bytes():
        raise OutputError(
            f"{kept}: expected no other structure of this name in the project, found one; rename {source}"
        )
    with atomic_path(kept) as temporary:
        shutil.copy2(source, temporary)
    return kept.relative_to(layout.root).as_posix()


def load_structures(recipe: Recipe, folder: Path) -> dict[str, Structure]:
    """Structures by name: of all objects that have one, then of the specimen's species that are no objects."""
    structures = {spec.name: load_structure(spec, folder) for spec in recipe.objects if spec.structure}
    for species in () if recipe.specimen is None else required_species(recipe.specimen):
        if species.species not in structures:
            with _about(f"species {species.species}"):
                structures[species.species] = resolve_structure(
                    species.structure,
                    folder=folder,
                    name=species.species,
                    symmetry=species.symmetry,
                    mass_kda=species.mass_kda,
                )
    if recipe.microscope is not None:
        _refuse_coarse_pixels(structures, recipe.microscope.pixel_size_angstrom)
    return structures


def _refuse_coarse_pixels(structures: dict[str, Structure], pixel_size_angstrom: float) -> None:
    """A molecule less than two pixels wide is not sampled: it would be imaged as something else."""
    for name, structure in structures.items():
        width = 2 * structure.radius_angstrom
        if width < 2 * pixel_size_angstrom:
            raise ParameterError(
                f"{name}: expected a molecule at least two pixels of {pixel_size_angstrom:g} Å wide, found "
                f"{width:.0f} Å; take finer pixels (microscope.pixel_size_angstrom) or leave it out"
            )


def simulated_structures(recipe: Recipe, folder: Path) -> dict[str, Structure]:
    """Structures of the specimen's species only."""
    if recipe.specimen is None:
        return {}
    species = {each.species for each in required_species(recipe.specimen)}
    return {name: found for name, found in load_structures(recipe, folder).items() if name in species}


def templates(recipe: Recipe, folder: Path) -> tuple[Template, ...]:
    """What to look for: every particle with its structure, unless the recipe leaves its search out.

    Pieces of filaments and membranes compete with the particles and are not labeled by this search; one kind of
    bilayer stands for all membranes.
    """
    specs = {spec.name: spec for spec in recipe.objects}
    structures = load_structures(recipe, folder)
    made, bilayer = [], False
    for item in recipe.pickable_objects():
        spec = specs[item.name]
        if spec.kind == "particle" and spec.search:
            made.append(Template(object=item, structure=structures[item.name]))
        elif spec.kind == "membrane" and not bilayer:
            made.append(membrane_decoy(item))
            bilayer = True
        elif spec.kind == "filament" and item.name in structures and structures[item.name].repeat_angstrom:
            made.append(filament_decoy(item, structures[item.name]))
    return tuple(made)


def filament_templates(recipe: Recipe, folder: Path) -> tuple[Template, ...]:
    """The filaments to trace, each with the structure of one repeat."""
    specs = {spec.name: spec for spec in recipe.objects if spec.kind == "filament" and spec.search}
    structures = load_structures(recipe, folder)
    return tuple(
        Template(object=item, structure=structures[item.name])
        for item in recipe.pickable_objects()
        if item.name in specs
    )
