"""Even samples of SO(3), thinned to the part that a point group leaves distinct."""

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.geometry.point_groups import PointGroup
from tomoset.geometry.rotations import matrices_from_quaternions, quaternions_from_matrices

__all__ = ["sample_rotations"]

# The super-Fibonacci spiral of Alexa (2022, CVPR, "Super-Fibonacci Spirals: Fast, Low-Discrepancy Sampling of SO(3)").
_PHI = np.sqrt(2.0)
_PSI = 1.533751168755204288118041  # the real root of x^4 = x + 4


def sample_rotations(step_deg: float, group: PointGroup) -> NDArray[np.float64]:
    """Rotations about ``step_deg`` apart that cover SO(3) modulo a particle's symmetry.

    Parameters
    ----------
    step_deg : float
        Wanted spacing of neighbouring rotations, degrees; 1 to 90.
    group : PointGroup
        Symmetry of the particle; rotations that differ by one of its elements look the same.

    Returns
    -------
    (n, 3, 3) array of float64
        About ``8 π² / (step³ · order)`` active rotations, one of each set of equivalents.

    Raises
    ------
    ParameterError
        If the step is not between 1 and 90 degrees.

    Notes
    -----
    The volume of SO(3) in the metric of the rotation angle is 8π²; each rotation takes ``step³`` of it.
    The fundamental zone is the set of rotations closer to the identity than to any other group element.
    """
    if not 1.0 <= step_deg <= 90.0:
        raise ParameterError(f"an angular step between 1° and 90° is expected, got {step_deg:g}°")
    step = np.deg2rad(step_deg)
    n_total = max(group.order, int(np.ceil(8 * np.pi**2 / step**3)))
    elements = quaternions_from_matrices(group.rotations)
    quaternions = _inside_zone(_super_fibonacci(n_total), elements)
    while not len(quaternions):  # a wide step and a high symmetry: the zone slipped between the samples
        n_total *= 2
        quaternions = _inside_zone(_super_fibonacci(n_total), elements)
    return matrices_from_quaternions(quaternions)


def _inside_zone(quaternions: NDArray[np.float64], elements: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quaternions that are nearer to the identity, the first element, than to any other element of the group."""
    # |q·g| is the cosine of half the angle between q and the group element g: the identity must win.
    nearness = np.abs(quaternions @ elements.T)
    return quaternions[nearness[:, 0] >= nearness.max(axis=1) - 1e-12]


def _super_fibonacci(n: int) -> NDArray[np.float64]:
    s = np.arange(n) + 0.5
    t = s / n
    inner, outer = np.sqrt(t), np.sqrt(1 - t)
    alpha, beta = 2 * np.pi * s / _PHI, 2 * np.pi * s / _PSI
    return np.stack([inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)], -1)
