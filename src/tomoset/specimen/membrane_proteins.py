"""Proteins embedded in membranes, and the room they take from lipids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.model import CompositionRow, Molecules
from tomoset.specimen.components import MEMBRANE_COMPARTMENTS, Component
from tomoset.specimen.envelopes import Skin
from tomoset.specimen.packing import PackingBox
from tomoset.specimen.poses import Solid, make_solid
from tomoset.specimen.regions import Region
from tomoset.specimen.shapes import Shape
from tomoset.specimen.surface_mesh import mesh_of, triangle_areas
from tomoset.structures import Structure

__all__ = ["Embedded", "embed", "occupied_region", "places_on"]

FAILURES_BEFORE_GIVING_UP = 3000
PLACES_AT_ONCE = 256
SAMPLING_EDGE_ANGSTROM = 50.0
LIPID_RADIUS_ANGSTROM = 3.0
FINEST_OCCUPANCY_ANGSTROM, MOST_OCCUPANCY_BYTES = 4.0, 60e6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """The proteins of one body's membranes.

    Parameters
    ----------
    molecules : tuple of Molecules
        One entry a component, ``compartment`` being the membrane's name.
    placements : tuple of CompositionRow
        Requested versus placed, in the same order; without concentrations, as a membrane has no volume.
    points_angstrom_xyz : (n, 3) array of float64
        Points that stand for their atoms, specimen frame.
    ball_radius_angstrom : float
        Radius of the ball about each of them.
    """

    molecules: tuple[Molecules, ...]
    placements: tuple[CompositionRow, ...]
    points_angstrom_xyz: Floats
    ball_radius_angstrom: float


def embed(
    skins: Sequence[Skin],
    components: Sequence[Component],
    box: PackingBox,
    structures: Mapping[str, Structure],
    *,
    size_angstrom_xyz: tuple[float, float, float],
    clearance_angstrom: float,
    rng: np.random.Generator,
) -> Embedded:
    """Place the components of a body's membranes, the largest species first.

    Parameters
    ----------
    skins : sequence of Skin
        Its membranes.
    components : sequence of Component
        Those of other compartments are passed over.
    box : PackingBox
        What is taken; on return the proteins are too.
    structures : mapping of str to Structure
    size_angstrom_xyz : (3,) tuple of float
        The slab: no centre lies beyond its sides.
    clearance_angstrom : float
        Least gap between molecules.
    rng : numpy.random.Generator

    Notes
    -----
    A protein's z axis points along the membrane's outward normal, its spin about it is uniform, its centre evenly
    distributed over the area, ``membrane_offset_angstrom`` above the mid-surface. A species ends short of its number
    after 3000 places in a row were taken.
    """
    wanted = [c for c in components if c.compartment in MEMBRANE_COMPARTMENTS]
    if not wanted:
        return Embedded(molecules=(), placements=(), points_angstrom_xyz=np.empty((0, 3)), ball_radius_angstrom=0.0)
    solids = {name: make_solid(structure, box.voxel_angstrom) for name, structure in structures.items()}
    # What will come near is not known yet: any of the molecules may.
    largest_ball = max(solid.ball_radius_angstrom for solid in solids.values())
    placed: dict[int, Molecules] = {}
    points: list[Floats] = [np.empty((0, 3))]
    for index in sorted(range(len(wanted)), key=lambda i: -solids[wanted[i].species].volume_angstrom3):
        component, solid = wanted[index], solids[wanted[index].species]
        keep_off = clearance_angstrom + solid.ball_radius_angstrom + largest_ball
        shapes = [skin.shape for skin in skins if skin.name == component.compartment]
        placed[index] = _insert(box, component, solid, shapes, keep_off, size_angstrom_xyz, rng)
        points.append(_points_of(solid, placed[index].positions_angstrom_xyz, placed[index].rotations))
    return Embedded(
        molecules=tuple(placed[index] for index in range(len(wanted))),
        placements=tuple(
            CompositionRow(
                species=component.species,
                mass_kda=structures[component.species].mass_kda,
                requested_mg_per_ml=0.0,
                requested_copies=component.copies or 0,
                placed_copies=len(placed[index]),
                placed_mg_per_ml=0.0,
                compartment=component.compartment,
                note=component.note,
            )
            for index, component in enumerate(wanted)
        ),
        points_angstrom_xyz=np.concatenate(points),
        ball_radius_angstrom=max(solids[component.species].ball_radius_angstrom for component in wanted),
    )


def _insert(
    box: PackingBox,
    component: Component,
    solid: Solid,
    shapes: Sequence[Shape],
    keep_off_angstrom: float,
    size_angstrom_xyz: tuple[float, float, float],
    rng: np.random.Generator,
) -> Molecules:
    copies = component.copies or 0
    reach = keep_off_angstrom + np.sqrt(3.0) / 2 * box.voxel_angstrom  # as in packing: points lie anywhere in a voxel
    half_xy = np.asarray(size_angstrom_xyz[:2]) / 2
    positions: list[Floats] = []
    rotations: list[Floats] = []
    failures = 0
    while shapes and len(positions) < copies and failures < FAILURES_BEFORE_GIVING_UP:
        feet, turns = places_on(shapes, PLACES_AT_ONCE, rng)
        centres = feet + component.membrane_offset_angstrom * turns[:, :, 2]
        for centre, turn in zip(centres, turns, strict=True):
            atoms = solid.points_angstrom_xyz @ turn.T + centre
            if len(positions) == copies or failures >= FAILURES_BEFORE_GIVING_UP:
                break
            if (np.abs(centre[:2]) > half_xy).any() or not box.are_free(atoms):
                failures += 1
                continue
            box.mark_points(atoms, reach)
            positions.append(centre)
            rotations.append(turn)
            failures = 0
    return Molecules(
        species=component.species,
        positions_angstrom_xyz=np.array(positions).reshape(-1, 3),
        rotations=np.array(rotations).reshape(-1, 3, 3),
        compartment=component.compartment,
    )


def places_on(shapes: Sequence[Shape], n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Places evenly distributed over the area of surfaces, and rotations that turn z to the outward normal there.

    Parameters
    ----------
    shapes : sequence of Shape
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    positions_angstrom_xyz : (n, 3) array of float64
        On the surfaces, within 0.01 Å.
    rotations : (n, 3, 3) array of float64
        With uniformly random spin about the normal.
    """
    meshes = [mesh_of(shape, edge_angstrom=SAMPLING_EDGE_ANGSTROM) for shape in shapes]
    areas = [triangle_areas(mesh.vertices_angstrom_xyz, mesh.faces) for mesh in meshes]
    owner = rng.choice(len(shapes), size=n, p=np.array([a.sum() for a in areas]) / sum(a.sum() for a in areas))
    feet, normals = np.empty((n, 3)), np.empty((n, 3))
    for index, (shape, mesh, area) in enumerate(zip(shapes, meshes, areas, strict=True)):
        mine = np.flatnonzero(owner == index)
        face = mesh.faces[rng.choice(len(area), size=len(mine), p=area / area.sum())]
        root, share = np.sqrt(rng.random(len(mine))), rng.random(len(mine))
        weights = np.stack([1 - root, root * (1 - share), root * share], axis=-1)
        foot = np.einsum("mk,mkd->md", weights, mesh.vertices_angstrom_xyz[face])
        for _ in range(2):  # from the flat triangle to the surface
            foot -= shape.heights(foot)[:, None] * shape.normals(foot)
        feet[mine], normals[mine] = foot, shape.normals(foot)
    return feet, _turned_to(normals, rng)


