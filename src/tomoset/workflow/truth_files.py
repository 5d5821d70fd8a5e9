"""The truth of a simulated run on disk, under the hidden root that processing never opens."""

import dataclasses
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import atomic_path, write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.model import CompositionRow, Molecules, PickableObject, SeriesTruth, Specimen
from tomoset.workflow.series_files import geometry_from_json, geometry_to_json

__all__ = ["load_truth", "save_truth"]


def save_truth(folder: Path, truth: SeriesTruth) -> list[Path]:
    """Write ``truth.json`` (what a person reads) and ``molecules.npz`` (poses); returns both."""
    folder.mkdir(parents=True, exist_ok=True)
    specimen = truth.specimen
    document = {
        "run": specimen.run,
        "size_angstrom_xyz": list(specimen.size_angstrom_xyz),
        "composition": [dataclasses.asdict(row) for row in specimen.composition],
        "species": [molecules.species for molecules in specimen.molecules],
        "objects": [dataclasses.asdict(o) for o in truth.objects],
        "geometry": geometry_to_json(truth.geometry),
        "frame_shift_xy_angstrom": truth.frame_shift_xy_angstrom.tolist(),
        "defocus_angstrom": truth.defocus_angstrom.tolist(),
        "defocus_hand": truth.defocus_hand,
    }
    json_path, poses_path = folder / "truth.json", folder / "molecules.npz"
    arrays = {}
    for i, molecules in enumerate(specimen.molecules):
        arrays[f"positions_{i}"] = molecules.positions_angstrom_xyz
        arrays[f"rotations_{i}"] = molecules.rotations
    with atomic_path(poses_path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_json_atomic(json_path, document)
    return [json_path, poses_path]


def load_truth(folder: Path) -> SeriesTruth:
    """Read a run's truth.

    Raises
    ------
    InputMissingError
        If there is none (the run was measured, or the truth lies elsewhere).
    FormatError
        If its files are damaged.
    """
    path = folder / "truth.json"
    if not path.is_file():
        raise InputMissingError(
            f"expected the truth of {folder.name} at {folder}; a measured run has none, "
            "and the truth of a released dataset lies in its own folder: name that one"
        )
    poses_path = folder / "molecules.npz"
    with understood(path):
        return _truth_from(read_json(path), _read_poses(poses_path))


def _read_poses(path: Path) -> dict[str, NDArray[np.float64]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise InputMissingError(
            f"expected the molecules' poses in {path}, found none; simulate the run again"
        ) from error
    except (ValueError, EOFError, TypeError, BadZipFile) as error:
        raise FormatError(f"{path}: expected NumPy arrays, found {error}; simulate the run again") from error


def _truth_from(document: dict[str, Any], poses: dict[str, NDArray[np.float64]]) -> SeriesTruth:
    molecules = tuple(
        Molecules(
            species=species,
            positions_angstrom_xyz=poses[f"positions_{i}"],
            rotations=poses[f"rotations_{i}"],
        )
        for i, species in enumerate(document["species"])
    )
    specimen = Specimen(
        run=document["run"],
        size_angstrom_xyz=tuple(document["size_angstrom_xyz"]),
        molecules=molecules,
        composition=tuple(CompositionRow(**row) for row in document["composition"]),
    )
    return SeriesTruth(
        specimen=specimen,
        objects=tuple(PickableObject(**{**o, "color_rgba": tuple(o["color_rgba"])}) for o in document["objects"]),
        geometry=geometry_from_json(document["geometry"]),
        frame_shift_xy_angstrom=np.asarray(document["frame_shift_xy_angstrom"], dtype=np.float64),
        defocus_angstrom=np.asarray(document["defocus_angstrom"], dtype=np.float64),
        defocus_hand=document["defocus_hand"],
    )
