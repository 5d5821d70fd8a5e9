"""All tilts of a series fitted together.

Each tilt has its defocus, its own small deviation of the astigmatism and the shape of its spectrum; the series has one
pair of angles of the specimen's plane against the stage (about the tilt axis and across it), one astigmatism and one
thickness. Newton's method with Fisher's information: what belongs to one tilt is eliminated tilt by tilt (Schur
complement), so that a sweep costs one pass over the spectra.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.ctf.tilt_model import (
    N_GEOMETRY,
    Evaluation,
    TiltData,
    TiltState,
    View,
    evaluate,
    first_state,
    improve_occupancy,
)
from tomoset.geometry import TiltGeometry

__all__ = ["Priors", "SeriesFit", "Shared", "fit_series", "start_states", "turned_plane"]

Floats = NDArray[np.float64]

# Astigmatism of one tilt about the series', of each half component, Å; angles of the plane; shape of ln S.
_DEVIATION_SD_ANGSTROM = 40.0
_ANGLE_SD_DEG = 15.0
_SHAPE_SD = 2.0
_NO_LENS_PRECISION = 1e12
_LONGEST_STEP_ANGSTROM = 1000.0
_LARGEST_ANGLE_DEG = 30.0
_N_SHARED = 4
_DEFOCUS, _DEVIATION = 0, slice(1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """What the series has in common.

    Parameters
    ----------
    values : (4,) array of float64
        Angle of the plane about the tilt axis and across it, degrees; astigmatism ``½ (U − V) (cos 2α, sin 2α)``, Å.
    free : (4,) array of bool
        Which of them are fitted.
    depth_angstrom : float
        Thickness of the slab, as given; 0 for none.
    largest_astigmatism_angstrom : float
        ``U − V`` that is not exceeded.
    """

    values: Floats
    free: NDArray[np.bool_]
    depth_angstrom: float = 0.0
    largest_astigmatism_angstrom: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class Priors:
    """Where the series expects each tilt's defocus: mean (n,) and precision (n,), Å and Å⁻²; whether lenses err."""

    mean_angstrom: Floats
    precision: Floats
    lens: bool = True

    @classmethod
    def about(cls, defocus_angstrom: Floats, sd_angstrom: float, *, lens: bool) -> "Priors":
        """All tilts within the same distance of given values."""
        return cls(np.asarray(defocus_angstrom), np.full(len(defocus_angstrom), sd_angstrom**-2.0), lens)


@dataclass(frozen=True, slots=True, eq=False)
class SeriesFit:
    """State of a series.

    Parameters
    ----------
    states : tuple of TiltState
        One a tilt; ``astigmatism_xy`` is the whole one, series' and own.
    shared : Shared
    log_posterior, log_likelihood : float
    defocus_error_angstrom : (n,) array of float64
        Standard errors, priors included; ``free_error_angstrom`` without the prior on the defocus.
    shared_error : (4,) array of float64
        Of ``shared.values``; infinite where not fitted.
    signal_significance : (n,) array of float64
        Amplitude of each tilt's rings in standard errors.
    evaluations : tuple of Evaluation
        Of the states.
    """

    states: tuple[TiltState, ...]
    shared: Shared
    log_posterior: float
    log_likelihood: float
    defocus_error_angstrom: Floats
    free_error_angstrom: Floats
    shared_error: Floats
    signal_significance: Floats
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """Data of a series and how the plane's angles become views."""

    tilts: Sequence[TiltData]
    geometry: TiltGeometry
    hand: int
    priors: Priors
    run: Callable[..., list[Evaluation]]

    def views(self, shared: Shared) -> list[View]:
        turned = turned_plane(self.geometry, shared.values[:2])
        gradients = self.hand * turned.plane_gradient_xy
        path = 1 / np.maximum(np.abs(turned.image_from_specimen[:, 2, 2]), 0.1)
        return [View(g, float(p)) for g, p in zip(gradients, path, strict=True)]

    def gradient_slopes(self, shared: Shared) -> Floats:
        """Derivative (n, 2, 2) of the gradients in the two angles, per degree."""
        columns = []
        for axis in range(2):
            step = np.zeros(2)
            step[axis] = 0.05
            above = turned_plane(self.geometry, shared.values[:2] + step).plane_gradient_xy
            below = turned_plane(self.geometry, shared.values[:2] - step).plane_gradient_xy
            columns.append(self.hand * (above - below) / 0.1)
        return np.stack(columns, axis=2)


def start_states(tilts: Sequence[TiltData], defocus_angstrom: Floats) -> tuple[TiltState, ...]:
    """First states of a series."""
    return tuple(first_state(data, float(d)) for data, d in zip(tilts, defocus_angstrom, strict=True))


