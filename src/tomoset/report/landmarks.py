"""What a cross-section points at: picks of particles, or everything the simulated specimen truly holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation import specimen_frame
from tomoset.geometry import Grid
from tomoset.model import Labels, PickableObject, SeriesTruth, Tomogram

__all__ = ["Landmarks", "labeled_landmarks", "true_landmarks"]

_MEMBRANE_ARROWS = 4  # to each membrane of a vesicle or cell
_FILAMENT_STEP_ANGSTROM = 400.0
_STEEP = 0.5  # |normal z| below which a membrane crosses an XY section sharply


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmarks:
    """Places of one class.

    Parameters
    ----------
    item : PickableObject
        Its colour and radius.
    points_angstrom_xyz : (n, 3) array of float64
        Volume frame, Å.
    count : int
        How many individuals the tomogram holds.
    """

    item: PickableObject
    points_angstrom_xyz: NDArray[np.float64]
    count: int


def labeled_landmarks(sets: Sequence[Labels], objects: Sequence[PickableObject], grid: Grid) -> tuple[Landmarks, ...]:
    """Every particle that was picked, and every filament and membrane that was found, inside the volume."""
    return tuple(_labeled(item, sets, grid) for item in objects)


def _labeled(item: PickableObject, sets: Sequence[Labels], grid: Grid) -> Landmarks:
    filaments = [each for labels in sets for each in labels.filaments if each.object_name == item.name]
    membranes = [each for labels in sets for each in labels.membranes if each.object_name == item.name]
    if filaments:
        places = [_along(each.points_angstrom_xyz, each.length_angstrom) for each in filaments]
    elif membranes:
        places = [_crossings(each.vertices_angstrom_xyz, each.normals) for each in membranes]
    else:
        places = [labels.of(item.name).positions_angstrom_xyz for labels in sets]
    points = np.concatenate([np.zeros((0, 3)), *places])
    count = len(filaments) or len(membranes) or len(points)
    return Landmarks(item=item, points_angstrom_xyz=points[grid.contains(points)], count=count)


def true_landmarks(truth: SeriesTruth, tomogram: Tomogram) -> tuple[Landmarks, ...]:
    """Molecules, filaments and membranes of the specimen, in the tomogram's frame."""
    fit = specimen_frame(truth, tomogram)
    found = []
    for item in truth.objects:
        places = _places(truth, item)
        if places:
            points = tomogram.grid.volume_from_specimen(fit.apply(np.concatenate(places)))
            inside = tomogram.grid.contains(points)
            individual = np.repeat(np.arange(len(places)), [len(place) for place in places])
            count = len(np.unique(individual[inside]))
            found.append(Landmarks(item=item, points_angstrom_xyz=points[inside], count=count))
    return tuple(found)


def _places(truth: SeriesTruth, item: PickableObject) -> list[NDArray[np.float64]]:
    """Points of each individual of a class, specimen frame."""
    specimen = truth.specimen
    membranes = [membrane for membrane in specimen.membranes if membrane.name == item.name]
    if membranes:
        return [_crossings(membrane.vertices_angstrom_xyz, membrane.normals) for membrane in membranes]
    filaments = [filament for filament in specimen.filaments if filament.species == item.name]
    if filaments:
        return [_along(filament.curve_angstrom_xyz, filament.length_angstrom) for filament in filaments]
    molecules = [m.positions_angstrom_xyz for m in specimen.molecules if m.species == item.name]
    return list(np.concatenate(molecules)[:, None]) if molecules else []


def _along(curve_angstrom_xyz: NDArray[np.float64], length_angstrom: float) -> NDArray[np.float64]:
    """A point every 40 nm of a filament."""
    n = max(1, round(length_angstrom / _FILAMENT_STEP_ANGSTROM))
    return curve_angstrom_xyz[np.linspace(0, len(curve_angstrom_xyz) - 1, n + 2).round().astype(int)[1:-1]]


def _crossings(vertices: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """A few points around a membrane at every height, where it stands steep enough to be seen in a section."""
    azimuth = np.arctan2(normals[:, 1], normals[:, 0])
    spokes = 2 * np.pi * (np.arange(_MEMBRANE_ARROWS) + 0.5) / _MEMBRANE_ARROWS - np.pi
    near = np.abs(azimuth[:, None] - spokes).min(axis=1) < np.deg2rad(3.0)
    chosen = vertices[near & (np.abs(normals[:, 2]) < _STEEP)]
    return chosen if len(chosen) else vertices[:1]
