"""Labels from other programs' files, each with the grid of its tomogram where that is known."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from tomoset.errors import GeometryError, InputMissingError, ParameterError
from tomoset.formats.amira_graph import read_amira_graph
from tomoset.formats.amira_labels import read_amira_labels
from tomoset.formats.cbox import read_cbox
from tomoset.formats.copick import (
    list_meshes,
    list_picks,
    list_runs,
    list_segmentations,
    list_tomograms,
    read_config,
    read_picks,
    replace_refused,
)
from tomoset.formats.copick_filaments import read_filaments
from tomoset.formats.dynamo_table import read_dynamo_table
from tomoset.formats.eman2_info import read_eman2_info
from tomoset.formats.imod_model import read_imod_model
from tomoset.formats.mask_volumes import read_mask
from tomoset.formats.meshes import read_meshes
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.formats.picks_csv import read_picks_csv
from tomoset.formats.portal_points import read_portal_points
from tomoset.formats.relion_particles import particles_run_column, read_particles_star
from tomoset.formats.relion_tables import read_star
from tomoset.formats.stopgap_motl import read_stopgap_motl
from tomoset.formats.tom_motl import read_tom_motl
from tomoset.geometry import Grid
from tomoset.model import IGNORE, InMemory, Labels, MembraneSurface, Picks, Segmentation
from tomoset.model.labels import SegmentationKind
from tomoset.workflow.label_exchange import UNKNOWN_RUN, Frame, LabelRequest
from tomoset.workflow.label_files import labeled_voxel_size, load_labels
from tomoset.workflow.label_frames import check_origin
from tomoset.workflow.layout import ProjectLayout

__all__ = ["read_foreign_labels"]

Reader = Callable[[Path, LabelRequest], list[Frame]]

_COUNTING = "the numbers are voxels of a tomogram"
_KINDS: tuple[SegmentationKind, ...] = ("semantic", "instance", "probability", "compartment")


def read_foreign_labels(source: Path, kind: str, ask: LabelRequest) -> list[Frame]:
    """Read labels of every tomogram in a file.

    Raises
    ------
    InputMissingError, FormatError, ParameterError
        If something is missing, damaged or has to be said.
    """
    return _READERS[kind](source, ask)


def _frame(ask: LabelRequest, grid: Grid | None, voxel: float, notes: tuple[str, ...] = (), **parts: object) -> Frame:
    labels = Labels(
        run=ask.run or UNKNOWN_RUN,
        user=ask.user or "convert",
        session=ask.session or "1",
        voxel_size_angstrom=voxel,
        **parts,  # type: ignore[arg-type]
    )
    return Frame(labels=labels, grid=grid, notes=notes)


def _named(ask: LabelRequest, source: Path) -> str:
    if not ask.name:
        raise ParameterError(f"{source.name} does not say what its labels are: give --name OBJECT")
    return ask.name


def _copick(source: Path, ask: LabelRequest) -> list[Frame]:
    if source.is_dir():
        return _project(source, ask)
    stored = read_picks(source)
    grid = ask.grid()
    said = stored.voxel_size_angstrom
    voxel = said if said is not None else 0.0 if grid is None else grid.voxel_size_angstrom
    if voxel == 0.0:
        raise ParameterError(f"{source.name} does not say its tomogram's voxel size: give --tomogram")
    who = dataclasses.replace(
        ask,
        run=ask.run or stored.run,
        user=ask.user or stored.user,
        session=ask.session or stored.session,
    )
    return [_frame(who, grid, voxel, picks=(stored.picks,))]


def _project(source: Path, ask: LabelRequest) -> list[Frame]:
    layout = ProjectLayout(read_config(source / "copick_config.json").root)
    runs = (ask.run,) if ask.run else list_runs(layout.root)
    user, session = _author(layout, runs, ask)
    frames = []
    for run in runs:
        names = tuple(e.object_name for e in list_picks(layout.root, run) if (e.user, e.session) == (user, session))
        masks = [e for kind in _KINDS for e in list_segmentations(layout.root, run, kind)]
        masks = [e for e in masks if (e.user, e.session) == (user, session)]
        meshes = [e for e in list_meshes(layout.root, run) if (e.user, e.session) == (user, session)]
        if not (names or masks or meshes):
            continue
        tomograms = list_tomograms(layout.root, run)
        if names and tomograms:
            voxel = labeled_voxel_size(layout, run, user, session, names)
        elif masks:
            voxel = masks[0].voxel_size_angstrom
        else:
            voxel = tomograms[0].voxel_size_angstrom if tomograms else ask.needed_grid(run).voxel_size_angstrom
        there = [t for t in tomograms if abs(t.voxel_size_angstrom - voxel) < 1e-3 * voxel]
        grid = ask.grid() or (open_volume_zarr(there[0].path)[1] if there else None)
        labels = load_labels(layout, run, user, session, None, voxel)
        if ask.tomogram is None:
            check_origin(layout, labels, "move them first with `tomoset transfer`, or give theirs with --tomogram")
        frames.append(Frame(labels=labels, grid=grid))
    if not frames:
        raise InputMissingError(
            f"{source}: expected labels by {user} (session {session}), found none in {len(runs)} runs"
        )
    return frames


def _author(layout: ProjectLayout, runs: tuple[str, ...], ask: LabelRequest) -> tuple[str, str]:
    entries = [(e.user, e.session) for run in runs for e in list_picks(layout.root, run)]
    entries += [
        (e.user, e.session) for run in runs for kind in _KINDS for e in list_segmentations(layout.root, run, kind)
    ]
    entries += [(e.user, e.session) for run in runs for e in list_meshes(layout.root, run)]
    found = [
        (user, session)
        for user, session in dict.fromkeys(entries)
        if ask.user in ("", user) and ask.session in ("", session)
    ]
    if len(found) != 1:
        listed = ", ".join(f"{user} (session {session})" for user, session in found) or "none"
        raise ParameterError(
            f"{layout.root.name}: expected the labels of one author and session, found {listed}; "
            "choose with --user and --session"
        )
    return found[0]


def _portal(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name}: {_COUNTING}")
    voxel = grid.voxel_size_angstrom
    picks = read_portal_points(source, object_name=_named(ask, source), voxel_size_angstrom=voxel)
    return [_frame(ask, grid, voxel, picks=(picks,))]


def _relion(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name}: RELION counts from the tomogram's centre, or in pixels")
    blocks = read_star(source)
    table = blocks.get("particles", next(iter(blocks.values())))
    runs = dict.fromkeys(table.texts(particles_run_column(table)), grid)
    found = read_particles_star(
        source, runs, object_name=_named(ask, source), pixel_size_angstrom=ask.pixel_size_angstrom
    )
    who = dataclasses.replace(ask, user=ask.user or "relion")
    return _by_run(who, grid, {run: (picks,) for run, picks in found.items()})


def _numbered(
    read: Callable[..., Mapping[int, Picks]], program: str, counts_from: int, source: Path, ask: LabelRequest
) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name}: {_COUNTING}")
    first = counts_from if ask.first_voxel is None else ask.first_voxel
    found = read(
        source,
        object_name=_named(ask, source),
        voxel_size_angstrom=grid.voxel_size_angstrom,
        first_voxel=first,
    )
    who = dataclasses.replace(ask, user=ask.user or program)
    note = f"the first voxel is taken as {first}"
    if len(found) == 1 and ask.run:
        return _by_run(who, grid, {ask.run: tuple(found.values())}, note)
    return _by_run(who, grid, {f"{UNKNOWN_RUN}-{n}": (picks,) for n, picks in found.items()}, note)


def _eman2(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name}: EMAN2 counts from the tomogram's centre")
    who = dataclasses.replace(ask, run=ask.run or source.stem.removesuffix("_info"), user=ask.user or "eman2")
    return [_frame(who, grid, grid.voxel_size_angstrom, picks=read_eman2_info(source, grid))]


def _cbox(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name}: {_COUNTING}")
    voxel = grid.voxel_size_angstrom
    who = dataclasses.replace(ask, run=ask.run or source.stem, user=ask.user or "cryolo")
    picks = read_cbox(source, object_name=_named(ask, source), voxel_size_angstrom=voxel)
    return [_frame(who, grid, voxel, picks=(picks,))]


def _imod(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name}: {_COUNTING}")
    model = read_imod_model(source, voxel_size_angstrom=grid.voxel_size_angstrom, object_name=ask.name)
    if min(model.size_xyz) > 0 and model.size_xyz != grid.shape_zyx[::-1]:
        raise GeometryError(
            f"{source.name}: expected a model of a tomogram of {grid.shape_zyx[::-1]} voxels (x, y, z), found one of "
            f"{model.size_xyz}; give the tomogram it was drawn on"
        )
    who = dataclasses.replace(ask, run=ask.run or source.stem, user=ask.user or "imod")
    return [_frame(who, grid, grid.voxel_size_angstrom, picks=model.picks, filaments=model.filaments)]


def _csv(source: Path, ask: LabelRequest) -> list[Frame]:
    found = read_picks_csv(source, object_name=ask.name)
    grid = ask.needed_grid(f"{source.name} does not say its tomogram's voxel size")
    return _by_run(dataclasses.replace(ask, user=ask.user or "csv"), grid, found)


def _by_run(ask: LabelRequest, grid: Grid, found: Mapping[str, tuple[Picks, ...]], *notes: str) -> list[Frame]:
    chosen = {run: picks for run, picks in found.items() if ask.run in ("", run) or not run}
    if not chosen:
        raise ParameterError(f"expected the run {ask.run}, found {', '.join(found) or 'none'}; mend --run")
    return [
        _frame(dataclasses.replace(ask, run=run or ask.run), grid, grid.voxel_size_angstrom, notes, picks=picks)
        for run, picks in chosen.items()
    ]


def _filaments(source: Path, ask: LabelRequest) -> list[Frame]:
    filaments, run, user, session, said = read_filaments(source, radius_angstrom=ask.radius(ask.name))
    grid = ask.grid() if said is not None else ask.needed_grid(f"{source.name} does not say its voxel size")
    voxel = said if said is not None else 0.0 if grid is None else grid.voxel_size_angstrom
    who = dataclasses.replace(ask, run=ask.run or run, user=ask.user or user, session=ask.session or session)
    return [_frame(who, grid, voxel, filaments=filaments)]


def _graph(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name} does not say its tomogram's voxel size")
    name = _named(ask, source)
    who = dataclasses.replace(ask, run=ask.run or source.stem, user=ask.user or "amira")
    filaments = read_amira_graph(source, object_name=name, radius_angstrom=ask.radius(name))
    return [_frame(who, grid, grid.voxel_size_angstrom, filaments=filaments)]


def _amira(source: Path, ask: LabelRequest) -> list[Frame]:
    field = read_amira_labels(source)
    voxel, grid = field.grid.voxel_size_angstrom, ask.grid() or field.grid
    if np.abs(field.first_voxel_angstrom_xyz).max() > 0.5 * voxel:
        start = ", ".join(f"{v:g}" for v in field.first_voxel_angstrom_xyz)
        raise GeometryError(
            f"{source.name}: expected a field that begins at the tomogram's first voxel, found one that begins at "
            f"{start} Å (x, y, z); crop nothing, or reset the bounding box in Amira"
        )
    mask, notes = _with_labels_of_classes(field.mask_zyx, field.materials, ask)
    who = dataclasses.replace(ask, run=ask.run or source.stem, user=ask.user or "amira")
    segmentation = Segmentation(name=ask.name or "semantic", mask_zyx=InMemory(mask), voxel_size_angstrom=voxel)
    return [_frame(who, grid, voxel, notes, segmentations=(segmentation,))]


def _with_labels_of_classes(
    mask: np.ndarray, materials: Mapping[str, int], ask: LabelRequest
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give materials that are classes of the project the classes' labels; where there is no project, keep numbers."""
    known = {item.name: item.label for item in ask.objects}
    if not known:
        listed = ", ".join(f"{name} = {value}" for name, value in materials.items())
        return mask, (f"values are the materials' numbers: {listed}",)
    unknown = [name for name in materials if replace_refused(name) not in known]
    if unknown:
        raise ParameterError(
            f"expected materials that are classes of the project ({', '.join(known)}), found {', '.join(unknown)}; "
            "rename them in Amira or add the classes to copick_config.json"
        )
    table = np.zeros(256, dtype=np.uint8)
    table[IGNORE] = IGNORE
    for name, value in materials.items():
        table[value] = known[replace_refused(name)]
    return table[mask], tuple(
        f"material {name!r} is class {replace_refused(name)!r}" for name in materials if replace_refused(name) != name
    )