def fit_series(
    tilts: Sequence[TiltData],
    geometry: TiltGeometry,
    hand: int,
    start: tuple[tuple[TiltState, ...], Shared],
    priors: Priors,
    *,
    run: Callable[..., list[Evaluation]],
    sweeps: int,
    occupancy_sweeps: int = 3,
) -> SeriesFit:
    """Improve a series until its posterior stays.

    Parameters
    ----------
    tilts : sequence of TiltData
    geometry : TiltGeometry
        Of these tilts, with the plane along the stage.
    hand : int
        Sign of the defocus gradient; 0 for none.
    start : tuple
        States and shared values to begin with.
    priors : Priors
    run : callable
        Maps a function over arguments, tilt by tilt (a pool's ``map``).
    sweeps : int
        At most.
    occupancy_sweeps : int
        Sweeps in which the amplitudes of the tiles may change as well.
    """
    problem = _Problem(tilts, geometry, hand, priors, run)
    states, shared = start
    damping = 1e-2
    best = _look(problem, states, shared)
    for sweep in range(sweeps):
        if sweep < occupancy_sweeps:
            states = tuple(improve_occupancy(s, e) for s, e in zip(states, best.evaluations, strict=True))
            best = _look(problem, states, shared)
        moved = _step(problem, states, shared, best, damping)
        found = _look(problem, *moved)
        if found.log_posterior < best.log_posterior - 1e-3:
            damping *= 10
            if damping > 1e4:
                break
            continue
        gained = found.log_posterior - best.log_posterior
        (states, shared), best, damping = moved, found, max(0.1 * damping, 1e-6)
        if gained < 0.02 and sweep >= occupancy_sweeps:
            break
    return _with_errors(problem, states, shared, best)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """Evaluations of all tilts, and the sums with the priors."""

    evaluations: list[Evaluation]
    log_likelihood: float
    log_posterior: float


def _look(problem: _Problem, states: Sequence[TiltState], shared: Shared) -> _Look:
    views = problem.views(shared)
    depth = [shared.depth_angstrom] * len(views)
    evaluations = list(problem.run(evaluate, problem.tilts, states, views, depth))
    likelihood = float(sum(e.value for e in evaluations))
    prior = -0.5 * float(np.square(shared.values[:2] / _ANGLE_SD_DEG).sum())
    for i, state in enumerate(states):
        residual, precision = _local_prior(problem, i, state, shared)
        prior -= 0.5 * float((precision * np.square(residual)).sum())
    return _Look(evaluations, likelihood, likelihood + prior)


def _local_prior(problem: _Problem, i: int, state: TiltState, shared: Shared) -> tuple[Floats, Floats]:
    """Distance of one tilt's own parameters from where they are expected, and the precisions."""
    n_background = problem.tilts[i].rings.background_basis.shape[1]
    residual = np.concatenate(
        [
            [state.defocus_angstrom - problem.priors.mean_angstrom[i]],
            state.astigmatism_xy - shared.values[2:4],
            state.shape,
        ]
    )
    precision = np.full(residual.size, 1 / _SHAPE_SD**2)
    precision[_DEFOCUS] = problem.priors.precision[i]
    precision[_DEVIATION] = 1 / _DEVIATION_SD_ANGSTROM**2 if problem.priors.lens else _NO_LENS_PRECISION
    # Levels are free: they depend on how the images were scaled.
    precision[3] = precision[3 + n_background] = 1e-4
    return residual, precision


def _normal_equations(
    problem: _Problem, i: int, state: TiltState, shared: Shared, evaluation: Evaluation, slopes: Floats
) -> tuple[Floats, Floats]:
    """Gradient and information of one tilt in its own parameters followed by the four shared ones, priors included."""
    n_shape = problem.tilts[i].rings.n_shape
    n_local = 3 + n_shape
    into = np.zeros((N_GEOMETRY + n_shape, n_local + _N_SHARED))
    into[0, 0] = 1
    into[1:3, n_local : n_local + 2] = slopes
    into[3:5, 1:3] = into[3:5, n_local + 2 : n_local + 4] = np.eye(2)
    into[N_GEOMETRY:, 3:n_local] = np.eye(n_shape)
    gradient = into.T @ evaluation.gradient
    information = into.T @ evaluation.information @ into
    residual, precision = _local_prior(problem, i, state, shared)
    gradient[:n_local] -= precision * residual
    information[np.arange(n_local), np.arange(n_local)] += precision
    return gradient, information


