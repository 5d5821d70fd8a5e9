"""Euler angles of the programs that turn about z, x, z: Dynamo, and the family of TOM (AV3, Artiatomi, STOPGAP).

TOM: ``R(particle → tomogram) = Rz(psi) · Rx(theta) · Rz(phi)``, scipy's ``from_euler("zxz", [phi, theta, psi])``;
STOPGAP's ``sg_euler2matrix.m`` is the same. Dynamo: ``R = Rz(−tdrot) · Rx(−tilt) · Rz(−narot)``, scipy's
``from_euler("zxz", [tdrot, tilt, narot]).inv()``, which is what the package eulerangles 1.0.2 gives on the way to
RELION. Degrees.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import check_rotations, rotation_about

__all__ = [
    "dynamo_euler_from_rotations",
    "oriented",
    "rotations_from_dynamo_euler",
    "rotations_from_tom_euler",
    "tom_euler_from_rotations",
]

Floats = NDArray[np.float64]

# Below this sine of the middle angle the outer two turn about the same axis and only their sum or difference counts.
_GIMBAL = 1e-7


def rotations_from_tom_euler(phi_theta_psi_deg: ArrayLike) -> Floats:
    """Active rotations (..., 3, 3), particle → tomogram, of TOM's angles (..., 3): phi, theta, psi.

    Raises
    ------
    GeometryError
        If the last axis is not three long or an angle is not finite.

    Examples
    --------
    >>> rotations_from_tom_euler([90.0, 90.0, 0.0]).round(6) @ [1, 0, 0]
    array([0., 0., 1.])
    """
    angles = np.asarray(phi_theta_psi_deg, dtype=np.float64)
    if angles.shape[-1:] != (3,) or not np.all(np.isfinite(angles)):
        raise GeometryError(f"expected finite angles (..., 3), found shape {angles.shape}")
    phi, theta, psi = np.moveaxis(angles, -1, 0)
    return rotation_about("z", psi) @ rotation_about("x", theta) @ rotation_about("z", phi)


def tom_euler_from_rotations(rotations: ArrayLike) -> Floats:
    """TOM's angles (..., 3), degrees: phi, theta in [0, 180], psi; phi is 0 where theta is 0 or 180."""
    m = check_rotations(rotations, "Euler angles")
    sine = np.hypot(m[..., 0, 2], m[..., 1, 2])
    locked = sine < _GIMBAL
    psi = np.where(locked, np.arctan2(m[..., 1, 0], m[..., 0, 0]), np.arctan2(m[..., 0, 2], -m[..., 1, 2]))
    phi = np.where(locked, 0.0, np.arctan2(m[..., 2, 0], m[..., 2, 1]))
    return np.rad2deg(np.stack([phi, np.arctan2(sine, m[..., 2, 2]), psi], axis=-1))


def rotations_from_dynamo_euler(tdrot_tilt_narot_deg: ArrayLike) -> Floats:
    """Active rotations (..., 3, 3), particle → tomogram, of Dynamo's angles (..., 3): tdrot, tilt, narot."""
    angles = np.asarray(tdrot_tilt_narot_deg, dtype=np.float64)
    return rotations_from_tom_euler(-angles[..., ::-1])


def dynamo_euler_from_rotations(rotations: ArrayLike) -> Floats:
    """Dynamo's angles (..., 3), degrees: tdrot, tilt in [0, 180], narot."""
    phi, theta, psi = np.moveaxis(tom_euler_from_rotations(rotations), -1, 0)
    # Rx(theta) = Rz(180) Rx(-theta) Rz(-180) turns the sign of the middle angle.
    angles = np.stack([-(psi + 180.0), theta, 180.0 - phi], axis=-1)
    outer = (angles + 180.0) % 360.0 - 180.0
    outer[..., 1] = theta
    return outer


def oriented(rotations: Floats) -> Floats | None:
    """Return the rotations, or None for two or more identities: a table of zeros is how programs say unknown."""
    if len(rotations) > 1 and np.allclose(rotations, np.eye(3), rtol=0, atol=1e-12):
        return None
    return rotations
