"""Which membrane lies in which, of what class it is, and what its two sides are called."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tomoset.annotation.membranes.closing import ClosedMembrane
from tomoset.annotation.membranes.star_surface import even_directions
from tomoset.model import PickableObject

__all__ = ["NamedMembrane", "name_membranes", "plain_class"]


@dataclass(frozen=True, slots=True, eq=False)
class NamedMembrane:
    """A closed membrane with its class and the compartments on both sides."""

    closed: ClosedMembrane
    item: PickableObject
    inside: str
    outside: str


def plain_class(objects: Sequence[PickableObject]) -> PickableObject:
    """The class of membranes that neither enclose others nor lie in others."""
    plain = [item for item in objects if "inner" not in item.name and "outer" not in item.name]
    return (plain or list(objects))[0]


def name_membranes(closed: Sequence[ClosedMembrane], objects: Sequence[PickableObject]) -> tuple[NamedMembrane, ...]:
    """Classes and compartments by nesting, outermost and largest first."""
    ordered = sorted(closed, key=lambda item: -item.surface.mean_radius_angstrom)
    parents = [_parent(ordered, i) for i in range(len(ordered))]
    outer = next((item for item in objects if "outer" in item.name), None)
    inner = next((item for item in objects if "inner" in item.name), None)
    named: list[NamedMembrane] = []
    for i, one in enumerate(ordered):
        parent, has_child = parents[i], i in parents
        item = plain_class(objects)
        if parent is not None and inner is not None:
            item = inner
        elif parent is None and has_child and outer is not None:
            item = outer
        outside = "outside" if parent is None else named[parent].inside
        named.append(NamedMembrane(one, item, _inside(item, has_child), outside))
    return tuple(named)


def _inside(item: PickableObject, has_child: bool) -> str:
    if has_child:
        return "periplasm" if "outer" in item.name else "interlamellar"
    return "cytosol" if any(word in item.name for word in ("inner", "outer", "plasma")) else "lumen"


def _parent(ordered: Sequence[ClosedMembrane], i: int) -> int | None:
    """The smallest of the larger surfaces that holds most of a surface."""
    directions = even_directions(300)
    mine = ordered[i].surface
    vertices = mine.centre_angstrom_xyz + directions * mine.radii_angstrom(directions)[:, None]
    for j in range(i - 1, -1, -1):
        heights, _ = ordered[j].surface.heights_angstrom(vertices)
        if np.mean(heights < 0) > 0.9:
            return j
    return None
