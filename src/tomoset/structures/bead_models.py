"""The tool of the built-in models: ellipsoids filled evenly with beads and repeated by a point group.

What such a model takes from a real structure is the centre, the three semi-axes and the directions of each of its
parts, i.e. first and second moments, and nothing finer. It stands in for the molecule at 20 Å and coarser.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.geometry import point_group
from tomoset.structures.scattering import PROTEIN_VOLT_ANGSTROM3_PER_DALTON
from tomoset.structures.structure import Structure

__all__ = ["BEADS_PER_SUBUNIT", "BEAD_SPREAD_ANGSTROM", "Ellipsoid", "assemble", "close_packed_lattice"]

BEADS_PER_SUBUNIT = 40
BEAD_SPREAD_ANGSTROM = 4.5  # neighbouring beads merge, as the amino acids they stand for do at 20 Å
LATTICE_ORIGIN = (0.3131, 0.1777, 0.4271)  # at no point of symmetry: no two distances from it are the same

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipsoid:
    """One part of a molecule: mass in kDa, lengths in Å, directions in the frame of the point group.

    Parameters
    ----------
    mass_kda : float
    centre_xyz : (3,) array
        Å.
    semi_axes : (float, float, float)
        Short, middle, long, Å; each more than √5 spreads of a bead (10.1 Å by default).
    short_axis_xyz, long_axis_xyz : (3,) arrays
        Directions of any length; what the short one has along the long one is taken off, as published directions are
        rounded.
    n_beads : int
    spread_angstrom : float
        Standard deviation of a bead.
    volt_angstrom3_per_dalton : float
        Strength of what it is made of, :mod:`tomoset.structures.scattering`.
    on_lattice : bool
        Beads on a lattice, which makes the smoothest body, rather than on an even sequence, which leaves lumps.
    """

    mass_kda: float
    centre_xyz: ArrayLike
    semi_axes: tuple[float, float, float]
    short_axis_xyz: ArrayLike
    long_axis_xyz: ArrayLike
    n_beads: int = BEADS_PER_SUBUNIT
    spread_angstrom: float = BEAD_SPREAD_ANGSTROM
    volt_angstrom3_per_dalton: float = PROTEIN_VOLT_ANGSTROM3_PER_DALTON
    on_lattice: bool = False

    def beads_xyz(self) -> Floats:
        """Centres of the beads: an even cloud with the ellipsoid's own second moments, beads' width included."""
        long_axis = np.asarray(self.long_axis_xyz, dtype=np.float64)
        long_axis = long_axis / np.linalg.norm(long_axis)
        short_axis = np.asarray(self.short_axis_xyz, dtype=np.float64)
        short_axis = short_axis - (short_axis @ long_axis) * long_axis
        short_axis = short_axis / np.linalg.norm(short_axis)
        directions = np.stack([short_axis, np.cross(long_axis, short_axis), long_axis])
        # A solid ellipsoid of semi-axis a has the variance a²/5 along it, of which the bead's own width is a part.
        reduced = np.sqrt(np.square(self.semi_axes) - 5 * self.spread_angstrom**2)
        ball = lattice_ball(self.n_beads) if self.on_lattice else even_ball(self.n_beads)
        return np.asarray(ball * reduced @ directions + np.asarray(self.centre_xyz))


def even_ball(n: int) -> Floats:
    """``n`` points spread evenly in the unit ball, with exactly its mean and its (isotropic) second moments.

    Roberts' additive recurrence in three dimensions, then whitened.
    """
    growth = 1.2207440846057596  # real root of x^4 = x + 1
    steps = (np.arange(n)[:, None] + 0.5) * growth ** -np.arange(1, 4) % 1.0
    radius, height, azimuth = np.cbrt(steps[:, 0]), 2 * steps[:, 1] - 1, 2 * np.pi * steps[:, 2]
    ring = np.sqrt(1 - height**2)
    points = radius[:, None] * np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), height], axis=-1)
    return _ball_moments(points)


@lru_cache(maxsize=64)
def lattice_ball(n: int) -> Floats:
    """``n`` points of a face-centred cubic lattice, with exactly the unit ball's mean and second moments."""
    near = close_packed_lattice(np.cbrt(n))
    nearest = np.argsort((near**2).sum(axis=1), kind="stable")[:n]
    return _ball_moments(near[nearest])


def close_packed_lattice(radius: float) -> Floats:
    """Face-centred cubic lattice of one point a unit of volume, origin at no special place, a radius out."""
    edge = np.cbrt(2.0)  # of the checkerboard of cubes whose dark ones are the points: half of them
    half = int(np.ceil(radius * edge)) + 1
    steps = np.arange(-half, half + 1)
    cubes = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    dark = cubes[cubes.sum(axis=1) % 2 == 0]
    return np.asarray((dark - LATTICE_ORIGIN) / edge)


def _ball_moments(points: Floats) -> Floats:
    points = points - points.mean(axis=0)
    values, vectors = np.linalg.eigh(points.T @ points / len(points))
    return np.asarray(points @ (vectors / np.sqrt(5 * values)) @ vectors.T)


def assemble(name: str, symmetry: str, parts: Sequence[Ellipsoid], source: str) -> Structure:
    """Fill the ellipsoids of one asymmetric unit with beads and repeat them by every rotation of the point group.

    Parameters
    ----------
    name, source : str
        As in :class:`Structure`.
    symmetry : str
        Point group. Whatever it, the centre of mass lies at the origin.
    parts : sequence of Ellipsoid
        One asymmetric unit.
    """
    unit = np.concatenate([part.beads_xyz() for part in parts])
    counts = [part.n_beads for part in parts]
    masses = np.repeat([part.mass_kda / part.n_beads for part in parts], counts)
    spreads = np.repeat([part.spread_angstrom for part in parts], counts)
    strengths = masses * 1e3 * np.repeat([part.volt_angstrom3_per_dalton for part in parts], counts)
    rotations = point_group(symmetry).rotations
    if symmetry.startswith("C"):  # the centre of mass is free along the axis (in C1 everywhere) and is put at 0
        unit = unit - rotations.mean(axis=0) @ (masses @ unit / masses.sum())
    positions = np.einsum("gij,nj->gni", rotations, unit).reshape(-1, 3)
    return Structure(
        name=name,
        symmetry=symmetry,
        mass_kda=float(np.tile(masses, len(rotations)).sum()),
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.tile(strengths, len(rotations)),
        spreads_angstrom=np.tile(spreads, len(rotations)),
        source=source,
    )
