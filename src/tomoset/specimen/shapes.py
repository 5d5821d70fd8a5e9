"""Closed shapes of vesicles and cells: a round tube about a straight or bent axis, gently undulated.

A length of zero gives a sphere, a bend gives a crescent. The undulation is a sum of zonal spherical harmonics about
random axes, on the sphere onto which the surface's meridians are evenly spread. A shape's *height* is measured along
the ray from the axis: exactly the signed distance without undulation, within the square of its slope (a few percent
at most) with it. Surfaces inside or outside a shape are its level sets.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

if TYPE_CHECKING:
    from tomoset.specimen._shape_kernels import Solid

__all__ = ["NO_RIPPLES", "Ripples", "Shape", "random_ripples"]

Floats = NDArray[np.float64]

GRADIENT_STEP_ANGSTROM = 0.5
CHECKED_DIRECTIONS = 200
TABLE_STEPS = 80  # along a face of the cube: 1.4 degrees at most
LEAST_BEND_RAD = 1e-4  # less is straight: it moves no point by an atom's width, and its circle is too large to compute
NO_TABLE = np.zeros((6, 2, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Ripples:
    """An undulation: zonal harmonics ``amplitude · P_degree(u · axis)`` of the direction u.

    Parameters
    ----------
    axes_xyz : (k, 3) array of float64
        Unit vectors.
    degrees : (k,) array of int64
    amplitudes_angstrom : (k,) array of float64
    """

    axes_xyz: Floats
    degrees: NDArray[np.int64]
    amplitudes_angstrom: Floats

    def __add__(self, other: "Ripples") -> "Ripples":
        """Both undulations, one on top of the other."""
        return Ripples(
            np.concatenate([self.axes_xyz, other.axes_xyz]),
            np.concatenate([self.degrees, other.degrees]),
            np.concatenate([self.amplitudes_angstrom, other.amplitudes_angstrom]),
        )


NO_RIPPLES = Ripples(np.empty((0, 3)), np.empty(0, dtype=np.int64), np.empty(0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A closed surface around an axis.

    Parameters
    ----------
    radius_angstrom : float
        From the axis to the surface, before undulation.
    centre_angstrom_xyz : (3,) tuple of float
        The axis' middle, specimen frame.
    rotation : (3, 3) array of float64
        Active, shape -> specimen: in its own frame the axis runs along z and bends towards +x.
    length_angstrom : float
        Of the axis; zero for a sphere.
    bend_rad : float
        Angle that the axis turns through, 0 (straight) to π.
    map_radius_angstrom : float
        Radius that maps the surface onto the sphere of the ripples; the same for all level sets of one body.
    ripples : Ripples

    Raises
    ------
    ParameterError
        If the surface would meet itself.
    """

    radius_angstrom: float
    centre_angstrom_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation: Floats
    length_angstrom: float = 0.0
    bend_rad: float = 0.0
    map_radius_angstrom: float
    ripples: Ripples = NO_RIPPLES

    def __post_init__(self) -> None:
        """Refuse surfaces that meet themselves."""
        least, most = self.reach_angstrom
        if not least > 0:
            raise ParameterError(
                f"expected a radius larger than its undulation, found {self.radius_angstrom:g} Å undulated by "
                f"{self.radius_angstrom - least:g} Å; take a larger body, a thinner envelope or less deformation"
            )
        if not 0 <= self.bend_rad <= np.pi or (self.bend_rad > 0 and self.length_angstrom / self.bend_rad <= most):
            raise ParameterError(
                f"expected an axis bent less sharply than the body is wide ({most:g} Å), found {self.length_angstrom:g}"
                f" Å of it turning through {np.rad2deg(self.bend_rad):g}°; make the body longer, thinner or straighter"
            )

    @property
    def reach_angstrom(self) -> tuple[float, float]:
        """Least and largest distance of the surface from the axis."""
        ripple = _ripple_of(_even_directions(CHECKED_DIRECTIONS), self.ripples)
        return self.radius_angstrom + float(ripple.min()), self.radius_angstrom + float(ripple.max())

    @staticmethod
    def sphere(radius_angstrom: float, ripples: Ripples = NO_RIPPLES) -> "Shape":
        """A sphere about the origin, undulated."""
        return Shape(
            radius_angstrom=radius_angstrom,
            rotation=np.eye(3),
            map_radius_angstrom=radius_angstrom,
            ripples=ripples,
        )

    @staticmethod
    def crescent(
        radius_angstrom: float, length_angstrom: float, bend_rad: float, ripples: Ripples = NO_RIPPLES
    ) -> "Shape":
        """A tube with round ends about the origin; ``length`` is the axis', without the two ends."""
        return Shape(
            radius_angstrom=radius_angstrom,
            rotation=np.eye(3),
            length_angstrom=length_angstrom,
            bend_rad=bend_rad if bend_rad > LEAST_BEND_RAD else 0.0,
            map_radius_angstrom=radius_angstrom,
            ripples=ripples,
        )

    def inset(self, distance_angstrom: float, ripples: Ripples = NO_RIPPLES) -> "Shape":
        """The surface that lies a distance inside this one (outside for a negative distance), undulated further."""
        return replace(self, radius_angstrom=self.radius_angstrom - distance_angstrom, ripples=self.ripples + ripples)

    def placed(self, centre_angstrom_xyz: Floats, rotation: Floats) -> "Shape":
        """The same surface elsewhere."""
        x, y, z = (float(value) for value in centre_angstrom_xyz)
        return replace(self, centre_angstrom_xyz=(x, y, z), rotation=np.ascontiguousarray(rotation))

    def heights(self, points_angstrom_xyz: Floats) -> Floats:
        """Height (n,) of points (n, 3) above the surface, Å: negative inside."""
        from tomoset.specimen import _shape_kernels

        return _shape_kernels.heights(
            np.ascontiguousarray(points_angstrom_xyz, dtype=np.float64), self._solid(NO_TABLE)
        )

    def contains(self, points_angstrom_xyz: Floats, *levels_angstrom: float) -> NDArray[np.bool_]:
        """Whether points (n, 3) lie below a height above the surface (0, if none is named), to some 0.1 Å: (n,).

        Of several heights, from the highest down, the space between the first two, that between the next two and so
        on belongs to it, and of an odd number all below the last.
        """
        from tomoset.specimen import _shape_kernels

        points = np.ascontiguousarray(points_angstrom_xyz, dtype=np.float64)
        edges = np.array(levels_angstrom or (0.0,), dtype=np.float64)
        return _shape_kernels.inside(points, self._solid(_table_of(self.ripples)), edges)

    def normals(self, points_angstrom_xyz: Floats) -> Floats:
        """Outward unit normals (n, 3) of the level sets through points (n, 3)."""
        points = np.asarray(points_angstrom_xyz, dtype=np.float64)
        gradient = np.empty_like(points)
        for axis in range(3):
            step = np.zeros(3)
            step[axis] = GRADIENT_STEP_ANGSTROM
            gradient[:, axis] = self.heights(points + step) - self.heights(points - step)
        return gradient / np.linalg.norm(gradient, axis=1, keepdims=True)

    def surface(self, meridian_angstrom: Floats, azimuth_rad: Floats, level_angstrom: float = 0.0) -> Floats:
        """Points (n, 3) of a level set, specimen frame.

        Parameters
        ----------
        meridian_angstrom : (n,) array of float64
            Along the surface from end to end, from ``-meridian_half_angstrom`` to ``+meridian_half_angstrom``.
        azimuth_rad : (n,) array of float64
            About the axis, from its concave side.
        level_angstrom : float
            Height above the surface.
        """
        place = np.clip(meridian_angstrom, -self.length_angstrom / 2, self.length_angstrom / 2)
        elevation = (meridian_angstrom - place) / self.map_radius_angstrom
        across, along = np.cos(elevation), np.sin(elevation)
        reach = self.radius_angstrom + level_angstrom + self._ripple(meridian_angstrom, azimuth_rad)
        point = np.stack([across * np.cos(azimuth_rad), across * np.sin(azimuth_rad), along], axis=-1)
        own = self._from_axis_frame(point * reach[:, None], place)
        return own @ self.rotation.T + np.asarray(self.centre_angstrom_xyz)

    @property
    def meridian_half_angstrom(self) -> float:
        """Meridian coordinate of either end."""
        return self.length_angstrom / 2 + np.pi / 2 * self.map_radius_angstrom

    def bounds_angstrom_xyz(
        self, level_angstrom: float = 0.0
    ) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Lower and upper corner of a box that holds a level set."""
        half = self.meridian_half_angstrom
        grid = np.meshgrid(np.linspace(-half, half, 65), np.arange(96) * 2 * np.pi / 96, indexing="ij")
        points = self.surface(grid[0].ravel(), grid[1].ravel(), level_angstrom)
        step = max(half / 32, np.pi / 48 * self.radius_angstrom)
        beyond = step**2 / self.radius_angstrom  # twice what a sphere rises between two samples
        low, high = points.min(axis=0) - beyond, points.max(axis=0) + beyond
        return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))

    def volume_angstrom3(self, level_angstrom: float = 0.0) -> float:
        """Volume within a level set, by quadrature over rays from the axis (sectors of cones and of wedges)."""
        azimuth = (np.arange(96) + 0.5) * 2 * np.pi / 96
        nodes, weights = np.polynomial.legendre.leggauss(48)
        volume = 0.0
        for end in (-1.0, 1.0):  # the cubes of the rays over each half sphere
            along = (nodes + 1) / 2
            meridian = end * (self.length_angstrom / 2 + self.map_radius_angstrom * np.arcsin(along))
            reach = self._reach(meridian, azimuth, level_angstrom)
            volume += float((weights / 2) @ (reach**3).mean(axis=1)) * 2 * np.pi / 3
        if self.length_angstrom > 0:
            curvature = self.bend_rad / self.length_angstrom
            reach = self._reach(nodes * self.length_angstrom / 2, azimuth, level_angstrom)
            sector = reach**2 / 2 - reach**3 / 3 * curvature * np.cos(azimuth)
            volume += float((weights / 2) @ sector.mean(axis=1)) * 2 * np.pi * self.length_angstrom
        return volume

    def _reach(self, meridian: Floats, azimuth: Floats, level: float) -> Floats:
        grid = np.meshgrid(meridian, azimuth, indexing="ij")
        ripple = self._ripple(grid[0].ravel(), grid[1].ravel()).reshape(grid[0].shape)
        return self.radius_angstrom + level + ripple

    def _ripple(self, meridian: Floats, azimuth: Floats) -> Floats:
        latitude = np.pi / 2 * meridian / self.meridian_half_angstrom
        ring = np.cos(latitude)
        direction = np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), np.sin(latitude)], axis=-1)
        return _ripple_of(direction, self.ripples)

    def _from_axis_frame(self, point: Floats, place: Floats) -> Floats:
        """Points relative to the axis, in its frame at ``place``, to the shape's own frame."""
        if self.bend_rad == 0.0:
            return point + np.stack([np.zeros_like(place), np.zeros_like(place), place], axis=-1)
        bow = self.length_angstrom / self.bend_rad
        cos, sin = np.cos(place / bow), np.sin(place / bow)
        x = point[:, 0] * cos + point[:, 2] * sin + bow * (1 - cos)
        z = -point[:, 0] * sin + point[:, 2] * cos + bow * sin
        return np.stack([x, point[:, 1], z], axis=-1)

    def _solid(self, ripple_table: Floats) -> "Solid":
        from tomoset.specimen._shape_kernels import Solid

        return Solid(
            np.asarray(self.centre_angstrom_xyz, dtype=np.float64),
            np.ascontiguousarray(self.rotation, dtype=np.float64),
            float(self.radius_angstrom),
            float(self.length_angstrom),
            float(self.bend_rad),
            float(self.map_radius_angstrom),
            np.ascontiguousarray(self.ripples.axes_xyz),
            self.ripples.degrees,
            self.ripples.amplitudes_angstrom,
            ripple_table,
        )


