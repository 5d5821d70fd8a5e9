"""Smooth fields of local motion: an orthonormal basis for the fit, RELION's polynomial for the record.

Space: the five quadratic Legendre products over the frame beside the constant, each of mean 0 and mean square 1, so
that no local motion moves the frame as a whole. Time: up to three polynomials in the number of the frame, of mean 0
and mean square 1. What only shifts a place for all frames alike cannot be seen, and is left out.
"""

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import quadratic_terms

__all__ = ["centred_field", "from_relion", "space_values", "time_values", "to_relion"]

Floats = NDArray[np.float64]

# Columns: constant, x, y, x² , xy, y² (the order of quadratic_terms); rows: orthonormal functions on [−0.5, 0.5]².
_LEGENDRE = np.array(
    [
        [1.0, 0, 0, 0, 0, 0],
        [0, np.sqrt(12), 0, 0, 0, 0],
        [0, 0, np.sqrt(12), 0, 0, 0],
        [-np.sqrt(180) / 12, 0, 0, np.sqrt(180), 0, 0],
        [0, 0, 0, 0, 12.0, 0],
        [-np.sqrt(180) / 12, 0, 0, 0, 0, np.sqrt(180)],
    ]
)


def space_values(position_xy: Floats) -> Floats:
    """Values (..., 6) of the spatial functions at positions (..., 2), −0.5 to 0.5; the first is 1."""
    return np.asarray(quadratic_terms(position_xy) @ _LEGENDRE.T)


def time_values(n_frames: int) -> Floats:
    """Values (t, k) of the functions of time, k = min(3, t − 1)."""
    values, _ = _time_basis(n_frames)
    return values


def to_relion(coefficients_kjc: Floats, n_frames: int) -> Floats:
    """RELION's coefficients (2, 3, 6) of a field given by (k, 5, 2) coefficients of time, space and axis."""
    _, powers = _time_basis(n_frames)
    relion = np.zeros((2, 3, 6))
    relion[:, : len(powers)] = np.einsum("km,kjc,jq->cmq", powers, coefficients_kjc, _LEGENDRE[1:])
    return relion


def from_relion(relion_ckq: Floats, n_frames: int) -> Floats:
    """Quadratic field (t, 2, 6) of every frame, its mean over the frames removed at every place."""
    powers = np.arange(n_frames, dtype=np.float64)[:, None] ** np.arange(1, 4)
    return np.asarray(np.einsum("tk,ckq->tcq", powers - powers.mean(axis=0), relion_ckq))


def centred_field(relion_ckq: Floats, n_frames: int, position_xy: Floats) -> Floats:
    """Local shift (t, ..., 2) at positions (..., 2), its mean over the frames removed."""
    return np.asarray(np.einsum("tcq,...q->t...c", from_relion(relion_ckq, n_frames), quadratic_terms(position_xy)))


def _time_basis(n_frames: int) -> tuple[Floats, Floats]:
    """Values (t, k), and the coefficients (k, k) of z, z², z³ of each function (their constants are left out)."""
    count = min(3, n_frames - 1)
    powers = np.arange(n_frames, dtype=np.float64)[:, None] ** np.arange(1, count + 1)
    centred = powers - powers.mean(axis=0)
    _, upper = np.linalg.qr(centred / np.sqrt(n_frames))
    mixing = np.linalg.inv(upper)
    return centred @ mixing, mixing.T
