"""Labels into other programs' files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tomoset.errors import ParameterError
from tomoset.formats.amira_graph import write_amira_graph
from tomoset.formats.amira_labels import write_amira_labels
from tomoset.formats.cbox import write_cbox
from tomoset.formats.copick import replace_refused, write_picks_file
from tomoset.formats.copick_filaments import write_filaments
from tomoset.formats.copick_labels import points_along
from tomoset.formats.dynamo_table import write_dynamo_table
from tomoset.formats.eman2_info import write_eman2_info
from tomoset.formats.imod_model import write_imod_model
from tomoset.formats.mask_volumes import write_mask
from tomoset.formats.membrane_documents import meshes_of_membranes
from tomoset.formats.meshes import write_meshes
from tomoset.formats.picks_csv import write_picks_csv
from tomoset.formats.portal_points import write_portal_annotation, write_portal_points
from tomoset.formats.relion_particles import RelionParticles, write_particles_star
from tomoset.formats.stopgap_motl import write_stopgap_motl
from tomoset.formats.tom_motl import write_tom_motl
from tomoset.geometry import Grid
from tomoset.model import IGNORE, FilamentTrace, Optics, Picks, Segmentation
from tomoset.workflow.label_exchange import Frame, LabelRequest

__all__ = ["write_foreign_labels"]

Notes = list[str]
Writer = Callable[[Path, Sequence[Frame], LabelRequest], Notes]


def write_foreign_labels(target: Path, kind: str, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    """Write labels; returns what is to be said of it, a sentence each.

    Raises
    ------
    ParameterError
        If something has to be said, or there is nothing of the kind that the format holds.
    OutputError
        If it cannot be written.
    """
    return _WRITERS[kind](target, frames, ask)


def _picks(frame: Frame) -> list[Picks]:
    """Picks, and filaments of classes without picks as points."""
    picks = list(frame.labels.picks)
    names = {each.object_name for each in picks}
    return picks + [each for each in points_along(frame.labels.filaments) if each.object_name not in names]


def _one_class(target: Path, frames: Sequence[Frame]) -> list[Picks]:
    """Picks of the one class of every frame, empty where a frame has none."""
    names = list(dict.fromkeys(picks.object_name for frame in frames for picks in _picks(frame)))
    if len(names) != 1:
        raise ParameterError(
            f"{target.name}: expected picks of one class, found {', '.join(names) or 'none'}"
            + ("; choose with --name" if names else "; this format holds nothing else")
        )
    empty = Picks(object_name=names[0], positions_angstrom_xyz=np.zeros((0, 3)))
    return [next((p for p in _picks(frame) if p.object_name == names[0]), empty) for frame in frames]


def _grid(frame: Frame, target: Path) -> Grid:
    if frame.grid is None:
        raise ParameterError(f"{target.name}: the format counts in the tomogram's voxels: give --tomogram")
    return frame.grid


def _inside(target: Path, picks: Picks, grid: Grid, said: Notes) -> Picks:
    inside = grid.contains(picks.positions_angstrom_xyz)
    if not np.all(inside):
        said.append(f"{int(np.count_nonzero(~inside))} picks outside the tomogram left out: the portal refuses them")
    return picks.select(inside)


def _copick(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    (picks,) = _one_class(target, frames)
    labels = frames[0].labels
    write_picks_file(
        target,
        labels.run,
        picks,
        user=replace_refused(labels.user),
        session=replace_refused(labels.session),
        voxel_size_angstrom=labels.voxel_size_angstrom,
    )
    return []


def _portal(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    said: Notes = []
    (found,), grid = _one_class(target, frames), _grid(frames[0], target)
    picks = _inside(target, found, grid, said)
    write_portal_points(target, picks, voxel_size_angstrom=grid.voxel_size_angstrom)
    about = target.with_name(f"{target.stem}_metadata.json")
    item = next((item for item in ask.objects if item.name == picks.object_name), None)
    write_portal_annotation(
        about,
        picks,
        target.name,
        method=frames[0].labels.method,
        identifier="" if item is None else item.identifier,
        simulated=frames[0].labels.user in ("truth", "gt"),
    )
    return [*said, f"what is known about them is in {about.name}; authors, dates and deposition are yours to add"]


def _relion(version: int, target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    if ask.pixel_size_angstrom is None:
        raise ParameterError("a RELION star states the pixel size of the tilt images, Å: give --pixel-size")
    particles = [
        RelionParticles(run=frame.labels.run, picks=picks, grid=_grid(frame, target))
        for frame, picks in zip(frames, _one_class(target, frames), strict=True)
    ]
    optics = Optics()
    write_particles_star(
        target,
        particles,
        pixel_size_angstrom=ask.pixel_size_angstrom,
        optics=optics,
        version=4 if version == 4 else 5,
    )
    said = [f"optics are taken as {optics.voltage_kv:g} kV and Cs {optics.cs_mm:g} mm"]
    odd = [frame.labels.run for frame in frames if frame.grid and any(n % 2 for n in frame.grid.shape_zyx)]
    if odd and version == 5:
        said.append("the tomogram has an odd size: its centre is taken as voxel N // 2")
    return said


def _numbered(
    write: Callable[..., Path], counts_from: int, target: Path, frames: Sequence[Frame], ask: LabelRequest
) -> Notes:
    (picks,), grid = _one_class(target, frames), _grid(frames[0], target)
    first = counts_from if ask.first_voxel is None else ask.first_voxel
    write(target, picks, voxel_size_angstrom=grid.voxel_size_angstrom, first_voxel=first)
    return [f"the first voxel is {first}", f"{frames[0].labels.run} is tomogram 1"]


def _eman2(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    grid, picks = _grid(frames[0], target), _picks(frames[0])
    pixel = ask.pixel_size_angstrom or grid.voxel_size_angstrom
    box = 2 * max((ask.radius(each.object_name) for each in picks), default=100.0)
    write_eman2_info(target, picks, grid, pixel_size_angstrom=pixel, box_angstrom=box)
    return [f"boxes of {box:g} Å, unbinned pixels of {pixel:g} Å"]


def _cbox(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    (picks,), grid = _one_class(target, frames), _grid(frames[0], target)
    box = 2 * ask.radius(picks.object_name)
    write_cbox(target, picks, voxel_size_angstrom=grid.voxel_size_angstrom, box_angstrom=box)
    return [f"boxes of {box:g} Å"]


def _imod(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    labels, grid = frames[0].labels, _grid(frames[0], target)
    radius = max((ask.radius(picks.object_name) for picks in labels.picks), default=100.0)
    write_imod_model(target, labels.picks, labels.filaments, grid, radius_angstrom=radius)
    return []


def _csv(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    write_picks_csv(target, {frame.labels.run: tuple(_picks(frame)) for frame in frames})
    return []


def _traces(target: Path, frames: Sequence[Frame]) -> tuple[FilamentTrace, ...]:
    if not frames[0].labels.filaments:
        raise ParameterError(f"{target.name}: expected filaments to write, found none")
    return frames[0].labels.filaments


def _filaments(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    labels = frames[0].labels
    write_filaments(
        target,
        _traces(target, frames),
        run=labels.run,
        user=replace_refused(labels.user),
        session=replace_refused(labels.session),
        voxel_size_angstrom=labels.voxel_size_angstrom,
    )
    return []


def _graph(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    traces = _traces(target, frames)
    write_amira_graph(target, traces)
    names = list(dict.fromkeys(each.object_name for each in traces))
    return [f"the classes {', '.join(names)} are not told apart in a graph"] if len(names) > 1 else []


def _mask(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> tuple[Segmentation, Grid]:
    masks = [each for each in frames[0].labels.segmentations if ask.name in ("", each.name)]
    if len(masks) != 1:
        listed = ", ".join(f"{each.name} ({each.kind})" for each in frames[0].labels.segmentations) or "none"
        raise ParameterError(f"{target.name}: expected one mask to write, found {listed}; choose with --name")
    z, y, x = masks[0].mask_zyx.shape
    return masks[0], Grid(shape_zyx=(z, y, x), voxel_size_angstrom=masks[0].voxel_size_angstrom)


def _volume(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    mask, grid = _mask(target, frames, ask)
    write_mask(target, mask, grid)
    others = len(frames[0].labels.segmentations) - 1
    return [f"{others} other masks left out: one file holds one"] if others else []


def _amira(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    mask, grid = _mask(target, frames, ask)
    if mask.kind == "probability":
        raise ParameterError(f"{target.name}: expected a mask of labels for Amira, found probabilities; write an .mrc")
    values = mask.mask_zyx.read()
    if values.max(initial=0) > IGNORE - (mask.kind == "instance"):
        raise ParameterError(
            f"{target.name}: expected at most 254 individuals, found {int(values.max())}; write an .mrc"
        )
    names = {item.label: item.name for item in ask.objects} if mask.kind == "semantic" else {}
    present = [int(v) for v in np.flatnonzero(np.bincount(values.reshape(-1))) if v and v != IGNORE]
    unknown = [v for v in present if v not in names]
    single = mask.kind == "semantic" and len(present) == 1 and not ask.objects
    materials = {names.get(v, mask.name if single else f"label-{v}"): v for v in present}
    write_amira_labels(target, values.astype(np.uint8), materials, grid)
    said = [f"no class is known for {', '.join(map(str, unknown))}"] if unknown and not single else []
    return [*said, f"materials {', '.join(materials)}"]


def _meshes(target: Path, frames: Sequence[Frame], ask: LabelRequest) -> Notes:
    membranes = frames[0].labels.membranes
    if not membranes:
        raise ParameterError(f"{target.name}: expected membranes to write as meshes, found none")
    write_meshes(target, meshes_of_membranes(membranes))
    lost = "sides and thickness" if target.suffix != ".obj" else "sides, thickness and which part is inferred"
    return [f"{lost} dropped: {target.suffix} holds none"]


_WRITERS: dict[str, Writer] = {
    "copick": _copick,
    "portal": _portal,
    "relion5": partial(_relion, 5),
    "relion4": partial(_relion, 4),
    "stopgap": partial(_numbered, write_stopgap_motl, 0),
    "dynamo": partial(_numbered, write_dynamo_table, 0),
    "tom": partial(_numbered, write_tom_motl, 1),
    "eman2": _eman2,
    "cbox": _cbox,
    "imod": _imod,
    "csv": _csv,
    "filaments": _filaments,
    "amira": _amira,
    "amira-graph": _graph,
    "mrc": _volume,
    "zarr": _volume,
    "mesh": _meshes,
}
