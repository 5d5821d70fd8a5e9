"""The recipe's objects as structures and templates."""

from pathlib import Path

from tomoset.annotation import Template
from tomoset.errors import InputMissingError
from tomoset.structures import BUILT_IN_NAMES, Structure, built_in_structure, read_structure
from tomoset.workflow.recipe import ObjectSpec, Recipe

__all__ = ["load_structure", "load_structures", "templates"]


def load_structure(spec: ObjectSpec, folder: Path) -> Structure:
    """Structure of one object: a built-in model, or a PDB or mmCIF file relative to ``folder``.

    Raises
    ------
    InputMissingError
        If it is neither.
    """
    if spec.structure in BUILT_IN_NAMES:
        return built_in_structure(spec.structure)
    path = folder / spec.structure
    if not path.is_file():
        raise InputMissingError(
            f"objects.{spec.name}.structure: expected a built-in model ({', '.join(BUILT_IN_NAMES)}) or a PDB or "
            f"mmCIF file, found {spec.structure!r}; give the path relative to the project's folder"
        )
    return read_structure(path, symmetry=spec.symmetry or "C1", name=spec.name)


def load_structures(recipe: Recipe, folder: Path) -> dict[str, Structure]:
    """Structures of all objects by the objects' names."""
    return {spec.name: load_structure(spec, folder) for spec in recipe.objects}


def templates(recipe: Recipe, folder: Path) -> tuple[Template, ...]:
    """What to look for: every object with its structure."""
    structures = load_structures(recipe, folder)
    return tuple(Template(object=item, structure=structures[item.name]) for item in recipe.pickable_objects())
