"""What vesicles and cells hold: each compartment is packed in a box of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tomoset.model import Filament, Scatterers
from tomoset.specimen.amounts import mg_per_ml_from_copies, requested
from tomoset.specimen.components import Component
from tomoset.specimen.composition import Placement
from tomoset.specimen.filaments import FilamentParams, PlacedFilaments, place_filaments
from tomoset.specimen.filling import Spacing, Wanted, fill, mark_copies, nowhere, within_reach
from tomoset.specimen.insertion import Copies
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.poses import Solid
from tomoset.specimen.regions import Body, Region
from tomoset.structures import Structure

__all__ = ["Filled", "Stock", "embedded", "fill_body", "lay_filaments", "placed_filaments", "wanted_in"]

WIDE_RADIUS_ANGSTROM = 90.0  # ribosomes have 125; strands of DNA in a cell are some 130 Å apart
PAD_ANGSTROM = 60.0  # taken voxels around a compartment: no molecule reaches across them to the opposite side

Floats = np.typing.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The molecules at hand: how they look, the room that they take, and how far they keep apart."""

    structures: Mapping[str, Structure]
    solids: Mapping[str, Solid]
    spacing: Spacing
    voxel_angstrom: float

    def wanted(self, component: Component, volume_angstrom3: float, share: float = 1.0) -> Wanted:
        """Copies of a component in a volume, which holds a share of the copies given as a number."""
        mass = self.structures[component.species].mass_kda
        if volume_angstrom3 <= 0:  # a compartment of a cell that lies beyond the slab
            return Wanted(component=component, mass_kda=mass, copies=0, mg_per_ml=0.0, volume_angstrom3=0.0)
        if component.copies is not None:
            component = replace(component, copies=round(share * component.copies))
        copies, mg_per_ml = requested(component, mass, volume_angstrom3)
        return Wanted(
            component=component, mass_kda=mass, copies=copies, mg_per_ml=mg_per_ml, volume_angstrom3=volume_angstrom3
        )


def wanted_in(body: Body, stock: Stock) -> dict[str, list[Wanted]]:
    """What each compartment of a body is to hold; copies are those of a whole cell, of which a share may be there."""
    wanted: dict[str, list[Wanted]] = {}
    for name, region in body.compartments.items():
        listed = [component for component in body.components if component.compartment == name]
        if listed:
            wanted[name] = [stock.wanted(component, region.volume_angstrom3, body.share) for component in listed]
    return wanted


