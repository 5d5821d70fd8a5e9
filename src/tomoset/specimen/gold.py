"""Gold beads at the surfaces of the ice, as added for alignment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PackingError, ParameterError
from tomoset.geometry import random_rotations
from tomoset.model import IceLayer, Scatterers
from tomoset.specimen.ice import surfaces_at
from tomoset.specimen.materials import GOLD
from tomoset.specimen.regions import Obstacle, Region

__all__ = ["GoldParams", "make_gold"]

LATTICE_ANGSTROM = 6.0
SPREAD_ANGSTROM = 4.0  # Gaussians this wide on that lattice melt into one another
GAP_ANGSTROM = 5.0
TRIES = 2000
ANGSTROM2_PER_MICROMETRE2 = 1e8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldParams:
    """How much gold, and how large.

    Parameters
    ----------
    beads_per_square_micrometre : float
        On both surfaces together, ≥ 0.
    diameter_angstrom : float
        Mean diameter, Å, 30 to 1000.
    diameter_spread : float
        Standard deviation of the diameters over their mean, 0 to 0.3.

    Raises
    ------
    ParameterError
        If one is out of range.
    """

    beads_per_square_micrometre: float = 0.0
    diameter_angstrom: float = 100.0
    diameter_spread: float = 0.1

    def __post_init__(self) -> None:
        """Refuse beads that cannot exist."""
        if not (np.isfinite(self.beads_per_square_micrometre) and self.beads_per_square_micrometre >= 0):
            raise ParameterError(f"gold: expected zero or more beads a µm2, found {self.beads_per_square_micrometre:g}")
        if not 30 <= self.diameter_angstrom <= 1000:
            raise ParameterError(f"gold: expected a diameter of 30 to 1000 Å, found {self.diameter_angstrom:g} Å")
        if not 0 <= self.diameter_spread <= 0.3:
            raise ParameterError(f"gold: expected a relative spread of 0 to 0.3, found {self.diameter_spread:g}")


def make_gold(
    params: GoldParams,
    size_angstrom_xyz: tuple[float, float, float],
    ice: IceLayer | None,
    rng: np.random.Generator,
    *,
    avoid: Sequence[Region] = (),
) -> Obstacle:
    """Solid gold balls that touch the upper or the lower surface of the ice from inside.

    Parameters
    ----------
    params : GoldParams
    size_angstrom_xyz : (3,) tuple of float
        Of the slab, Å; beads at its edge reach over it and are kept clear of those at the opposite edge.
    ice : IceLayer or None
        Surfaces of the ice; None for the plane slab.
    rng : numpy.random.Generator
        Source of sizes and places.
    avoid : sequence of Region
        What beads stay out of, such as the carbon film.

    Returns
    -------
    Obstacle
        One set of points, none where no bead is asked for, and one ball-shaped region a bead. The points of a ball
        hold ``volume · (29.9 − 4.53) V`` and the electrons that gold takes from the image: by energy loss and by
        scattering beyond the objective aperture.

    Raises
    ------
    PackingError
        If a bead finds no room.
    """
    area = size_angstrom_xyz[0] * size_angstrom_xyz[1] / ANGSTROM2_PER_MICROMETRE2
    n_beads = int(np.floor(params.beads_per_square_micrometre * area + 0.5))
    if n_beads == 0:
        return Obstacle()
    relative = np.clip(1 + params.diameter_spread * rng.standard_normal(n_beads), 0.3, 1.7)
    radii = np.sort(params.diameter_angstrom / 2 * relative)[::-1]  # the largest first
    centres = np.empty((0, 3))
    for radius in radii:
        centre = _free_place(radius, centres, radii, size_angstrom_xyz, ice, avoid, rng)
        centres = np.concatenate([centres, centre[None]])
    return Obstacle(
        scatterers=(_solid(centres, radii, rng),),
        occupied=tuple(_ball(centre, radius) for centre, radius in zip(centres, radii, strict=True)),
    )


def _free_place(
    radius: float,
    centres: Floats,
    radii: Floats,
    size_angstrom_xyz: tuple[float, float, float],
    ice: IceLayer | None,
    avoid: Sequence[Region],
    rng: np.random.Generator,
) -> Floats:
    sides = np.array(size_angstrom_xyz[:2])
    for _ in range(TRIES):
        xy = (rng.random(2) - 0.5) * sides
        bottom, top = _surfaces(ice, size_angstrom_xyz[2], xy)
        z = top - radius if rng.random() < 0.5 else bottom + radius
        offset = centres - [*xy, z]
        offset[:, :2] -= sides * np.round(offset[:, :2] / sides)
        clear = np.linalg.norm(offset, axis=1) >= radius + radii[: len(centres)] + GAP_ANGSTROM
        if top - bottom > 2 * radius and clear.all():
            centre = np.array([*xy, z])
            probes = centre + (radius + GAP_ANGSTROM) * _directions()
            if not any(region.contains(probes).any() for region in avoid):
                return centre
    raise PackingError(
        f"gold: expected room for {len(radii)} beads, found none for bead {len(centres) + 1} of {2 * radius:.0f} Å; "
        "ask for fewer or smaller ones, or thicken the ice"
    )


def _surfaces(ice: IceLayer | None, thickness_angstrom: float, xy: Floats) -> tuple[float, float]:
    if ice is None:
        return -thickness_angstrom / 2, thickness_angstrom / 2
    bottom, top = surfaces_at(ice, xy[None])
    return float(bottom[0]), float(top[0])


def _directions() -> Floats:
    """Twenty-seven steps to the centre, faces, edges and corners of a cube, on the unit ball."""
    steps = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1))


def _solid(centres: Floats, radii: Floats, rng: np.random.Generator) -> Scatterers:
    positions, strengths, absorptions = [], [], []
    for centre, radius, rotation in zip(centres, radii, random_rotations(len(radii), rng), strict=True):
        steps = np.arange(-np.ceil(radius / LATTICE_ANGSTROM), np.ceil(radius / LATTICE_ANGSTROM) + 1)
        lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = LATTICE_ANGSTROM * lattice[np.linalg.norm(lattice, axis=1) <= radius / LATTICE_ANGSTROM]
        # The Gaussians' own width is part of the ball's second moment, 3/5 R²: the lattice holds the rest.
        wanted = 0.6 * radius**2 - 3 * SPREAD_ANGSTROM**2
        inside *= np.sqrt(wanted / np.square(inside).sum(axis=1).mean())
        volume = 4 / 3 * np.pi * radius**3 / len(inside)
        positions.append(centre + inside @ rotation.T)
        strengths.append(np.full(len(inside), volume * GOLD.potential_in_ice_volt))
        absorptions.append(np.full(len(inside), volume * GOLD.absorption_in_ice_per_angstrom))
    return Scatterers(
        name="gold",
        positions_angstrom_xyz=np.concatenate(positions).astype(np.float32),
        strengths_volt_angstrom3=np.concatenate(strengths).astype(np.float32),
        spread_angstrom=SPREAD_ANGSTROM,
        absorptions_angstrom2=np.concatenate(absorptions).astype(np.float32),
        fades=False,
    )


def _ball(centre: Floats, radius: float) -> Region:
    lower, upper = centre - radius, centre + radius

    def contains(points_angstrom_xyz: Floats) -> NDArray[np.bool_]:
        return np.asarray(np.square(points_angstrom_xyz - centre).sum(axis=-1) <= radius**2)

    return Region(
        contains=contains,
        lower_angstrom_xyz=(float(lower[0]), float(lower[1]), float(lower[2])),
        upper_angstrom_xyz=(float(upper[0]), float(upper[1]), float(upper[2])),
        volume_angstrom3=4 / 3 * np.pi * radius**3,
    )
