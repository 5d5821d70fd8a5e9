"""Molecules that need no file: bead models of exact symmetry, from published dimensions.

Each model is one asymmetric unit of a few ellipsoids, filled evenly with beads and repeated by every rotation of the
point group. Nothing in them is random. They stand in for the real molecules at 20 Å and coarser; finer detail needs
a coordinate file.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError
from tomoset.geometry import point_group
from tomoset.structures.structure import Structure

__all__ = ["BUILT_IN_NAMES", "built_in_structure"]

PROTEIN_VOLT_ANGSTROM3_PER_DALTON = 4.0  # +3.3 V relative to ice in 1.21 Å3 per dalton


@dataclass(frozen=True, slots=True)
class _Ellipsoid:
    """One lobe of a subunit: centre (Å, xyz), semi-axis vectors as rows (Å), mass (kDa), number of beads."""

    centre_xyz: ArrayLike
    semi_axes_xyz: ArrayLike
    mass_kda: float
    beads: int


def _even_ball(n: int) -> NDArray[np.float64]:
    """``n`` points spread evenly in the unit ball: Roberts' additive recurrence in three dimensions."""
    plastic = 1.2207440846057596  # real root of x^4 = x + 1
    steps = (np.arange(n)[:, None] + 0.5) * plastic ** -np.arange(1, 4) % 1.0
    radius, height, azimuth = np.cbrt(steps[:, 0]), 2 * steps[:, 1] - 1, 2 * np.pi * steps[:, 2]
    ring = np.sqrt(1 - height**2)
    points = radius[:, None] * np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), height], axis=-1)
    return np.asarray(points - points.mean(axis=0))


def _assemble(name: str, symmetry: str, lobes: list[_Ellipsoid], spread_angstrom: float, source: str) -> Structure:
    """Fill the lobes of one asymmetric unit with beads and repeat them by the point group."""
    centres = [_even_ball(lobe.beads) @ np.asarray(lobe.semi_axes_xyz) + np.asarray(lobe.centre_xyz) for lobe in lobes]
    masses = np.concatenate([np.full(lobe.beads, lobe.mass_kda / lobe.beads) for lobe in lobes])
    rotations = point_group(symmetry).rotations
    positions = np.einsum("gij,nj->gni", rotations, np.concatenate(centres)).reshape(-1, 3)
    masses_all = np.tile(masses, len(rotations))
    return Structure(
        name=name,
        symmetry=symmetry,
        mass_kda=float(masses_all.sum()),
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=masses_all * 1e3 * PROTEIN_VOLT_ANGSTROM3_PER_DALTON,
        spreads_angstrom=np.full(len(positions), spread_angstrom),
        source=source,
    )


def _apoferritin() -> Structure:
    lobe = _Ellipsoid((47.0, 14.0, 10.0), ((9.0, 0.0, 0.0), (0.0, 19.0, 16.0), (0.0, -9.0, 10.7)), 20.0, 16)
    return _assemble("apoferritin", "O", [lobe], 4.5, "bead model: 24 subunits of 20 kDa, outer diameter 12 nm")


def _proteasome() -> Structure:
    alpha = _Ellipsoid((36.0, 8.0, 56.0), ((14.0, 0.0, 0.0), (0.0, 17.0, 0.0), (0.0, 0.0, 18.0)), 25.5, 20)
    beta = _Ellipsoid((38.0, -8.0, 19.0), ((14.0, 0.0, 0.0), (0.0, 17.0, 0.0), (0.0, 0.0, 18.0)), 22.5, 20)
    source = "bead model of the 20S: 4 rings of 7 subunits, 15 nm long, 11.5 nm wide"
    return _assemble("proteasome", "D7", [alpha, beta], 4.5, source)


def _pp7_vlp() -> Structure:
    golden = (1 + np.sqrt(5.0)) / 2
    five = np.array([0.0, 1.0, golden]) / np.hypot(1.0, golden)
    three = np.array([1.0, 1.0, 1.0]) / np.sqrt(3.0)
    three_next = np.array([0.0, 1 / golden, golden]) / np.sqrt(3.0)
    other = np.array([0.0, -1 / golden, golden]) / np.sqrt(3.0)
    lobes = [
        _monomer(five, three, 0.5),
        _monomer(three, five, 0.5),
        _monomer(three_next, other, 0.5),
    ]
    source = (
        "bead model of the PP7 virus-like particle: T = 3, 180 coat proteins in 90 dimers, outer diameter 28 nm, "
        "a hollow protein shell; any RNA packaged in it is absent"
    )
    return _assemble("pp7-vlp", "I", lobes, 4.5, source)


def _monomer(near: NDArray[np.float64], far: NDArray[np.float64], reach: float) -> _Ellipsoid:
    """Half of the dimer on the edge between two vertices of the T = 3 net, on the side of ``near``."""
    middle = near + far
    middle /= np.linalg.norm(middle)
    along = near - far
    along /= np.linalg.norm(along)
    across = np.cross(middle, along)
    centre = 124.0 * middle + reach * 36.0 * along
    axes = (20.0 * along, 21.0 * across, 12.0 * middle)
    return _Ellipsoid(centre, np.stack(axes), 14.0, 14)


_MAKERS: dict[str, Callable[[], Structure]] = {
    "apoferritin": _apoferritin,
    "proteasome": _proteasome,
    "pp7-vlp": _pp7_vlp,
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
        Identical at every call.

    Raises
    ------
    ParameterError
        If there is no such model.

    Examples
    --------
    >>> built_in_structure("apoferritin").symmetry
    'O'
    """
    if name not in _MAKERS:
        raise ParameterError(
            f"expected a built-in structure ({', '.join(BUILT_IN_NAMES)}), got {name!r}; name a PDB or mmCIF file for "
            "any other molecule"
        )
    return _MAKERS[name]()
