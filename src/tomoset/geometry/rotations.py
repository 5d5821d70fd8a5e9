"""Rotations: active, right-handed matrices that act on xyz column vectors, particle -> tomogram.

Euler angles do not exist here; they live in :mod:`tomoset.formats`, with the program's name on them.
Quaternions are unit, scalar-first (w, x, y, z).
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError

__all__ = [
    "angle_between_deg",
    "check_rotations",
    "matrices_from_quaternions",
    "quaternions_from_matrices",
    "random_rotations",
    "rotation_about",
]

Floats = NDArray[np.float64]


def rotation_about(axis: Literal["x", "y", "z"], angle_deg: ArrayLike) -> Floats:
    """Active rotation about a coordinate axis.

    Parameters
    ----------
    axis : {"x", "y", "z"}
        Axis of rotation.
    angle_deg : (...) array of float
        Angles, degrees; positive turns follow the right hand.

    Returns
    -------
    (..., 3, 3) array of float64
        Rotation matrices.

    Examples
    --------
    >>> rotation_about("z", 90.0).round(6) @ [1, 0, 0]
    array([0., 1., 0.])
    """
    angle = np.deg2rad(np.asarray(angle_deg, dtype=np.float64))
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = {
        "x": [[one, zero, zero], [zero, c, -s], [zero, s, c]],
        "y": [[c, zero, s], [zero, one, zero], [-s, zero, c]],
        "z": [[c, -s, zero], [s, c, zero], [zero, zero, one]],
    }[axis]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def matrices_from_quaternions(quaternions_wxyz: ArrayLike) -> Floats:
    """Rotation matrices of quaternions: (..., 4) scalar first, any positive norm -> (..., 3, 3)."""
    q = np.asarray(quaternions_wxyz, dtype=np.float64)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternions_from_matrices(rotations: ArrayLike) -> Floats:
    """Quaternions of rotation matrices: (..., 3, 3) -> (..., 4) scalar first with w ≥ 0.

    Uses the largest of the four squared components as pivot, so that no rotation loses digits
    (Shepperd 1978, J. Guidance and Control 1:223).
    """
    r = np.asarray(rotations, dtype=np.float64)
    r00, r11, r22 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    squared = np.stack([1 + r00 + r11 + r22, 1 + r00 - r11 - r22, 1 - r00 + r11 - r22, 1 - r00 - r11 + r22], -1)
    wx, wy, wz = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    candidates = np.stack(
        [
            np.stack([squared[..., 0], wx, wy, wz], -1),
            np.stack([wx, squared[..., 1], xy, xz], -1),
            np.stack([wy, xy, squared[..., 2], yz], -1),
            np.stack([wz, xz, yz, squared[..., 3]], -1),
        ],
        axis=-2,
    )
    pivot = np.argmax(squared, axis=-1)
    chosen = np.take_along_axis(candidates, pivot[..., None, None], axis=-2)[..., 0, :]
    quaternion = chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def random_rotations(n: int, rng: np.random.Generator) -> Floats:
    """``n`` rotations drawn uniformly from SO(3): (n, 3, 3)."""
    return matrices_from_quaternions(rng.standard_normal((n, 4)))


def angle_between_deg(a: ArrayLike, b: ArrayLike) -> Floats:
    """Geodesic angle, degrees, between rotations (..., 3, 3), which broadcast."""
    relative = np.swapaxes(np.asarray(a, dtype=np.float64), -1, -2) @ np.asarray(b, dtype=np.float64)
    # The chord is accurate at small angles, where the arccosine of the trace loses half the digits.
    chord = np.linalg.norm(relative - np.eye(3), axis=(-2, -1))
    return np.rad2deg(2 * np.arcsin(np.clip(chord / (2 * np.sqrt(2.0)), 0.0, 1.0)))


def check_rotations(rotations: ArrayLike, name: str = "rotations") -> Floats:
    """Return ``rotations`` (..., 3, 3) as float64, or refuse what is not a proper rotation.

    Raises
    ------
    GeometryError
        If the shape is wrong, rows are not orthonormal to 1e-4, or the determinant is not +1.
    """
    r = np.asarray(rotations, dtype=np.float64)
    if r.ndim < 2 or r.shape[-2:] != (3, 3):
        raise GeometryError(f"{name}: expected shape (..., 3, 3), got {r.shape}")
    deviation = np.abs(r @ np.swapaxes(r, -1, -2) - np.eye(3)).max(initial=0.0)
    if not deviation < 1e-4 or np.any(np.linalg.det(r) < 0):
        raise GeometryError(
            f"{name}: expected orthonormal matrices with determinant +1, found a deviation of {deviation:.3g}; "
            "a mirrored axis or a scaled matrix is the usual cause"
        )
    return r
