"""What the markers may find out about a series: shifts, axis, and, where they prove it, motion and small errors.

A marker at specimen position p appears in view i at ``shift + m Rz(axis + turn) [Ry(tilt) (p + d_i(p))]_xy``. The
specimen's own motion d is three-dimensional and smooth: quadratic in x and y, a few smooth courses over the dose. Beam
and ice bend a specimen so; in a dose-symmetric series the part along z shows with opposite signs in successive views,
which no field in the image that is smooth in dose could follow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.common_frame import Pose, xy_from_uv
from tomoset.alignment.preprocess import Views
from tomoset.geometry import TiltGeometry, quadratic_terms

__all__ = ["MarkerModel", "dose_courses", "pose_of", "start_model"]

Floats = NDArray[np.float64]

_COURSES = 4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MarkerModel:
    """A state of the bundle.

    Parameters
    ----------
    axis_deg : float
        ``z_rot`` of the series.
    shift_uv_angstrom : (n, 2) array of float64
        Across and along that axis.
    nominal_tilt_deg, tilt_deg : (n,) array of float64
        The stage's angles, and what they were found to be.
    turn_deg : (n,) array of float64
        Rotation of each view beyond the axis.
    magnification : (n,) array of float64
    motion_angstrom : (courses, 3, 5) array of float64
        Displacement along x, y, z of the specimen by x, y, x², xy, y² of ``position / unit_angstrom``.
    course_nk : (n, courses) array of float64
        How far each course has come in each view; mean zero, so that the specimen is seen in its mean shape.
    unit_angstrom : float
    freed : frozenset of str
        Which of ``motion`` and ``views`` (tilt, turn, magnification) were let free.
    """

    axis_deg: float
    shift_uv_angstrom: Floats
    nominal_tilt_deg: Floats
    tilt_deg: Floats
    turn_deg: Floats
    magnification: Floats
    motion_angstrom: Floats
    course_nk: Floats
    unit_angstrom: float
    freed: frozenset[str] = frozenset()

    def moved(self, positions_angstrom_xyz: Floats) -> Floats:
        """Specimen positions (p, n, 3) in every view, with the motion."""
        terms = quadratic_terms(positions_angstrom_xyz[:, :2] / self.unit_angstrom)[:, 1:]
        motion = np.einsum("nk,kct->nct", self.course_nk, self.motion_angstrom)
        return positions_angstrom_xyz[:, None, :] + np.einsum("pt,nct->pnc", terms, motion)

    def rigid_uv(self, positions_angstrom_xyz: Floats) -> Floats:
        """Places (p, n, 2) across and along the axis without shift, turn and magnification, Å."""
        x, y, z = np.moveaxis(self.moved(positions_angstrom_xyz), -1, 0)
        tilt = np.deg2rad(self.tilt_deg)
        return np.stack([x * np.cos(tilt) + z * np.sin(tilt), y], axis=-1)

    def predicted_uv(self, positions_angstrom_xyz: Floats) -> Floats:
        """Where markers (p, 3) should appear in each view, across and along the axis: (p, n, 2), Å."""
        u, v = np.moveaxis(self.rigid_uv(positions_angstrom_xyz), -1, 0)
        c, s = np.cos(np.deg2rad(self.turn_deg)), np.sin(np.deg2rad(self.turn_deg))
        turned = np.stack([c * u - s * v, s * u + c * v], axis=-1)
        return self.magnification[:, None] * turned + self.shift_uv_angstrom

    def geometry(self) -> TiltGeometry:
        """Return the same as a tilt geometry.

        The motion becomes a field in each image: exact for matter at height 0. What of it turns or magnifies the image
        is given to ``z_rot`` and ``magnification``, so that the field's linear part only shears.
        """
        n = self.tilt_deg.size
        shift_xy = xy_from_uv(self.shift_uv_angstrom, self.axis_deg)
        z_rot = self.axis_deg + self.turn_deg
        if "motion" not in self.freed:
            free = "views" in self.freed
            return TiltGeometry(
                y_tilt_deg=self.tilt_deg,
                z_rot_deg=z_rot,
                shift_xy_angstrom=shift_xy,
                magnification=self.magnification if free else None,
            )
        side = self.unit_angstrom * np.linspace(-1, 1, 5)
        plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
        flat = np.column_stack([plane, np.zeros(len(plane))])
        seen = self.predicted_uv(flat) - self.shift_uv_angstrom
        rigid = np.stack([plane[:, :1] * np.cos(np.deg2rad(self.tilt_deg)), plane[:, 1:] + np.zeros(n)], axis=-1)
        turn, magnification, field = np.empty(n), np.empty(n), np.empty((n, 2, 6))
        for i in range(n):
            linear = np.linalg.lstsq(quadratic_terms(rigid[:, i] / self.unit_angstrom), seen[:, i], rcond=None)[0][1:3]
            a, b = linear[0, 0] + linear[1, 1], linear[0, 1] - linear[1, 0]
            turn[i] = np.rad2deg(np.arctan2(b, a))
            magnification[i] = 0.5 * np.hypot(a, b) / self.unit_angstrom
            q_xy = xy_from_uv(rigid[:, i], self.axis_deg + turn[i])
            left = xy_from_uv(seen[:, i], self.axis_deg) - magnification[i] * q_xy
            terms = quadratic_terms(q_xy / self.unit_angstrom)
            field[i] = np.linalg.lstsq(terms, left, rcond=None)[0].T
        return TiltGeometry(
            y_tilt_deg=self.tilt_deg,
            z_rot_deg=self.axis_deg + turn,
            shift_xy_angstrom=shift_xy,
            magnification=magnification,
            field_xy_angstrom=field,
            field_unit_angstrom=self.unit_angstrom,
        )


def dose_courses(dose_e_per_angstrom2: Floats) -> Floats:
    """Smooth courses (n, 4) over the dose, orthonormal over the views and of mean zero.

    Polynomials in the square root of the dose: a specimen moves most in its first exposures.
    """
    root = np.sqrt(dose_e_per_angstrom2 - dose_e_per_angstrom2.min())
    powers = (root / max(float(root.max()), 1e-9))[:, None] ** np.arange(min(_COURSES, root.size - 2) + 1)
    basis = np.linalg.qr(powers)[0][:, 1:]
    return np.asarray(basis * np.sqrt(root.size), dtype=np.float64)


def start_model(views: Views, pose: Pose) -> MarkerModel:
    """Nothing but the pose."""
    course = dose_courses(views.dose_e_per_angstrom2)
    half = 0.5 * max(views.images_nyx.shape[1:]) * views.pixel_size_angstrom
    return MarkerModel(
        axis_deg=pose.axis_deg,
        shift_uv_angstrom=pose.shift_uv_angstrom,
        nominal_tilt_deg=views.tilt_deg,
        tilt_deg=views.tilt_deg,
        turn_deg=np.zeros(views.n),
        magnification=np.ones(views.n),
        motion_angstrom=np.zeros((course.shape[1], 3, 5)),
        course_nk=course,
        unit_angstrom=float(half),
    )


def pose_of(model: MarkerModel) -> Pose:
    """Axis and shifts alone."""
    return Pose(axis_deg=model.axis_deg, shift_uv_angstrom=model.shift_uv_angstrom)
