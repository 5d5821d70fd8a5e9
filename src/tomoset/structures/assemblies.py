"""Which of a coordinate file's chains, MODELs and assemblies are the molecule."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import FormatError, ParameterError

__all__ = ["DEPOSITED", "one_molecule"]

DEPOSITED = "deposited"
DISTINCT_MODELS_ANGSTROM = 5.0  # models of one ensemble lie on one another; parts of one assembly lie side by side
SAME_PLACE_ANGSTROM = 1.0  # between the centres of a chain in two models that are one molecule
WATER_MASS_DALTON = 18.015


def one_molecule(parsed: Any, file: str, assembly: str | None, chains: Sequence[str] = ()) -> tuple[Any, str]:
    """Model that is the molecule, and a phrase that says which of the file's chains, MODELs or assemblies it is.

    Parameters
    ----------
    parsed : gemmi.Structure
        The file's content, waters and alternative conformations removed.
    file : str
        Its name, for messages.
    assembly : str or None
        Name of one of its assemblies, ``deposited``, or None: the deposited coordinates if they are the molecule.
    chains : sequence of str
        Chains to keep; all if empty.

    Raises
    ------
    ParameterError
        If the assembly or a chain is unknown, or the deposited coordinates are not the first assembly and nothing
        says which to take.
    FormatError
        If an assembly holds no atoms.
    """
    if assembly is None or assembly == DEPOSITED:
        model, how = _deposited(parsed)
        if assembly is None and not chains:
            how += _which_assembly(parsed, model, file)
    else:
        model, how = _built(parsed, file, assembly), f"assembly {assembly}"
    if not chains:
        return model, how
    return _chosen(model, file, chains), f"chains {', '.join(chains)} of {how}"


def _built(parsed: Any, file: str, assembly: str) -> Any:
    import gemmi

    found = {entry.name: entry for entry in parsed.assemblies}
    if assembly not in found:
        listed = ", ".join(found) or "none"
        raise ParameterError(
            f"expected an assembly of {file} (it defines: {listed}), got {assembly!r}; {DEPOSITED!r} takes the "
            "coordinates as they are"
        )
    # A chain that takes part in two generators must not be lost, and every copy keeps the author's name.
    built = gemmi.make_assembly(found[assembly], parsed[0], gemmi.HowToNameCopiedChain.Dup)
    if built.count_atom_sites() == 0:
        raise FormatError(f"assembly {assembly!r} of {file} names chains that hold no atoms")
    return built


def _deposited(parsed: Any) -> tuple[Any, str]:
    import gemmi

    if len(parsed) == 1:
        return parsed[0], "coordinates as deposited"
    if not _side_by_side(parsed):
        return parsed[0], f"the first of {len(parsed)} MODELs of an ensemble"
    joined = gemmi.Model(1)
    for model in parsed:
        for chain in model:
            joined.add_chain(chain)
    return joined, f"its {len(parsed)} MODELs, which lie side by side, joined to one assembly"


def _side_by_side(parsed: Any) -> bool:
    centres = np.array([model.calculate_center_of_mass().tolist() for model in parsed])
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    return bool(distances[~np.eye(len(centres), dtype=bool)].min() > DISTINCT_MODELS_ANGSTROM)


def _which_assembly(parsed: Any, deposited: Any, file: str) -> str:
    """Phrase that names the assembly the deposited coordinates are; refused if they are not the first one."""
    if not parsed.assemblies:
        return ""
    first = parsed.assemblies[0].name
    if _same_chains(deposited, _built(parsed, file, first)):
        return f", which are assembly {first}"
    choices = [_choice(DEPOSITED, deposited)]
    choices += [_choice(entry.name, _built(parsed, file, entry.name)) for entry in parsed.assemblies]
    raise ParameterError(
        f"expected the coordinates in {file} to be one molecule, but they are not its assembly {first}; say which "
        f"`assembly` to take: {'; '.join(choices)}"
    )


def _same_chains(one: Any, other: Any) -> bool:
    """Whether the polymer chains of two models lie at the same places; equal masses would not tell A + B from 2 A."""
    first, second = _chain_centres(one), _chain_centres(other)
    if first.shape != second.shape or len(first) == 0:
        return len(first) == len(second)
    distances = np.linalg.norm(first[:, None] - second[None], axis=-1)
    return bool(
        (distances.min(axis=0) < SAME_PLACE_ANGSTROM).all() and (distances.min(axis=1) < SAME_PLACE_ANGSTROM).all()
    )


def _chain_centres(model: Any) -> NDArray[np.float64]:
    """Mean position of each chain's polymer, (n, 3) Å; ligands and ions are assigned to chains at will."""
    centres = []
    for chain in model:
        positions = [atom.pos.tolist() for residue in chain if _polymer_mass(residue) > 0 for atom in residue]
        if positions:
            centres.append(np.mean(positions, axis=0))
    return np.array(centres).reshape(-1, 3)


def _polymer_mass(residue: Any) -> float:
    """Mass of an amino acid or nucleotide in its chain, hydrogens included, Da; 0 of anything else."""
    import gemmi

    kind = gemmi.find_tabulated_residue(residue.name)
    return kind.weight - WATER_MASS_DALTON if kind.is_amino_acid() or kind.is_nucleic_acid() else 0.0


def _choice(name: str, model: Any) -> str:
    mass_kda = sum(_polymer_mass(residue) for chain in model for residue in chain) / 1e3
    n_chains = len(_chain_centres(model))
    return f"{name!r} ({n_chains} {'chain' if n_chains == 1 else 'chains'}, {mass_kda:.1f} kDa)"


def _chosen(model: Any, file: str, chains: Sequence[str]) -> Any:
    import gemmi

    found = list(dict.fromkeys(chain.name for chain in model))
    missing = [name for name in chains if name not in found]
    if missing:
        raise ParameterError(f"expected chains of {file} ({', '.join(found)}), got {', '.join(missing)}")
    kept = gemmi.Model(1)
    for chain in model:
        if chain.name in chains:
            kept.add_chain(chain)
    return kept
