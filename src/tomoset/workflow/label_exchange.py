"""What is passed between readers and writers of other programs' labels, and which program's file is which."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tomoset.errors import GeometryError, InputMissingError, ParameterError
from tomoset.formats.amira_graph import is_amira_graph
from tomoset.formats.copick import replace_refused
from tomoset.formats.copick_filaments import FILAMENTS
from tomoset.formats.eman2_info import BOXES
from tomoset.formats.json_documents import read_json
from tomoset.formats.mask_volumes import MRC_SUFFIXES, open_grid
from tomoset.formats.meshes import MESH_SUFFIXES
from tomoset.formats.relion_tables import read_star
from tomoset.formats.stopgap_motl import STOPGAP_COLUMN
from tomoset.geometry import Grid
from tomoset.model import Labels, PickableObject

__all__ = [
    "ENDINGS",
    "UNKNOWN_RUN",
    "Frame",
    "LabelRequest",
    "check_frame",
    "class_names",
    "format_of_source",
    "format_of_target",
    "tidy_name",
]

ENDINGS = {
    "copick": ".json, or a project's folder",
    "portal": ".ndjson",
    "relion5": ".star",
    "relion4": ".star",
    "stopgap": ".star",
    "dynamo": ".tbl",
    "tom": ".em",
    "eman2": ".json",
    "cbox": ".cbox",
    "imod": ".mod",
    "csv": ".csv",
    "filaments": ".json",
    "amira": ".am",
    "amira-graph": ".am",
    "mrc": ".mrc",
    "zarr": ".zarr",
    "mesh": ".glb, .ply, .obj",
}
"""Formats by their names, and the endings of their files."""

_BY_SUFFIX = {
    ".ndjson": "portal",
    ".tbl": "dynamo",
    ".em": "tom",
    ".cbox": "cbox",
    ".mod": "imod",
    ".fid": "imod",
    ".csv": "csv",
    ".zarr": "zarr",
    ".labels": "amira",
    **dict.fromkeys(MRC_SUFFIXES, "mrc"),
    **dict.fromkeys(MESH_SUFFIXES, "mesh"),
}
UNKNOWN_RUN = "tomogram"
"""Run of labels whose file does not say it; with ``-`` and a number where tomograms are numbered."""

_VOXEL_TOLERANCE = 1e-3
# Truth holds particles whose centre lies beyond the volume; labels of another tomogram lie outside in large numbers.
_MOST_OUTSIDE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Labels of one tomogram.

    Parameters
    ----------
    labels : Labels
    grid : Grid or None
        Of the tomogram, where it is known.
    notes : tuple of str
        What the reader left out or took for granted, a sentence each.
    """

    labels: Labels
    grid: Grid | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRequest:
    """What the user said beside source and target; see :func:`tomoset.workflow.converting.convert_file`."""

    tomogram: Path | None = None
    name: str = ""
    run: str = ""
    user: str = ""
    session: str = ""
    pixel_size_angstrom: float | None = None
    radius_angstrom: float | None = None
    first_voxel: int | None = None
    source_format: str = ""
    target_format: str = ""
    objects: tuple[PickableObject, ...] = field(default=())

    def grid(self) -> Grid | None:
        """Grid of the tomogram, None where none was given.

        Raises
        ------
        InputMissingError
            If it is not there.
        """
        if self.tomogram is None:
            return None
        if not self.tomogram.exists():
            raise InputMissingError(f"--tomogram: expected an OME-Zarr folder or an MRC file, found no {self.tomogram}")
        return open_grid(self.tomogram)[1]

    def needed_grid(self, why: str) -> Grid:
        """Grid of the tomogram, or an error that says what it is needed for."""
        grid = self.grid()
        if grid is None:
            raise ParameterError(f"{why}: give the tomogram that the labels belong to with --tomogram")
        return grid

    def radius(self, name: str, default: float = 100.0) -> float:
        """Radius of a class, Å: as given, else of the project's object, else the default."""
        known = next((item.radius_angstrom for item in self.objects if item.name == name), default)
        return known if self.radius_angstrom is None else self.radius_angstrom


def format_of_source(source: Path, asked: str) -> str:
    """Format of a file: as asked, else by its ending and, where several share it, by what is in it.

    Empty where it holds no labels.

    Raises
    ------
    ParameterError
        If the format asked for is none.
    """
    _check_asked(asked)
    if asked:
        return asked
    if source.suffix == ".star":
        return _format_of_star(source)
    if source.suffix == ".json":
        document = read_json(source)
        return "filaments" if FILAMENTS in document else "eman2" if BOXES in document else "copick"
    if source.suffix == ".am":
        return "amira-graph" if is_amira_graph(source) else "amira"
    return _BY_SUFFIX.get(source.suffix, "copick" if (source / "copick_config.json").is_file() else "")


