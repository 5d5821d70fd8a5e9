"""The most likely centre line of a filament: what the views say across it, joined by its stiffness.

Along a chain of nodes the log-likelihood is quadratic near its maximum, node by node; the energy of bending of a
worm-like chain, ``P / (2 h³) Σ |x[i-1] − 2 x[i] + x[i+1]|²`` in units of kT, is quadratic too. Their sum is a small
banded system. Where the views say little (the height of a rod across the tilt axis) the stiffness carries over what
they say elsewhere.
"""

import numpy as np
from numpy.typing import NDArray

from tomoset.annotation.filaments.profile import RadialProfile
from tomoset.annotation.filaments.response import segment_response
from tomoset.annotation.filaments.views import MatchedViews, lies_across

__all__ = ["along_curve", "levelled", "line_amplitude", "refine_line", "tangents", "transverse_axes"]

Floats = NDArray[np.float64]

_SAME_DIRECTION_DEG = 4.0
_WINDOW_RADII = 0.5
_SIDE = 9
_FINER = 4
_STEEPEST_COSINE = 0.7
_MODEL_ERROR_ANGSTROM = 4.0


def tangents(points_xyz: Floats) -> Floats:
    """Unit tangents (n, 3) of a chain (n, 3)."""
    t = np.gradient(points_xyz, axis=0)
    return np.asarray(t / np.linalg.norm(t, axis=1, keepdims=True))


def _smooth_tangents(points_xyz: Floats, reach_angstrom: float) -> Floats:
    """Tangents of a chain smoothed over a distance: those that a segment of that length sees."""
    from scipy import ndimage

    h = float(np.linalg.norm(np.diff(points_xyz, axis=0), axis=1).mean())
    raw = np.gradient(points_xyz, axis=0)
    t = ndimage.gaussian_filter1d(raw, reach_angstrom / h, axis=0, mode="nearest")
    return np.asarray(t / np.linalg.norm(t, axis=1, keepdims=True))


def transverse_axes(tangent_xyz: Floats) -> Floats:
    """Two unit vectors (n, 2, 3) across each tangent (n, 3)."""
    least = np.eye(3)[np.argmin(np.abs(tangent_xyz), axis=1)]
    a = np.cross(tangent_xyz, least)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    return np.stack([a, np.cross(tangent_xyz, a)], axis=1)


def along_curve(points_xyz: Floats, spacing_angstrom: float, *, extend_angstrom: float = 0.0) -> Floats:
    """Points (m, 3) evenly spaced on the cubic spline through others, which may go on straight beyond its ends."""
    from scipy.interpolate import CubicSpline

    chords = np.linalg.norm(np.diff(points_xyz, axis=0), axis=1)
    s = np.concatenate([[0.0], np.cumsum(chords)])
    spline = CubicSpline(s, points_xyz) if len(s) > 3 else None
    n = max(int(np.ceil(s[-1] / spacing_angstrom)), 1) + 1
    at = np.linspace(0, s[-1], n)
    if spline is None:
        inner = np.stack([np.interp(at, s, points_xyz[:, k]) for k in range(3)], axis=1)
    else:
        inner = np.asarray(spline(at))
    if extend_angstrom <= 0:
        return inner
    reach = np.arange(1, int(np.ceil(extend_angstrom / spacing_angstrom)) + 1)[:, None] * spacing_angstrom
    near = min(len(inner) - 1, max(1, round(100.0 / spacing_angstrom)))
    first, last = inner[0] - inner[near], inner[-1] - inner[-1 - near]
    first, last = first / np.linalg.norm(first), last / np.linalg.norm(last)
    return np.concatenate([(inner[0] + reach * first)[::-1], inner, inner[-1] + reach * last])


def _direction_groups(tangent_xyz: Floats) -> list[NDArray[np.intp]]:
    """Consecutive nodes whose tangents are nearly one direction."""
    groups, first = [], 0
    for i in range(1, len(tangent_xyz) + 1):
        if i == len(tangent_xyz) or tangent_xyz[i] @ tangent_xyz[first] < np.cos(np.deg2rad(2 * _SAME_DIRECTION_DEG)):
            groups.append(np.arange(first, i))
            first = i
    return groups


def line_amplitude(
    views: MatchedViews, profile: RadialProfile, points_xyz: Floats, sigma_angstrom: float
) -> tuple[Floats, Floats]:
    """Amplitude (n,) of segments along a chain (n, 3), and its standard error by noise."""
    t = tangents(points_xyz)
    amplitude, error = np.empty(len(points_xyz)), np.empty(len(points_xyz))
    for group in _direction_groups(t):
        mean = t[group].mean(axis=0)
        found = segment_response(views, profile, mean / np.linalg.norm(mean), sigma_angstrom)
        amplitude[group], error[group] = found.at(points_xyz[group])
    return amplitude, error


def refine_line(
    views: MatchedViews,
    profile: RadialProfile,
    points_xyz: Floats,
    sigma_angstrom: float,
    persistence_angstrom: float,
    spread: float,
    *,
    rounds: int = 3,
) -> Floats:
    """Move the nodes of a chain across it to where likelihood and stiffness together want them.

    Parameters
    ----------
    views : MatchedViews
    profile : RadialProfile
    points_xyz : (n, 3) array of float64
        Nodes, about evenly spaced, within half a radius of the truth.
    sigma_angstrom : float
        Taper of the segments that are matched.
    persistence_angstrom : float
        Stiffness.
    spread : float
        How much more than the noise the crowd makes responses vary (standard deviations).
    rounds : int

    Returns
    -------
    (n, 3) array of float64
    """
    points = np.array(points_xyz, dtype=np.float64)
    for _ in range(rounds):
        t = _smooth_tangents(points, sigma_angstrom)
        axes = transverse_axes(t)
        mean, information = _across(views, profile, points, t, axes, sigma_angstrom, spread)
        points = points + _joined(points, axes, mean, information, persistence_angstrom)
        points = along_curve(points, float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean()))
    return points


