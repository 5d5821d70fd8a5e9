"""Coordinate files (PDB, mmCIF) become structures."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, InputMissingError
from tomoset.geometry import point_group
from tomoset.structures import scattering
from tomoset.structures.assemblies import one_molecule
from tomoset.structures.structure import Structure
from tomoset.structures.symmetry_axes import align_to_point_group

__all__ = ["read_structure"]

FEWEST_ATOMS_PER_RESIDUE = 2.5  # a trace has one or two; glycine has four
WATER_MASS_DALTON = 18.015


def read_structure(
    path: str | Path,
    *,
    assembly: str | None = None,
    chains: Sequence[str] = (),
    symmetry: str = "C1",
    name: str | None = None,
) -> Structure:
    """Molecule of a PDB or mmCIF file, relative to vitreous ice, in the frame of its point group.

    Waters are dropped (they are the ice), of alternative conformations the first is kept, and ligands and ions stay.
    Hydrogens that the file leaves out, as X-ray models do, are counted from the residue's composition and carried
    by the residue's other atoms: they are a fifth of a protein's potential.

    Parameters
    ----------
    path : str or Path
        File in PDB or mmCIF form, also gzipped.
    assembly : str, optional
        Name of the biological assembly to build, as the file calls it, or ``deposited`` for the coordinates as they
        are. Without it the deposited coordinates are taken only where they are the file's first assembly, or where
        the file defines none: a crystal's asymmetric unit is often a part of the molecule, or several of it. A file
        whose MODELs lie side by side is one assembly split in parts, and they are joined; of an ensemble the first
        MODEL is taken. What was done is said in ``source``.
    chains : sequence of str, optional
        Chains (the author's names) to take, of the assembly if one is named, else of the deposited coordinates; by
        default all.
    symmetry : str
        Point group that the molecule has. Its axes are found and turned to the setting of
        ``geometry.point_groups``.
    name : str, optional
        Name of the structure; by default the file's.

    Returns
    -------
    Structure
        Centred on the centre of mass.

    Raises
    ------
    InputMissingError
        If there is no such file.
    FormatError
        If it is not a coordinate file, holds no atoms beside water, atoms of unknown elements, or a trace of the
        chain alone.
    ParameterError
        If the assembly or a chain is not in the file, if none is named and the deposited coordinates are not the
        file's first assembly (the choices are listed with their chains and masses), or if the molecule does not have
        the symmetry.

    Notes
    -----
    Strengths: see :mod:`tomoset.structures.scattering`. Each atom is one Gaussian with the variance of its Peng (1996)
    potential plus that of its isotropic B factor; the displaced ice shares it, so that finer than about 6 Å the
    solvent's edge is only approximate.
    """
    path = Path(path)
    point_group(symmetry)  # an unknown symbol is refused before any work
    parsed = _parse(path)
    model, how = one_molecule(parsed, path.name, assembly, chains)
    atoms = _atom_table(model, path.name)
    label = name or path.name.split(".")[0].lower().replace("_", "-")
    mass = float(atoms.masses.sum())
    centre = (atoms.masses / mass) @ atoms.positions_xyz
    structure = Structure(
        name=label,
        symmetry="C1",
        mass_kda=mass / 1e3,
        positions_angstrom_xyz=atoms.positions_xyz - centre,
        strengths_volt_angstrom3=scattering.strengths_volt_angstrom3(atoms.form_factors, atoms.displaced_angstrom3),
        spreads_angstrom=np.sqrt(atoms.variances_angstrom2),
        source=f"atoms of {path.name}: {how}; waters left out",
    )
    return structure if symmetry.upper() == "C1" else align_to_point_group(structure, symmetry)


@dataclass(frozen=True, slots=True, eq=False)
class _AtomTable:
    """Columns of one molecule's atoms, implied hydrogens already shared out."""

    positions_xyz: NDArray[np.float64]
    masses: NDArray[np.float64]
    form_factors: NDArray[np.float64]
    variances_angstrom2: NDArray[np.float64]
    displaced_angstrom3: NDArray[np.float64]


def _parse(path: Path) -> Any:
    import gemmi

    if not path.is_file():
        raise InputMissingError(f"expected a PDB or mmCIF file at {path}, found none; check the path in the recipe")
    try:
        if path.suffix == ".gz":
            _unpack_all(path)
        parsed = gemmi.read_structure(str(path))
    except (ValueError, RuntimeError, OSError, EOFError, zlib.error) as broken:
        raise FormatError(f"expected a PDB or mmCIF file, but {path.name} cannot be read as one: {broken}") from broken
    parsed.setup_entities()
    parsed.remove_alternative_conformations()
    parsed.remove_waters()
    parsed.remove_empty_chains()
    if not any(model.count_atom_sites() for model in parsed):
        raise FormatError(
            f"expected atoms in {path.name}, found none beside waters; is it a coordinate file (ATOM records or an "
            "_atom_site loop)?"
        )
    return parsed


def _atom_table(model: Any, file: str) -> _AtomTable:
    rows: list[tuple[float, ...]] = []
    positions: list[list[float]] = []
    for chain in model:
        for residue in chain:
            n_implied, in_nucleotide = _implied_hydrogens(residue)
            n_heavy = sum(not atom.is_hydrogen() for atom in residue)
            for atom in residue:
                hydrogens = n_implied / n_heavy if n_implied and not atom.is_hydrogen() else 0.0
                facts = scattering.element_facts(atom.element.name)
                rows.append((*facts, hydrogens, atom.is_hydrogen(), in_nucleotide, atom.b_iso))
                positions.append(atom.pos.tolist())
    _refuse_trace(model, len(rows), file)
    table = np.array(rows, dtype=np.float64)
    masses, factors, variances, hydrogens, is_hydrogen, in_nucleotide, b_factors = table.T
    positions_xyz = np.array(positions, dtype=np.float64)
    if not np.isfinite(positions_xyz).all():
        raise FormatError(f"expected finite coordinates in {file}, found some that are not numbers")
    hydrogen_mass, hydrogen_factor, _ = scattering.element_facts("H")
    return _AtomTable(
        positions_xyz=positions_xyz,
        masses=masses + hydrogens * hydrogen_mass,
        form_factors=factors + hydrogens * hydrogen_factor,
        variances_angstrom2=variances + np.clip(np.nan_to_num(b_factors), 0.0, 500.0) / (8 * np.pi**2),
        displaced_angstrom3=scattering.displaced_volume_angstrom3(is_hydrogen > 0, in_nucleotide > 0),
    )


def _unpack_all(path: Path) -> None:
    """Read a compressed file to its end: gemmi takes one that was cut off for a small molecule."""
    with gzip.open(path) as stream:
        while stream.read(1 << 20):
            pass


def _refuse_trace(model: Any, n_atoms: int, file: str) -> None:
    """A model of C-alpha or phosphorus atoms would pass for a molecule of a tenth of the mass."""
    import gemmi

    polymer = [
        len(residue)
        for chain in model
        for residue in chain
        if gemmi.find_tabulated_residue(residue.name).is_amino_acid()
        or gemmi.find_tabulated_residue(residue.name).is_nucleic_acid()
    ]
    if len(polymer) > 3 and sum(polymer) < FEWEST_ATOMS_PER_RESIDUE * len(polymer):
        raise FormatError(
            f"expected all atoms of the residues in {file}, found {sum(polymer)} atoms in {len(polymer)} residues "
            f"({n_atoms} in all): it holds a trace of the chain alone; use a complete model"
        )


def _implied_hydrogens(residue: Any) -> tuple[float, bool]:
    """Hydrogens a residue should have and the file leaves out, and whether it is a nucleotide."""
    import gemmi

    info = gemmi.find_tabulated_residue(residue.name)
    in_nucleotide = bool(info.is_nucleic_acid())
    if any(atom.is_hydrogen() for atom in residue) or len(residue) == 1:
        return 0.0, in_nucleotide
    heavy_mass = sum(atom.element.weight for atom in residue)
    if not info.found() or not info.weight > 0:
        return float(sum(atom.element.name == "C" for atom in residue)), in_nucleotide  # about one per carbon
    polymer = info.is_amino_acid() or in_nucleotide
    # A link of the chain costs one water; a residue of which atoms are missing has the same share of its hydrogens.
    hydrogens = info.hydrogen_count - (2 if polymer else 0)
    full_mass = info.weight - (WATER_MASS_DALTON if polymer else 0.0) - hydrogens * scattering.HYDROGEN_MASS_DALTON
    return hydrogens * min(1.0, heavy_mass / full_mass), in_nucleotide
