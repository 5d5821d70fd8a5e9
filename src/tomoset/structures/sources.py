"""The one door to structures: what a recipe's ``structure = "..."`` may say."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tomoset.errors import InputMissingError, ParameterError
from tomoset.geometry import point_group
from tomoset.structures import built_in
from tomoset.structures.archive import fetch_entry, parse_archive_name
from tomoset.structures.atoms import read_structure
from tomoset.structures.density import DENSITY_SUFFIXES, read_density
from tomoset.structures.globule import GLOBULE, globule_structure
from tomoset.structures.structure import Structure

__all__ = ["is_local_file", "resolve_structure"]

COORDINATE_SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
MOST_MASS_RATIO = 1.5  # between a mass given and the file's: more is another oligomer, less is unresolved residues


def is_local_file(spec: str) -> bool:
    """Whether a structure's name is the path of a file, and neither built in nor the archive's."""
    return spec not in built_in.BUILT_IN_NAMES and spec != GLOBULE and not spec.lower().startswith("pdb:")


def resolve_structure(
    spec: str,
    *,
    folder: Path,
    name: str,
    symmetry: str = "",
    mass_kda: float | None = None,
    threshold: float | None = None,
    assembly: str | None = None,
) -> Structure:
    """Structure that a recipe names.

    Parameters
    ----------
    spec : str
        A built-in model's name; ``globule``; ``pdb:ID``, ``pdb:ID#assembly``, ``pdb:ID#assembly@sha256:…``; or the path
        of a coordinate file (``.pdb .ent .cif .mmcif``) or density map (``.mrc .map .ccp4 .em``), also ``.gz``.
    folder : Path
        That relative paths start from.
    name : str
        Of the structure that is returned.
    symmetry : str
        Point group; empty takes a built-in model's own, and C1 for anything else.
    mass_kda : float, optional
        Needed by ``globule``; the mass of a density map's molecule; of anything else it is checked against what the
        structure holds.
    threshold : float, optional
        Of a density map.
    assembly : str, optional
        Of a coordinate file or an archive's entry.

    Raises
    ------
    InputMissingError
        If there is no such file, or the archive cannot be reached.
    ParameterError
        If the name is not understood, a parameter does not go with it, the mass is far from the structure's, or its
        symmetry is another one.
    """
    kind = _kind(spec)
    _refuse_strangers(spec, kind, threshold, assembly)
    makers: dict[str, Callable[[], Structure]] = {
        "built-in": lambda: _with_symmetry(built_in.built_in_structure(spec), symmetry),
        GLOBULE: lambda: _globule(name, mass_kda, symmetry),
        "archive": lambda: _entry(spec, assembly, symmetry, name),
        "coordinates": lambda: read_structure(
            _existing(spec, folder), assembly=assembly, symmetry=symmetry or "C1", name=name
        ),
        "density": lambda: read_density(
            _existing(spec, folder), threshold=threshold, mass_kda=mass_kda, symmetry=symmetry or "C1", name=name
        ),
    }
    structure = makers[kind]()
    _check_mass(structure, mass_kda, spec)
    return structure if structure.name == name else replace(structure, name=name)


def _kind(spec: str) -> str:
    if spec in built_in.BUILT_IN_NAMES:
        return "built-in"
    if spec == GLOBULE:
        return GLOBULE
    lowered = spec.lower()
    if lowered.startswith("pdb:"):
        return "archive"
    plain = lowered.removesuffix(".gz")
    if plain.endswith(COORDINATE_SUFFIXES):
        return "coordinates"
    if plain.endswith(DENSITY_SUFFIXES):
        return "density"
    raise ParameterError(
        f"expected a built-in model ({', '.join(built_in.BUILT_IN_NAMES)}), {GLOBULE}, pdb:ID, or the path of a "
        f"coordinate file ({', '.join(COORDINATE_SUFFIXES)}) or density map ({', '.join(DENSITY_SUFFIXES)}), got "
        f"{spec!r}"
    )


def _refuse_strangers(spec: str, kind: str, threshold: float | None, assembly: str | None) -> None:
    """A parameter that would be overlooked is a mistake in the recipe."""
    if threshold is not None and kind != "density":
        raise ParameterError(f"{spec}: a threshold goes with a density map; leave it out for anything else")
    if assembly is not None and kind not in {"coordinates", "archive"}:
        raise ParameterError(f"{spec}: an assembly goes with coordinates (PDB, mmCIF); leave it out for anything else")


def _existing(spec: str, folder: Path) -> Path:
    path = folder / spec
    if not path.is_file():
        raise InputMissingError(
            f"structure {spec!r}: expected a file at {path}, found none; give its path relative to the recipe's "
            f"folder, a built-in model ({', '.join(built_in.BUILT_IN_NAMES)}) or pdb:ID"
        )
    return path


def _entry(spec: str, assembly: str | None, symmetry: str, name: str) -> Structure:
    entry = parse_archive_name(spec)
    if assembly is not None and entry.assembly not in {None, assembly}:
        raise ParameterError(
            f"{spec}: expected one assembly, got {entry.assembly!r} in its name and {assembly!r} beside"
        )
    path, digest = fetch_entry(entry)
    structure = read_structure(path, assembly=assembly or entry.assembly, symmetry=symmetry or "C1", name=name)
    return replace(structure, source=f"{structure.source}; pdb:{entry.identifier.upper()}@sha256:{digest}")


def _globule(name: str, mass_kda: float | None, symmetry: str) -> Structure:
    if mass_kda is None:
        raise ParameterError(f"{name}: a {GLOBULE} needs its mass; give mass_kda")
    return _with_symmetry(globule_structure(name, mass_kda), symmetry)


def _with_symmetry(structure: Structure, symmetry: str) -> Structure:
    """A model has its own symmetry, and may be taken as C1, which asks for less."""
    if not symmetry or point_group(symmetry).name == point_group(structure.symmetry).name:
        return structure
    if point_group(symmetry).name == "C1":
        return replace(structure, symmetry="C1")
    raise ParameterError(
        f"{structure.name}: expected its own symmetry {structure.symmetry} (or none given), got {symmetry}"
    )


def _check_mass(structure: Structure, mass_kda: float | None, spec: str) -> None:
    if mass_kda is None:
        return
    ratio = mass_kda / structure.mass_kda
    if not 1 / MOST_MASS_RATIO <= ratio <= MOST_MASS_RATIO:
        raise ParameterError(
            f"{spec}: expected about the mass given, {mass_kda:g} kDa, found {structure.mass_kda:.4g} kDa; check the "
            "mass, or whether another assembly or more chains make the molecule"
        )
