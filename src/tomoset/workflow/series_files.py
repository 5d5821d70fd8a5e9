"""Tilt series on disk: image stacks as MRC, masks as NPZ, everything else as JSON, one document per stage."""

import dataclasses
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats import mrc
from tomoset.formats.atomic import atomic_path, write_json_atomic
from tomoset.formats.geometry_json import geometry_from_json, geometry_to_json
from tomoset.formats.json_documents import read_json, understood
from tomoset.model import ArraySource, CtfEstimate, MotionTrack, Optics, Tilt, TiltSeries

__all__ = ["load_series", "save_images", "save_masks", "save_series"]

_MASKS = "masks.npz"
_STACKS = {"images_nyx": "", "odd_nyx": "_odd", "even_nyx": "_even", "dose_weighted_nyx": "_dose_weighted"}


def save_images(folder: Path, series: TiltSeries) -> list[Path]:
    """Write the stacks of a series (all, odd, even frames) as MRC; returns the files."""
    written = []
    for attribute, suffix in _STACKS.items():
        source: ArraySource | None = getattr(series, attribute)
        if source is not None:
            path = folder / f"{series.run}{suffix}.mrc"
            mrc.write_stack(path, source, series.pixel_size_angstrom)
            written.append(path)
    return written


def save_masks(folder: Path, series: TiltSeries) -> list[Path]:
    """Write the masks of a series, where it has any; returns the file."""
    if series.masks_nyx is None:
        return []
    with atomic_path(folder / _MASKS) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, masks_nyx=series.masks_nyx)
    return [folder / _MASKS]


def _load_masks(path: Path, n_tilts: int) -> NDArray[np.bool_]:
    """Masks of a series whose document says that it has some."""
    if not path.is_file():
        raise InputMissingError(f"expected {path.name} in {path.parent}; run the step `ctf` again")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            masks = np.asarray(arrays["masks_nyx"], dtype=np.bool_)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise FormatError(
            f"{path.name}: expected the masks of a tilt series, found {error}; run `ctf` again"
        ) from error
    if masks.ndim != 3 or masks.shape[0] != n_tilts:
        raise FormatError(f"{path.name}: expected masks of {n_tilts} tilts, found {masks.shape}; run `ctf` again")
    return masks


def save_series(path: Path, series: TiltSeries) -> Path:
    """Write everything but the images and masks of a series as one JSON document."""
    document = {
        "run": series.run,
        "pixel_size_angstrom": series.pixel_size_angstrom,
        "nominal_tilt_axis_deg": series.nominal_tilt_axis_deg,
        "optics": dataclasses.asdict(series.optics),
        "defocus_hand": series.defocus_hand,
        "diagnostics": series.diagnostics,
        "masks": None if series.masks_nyx is None else _MASKS,
        "geometry": None if series.geometry is None else geometry_to_json(series.geometry),
        "tilts": [_tilt_to_json(tilt) for tilt in series.tilts],
    }
    write_json_atomic(path, document)
    return path


def load_series(folder: Path, document_name: str) -> TiltSeries:
    """Read a series: its JSON document and the stacks beside it.

    Raises
    ------
    InputMissingError
        If the document or the stack of all frames is missing.
    FormatError
        If the document is damaged or lacks a field.
    """
    path = folder / document_name
    if not path.is_file():
        raise InputMissingError(
            f"expected the tilt series {path.name} in {folder}; run the steps before this one first"
        )
    document = read_json(path)
    with understood(path):
        run = document["run"]
        stacks: dict[str, Any] = {
            attribute: mrc.read_volume(folder / f"{run}{suffix}.mrc")[0]
            for attribute, suffix in _STACKS.items()
            if attribute == "images_nyx" or (folder / f"{run}{suffix}.mrc").is_file()
        }
        geometry = document["geometry"]
        return TiltSeries(
            run=run,
            pixel_size_angstrom=document["pixel_size_angstrom"],
            tilts=tuple(_tilt_from_json(row) for row in document["tilts"]),
            nominal_tilt_axis_deg=document["nominal_tilt_axis_deg"],
            optics=Optics(**document["optics"]),
            geometry=None if geometry is None else geometry_from_json(geometry),
            defocus_hand=document["defocus_hand"],
            diagnostics=document["diagnostics"],
            masks_nyx=_load_masks(folder / _MASKS, len(document["tilts"])) if document.get("masks") else None,
            **stacks,
        )


def _tilt_to_json(tilt: Tilt) -> dict[str, Any]:
    row = {field.name: getattr(tilt, field.name) for field in dataclasses.fields(tilt)}
    row["motion"] = None if tilt.motion is None else _motion_to_json(tilt.motion)
    row["ctf"] = None if tilt.ctf is None else dataclasses.asdict(tilt.ctf)
    return row


def _tilt_from_json(row: dict[str, Any]) -> Tilt:
    motion, ctf = row["motion"], row["ctf"]
    return Tilt(
        **{
            **row,
            "motion": None if motion is None else _motion_from_json(motion),
            "ctf": None if ctf is None else CtfEstimate(**ctf),
        }
    )


def _motion_to_json(track: MotionTrack) -> dict[str, Any]:
    local = track.local_xy_angstrom
    return {
        "shift_xy_angstrom": track.shift_xy_angstrom.tolist(),
        "local_xy_angstrom": None if local is None else local.tolist(),
    }


def _motion_from_json(document: dict[str, Any]) -> MotionTrack:
    local = document["local_xy_angstrom"]
    return MotionTrack(
        shift_xy_angstrom=np.asarray(document["shift_xy_angstrom"], dtype=np.float64),
        local_xy_angstrom=None if local is None else np.asarray(local, dtype=np.float64),
    )
