"""The specimen as labels: which class and which copy each voxel of a volume belongs to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tomoset.errors import ParameterError, PixelSizeError
from tomoset.model import Membrane, Molecules, Progress, Silent, allocate_in_memory
from tomoset.structures.envelope import Envelope, make_envelope
from tomoset.structures.structure import Structure

__all__ = ["LabelVolumes", "LabelledInstance", "label_volume"]

HEAD_HALF_WIDTH_ANGSTROM = (
    5.0  # of the head groups beyond the phosphates' plane: 48 Å for a bilayer of 38 Å from P to P
)
SLAB_VOXELS = 8_000_000
LARGEST_LABEL, LARGEST_INSTANCE = np.iinfo(np.uint16).max, np.iinfo(np.uint32).max

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledInstance:
    """One thing in a label volume.

    Parameters
    ----------
    instance : int
        Its number in ``LabelVolumes.instance_zyx``.
    kind : {"molecule", "filament", "membrane"}
    species : str
        Of the molecule or the filament's subunits; the membrane's name.
    label : int
        Its class in ``LabelVolumes.semantic_zyx``.
    group, index : int
        Which of the ``molecules`` (of the ``membranes``) handed in, and which copy in it; of a filament its
        ``filament_index``; of a membrane 0.
    compartment : str
        Where it lies; of a membrane empty.
    voxels : int
        How many are its; 0 if it lies outside the volume.
    """

    instance: int
    kind: Literal["molecule", "filament", "membrane"]
    species: str
    label: int
    group: int
    index: int
    compartment: str
    voxels: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelVolumes:
    """Labels of every voxel.

    Parameters
    ----------
    semantic_zyx : (z, y, x) array of uint8 or uint16
        Class; 0 is background.
    instance_zyx : (z, y, x) array of uint32
        Instance; 0 is background.
    leaflet_zyx : (z, y, x) array of int8 or None
        +1 in a membrane's outer leaflet, -1 in its inner one, 0 elsewhere; None without membranes.
    instances : tuple of LabelledInstance
        In the order of their numbers, none left out.
    """

    semantic_zyx: NDArray[Any]
    instance_zyx: NDArray[np.uint32]
    leaflet_zyx: NDArray[np.int8] | None
    instances: tuple[LabelledInstance, ...]


def label_volume(
    shape_zyx: tuple[int, int, int],
    voxel_size_angstrom: float,
    *,
    molecules: Sequence[tuple[Molecules, Structure, int]] = (),
    membranes: Sequence[tuple[Membrane, int]] = (),
    origin_angstrom_xyz: ArrayLike,
    first_instance: int = 1,
    progress: Progress | None = None,
    allocate: Callable[[str, tuple[int, ...], DTypeLike], NDArray[Any]] = allocate_in_memory,
) -> LabelVolumes:
    """Labels of molecules and membranes on a grid.

    A voxel belongs to a molecule when its centre lies in the molecule's envelope: where the potential at 10 Å exceeds
    the level that encloses 1.23 Å3 per dalton, so that what is hollow stays background. Where envelopes overlap the
    nearest centre wins. A voxel belongs to a membrane when its centre lies within half the bilayer's thickness of the
    mid-surface and in no molecule; of two membranes the nearer one wins. Nothing depends on the order of what is handed
    in but the numbers. A molecule so small that it holds no voxel's centre gets the voxel of its densest point.

    Parameters
    ----------
    shape_zyx : tuple of int
        Of the volume.
    voxel_size_angstrom : float
        Edge of a voxel, Å.
    molecules : sequence of (Molecules, Structure, int)
        Copies, what they look like, and their class (1 and above). The subunits of a filament share one instance.
    membranes : sequence of (Membrane, int)
        Each is one instance; its bilayer reaches 5 Å beyond the head groups' plane.
    origin_angstrom_xyz : (3,) array of float
        Where the centre of voxel (0, 0, 0) lies in the molecules' frame, Å.
    first_instance : int
        Number of the first instance, at least 1.
    progress : Progress, optional
    allocate : callable
        ``(name, shape, dtype) -> zeroed array``, for volumes that shall not stay in memory. Beside them a slab of some
        eight million voxels is worked on at a time.

    Raises
    ------
    ParameterError
        If a class is not between 1 and 65535, or numbers of instances do not fit.
    PixelSizeError
        If the voxel size is not positive.
    """
    _check(voxel_size_angstrom, [item[2] for item in molecules] + [item[1] for item in membranes], first_instance)
    origin = np.asarray(origin_angstrom_xyz, dtype=np.float64)
    rows: list[LabelledInstance] = []
    species = []
    envelopes: dict[int, Envelope] = {}  # one structure may be found in several compartments
    for group, (copies, structure, label) in enumerate(molecules):
        numbers = _number(rows, group, copies, label, first_instance)
        if len(copies):
            if id(structure) not in envelopes:
                envelopes[id(structure)] = make_envelope(structure, voxel_size_angstrom)
            species.append(_place(copies, envelopes[id(structure)], numbers, voxel_size_angstrom, origin))
    sheets = []
    for group, (membrane, label) in enumerate(membranes):
        number = first_instance + len(rows)
        rows.append(_row(number, "membrane", membrane.name, label, group, 0, ""))
        sheets.append(_sheet(membrane, number, voxel_size_angstrom, origin))
    if first_instance + len(rows) > LARGEST_INSTANCE:
        raise ParameterError(
            f"labels: expected instances up to {LARGEST_INSTANCE}, got {len(rows)} from {first_instance}"
        )
    labels = np.array([row.label for row in rows], dtype=np.uint16)
    canvas = _Canvas(
        semantic_zyx=allocate("labels_semantic", shape_zyx, np.uint8 if labels.max(initial=0) < 256 else np.uint16),
        instance_zyx=allocate("labels_instance", shape_zyx, np.uint32),
        leaflet_zyx=allocate("labels_leaflet", shape_zyx, np.int8) if membranes else None,
        labels=labels,
        counts=np.zeros(len(rows), dtype=np.int64),
        first_instance=first_instance,
    )
    _paint(canvas, species, sheets, progress or Silent())
    _seat_the_smallest(canvas, species, rows)
    return LabelVolumes(
        semantic_zyx=canvas.semantic_zyx,
        instance_zyx=canvas.instance_zyx,
        leaflet_zyx=canvas.leaflet_zyx,
        instances=tuple(replace(row, voxels=int(n)) for row, n in zip(rows, canvas.counts, strict=True)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Canvas:
    """The volumes being painted, each instance's class and how many voxels it has."""

    semantic_zyx: NDArray[Any]
    instance_zyx: NDArray[np.uint32]
    leaflet_zyx: NDArray[np.int8] | None
    labels: NDArray[np.uint16]
    counts: NDArray[np.int64]
    first_instance: int


