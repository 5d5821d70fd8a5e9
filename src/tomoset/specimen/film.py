"""The rim of the hole: amorphous carbon film under the ice."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import Scatterers
from tomoset.specimen.ice import IceParams, half_thickness_angstrom
from tomoset.specimen.materials import Material, amorphous_carbon
from tomoset.specimen.regions import Obstacle, Region

__all__ = ["FilmParams", "make_film"]

BULK_SPACING_ANGSTROM, MOST_BULK_POINTS = 16.0, 2_500_000
GRAIN_SPACING_ANGSTROM, MOST_GRAIN_POINTS = 14.0, 2_500_000
# A lattice of Gaussians this wide, relative to its spacing, shows no lattice: its first harmonic is exp(-2 π² 0.7²).
SPREAD_PER_SPACING = 0.7
# Of each layer against the one below, in lattice steps (R2 sequence): no pixel grid beats with all of them.
LAYER_SHIFTS = (0.7549, 0.5698)
GRAIN_SPREAD_ANGSTROM = 2.0
CARBON_DALTON = 12.011
ATOMS_PER_ANGSTROM3_PER_G_PER_CM3_DALTON = 0.602214

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmParams:
    """Amorphous carbon around the hole.

    Parameters
    ----------
    thickness_angstrom : float
        Of the film, Å, > 0.
    density_g_per_cm3 : float
        1.75 for evaporated carbon; sets its potential and losses.
    graininess : float
        Fluctuation of the number of atoms relative to atoms thrown at random (its structure factor at low
        frequency): 1 is a gas, 0 a continuum.

    Raises
    ------
    ParameterError
        If one is out of range.
    """

    thickness_angstrom: float = 150.0
    density_g_per_cm3: float = 1.75
    graininess: float = 0.3

    def __post_init__(self) -> None:
        """Refuse films that cannot exist."""
        if not 10 <= self.thickness_angstrom <= 2000:
            raise ParameterError(f"film: expected a thickness of 10 to 2000 Å, found {self.thickness_angstrom:g} Å")
        if not 1 <= self.density_g_per_cm3 <= 3.6:
            raise ParameterError(
                f"film: expected a density of 1 to 3.6 g/cm3 (carbon is 1.75 to 2.2), found {self.density_g_per_cm3:g}"
            )
        if not 0 <= self.graininess <= 1:
            raise ParameterError(f"film: expected a graininess of 0 to 1, found {self.graininess:g}")


def make_film(
    params: FilmParams,
    ice_params: IceParams,
    size_angstrom_xyz: tuple[float, float, float],
    rng: np.random.Generator,
) -> Obstacle:
    """Carbon film beyond the hole's radius, on the lower surface of the ice and inside of it.

    Parameters
    ----------
    params : FilmParams
        The film.
    ice_params : IceParams
        Where the hole is, and how the lower surface lies.
    size_angstrom_xyz : (3,) tuple of float
        Of the slab; its height is the ice's largest thickness.
    rng : numpy.random.Generator
        Source of the grain.

    Returns
    -------
    Obstacle
        Empty where the slab lies wholly over the hole. Two sets of points, neither of which fades: the smooth bulk, a
        lattice whose Gaussians melt into one another, which holds potential and absorption; and the grain, points at
        random whose strengths have no mean and the variance of ``graininess`` times as many carbon atoms, white
        noise up to some 8 Å.

    Raises
    ------
    ParameterError
        If the film is not thinner than the ice.
    """
    if params.thickness_angstrom >= size_angstrom_xyz[2]:
        raise ParameterError(
            f"film: expected one thinner than the ice ({size_angstrom_xyz[2]:g} Å), found "
            f"{params.thickness_angstrom:g} Å; thicken the ice"
        )
    carbon = amorphous_carbon(params.density_g_per_cm3)
    bulk = _bulk(params, ice_params, size_angstrom_xyz, carbon)
    if len(bulk) == 0:
        return Obstacle()
    grain = _grain(params, ice_params, size_angstrom_xyz, carbon, rng)
    region = _film_region(params, ice_params, size_angstrom_xyz)
    return Obstacle(scatterers=(bulk, grain) if len(grain) else (bulk,), occupied=(region,))


def _bulk(
    params: FilmParams, ice_params: IceParams, size_angstrom_xyz: tuple[float, float, float], carbon: Material
) -> Scatterers:
    volume = _film_area(ice_params, size_angstrom_xyz) * params.thickness_angstrom
    spacing = max(BULK_SPACING_ANGSTROM, float(np.cbrt(volume / MOST_BULK_POINTS)))
    extent = (*size_angstrom_xyz[:2], params.thickness_angstrom)
    counts = [int(np.ceil(size / spacing)) for size in extent]
    steps = [size / n for size, n in zip(extent, counts, strict=True)]
    x, y, depth = (step * (np.arange(n) + 0.5) for step, n in zip(steps, counts, strict=True))
    x, y = x - extent[0] / 2, y - extent[1] / 2
    layers = []
    for number, above in enumerate(depth):
        shifted = [
            (axis + number * shift * step) for axis, shift, step in zip((x, y), LAYER_SHIFTS, steps, strict=False)
        ]
        wrapped = [axis - size * np.round(axis / size) for axis, size in zip(shifted, extent, strict=False)]
        xy = np.stack(np.meshgrid(*wrapped, indexing="ij"), axis=-1).reshape(-1, 2)
        xy = xy[_beyond_hole(ice_params, xy)]
        height = _bottom(ice_params, size_angstrom_xyz, xy) + above
        layers.append(np.column_stack([xy, height]).astype(np.float32))
    positions = np.concatenate(layers)
    cell = float(np.prod(steps))
    return Scatterers(
        name="carbon-film",
        positions_angstrom_xyz=positions,
        strengths_volt_angstrom3=np.full(len(positions), cell * carbon.potential_in_ice_volt, dtype=np.float32),
        spread_angstrom=SPREAD_PER_SPACING * spacing,
        absorptions_angstrom2=np.full(len(positions), cell * carbon.absorption_in_ice_per_angstrom, dtype=np.float32),
        fades=False,
    )


def _grain(
    params: FilmParams,
    ice_params: IceParams,
    size_angstrom_xyz: tuple[float, float, float],
    carbon: Material,
    rng: np.random.Generator,
) -> Scatterers:
    area = size_angstrom_xyz[0] * size_angstrom_xyz[1]
    film_volume = _film_area(ice_params, size_angstrom_xyz) * params.thickness_angstrom
    per_volume = min(GRAIN_SPACING_ANGSTROM**-3, MOST_GRAIN_POINTS / film_volume) if params.graininess else 0.0
    n_columns = int(np.round(area * params.thickness_angstrom * per_volume))
    xy = (rng.random((n_columns, 2), dtype=np.float32) - 0.5) * np.array(size_angstrom_xyz[:2], dtype=np.float32)
    xy = xy[_beyond_hole(ice_params, xy)]
    heights = _bottom(ice_params, size_angstrom_xyz, xy) + params.thickness_angstrom * rng.random(len(xy))
    atoms_per_angstrom3 = params.density_g_per_cm3 * ATOMS_PER_ANGSTROM3_PER_G_PER_CM3_DALTON / CARBON_DALTON
    atom = carbon.potential_volt / atoms_per_angstrom3
    deviation = atom * np.sqrt(params.graininess * atoms_per_angstrom3 / per_volume) if per_volume else 0.0
    return Scatterers(
        name="carbon-film",
        positions_angstrom_xyz=np.column_stack([xy, heights]).astype(np.float32),
        strengths_volt_angstrom3=(deviation * rng.standard_normal(len(xy))).astype(np.float32),
        spread_angstrom=GRAIN_SPREAD_ANGSTROM,
        fades=False,
    )


def _film_region(params: FilmParams, ice_params: IceParams, size_angstrom_xyz: tuple[float, float, float]) -> Region:
    half_x, half_y, half_z = (size / 2 for size in size_angstrom_xyz)
    corners = np.array([(x, y) for x in (-half_x, half_x) for y in (-half_y, half_y)])
    highest = float(_bottom(ice_params, size_angstrom_xyz, corners).max()) + params.thickness_angstrom

    def contains(points_angstrom_xyz: Floats) -> NDArray[np.bool_]:
        xy, z = points_angstrom_xyz[:, :2], points_angstrom_xyz[:, 2]
        inside = _beyond_hole(ice_params, xy)
        depth = z[inside] - _bottom(ice_params, size_angstrom_xyz, xy[inside])
        inside[inside] = (depth >= 0) & (depth <= params.thickness_angstrom)
        return inside

    return Region(
        contains=contains,
        lower_angstrom_xyz=(-half_x, -half_y, -half_z),
        upper_angstrom_xyz=(half_x, half_y, highest),
        volume_angstrom3=_film_area(ice_params, size_angstrom_xyz) * params.thickness_angstrom,
    )


def _film_area(ice_params: IceParams, size_angstrom_xyz: tuple[float, float, float]) -> float:
    """Area of the slab beyond the hole, Å2, on a grid of a thousandth of its sides."""
    steps = (np.arange(1000) + 0.5) / 1000 - 0.5
    xy = np.stack(np.meshgrid(*(steps * size for size in size_angstrom_xyz[:2]), indexing="ij"), axis=-1).reshape(-1, 2)
    return float(_beyond_hole(ice_params, xy).mean() * size_angstrom_xyz[0] * size_angstrom_xyz[1])


def _beyond_hole(ice_params: IceParams, xy_angstrom: NDArray[np.floating]) -> NDArray[np.bool_]:
    offset = xy_angstrom - np.asarray(ice_params.hole_centre_xy_angstrom)
    return np.asarray(np.square(offset).sum(axis=-1) > ice_params.hole_radius_angstrom**2)


def _bottom(
    ice_params: IceParams, size_angstrom_xyz: tuple[float, float, float], xy_angstrom: NDArray[np.floating]
) -> Floats:
    xy = np.asarray(xy_angstrom, dtype=np.float64)
    return -half_thickness_angstrom(ice_params, size_angstrom_xyz[2], size_angstrom_xyz[:2], xy)