def _format_of_star(source: Path) -> str:
    columns = {"stopgap": STOPGAP_COLUMN, "relion5": "rlnCenteredCoordinateXAngst", "relion4": "rlnCoordinateX"}
    tables = read_star(source).values()
    return next((kind for kind, column in columns.items() if any(table.has(column) for table in tables)), "")


def format_of_target(target: Path, asked: str, frames: Sequence[Frame]) -> str:
    """Format to write: as asked, else by the ending and by what there is to write.

    Raises
    ------
    ParameterError
        If it is none that is written.
    """
    _check_asked(asked)
    if asked:
        return asked
    if target.suffix == ".star":
        return "relion5"
    if target.suffix == ".json" or (target / "copick_config.json").is_file():
        return "copick"
    if target.suffix == ".am":
        return "amira" if any(frame.labels.segmentations for frame in frames) else "amira-graph"
    if target.suffix in _BY_SUFFIX and target.suffix not in (".fid", ".stl"):
        return _BY_SUFFIX[target.suffix]
    raise ParameterError(
        f"{target}: expected a file that ends in {', '.join(sorted({*_BY_SUFFIX, '.star', '.json', '.am'}))}, or the "
        "folder of a copick project (with copick_config.json), for labels"
    )


def check_frame(frame: Frame, grid: Grid | None, source: str) -> tuple[str, ...]:
    """Refuse labels of another tomogram than the grid's; returns what is to be said of those that stay.

    Raises
    ------
    GeometryError
        If a position is not finite, voxel sizes or shapes differ, or a tenth or more of the positions lie outside.
    """
    labels = frame.labels
    points = [p.positions_angstrom_xyz for p in labels.picks] + [f.points_angstrom_xyz for f in labels.filaments]
    points += [m.vertices_angstrom_xyz for m in labels.membranes]
    together = np.concatenate([np.zeros((0, 3)), *points])
    lost = int(np.count_nonzero(~np.all(np.isfinite(together), axis=1)))
    if lost:
        raise GeometryError(
            f"{source}: expected finite positions, found NaN or infinity in {lost} of {len(together)}; leave those out"
        )
    if grid is None:
        return ()
    voxel = grid.voxel_size_angstrom
    if abs(labels.voxel_size_angstrom - voxel) > _VOXEL_TOLERANCE * voxel:
        raise GeometryError(
            f"{source}: expected labels of a tomogram of {voxel:g} Å, found those of one of "
            f"{labels.voxel_size_angstrom:g} Å; give the tomogram they were made on"
        )
    for each in labels.segmentations:
        if tuple(each.mask_zyx.shape) != grid.shape_zyx:
            raise GeometryError(
                f"{source}: expected a mask of the tomogram's {grid.shape_zyx} voxels (z, y, x), found "
                f"{tuple(each.mask_zyx.shape)}; give the tomogram it was made on"
            )
    outside = int(np.count_nonzero(~grid.contains(together)))
    if outside and outside >= _MOST_OUTSIDE * len(together):
        low, high = together.min(axis=0), together.max(axis=0)
        spans = ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))
        size = ", ".join(f"{n:.0f}" for n in grid.size_angstrom_xyz)
        raise GeometryError(
            f"{source}: expected positions inside the tomogram of {size} Å (x, y, z), found {outside} of "
            f"{len(together)} outside, x, y, z from {spans} Å; give the tomogram they belong to"
        )
    return (f"{outside} of {len(together)} positions lie outside the tomogram",) if outside else ()


def class_names(frames: Sequence[Frame]) -> tuple[str, ...]:
    """Classes of picks, filaments and membranes, in their order."""
    names: list[str] = []
    for frame in frames:
        names += [each.object_name for each in frame.labels.picks]
        names += [each.object_name for each in frame.labels.filaments]
        names += [each.object_name for each in frame.labels.membranes]
    return tuple(dict.fromkeys(names))


def tidy_name(name: str, notes: list[str]) -> str:
    """Return a class's name as copick bears it, saying so where it had to be changed."""
    tidy = replace_refused(name)
    if tidy != name:
        said = f"class {name!r} is now {tidy!r}, because copick splits names at '_'"
        notes += [said] * (said not in notes)
    return tidy


def _check_asked(asked: str) -> None:
    if asked and asked not in ENDINGS:
        raise ParameterError(f"expected a format of {', '.join(ENDINGS)}, found {asked!r}")
