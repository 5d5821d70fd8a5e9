"""Masks of a simulated run: every voxel of the field of view with its class, individual and leaflet."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.ome_zarr import write_mask_zarr
from tomoset.geometry import Grid
from tomoset.microscope import MicroscopeParams
from tomoset.model import PickableObject, Progress, Resources, Specimen
from tomoset.structures import Structure, label_volume

__all__ = ["field_grid", "mask_labels", "save_truth_masks"]


def field_grid(params: MicroscopeParams, thickness_angstrom: float, voxel_size_angstrom: float) -> Grid:
    """Grid about the specimen's origin that holds what the untilted view shows of the slab."""
    axis = math.radians(params.tilt_axis_deg)
    height, width = (n * params.pixel_size_angstrom for n in params.frame_shape_yx)
    across = width * abs(math.cos(axis)) + height * abs(math.sin(axis))
    along = width * abs(math.sin(axis)) + height * abs(math.cos(axis))
    nx, ny, nz = (2 * round(size / voxel_size_angstrom / 2) for size in (across, along, thickness_angstrom))
    return Grid(shape_zyx=(nz, ny, nx), voxel_size_angstrom=voxel_size_angstrom)


def mask_labels(specimen: Specimen, objects: Sequence[PickableObject]) -> dict[str, int]:
    """Value of each species and membrane in the semantic mask: the objects' own labels, then whatever else there is."""
    labels = {item.name: item.label for item in objects}
    names = [*(m.species for m in specimen.molecules), *(m.name for m in specimen.membranes)]
    unnamed = sorted(set(names) - set(labels))
    first = max(labels.values(), default=0) + 1
    return labels | {name: first + i for i, name in enumerate(unnamed)}


def save_truth_masks(
    folder: Path,
    specimen: Specimen,
    structures: Mapping[str, Structure],
    objects: Sequence[PickableObject],
    grid: Grid,
    *,
    resources: Resources,
    progress: Progress,
) -> list[Path]:
    """Write ``semantic.zarr``, ``instance.zarr``, ``leaflet.zarr`` (where there are membranes) and ``masks.json``.

    Parameters
    ----------
    folder : Path
        Of the run's truth.
    specimen : Specimen
    structures : mapping of str to Structure
        Of every species.
    objects : sequence of PickableObject
        Give the classes' values.
    grid : Grid
        Specimen frame: its voxel N // 2 lies at the specimen's origin.
    resources, progress
        Volumes beyond 256 MiB are mapped from files.
    """
    labels = mask_labels(specimen, objects)
    volumes = label_volume(
        grid.shape_zyx,
        grid.voxel_size_angstrom,
        molecules=[(m, structures[m.species], labels[m.species]) for m in specimen.molecules],
        membranes=[(m, labels[m.name]) for m in specimen.membranes],
        origin_angstrom_xyz=-grid.volume_from_specimen(np.zeros(3)),
        progress=progress,
        allocate=resources.allocate,
    )
    masks = {"semantic": volumes.semantic_zyx, "instance": volumes.instance_zyx, "leaflet": volumes.leaflet_zyx}
    paths = [
        write_mask_zarr(folder / f"{name}.zarr", mask, grid, name=name)
        for name, mask in masks.items()
        if mask is not None
    ]
    document = {
        "voxel_size_angstrom": grid.voxel_size_angstrom,
        "shape_zyx": list(grid.shape_zyx),
        "labels": labels,
        "symmetry": {m.species: structures[m.species].symmetry for m in specimen.molecules},
        "instances": [dataclasses.asdict(row) for row in volumes.instances if row.voxels],
    }
    return [*paths, write_json_atomic(folder / "masks.json", document)]
