"""Vesicles and cells in the ice: their places, membranes, embedded proteins, walls and nucleic acid."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tomoset.model import IceLayer, Membrane, Progress, Scatterers
from tomoset.specimen.cells import CellParams, draft_cells
from tomoset.specimen.components import Component
from tomoset.specimen.envelopes import Draft
from tomoset.specimen.liposomes import LiposomeParams, draft_liposomes
from tomoset.specimen.membrane_proteins import embed, occupied_region
from tomoset.specimen.membranes import make_lipids, make_membrane
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.placing import find_place
from tomoset.specimen.regions import Body, Content, Region
from tomoset.structures import Structure

__all__ = ["CellParams", "LiposomeParams", "place_bodies"]

Floats = NDArray[np.float64]

LATTICE_POINTS = 200_000  # for the share of a body that lies in the slab
POINTS_AT_ONCE = 500_000


def place_bodies(
    box: PackingBox,
    liposomes: tuple[LiposomeParams, ...],
    cells: tuple[CellParams, ...],
    *,
    size_angstrom_xyz: tuple[float, float, float],
    ice: IceLayer | None,
    structures: Mapping[str, Structure],
    clearance_angstrom: float,
    rng: np.random.Generator,
    progress: Progress,
    contents_later: bool = False,
) -> tuple[Body, ...]:
    """Place vesicles and cells, and what belongs to their membranes.

    Parameters
    ----------
    box : PackingBox
        What is taken already. On return it also holds the proteins embedded in membranes, and nothing else of the
        bodies: their ``whole`` and compartments are for the caller to mark.
    liposomes, cells : tuples of params
        What to place: cells first, then liposomes from the largest down.
    size_angstrom_xyz : (3,) tuple of float
        The slab.
    ice : IceLayer or None
        Its surfaces; None for the plane slab.
    structures : mapping of str to Structure
        The molecules by name.
    clearance_angstrom : float
        Least gap to the ice's surfaces and between molecules.
    rng : numpy.random.Generator
    progress : Progress
        Told after each body.
    contents_later : bool
        Leave wall and nucleic acid to the caller, who makes them by ``Body.contents``: around large molecules.

    Returns
    -------
    tuple of Body
        In the order placed, which is the number that their membranes carry. Where a cell reaches out of the slab
        sideways, its scatterers end there and its compartments' volumes are those within.

    Raises
    ------
    PackingError
        If the ice is too thin for a body or holds no room for it.
    ParameterError
        If hardly any liposome of a population fits into the ice.
    """
    drafts = [draft for params in cells for draft in draft_cells(params, rng)]
    central = len(drafts) == 1
    thickness = (box.shape_zyx[0] - 2) * box.voxel_angstrom - 2 * clearance_angstrom
    height = size_angstrom_xyz[2] if ice is None else float(ice.thickness_angstrom_yx.mean())
    volume = size_angstrom_xyz[0] * size_angstrom_xyz[1] * height
    vesicles = [
        draft
        for params in liposomes
        for draft in draft_liposomes(params, volume_angstrom3=volume, room_angstrom=thickness, rng=rng)
    ]
    drafts += sorted(vesicles, key=lambda draft: -draft.shape.radius_angstrom)
    placed: list[Draft] = []
    for number, draft in enumerate(drafts):
        placed.append(
            find_place(
                draft,
                box,
                placed,
                size_angstrom_xyz=size_angstrom_xyz,
                ice=ice,
                central=central and number == 0,
                clearance_angstrom=clearance_angstrom,
                rng=rng,
            )
        )
    bodies = []
    for number, draft in enumerate(placed):
        body = _build(draft, number, box, size_angstrom_xyz, structures, clearance_angstrom, rng)
        bodies.append(body if contents_later else _with_contents(body, rng))
        progress.step("vesicles and cells", number + 1, len(placed))
    return tuple(bodies)


def _build(
    draft: Draft,
    number: int,
    box: PackingBox,
    size_angstrom_xyz: tuple[float, float, float],
    structures: Mapping[str, Structure],
    clearance_angstrom: float,
    rng: np.random.Generator,
) -> Body:
    membranes = tuple(
        make_membrane(skin.shape, name=skin.name, body=number, profile=skin.profile) for skin in draft.skins
    )
    regions = draft.compartments(draft.skins).items()
    compartments = {name: _in_slab(region, size_angstrom_xyz) for name, region in regions}
    embedded = embed(
        draft.skins,
        _part_in_slab(draft.components, membranes, size_angstrom_xyz),
        box,
        structures,
        size_angstrom_xyz=size_angstrom_xyz,
        clearance_angstrom=clearance_angstrom,
        rng=rng,
    )
    occupied = occupied_region(embedded)
    lipids = tuple(
        make_lipids(skin.shape, skin.profile, name=f"lipids of {skin.name}", rng=rng) for skin in draft.skins
    )

    def contents(free: Mapping[str, Region], rng: np.random.Generator) -> Content:
        filaments, matter = draft.contents(draft.skins, {n: _less(r, occupied) for n, r in free.items()}, rng)
        return filaments, tuple(_cut(part, size_angstrom_xyz, occupied) for part in matter)

    whole = _in_slab(draft.whole, size_angstrom_xyz)
    return Body(
        kind=draft.kind,
        membranes=membranes,
        compartments=compartments,
        whole=whole,
        molecules=embedded.molecules,
        placements=embedded.placements,
        scatterers=tuple(_cut(part, size_angstrom_xyz, occupied) for part in lipids),
        components=draft.components,
        share=whole.volume_angstrom3 / draft.whole.volume_angstrom3,
        contents=contents,
    )


def _with_contents(body: Body, rng: np.random.Generator) -> Body:
    filaments, matter = body.contents(body.compartments, rng) if body.contents is not None else ((), ())
    return replace(body, filaments=filaments, scatterers=(*body.scatterers, *matter), contents=None)


def _part_in_slab(
    components: tuple[Component, ...], membranes: tuple[Membrane, ...], size_angstrom_xyz: tuple[float, float, float]
) -> tuple[Component, ...]:
    """What the parts of membranes within the slab are to hold: their share of the copies in the whole body."""
    half = np.asarray(size_angstrom_xyz[:2]) / 2
    shares = {}
    for name in {membrane.name for membrane in membranes}:
        vertices = np.concatenate([m.vertices_angstrom_xyz[:, :2] for m in membranes if m.name == name])
        shares[name] = float((np.abs(vertices) <= half).all(axis=1).mean())
    return tuple(
        replace(component, copies=round((component.copies or 0) * shares[component.compartment]))
        for component in components
        if component.compartment in shares
    )


def _less(region: Region, occupied: Region | None) -> Region:
    """A region without what proteins of the membranes take of it; its volume is left as it was."""
    if occupied is None:
        return region
    return replace(region, contains=lambda points: region.contains(points) & ~occupied.contains(points))


def _in_slab(region: Region, size_angstrom_xyz: tuple[float, float, float]) -> Region:
    """The part of a region within the slab's sides."""
    half = np.asarray(size_angstrom_xyz) / 2
    lower, upper = np.asarray(region.lower_angstrom_xyz), np.asarray(region.upper_angstrom_xyz)
    if (lower >= -half).all() and (upper <= half).all():
        return region
    spacing = np.cbrt(np.prod(upper - lower) / LATTICE_POINTS)
    axes = [np.arange(low + spacing / 2, high, spacing) for low, high in zip(lower, upper, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = lattice[region.contains(lattice)]
    share = float((np.abs(inside) <= half).all(axis=1).mean()) if len(inside) else 0.0

    def contains(points: Floats) -> NDArray[np.bool_]:
        return region.contains(points) & (np.abs(points) <= half).all(axis=1)

    first, last = np.maximum(lower, -half), np.minimum(upper, half)
    return Region(
        contains=contains,
        lower_angstrom_xyz=(float(first[0]), float(first[1]), float(first[2])),
        upper_angstrom_xyz=(float(last[0]), float(last[1]), float(last[2])),
        volume_angstrom3=region.volume_angstrom3 * share,
    )


def _cut(scatterers: Scatterers, size_angstrom_xyz: tuple[float, float, float], occupied: Region | None) -> Scatterers:
    """Leave out what lies beyond the slab's sides or where embedded proteins are."""
    positions = scatterers.positions_angstrom_xyz
    kept = np.asarray((np.abs(positions[:, :2]) <= np.asarray(size_angstrom_xyz[:2]) / 2).all(axis=1))
    if occupied is not None:
        for start in range(0, len(positions), POINTS_AT_ONCE):
            part = slice(start, start + POINTS_AT_ONCE)
            kept[part] &= ~occupied.contains(positions[part].astype(np.float64))
    if bool(kept.all()):
        return scatterers
    return replace(
        scatterers,
        positions_angstrom_xyz=positions[kept],
        strengths_volt_angstrom3=scatterers.strengths_volt_angstrom3[kept],
    )
