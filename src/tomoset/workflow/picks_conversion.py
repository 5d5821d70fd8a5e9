"""Picks between copick and RELION-5."""

from pathlib import Path

from tomoset.errors import InputMissingError, ParameterError
from tomoset.formats.copick import read_picks, write_picks
from tomoset.formats.ome_zarr import open_volume_zarr
from tomoset.formats.relion_particles import RelionParticles, read_particles_star, write_particles_star
from tomoset.formats.relion_tables import read_star
from tomoset.geometry import Grid
from tomoset.model import Optics

__all__ = ["convert_picks", "is_picks"]


def is_picks(source: Path) -> bool:
    """Whether a file holds picks: a copick JSON, or a star with coordinates."""
    if source.suffix == ".json":
        return True
    columns = ("rlnCenteredCoordinateXAngst", "rlnCoordinateX")
    return source.suffix == ".star" and any(
        table.has(column) for table in read_star(source).values() for column in columns
    )


def convert_picks(
    source: Path, target: Path, pixel_size_angstrom: float | None, tomogram: Path | None, name: str
) -> str:
    """Convert; see :func:`tomoset.workflow.converting.convert_file`."""
    grid = _grid(tomogram)
    if source.suffix == ".json":
        return _copick_to_relion(source, target, grid, pixel_size_angstrom)
    return _relion_to_copick(source, target, grid, pixel_size_angstrom, name)


def _grid(tomogram: Path | None) -> Grid:
    if tomogram is None:
        raise ParameterError("picks need the tomogram they belong to (RELION counts from its centre): give --tomogram")
    if not tomogram.is_dir():
        raise InputMissingError(f"--tomogram: expected an OME-Zarr folder, found none at {tomogram}")
    return open_volume_zarr(tomogram)[1]


def _copick_to_relion(source: Path, target: Path, grid: Grid, pixel_size_angstrom: float | None) -> str:
    if target.suffix != ".star":
        raise ParameterError(f"{target.name}: expected a .star for picks of copick")
    if pixel_size_angstrom is None:
        raise ParameterError("a RELION star states the pixel size of the tilt images, Å: give --pixel-size")
    stored = read_picks(source)
    particles = [RelionParticles(run=stored.run, picks=stored.picks, grid=grid)]
    write_particles_star(target, particles, pixel_size_angstrom=pixel_size_angstrom, optics=Optics())
    return f"{target}: {len(stored.picks)} particles of {stored.picks.object_name}"


def _relion_to_copick(source: Path, target: Path, grid: Grid, pixel_size_angstrom: float | None, name: str) -> str:
    if not (target / "copick_config.json").is_file():
        raise ParameterError(f"{target}: expected the folder of a copick project (with copick_config.json) for a star")
    if not name:
        raise ParameterError("a RELION star does not say what the particles are: give --name OBJECT")
    tables = [table for table in read_star(source).values() if table.has("rlnTomoName")]
    runs = {run for table in tables for run in table.texts("rlnTomoName")}
    picks_of = read_particles_star(
        source, dict.fromkeys(runs, grid), object_name=name, pixel_size_angstrom=pixel_size_angstrom
    )
    for run, picks in picks_of.items():
        write_picks(target, run, picks, user="relion", session="1", voxel_size_angstrom=grid.voxel_size_angstrom)
    return f"{target}: {sum(map(len, picks_of.values()))} picks of {name} in {len(picks_of)} runs, by user relion"
