"""Volumes as their readers want them: OME-Zarr, MRC, training volumes."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tomoset.errors import TomosetError
from tomoset.formats.mrc import open_mrc
from tomoset.formats.ome_zarr import level_names, open_volume_zarr
from tomoset.release.check.findings import Finding

__all__ = ["check_mrc_files", "check_zarr_stores"]

_SMALL = 64  # planes read to see whether a volume holds numbers


def check_zarr_stores(root: Path) -> list[Finding]:
    """Every OME-Zarr by yaozarrs, with three levels, a voxel size and readable chunks."""
    import yaozarrs

    findings = []
    for path in sorted(root.rglob("*.zarr")):
        where = path.relative_to(root).as_posix()
        if where.startswith("ml/"):
            findings += _training_volume(path, where)
            continue
        try:
            yaozarrs.validate_zarr_store(str(path))
            grid = open_volume_zarr(path)[1]
            if len(level_names(path)) != 3:
                findings.append(_zarr(where, f"expected levels 0, 1, 2, found {', '.join(level_names(path))}"))
            if not 0.1 <= grid.voxel_size_angstrom <= 1000:
                findings.append(_zarr(where, f"expected voxels of 0.1 to 1000 Å, found {grid.voxel_size_angstrom:g} Å"))
            findings += _finite(path, where)
        except (TomosetError, ValueError, KeyError, OSError, TypeError) as error:
            findings.append(_zarr(where, f"{type(error).__name__}: {str(error).splitlines()[0]}"))
    return findings


def _zarr(where: str, message: str) -> Finding:
    return Finding(rule="OME-Zarr", path=where, message=message)


def _finite(path: Path, where: str) -> list[Finding]:
    source, _ = open_volume_zarr(path)
    for start in range(0, source.shape[0], _SMALL):
        if not np.all(np.isfinite(np.asarray(source.read((slice(start, start + _SMALL),)), dtype=np.float32))):
            return [_zarr(where, "expected finite values, found NaN or infinity")]
    return []


def _training_volume(path: Path, where: str) -> list[Finding]:
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
        volume: Any = group["tomogram"]
        wanted = {"run", "split", "voxel_size_angstrom"} - set(group.attrs)
        wanted |= {"mean", "scale"} - set(volume.attrs)
        if wanted:
            return [_zarr(where, f"expected the attributes {', '.join(sorted(wanted))}, found none")]
        shapes = {name: array.shape for name, array in group.arrays()}
        if len(set(shapes.values())) != 1:
            return [_zarr(where, f"expected arrays of one shape, found {shapes}")]
        for start in range(0, volume.shape[0], _SMALL):
            if not np.all(np.isfinite(np.asarray(volume[start : start + _SMALL], dtype=np.float32))):
                return [_zarr(where, "expected finite values, found NaN or infinity")]
    except (KeyError, ValueError, OSError, RuntimeError, TypeError) as error:
        return [_zarr(where, f"{type(error).__name__}: {str(error).splitlines()[0]}")]
    return []


def check_mrc_files(root: Path) -> list[Finding]:
    """Every MRC by mrcfile's validator, with a pixel size; one finding a file, links counted once."""
    import mrcfile

    findings, seen = [], set()
    for path in sorted(root.rglob("*.mrc")):
        where, inode = path.relative_to(root).as_posix(), (path.stat().st_dev, path.stat().st_ino)
        if inode in seen:
            continue
        seen.add(inode)
        told: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            valid = mrcfile.validate(str(path), print_file=_Told(told))
        if not valid:
            findings.append(Finding(rule="mrcfile", path=where, message="; ".join(told) or "not a valid MRC2014 file"))
            continue
        try:
            open_mrc(path)
        except TomosetError as error:
            findings.append(Finding(rule="mrcfile", path=where, message=str(error)))
    return findings


class _Told:
    """A file that collects what mrcfile prints."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def write(self, text: str) -> None:
        """Keep a line."""
        if text.strip():
            self._lines.append(text.strip())
