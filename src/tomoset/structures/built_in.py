"""Molecules that need no file: bead models of exact symmetry, from dimensions and moments.

Nothing in them is random. They stand in for the real molecules at 20 Å and coarser; finer detail needs a coordinate
file. What each takes from a real structure, and what is modelled, is said in its ``source``.
"""

from collections.abc import Callable

from tomoset.errors import ParameterError
from tomoset.structures.models_proteins import beta_amylase, bsa, thyroglobulin
from tomoset.structures.models_ribosome import ribosome_70s
from tomoset.structures.models_symmetric import apoferritin, pp7_vlp, proteasome
from tomoset.structures.models_tmv import tobacco_mosaic_virus
from tomoset.structures.structure import Structure

__all__ = ["BUILT_IN_NAMES", "built_in_structure", "built_in_symmetry"]

_MAKERS: dict[str, tuple[str, Callable[[], Structure]]] = {
    "apoferritin": ("O", apoferritin),
    "proteasome": ("D7", proteasome),
    "pp7-vlp": ("I", pp7_vlp),
    "bsa": ("C1", bsa),
    "beta-amylase": ("D2", beta_amylase),
    "thyroglobulin": ("C2", thyroglobulin),
    "tmv": ("C1", tobacco_mosaic_virus),
    "ribosome-70s": ("C1", ribosome_70s),
}
BUILT_IN_NAMES: tuple[str, ...] = tuple(_MAKERS)


def built_in_structure(name: str) -> Structure:
    """Bead model of a molecule that tomoset carries with it.

    Parameters
    ----------
    name : str
        One of ``BUILT_IN_NAMES``.

    Returns
    -------
    Structure
        Identical at every call; of a filament (``tmv``) one repeat.

    Raises
    ------
    ParameterError
        If there is no such model.

    Examples
    --------
    >>> built_in_structure("apoferritin").symmetry
    'O'
    """
    return _entry(name)[1]()


def built_in_symmetry(name: str) -> str:
    """Point group of a built-in model, without building it.

    Raises
    ------
    ParameterError
        If there is no such model.

    Examples
    --------
    >>> built_in_symmetry("proteasome")
    'D7'
    """
    return _entry(name)[0]


def _entry(name: str) -> tuple[str, Callable[[], Structure]]:
    if name not in _MAKERS:
        raise ParameterError(
            f"expected a built-in structure ({', '.join(BUILT_IN_NAMES)}), got {name!r}; name a PDB or mmCIF file for "
            "any other molecule"
        )
    return _MAKERS[name]
