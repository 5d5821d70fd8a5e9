"""A tilt geometry as JSON: one list a quantity, what a series does not have left out."""

import dataclasses
from typing import Any

import numpy as np

from tomoset.geometry import TiltGeometry

__all__ = ["geometry_from_json", "geometry_to_json"]


def geometry_to_json(geometry: TiltGeometry) -> dict[str, Any]:
    """Tilt geometry as lists."""
    values = {field.name: getattr(geometry, field.name) for field in dataclasses.fields(geometry)}
    if geometry.field_xy_angstrom is None:
        values["field_unit_angstrom"] = None
    return {name: np.asarray(value).tolist() for name, value in values.items() if value is not None}


def geometry_from_json(document: dict[str, Any]) -> TiltGeometry:
    """Tilt geometry from lists.

    Raises
    ------
    GeometryError
        If lengths differ or a value is not finite.
    """
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in document.items() if isinstance(value, list)}
    return TiltGeometry(**{**document, **arrays})
