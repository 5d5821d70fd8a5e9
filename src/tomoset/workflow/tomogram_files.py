"""Tomograms on disk: OME-Zarr in copick's place, and beside it what they were made from."""

from pathlib import Path

from tomoset.errors import InputMissingError
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.geometry_json import geometry_from_json
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.ome_zarr import open_volume_zarr, write_volume_zarr
from tomoset.model import Progress, Tomogram
from tomoset.release.layouts import tomogram_facts
from tomoset.workflow.layout import ProjectLayout

__all__ = ["load_tomogram", "reconstructed_kind", "save_tomogram"]

_METHODS = ("wbp", "sirt", "sart")
_HALVES = {"odd_zyx": "-odd", "even_zyx": "-even"}


def save_tomogram(layout: ProjectLayout, tomogram: Tomogram, progress: Progress) -> list[Path]:
    """Write the volume, its halves and their facts; returns what was written."""
    voxel = tomogram.grid.voxel_size_angstrom
    sources = {"": tomogram.volume_zyx}
    sources |= {suffix: getattr(tomogram, name) for name, suffix in _HALVES.items() if getattr(tomogram, name)}
    written = []
    for i, (suffix, source) in enumerate(sources.items()):
        path = layout.tomogram(tomogram.run, voxel, tomogram.kind + suffix)
        write_volume_zarr(path, source, tomogram.grid, name=f"{tomogram.run} {tomogram.kind}{suffix}")
        written.append(path)
        progress.step("write tomogram", i + 1, len(sources))
    facts = _facts_path(layout, tomogram.run, voxel, tomogram.kind)
    write_json_atomic(facts, tomogram_facts(tomogram))
    return [*written, facts]


def reconstructed_kind(layout: ProjectLayout, run: str, voxel_size_angstrom: float) -> str:
    """Kind of the reconstructed tomogram that is there, for who knows no recipe; ``wbp`` when there is none."""
    there = (kind for kind in _METHODS if _facts_path(layout, run, voxel_size_angstrom, kind).is_file())
    return next(there, _METHODS[0])


def load_tomogram(layout: ProjectLayout, run: str, voxel_size_angstrom: float, kind: str = "wbp") -> Tomogram:
    """Read a tomogram.

    Raises
    ------
    InputMissingError
        If it was not reconstructed at this voxel size.
    FormatError
        If its files are damaged.
    """
    facts_path = _facts_path(layout, run, voxel_size_angstrom, kind)
    if not facts_path.is_file():
        raise InputMissingError(
            f"expected the {kind} tomogram of {run} at {voxel_size_angstrom:g} Å; `tomoset run` makes it"
        )
    facts = read_json(facts_path)
    volume, grid = open_volume_zarr(layout.tomogram(run, voxel_size_angstrom, kind))
    halves = {}
    for name, suffix in _HALVES.items():
        path = layout.tomogram(run, voxel_size_angstrom, kind + suffix)
        halves[name] = open_volume_zarr(path)[0] if path.is_dir() else None
    with understood(facts_path):
        return Tomogram(
            run=run,
            grid=grid,
            volume_zyx=volume,
            kind=kind,
            contrast=facts["contrast"],
            tilt_indices=tuple(facts["tilt_indices"]),
            geometry=geometry_from_json(facts["geometry"]),
            ctf_corrected=facts["ctf_corrected"],
            diagnostics=facts.get("diagnostics"),
            **halves,
        )


def _facts_path(layout: ProjectLayout, run: str, voxel_size_angstrom: float, kind: str) -> Path:
    return layout.tomogram(run, voxel_size_angstrom, kind).with_suffix(".json")
