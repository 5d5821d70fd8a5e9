"""Smooth fields of motion: what the dose does to the specimen between views, and to the ice within a movie.

Both are quadratic polynomials (Fernandez et al. 2018, J. Struct. Biol. 202:200) in coordinates of which 1 is half of
the frame's longer side. Coefficients are drawn on a basis that is orthonormal over a set of points, so that the root
mean square over these points is exactly what was asked for and the largest displacement has a bound.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tomoset.model import deformation_terms, local_motion_terms

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
_HEIGHT_WEIGHT = 0.5
_EARLY_VIEWS = 0.25  # of the series, over which the dose's effect fades by e
_EARLY_FRAMES = 2.0  # frames over which motion within a movie fades by e
_EARLY_MOVIES = 5.0  # exposures over which it fades from movie to movie
_FIRST_MOVIE = 2.0  # the first movie's motion over the last's, less 1


def draw_deformation(order: NDArray[np.intp], rms_angstrom: float, rng: np.random.Generator) -> Floats:
    """Displacement of the specimen in every view.

    Parameters
    ----------
    order : (n,) array of int
        Place of each view in the order of acquisition.
    rms_angstrom : float
        Over the edge of the field (a circle of radius 1, heights −0.5, 0 and 0.5) between the first and the last
        of these views.
    rng : numpy.random.Generator

    Returns
    -------
    (n, 3, 10) array of float64
        Å, coefficients of :func:`tomoset.model.truth.deformation_terms`, mean zero over the views, no constant term.
    """
    solve = _deformation_basis()
    drawn = rng.standard_normal((3, solve.shape[1]))
    drawn[:, len(_PLANE_TERMS) :] *= _HEIGHT_WEIGHT
    pattern = np.zeros((3, 10))
    pattern[:, _PLANE_TERMS + _HEIGHT_TERMS] = (drawn / np.linalg.norm(drawn)) @ solve.T
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
    seeds: list[np.random.Generator],
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
    seeds : list of numpy.random.Generator
        One a movie.

    Returns
    -------
    (n, n_frames, 2, 6) array of float64
        Å, coefficients of :func:`tomoset.model.truth.local_motion_terms`, mean zero over a movie's frames, no
        constant term.
    """
    solve = _local_motion_basis(aspect_xy)
    course = _frame_course(n_frames)
    weight = 1 + _FIRST_MOVIE * np.exp(-np.asarray(order, dtype=np.float64) / _EARLY_MOVIES)
    weight = weight / math.sqrt(float(np.mean(weight**2)))
    motion = np.zeros((len(order), n_frames, 2, 6))
    for view, rng in enumerate(seeds):
        drawn = rng.standard_normal((2, 5))
        pattern = (drawn / np.linalg.norm(drawn)) @ solve.T
        motion[view, :, :, 1:] = rms_angstrom * weight[view] * course[:, None, None] * pattern
    return motion


def largest_deformation_share(reach: float) -> float:
    """Largest displacement over ``rms_angstrom`` in any view within ``reach`` field units in x and y, and 1 in z."""
    grid = np.linspace(-reach, reach, 9)
    points = np.stack(np.meshgrid(grid, grid, [-1.0, 0.0, 1.0], indexing="ij"), axis=-1).reshape(-1, 3)
    terms = deformation_terms(points)[:, _PLANE_TERMS + _HEIGHT_TERMS]
    return float(np.linalg.norm(terms @ _deformation_basis(), axis=1).max())


def largest_local_motion_share(aspect_xy: tuple[float, float], n_frames: int) -> float:
    """Largest local motion over ``rms_angstrom`` in any frame of any movie, within 1.2 times the frame."""
    x, y = (1.2 * side * np.linspace(-1, 1, 9) for side in aspect_xy)
    terms = local_motion_terms(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2))[:, 1:]
    most = float(np.linalg.norm(terms @ _local_motion_basis(aspect_xy), axis=1).max())
    return most * (1 + _FIRST_MOVIE) * float(np.abs(_frame_course(n_frames)).max(initial=0.0))


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
    return _orthonormal(deformation_terms(points)[:, _PLANE_TERMS + _HEIGHT_TERMS])


def _local_motion_basis(aspect_xy: tuple[float, float]) -> Floats:
    """Coefficients (5, 5) of functions that are orthonormal over the frame's area, a column each."""
    x, y = (side * (np.arange(32) + 0.5 - 16) / 16 for side in aspect_xy)
    points = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return _orthonormal(local_motion_terms(points)[:, 1:])


def _orthonormal(values: Floats) -> Floats:
    """``C`` with orthonormal columns of ``values @ C`` in the mean over the points (Gram-Schmidt's order)."""
    _, upper = np.linalg.qr(values / math.sqrt(len(values)))
    return np.asarray(np.linalg.inv(upper), dtype=np.float64)
