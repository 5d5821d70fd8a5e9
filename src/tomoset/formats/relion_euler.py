"""RELION's Euler angles: ``R(particle → tomogram) = (Rz(rot) · Ry(tilt) · Rz(psi))ᵀ``, degrees.

The formula is scipy's ``from_euler("ZYZ", [rot, tilt, psi]).inv()``; RELION's ``Euler::anglesToMatrix3`` "maps
coordinates from particle space to tomogram space".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import check_rotations, rotation_about

__all__ = ["relion_euler_from_rotations", "rotations_from_relion_euler"]

Floats = NDArray[np.float64]

# Below this sine of the tilt, rot and psi turn about the same axis and only their sum (or difference) is determined.
_GIMBAL = 1e-7


def rotations_from_relion_euler(rot_tilt_psi_deg: ArrayLike) -> Floats:
    """Active rotations (..., 3, 3), particle → tomogram, of RELION angles (..., 3).

    Raises
    ------
    GeometryError
        If the last axis is not three long or an angle is not finite.

    Examples
    --------
    >>> rotations_from_relion_euler([90.0, 0.0, 0.0]).round(6) @ [1, 0, 0]
    array([ 0., -1.,  0.])
    """
    angles = np.asarray(rot_tilt_psi_deg, dtype=np.float64)
    if angles.shape[-1:] != (3,) or not np.all(np.isfinite(angles)):
        raise GeometryError(f"expected finite RELION angles (..., 3): rot, tilt, psi; found shape {angles.shape}")
    rot, tilt, psi = np.moveaxis(angles, -1, 0)
    passive = rotation_about("z", rot) @ rotation_about("y", tilt) @ rotation_about("z", psi)
    return np.swapaxes(passive, -1, -2)


def relion_euler_from_rotations(rotations: ArrayLike) -> Floats:
    """RELION angles (..., 3), degrees, of active rotations (..., 3, 3), particle → tomogram.

    Tilt lies in [0, 180]; where it is 0 or 180, psi is set to 0 and rot carries the whole turn.

    Raises
    ------
    GeometryError
        If a matrix is no proper rotation.
    """
    m = np.swapaxes(check_rotations(rotations, "RELION angles"), -1, -2)
    sine = np.hypot(m[..., 0, 2], m[..., 1, 2])
    locked = sine < _GIMBAL
    sign = np.where(m[..., 2, 2] < 0, -1.0, 1.0)
    tilt = np.arctan2(sine, m[..., 2, 2])
    rot = np.where(
        locked,
        np.arctan2(sign * m[..., 1, 0], sign * m[..., 0, 0]),
        np.arctan2(m[..., 1, 2], m[..., 0, 2]),
    )
    psi = np.where(locked, 0.0, np.arctan2(m[..., 2, 1], -m[..., 2, 0]))
    return np.rad2deg(np.stack([rot, tilt, psi], axis=-1))
