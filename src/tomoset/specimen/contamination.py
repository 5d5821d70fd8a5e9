"""What settles on the ice: crystals of hexagonal ice and drops of frozen ethane."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import IceLayer, Scatterers
from tomoset.specimen.ice import surfaces_at
from tomoset.specimen.materials import HEXAGONAL_ICE, Material, frozen_ethane
from tomoset.specimen.regions import Obstacle, Region

__all__ = ["ContaminationParams", "make_contamination"]

FINEST_SPACING_ANGSTROM, MOST_POINTS = 12.0, 400_000
SPREAD_PER_SPACING = 0.65
# Of each plane of points against the one below, in spacings (R2 sequence): no pixel grid beats with all of them.
PLANE_SHIFTS = (0.7549, 0.5698)
SIZE_SPREAD = 0.3  # of the logarithm of the diameter
ETHANE_G_PER_CM3 = 0.65  # the liquid's at its melting point of 90 K
ANGSTROM2_PER_MICROMETRE2 = 1e8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContaminationParams:
    """How much settles on the two surfaces together; as it stands, nothing.

    Parameters
    ----------
    crystals_per_square_micrometre : float
        Mean number of ice crystals, ≥ 0; how many there are is Poisson distributed.
    crystal_diameter_angstrom : float
        Median diameter across the prism, Å, 100 to 20000; its logarithm spreads by 0.3.
    ethane_per_square_micrometre : float
        Mean number of ethane drops, ≥ 0; Poisson too.
    ethane_diameter_angstrom : float
        Median diameter along the surface, Å, 100 to 20000.

    Raises
    ------
    ParameterError
        If one is out of range.
    """

    crystals_per_square_micrometre: float = 0.0
    crystal_diameter_angstrom: float = 1500.0
    ethane_per_square_micrometre: float = 0.0
    ethane_diameter_angstrom: float = 1000.0

    def __post_init__(self) -> None:
        """Refuse amounts and sizes that mean nothing."""
        amounts = {"crystals": self.crystals_per_square_micrometre, "ethane drops": self.ethane_per_square_micrometre}
        for name, amount in amounts.items():
            if not (np.isfinite(amount) and amount >= 0):
                raise ParameterError(f"contamination: expected zero or more {name} a µm2, found {amount:g}")
        sizes = {"crystals": self.crystal_diameter_angstrom, "ethane drops": self.ethane_diameter_angstrom}
        for name, size in sizes.items():
            if not 100 <= size <= 20000:
                raise ParameterError(f"contamination: expected {name} of 100 to 20000 Å, found {size:g} Å")


@dataclass(frozen=True, slots=True, eq=False)
class _Solid:
    """A convex body: ``faces (n, 3)`` outward vectors f with f · p ≤ 1, or an ellipsoid where ``is_round``.

    An ellipsoid is the unit ball under the inverse of ``faces`` (3, 3).
    """

    centre_xyz: Floats
    faces: Floats
    is_round: bool
    half_extent_xyz: Floats
    volume_angstrom3: float

    def contains(self, points_angstrom_xyz: Floats) -> NDArray[np.bool_]:
        """Points (n, 3) -> (n,)."""
        along = (points_angstrom_xyz - self.centre_xyz) @ self.faces.T
        return np.asarray(np.linalg.norm(along, axis=1) <= 1 if self.is_round else (along <= 1).all(axis=1))


def make_contamination(
    params: ContaminationParams,
    size_angstrom_xyz: tuple[float, float, float],
    ice: IceLayer | None,
    rng: np.random.Generator,
) -> Obstacle:
    """Faceted ice crystals and rounded ethane drops that lie on the ice, in the air.

    Parameters
    ----------
    params : ContaminationParams
    size_angstrom_xyz : (3,) tuple of float
        Of the slab, Å.
    ice : IceLayer or None
        Its surfaces; None for the plane slab.
    rng : numpy.random.Generator
        Source of number, size, place and orientation.

    Returns
    -------
    Obstacle
        One set of points for either material, where there is any, and a region for each body.

    Notes
    -----
    The bodies lie outside of the vitreous ice: potential and absorption are those against *vacuum* (4.5 V and the
    whole 1/Λ), because no ice gives way to them. Added to a slab of vitreous ice, their points say what the beam sees.
    The points lie so far apart that 400 000 suffice for each material, and are spread accordingly. Where two bodies
    overlap they stand for a pile.
    """
    area = size_angstrom_xyz[0] * size_angstrom_xyz[1] / ANGSTROM2_PER_MICROMETRE2
    n_crystals = int(rng.poisson(params.crystals_per_square_micrometre * area))
    n_drops = int(rng.poisson(params.ethane_per_square_micrometre * area))
    crystals = [_crystal(d, rng) for d in _diameters(n_crystals, params.crystal_diameter_angstrom, rng)]
    drops = [_drop(d, rng) for d in _diameters(n_drops, params.ethane_diameter_angstrom, rng)]
    crystals = [_laid_down(solid, size_angstrom_xyz, ice, rng) for solid in crystals]
    drops = [_laid_down(solid, size_angstrom_xyz, ice, rng) for solid in drops]
    scatterers = []
    if crystals:
        scatterers.append(_filled("ice-crystals", crystals, HEXAGONAL_ICE, rng))
    if drops:
        scatterers.append(_filled("ethane", drops, frozen_ethane(ETHANE_G_PER_CM3), rng))
    return Obstacle(scatterers=tuple(scatterers), occupied=tuple(_region(solid) for solid in crystals + drops))


def _diameters(n: int, median_angstrom: float, rng: np.random.Generator) -> Floats:
    return median_angstrom * np.exp(SIZE_SPREAD * np.clip(rng.standard_normal(n), -2, 2))


def _crystal(diameter_angstrom: float, rng: np.random.Generator) -> _Solid:
    """Hexagonal prism, 0.5 to 1.2 times as long as wide, in any orientation."""
    radius, half_length = diameter_angstrom / 2, diameter_angstrom / 2 * rng.uniform(0.5, 1.2)
    azimuth = np.pi / 3 * np.arange(6)
    corners = radius * np.stack([np.cos(azimuth), np.sin(azimuth)], axis=-1)
    vertices = np.concatenate([np.column_stack([corners, np.full(6, side * half_length)]) for side in (-1, 1)])
    sides = azimuth + np.pi / 6
    inner = radius * np.cos(np.pi / 6)
    faces = np.zeros((8, 3))
    faces[:6, 0], faces[:6, 1] = np.cos(sides) / inner, np.sin(sides) / inner
    faces[6:, 2] = 1 / half_length, -1 / half_length
    rotation = random_rotations(1, rng)[0]
    return _Solid(
        centre_xyz=np.zeros(3),
        faces=faces @ rotation.T,
        is_round=False,
        half_extent_xyz=np.abs(vertices @ rotation.T).max(axis=0),
        volume_angstrom3=1.5 * np.sqrt(3.0) * radius**2 * 2 * half_length,
    )


def _drop(diameter_angstrom: float, rng: np.random.Generator) -> _Solid:
    """Ellipsoid that lies flat, turned about z."""
    semi_axes = diameter_angstrom / 2 * np.array([1.0, rng.uniform(0.7, 1.0), rng.uniform(0.4, 0.8)])
    angle = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return _Solid(
        centre_xyz=np.zeros(3),
        faces=(rotation / semi_axes).T,
        is_round=True,
        half_extent_xyz=np.linalg.norm(rotation * semi_axes, axis=1),
        volume_angstrom3=float(4 / 3 * np.pi * np.prod(semi_axes)),
    )


def _laid_down(
    solid: _Solid, size_angstrom_xyz: tuple[float, float, float], ice: IceLayer | None, rng: np.random.Generator
) -> _Solid:
    """Put it on the upper or the lower surface, so that it touches but does not enter."""
    xy = (rng.random(2) - 0.5) * np.array(size_angstrom_xyz[:2])
    side = 1.0 if rng.random() < 0.5 else -1.0
    if ice is None:
        surface = size_angstrom_xyz[2] / 2
    else:
        steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
        bottom, top = surfaces_at(ice, xy + steps * solid.half_extent_xyz[:2])
        surface = float((top if side > 0 else -bottom).max())
    centre = np.array([*xy, side * (surface + solid.half_extent_xyz[2])])
    return _Solid(centre, solid.faces, solid.is_round, solid.half_extent_xyz, solid.volume_angstrom3)


def _filled(name: str, solids: list[_Solid], material: Material, rng: np.random.Generator) -> Scatterers:
    total = sum(solid.volume_angstrom3 for solid in solids)
    spacing = max(FINEST_SPACING_ANGSTROM, float(np.cbrt(total / MOST_POINTS)))
    spacing = min(spacing, min(float(np.cbrt(solid.volume_angstrom3)) for solid in solids) / 4)
    positions, volumes = [], []
    for solid in solids:
        points = _lattice_inside(solid, spacing, rng)
        positions.append(points)
        volumes.append(np.full(len(points), solid.volume_angstrom3 / len(points)))
    volume = np.concatenate(volumes)
    return Scatterers(
        name=name,
        positions_angstrom_xyz=np.concatenate(positions).astype(np.float32),
        strengths_volt_angstrom3=(volume * material.potential_volt).astype(np.float32),
        spread_angstrom=SPREAD_PER_SPACING * spacing,
        absorptions_angstrom2=(volume * material.absorption_per_angstrom).astype(np.float32),
        fades=False,
    )


def _lattice_inside(solid: _Solid, spacing: float, rng: np.random.Generator) -> Floats:
    """Points of a cubic lattice, shifted at random, inside of the body."""
    starts = -solid.half_extent_xyz - spacing * (1 + rng.random(3))  # a plane may be shifted by a whole spacing
    x, y, z = (np.arange(start, -start, spacing) for start in starts)
    plane = np.stack(np.meshgrid(x, y, [0.0], indexing="ij"), axis=-1).reshape(-1, 3) + solid.centre_xyz
    kept = []
    for number, height in enumerate(z):
        shift = np.array(PLANE_SHIFTS) * number % 1.0 * spacing
        points = plane + np.array([*shift, height])
        kept.append(points[solid.contains(points)])
    return np.concatenate(kept)


def _region(solid: _Solid) -> Region:
    lower, upper = solid.centre_xyz - solid.half_extent_xyz, solid.centre_xyz + solid.half_extent_xyz
    return Region(
        contains=solid.contains,
        lower_angstrom_xyz=(float(lower[0]), float(lower[1]), float(lower[2])),
        upper_angstrom_xyz=(float(upper[0]), float(upper[1]), float(upper[2])),
        volume_angstrom3=solid.volume_angstrom3,
    )
