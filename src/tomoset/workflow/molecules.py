"""The recipe's objects as structures and templates."""

import shutil
from pathlib import Path

from tomoset.annotation import Template
from tomoset.errors import InputMissingError, OutputError
from tomoset.formats.atomic import atomic_path
from tomoset.structures import BUILT_IN_NAMES, Structure, built_in_structure, read_structure
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.recipe import ObjectSpec, Recipe

__all__ = ["keep_structure", "load_structure", "load_structures", "templates"]


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
    """Structures of all objects by the objects' names."""
    return {spec.name: load_structure(spec, folder) for spec in recipe.objects}


def templates(recipe: Recipe, folder: Path) -> tuple[Template, ...]:
    """What to look for: every object with its structure."""
    structures = load_structures(recipe, folder)
    return tuple(Template(object=item, structure=structures[item.name]) for item in recipe.pickable_objects())
