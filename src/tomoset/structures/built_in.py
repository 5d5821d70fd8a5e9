"""Molecules that need no file: bead models of exact symmetry, from dimensions.

Each model is one asymmetric unit of a few ellipsoids, one a subunit, filled evenly with beads and repeated by every
rotation of the point group. Nothing in them is random. They stand in for the real molecules at 20 Å and coarser; finer
detail needs a coordinate file. What is taken from real structures is each subunit's centre, its three semi-axes and
their directions, i.e. its first and second moments, and nothing finer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import ParameterError
from tomoset.geometry import point_group
from tomoset.structures.scattering import PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["BUILT_IN_NAMES", "built_in_structure"]

BEADS_PER_SUBUNIT = 40
BEAD_SPREAD_ANGSTROM = 4.5  # neighbouring beads merge, as the amino acids they stand for do at 20 Å

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subunit:
    """One subunit as an ellipsoid: mass in kDa, lengths in Å, directions in the frame of the point group."""

    mass_kda: float
    centre_xyz: ArrayLike
    semi_axes: tuple[float, float, float]  # short, middle, long
    short_axis_xyz: ArrayLike
    long_axis_xyz: ArrayLike

    def beads_xyz(self) -> Floats:
        """Centres of the beads: an even cloud with the ellipsoid's own second moments, beads' width included."""
        long_axis = np.asarray(self.long_axis_xyz, dtype=np.float64)
        long_axis = long_axis / np.linalg.norm(long_axis)
        short_axis = np.asarray(self.short_axis_xyz, dtype=np.float64)
        short_axis = short_axis - (short_axis @ long_axis) * long_axis  # the published directions are rounded
        short_axis = short_axis / np.linalg.norm(short_axis)
        directions = np.stack([short_axis, np.cross(long_axis, short_axis), long_axis])
        # A solid ellipsoid of semi-axis a has the variance a²/5 along it, of which the bead's own width is a part.
        reduced = np.sqrt(np.square(self.semi_axes) - 5 * BEAD_SPREAD_ANGSTROM**2)
        return np.asarray(_even_ball(BEADS_PER_SUBUNIT) * reduced @ directions + np.asarray(self.centre_xyz))


def _even_ball(n: int) -> Floats:
    """``n`` points spread evenly in the unit ball, with exactly its mean and its (isotropic) second moments.

    Roberts' additive recurrence in three dimensions, then whitened.
    """
    growth = 1.2207440846057596  # real root of x^4 = x + 1
    steps = (np.arange(n)[:, None] + 0.5) * growth ** -np.arange(1, 4) % 1.0
    radius, height, azimuth = np.cbrt(steps[:, 0]), 2 * steps[:, 1] - 1, 2 * np.pi * steps[:, 2]
    ring = np.sqrt(1 - height**2)
    points = radius[:, None] * np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), height], axis=-1)
    points = points - points.mean(axis=0)
    values, vectors = np.linalg.eigh(points.T @ points / n)
    return np.asarray(points @ (vectors / np.sqrt(5 * values)) @ vectors.T)


def _assemble(name: str, symmetry: str, subunits: list[_Subunit], source: str) -> Structure:
    """Fill the subunits of one asymmetric unit with beads and repeat them by the point group."""
    unit = np.concatenate([subunit.beads_xyz() for subunit in subunits])
    masses = np.repeat([subunit.mass_kda / BEADS_PER_SUBUNIT for subunit in subunits], BEADS_PER_SUBUNIT)
    rotations = point_group(symmetry).rotations
    positions = np.einsum("gij,nj->gni", rotations, unit).reshape(-1, 3)
    masses_all = np.tile(masses, len(rotations))
    return Structure(
        name=name,
        symmetry=symmetry,
        mass_kda=float(masses_all.sum()),
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=masses_all * 1e3 * PROTEIN_VOLT_ANGSTROM3_PER_DALTON,
        spreads_angstrom=np.full(len(positions), BEAD_SPREAD_ANGSTROM),
        source=source,
    )


def _apoferritin() -> Structure:
    """24 four-helix bundles, their long axes oblique in the shell; moments of one subunit of PDB 2FHA."""
    subunit = _Subunit(
        mass_kda=20.0,
        centre_xyz=(40.0, 29.2, 10.1),
        semi_axes=(12.6, 16.5, 35.5),
        short_axis_xyz=(0.88, 0.45, 0.15),
        long_axis_xyz=(-0.46, 0.73, 0.51),
    )
    source = (
        "bead model: 24 subunits of 20 kDa as one ellipsoid each (moments of a subunit of PDB 2FHA), point group O, "
        "outer diameter 12 nm, cavity 8 nm"
    )
    return _assemble("apoferritin", "O", [subunit], source)


def _proteasome() -> Structure:
    """Rings of 7 alpha, 7 beta, 7 beta, 7 alpha; moments of one subunit of each kind of PDB 3J9I."""
    alpha = _Subunit(
        mass_kda=25.8,
        centre_xyz=(35.7, -2.5, 56.0),
        semi_axes=(17.4, 22.3, 27.5),
        short_axis_xyz=(0.36, 0.86, 0.38),
        long_axis_xyz=(-0.93, 0.35, 0.08),
    )
    beta = _Subunit(
        mass_kda=22.3,
        centre_xyz=(35.6, -11.7, 17.3),
        semi_axes=(15.3, 21.6, 26.1),
        short_axis_xyz=(-0.50, -0.72, -0.48),
        long_axis_xyz=(0.63, 0.08, -0.77),
    )
    source = (
        "bead model of the archaeal 20S: rings of 7 alpha (25.8 kDa), 7 beta, 7 beta (22.3 kDa) and 7 alpha subunits "
        "as one ellipsoid each (moments of PDB 3J9I), point group D7, 15 nm long, 11.5 nm wide, with its channel and "
        "chambers"
    )
    return _assemble("proteasome", "D7", [alpha, beta], source)


def _pp7_vlp() -> Structure:
    """A shell of 90 dimers on the edges of the T = 3 net: 60 between a 5-fold and a 3-fold, 30 across the 2-folds."""
    golden = (1 + np.sqrt(5.0)) / 2
    fivefold = np.array([0.0, 1.0, golden])
    threefold = np.array([1.0, 1.0, 1.0])
    above, below = np.array([0.0, 1 / golden, golden]), np.array([0.0, -1 / golden, golden])  # either side of a 2-fold
    subunits = [
        _coat_protein(fivefold, threefold),
        _coat_protein(threefold, fivefold),
        _coat_protein(above, below),
    ]
    source = (
        "bead model of the PP7 virus-like particle: 180 coat proteins of 13.9 kDa as one ellipsoid each, in 90 dimers "
        "on the edges of a T = 3 net, point group I, outer diameter 28 nm; a hollow shell (RNA that particles may hold "
        "is absent) that does not show the capsid's handedness"
    )
    return _assemble("pp7-vlp", "I", subunits, source)


def _coat_protein(near: Floats, far: Floats) -> _Subunit:
    """Half of the dimer on the edge of the net between two vertices, on the side of ``near``.

    An edge is some 80 Å long at the shell's mean radius of 126 Å; its dimer has a quasi-2-fold at the middle, and each
    half reaches nearly to its vertex. The semi-axes hold 13.9 kDa at 1.23 Å3/Da in a shell 23 Å thick.
    """
    near, far = near / np.linalg.norm(near), far / np.linalg.norm(far)
    outwards = (near + far) / np.linalg.norm(near + far)
    along = (near - far) / np.linalg.norm(near - far)
    return _Subunit(
        mass_kda=13.9,
        centre_xyz=125.0 * outwards + 18.0 * along,
        semi_axes=(11.7, 17.5, 20.0),
        short_axis_xyz=outwards,
        long_axis_xyz=along,
    )


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
