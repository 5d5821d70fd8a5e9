"""Smooth fields of motion: what the dose does to the specimen between views, and to the ice within a movie.

Both are quadratic polynomials (Fernandez et al. 2018, J. Struct. Biol. 202:200) in coordinates of which 1 is half of
the frame's longer side. Coefficients are drawn on a basis that is orthonormal over a set of points, so that the root
mean square over these points is exactly what was asked for; draws whose largest displacement lies beyond a bound are
drawn again, so that the field of view can be guaranteed.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import quadratic_terms
from tomoset.model import deformation_terms

__all__ = [
    "draw_deformation",
    "draw_local_motion",
    "largest_deformation_share",
    "largest_local_motion_share",
]

Floats = NDArray[np.float64]

_EDGE_HEIGHTS = (-0.5, 0.0, 0.5)
# In the order in which the basis is made orthonormal: the image plane's terms first, then those that hold z.
_PLANE_TERMS = [1, 2, 4, 5, 7]
_HEIGHT_TERMS = [3, 6, 8, 9]
_DEFORMATION_TERMS = _PLANE_TERMS + _HEIGHT_TERMS
_HEIGHT_WEIGHT = 0.5
_EARLY_VIEWS = 0.25  # of the series, over which the dose's effect fades by e
_EARLY_FRAMES = 2.0  # frames over which motion within a movie fades by e
_EARLY_MOVIES = 5.0  # exposures over which it fades from movie to movie
_FIRST_MOVIE = 1.0  # the first movie's motion over the last's, less 1
_BOUND = 0.6  # of the largest displacement that any draw could have; most draws are below


def draw_deformation(
    order: NDArray[np.intp], rms_angstrom: float, reach_xy: tuple[float, float], rng: np.random.Generator
) -> Floats:
    """Displacement of the specimen in every view.

    Parameters
    ----------
    order : (n,) array of int
        Place of each view in the order of acquisition.
    rms_angstrom : float
        Over the edge of the field (a circle of radius 1, heights −0.5, 0 and 0.5) between the first and the last
        of these views.
    reach_xy : tuple of float
        How far the views see, in field units: within it the bound of :func:`largest_deformation_share` holds.
    rng : numpy.random.Generator

    Returns
    -------
    (n, 3, 10) array of float64
        Å, coefficients of :func:`tomoset.model.truth.deformation_terms`, mean zero over the views, no constant term.
    """
    weights = np.repeat([1.0, _HEIGHT_WEIGHT], [len(_PLANE_TERMS), len(_HEIGHT_TERMS)])
    pattern = np.zeros((3, 10))
    pattern[:, _DEFORMATION_TERMS] = _draw_bounded(_deformation_basis(), _deformation_values(reach_xy), weights, 3, rng)
    time = np.asarray(order, dtype=np.float64)
    span = float(np.ptp(time))
    if span == 0:
        return np.zeros((len(time), 3, 10))
    course = np.expm1(-(time - time.min()) / (_EARLY_VIEWS * span)) / math.expm1(-1 / _EARLY_VIEWS)
    deformation: Floats = rms_angstrom * (course - course.mean())[:, None, None] * pattern
    return deformation


def draw_local_motion(
    order: NDArray[np.intp],
    n_frames: int,
    aspect_xy: tuple[float, float],
    rms_angstrom: float,
    streams: list[np.random.Generator],
) -> Floats:
    """Motion within every movie beyond that of whole frames.

    Parameters
    ----------
    order : (n,) array of int
        Place of each movie in the order of acquisition.
    n_frames : int
    aspect_xy : tuple of float
        Half of the frame's sides; the longer one is 1.
    rms_angstrom : float
        Over the frame's area, all frames and movies.
    streams : list of numpy.random.Generator
        One a movie.

    Returns
    -------
    (n, n_frames, 2, 6) array of float64
        Å, coefficients of :func:`tomoset.geometry.quadratic_terms`, mean zero over a movie's frames, no
        constant term.
    """
    basis, values, course = _local_motion_basis(aspect_xy), _local_motion_values(aspect_xy), _frame_course(n_frames)
    weight = 1 + _FIRST_MOVIE * np.exp(-np.asarray(order, dtype=np.float64) / _EARLY_MOVIES)
    weight = weight / math.sqrt(float(np.mean(weight**2)))
    motion = np.zeros((len(order), n_frames, 2, 6))
    for view, rng in enumerate(streams):
        pattern = _draw_bounded(basis, values, np.ones(5), 2, rng)
        motion[view, :, :, 1:] = rms_angstrom * weight[view] * course[:, None, None] * pattern
    return motion


def largest_deformation_share(reach_xy: tuple[float, float]) -> float:
    """Largest displacement over ``rms_angstrom`` in any view within this reach, and within 1 in z."""
    return _BOUND * _largest_share(_deformation_basis(), _deformation_values(reach_xy))


def largest_local_motion_share(aspect_xy: tuple[float, float], n_frames: int) -> float:
    """Largest local motion over ``rms_angstrom`` in any frame of any movie, within 1.2 times the frame."""
    most = _BOUND * _largest_share(_local_motion_basis(aspect_xy), _local_motion_values(aspect_xy))
    return most * (1 + _FIRST_MOVIE) * float(np.abs(_frame_course(n_frames)).max(initial=0.0))


def _draw_bounded(basis: Floats, values: Floats, weights: Floats, n_axes: int, rng: np.random.Generator) -> Floats:
    """Coefficients (n_axes, terms) with unit root mean square over the basis's points and a bounded largest value."""
    bound = _BOUND * _largest_share(basis, values)
    while True:
        drawn = weights * rng.standard_normal((n_axes, len(basis)))
        coefficients: Floats = (drawn / np.linalg.norm(drawn)) @ basis.T
        if np.linalg.norm(values @ coefficients.T, axis=1).max() <= bound:
            return coefficients


