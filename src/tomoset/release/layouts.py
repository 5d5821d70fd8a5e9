"""One writer a layout, each given one run at a time."""

from pathlib import Path

from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import tomogram_path, write_config
from tomoset.formats.copick_labels import save_labels
from tomoset.formats.geometry_json import geometry_to_json
from tomoset.formats.mrc import write_stack, write_volume
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.formats.relion_export import RelionExport, write_series_stars, write_tomograms_star
from tomoset.formats.relion_particles import RelionParticles, write_particles_star
from tomoset.model import TiltSeries, Tomogram
from tomoset.release.alignment_files import (
    image_names,
    relion_series,
    write_aretomo_files,
    write_imod_files,
    write_warp_files,
)
from tomoset.release.dataset import ReleaseInfo, RunToRelease

__all__ = [
    "tomogram_facts",
    "write_aretomo_run",
    "write_copick_config",
    "write_copick_run",
    "write_imod_run",
    "write_mrc_run",
    "write_relion",
    "write_warp_run",
]

Notes = tuple[str, ...]
"""What files leave out, a sentence each."""


def write_copick_config(root: Path, info: ReleaseInfo) -> None:
    """Write the configuration of the copick project."""
    (root / "copick").mkdir()
    write_config(root / "copick" / "copick_config.json", info.objects, name=info.name, description=info.title)


def write_copick_run(root: Path, run: RunToRelease, _info: ReleaseInfo) -> Notes:
    """Write the tomograms (OME-Zarr), the geometry they were made with, and all labels."""
    project, voxel = root / "copick", run.tomogram.grid.voxel_size_angstrom
    for tomogram in (run.tomogram, *run.derived):
        path = tomogram_path(project, tomogram.run, voxel_size_angstrom=voxel, kind=tomogram.kind)
        write_volume_zarr(path, tomogram.volume_zyx, tomogram.grid, name=f"{tomogram.run} {tomogram.kind}")
        write_json_atomic(path.with_suffix(".json"), tomogram_facts(tomogram))
    for labels in run.labels:
        save_labels(project, labels)
    return ()


def tomogram_facts(tomogram: Tomogram) -> dict[str, object]:
    """What a volume file cannot say about a tomogram: contrast, tilts used, geometry."""
    return {
        "contrast": tomogram.contrast,
        "ctf_corrected": tomogram.ctf_corrected,
        "tilt_indices": list(tomogram.tilt_indices),
        "diagnostics": tomogram.diagnostics,
        "geometry": geometry_to_json(tomogram.geometry),
    }


def write_mrc_run(root: Path, run: RunToRelease, _info: ReleaseInfo) -> Notes:
    """Write tomogram, tilt series and its half sets as MRC, with the doses and angles a reader of the stack needs."""
    folder = root / "mrc" / run.series.run
    folder.mkdir(parents=True)
    series, tomogram = run.series, run.tomogram
    write_volume(folder / f"{series.run}_tomogram.mrc", tomogram.volume_zyx, tomogram.grid.voxel_size_angstrom)
    for suffix, images in (("", series.images_nyx), ("_odd", series.odd_nyx), ("_even", series.even_nyx)):
        if images is not None:
            write_stack(folder / f"{series.run}{suffix}.mrc", images, series.pixel_size_angstrom)
    rows = [
        {
            "image": i,
            "name": tilt.name,
            "nominal_tilt_deg": tilt.nominal_tilt_deg,
            "acquisition_order": tilt.acquisition_order,
            "dose_e_per_angstrom2": tilt.dose_e_per_angstrom2,
            "dose_before_e_per_angstrom2": tilt.dose_before_e_per_angstrom2,
            "defocus_angstrom": None if tilt.ctf is None else tilt.ctf.defocus_angstrom,
            "use": tilt.use,
            "reason": tilt.reason,
        }
        for i, tilt in enumerate(series.tilts)
    ]
    write_json_atomic(folder / "tilts.json", {"pixel_size_angstrom": series.pixel_size_angstrom, "tilts": rows})
    return ()


def write_imod_run(root: Path, run: RunToRelease, _info: ReleaseInfo) -> Notes:
    """Write alignment and defocus as IMOD keeps them."""
    return write_imod_files(root / "imod" / run.series.run, run.series).notes


def write_aretomo_run(root: Path, run: RunToRelease, _info: ReleaseInfo) -> Notes:
    """Write alignment and defocus as AreTomo keeps them."""
    return write_aretomo_files(root / "aretomo", run.series).notes


def write_warp_run(root: Path, run: RunToRelease, _info: ReleaseInfo) -> Notes:
    """Write the aligned series as Warp keeps it."""
    return write_warp_files(root / "warp", run.series).notes


def write_relion(root: Path, runs: list[RunToRelease], info: ReleaseInfo) -> Notes:
    """Write RELION-5 stars of all runs: tilt series, tomograms, and particles of each object.

    The stars name the stacks and tomograms of ``mrc/`` relative to the release's root, which is therefore the folder
    to start RELION in; without that layout the images have to be put there first.
    """
    folder = root / "relion"
    told = [relion_series(run.series, f"{run.series.run}.star") for run in runs]
    exports = [_relion_export(run, series) for run, (series, _) in zip(runs, told, strict=True)]
    write_series_stars(folder / "aligned_tilt_series.star", exports, path_prefix="relion/")
    write_tomograms_star(folder / "tomograms.star", exports, path_prefix="relion/")
    for item in info.objects:
        particles = [
            RelionParticles(run=run.series.run, picks=labels.of(item.name), grid=run.tomogram.grid)
            for run in runs
            for labels in run.labels
        ]
        if any(len(p.picks) for p in particles):
            first = runs[0].series
            write_particles_star(
                folder / f"particles_{item.name}.star",
                particles,
                pixel_size_angstrom=first.pixel_size_angstrom,
                optics=first.optics,
            )
    return tuple(note for _, notes in told for note in notes)


def _relion_export(run: RunToRelease, series: TiltSeries) -> RelionExport:
    name = series.run
    stack = f"mrc/{name}/{name}"
    return RelionExport(
        series=series,
        image_names=image_names(series, f"{stack}.mrc"),
        odd_names=() if series.odd_nyx is None else image_names(series, f"{stack}_odd.mrc"),
        even_names=() if series.even_nyx is None else image_names(series, f"{stack}_even.mrc"),
        grid=run.tomogram.grid,
        tomogram=f"{stack}_tomogram.mrc",
    )