def _step(
    problem: _Problem, states: Sequence[TiltState], shared: Shared, look: _Look, damping: float
) -> tuple[tuple[TiltState, ...], Shared]:
    """One Newton step of everything."""
    slopes = problem.gradient_slopes(shared)
    common_gradient, common = _shared_prior(shared)
    parts = []
    for i, (state, evaluation) in enumerate(zip(states, look.evaluations, strict=True)):
        gradient, information = _normal_equations(problem, i, state, shared, evaluation, slopes[i])
        information[np.diag_indices(len(gradient))] *= 1 + damping
        n_local = len(gradient) - _N_SHARED
        inverse = np.linalg.inv(information[:n_local, :n_local])
        mixed = information[:n_local, n_local:]
        common += information[n_local:, n_local:] - mixed.T @ inverse @ mixed
        common_gradient += gradient[n_local:] - mixed.T @ (inverse @ gradient[:n_local])
        parts.append((gradient[:n_local], inverse, mixed))
    change = np.zeros(_N_SHARED)
    free = np.flatnonzero(shared.free)
    if free.size:
        change[free] = np.linalg.solve(common[np.ix_(free, free)], common_gradient[free])
    moved = _limited(shared, change)
    change = moved.values - shared.values
    new = []
    for state, (gradient, inverse, mixed) in zip(states, parts, strict=True):
        own = inverse @ (gradient - mixed @ change)
        deviation = np.clip(own[1:3], -300, 300) if problem.priors.lens else np.zeros(2)
        new.append(
            replace(
                state,
                defocus_angstrom=max(
                    state.defocus_angstrom + float(np.clip(own[0], -_LONGEST_STEP_ANGSTROM, _LONGEST_STEP_ANGSTROM)),
                    1000.0,
                ),
                astigmatism_xy=state.astigmatism_xy + deviation + change[2:4],
                shape=state.shape + np.clip(own[3:], -1, 1),
            )
        )
    return tuple(new), moved


def _shared_prior(shared: Shared) -> tuple[Floats, Floats]:
    """Gradient and information of the priors on the shared values."""
    precision = np.array([1 / _ANGLE_SD_DEG**2, 1 / _ANGLE_SD_DEG**2, 1e-7, 1e-7])
    gradient = -precision * shared.values
    gradient[2:] = 0  # there the precision only keeps the equations solvable
    return gradient, np.diag(precision)


def _limited(shared: Shared, change: Floats) -> Shared:
    """Shared values after a step, inside what can be."""
    longest = np.array([5.0, 5.0, 400.0, 400.0])
    values = shared.values + np.clip(change, -longest, longest)
    values[:2] = np.clip(values[:2], -_LARGEST_ANGLE_DEG, _LARGEST_ANGLE_DEG)
    astigmatism = 2 * float(np.hypot(*values[2:4]))
    if astigmatism > shared.largest_astigmatism_angstrom:
        values[2:4] *= shared.largest_astigmatism_angstrom / astigmatism
    return replace(shared, values=np.where(shared.free, values, shared.values))


def _with_errors(problem: _Problem, states: Sequence[TiltState], shared: Shared, look: _Look) -> SeriesFit:
    """Standard errors from the information at the solution."""
    slopes = problem.gradient_slopes(shared)
    _, common = _shared_prior(shared)
    own, without, significance = [], [], []
    mixed_all = []
    for i, (state, evaluation) in enumerate(zip(states, look.evaluations, strict=True)):
        _, information = _normal_equations(problem, i, state, shared, evaluation, slopes[i])
        n_local = len(information) - _N_SHARED
        inverse = np.linalg.inv(information[:n_local, :n_local])
        mixed = information[:n_local, n_local:]
        common += information[n_local:, n_local:] - mixed.T @ inverse @ mixed
        own.append(inverse[0, 0])
        level = 3 + problem.tilts[i].rings.background_basis.shape[1]
        significance.append(1 / np.sqrt(inverse[level, level]))  # the level is a logarithm
        mixed_all.append(inverse[0] @ mixed)
        schur = 1 / inverse[0, 0] - problem.priors.precision[i]
        without.append(1 / max(schur, 1e-12))
    free = np.flatnonzero(shared.free)
    covariance = np.zeros((_N_SHARED, _N_SHARED))
    if free.size:
        covariance[np.ix_(free, free)] = np.linalg.inv(common[np.ix_(free, free)])
    through = np.array(mixed_all)
    spread = np.einsum("ni,ij,nj->n", through, covariance, through)
    error = np.full(_N_SHARED, np.inf)
    error[free] = np.sqrt(np.diag(covariance)[free])
    return SeriesFit(
        states=tuple(states),
        shared=shared,
        log_posterior=look.log_posterior,
        log_likelihood=look.log_likelihood,
        defocus_error_angstrom=np.sqrt(np.array(own) + spread),
        free_error_angstrom=np.sqrt(np.array(without) + spread),
        shared_error=error,
        signal_significance=np.array(significance),
        evaluations=tuple(look.evaluations),
    )


def turned_plane(geometry: TiltGeometry, angles_deg: Floats) -> TiltGeometry:
    """Return the geometry of a specimen whose plane is turned about the tilt axis and across it."""
    x_tilt = np.zeros(geometry.n_tilts) if geometry.x_tilt_deg is None else geometry.x_tilt_deg
    return TiltGeometry(
        y_tilt_deg=geometry.y_tilt_deg + angles_deg[0],
        z_rot_deg=geometry.z_rot_deg,
        shift_xy_angstrom=geometry.shift_xy_angstrom,
        x_tilt_deg=x_tilt + angles_deg[1],
    )