def _largest_share(basis: Floats, values: Floats) -> float:
    """Largest value that a combination of the basis with unit norm can have at the points of ``values``."""
    return float(np.linalg.norm(values @ basis, axis=1).max())


def _deformation_values(reach_xy: tuple[float, float]) -> Floats:
    """Terms (m, 9) at points that fill the reach."""
    x, y = (side * np.linspace(-1, 1, 9) for side in reach_xy)
    points = np.stack(np.meshgrid(x, y, [-1.0, 0.0, 1.0], indexing="ij"), axis=-1)
    return deformation_terms(points.reshape(-1, 3))[:, _DEFORMATION_TERMS]


def _local_motion_values(aspect_xy: tuple[float, float]) -> Floats:
    """Terms (m, 5) at points that fill somewhat more than the frame."""
    x, y = (1.2 * side * np.linspace(-1, 1, 9) for side in aspect_xy)
    return quadratic_terms(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2))[:, 1:]


def _frame_course(n_frames: int) -> Floats:
    """How far the local motion has come at each frame: mean 0, mean square 1; steps fade exponentially."""
    if n_frames == 1:
        return np.zeros(1)
    path = np.concatenate([[0.0], np.cumsum(np.exp(-np.arange(n_frames - 1) / _EARLY_FRAMES))])
    path -= path.mean()
    course: Floats = path / math.sqrt(float(np.mean(path**2)))
    return course


def _deformation_basis() -> Floats:
    """Coefficients (9, 9) of functions that are orthonormal over the edge of the field, a column each."""
    angle = 2 * np.pi * np.arange(48) / 48
    points = np.stack([np.column_stack([np.cos(angle), np.sin(angle), np.full(48, z)]) for z in _EDGE_HEIGHTS]).reshape(
        -1, 3
    )
    return _orthonormal(deformation_terms(points)[:, _DEFORMATION_TERMS])


def _local_motion_basis(aspect_xy: tuple[float, float]) -> Floats:
    """Coefficients (5, 5) of functions that are orthonormal over the frame's area, a column each."""
    x, y = (side * (np.arange(32) + 0.5 - 16) / 16 for side in aspect_xy)
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return _orthonormal(quadratic_terms(points)[:, 1:])


def _orthonormal(values: Floats) -> Floats:
    """``C`` with orthonormal columns of ``values @ C`` in the mean over the points (Gram-Schmidt's order)."""
    _, upper = np.linalg.qr(values / math.sqrt(len(values)))
    return np.asarray(np.linalg.inv(upper), dtype=np.float64)
