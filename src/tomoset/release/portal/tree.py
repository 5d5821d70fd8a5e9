"""Folders and files of the portal's tree, one run at a time."""

from pathlib import Path
from typing import Any

from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import tomogram_path
from tomoset.formats.imod import write_tlt
from tomoset.formats.json_documents import read_json
from tomoset.formats.mrc import write_stack, write_volume
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.geometry import Grid
from tomoset.model import Labels, Tomogram
from tomoset.release.alignment_files import write_imod_files, write_portal_file
from tomoset.release.dataset import ReleaseInfo, RunToRelease
from tomoset.release.links import share
from tomoset.release.pictures import save_section_pictures
from tomoset.release.portal import documents
from tomoset.release.portal.annotations import ObjectMask, object_masks, write_mask, write_points
from tomoset.release.portal.ingestion import write_ingestion_config

__all__ = ["dataset_folder", "finish_portal_tree", "start_portal_tree", "write_portal_run"]

_FIRST = 100  # the portal counts the things of a run from here
Notes = tuple[str, ...]


def dataset_folder(root: Path, info: ReleaseInfo) -> Path:
    """The dataset's folder: its number once the portal has assigned one."""
    return root / "portal" / (str(info.facts.portal_dataset_id) if info.facts.portal_dataset_id else "dataset")


def start_portal_tree(root: Path, info: ReleaseInfo) -> None:
    """Write what concerns the whole dataset."""
    write_json_atomic(dataset_folder(root, info) / "dataset_metadata.json", documents.dataset_document(info))
    write_json_atomic(_deposition(root, info) / "deposition_metadata.json", documents.deposition_document(info))


def _deposition(root: Path, info: ReleaseInfo) -> Path:
    number = info.facts.portal_deposition_id
    return root / "portal" / "DepositionMetadata" / (str(number) if number else "deposition")


def write_portal_run(root: Path, run: RunToRelease, info: ReleaseInfo) -> Notes:
    """Write one run: tilt series, alignment, tomograms and annotations, each with its metadata."""
    top, name = root / "portal", run.series.run
    folder = dataset_folder(root, info) / name
    write_json_atomic(folder / "run_metadata.json", documents.run_document(name, run.labels, info))
    write_json_atomic(folder / "Frames" / "frames_metadata.json", documents.frames_document(run.series, info))
    _write_tilt_series(root, folder, run, info)
    alignment, notes = _write_alignment(folder, run, info)
    spacing = folder / "Reconstructions" / f"VoxelSpacing{run.tomogram.grid.voxel_size_angstrom:.3f}"
    for number, tomogram in enumerate((run.tomogram, *run.derived), start=_FIRST):
        _write_tomogram(root, spacing, tomogram, info, number, alignment.relative_to(top).as_posix())
    said = alignment.relative_to(top).as_posix()
    return notes + _write_annotations(top, spacing / "Annotations", run, info, said)


def finish_portal_tree(root: Path, info: ReleaseInfo, runs: tuple[str, ...]) -> None:
    """Give dataset and deposition their key photos, those of the first run, and the ingestion its configuration."""
    folder = dataset_folder(root, info)
    photos = next((folder / runs[0]).rglob("key-photo-snapshot.png"))
    for place in (folder, _deposition(root, info)):
        for kind in ("snapshot", "thumbnail"):
            share(photos.with_name(f"key-photo-{kind}.png"), place / "Images" / f"{kind}.png")
    write_ingestion_config(root / "portal" / "ingestion_config.yaml", folder, info, runs)


def _write_tilt_series(root: Path, folder: Path, run: RunToRelease, info: ReleaseInfo) -> None:
    series, top = run.series, root / "portal"
    place = folder / "TiltSeries" / str(_FIRST)
    stack, ready = place / f"{series.run}.mrc", root / "mrc" / series.run / f"{series.run}.mrc"
    if ready.is_file():
        share(ready, stack)
    else:
        write_stack(stack, series.images_nyx, series.pixel_size_angstrom)
    n, height, width = series.images_nyx.shape
    grid = Grid(shape_zyx=(n, height, width), voxel_size_angstrom=series.pixel_size_angstrom)
    write_volume_zarr(place / f"{series.run}.zarr", series.images_nyx, grid, name=series.run)
    tilts = write_tlt(place / f"{series.run}.rawtlt", series.nominal_tilt_deg)
    document = documents.tilt_series_document(
        series, info, stack=stack.relative_to(top).as_posix(), raw_tlt=tilts.relative_to(top).as_posix()
    )
    document["omezarr_dir"] = (place / f"{series.run}.zarr").relative_to(top).as_posix()
    write_json_atomic(place / "tiltseries_metadata.json", document)


