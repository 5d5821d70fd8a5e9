"""The rigid motion between the specimen frames of two tilt geometries of one series.

Two alignments of the same images may differ by a rigid motion of the specimen without disagreeing: a translation
(x0 cos t + z0 sin t across the axis, y0 along it), a turn about z where their tilt axes
differ, and turns about y and x where all their tilts do. What no rigid motion explains is the real disagreement.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.geometry import TiltGeometry, rotation_about

__all__ = ["FrameFit", "fit_specimen_frames"]

Floats = NDArray[np.float64]

_MAX_STEPS = 30
_CONVERGED = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class FrameFit:
    """``p_target = rotation @ p_source + translation``, and what it leaves.

    Parameters
    ----------
    rotation : (3, 3) array of float64
        Active rotation, source specimen frame -> target specimen frame.
    translation_angstrom_xyz : (3,) array of float64
    residual_uv_angstrom : (n, 2) array of float64
        Mean disagreement of the projections in each view after the motion, across (u) and along (v) the target's
        tilt axis, Å: target minus source.
    residual_angstrom : float
        Root mean square over views and points of the distance between the projections, Å.
    """

    rotation: Floats
    translation_angstrom_xyz: Floats
    residual_uv_angstrom: Floats
    residual_angstrom: float

    def apply(self, position_angstrom_xyz: ArrayLike) -> Floats:
        """Target-frame positions of source-frame positions (..., 3), Å."""
        points = np.asarray(position_angstrom_xyz, dtype=np.float64)
        return points @ self.rotation.T + self.translation_angstrom_xyz


def fit_specimen_frames(source: TiltGeometry, target: TiltGeometry, extent_angstrom_xyz: ArrayLike) -> FrameFit:
    """Find the rigid motion of the specimen that best carries one geometry's projections into the other's.

    Parameters
    ----------
    source, target : TiltGeometry
        Two geometries of the same views, row by row.
    extent_angstrom_xyz : (3,) array of float
        Edges of the box, centred on the origin, over which projections shall agree, Å (the specimen's slab).

    Returns
    -------
    FrameFit

    Raises
    ------
    GeometryError
        If the numbers of views differ or there are fewer than three.

    Notes
    -----
    Gauss–Newton on a rotation vector and a translation, from the turn about z by which the tilt axes differ. The
    27 points of a 3 × 3 × 3 lattice over the box stand for it: the projections are linear in position.
    """
    if source.n_tilts != target.n_tilts or source.n_tilts < 3:
        raise GeometryError(
            "expected two geometries of the same three or more views, "
            f"found {source.n_tilts} and {target.n_tilts}; compare the rows that both alignments used"
        )
    cloud = _lattice(np.asarray(extent_angstrom_xyz, dtype=np.float64))
    wanted = source.project(cloud)
    forward = target.image_from_specimen[:, :2]
    rotation = rotation_about("z", _mean_angle_deg(source.z_rot_deg - target.z_rot_deg))
    translation = np.zeros(3)
    for _ in range(_MAX_STEPS):
        turned = cloud @ rotation.T
        error = wanted - target.project(turned + translation)
        jacobian = _jacobian(forward, turned)
        step = np.asarray(np.linalg.lstsq(jacobian, error.reshape(-1), rcond=None)[0], dtype=np.float64)
        rotation = _rotation_from_vector(step[:3]) @ rotation
        translation = translation + step[3:]
        if np.abs(step[:3]).max() < _CONVERGED:
            break
    left = target.project(cloud @ rotation.T + translation) - wanted
    uv = np.einsum("nij,nj->ni", rotation_about("z", -target.z_rot_deg)[:, :2, :2], left.mean(axis=1))
    return FrameFit(rotation, translation, uv, float(np.sqrt(np.mean(np.sum(left**2, axis=-1)))))


def _lattice(extent_xyz: Floats) -> Floats:
    steps = np.array([-0.5, 0.0, 0.5])
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) * extent_xyz


def _mean_angle_deg(angles_deg: Floats) -> float:
    return float(np.rad2deg(np.angle(np.mean(np.exp(1j * np.deg2rad(angles_deg))))))


def _jacobian(forward: Floats, turned: Floats) -> Floats:
    """d(projection) / d(rotation vector, translation): (n · m · 2, 6); d(ω × p) = −[p]× dω."""
    x, y, z = turned.T
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, z, -y], -1), np.stack([-z, zero, x], -1), np.stack([y, -x, zero], -1)], axis=-2)
    by_rotation = np.einsum("nij,mjk->nmik", forward, cross)
    by_translation = np.broadcast_to(forward[:, None], by_rotation.shape)
    return np.concatenate([by_rotation, by_translation], axis=-1).reshape(-1, 6)


def _rotation_from_vector(vector: Floats) -> Floats:
    """Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-15:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
