"""How much each measurement of a track counts: noise estimated from residuals, and robust weights."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["TrackNoise", "robust_noise"]

Floats = NDArray[np.float64]

# Where the loss bends, in standard deviations: 95 % efficiency for normal residuals in two dimensions.
_BEND = {"squares": np.inf, "huber": 1.501, "cauchy": 2.549, "tukey": 5.123}
_LEAST_ANGSTROM = 1e-4  # noise below what any position is written with


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TrackNoise:
    """Noise of the measurements and their weights at one state of the search.

    Parameters
    ----------
    deviation_uv : (2,) array of float64
        Standard deviation across and along the axis of a measurement of unit relative deviation, Å.
    distance : (p, n) array of float64
        Residuals in standard deviations.
    seen : (p, n) array of bool
    precision : (p, n, 2, 2) array of float64
        Inverse covariance in image x, y, without robust weights; zero where nothing was measured.
    turn : (n, 2, 2) array of float64
        From image x, y to across and along.
    relative : (p, n) array of float64
        Relative deviations.
    loss : str
    shrinkage : float
        What fitting leaves of the noise in the residuals.
    """

    deviation_uv: Floats
    distance: Floats
    seen: NDArray[np.bool_]
    precision: Floats
    turn: Floats
    relative: Floats
    loss: str
    shrinkage: float

    @property
    def weights(self) -> Floats:
        """Robust weight (p, n) of each measurement: ψ(d) / d; zero where nothing was measured."""
        return np.where(self.seen, _weight(self.distance, self.loss)[0], 0.0)

    @property
    def information(self) -> Floats:
        """Weighted inverse covariance (p, n, 2, 2) for a Gauss–Newton step."""
        return np.asarray(self.weights[..., None, None] * self.precision, dtype=np.float64)

    @property
    def expected_information(self) -> Floats:
        """Inverse covariance that gives an M-estimator's standard errors (Huber 1981), the same for every weight."""
        weight, slope = _weight(self.distance[self.seen], self.loss)
        bend = np.mean(weight + 0.5 * slope * self.distance[self.seen])  # mean of (ψ' + ψ/d) / 2
        power = self.shrinkage**-2 * np.mean(np.square(weight * self.distance[self.seen])) / 2
        return self.precision * float(np.square(bend) / max(power, 1e-12))

    def cost(self, residual: Floats) -> float:
        """Robust cost of other residuals at this noise."""
        distance = _distance(residual, self.turn, self.deviation_uv, self.relative)[self.seen]
        return float(np.sum(_loss(distance, self.loss)))

    def at(self, deviation_uv: Floats, residual: Floats) -> "TrackNoise":
        """Return the same measurements with another noise."""
        return replace(
            self,
            deviation_uv=deviation_uv,
            distance=_distance(residual, self.turn, deviation_uv, self.relative),
            precision=_precision(self.seen, self.turn, deviation_uv, self.relative),
        )


def robust_noise(
    residual: Floats, seen: NDArray[np.bool_], relative: Floats, axis_rad: Floats, loss: str, freedom: int
) -> TrackNoise:
    """Estimate the noise from residuals (p, n, 2) with so many degrees of freedom left, and weigh."""
    c, s = np.cos(axis_rad), np.sin(axis_rad)
    turn = np.stack([np.stack([c, s], axis=-1), np.stack([-s, c], axis=-1)], axis=-2)
    uv = np.einsum("nij,pnj->pni", turn, residual)[seen] / relative[seen][:, None]
    shrinkage = float(np.sqrt(max(freedom, 1) / (2 * np.count_nonzero(seen))))
    spread = np.sqrt(np.mean(np.square(uv), axis=0)) if loss == "squares" else 1.4826 * np.median(np.abs(uv), axis=0)
    deviation = np.maximum(spread / shrinkage, _LEAST_ANGSTROM)
    return TrackNoise(
        deviation_uv=deviation,
        distance=_distance(residual, turn, deviation, relative),
        seen=seen,
        precision=_precision(seen, turn, deviation, relative),
        turn=turn,
        relative=relative,
        loss=loss,
        shrinkage=shrinkage,
    )


def _distance(residual: Floats, turn: Floats, deviation_uv: Floats, relative: Floats) -> Floats:
    uv = np.einsum("nij,pnj->pni", turn, residual) / deviation_uv
    return np.asarray(np.hypot(uv[..., 0], uv[..., 1]) / relative, dtype=np.float64)


def _precision(seen: NDArray[np.bool_], turn: Floats, deviation_uv: Floats, relative: Floats) -> Floats:
    own = np.einsum("nki,k,nkj->nij", turn, deviation_uv**-2, turn)
    return np.asarray(np.where(seen, relative**-2, 0.0)[..., None, None] * own, dtype=np.float64)


def _weight(distance: Floats, loss: str) -> tuple[Floats, Floats]:
    """Weight ψ(d)/d and its slope by d."""
    if loss == "squares":
        return np.ones_like(distance), np.zeros_like(distance)
    bend = _BEND[loss]
    t = distance / bend
    if loss == "cauchy":
        weight = 1 / (1 + t * t)
        return weight, -2 * t * weight**2 / bend
    if loss == "huber":
        outside = t > 1
        safe = np.where(outside, t, 1.0)
        return np.where(outside, 1 / safe, 1.0), np.where(outside, -1 / safe**2, 0.0) / bend
    inside = np.clip(1 - t * t, 0.0, None)
    return inside**2, -4 * t * inside / bend


def _loss(distance: Floats, loss: str) -> Floats:
    """ρ(d), whose derivative is ψ(d)."""
    if loss == "squares":
        return 0.5 * np.square(distance)
    bend = _BEND[loss]
    t = distance / bend
    if loss == "cauchy":
        return np.asarray(0.5 * bend**2 * np.log1p(t * t), dtype=np.float64)
    if loss == "huber":
        return np.where(t > 1, bend**2 * (t - 0.5), 0.5 * np.square(distance))
    return np.asarray(bend**2 / 6 * (1 - np.clip(1 - t * t, 0.0, None) ** 3), dtype=np.float64)