def _turned_to(normals: Floats, rng: np.random.Generator) -> Floats:
    across = rng.standard_normal(normals.shape)
    across -= np.einsum("nd,nd->n", across, normals)[:, None] * normals
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    return np.stack([across, np.cross(normals, across), normals], axis=-1)


def _points_of(solid: Solid, positions: Floats, rotations: Floats) -> Floats:
    turned = np.einsum("cij,nj->cni", rotations, solid.points_angstrom_xyz)
    return np.asarray((turned + positions[:, None]).reshape(-1, 3))


def occupied_region(embedded: Embedded) -> Region | None:
    """The room of embedded proteins, which lipids and nucleic acid keep out of; None where there are none."""
    points = embedded.points_angstrom_xyz
    if not len(points):
        return None
    reach = embedded.ball_radius_angstrom + LIPID_RADIUS_ANGSTROM
    lower, upper = points.min(axis=0) - 2 * reach, points.max(axis=0) + 2 * reach
    extent, middle = upper - lower, (lower + upper) / 2
    centre = (float(middle[0]), float(middle[1]), float(middle[2]))
    voxel = max(FINEST_OCCUPANCY_ANGSTROM, float(np.cbrt(np.prod(extent) / 8 / MOST_OCCUPANCY_BYTES)))
    own = PackingBox.empty((float(extent[0]), float(extent[1]), float(extent[2])), voxel, centre)
    own.mark_points(points, reach)

    def contains(places: Floats) -> NDArray[np.bool_]:
        result = ((places > lower) & (places < upper)).all(axis=1)
        index = np.floor(own.voxels_zyx(places[result]) + 0.5).astype(np.int64)
        index = np.clip(index, 0, np.array(own.shape_zyx) - 1)
        bytes_there = own.bits_zyb[index[:, 0], index[:, 1], index[:, 2] >> 3]
        result[result] = (bytes_there >> (index[:, 2] & 7).astype(np.uint8)) & 1
        return result

    return Region(
        contains=contains,
        lower_angstrom_xyz=(float(lower[0]), float(lower[1]), float(lower[2])),
        upper_angstrom_xyz=(float(upper[0]), float(upper[1]), float(upper[2])),
    )
