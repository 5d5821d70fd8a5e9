"""Filling one compartment with its molecules, the largest species first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.model import IceLayer
from tomoset.specimen.components import Component
from tomoset.specimen.composition import Placement
from tomoset.specimen.insertion import Copies, adsorb, cluster, insert
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.poses import Solid

__all__ = ["Spacing", "Surfaces", "Wanted", "fill", "mark_copies", "nowhere", "points_of", "within_reach"]

POINTS_AT_ONCE = 2_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Copies of a component that a compartment is to hold."""

    component: Component
    mass_kda: float
    copies: int
    mg_per_ml: float
    volume_angstrom3: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spacing:
    """How far molecules keep apart: their gap, and the largest ball that an atom or bead of any of them stands for."""

    clearance_angstrom: float
    largest_ball_angstrom: float

    @property
    def beside_others_angstrom(self) -> float:
        """Distance of any atom's or bead's centre from the surface of what is no molecule, Å."""
        return self.clearance_angstrom + self.largest_ball_angstrom

    def keep_off_angstrom(self, solid: Solid) -> float:
        """Distance of the centres of a molecule's atoms or beads from those of any other, Å."""
        return self.beside_others_angstrom + solid.ball_radius_angstrom


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """The ice's two surfaces, for what adsorbs to them."""

    thickness_angstrom: float
    margin_angstrom: float
    ice: IceLayer | None


def fill(
    box: PackingBox,
    wanted: Sequence[Wanted],
    solids: Mapping[str, Solid],
    spacing: Spacing,
    rng: np.random.Generator,
    *,
    surfaces: Surfaces | None = None,
    told: Callable[[], None],
) -> tuple[Placement, ...]:
    """Place the molecules of one compartment.

    Parameters
    ----------
    box : PackingBox
        The compartment; everything outside of it is taken. Changed.
    wanted : sequence of Wanted
    solids : mapping of str to Solid
        By species; at least those of which copies are wanted.
    spacing : Spacing
    rng : numpy.random.Generator
    surfaces : Surfaces, optional
        Of the ice, where the compartment is the ice.
    told : callable
        Called after each species of which copies are wanted.

    Returns
    -------
    tuple of Placement
        In the order of ``wanted``.
    """
    placed: dict[str, Copies] = {}
    some = [item for item in wanted if item.copies]
    for item in sorted(some, key=lambda w: -solids[w.component.species].volume_angstrom3):
        species = item.component.species
        placed[species] = _place(box, item, solids[species], spacing, rng, surfaces)
        told()
    return tuple(replace(nowhere(item), copies=placed.get(item.component.species, Copies.none())) for item in wanted)


def nowhere(item: Wanted) -> Placement:
    """What is wanted, none of it placed."""
    return Placement(
        species=item.component.species,
        compartment=item.component.compartment,
        mass_kda=item.mass_kda,
        requested_copies=item.copies,
        requested_mg_per_ml=item.mg_per_ml,
        volume_angstrom3=item.volume_angstrom3,
        copies=Copies.none(),
        note=item.component.note,
    )


def _place(
    box: PackingBox,
    item: Wanted,
    solid: Solid,
    spacing: Spacing,
    rng: np.random.Generator,
    surfaces: Surfaces | None,
) -> Copies:
    component, keep_off = item.component, spacing.keep_off_angstrom(solid)
    parts: list[Copies] = []
    adsorbed = round(component.adsorbed_fraction * item.copies) if surfaces is not None else 0
    if surfaces is not None and adsorbed:
        for side, copies in ((1, adsorbed - adsorbed // 2), (-1, adsorbed // 2)):
            part = adsorb(
                box,
                solid,
                copies,
                side=side,
                surface_angstrom=side * surfaces.thickness_angstrom / 2,
                margin_angstrom=surfaces.margin_angstrom,
                ice=surfaces.ice,
                orientation=(component.preferred_orientation, component.preferred_axis),
                keep_off_angstrom=keep_off,
                rng=rng,
            )
            parts.append(part)
    free = item.copies - adsorbed
    if component.cluster_size > 1:
        parts.append(cluster(box, solid, free, mean_size=component.cluster_size, keep_off_angstrom=keep_off, rng=rng))
    else:
        parts.append(insert(box, solid, free, keep_off_angstrom=keep_off, rng=rng))
    return Copies.joined(parts)


def points_of(solid: Solid, copies: Copies) -> Floats:
    """Points of all copies in the specimen frame, xyz, Å."""
    turned = np.einsum("cij,nj->cni", copies.rotations, solid.points_angstrom_xyz)
    return np.asarray((turned + copies.positions_angstrom_xyz[:, None]).reshape(-1, 3))


def mark_copies(box: PackingBox, solid: Solid, copies: Copies, keep_off_angstrom: float) -> None:
    """Take the room of molecules that were placed by other means, in a box that nothing reaches over."""
    at_once = max(1, POINTS_AT_ONCE // len(solid.points_angstrom_xyz))
    reach = keep_off_angstrom + np.sqrt(3.0) / 2 * box.voxel_angstrom
    for start in range(0, len(copies), at_once):
        part = slice(start, start + at_once)
        some = Copies(copies.positions_angstrom_xyz[part], copies.rotations[part])
        box.mark_points(within_reach(box, points_of(solid, some), reach), reach)


def within_reach(box: PackingBox, points_angstrom_xyz: Floats, reach_angstrom: float) -> Floats:
    """Those points (n, 3) that lie in a box or within reach of it: others would be marked on its opposite side."""
    half = np.array(box.shape_zyx)[::-1] / 2 * box.voxel_angstrom + reach_angstrom
    near = (np.abs(points_angstrom_xyz - np.array(box.centre_angstrom_xyz)) <= half).all(axis=1)
    return points_angstrom_xyz[near]