@dataclass(frozen=True, slots=True, eq=False)
class _Species:
    """Copies of one species with their place in the volume, in voxels."""

    envelope: Envelope
    scale: float
    reach: float
    centres_zyx: Floats
    densest_zyx: Floats
    rotations: Floats
    instances: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """One membrane's triangles with their place in the volume, in voxels."""

    corners_xyz: Floats
    normals_xyz: Floats
    half_thickness: float
    instance: int


def _check(voxel_size_angstrom: float, labels: Sequence[int], first_instance: int) -> None:
    if not (np.isfinite(voxel_size_angstrom) and voxel_size_angstrom > 0):
        raise PixelSizeError(f"labels: expected a positive voxel size, got {voxel_size_angstrom:g} Å")
    wrong = [label for label in labels if not 1 <= label <= LARGEST_LABEL]
    if wrong or first_instance < 1:
        raise ParameterError(
            f"labels: expected classes between 1 and {LARGEST_LABEL} and a first instance of at least 1 (0 is "
            f"background), got {wrong[:3] or first_instance}"
        )


def _row(
    number: int,
    kind: Literal["molecule", "filament", "membrane"],
    name: str,
    label: int,
    group: int,
    index: int,
    at: str,
) -> LabelledInstance:
    return LabelledInstance(
        instance=number, kind=kind, species=name, label=label, group=group, index=index, compartment=at, voxels=0
    )


def _number(
    rows: list[LabelledInstance], group: int, molecules: Molecules, label: int, first_instance: int
) -> NDArray[np.uint32]:
    """Instance of each copy, (n,); new rows for those that have none, one for all subunits of a filament."""
    of_filament = {row.index: row.instance for row in rows if row.kind == "filament"}
    numbers = np.empty(len(molecules), dtype=np.uint32)
    for i in range(len(molecules)):
        filament = -1 if molecules.filament_index is None else int(molecules.filament_index[i])
        if filament in of_filament:
            numbers[i] = of_filament[filament]
            continue
        numbers[i] = first_instance + len(rows)
        kind: Literal["molecule", "filament"] = "molecule" if filament < 0 else "filament"
        index = i if filament < 0 else filament
        rows.append(_row(int(numbers[i]), kind, molecules.species, label, group, index, molecules.compartment))
        if filament >= 0:
            of_filament[filament] = int(numbers[i])
    return numbers


def _place(
    molecules: Molecules, envelope: Envelope, instances: NDArray[np.uint32], voxel: float, origin: Floats
) -> _Species:
    centres = molecules.positions_angstrom_xyz
    densest = centres + molecules.rotations @ envelope.densest_angstrom_xyz
    return _Species(
        envelope=envelope,
        scale=voxel / envelope.voxel_size_angstrom,
        reach=envelope.reach_angstrom / voxel,
        centres_zyx=np.ascontiguousarray(((centres - origin) / voxel)[:, ::-1]),
        densest_zyx=((densest - origin) / voxel)[:, ::-1],
        rotations=np.ascontiguousarray(molecules.rotations, dtype=np.float64),
        instances=instances,
    )