def embedded(body: Body) -> tuple[Placement, ...]:
    """The proteins that were placed with a body's membranes."""
    return tuple(
        Placement(
            species=row.species,
            compartment=row.compartment,
            mass_kda=row.mass_kda,
            requested_copies=row.requested_copies,
            requested_mg_per_ml=row.requested_mg_per_ml,
            volume_angstrom3=float("nan"),
            copies=Copies(molecules.positions_angstrom_xyz, molecules.rotations),
            note=row.note,
        )
        for row, molecules in zip(body.placements, body.molecules, strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What came into a body: filaments (nucleic acid too), matter without pose, and molecules."""

    filaments: tuple[Filament, ...]
    scatterers: tuple[Scatterers, ...]
    placements: tuple[Placement, ...]


def fill_body(
    body: Body,
    wanted: Mapping[str, Sequence[Wanted]],
    filaments: Sequence[FilamentParams],
    stock: Stock,
    rng: np.random.Generator,
    *,
    first_filament: int,
    told: Callable[[], None],
) -> Filled:
    """Place the filaments, nucleic acid and molecules of a body's compartments.

    Filaments come first, then molecules wider than the meshes of nucleic acid, then the nucleic acid around them, as
    ribosomes push it aside, and then all other molecules.

    Parameters
    ----------
    body : Body
        Where it lies, and what is in it already: proteins in its membranes.
    wanted : mapping of str to sequence of Wanted
        By compartment.
    filaments : sequence of FilamentParams
        Those whose compartment the body has are placed in it.
    stock : Stock
    rng : numpy.random.Generator
    first_filament : int
        Index in the specimen of the first filament placed here.
    told : callable
        Called after each species.
    """
    boxes = {
        name: _compartment_box(body, region, stock)
        for name, region in body.compartments.items()
        if region.volume_angstrom3 > 0 and _is_needed(name, wanted, filaments)
    }
    laid: list[Filament] = []
    placements: list[Placement] = []
    for params in (item for item in filaments if item.compartment in boxes):
        volume = body.compartments[params.compartment].volume_angstrom3
        found = lay_filaments(boxes[params.compartment], params, stock, volume, first_filament + len(laid), rng)
        laid.extend(found.filaments)
        placements.append(placed_filaments(found, params, stock, volume))
    wide = _fill_wide(boxes, wanted, stock, rng, told)
    grown, scatterers = _contents(body, boxes, rng)
    for name, items in wanted.items():
        if name not in boxes:
            placements.extend(nowhere(item) for item in items)
            continue
        for filament in grown:
            _mark_filament(boxes[name], filament, stock)
        rest = [item for item in items if not _is_wide(item, stock)]
        others = iter(fill(boxes[name], rest, stock.solids, stock.spacing, rng, told=told))
        placements.extend(wide.get((name, item.component.species)) or next(others) for item in items)
    return Filled(filaments=(*laid, *grown), scatterers=scatterers, placements=tuple(placements))


def _is_needed(name: str, wanted: Mapping[str, Sequence[Wanted]], filaments: Sequence[FilamentParams]) -> bool:
    """Whether a compartment is to hold something; nucleic acid may lie in a nucleoid."""
    return bool(wanted.get(name)) or name == "nucleoid" or any(item.compartment == name for item in filaments)


def _fill_wide(
    boxes: Mapping[str, PackingBox],
    wanted: Mapping[str, Sequence[Wanted]],
    stock: Stock,
    rng: np.random.Generator,
    told: Callable[[], None],
) -> dict[tuple[str, str], Placement]:
    """Place what is wider than the meshes of nucleic acid; all compartments keep off it."""
    placed: dict[tuple[str, str], Placement] = {}
    for name in (name for name in wanted if name in boxes):
        items = [item for item in wanted[name] if _is_wide(item, stock)]
        for placement in fill(boxes[name], items, stock.solids, stock.spacing, rng, told=told):
            placed[name, placement.species] = placement
            solid = stock.solids[placement.species]
            for other in (box for key, box in boxes.items() if key != name):
                mark_copies(other, solid, placement.copies, stock.spacing.keep_off_angstrom(solid))
    return placed


def _is_wide(item: Wanted, stock: Stock) -> bool:
    return stock.solids[item.component.species].radius_angstrom > WIDE_RADIUS_ANGSTROM


def _contents(
    body: Body, boxes: Mapping[str, PackingBox], rng: np.random.Generator
) -> tuple[tuple[Filament, ...], tuple[Scatterers, ...]]:
    """Wall and nucleic acid, clear of what the compartments hold by now."""
    if body.contents is None:
        return (), ()
    regions = body.compartments.items()
    return body.contents(
        {name: _free(region, boxes[name]) if name in boxes else region for name, region in regions}, rng
    )


def _free(region: Region, box: PackingBox) -> Region:
    """The part of a compartment that is free in its box."""
    return replace(region, contains=box.free_at)


def _compartment_box(body: Body, region: Region, stock: Stock) -> PackingBox:
    """A box around a compartment, all taken but the compartment without what is in it already."""
    lower, upper = np.array(region.lower_angstrom_xyz), np.array(region.upper_angstrom_xyz)
    x, y, z = (float(size) for size in upper - lower + 2 * PAD_ANGSTROM)
    middle_x, middle_y, middle_z = (float(middle) for middle in (lower + upper) / 2)
    box = PackingBox.empty((x, y, z), stock.voxel_angstrom, (middle_x, middle_y, middle_z))
    # A compartment ends where atoms may come, and these may lie anywhere in their voxels.
    box.mark_outside(region)
    for molecules in body.molecules:
        solid = stock.solids[molecules.species]
        copies = Copies(molecules.positions_angstrom_xyz, molecules.rotations)
        mark_copies(box, solid, copies, stock.spacing.keep_off_angstrom(solid))
    return box


def _mark_filament(box: PackingBox, filament: Filament, stock: Stock) -> None:
    """Take the room of a filament that runs through a box."""
    reach = filament.radius_angstrom + stock.spacing.beside_others_angstrom + np.sqrt(3.0) / 2 * box.voxel_angstrom
    box.mark_points(within_reach(box, _along(filament, box.voxel_angstrom), reach), reach)


def _along(filament: Filament, spacing_angstrom: float) -> Floats:
    """Points along a filament's axis, no farther apart than a spacing."""
    curve = filament.curve_angstrom_xyz
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    n = max(1, int(np.ceil(steps.max() / spacing_angstrom)))
    shares = (np.arange(n) / n)[:, None]
    between = curve[:-1, None] * (1 - shares) + curve[1:, None] * shares
    return np.concatenate([between.reshape(-1, 3), curve[-1:]])


def lay_filaments(
    box: PackingBox,
    params: FilamentParams,
    stock: Stock,
    volume_angstrom3: float,
    first_filament: int,
    rng: np.random.Generator,
) -> PlacedFilaments:
    """Filaments of one species in a box whose free voxels are a compartment of some volume."""
    side = float(np.cbrt(volume_angstrom3))
    return place_filaments(
        box,
        params,
        stock.structures[params.species],
        first_filament=first_filament,
        size_angstrom_xyz=(side, side, side),
        clearance_angstrom=stock.spacing.clearance_angstrom,
        rng=rng,
        other_radius_angstrom=stock.spacing.largest_ball_angstrom,
    )


def placed_filaments(
    found: PlacedFilaments, params: FilamentParams, stock: Stock, volume_angstrom3: float
) -> Placement:
    """The subunits of filaments as a placement."""
    mass = stock.structures[params.species].mass_kda
    asked = params.mg_per_ml
    if asked is None:
        asked = mg_per_ml_from_copies(found.requested_copies, mass, volume_angstrom3)
    return Placement(
        species=params.species,
        compartment=params.compartment,
        mass_kda=mass,
        requested_copies=found.requested_copies,
        requested_mg_per_ml=asked,
        volume_angstrom3=volume_angstrom3,
        copies=Copies(found.molecules.positions_angstrom_xyz, found.molecules.rotations),
        note=f"subunits of {len(found.filaments)} filaments",
        filament_index=found.molecules.filament_index,
    )
