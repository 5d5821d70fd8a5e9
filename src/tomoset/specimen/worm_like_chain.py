"""Worm-like chains: curves that forget their direction over the persistence length."""

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError

__all__ = ["chain_nodes", "mean_square_end_to_end", "transported_frames", "turn_concentration"]

LEAST_CONCENTRATION = 1e-6  # no correlation is left between neighbours

Floats = NDArray[np.float64]


def turn_concentration(step_angstrom: float, persistence_length_angstrom: float) -> float:
    """Concentration κ of the Fisher distribution whose mean cosine is ``exp(−step / persistence)``.

    With turns drawn from it, azimuth at random, the directions i and j steps along the chain have the mean cosine
    ``exp(−|i − j| · step / persistence)`` of the worm-like chain exactly.

    Raises
    ------
    ParameterError
        If a length is not positive.
    """
    if not (step_angstrom > 0 and persistence_length_angstrom > 0):
        raise ParameterError(
            "worm-like chain: expected a positive step and persistence length in Å, found "
            f"{step_angstrom:g} and {persistence_length_angstrom:g}"
        )
    from scipy.optimize import brentq

    lost = -float(np.expm1(-step_angstrom / persistence_length_angstrom))

    def beyond(kappa: float) -> float:
        """Langevin function coth κ − 1/κ minus the wanted cosine, without cancellation where κ is large."""
        return float(-2 * np.exp(-2 * kappa) / np.expm1(-2 * kappa) + lost - 1 / kappa)

    return (
        LEAST_CONCENTRATION
        if beyond(LEAST_CONCENTRATION) >= 0
        else float(brentq(beyond, LEAST_CONCENTRATION, 1 / lost))
    )


def chain_nodes(
    n_steps: int, step_angstrom: float, persistence_length_angstrom: float, rng: np.random.Generator
) -> Floats:
    """Nodes of a free chain that starts at the origin along +z: (n_steps + 1, 3), Å.

    Parameters
    ----------
    n_steps : int
    step_angstrom : float
        Distance of neighbouring nodes.
    persistence_length_angstrom : float
        Over which the mean cosine between directions falls to 1/e.
    rng : numpy.random.Generator
    """
    kappa = turn_concentration(step_angstrom, persistence_length_angstrom)
    uniform = rng.random(n_steps)
    # Fisher's distribution by inversion; written so that nothing cancels when the turns are small.
    lost = -np.log(uniform + (1 - uniform) * np.exp(-2 * kappa)) / kappa
    sine, azimuth = np.sqrt(lost * (2 - lost)), 2 * np.pi * rng.random(n_steps)
    across, up = sine * np.cos(azimuth), sine * np.sin(azimuth)
    frame = np.eye(3)
    directions = np.empty((n_steps, 3))
    for k in range(n_steps):
        directions[k] = frame[:, 2]
        turned = across[k] * frame[:, 0] + up[k] * frame[:, 1] + (1 - lost[k]) * frame[:, 2]
        frame = _carried(frame, turned)
    return np.concatenate([np.zeros((1, 3)), step_angstrom * np.cumsum(directions, axis=0)])


def transported_frames(directions: Floats, azimuth_deg: float) -> Floats:
    """Rotations (n, 3, 3) whose z axes are the unit directions (n, 3), carried along without twist.

    Parameters
    ----------
    directions : (n, 3) array
        Unit vectors along a curve.
    azimuth_deg : float
        Of the first about its own direction.
    """
    first = directions[0]
    aside = np.eye(3)[np.argmin(np.abs(first))]
    x = np.cross(aside, first)
    x /= np.linalg.norm(x)
    y = np.cross(first, x)
    angle = np.deg2rad(azimuth_deg)
    x, y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    frames = np.empty((len(directions), 3, 3))
    frames[0] = np.stack([x, y, first], axis=-1)
    for k in range(1, len(directions)):
        frames[k] = _carried(frames[k - 1], directions[k])
    return frames


def mean_square_end_to_end(length_angstrom: float, persistence_length_angstrom: float) -> float:
    """Mean square distance of the ends of a free worm-like chain, Å2 (Kratky and Porod 1949)."""
    p = persistence_length_angstrom
    return float(2 * p * (length_angstrom + p * np.expm1(-length_angstrom / p)))


def _carried(frame: Floats, z_next: Floats) -> Floats:
    """Frame (3, 3) turned by the least rotation that takes its z axis to another unit vector."""
    x = frame[:, 0] - (frame[:, 2] + z_next) * (frame[:, 0] @ z_next) / (1.0 + frame[:, 2] @ z_next)
    x -= z_next * (x @ z_next)  # rounding adds up along a chain
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z_next, x), z_next], axis=-1)