def _sheet(membrane: Membrane, number: int, voxel: float, origin: Floats) -> _Sheet:
    vertices = (membrane.vertices_angstrom_xyz - origin) / voxel
    return _Sheet(
        corners_xyz=np.ascontiguousarray(vertices[membrane.faces], dtype=np.float64),
        normals_xyz=np.ascontiguousarray(membrane.normals[membrane.faces], dtype=np.float64),
        half_thickness=(membrane.profile.head_offset_angstrom + HEAD_HALF_WIDTH_ANGSTROM) / voxel,
        instance=number,
    )


def _paint(canvas: _Canvas, species: Sequence[_Species], sheets: Sequence[_Sheet], progress: Progress) -> None:
    """Slab by slab: molecules, membranes, then which of them stands."""
    from tomoset.structures import _mask_kernels

    nz, ny, nx = canvas.instance_zyx.shape
    planes = min(nz, max(1, SLAB_VOXELS // (ny * nx)))
    for first in range(0, nz, planes):
        slab = slice(first, min(first + planes, nz))
        instance_zyx = np.zeros((slab.stop - first, ny, nx), dtype=np.uint32)
        semantic_zyx = np.zeros(instance_zyx.shape, dtype=np.uint16)
        _paint_molecules(species, instance_zyx, first)
        owner_zyx, leaflet_zyx = _painted_membranes(sheets, instance_zyx.shape, first)
        _mask_kernels.settle(
            instance_zyx, semantic_zyx, leaflet_zyx, owner_zyx, canvas.labels, canvas.first_instance, canvas.counts
        )
        canvas.instance_zyx[slab] = instance_zyx
        canvas.semantic_zyx[slab] = semantic_zyx
        if canvas.leaflet_zyx is not None and leaflet_zyx.size:
            canvas.leaflet_zyx[slab] = leaflet_zyx
        progress.step("label planes", slab.stop, nz)


def _paint_molecules(species: Sequence[_Species], instance_zyx: NDArray[np.uint32], first: int) -> None:
    from tomoset.structures import _mask_kernels

    nearest_zyx = np.full(instance_zyx.shape, np.inf, dtype=np.float32)
    for one in species:
        z = one.centres_zyx[:, 0]
        here = np.flatnonzero((z + one.reach >= first) & (z - one.reach <= first + len(instance_zyx) - 1))
        _mask_kernels.stamp_molecules(
            instance_zyx,
            nearest_zyx,
            first,
            one.centres_zyx[here],
            one.rotations[here],
            one.instances[here],
            one.envelope.level_zyx,
            one.scale,
            one.reach,
        )


def _painted_membranes(
    sheets: Sequence[_Sheet], shape_zyx: tuple[int, ...], first: int
) -> tuple[NDArray[np.uint32], NDArray[np.int8]]:
    """Instance of the membrane and its leaflet in each voxel of a slab; empty arrays where there is no membrane."""
    from tomoset.structures import _mask_kernels

    found = []
    for sheet in sheets:
        z = sheet.corners_xyz[:, :, 2]
        low, high = z.min(axis=1) - sheet.half_thickness, z.max(axis=1) + sheet.half_thickness
        found.append(np.flatnonzero((high >= first) & (low <= first + shape_zyx[0] - 1)))
    shape = shape_zyx if any(len(here) for here in found) else (0, 0, 0)
    owner_zyx, leaflet_zyx = np.zeros(shape, dtype=np.uint32), np.zeros(shape, dtype=np.int8)
    nearest_zyx = np.full(shape, np.inf, dtype=np.float32)
    for sheet, here in zip(sheets, found, strict=True):
        if len(here):
            _mask_kernels.mark_membranes(
                owner_zyx,
                leaflet_zyx,
                nearest_zyx,
                first,
                sheet.corners_xyz[here],
                sheet.normals_xyz[here],
                sheet.half_thickness,
                sheet.instance,
            )
    return owner_zyx, leaflet_zyx


def _seat_the_smallest(canvas: _Canvas, species: Sequence[_Species], rows: Sequence[LabelledInstance]) -> None:
    """Give the voxel of its densest point to each molecule that has none, unless that is another's only one."""
    shape = np.array(canvas.instance_zyx.shape)
    waiting = []
    for one in species:
        for copy in np.flatnonzero(canvas.counts[one.instances - np.uint32(canvas.first_instance)] == 0):
            voxel = np.rint(one.densest_zyx[copy]).astype(np.int64)
            if rows[one.instances[copy] - canvas.first_instance].kind == "molecule" and np.all(
                (voxel >= 0) & (voxel < shape)
            ):
                waiting.append((tuple(one.densest_zyx[copy]), tuple(voxel.tolist()), int(one.instances[copy])))
    for _, voxel, number in sorted(waiting):  # by place, so that the order handed in does not matter
        known = int(canvas.instance_zyx[voxel])
        if known and canvas.counts[known - canvas.first_instance] == 1:
            continue
        if known:
            canvas.counts[known - canvas.first_instance] -= 1
        canvas.counts[number - canvas.first_instance] += 1
        canvas.instance_zyx[voxel] = number
        canvas.semantic_zyx[voxel] = canvas.labels[number - canvas.first_instance]
        if canvas.leaflet_zyx is not None:
            canvas.leaflet_zyx[voxel] = 0
