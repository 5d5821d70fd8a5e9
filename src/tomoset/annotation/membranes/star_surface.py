"""Closed surfaces as one radius a direction: spherical harmonics through points, stiff where there are none.

The penalty is the square of the Laplace–Beltrami operator less its value for a sphere, (l − 1)(l + 2), as in the
bending energy of vesicles (Helfrich 1973; Milner & Safran 1987): where no point says otherwise the surface bends
as little as it can, and the posterior of the fit says how far it may be off.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["StarSurface", "common_centre", "even_directions", "fit_star", "parallel_surface", "real_harmonics"]

Floats = NDArray[np.float64]

MOST_POINTS = 4000  # of a fit; points beyond are thinned evenly, they are neighbours of others
ROUNDS = 8
RECENTRINGS = 1
OUTLIER = 2.5  # robust standard deviations beyond which a point weighs less
LEAST_SPREAD_ANGSTROM = 2.0
SURE_TO_ANGSTROM = 5.0  # error that neighbouring points share: proteins at the membrane, fringes
CORRELATED_AREA_ANGSTROM2 = 1e4
WEAKEST = 1e-9
BLOCK = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class StarSurface:
    """A closed surface that every ray from its centre meets once.

    Parameters
    ----------
    centre_angstrom_xyz : (3,) array of float64
    coefficients : (k,) array of float64
        Of the real spherical harmonics of ``real_harmonics``, Å; they sum to the radius in a direction.
    degree : int
    covariance : (k, k) array of float64
        Of the coefficients, Å².
    spread_angstrom : float
        Robust standard deviation of the points about the surface.
    """

    centre_angstrom_xyz: Floats
    coefficients: Floats
    degree: int
    covariance: Floats
    spread_angstrom: float

    @property
    def mean_radius_angstrom(self) -> float:
        """Radius averaged over directions."""
        return float(self.coefficients[0] / np.sqrt(4 * np.pi))

    def radii_angstrom(self, directions: Floats) -> Floats:
        """Radius in unit directions (n, 3)."""
        parts = [
            real_harmonics(directions[i : i + BLOCK], self.degree) @ self.coefficients
            for i in range(0, len(directions), BLOCK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def spreads_angstrom(self, directions: Floats) -> Floats:
        """Standard deviation of the radius in unit directions (n, 3)."""
        parts = []
        for i in range(0, len(directions), BLOCK):
            basis = real_harmonics(directions[i : i + BLOCK], self.degree)
            parts.append(np.sqrt(np.maximum(np.sum((basis @ self.covariance) * basis, axis=1), 0)))
        return np.concatenate(parts) if parts else np.zeros(0)

    def normals(self, directions: Floats) -> Floats:
        """Outward unit normals (n, 3) in unit directions, by differences over 0.01 rad."""
        helper = np.where(np.abs(directions[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
        first = np.cross(helper, directions)
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        second = np.cross(directions, first)
        sides = []
        for tangent in (first, second):
            ends = []
            for step in (0.01, -0.01):
                turned = directions + step * tangent
                turned /= np.linalg.norm(turned, axis=1, keepdims=True)
                ends.append(turned * self.radii_angstrom(turned)[:, None])
            sides.append(ends[0] - ends[1])
        normal = np.cross(sides[0], sides[1])
        return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))

    def heights_angstrom(self, points_angstrom_xyz: Floats) -> tuple[Floats, Floats]:
        """Distance of points (n, 3) above the surface along its normals (to first order), and those normals."""
        offset = points_angstrom_xyz - self.centre_angstrom_xyz
        distance = np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
        directions = offset / distance[:, None]
        normals = self.normals(directions)
        cosine = np.einsum("ni,ni->n", directions, normals)
        return (distance - self.radii_angstrom(directions)) * cosine, normals


def real_harmonics(directions: Floats, degree: int) -> Floats:
    """Real spherical harmonics (n, (degree + 1)²) of unit directions (n, 3), by degree and then order (0, ±1, ±2).

    Orthonormal over the sphere. Associated Legendre functions by the recurrence of fully normalised ones (Holmes &
    Featherstone 2002), so that nothing overflows.
    """
    x, y, z = np.asarray(directions, dtype=np.float64).T
    sine = np.sqrt(np.maximum(1 - z * z, 0.0))
    azimuth = np.arctan2(y, x)
    columns: list[Floats | None] = [None] * (degree + 1) ** 2
    sectoral = np.full_like(z, np.sqrt(1 / (4 * np.pi)))
    for m in range(degree + 1):
        if m:
            sectoral = np.sqrt((2 * m + 1) / (2 * m)) * sine * sectoral
        cosine_m, sine_m = np.cos(m * azimuth), np.sin(m * azimuth)
        before, here = np.zeros_like(z), sectoral
        for order in range(m, degree + 1):
            if order > m:
                a = np.sqrt((4 * order**2 - 1) / (order**2 - m**2))
                b = np.sqrt(((order - 1) ** 2 - m**2) / (4 * (order - 1) ** 2 - 1)) if order > m + 1 else 0.0
                before, here = here, a * (z * here - b * before)
            if m == 0:
                columns[order**2] = here
            else:
                columns[order**2 + 2 * m - 1] = np.sqrt(2) * here * cosine_m
                columns[order**2 + 2 * m] = np.sqrt(2) * here * sine_m
    return np.stack([column for column in columns if column is not None], axis=1)


def even_directions(n: int) -> Floats:
    """Unit directions (n, 3) spread evenly on a spiral (Vogel 1979)."""
    index = np.arange(n) + 0.5
    z = 1 - 2 * index / n
    azimuth = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=1)


def common_centre(points_angstrom_xyz: Floats, normals: Floats) -> tuple[Floats, float]:
    """The point nearest to all lines along the normals, and the mean distance of the points from it.

    Raises nothing: parallel normals put the centre very far away.
    """
    across = np.eye(3) - normals[:, :, None] * normals[:, None, :]
    total = across.sum(axis=0) + 1e-6 * len(points_angstrom_xyz) * np.eye(3)
    middle = points_angstrom_xyz.mean(axis=0)
    centre = middle + np.linalg.solve(total, np.einsum("nij,nj->i", across, points_angstrom_xyz - middle))
    return centre, float(np.linalg.norm(points_angstrom_xyz - centre, axis=1).mean())


def fit_star(
    points_angstrom_xyz: Floats,
    normals: Floats,
    centre_angstrom_xyz: Floats,
    degree: int,
    *,
    area_angstrom2: float,
    like: "StarSurface | None" = None,
) -> StarSurface:
    """Fit a closed surface to points on it.

    Parameters
    ----------
    points_angstrom_xyz : (n, 3) array of float64
    normals : (n, 3) array of float64
        Of either sign; where a ray is oblique to the surface its radius is less sure.
    centre_angstrom_xyz : (3,) array of float64
        First guess; moved to the surface's own centre.
    degree : int
    area_angstrom2 : float
        That each point stands for.
    like : StarSurface or None
        A surface of the same degree whose shape this one has but for what bends little; gives the centre.

    Returns
    -------
    StarSurface
        Posterior mean and covariance of a Gaussian prior whose variance falls with degree as the bending energy
        says, and whose scale is learned from the surface itself (expectation–maximisation): round vesicles are
        continued stiffly, bent cells freely. Errors of neighbouring points are taken to be the same within 100 Å.
    """
    step = max(1, len(points_angstrom_xyz) // MOST_POINTS)
    points, across = points_angstrom_xyz[::step], normals[::step]
    shared = max(1.0, CORRELATED_AREA_ANGSTROM2 / (area_angstrom2 * step))
    if like is not None:
        return _fit_about(points, across, like.centre_angstrom_xyz, degree, shared, like.coefficients)
    nothing = np.zeros((degree + 1) ** 2)
    surface = _fit_about(points, across, centre_angstrom_xyz, degree, shared, nothing)
    for _ in range(RECENTRINGS):
        centre = surface.centre_angstrom_xyz + _middle(surface)
        surface = _fit_about(points, across, centre, degree, shared, nothing)
    return surface


def _fit_about(points: Floats, across: Floats, centre: Floats, degree: int, shared: float, base: Floats) -> StarSurface:
    offset = points - centre
    radius = np.maximum(np.linalg.norm(offset, axis=1), 1e-6)
    directions = offset / radius[:, None]
    oblique = np.maximum(np.square(np.einsum("ni,ni->n", directions, across)), 0.01)
    basis = real_harmonics(directions, degree)
    orders = np.repeat(np.arange(degree + 1), 2 * np.arange(degree + 1) + 1)
    bending = np.square((orders - 1.0) * (orders + 2.0))
    bending[0] = 0.0
    bends = bending > 0
    weight = oblique
    radius = radius - basis @ base
    mean = float(np.average(radius, weights=weight))
    variance = np.square(SURE_TO_ANGSTROM) * shared  # of one point, as if it were alone
    scale = np.square(0.1 * np.linalg.norm(offset, axis=1).mean())
    spread, solution, covariance = 1.0, np.zeros(basis.shape[1]), np.eye(basis.shape[1])
    for _ in range(ROUNDS):
        normal = (basis * weight[:, None]).T @ basis / variance
        covariance = np.linalg.inv(normal + np.diag(bending / scale + WEAKEST))
        solution = covariance @ (basis.T @ (weight * (radius - mean))) / variance
        left = (radius - mean - basis @ solution) * np.sqrt(oblique)
        spread = max(LEAST_SPREAD_ANGSTROM, 1.4826 * float(np.median(np.abs(left))))
        weight = oblique * np.minimum(1.0, OUTLIER * spread / np.maximum(np.abs(left), 1e-6))
        scale = float(np.mean(bending[bends] * (np.square(solution[bends]) + np.diag(covariance)[bends])))
    coefficients = solution + base
    coefficients[0] += mean * np.sqrt(4 * np.pi)
    return StarSurface(centre, coefficients, degree, covariance, spread)


def parallel_surface(surface: StarSurface, height_angstrom: float) -> StarSurface:
    """The surface at a height above (below where negative) another one, about the same centre."""
    directions = even_directions(3000)
    normals = surface.normals(directions)
    points = directions * surface.radii_angstrom(directions)[:, None] + height_angstrom * normals
    radii = np.maximum(np.linalg.norm(points, axis=1), 1e-6)
    basis = real_harmonics(points / radii[:, None], surface.degree)
    coefficients = np.linalg.lstsq(basis, radii, rcond=None)[0]
    return replace(surface, coefficients=coefficients)


def _middle(surface: StarSurface) -> Floats:
    """Centre of the volume within a surface, relative to its centre."""
    directions = even_directions(2000)
    radii = np.maximum(surface.radii_angstrom(directions), 1.0)
    return np.asarray(0.75 * np.einsum("n,ni->i", radii**4, directions) / np.sum(radii**3))
