"""A vesicle or cell before it has its place: its membranes' shapes, and how to divide and fill what they enclose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.model import BilayerProfile, Filament, Scatterers
from tomoset.specimen.bilayer import outermost_angstrom
from tomoset.specimen.components import Component
from tomoset.specimen.regions import Region
from tomoset.specimen.shapes import Shape

__all__ = ["Draft", "Skin", "between", "no_content", "within"]

Floats = NDArray[np.float64]
Content = tuple[tuple[Filament, ...], tuple[Scatterers, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skin:
    """One bilayer of a body.

    Parameters
    ----------
    name : str
        Of the membrane: ``liposome``, ``inner-membrane`` …
    shape : Shape
        Its mid-surface.
    profile : BilayerProfile
    """

    name: str
    shape: Shape
    profile: BilayerProfile

    @property
    def gap_angstrom(self) -> float:
        """Distance from the mid-surface that molecules beside it keep: heads, and as much again."""
        return 2 * self.profile.head_offset_angstrom


def no_content(skins: tuple[Skin, ...], compartments: Mapping[str, Region], rng: np.random.Generator) -> Content:
    """Leave a body without fibres."""
    del skins, compartments, rng
    return (), ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One body about the origin, or (``placed``) where it belongs.

    Parameters
    ----------
    kind : str
        ``liposome``, ``minicell`` …
    skins : tuple of Skin
        Outermost first.
    components : tuple of Component
        What it holds; those of its membranes are placed with it.
    compartments : callable
        ``skins -> {name: Region}``.
    contents : callable
        ``(skins, compartments, rng) -> (filaments, scatterers)``: what fills it before molecules do.
    lies_flat : bool
        Whether its axis lies in the plane of the ice.
    """

    kind: str
    skins: tuple[Skin, ...]
    components: tuple[Component, ...]
    compartments: Callable[[tuple[Skin, ...]], dict[str, Region]]
    contents: Callable[[tuple[Skin, ...], Mapping[str, Region], np.random.Generator], Content] = no_content
    lies_flat: bool = False

    @property
    def shape(self) -> Shape:
        """Mid-surface of the outermost membrane."""
        return self.skins[0].shape

    @property
    def reach_angstrom(self) -> float:
        """Height above that mid-surface at which the body ends."""
        return outermost_angstrom(self.skins[0].profile)

    @property
    def whole(self) -> Region:
        """Everything from the outermost leaflet inwards."""
        return within(self.shape, self.reach_angstrom)

    def placed(self, centre_angstrom_xyz: Floats, rotation: Floats) -> "Draft":
        """The same body elsewhere."""
        skins = tuple(replace(skin, shape=skin.shape.placed(centre_angstrom_xyz, rotation)) for skin in self.skins)
        return replace(self, skins=skins)


def within(shape: Shape, *levels_angstrom: float) -> Region:
    """The space below a height above a surface; of several, from the highest down, every other layer between them."""
    levels = levels_angstrom or (0.0,)
    lower, upper = shape.bounds_angstrom_xyz(levels[0])
    return Region(
        contains=lambda points: shape.contains(points, *levels),
        lower_angstrom_xyz=lower,
        upper_angstrom_xyz=upper,
        volume_angstrom3=sum((-1) ** i * shape.volume_angstrom3(level) for i, level in enumerate(levels)),
    )


def between(outer: Region, *inner: Region) -> Region:
    """The space within a region and outside of others that lie wholly inside it and apart from each other."""

    def contains(points: Floats) -> NDArray[np.bool_]:
        result = outer.contains(points)
        for part in inner:
            result[result] = ~part.contains(points[result])
        return result

    return Region(
        contains=contains,
        lower_angstrom_xyz=outer.lower_angstrom_xyz,
        upper_angstrom_xyz=outer.upper_angstrom_xyz,
        volume_angstrom3=outer.volume_angstrom3 - sum(part.volume_angstrom3 for part in inner),
    )
