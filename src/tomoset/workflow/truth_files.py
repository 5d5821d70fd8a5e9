"""The truth of a simulated run on disk, under the hidden root that processing never opens."""

import dataclasses
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.formats.atomic import atomic_path, write_json_atomic
from tomoset.formats.geometry_json import geometry_from_json, geometry_to_json
from tomoset.formats.json_documents import read_json, understood
from tomoset.formats.mrc_writing import write_stack
from tomoset.formats.obj import write_obj
from tomoset.model import (
    BilayerProfile,
    CompositionRow,
    Filament,
    IceLayer,
    Membrane,
    Molecules,
    PickableObject,
    SeriesTruth,
    Specimen,
)

__all__ = ["load_truth", "save_truth"]


_ARRAYS = ("astigmatism_angstrom", "astigmatism_deg", "magnification", "deformation", "local_motion")


def save_truth(folder: Path, truth: SeriesTruth) -> list[Path]:
    """Write ``truth.json`` (what a person reads), ``specimen.npz`` (arrays) and the membranes' meshes.

    Lipids and other matter without a pose are not kept: they follow from the meshes and the seed. Returns the paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    json_path, arrays_path = folder / "truth.json", folder / "specimen.npz"
    with atomic_path(arrays_path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **_arrays_of(truth))
    paths = [json_path, arrays_path, *_save_meshes(folder / "Membranes", truth.specimen.membranes)]
    if truth.specimen.ice is not None:
        thickness = folder / "thickness.mrc"
        write_stack(thickness, truth.specimen.ice.thickness_angstrom_yx[None], truth.specimen.ice.spacing_angstrom)
        paths.append(thickness)
    write_json_atomic(json_path, _document_of(truth))
    return paths


def _document_of(truth: SeriesTruth) -> dict[str, Any]:
    specimen = truth.specimen
    return {
        "run": specimen.run,
        "size_angstrom_xyz": list(specimen.size_angstrom_xyz),
        "composition": [dataclasses.asdict(row) for row in specimen.composition],
        "molecules": [{"species": m.species, "compartment": m.compartment} for m in specimen.molecules],
        "filaments": [
            {"species": f.species, "radius_angstrom": f.radius_angstrom, "compartment": f.compartment}
            for f in specimen.filaments
        ],
        "membranes": [
            {"name": m.name, "body": m.body, "profile": dataclasses.asdict(m.profile)} for m in specimen.membranes
        ],
        "ice_spacing_angstrom": None if specimen.ice is None else specimen.ice.spacing_angstrom,
        "objects": [dataclasses.asdict(o) for o in truth.objects],
        "geometry": geometry_to_json(truth.geometry),
        "frame_shift_xy_angstrom": truth.frame_shift_xy_angstrom.tolist(),
        "defocus_angstrom": truth.defocus_angstrom.tolist(),
        "defocus_hand": truth.defocus_hand,
        "conditions": list(truth.conditions),
        "missing_tilts_deg": list(truth.missing_tilts_deg),
        "field_angstrom": truth.field_angstrom,
    }


def _arrays_of(truth: SeriesTruth) -> dict[str, NDArray[Any]]:
    specimen = truth.specimen
    arrays: dict[str, NDArray[Any]] = {}
    for i, molecules in enumerate(specimen.molecules):
        arrays[f"positions_{i}"] = molecules.positions_angstrom_xyz
        arrays[f"rotations_{i}"] = molecules.rotations
        if molecules.filament_index is not None:
            arrays[f"filament_index_{i}"] = molecules.filament_index
    for i, filament in enumerate(specimen.filaments):
        arrays[f"curve_{i}"] = filament.curve_angstrom_xyz
    for i, membrane in enumerate(specimen.membranes):
        arrays[f"vertices_{i}"] = membrane.vertices_angstrom_xyz
        arrays[f"faces_{i}"] = membrane.faces
        arrays[f"normals_{i}"] = membrane.normals
    if specimen.ice is not None:
        arrays["ice_bottom"] = specimen.ice.bottom_angstrom_yx
        arrays["ice_top"] = specimen.ice.top_angstrom_yx
    arrays |= {name: getattr(truth, name) for name in _ARRAYS if getattr(truth, name) is not None}
    return arrays


def _save_meshes(folder: Path, membranes: tuple[Membrane, ...]) -> list[Path]:
    """Both leaflets of every membrane as Wavefront OBJ, which mesh programs open."""
    if not membranes:
        return []
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for i, membrane in enumerate(membranes, start=1):
            for side, leaflet in ((1, "outer"), (-1, "inner")):
                path = temporary / f"{i:03d}_{membrane.name}_{leaflet}-leaflet.obj"
                write_obj(path, membrane.leaflet_angstrom_xyz(side), membrane.faces, membrane.normals)
    return [folder]


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
    arrays_path = folder / "specimen.npz"
    with understood(path):
        return _truth_from(read_json(path), _read_arrays(arrays_path))


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise InputMissingError(
            f"expected the specimen's poses in {path}, found none; simulate the run again"
        ) from error
    except (ValueError, EOFError, TypeError, BadZipFile) as error:
        raise FormatError(f"{path}: expected NumPy arrays, found {error}; simulate the run again") from error


def _truth_from(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SeriesTruth:
    return SeriesTruth(
        specimen=_specimen_from(document, arrays),
        objects=tuple(PickableObject(**{**o, "color_rgba": tuple(o["color_rgba"])}) for o in document["objects"]),
        geometry=geometry_from_json(document["geometry"]),
        frame_shift_xy_angstrom=np.asarray(document["frame_shift_xy_angstrom"], dtype=np.float64),
        defocus_angstrom=np.asarray(document["defocus_angstrom"], dtype=np.float64),
        defocus_hand=document["defocus_hand"],
        conditions=tuple(document["conditions"]),
        missing_tilts_deg=tuple(document["missing_tilts_deg"]),
        field_angstrom=document["field_angstrom"],
        **{name: arrays[name] for name in _ARRAYS if name in arrays},
    )


def _specimen_from(document: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Specimen:
    spacing = document["ice_spacing_angstrom"]
    return Specimen(
        run=document["run"],
        size_angstrom_xyz=tuple(document["size_angstrom_xyz"]),
        molecules=tuple(
            Molecules(
                **entry,
                positions_angstrom_xyz=arrays[f"positions_{i}"],
                rotations=arrays[f"rotations_{i}"],
                filament_index=arrays.get(f"filament_index_{i}"),
            )
            for i, entry in enumerate(document["molecules"])
        ),
        composition=tuple(CompositionRow(**row) for row in document["composition"]),
        filaments=tuple(
            Filament(**entry, curve_angstrom_xyz=arrays[f"curve_{i}"]) for i, entry in enumerate(document["filaments"])
        ),
        membranes=tuple(
            Membrane(
                name=entry["name"],
                body=entry["body"],
                profile=_profile_from(entry["profile"]),
                vertices_angstrom_xyz=arrays[f"vertices_{i}"],
                faces=arrays[f"faces_{i}"],
                normals=arrays[f"normals_{i}"],
            )
            for i, entry in enumerate(document["membranes"])
        ),
        ice=None
        if spacing is None
        else IceLayer(
            bottom_angstrom_yx=arrays["ice_bottom"], top_angstrom_yx=arrays["ice_top"], spacing_angstrom=spacing
        ),
    )


def _profile_from(entry: dict[str, Any]) -> BilayerProfile:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return BilayerProfile(**values)