def _write_alignment(folder: Path, run: RunToRelease, info: ReleaseInfo) -> tuple[Path, Notes]:
    """IMOD's files and the portal's JSON, which also names them; the path of the latter."""
    top, place = folder.parent.parent, folder / "Alignments" / str(_FIRST)
    files = write_imod_files(place, run.series)
    grid = run.tomogram.grid
    z, y, x = (n * grid.voxel_size_angstrom for n in grid.shape_zyx)
    path = place / "alignment_metadata.json"
    written = write_portal_file(path, run.series, (x, y, z))
    stem = place / run.series.run

    def said(suffix: str) -> str:
        return stem.with_suffix(suffix).relative_to(top).as_posix()

    document: dict[str, Any] = dict(read_json(path))
    document |= {
        "format": "IMOD",
        "method_type": "projection_matching",
        "alignment_path": said(".xf"),
        "tilt_path": said(".tlt"),
        "tiltx_path": said(".xtilt"),
        "tiltseries_path": (folder / "TiltSeries" / str(_FIRST) / "tiltseries_metadata.json")
        .relative_to(top)
        .as_posix(),
        "deposition_id": info.facts.portal_deposition_id,
        "last_updated_at": documents.release_time(info.facts).timestamp(),
    }
    write_json_atomic(path, document)
    return path, (*files.notes, *written.notes)


def _write_tomogram(
    root: Path, spacing: Path, tomogram: Tomogram, info: ReleaseInfo, number: int, alignment: str
) -> None:
    top, place = root / "portal", spacing / "Tomograms" / str(number)
    voxel, name = tomogram.grid.voxel_size_angstrom, tomogram.run
    zarr, mrc = place / f"{name}.zarr", place / f"{name}.mrc"
    ready = tomogram_path(root / "copick", name, voxel_size_angstrom=voxel, kind=tomogram.kind)
    if ready.is_dir():
        share(ready, zarr)
    else:
        write_volume_zarr(zarr, tomogram.volume_zyx, tomogram.grid, name=f"{name} {tomogram.kind}")
    raw = root / "mrc" / name / f"{name}_tomogram.mrc"
    if tomogram.kind not in ("denoised", "deconv") and raw.is_file():
        share(raw, mrc)
    else:
        write_volume(mrc, tomogram.volume_zyx, voxel)
    document = documents.tomogram_document(
        tomogram,
        info,
        mrc=mrc.relative_to(top).as_posix(),
        zarr=zarr.relative_to(top).as_posix(),
        alignment=alignment,
    )
    photos = spacing / "Images" / str(number)
    save_section_pictures(photos, tomogram)
    document["key_photo"] = {
        kind: (photos / f"key-photo-{kind}.png").relative_to(top).as_posix() for kind in ("snapshot", "thumbnail")
    }
    write_json_atomic(place / "tomogram_metadata.json", document)


def _write_annotations(top: Path, folder: Path, run: RunToRelease, info: ReleaseInfo, alignment: str) -> Notes:
    """One annotation a class of each set of labels: its points, its mask, or both."""
    notes: list[str] = []
    number = _FIRST
    for labels in run.labels:
        masks, lost = _masks_of(labels, info)
        notes += lost
        for item in info.objects:
            picks = next((each for each in labels.picks if each.object_name == item.name), None)
            if picks is None and item.name not in masks:
                continue
            place = folder / str(number)
            stem = f"{labels.user}-{labels.session}-{item.name}-1.0"
            files = [] if picks is None else [write_points(place, stem, picks, run.tomogram.grid, top)]
            if item.name in masks:
                files += write_mask(place, stem, masks[item.name], run.tomogram.grid, top)
            count = 1 if picks is None else len(picks)
            document = documents.annotation_document(
                labels, item, info, files, count=count, alignment=alignment, number=number
            )
            write_json_atomic(place / f"{stem}.json", document)
            number += 1
    return tuple(notes)


def _masks_of(labels: Labels, info: ReleaseInfo) -> tuple[dict[str, ObjectMask], list[str]]:
    """Mask of each object, and which masks the portal cannot hold."""
    masks: dict[str, ObjectMask] = {}
    notes: list[str] = []
    for segmentation in labels.segmentations:
        if segmentation.kind == "semantic":
            masks |= object_masks(segmentation, info.objects)
        else:
            notes.append(f"{labels.run}: the mask {segmentation.name} of kind {segmentation.kind} is not written")
    return masks, notes
