"""One writer a layout, each given one run at a time."""

from pathlib import Path

from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.copick import tomogram_path, write_config, write_picks
from tomoset.formats.geometry_json import geometry_to_json
from tomoset.formats.mrc import write_stack, write_volume
from tomoset.formats.ome_zarr import write_volume_zarr
from tomoset.formats.relion_export import RelionExport, write_series_stars, write_tomograms_star
from tomoset.formats.relion_particles import RelionParticles, write_particles_star
from tomoset.model import Tomogram
from tomoset.release.alignment_files import write_aretomo_alignment, write_imod_alignment
from tomoset.release.dataset import ReleaseInfo, RunToRelease

__all__ = [
    "tomogram_facts",
    "write_aretomo_run",
    "write_copick_config",
    "write_copick_run",
    "write_imod_run",
    "write_mrc_run",
    "write_relion",
]


def write_copick_config(root: Path, info: ReleaseInfo) -> None:
    """Write the configuration of the copick project."""
    (root / "copick").mkdir()
    write_config(root / "copick" / "copick_config.json", info.objects, name=info.name, description=info.title)


def write_copick_run(root: Path, run: RunToRelease) -> None:
    """Write the tomograms (OME-Zarr), the geometry they were made with, and picks."""
    project, voxel = root / "copick", run.tomogram.grid.voxel_size_angstrom
    for tomogram in (run.tomogram, *run.derived):
        path = tomogram_path(project, tomogram.run, voxel_size_angstrom=voxel, kind=tomogram.kind)
        write_volume_zarr(path, tomogram.volume_zyx, tomogram.grid, name=f"{tomogram.run} {tomogram.kind}")
        write_json_atomic(path.with_suffix(".json"), tomogram_facts(tomogram))
    for labels in run.labels:
        for picks in labels.picks:
            write_picks(project, labels.run, picks, user=labels.user, session=labels.session, voxel_size_angstrom=voxel)


def tomogram_facts(tomogram: Tomogram) -> dict[str, object]:
    """What a volume file cannot say about a tomogram: contrast, tilts used, geometry."""
    return {
        "contrast": tomogram.contrast,
        "ctf_corrected": tomogram.ctf_corrected,
        "tilt_indices": list(tomogram.tilt_indices),
        "diagnostics": tomogram.diagnostics,
        "geometry": geometry_to_json(tomogram.geometry),
    }


def write_mrc_run(root: Path, run: RunToRelease) -> None:
    """Write tomogram and tilt series as MRC, with the doses and angles a reader of the stack needs."""
    folder = root / "mrc" / run.series.run
    folder.mkdir(parents=True)
    series, tomogram = run.series, run.tomogram
    write_volume(folder / f"{series.run}_tomogram.mrc", tomogram.volume_zyx, tomogram.grid.voxel_size_angstrom)
    write_stack(folder / f"{series.run}.mrc", series.images_nyx, series.pixel_size_angstrom)
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


def write_imod_run(root: Path, run: RunToRelease) -> None:
    """Write the alignment as IMOD keeps it."""
    write_imod_alignment(root / "imod" / run.series.run, run.series)


def write_aretomo_run(root: Path, run: RunToRelease) -> None:
    """Write the alignment as AreTomo keeps it."""
    write_aretomo_alignment(root / "aretomo" / f"{run.series.run}.aln", run.series)


def write_relion(root: Path, runs: list[RunToRelease], info: ReleaseInfo) -> None:
    """Write RELION-5 stars of all runs: tilt series, tomograms, and particles of each object.

    The stars name the stacks and tomograms of ``mrc/`` relative to the release's root, which is therefore the folder
    to start RELION in; without that layout the images have to be put there first.
    """
    folder = root / "relion"
    exports = [_relion_export(run) for run in runs]
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


def _relion_export(run: RunToRelease) -> RelionExport:
    name = run.series.run
    return RelionExport(
        series=run.series,
        image_names=tuple(f"{i + 1:06d}@mrc/{name}/{name}.mrc" for i in range(len(run.series.tilts))),
        grid=run.tomogram.grid,
        tomogram=f"mrc/{name}/{name}_tomogram.mrc",
    )
