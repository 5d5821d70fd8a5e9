"""Robust least squares of marker positions, shifts and one axis from measured marker offsets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import Pose, xy_from_uv
from tomoset.alignment.markers import Offsets, predicted_uv
from tomoset.alignment.preprocess import Views

__all__ = ["Bundle", "solve_bundle"]

Floats = NDArray[np.float64]

_ITERATIONS = 8
_CAUCHY = 2.0  # in robust standard deviations: where a measurement counts half
_PRIOR_ANGSTROM = 10.0  # of a marker's position in one round
_SHIFT_PRIOR_ANGSTROM = 100.0
_AXIS_PRIOR_RAD = 0.02


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bundle:
    """A solution.

    Parameters
    ----------
    pose : Pose
    positions_angstrom_xyz : (p, 3) array of float64
        Of the markers.
    residual_uv_angstrom : (p, n, 2) array of float64
        Measured minus fitted; NaN where nothing was measured.
    deviation_uv_angstrom : (2,) array of float64
        Robust standard deviation of the residuals across and along the axis.
    """

    pose: Pose
    positions_angstrom_xyz: Floats
    residual_uv_angstrom: Floats
    deviation_uv_angstrom: Floats

    @property
    def accepted_fraction(self) -> float:
        """Share of the measurements within three robust standard deviations in both directions."""
        residual = self.residual_uv_angstrom[np.isfinite(self.residual_uv_angstrom[..., 0])]
        return float(np.mean(np.all(np.abs(residual) < 3 * self.deviation_uv_angstrom, axis=-1)))


@dataclass(frozen=True, slots=True, eq=False)
class _Equations:
    """Measured offsets of one direction: ``local`` columns belong to one marker, ``shared`` ones to all."""

    local_pnl: Floats
    shared_png: Floats
    measured_pn: Floats


def solve_bundle(views: Views, pose: Pose, positions_angstrom_xyz: Floats, offsets: Offsets) -> Bundle:
    """Move markers, shifts and axis so that the measured offsets vanish.

    An error e of the prediction is ``e_u = dx cos t + dz sin t + ds_u − a v`` and ``e_v = dy + ds_v + a u`` for a
    turn a of the axis. What is measured is e of one view minus the mean e of the views in its reference; saying so in
    the equations is what lets slow drifts, which the references share, vanish in few rounds. Measurements are
    re-weighted after Cauchy, across and along the axis apart; each marker's own unknowns are eliminated first (Schur).
    """
    n = views.n
    across, along = _equations(views, pose, positions_angstrom_xyz, offsets)
    deviation, weights = np.ones(2), [offsets.measured.astype(np.float64)] * 2
    for _ in range(_ITERATIONS):
        scaled = [w / d**2 for w, d in zip(weights, deviation, strict=True)]
        shared = _shared_solution(across, along, scaled, n)
        columns = ([*range(n), 2 * n], [*range(n, 2 * n), 2 * n])
        steps, residuals = [], []
        for equations, weight, own in zip((across, along), scaled, columns, strict=True):
            local = _local_solution(equations, weight, shared[own])
            fitted = np.einsum("pnl,pl->pn", equations.local_pnl, local) + equations.shared_png @ shared[own]
            steps.append(local)
            residuals.append(equations.measured_pn - fitted)
        deviation = np.array([max(1.4826 * float(np.median(np.abs(r[offsets.measured]))), 1e-3) for r in residuals])
        weights = [
            offsets.measured / (1 + np.square(r / (_CAUCHY * d))) for r, d in zip(residuals, deviation, strict=True)
        ]
    turn = float(np.rad2deg(shared[2 * n]))
    shift = pose.shift_uv_angstrom + shared[: 2 * n].reshape(2, n).T
    residual = np.where(offsets.measured[..., None], np.stack(residuals, axis=-1), np.nan)
    return Bundle(
        # The shifts were solved in the old axis' frame; the image shift is what stays.
        pose=Pose(axis_deg=pose.axis_deg + turn, shift_uv_angstrom=xy_from_uv(shift, -turn)),
        positions_angstrom_xyz=positions_angstrom_xyz
        + np.column_stack([steps[0][:, 0], steps[1][:, 0], steps[0][:, 1]]),
        residual_uv_angstrom=residual,
        deviation_uv_angstrom=deviation,
    )


def _equations(
    views: Views, pose: Pose, positions_angstrom_xyz: Floats, offsets: Offsets
) -> tuple[_Equations, _Equations]:
    """Equations across (x, z; s_u, axis) and along (y; s_v, axis), each relative to the references."""
    uv = predicted_uv(views, pose, positions_angstrom_xyz) - pose.shift_uv_angstrom
    p, n = uv.shape[:2]
    relative = np.eye(n) - offsets.reference_pnn
    sides = []
    for side, columns in enumerate(([views.cos, views.cos * views.tan], [np.ones(n)])):
        local = relative @ np.broadcast_to(np.column_stack(columns), (p, n, len(columns)))
        turn = -uv[..., 1] if side == 0 else uv[..., 0]
        shared = np.concatenate([relative, relative @ turn[..., None]], axis=2)
        sides.append(_Equations(local, shared, offsets.uv_angstrom[..., side]))
    return sides[0], sides[1]


def _normal(equations: _Equations, weight_pn: Floats) -> tuple[Floats, Floats, Floats]:
    """Per marker: inverse local normal matrix, local-shared block, local right side."""
    weighted = equations.local_pnl * weight_pn[..., None]
    transposed = weighted.transpose(0, 2, 1)
    local = transposed @ equations.local_pnl + np.eye(equations.local_pnl.shape[2]) / _PRIOR_ANGSTROM**2
    right = (transposed @ equations.measured_pn[..., None])[..., 0]
    inverse = np.asarray(np.linalg.inv(local), dtype=np.float64)
    return inverse, transposed @ equations.shared_png, right


def _shared_solution(across: _Equations, along: _Equations, weights: list[Floats], n: int) -> Floats:
    """Shifts across, shifts along, axis turn (2 n + 1,), the markers' own unknowns eliminated."""
    normal = np.diag(np.concatenate([np.full(2 * n, _SHIFT_PRIOR_ANGSTROM**-2), [_AXIS_PRIOR_RAD**-2]]))
    right = np.zeros(2 * n + 1)
    for side, (equations, weight) in enumerate(zip((across, along), weights, strict=True)):
        own = [*range(side * n, side * n + n), 2 * n]
        inverse, mixed, local_right = _normal(equations, weight)
        weighted = equations.shared_png * weight[..., None]
        flat = weighted.reshape(-1, n + 1)
        total = flat.T @ equations.shared_png.reshape(-1, n + 1)
        eliminated = mixed.transpose(0, 2, 1) @ inverse
        normal[np.ix_(own, own)] += total - (eliminated @ mixed).sum(axis=0)
        right[own] += flat.T @ equations.measured_pn.ravel() - (eliminated @ local_right[..., None]).sum(axis=0)[:, 0]
    return np.asarray(np.linalg.solve(normal, right), dtype=np.float64)


def _local_solution(equations: _Equations, weight_pn: Floats, shared: Floats) -> Floats:
    inverse, mixed, right = _normal(equations, weight_pn)
    return (inverse @ (right - mixed @ shared)[..., None])[..., 0]
