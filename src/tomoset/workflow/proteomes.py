"""Proteomics tables that a recipe names become components, so that a project's recipe holds everything itself."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tomoset.errors import RecipeError
from tomoset.specimen import proteome_components

__all__ = ["expand_proteomes"]


def expand_proteomes(table: dict[str, Any], read_text: Callable[[str], str], origin: str) -> None:
    """Replace ``proteome`` and ``proteome_mg_per_ml`` of every ``[[specimen.cells]]`` by the table's components.

    Parameters
    ----------
    table : dict
        The recipe's, changed.
    read_text : callable
        Text of a file that the recipe names.
    origin : str
        The recipe, for messages.

    Raises
    ------
    FormatError, ParameterError
        As ``proteome_components``.
    RecipeError
        If a total is given without a table, or is no number.
    """
    specimen = table.get("specimen")
    cells = specimen.get("cells") if isinstance(specimen, dict) else None
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict):
            continue  # its type is refused with everything else
        file, total = cell.pop("proteome", None), cell.pop("proteome_mg_per_ml", None)
        if file is None and total is not None:
            raise RecipeError(f"{origin}: proteome_mg_per_ml = {total} without a proteome; name the table's file")
        if total is not None and (isinstance(total, bool) or not isinstance(total, int | float)):
            raise RecipeError(f"{origin}: expected proteome_mg_per_ml to be a number, found {total!r}; correct it")
        if file is not None:
            components = proteome_components(read_text(str(file)), mg_per_ml=total, origin=str(file))
            cell["components"] = [*cell.get("components", []), *(_plain(component) for component in components)]


def _plain(component: Any) -> dict[str, Any]:
    values = dataclasses.asdict(component)
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in values.items() if value is not None
    }