def random_ripples(
    rms_angstrom: float, rng: np.random.Generator, *, degrees: tuple[int, ...] = (2, 3, 4), axes_each: int = 3
) -> Ripples:
    """Undulation with the spectrum of a free vesicle's thermal one, scaled to a root mean square.

    The power of degree l goes as ``(2l + 1) / ((l - 1) l (l + 1) (l + 2))``: bending without tension (Helfrich 1973;
    Milner & Safran 1987, Phys. Rev. A 36:4371).
    """
    if rms_angstrom == 0:
        return NO_RIPPLES
    sphere = _even_directions(400)
    power = np.array([(2 * k + 1) / ((k - 1) * k * (k + 1) * (k + 2)) for k in degrees])
    parts = []
    for degree, share in zip(degrees, power / power.sum(), strict=True):
        axes = rng.standard_normal((axes_each, 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        part = Ripples(axes, np.full(axes_each, degree, dtype=np.int64), rng.standard_normal(axes_each))
        scale = rms_angstrom * np.sqrt(share / np.square(_ripple_of(sphere, part)).mean())
        parts.append(replace(part, amplitudes_angstrom=part.amplitudes_angstrom * scale))
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _ripple_of(direction_xyz: Floats, ripples: Ripples) -> Floats:
    total = np.zeros(len(direction_xyz))
    for axis, degree, amplitude in zip(ripples.axes_xyz, ripples.degrees, ripples.amplitudes_angstrom, strict=True):
        series = np.zeros(int(degree) + 1)
        series[-1] = amplitude
        total += np.polynomial.legendre.legval(direction_xyz @ axis, series)
    return total


@lru_cache(maxsize=256)
def _table_of(ripples: Ripples) -> Floats:
    """An undulation on a grid on each face of a cube about it: (6, n, n)."""
    grid = np.linspace(-1, 1, TABLE_STEPS + 1)
    first, second = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    one = np.ones_like(first)
    faces = []
    for axis in range(3):
        for sign in (1, -1):
            direction = np.empty((len(first), 3))
            direction[:, axis], direction[:, axis - 2], direction[:, axis - 1] = sign * one, first, second
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            faces.append(_ripple_of(direction, ripples).reshape(len(grid), len(grid)))
    return np.stack(faces)


def _even_directions(n: int) -> Floats:
    """Unit vectors on a golden spiral: (n, 3)."""
    z = 1 - 2 * (np.arange(n) + 0.5) / n
    azimuth = np.arange(n) * np.pi * (3 - np.sqrt(5.0))
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=-1)
