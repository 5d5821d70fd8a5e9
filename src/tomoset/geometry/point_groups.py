"""Point groups Cn, Dn, T, O and I as lists of proper rotations.

Axes follow the single-particle field's habit (RELION, EMAN2): the n-fold axis of Cn and Dn along z, a 2-fold of Dn
along x; T and O with their 2- and 4-folds along x, y, z and 3-folds along the cube's diagonals; I with 2-folds along
x, y, z and 5-folds along (0, ±1, φ) and its cyclic permutations (the "222" setting).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError
from tomoset.geometry.rotations import angle_between_deg, rotation_about

__all__ = ["PointGroup", "point_group"]


@dataclass(frozen=True, slots=True, eq=False)
class PointGroup:
    """A finite group of rotations.

    Parameters
    ----------
    name : str
        Schoenflies symbol: ``C1``, ``D7``, ``T``, ``O``, ``I`` …
    rotations : (order, 3, 3) array of float64
        Its elements as active matrices on xyz; the first is the identity.
    """

    name: str
    rotations: NDArray[np.float64]

    @property
    def order(self) -> int:
        """Number of elements."""
        return len(self.rotations)

    def angle_between_deg(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
        """Smallest geodesic angle, degrees, between particle poses (..., 3, 3) that symmetry cannot tell apart."""
        equivalents = np.asarray(b, dtype=np.float64)[..., None, :, :] @ self.rotations
        return angle_between_deg(np.asarray(a, dtype=np.float64)[..., None, :, :], equivalents).min(axis=-1)

    def representatives(self, rotations: ArrayLike) -> NDArray[np.float64]:
        """Of all poses that symmetry cannot tell from each given one (n, 3, 3), the one nearest to the identity."""
        poses = np.asarray(rotations, dtype=np.float64).reshape(-1, 3, 3)
        trace = np.einsum("nij,gji->ng", poses, self.rotations)
        return np.asarray(poses @ self.rotations[trace.argmax(axis=1)], dtype=np.float64)


@lru_cache(maxsize=64)
def point_group(name: str) -> PointGroup:
    """Point group of a Schoenflies symbol.

    Parameters
    ----------
    name : str
        ``Cn``, ``Dn`` (n ≥ 1), ``T``, ``O`` or ``I``; case does not matter.

    Returns
    -------
    PointGroup
        With n, 2n, 12, 24 or 60 rotations.

    Raises
    ------
    ParameterError
        If the symbol is not one of these.

    Examples
    --------
    >>> [point_group(name).order for name in ("C1", "D7", "T", "O", "I")]
    [1, 14, 12, 24, 60]
    """
    symbol = name.strip().upper()
    cyclic = re.fullmatch(r"([CD])([1-9]\d*)", symbol)
    if cyclic:
        n = int(cyclic[2])
        generators = [rotation_about("z", 360.0 / n)]
        if cyclic[1] == "D":
            generators.append(rotation_about("x", 180.0))
    elif symbol in _POLYHEDRAL:
        generators = _POLYHEDRAL[symbol]()
    else:
        raise ParameterError(f"expected a point group Cn, Dn, T, O or I, got {name!r}")
    return PointGroup(symbol, _closure(generators))


def _axis_rotation(axis_xyz: ArrayLike, angle_deg: float) -> NDArray[np.float64]:
    axis = np.asarray(axis_xyz, dtype=np.float64)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(angle_deg)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _tetrahedral() -> list[NDArray[np.float64]]:
    return [rotation_about("z", 180.0), _axis_rotation((1, 1, 1), 120.0)]


def _octahedral() -> list[NDArray[np.float64]]:
    return [rotation_about("z", 90.0), _axis_rotation((1, 1, 1), 120.0)]


def _icosahedral() -> list[NDArray[np.float64]]:
    golden = (1 + np.sqrt(5.0)) / 2
    return [*_tetrahedral(), _axis_rotation((0, 1, golden), 72.0)]


_POLYHEDRAL = {"T": _tetrahedral, "O": _octahedral, "I": _icosahedral}


def _closure(generators: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """All products of the generators, identity first."""
    elements = [np.eye(3)]
    for element in elements:  # grows while it is walked: every new element is multiplied in its turn
        for generator in generators:
            product = element @ generator
            if not any(np.abs(product - known).max() < 1e-6 for known in elements):
                elements.append(product)
    return np.stack(elements)
