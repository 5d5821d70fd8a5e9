"""Membranes and compartments as masks on the tomogram's own grid, slab by slab."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.membranes.closing import SurfacePoints
from tomoset.annotation.membranes.naming import NamedMembrane
from tomoset.annotation.membranes.star_surface import StarSurface
from tomoset.geometry import Grid
from tomoset.model import COMPARTMENTS, PickableObject, Progress, Resources

__all__ = ["MembraneMasks", "Sheet", "paint_membranes"]

SLAB_VOXELS = 8_000_000
TABLE_STEP_ANGSTROM = 30.0
FEWEST_ROWS, MOST_ROWS = 31, 181


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """An open patch of membrane: its points with a probability each, its class, and how wide a point's disc is."""

    points: SurfacePoints
    probabilities: NDArray[np.float64]
    item: PickableObject
    disc_radius_angstrom: float


@dataclass(frozen=True, slots=True, eq=False)
class MembraneMasks:
    """Class values, numbers of individuals, probabilities and compartments of every voxel."""

    semantic_zyx: NDArray[np.uint8]
    instance_zyx: NDArray[np.uint32]
    probability_zyx: NDArray[np.float32]
    compartment_zyx: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """A closed surface over polar angle and azimuth, in voxels: radii, cosines of ray and normal, probabilities."""

    values: NDArray[np.float32]
    centre_zyx: NDArray[np.float64]
    half_thickness: float


def paint_membranes(
    grid: Grid, named: Sequence[NamedMembrane], sheets: Sequence[Sheet], resources: Resources, progress: Progress
) -> MembraneMasks:
    """Number the closed membranes from 1 in the order given (outer ones first), then the sheets."""
    from tomoset.annotation.membranes import _mark_kernels

    shape, voxel = grid.shape_zyx, grid.voxel_size_angstrom
    tables = [_tables(item.closed.surface, item.item.radius_angstrom, voxel) for item in named]
    values = np.array([0, *(item.item.label for item in named), *(sheet.item.label for sheet in sheets)], np.uint8)
    codes = np.array([0, *(COMPARTMENTS[item.inside] for item in named)], dtype=np.uint8)
    masks = MembraneMasks(
        resources.allocate("membranes_semantic", shape, np.uint8),
        resources.allocate("membranes_instance", shape, np.uint32),
        resources.allocate("membranes_probability", shape, np.float32),
        resources.allocate("membranes_compartment", shape, np.uint8),
    )
    planes = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    for first in range(0, shape[0], planes):
        last = min(first + planes, shape[0])
        slab = (last - first, *shape[1:])
        nearest, depth = np.full(slab, np.inf, np.float32), np.zeros(slab, np.uint32)
        instance, probability = np.zeros(slab, np.uint32), np.zeros(slab, np.float32)
        for number, table in enumerate(tables, start=1):
            centre = table.centre_zyx - np.array([first, 0, 0])
            bounds = _bounds(table, centre, slab)
            _mark_kernels.mark_shell(
                nearest,
                instance,
                probability,
                depth,
                bounds,
                centre,
                table.values,
                number,
                table.half_thickness,
            )
        for number, sheet in enumerate(sheets, start=len(named) + 1):
            _mark_sheet(sheet, number, voxel, first, (nearest, instance, probability))
        masks.instance_zyx[first:last] = instance
        masks.probability_zyx[first:last] = probability
        masks.semantic_zyx[first:last] = values[instance]
        masks.compartment_zyx[first:last] = np.where(instance > 0, COMPARTMENTS["membrane"], codes[depth])
        progress.step("paint membranes", last, shape[0])
    return masks


def _mark_sheet(
    sheet: Sheet, number: int, voxel: float, first: int, slab: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
) -> None:
    from tomoset.annotation.membranes import _mark_kernels

    nearest, instance, probability = slab
    places = sheet.points.positions_angstrom_xyz[:, ::-1] / voxel - np.array([first, 0, 0])
    radius, half = sheet.disc_radius_angstrom / voxel, sheet.item.radius_angstrom / voxel
    here = (places[:, 0] > -radius - half - 1) & (places[:, 0] < len(nearest) + radius + half + 1)
    if here.any():
        _mark_kernels.mark_discs(
            nearest,
            instance,
            probability,
            np.ascontiguousarray(places[here]),
            np.ascontiguousarray(sheet.points.normals[here, ::-1]),
            sheet.probabilities[here],
            number,
            half,
            radius,
        )


def _bounds(table: _Tables, centre_zyx: NDArray[np.float64], slab: tuple[int, ...]) -> NDArray[np.int64]:
    reach = float(table.values[0].max()) + 2 * table.half_thickness + 1
    corners = np.stack([np.floor(centre_zyx - reach), np.ceil(centre_zyx + reach) + 1])
    return np.clip(corners, 0, slab).astype(np.int64)


def _tables(surface: StarSurface, half_thickness_angstrom: float, voxel: float) -> _Tables:
    from scipy.special import erf

    rows = int(np.clip(np.pi * surface.mean_radius_angstrom / TABLE_STEP_ANGSTROM, FEWEST_ROWS, MOST_ROWS))
    polar, azimuth = np.linspace(0, np.pi, rows), np.arange(2 * rows) * np.pi / rows
    ring = np.sin(polar)[:, None]
    directions = np.stack(
        [ring * np.cos(azimuth), ring * np.sin(azimuth), np.broadcast_to(np.cos(polar)[:, None], (rows, 2 * rows))],
        axis=-1,
    ).reshape(-1, 3)
    cosine = np.clip(np.einsum("ni,ni->n", surface.normals(directions), directions), 0.2, 1.0)
    spread = np.hypot(surface.spreads_angstrom(directions) * cosine, surface.spread_angstrom)
    probability = erf(half_thickness_angstrom / (np.sqrt(2) * np.maximum(spread, 1e-3)))
    radii = surface.radii_angstrom(directions) / voxel
    values = np.stack([radii, cosine, probability]).reshape(3, rows, 2 * rows)
    return _Tables(
        np.ascontiguousarray(values, np.float32),
        surface.centre_angstrom_xyz[::-1] / voxel,
        half_thickness_angstrom / voxel,
    )
