"""Robust least squares of marker positions and of what all markers share, from measured marker offsets."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import xy_from_uv
from tomoset.alignment.marker_model import MarkerModel
from tomoset.alignment.markers import Offsets
from tomoset.geometry import quadratic_terms

__all__ = ["Bundle", "misfit", "solve_bundle"]

Floats = NDArray[np.float64]

_ITERATIONS = 6
_CAUCHY = 2.0  # in robust standard deviations: where a measurement counts half
_PRIOR_ANGSTROM = 10.0  # of a marker's position in one round
_SHIFT_PRIOR_ANGSTROM = 100.0
_AXIS_PRIOR_RAD = 0.02
_MOTION_PRIOR_ANGSTROM = 40.0
# Of a stage and a lens: what is known of them before any marker is measured.
_TURN_PRIOR_DEG, _TILT_PRIOR_DEG, _MAGNIFICATION_PRIOR = 0.05, 0.2, 1e-3
_OWN_SCALE = 10.0  # measurements' worth of trust in the common scale when a marker's own is estimated


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bundle:
    """A solution.

    Parameters
    ----------
    model : MarkerModel
    positions_angstrom_xyz : (p, 3) array of float64
        Of the markers.
    residual_uv_angstrom : (p, n, 2) array of float64
        Measured minus fitted; NaN where nothing was measured.
    deviation_uv_angstrom : (2,) array of float64
        Robust standard deviation of the residuals across and along the axis.
    error_uv_angstrom : (2,) array of float64
        Expected error of the shifts, root mean square over the views across and along the axis, the specimen's
        translation apart, from the covariance: it takes the measurements for independent.
    """

    model: MarkerModel
    positions_angstrom_xyz: Floats
    residual_uv_angstrom: Floats
    deviation_uv_angstrom: Floats
    error_uv_angstrom: Floats

    @property
    def accepted_fraction(self) -> float:
        """Share of the measurements within three robust standard deviations in both directions."""
        residual = self.residual_uv_angstrom[np.isfinite(self.residual_uv_angstrom[..., 0])]
        return float(np.mean(np.all(np.abs(residual) < 3 * self.deviation_uv_angstrom, axis=-1)))


@dataclass(frozen=True, slots=True, eq=False)
class _Equations:
    """Measured offsets of one direction: ``local`` columns belong to one marker, ``shared`` ones to all.

    ``own`` are the numbers of the shared columns among all unknowns.
    """

    local_pnl: Floats
    shared_png: Floats
    measured_pn: Floats
    own: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class _Unknowns:
    """Where each group of shared unknowns stands, and what is known of it beforehand."""

    groups: dict[str, slice]
    prior_deviation: Floats
    prior_value: Floats

    @property
    def size(self) -> int:
        return self.prior_deviation.size

    def columns(self, name: str) -> NDArray[np.intp]:
        return np.arange(self.size)[self.groups[name]]


def solve_bundle(
    model: MarkerModel,
    positions_angstrom_xyz: Floats,
    offsets: Offsets,
    free: frozenset[str] = frozenset(),
    least_deviation_angstrom: float = 1e-3,
) -> Bundle:
    """Move markers, shifts and axis, and what else is ``free``, so that the measured offsets vanish.

    What is measured is the error of the prediction in one view minus the mean error of the views in its reference;
    saying so in the equations is what lets slow drifts, which the references share, vanish in few rounds. Measurements
    are re-weighted after Cauchy, across and along the axis and for every marker apart; each marker's own unknowns are
    eliminated first (Schur).

    Parameters
    ----------
    model : MarkerModel
        The state that the offsets were measured with.
    positions_angstrom_xyz : (p, 3) array of float64
    offsets : Offsets
    free : frozenset of str
        ``motion`` (the specimen's, smooth in dose) and ``views`` (tilt, turn and magnification of each view).
    least_deviation_angstrom : float
        Noise that measurements have at least: with few markers the residuals alone would say too little.
    """
    unknowns = _unknowns(model, free)
    sides = _equations(model, positions_angstrom_xyz, offsets, unknowns)
    measured = offsets.measured
    scale = np.ones((len(measured), 2))
    deviation, weights = np.ones(2), [measured.astype(np.float64)] * 2
    for iteration in range(_ITERATIONS):
        scaled = [w / np.square(scale[:, side, None]) for side, w in enumerate(weights)]
        shared, normal = _shared_solution(sides, scaled, unknowns)
        steps, residuals = _remaining(sides, scaled, shared)
        deviation = np.array([1.4826 * float(np.median(np.abs(r[measured]))) for r in residuals])
        deviation = np.maximum(deviation, least_deviation_angstrom)
        if iteration:
            scale = np.column_stack([_own_scale(r, measured, d) for r, d in zip(residuals, deviation, strict=True)])
            scale = np.maximum(scale, least_deviation_angstrom)
        else:
            scale = np.broadcast_to(deviation, scale.shape)
        weights = [measured / (1 + np.square(r / (_CAUCHY * scale[:, side, None]))) for side, r in enumerate(residuals)]
    residual = np.where(measured[..., None], np.stack(residuals, axis=-1), np.nan)
    moved = np.column_stack([steps[0][:, 0], steps[1][:, 0], steps[0][:, 1]])
    return Bundle(
        model=_stepped(model, shared, unknowns, free),
        positions_angstrom_xyz=positions_angstrom_xyz + moved,
        residual_uv_angstrom=residual,
        deviation_uv_angstrom=deviation,
        error_uv_angstrom=_expected_error(model, normal, unknowns),
    )


def misfit(
    solved: MarkerModel, model: MarkerModel, positions_angstrom_xyz: Floats, offsets: Offsets, scale_uv: Floats
) -> Floats:
    """Robust misfit (p,) of markers that had no part in a solution: they choose their own places only.

    ``offsets`` were measured with ``model``; ``scale_uv`` (2,) says what counts as far.
    """
    # Offsets live in the axis' frame of the state that they were measured in.
    seen = xy_from_uv(solved.predicted_uv(positions_angstrom_xyz), solved.axis_deg - model.axis_deg)
    change = seen - model.predicted_uv(positions_angstrom_xyz)
    relative = np.eye(change.shape[1]) - offsets.reference_pnn
    left = Offsets(
        uv_angstrom=offsets.uv_angstrom - relative @ change,
        measured=offsets.measured,
        reference_pnn=offsets.reference_pnn,
    )
    nothing = _Unknowns({}, np.zeros(0), np.zeros(0))
    sides = _equations(model, positions_angstrom_xyz, left, nothing)
    weights = [offsets.measured / d**2 for d in scale_uv]
    for _ in range(4):
        _, residuals = _remaining(sides, weights, np.zeros(0))
        weights = [
            offsets.measured / d**2 / (1 + np.square(r / (_CAUCHY * d)))
            for r, d in zip(residuals, scale_uv, strict=True)
        ]
    cost = [np.log1p(np.square(r / (_CAUCHY * d))) for r, d in zip(residuals, scale_uv, strict=True)]
    return ((cost[0] + cost[1]) * offsets.measured).sum(axis=1)


def _own_scale(residual_pn: Floats, measured_pn: NDArray[np.bool_], deviation: float) -> Floats:
    """Robust standard deviation of each marker (p,), drawn towards the common one."""
    held = np.where(measured_pn, np.abs(residual_pn), np.nan)
    count = measured_pn.sum(axis=1)
    own = np.where(count > 0, 1.4826 * np.nanmedian(np.where(count[:, None] > 0, held, 0.0), axis=1), deviation)
    return np.sqrt((count * own**2 + _OWN_SCALE * deviation**2) / (count + _OWN_SCALE))


def _unknowns(model: MarkerModel, free: frozenset[str]) -> _Unknowns:
    n = model.tilt_deg.size
    zero = np.zeros(n)
    known: list[tuple[str, Floats, Floats]] = [
        ("shift_u", np.full(n, _SHIFT_PRIOR_ANGSTROM), zero),
        ("shift_v", np.full(n, _SHIFT_PRIOR_ANGSTROM), zero),
        ("axis", np.array([_AXIS_PRIOR_RAD]), np.zeros(1)),
    ]
    if "motion" in free:
        motion = model.motion_angstrom
        known.append(("motion", np.full(motion.size, _MOTION_PRIOR_ANGSTROM), -motion.ravel()))
    if "views" in free:
        known.append(("turn", np.full(n, np.deg2rad(_TURN_PRIOR_DEG)), -np.deg2rad(model.turn_deg)))
        known.append(("magnification", np.full(n, _MAGNIFICATION_PRIOR), 1 - model.magnification))
        known.append(
            ("tilt", np.full(n, np.deg2rad(_TILT_PRIOR_DEG)), np.deg2rad(model.nominal_tilt_deg - model.tilt_deg))
        )
    groups, first = {}, 0
    for name, deviation, _ in known:
        groups[name] = slice(first, first + deviation.size)
        first += deviation.size
    return _Unknowns(groups, np.concatenate([k[1] for k in known]), np.concatenate([k[2] for k in known]))


def _equations(
    model: MarkerModel, positions_angstrom_xyz: Floats, offsets: Offsets, unknowns: _Unknowns
) -> tuple[_Equations, _Equations]:
    """Equations across (x, z) and along (y) the axis, each relative to the references."""
    relative = np.eye(offsets.measured.shape[1]) - offsets.reference_pnn
    tilt = np.deg2rad(model.tilt_deg)
    locals_ = (np.column_stack([np.cos(tilt), np.sin(tilt)]), np.ones((tilt.size, 1)))
    sides = []
    for side in (0, 1):
        parts, own = _shared_columns(model, positions_angstrom_xyz, relative, unknowns, side)
        local = relative @ np.broadcast_to(locals_[side], (len(relative), *locals_[side].shape))
        sides.append(_Equations(local, parts, offsets.uv_angstrom[..., side], own))
    return sides[0], sides[1]


def _shared_columns(
    model: MarkerModel, positions_angstrom_xyz: Floats, relative: Floats, unknowns: _Unknowns, side: int
) -> tuple[Floats, NDArray[np.intp]]:
    """Derivatives (p, n, g) of one direction's relative offsets by the shared unknowns that move it."""
    p, n = relative.shape[:2]
    if not unknowns.groups:
        return np.zeros((p, n, 0)), np.zeros(0, dtype=np.intp)
    uv = model.rigid_uv(positions_angstrom_xyz)
    turning = -uv[..., 1] if side == 0 else uv[..., 0]
    parts = [relative, relative @ turning[..., None]]
    own = [unknowns.columns(("shift_u", "shift_v")[side]), unknowns.columns("axis")]
    tilt = np.deg2rad(model.tilt_deg)
    if "motion" in unknowns.groups:
        terms = quadratic_terms(positions_angstrom_xyz[:, :2] / model.unit_angstrom)[:, 1:]
        showing = np.zeros((n, 3))
        showing[:, 0], showing[:, 2] = (np.cos(tilt), np.sin(tilt)) if side == 0 else (0.0, 0.0)
        showing[:, 1] = float(side)
        axes = [0, 2] if side == 0 else [1]
        shown = model.course_nk[:, :, None] * showing[:, None, axes]
        columns = np.einsum("pnm,mkc->pnkc", relative, shown, optimize=True)[..., None] * terms[:, None, None, None, :]
        parts.append(columns.reshape(p, n, -1))
        number = np.arange(model.motion_angstrom.size).reshape(model.motion_angstrom.shape)
        own.append(unknowns.columns("motion")[number[:, axes].ravel()])
    if "turn" in unknowns.groups:
        parts += [relative * turning[:, None, :], relative * uv[:, None, :, side]]
        own += [unknowns.columns("turn"), unknowns.columns("magnification")]
        if side == 0:
            x, _, z = np.moveaxis(model.moved(positions_angstrom_xyz), -1, 0)
            parts.append(relative * (z * np.cos(tilt) - x * np.sin(tilt))[:, None, :])
            own.append(unknowns.columns("tilt"))
    return np.concatenate(parts, axis=2), np.concatenate(own)


def _normal(equations: _Equations, weight_pn: Floats) -> tuple[Floats, Floats, Floats]:
    """Per marker: inverse local normal matrix, local-shared block, local right side."""
    weighted = equations.local_pnl * weight_pn[..., None]
    transposed = weighted.transpose(0, 2, 1)
    local = transposed @ equations.local_pnl + np.eye(equations.local_pnl.shape[2]) / _PRIOR_ANGSTROM**2
    right = (transposed @ equations.measured_pn[..., None])[..., 0]
    inverse = np.asarray(np.linalg.inv(local), dtype=np.float64)
    return inverse, transposed @ equations.shared_png, right


def _shared_solution(
    sides: tuple[_Equations, _Equations], weights: list[Floats], unknowns: _Unknowns
) -> tuple[Floats, Floats]:
    """Shared unknowns and their normal matrix, the markers' own eliminated."""
    precision = unknowns.prior_deviation**-2.0
    normal, right = np.diag(precision), precision * unknowns.prior_value
    for equations, weight in zip(sides, weights, strict=True):
        inverse, mixed, local_right = _normal(equations, weight)
        g = equations.own.size
        root = np.sqrt(weight)[..., None]
        flat = (equations.shared_png * root).reshape(-1, g)
        reduced = flat.T @ flat - np.einsum("plg,plm,pmh->gh", mixed, inverse, mixed, optimize=True)
        normal[np.ix_(equations.own, equations.own)] += reduced
        right[equations.own] += flat.T @ (equations.measured_pn * root[..., 0]).ravel()
        right[equations.own] -= np.einsum("plg,plm,pm->g", mixed, inverse, local_right, optimize=True)
    return np.asarray(np.linalg.solve(normal, right), dtype=np.float64), normal


def _expected_error(model: MarkerModel, normal: Floats, unknowns: _Unknowns) -> Floats:
    covariance = np.linalg.inv(normal)
    tilt = np.deg2rad(model.tilt_deg)
    errors = []
    for name, gauge in (
        ("shift_u", np.column_stack([np.cos(tilt), np.sin(tilt)])),
        ("shift_v", np.ones((tilt.size, 1))),
    ):
        own = covariance[unknowns.groups[name], unknowns.groups[name]]
        base = np.linalg.qr(gauge)[0]
        left = np.eye(tilt.size) - base @ base.T
        errors.append(np.sqrt(np.trace(left @ own @ left) / tilt.size))
    return np.array(errors)


def _remaining(
    sides: tuple[_Equations, _Equations], weights: list[Floats], shared: Floats
) -> tuple[list[Floats], list[Floats]]:
    """Markers' own steps and residuals of both directions."""
    steps, residuals = [], []
    for equations, weight in zip(sides, weights, strict=True):
        inverse, mixed, right = _normal(equations, weight)
        local = (inverse @ (right - mixed @ shared[equations.own])[..., None])[..., 0]
        fitted = np.einsum("pnl,pl->pn", equations.local_pnl, local) + equations.shared_png @ shared[equations.own]
        steps.append(local)
        residuals.append(equations.measured_pn - fitted)
    return steps, residuals


def _stepped(model: MarkerModel, shared: Floats, unknowns: _Unknowns, free: frozenset[str]) -> MarkerModel:
    turn = float(np.rad2deg(shared[unknowns.groups["axis"]][0]))
    steps = np.stack([shared[unknowns.groups["shift_u"]], shared[unknowns.groups["shift_v"]]], axis=-1)
    # The shifts were solved in the old axis' frame; the image shift is what stays.
    moved = replace(
        model,
        axis_deg=model.axis_deg + turn,
        shift_uv_angstrom=xy_from_uv(model.shift_uv_angstrom + steps, -turn),
        freed=model.freed | free,
    )
    if "motion" in free:
        step = shared[unknowns.groups["motion"]].reshape(model.motion_angstrom.shape)
        moved = replace(moved, motion_angstrom=model.motion_angstrom + step)
    if "views" in free:
        moved = replace(
            moved,
            turn_deg=model.turn_deg + np.rad2deg(shared[unknowns.groups["turn"]]),
            magnification=model.magnification + shared[unknowns.groups["magnification"]],
            tilt_deg=model.tilt_deg + np.rad2deg(shared[unknowns.groups["tilt"]]),
        )
    return moved
