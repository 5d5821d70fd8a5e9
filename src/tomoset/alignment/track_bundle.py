"""Robust bundle adjustment of tracks: the tilt geometry and the markers that explain measured image positions.

Gauss–Newton with Levenberg–Marquardt damping; the markers are eliminated from the normal equations (Schur), robust
weights are renewed in every step, and the noise across and along the tilt axis is estimated from the residuals. What
tracks cannot show is fixed: a translation of the specimen (the shifts hold none relative to the start), its turn
about its own axes (the mean tilt stays) and its scale (the mean magnification stays; one when it is free).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.track_equations import (
    ViewNumbers,
    moved,
    normal_equations,
    predict,
    track_derivatives,
)
from tomoset.alignment.track_model import FreeNumbers, TrackParams, free_numbers
from tomoset.alignment.track_weights import TrackNoise, robust_noise
from tomoset.errors import AlignmentError
from tomoset.geometry import TiltGeometry

__all__ = ["TrackErrors", "TrackSolution", "solve_tracks"]

Floats = NDArray[np.float64]

_GAUGE = 1e-8  # strength, relative to the data, that holds what the data do not show
_SMALL = 0.05  # gain in log likelihood below which the search ends: a tenth of what could be told apart
_REJECTED = 4.0  # robust standard deviations in two dimensions: one normal residual in 3000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrackErrors:
    """Standard errors from the covariance, in the gauge of the solution; zero for what was not free.

    Parameters
    ----------
    shift_xy_angstrom : (n, 2) array of float64
    axis_deg, tilt_deg, x_tilt_deg, magnification : (n,) array of float64
    positions_angstrom_xyz : (p, 3) array of float64
        NaN for markers that were not solved.
    """

    shift_xy_angstrom: Floats
    axis_deg: Floats
    tilt_deg: Floats
    x_tilt_deg: Floats
    magnification: Floats
    positions_angstrom_xyz: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrackSolution:
    """What a bundle adjustment of tracks found.

    Parameters
    ----------
    geometry : TiltGeometry
    positions_angstrom_xyz : (p, 3) array of float64
        Of the markers; NaN for one that fewer than two views see.
    residual_xy_angstrom : (p, n, 2) array of float64
        Measured minus predicted in the image; NaN where nothing was measured.
    weights : (p, n) array of float64
        Robust weight of each measurement, 0 to 1.
    rejected : (p, n) array of bool
        Measurements farther than four robust standard deviations, and those of markers that were not solved.
    noise_uv_angstrom : (2,) array of float64
        Standard deviation of a measurement across and along the axis (of those with unit deviation).
    errors : TrackErrors
    converged : bool
        Whether the steps became negligible.
    steps : int
    """

    geometry: TiltGeometry
    positions_angstrom_xyz: Floats
    residual_xy_angstrom: Floats
    weights: Floats
    rejected: NDArray[np.bool_]
    noise_uv_angstrom: Floats
    errors: TrackErrors
    converged: bool
    steps: int

    @property
    def residual_angstrom(self) -> Floats:
        """Length (p, n) of every residual, Å; NaN where nothing was measured."""
        return np.asarray(np.linalg.norm(self.residual_xy_angstrom, axis=-1), dtype=np.float64)

    @property
    def mean_residual_angstrom(self) -> float:
        """Mean length of all residuals, rejected ones included (IMOD's residual mean), Å."""
        return float(np.nanmean(self.residual_angstrom))

    @property
    def mean_residual_by_view_angstrom(self) -> Floats:
        """Mean length of each view's residuals (n,), Å; NaN for a view without any."""
        seen = np.isfinite(self.residual_angstrom)
        total = np.where(seen, self.residual_angstrom, 0.0).sum(axis=0)
        return np.asarray(np.where(seen.any(axis=0), total / np.maximum(seen.sum(axis=0), 1), np.nan))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _State:
    numbers: Floats  # φ (f,)
    positions: Floats  # (p, 3)
    views: ViewNumbers
    residual: Floats  # (p, n, 2), zero where nothing was measured


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Problem:
    """Tracks of the markers that can be solved."""

    tracks: Floats
    seen: NDArray[np.bool_]
    deviation: Floats
    start: ViewNumbers
    free: FreeNumbers
    loss: str

    def state(self, numbers: Floats, positions: Floats) -> _State:
        change = (self.free.spread @ numbers).reshape(self.start.axis.size, self.free.width)
        views = moved(self.start, change, self.free.columns)
        residual = np.where(self.seen[..., None], self.tracks - predict(views, positions), 0.0)
        return _State(numbers=numbers, positions=positions, views=views, residual=residual)

    def noise(self, state: _State) -> TrackNoise:
        freedom = 2 * int(np.count_nonzero(self.seen)) - state.numbers.size - state.positions.size
        return robust_noise(state.residual, self.seen, self.deviation, state.views.axis, self.loss, freedom)

    def cost(self, state: _State, noise: TrackNoise) -> float:
        own = 0.5 * float(state.numbers @ self.free.precision @ state.numbers)
        return own + noise.cost(state.residual)


def solve_tracks(
    tracks_pn2_angstrom: Floats,
    start: TiltGeometry,
    params: TrackParams | None = None,
    *,
    deviation_pn: Floats | None = None,
    dose_before: Floats | None = None,
) -> TrackSolution:
    """Adjust a tilt geometry and the markers' positions to measured tracks.

    Parameters
    ----------
    tracks_pn2_angstrom : (p, n, 2) array of float
        Where each marker was seen in each view, Å from the image's index N // 2, x then y; NaN where it was not.
    start : TiltGeometry
        Start of all numbers, and the value of those that are not free. Priors are about it.
    params : TrackParams, optional
    deviation_pn : (p, n) array of float, optional
        Standard deviations of the measurements relative to one another; all alike when not given.
    dose_before : (n,) array of float, optional
        Dose before each view, for what is to be smooth along the dose.

    Returns
    -------
    TrackSolution

    Raises
    ------
    AlignmentError
        If shapes do not match or there are too few measurements for what is free.
    ParameterError
        If a quantity is to be smooth along a dose that is not given.

    Notes
    -----
    Robust weights after the losses of ``TrackParams.loss`` (tiltalign of IMOD uses Tukey's); see Triggs et al. 2000,
    "Bundle adjustment: a modern synthesis", for the elimination and the gauges.
    """
    tracks, params = np.asarray(tracks_pn2_angstrom, dtype=np.float64), params or TrackParams()
    problem, solved = _make_problem(tracks, start, params, deviation_pn, dose_before)
    state = problem.state(np.zeros(problem.free.spread.shape[1]), np.zeros((problem.tracks.shape[0], 3)))
    state = _triangulated(problem, state)
    state, steps, converged = _search(problem, state, params.steps)
    noise = problem.noise(state)
    weights = np.zeros(tracks.shape[:2])
    rejected: NDArray[np.bool_] = np.all(np.isfinite(tracks), axis=-1)
    weights[solved], rejected[solved] = noise.weights, problem.seen & (noise.distance > _REJECTED)
    positions, residual = np.full((tracks.shape[0], 3), np.nan), np.full(tracks.shape, np.nan)
    positions[solved] = state.positions
    residual[solved] = np.where(problem.seen[..., None], state.residual, np.nan)
    return TrackSolution(
        geometry=_geometry(state.views, start, problem.free),
        positions_angstrom_xyz=positions,
        residual_xy_angstrom=residual,
        weights=weights,
        rejected=rejected,
        noise_uv_angstrom=noise.deviation_uv,
        errors=_standard_errors(problem, state, noise, solved),
        converged=converged,
        steps=steps,
    )


def _make_problem(
    tracks: Floats,
    start: TiltGeometry,
    params: TrackParams,
    deviation_pn: Floats | None,
    dose_before: Floats | None,
) -> tuple[_Problem, NDArray[np.bool_]]:
    """Return the problem, and which markers take part: those that at least two views see."""
    if tracks.ndim != 3 or tracks.shape[1:] != (start.n_tilts, 2):
        raise AlignmentError(
            f"tracks: expected shape (markers, {start.n_tilts}, 2) for this geometry, found {tracks.shape}; give one "
            "row a marker and one column a view"
        )
    seen: NDArray[np.bool_] = np.all(np.isfinite(tracks), axis=-1)
    deviation = np.ones(seen.shape) if deviation_pn is None else np.asarray(deviation_pn, dtype=np.float64)
    if deviation.shape != seen.shape or not np.all(deviation[seen] > 0):
        raise AlignmentError(f"tracks: expected positive deviations of shape {seen.shape}, found {deviation.shape}")
    solved = np.count_nonzero(seen, axis=1) >= 2
    free = free_numbers(params, start.y_tilt_deg, dose_before)
    if params.magnification.kind != "fixed" and start.magnification is not None:
        start = replace(start, magnification=start.magnification / start.magnification.mean())
    measured, unknown = 2 * np.count_nonzero(seen[solved]), 3 * np.count_nonzero(solved) + free.spread.shape[1]
    # Translation, turn and scale of the specimen are not among what must be measured, nor is what a prior holds.
    held = 3 + free.mean_of.shape[0] + np.linalg.matrix_rank(free.precision)
    if not np.any(solved) or measured < unknown - held:
        raise AlignmentError(
            f"tracks: expected at least {max(unknown - held, 4)} measured coordinates for what is free, found "
            f"{measured} in {np.count_nonzero(solved)} markers that two views or more see; track more markers or free "
            "less"
        )
    extent = float(np.abs(tracks[seen]).max(initial=1.0))
    problem = _Problem(
        tracks=np.where(seen[..., None], tracks, 0.0)[solved],
        seen=seen[solved],
        deviation=np.where(seen, deviation, 1.0)[solved],
        start=ViewNumbers.of(start, extent),
        free=free,
        loss=params.loss,
    )
    return problem, solved


def _triangulated(problem: _Problem, state: _State) -> _State:
    """Markers where the starting geometry puts them: robust least squares, marker by marker."""
    for _ in range(5):
        noise = problem.noise(state) if np.any(state.positions) else None
        information = np.where(problem.seen[..., None, None], np.eye(2), 0.0)
        if noise is not None:
            information = information * noise.weights[..., None, None]
        _, by_marker = track_derivatives(state.views, state.positions, problem.free.columns, problem.free.width)
        weighted = np.einsum("pnij,pnja->pnia", information, by_marker)
        normal = np.einsum("pnia,pnib->pab", weighted, by_marker)
        normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(3)
        right = np.einsum("pnia,pni->pa", weighted, state.residual)
        step = np.linalg.solve(normal, right[..., None])[..., 0]
        state = problem.state(state.numbers, state.positions + step)
    return state


def _search(problem: _Problem, state: _State, steps: int) -> tuple[_State, int, bool]:
    """Damped steps until they are negligible."""
    damping, deviation = 0.0, np.full(2, np.inf)
    for step in range(steps):
        noise = problem.noise(state)
        if step > 3:  # the scale may only shrink once the search is under way, so that the cost has one minimum
            noise = noise.at(np.minimum(noise.deviation_uv, deviation), state.residual)
        settled = noise.deviation_uv > 0.999 * deviation
        deviation = noise.deviation_uv
        cost = problem.cost(state, noise)
        for _ in range(12):
            trial = _step(problem, state, noise, damping)
            if problem.cost(trial, noise) <= cost * (1 + 1e-12):
                break
            damping = max(damping, 1e-9) * 10
        else:
            return state, step + 1, True
        gain = cost - problem.cost(trial, noise)
        state, damping = trial, (damping / 10 if damping > 1e-9 else 0.0)
        if gain < _SMALL and np.all(settled):
            last = _step(problem, state, noise, 0.0)  # without damping, which loosens the gauges
            last = _step(problem, last, noise, 0.0)
            return last if problem.cost(last, noise) < problem.cost(state, noise) + _SMALL else state, step + 1, True
    return state, steps, False


def _step(problem: _Problem, state: _State, noise: TrackNoise, damping: float) -> _State:
    free = problem.free
    by_view, by_marker = track_derivatives(state.views, state.positions, free.columns, free.width)
    normal = normal_equations(by_view, by_marker, state.residual, noise.information, free, damping)
    rows, values = _gauge(problem, state)
    scale = _scale(normal.matrix, rows)
    # Damping alone would let a step wander along what the data do not show.
    matrix = normal.matrix + free.precision + (rows.T * scale * (_GAUGE + 1e6 * damping)) @ rows
    right = normal.right - free.precision @ state.numbers - rows.T @ (scale * _GAUGE * values)
    change = _solve(matrix, right)
    return problem.state(state.numbers + change, state.positions + normal.marker_steps(change))


def _gauge(problem: _Problem, state: _State) -> tuple[Floats, Floats]:
    """Rows on the free numbers whose product with them is to vanish, and what it is now."""
    free, views = problem.free, state.views
    used = problem.seen.any(axis=0)
    rows = np.zeros((3, used.size, free.width))
    # A translation of the specimen by T moves the shift of a view by m R T.
    rows[:, :, free.columns["shift"]] = (views.rotations[:, :2] * views.magnification[:, None, None]).transpose(2, 0, 1)
    rows[:, ~used] = 0.0
    translation = rows.reshape(3, -1) @ free.spread
    moved_by = np.einsum("anc,nc->a", rows[:, :, free.columns["shift"]], views.shift_xy - problem.start.shift_xy)
    return (
        np.vstack([translation, free.mean_of]) / used.size,
        np.concatenate([moved_by, free.mean_of @ state.numbers]) / used.size,
    )


def _scale(matrix: Floats, rows: Floats) -> Floats:
    """Precision (g,) of each gauge row that is as strong as the data are on the numbers that it holds."""
    weight = np.square(rows)
    return np.asarray((weight @ np.diag(matrix)) / np.maximum(np.square(weight.sum(axis=1)), 1e-300))


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Solve with unit diagonal; numbers that nothing holds stay where they are."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    dead = scale <= 1e-14 * scale.max(initial=0.0)
    scale = np.where(dead, 1.0, scale)
    scaled = matrix / np.outer(scale, scale)
    scaled[dead], scaled[:, dead] = 0.0, 0.0
    scaled[np.diag_indices_from(scaled)] += np.where(dead, 1.0, 1e-14)
    columns = np.where(dead, 0.0, 1 / scale)[:, None]
    solution = columns * np.linalg.solve(scaled, columns * right.reshape(len(right), -1))
    return np.asarray(solution.reshape(right.shape), dtype=np.float64)


def _geometry(views: ViewNumbers, start: TiltGeometry, free: FreeNumbers) -> TiltGeometry:
    """Return the geometry; what was neither free nor given stays absent."""
    bent = start.field_xy_angstrom is not None or "field" in free.columns or "stretch" in free.columns
    scaled = start.magnification is not None or "magnification" in free.columns
    tilted = start.x_tilt_deg is not None or "x_tilt" in free.columns
    return TiltGeometry(
        y_tilt_deg=np.rad2deg(views.tilt),
        z_rot_deg=np.rad2deg(views.axis),
        shift_xy_angstrom=views.shift_xy,
        x_tilt_deg=np.rad2deg(views.x_tilt) if tilted else None,
        magnification=views.magnification if scaled else None,
        field_xy_angstrom=views.field_xy if bent else None,
        field_unit_angstrom=views.field_unit if bent else 1.0,
    )


def _standard_errors(problem: _Problem, state: _State, noise: TrackNoise, solved: NDArray[np.bool_]) -> TrackErrors:
    """Square roots of the covariance's diagonal, the gauges held."""
    free, n = problem.free, problem.start.axis.size
    by_view, by_marker = track_derivatives(state.views, state.positions, free.columns, free.width)
    normal = normal_equations(by_view, by_marker, state.residual, noise.expected_information, free)
    rows, _ = _gauge(problem, state)
    matrix = normal.matrix + free.precision
    matrix += (rows.T * (1e6 * _scale(normal.matrix, rows))) @ rows
    inverse = _solve(matrix, np.eye(len(matrix)))
    variance = np.sum((free.spread @ inverse) * free.spread, axis=1).reshape(n, free.width)
    deviation = np.sqrt(np.maximum(variance, 0.0))

    def own(name: str, shape: tuple[int, ...]) -> Floats:
        return deviation[:, free.columns[name]].reshape(shape) if name in free.columns else np.zeros(shape)

    lever = normal.marker_inverse @ normal.mixed
    marker = np.einsum("paa->pa", normal.marker_inverse) + np.sum((lever @ inverse) * lever, axis=2)
    positions = np.full((solved.size, 3), np.nan)
    positions[solved] = np.sqrt(np.maximum(marker, 0.0))
    return TrackErrors(
        shift_xy_angstrom=own("shift", (n, 2)),
        axis_deg=np.rad2deg(own("axis", (n,))),
        tilt_deg=np.rad2deg(own("tilt", (n,))),
        x_tilt_deg=np.rad2deg(own("x_tilt", (n,))),
        magnification=own("magnification", (n,)),
        positions_angstrom_xyz=positions,
    )