def levelled(views: MatchedViews, profile: RadialProfile, points_xyz: Floats, sigma_angstrom: float) -> Floats:
    """Move and tilt a chain along the beam, as a whole, to where it is likeliest.

    All views show a filament across the tilt axis alike, so that no single place of it tells its height; its ends
    and its slight turn towards the axis do, together. Heights within four radii and slopes up to 0.6 are tried.
    """
    ends = points_xyz[-1] - points_xyz[0]
    along = ends / np.linalg.norm(ends)
    if not lies_across(along) or abs(along[0]) < _STEEPEST_COSINE:
        return points_xyz
    middle = points_xyz.mean(axis=0)
    position = (points_xyz - middle) @ along
    heights = np.linspace(-4, 4, 17) * profile.radius_angstrom
    level = np.array([along[0], along[1], 0.0])
    found = segment_response(views, profile, level / np.linalg.norm(level), sigma_angstrom)
    flat = np.array(points_xyz)
    flat[:, 2] = middle[2]
    best, chosen = -np.inf, points_xyz
    for slope in np.linspace(-0.6, 0.6, 13):
        tilted = flat + np.outer(slope * position, [0.0, 0.0, 1.0])
        tried = tilted[None] + heights[:, None, None] * np.array([0.0, 0.0, 1.0])
        amplitude = np.nan_to_num(found.at(tried.reshape(-1, 3))[0]).reshape(len(heights), -1).mean(axis=1)
        if amplitude.max() > best:
            best, chosen = float(amplitude.max()), tried[amplitude.argmax()]
    return chosen


def _across(
    views: MatchedViews,
    profile: RadialProfile,
    points: Floats,
    tangent: Floats,
    axes: Floats,
    sigma: float,
    spread: float,
) -> tuple[Floats, Floats]:
    """Where the views want each node, across the chain: mean (n, 2) and inverse covariance (n, 2, 2), Å.

    The likelihood is summed over a square window: a peak of any shape, or none, gives a place and an uncertainty.
    """
    from scipy import ndimage

    half = _WINDOW_RADII * profile.radius_angstrom
    coarse = np.linspace(-half, half, _SIDE)
    u, v = (grid.ravel() for grid in np.meshgrid(coarse, coarse, indexing="ij"))
    fine = np.linspace(-half, half, _FINER * (_SIDE - 1) + 1)
    n = len(points)
    h = float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())
    share = min(1.0, h / (2 * np.sqrt(np.pi) * sigma))  # overlapping segments say the same thing again
    mean, information = np.zeros((n, 2)), np.zeros((n, 2, 2))
    for group in _direction_groups(tangent):
        direction = tangent[group].mean(axis=0)
        found = segment_response(views, profile, direction / np.linalg.norm(direction), sigma)
        offsets = u[:, None] * axes[group, None, 0] + v[:, None] * axes[group, None, 1]
        amplitude, error = found.at((points[group, None] + offsets).reshape(-1, 3))
        amplitude = np.nan_to_num(amplitude).reshape(len(group), _SIDE, _SIDE)
        error = np.nan_to_num(error, nan=np.inf).reshape(len(group), -1).min(axis=1)
        for i, surface, sigma_amplitude in zip(group, amplitude, error, strict=True):
            sharpness = share * max(surface.max(), 0.0) / (sigma_amplitude * spread) ** 2
            likelihood = sharpness * ndimage.zoom(surface, len(fine) / _SIDE, order=3, mode="nearest", grid_mode=False)
            mean[i], information[i] = _moments(likelihood, fine)
    return mean, information


def _moments(log_likelihood: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """Mean (2,) and inverse covariance (2, 2) of a density on a square grid."""
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    rows, columns = weight.sum(axis=1), weight.sum(axis=0)
    mean = np.array([rows @ offsets, columns @ offsets])
    a, b = offsets - mean[0], offsets - mean[1]
    covariance = np.array([[rows @ a**2, a @ weight @ b], [a @ weight @ b, columns @ b**2]])
    return mean, np.linalg.inv(covariance + np.square(_MODEL_ERROR_ANGSTROM) * np.eye(2))


def _joined(points: Floats, axes: Floats, mean: Floats, information: Floats, persistence: float) -> Floats:
    """Steps (n, 3) across the chain that the nodes' wishes and the energy of bending agree on."""
    n = len(points)
    h = float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())
    second = np.zeros((max(n - 2, 0), n))
    for i in range(n - 2):
        second[i, i : i + 3] = (1.0, -2.0, 1.0)
    bending = persistence / h**3 * second.T @ second
    a = np.einsum("ij,iak,jbk->iajb", bending, axes, axes).reshape(2 * n, 2 * n)
    b = -np.einsum("ij,jk,iak->ia", bending, points, axes).reshape(2 * n)
    for i in range(n):
        a[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] += information[i]
        b[2 * i : 2 * i + 2] += information[i] @ mean[i]
    offset = np.linalg.solve(a, b).reshape(n, 2)
    return np.einsum("na,nak->nk", offset, axes)
