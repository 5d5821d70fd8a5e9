"""The shape of the ice: a wedge, and the meniscus that thins it towards the middle of the hole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.model import IceLayer

__all__ = ["IceParams", "half_thickness_angstrom", "make_ice", "surfaces_at", "thickness_at"]

SPACING_ANGSTROM = 50.0  # at the rim of a hole of 1 µm radius, where a meniscus of 500 Å ends, wrong by 1 Å
ANGSTROM_PER_MICROMETRE = 1e4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class IceParams:
    """How the ice differs from a plane slab; as it stands, not at all.

    Parameters
    ----------
    wedge_angstrom_per_micrometre : float
        Loss of thickness along the wedge, Å per µm, ≥ 0.
    wedge_direction_deg : float
        Direction in which the wedge thins, degrees counter-clockwise from x in the specimen's plane.
    meniscus_angstrom : float
        Loss of thickness at the hole's centre, Å, ≥ 0; it falls to nothing at the hole's radius as a parabola.
    hole_radius_angstrom : float
        Of the hole in the carbon film, Å, > 0.
    hole_centre_xy_angstrom : (2,) tuple of float
        Its centre in the specimen frame, Å.

    Raises
    ------
    ParameterError
        If a loss is negative, the radius is not positive or a number is not finite.
    """

    wedge_angstrom_per_micrometre: float = 0.0
    wedge_direction_deg: float = 0.0
    meniscus_angstrom: float = 0.0
    hole_radius_angstrom: float = 10000.0
    hole_centre_xy_angstrom: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Refuse shapes that mean nothing."""
        for name, value in (("wedge", self.wedge_angstrom_per_micrometre), ("meniscus", self.meniscus_angstrom)):
            if not (np.isfinite(value) and value >= 0):
                raise ParameterError(f"ice: expected a {name} of zero or more, found {value:g}; turn its direction")
        if not (np.isfinite(self.hole_radius_angstrom) and self.hole_radius_angstrom > 0):
            raise ParameterError(
                f"ice: expected a positive radius of the hole in Å, found {self.hole_radius_angstrom:g}"
            )
        if not np.isfinite((self.wedge_direction_deg, *self.hole_centre_xy_angstrom)).all():
            raise ParameterError("ice: expected a finite direction of the wedge and centre of the hole; correct them")

    @property
    def is_flat(self) -> bool:
        """Whether it is a plane slab after all."""
        return self.wedge_angstrom_per_micrometre == 0 and self.meniscus_angstrom == 0


def half_thickness_angstrom(
    params: IceParams, thickness_angstrom: float, size_xy_angstrom: tuple[float, float], xy_angstrom: Floats
) -> Floats:
    """Height of the upper surface (the lower one is its mirror image): positions (n, 2) -> (n,), Å.

    Parameters
    ----------
    params : IceParams
    thickness_angstrom : float
        Largest thickness: at the hole's rim, at the wedge's thick end.
    size_xy_angstrom : (2,) tuple of float
        Of the slab: its corner farthest against the wedge's direction is the thick end.
    xy_angstrom : (n, 2) array
        Specimen frame.
    """
    angle = np.deg2rad(params.wedge_direction_deg)
    direction = np.array([np.cos(angle), np.sin(angle)])
    xy = np.asarray(xy_angstrom, dtype=np.float64)
    from_thick_end = xy @ direction + np.abs(direction) @ np.asarray(size_xy_angstrom) / 2
    wedge = params.wedge_angstrom_per_micrometre * np.maximum(from_thick_end, 0.0) / ANGSTROM_PER_MICROMETRE
    offset = (xy - np.asarray(params.hole_centre_xy_angstrom)) / params.hole_radius_angstrom
    meniscus = params.meniscus_angstrom * np.maximum(1.0 - np.square(offset).sum(axis=-1), 0.0)
    return np.asarray(np.maximum(thickness_angstrom - wedge - meniscus, 0.0) / 2)


def make_ice(
    params: IceParams, thickness_angstrom: float, size_xy_angstrom: tuple[float, float], rng: np.random.Generator
) -> IceLayer | None:
    """Surfaces of the ice over a slab.

    Parameters
    ----------
    params : IceParams
        Its shape.
    thickness_angstrom : float
        Largest thickness, Å, > 0.
    size_xy_angstrom : (2,) tuple of float
        Of the slab, Å, which the samples cover whole.
    rng : numpy.random.Generator
        Not drawn from: wedge and meniscus are what the recipe says.

    Returns
    -------
    IceLayer or None
        None for the plane slab. Both surfaces give way alike, so that the middle of the ice stays at z = 0; the
        thickness is zero where wedge and meniscus take more than there is.

    Raises
    ------
    ParameterError
        If no ice is left anywhere.
    """
    del rng
    if params.is_flat:
        return None
    nx, ny = (2 * int(np.ceil(size / 2 / SPACING_ANGSTROM)) + 1 for size in size_xy_angstrom)
    y, x = np.meshgrid(np.arange(ny) - ny // 2, np.arange(nx) - nx // 2, indexing="ij")
    xy = np.asarray(np.stack([x.ravel(), y.ravel()], axis=-1) * SPACING_ANGSTROM, dtype=np.float64)
    top = half_thickness_angstrom(params, thickness_angstrom, size_xy_angstrom, xy).reshape(ny, nx)
    if not (top > 0).any():
        raise ParameterError(
            f"ice: expected some to be left of {thickness_angstrom:g} Å, found none: a wedge of "
            f"{params.wedge_angstrom_per_micrometre:g} Å/µm and a meniscus of {params.meniscus_angstrom:g} Å take it "
            "all; lower them or thicken the ice"
        )
    return IceLayer(
        bottom_angstrom_yx=(-top).astype(np.float32),
        top_angstrom_yx=top.astype(np.float32),
        spacing_angstrom=SPACING_ANGSTROM,
    )


def surfaces_at(ice: IceLayer, xy_angstrom: Floats) -> tuple[Floats, Floats]:
    """Heights of the lower and the upper surface at positions (n, 2), Å, bilinear; beyond the samples as at the edge.

    Returns
    -------
    bottom, top : (n,) array of float64
    """
    ny, nx = ice.top_angstrom_yx.shape
    xy = np.asarray(xy_angstrom, dtype=np.float64) / ice.spacing_angstrom
    x, y = np.clip(xy[:, 0] + nx // 2, 0, nx - 1), np.clip(xy[:, 1] + ny // 2, 0, ny - 1)
    left, low = np.minimum(x.astype(np.intp), max(nx - 2, 0)), np.minimum(y.astype(np.intp), max(ny - 2, 0))
    right, high = np.minimum(left + 1, nx - 1), np.minimum(low + 1, ny - 1)
    u, v = x - left, y - low

    def bilinear(surface_yx: NDArray[np.float32]) -> Floats:
        below = surface_yx[low, left] * (1 - u) + surface_yx[low, right] * u
        above = surface_yx[high, left] * (1 - u) + surface_yx[high, right] * u
        return np.asarray(below * (1 - v) + above * v)

    return bilinear(ice.bottom_angstrom_yx), bilinear(ice.top_angstrom_yx)


def thickness_at(ice: IceLayer, xy_angstrom: Floats) -> Floats:
    """Thickness at positions (n, 2), specimen frame: (n,), Å."""
    bottom, top = surfaces_at(ice, xy_angstrom)
    return top - bottom