def _mask(source: Path, ask: LabelRequest) -> list[Frame]:
    notes: list[str] = []
    name = ask.name or replace_refused(source.stem)
    segmentation, grid = read_mask(source, name)
    label = next((item.label for item in ask.objects if item.name == name), 1)
    if segmentation.kind == "semantic" and label != 1:
        values = segmentation.mask_zyx.read()
        if values.max(initial=0) == 1:
            segmentation = dataclasses.replace(segmentation, mask_zyx=InMemory(values * np.uint8(label)))
            notes.append(f"1 in the mask is now {label}, the label of {name}")
    notes.append(f"taken as a {segmentation.kind} mask")
    return [_frame(ask, ask.grid() or grid, grid.voxel_size_angstrom, tuple(notes), segmentations=(segmentation,))]


def _meshes(source: Path, ask: LabelRequest) -> list[Frame]:
    grid = ask.needed_grid(f"{source.name} does not say its tomogram's voxel size")
    name = _named(ask, source)
    membranes = tuple(
        MembraneSurface(
            object_name=name,
            instance_id=i + 1,
            vertices_angstrom_xyz=mesh.vertices_angstrom_xyz,
            faces=mesh.faces,
            normals=mesh.normals,
            closed=mesh.is_closed,
            inferred=mesh.inferred,
        )
        for i, mesh in enumerate(read_meshes(source))
    )
    who = dataclasses.replace(ask, run=ask.run or source.stem)
    return [_frame(who, grid, grid.voxel_size_angstrom, membranes=membranes)]


_READERS: dict[str, Reader] = {
    "copick": _copick,
    "portal": _portal,
    "relion5": _relion,
    "relion4": _relion,
    "stopgap": partial(_numbered, read_stopgap_motl, "stopgap", 0),
    "dynamo": partial(_numbered, read_dynamo_table, "dynamo", 0),
    "tom": partial(_numbered, read_tom_motl, "tom", 1),
    "eman2": _eman2,
    "cbox": _cbox,
    "imod": _imod,
    "csv": _csv,
    "filaments": _filaments,
    "amira": _amira,
    "amira-graph": _graph,
    "mrc": _mask,
    "zarr": _mask,
    "mesh": _meshes,
}
