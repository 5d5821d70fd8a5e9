"""The tilt geometry: how a point of the specimen reaches each tilt image.

This is RELION-5's explicit model (``setProjectionMatrix``), written for positions in Å about the origins at index
N // 2 of volume and image::

    p_img = shift_xy + m · q + field(q),   q = [Rz(z_rot) · Ry(y_tilt) · Rx(x_tilt) · p_specimen]_xy

with magnification m = 1 and no field unless a series was found to need them. With the tilt axis along y (z_rot = 0)
and tilt t, ``u = x cos t + z sin t`` and ``v = y``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError
from tomoset.geometry.fields import quadratic_terms
from tomoset.geometry.rotations import rotation_about

__all__ = ["TiltGeometry"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TiltGeometry:
    """Rotation and shift of every view of a tilt series.

    Parameters
    ----------
    y_tilt_deg : (n,) array of float64
        Tilt about the tilt axis (specimen y), degrees.
    z_rot_deg : (n,) array of float64
        Angle of the tilt axis in the image, from image y counter-clockwise towards −x, degrees.
    shift_xy_angstrom : (n, 2) array of float64
        Where the specimen's origin lands in the image, from index N // 2, Å, image x then y.
    x_tilt_deg : (n,) array of float64, optional
        Tilt about specimen x that is applied first, degrees; zero when not given.
    magnification : (n,) array of float64, optional
        Scale of each view about the specimen's origin; one when not given.
    field_xy_angstrom : (n, 2, 6) array of float64, optional
        How far the specimen has moved beyond the rigid model in each view, Å, image x then y: coefficients of
        ``quadratic_terms(q / field_unit_angstrom)``; none when not given.
    field_unit_angstrom : float
        Unit of the field's coordinates; half of the image's longer side is usual.

    Raises
    ------
    GeometryError
        If lengths differ, a value is not finite, or a magnification or the field's unit is not positive.
    """

    y_tilt_deg: Floats
    z_rot_deg: Floats
    shift_xy_angstrom: Floats
    x_tilt_deg: Floats | None = None
    magnification: Floats | None = None
    field_xy_angstrom: Floats | None = None
    field_unit_angstrom: float = 1.0

    def __post_init__(self) -> None:
        """Bring everything to float64 arrays of one length."""
        tilt = np.atleast_1d(np.asarray(self.y_tilt_deg, dtype=np.float64))
        n = tilt.size
        x_tilt = np.zeros(n) if self.x_tilt_deg is None else np.asarray(self.x_tilt_deg, dtype=np.float64)
        z_rot = np.asarray(self.z_rot_deg, dtype=np.float64)
        shift = np.asarray(self.shift_xy_angstrom, dtype=np.float64)
        if tilt.shape != (n,) or z_rot.shape != (n,) or x_tilt.shape != (n,) or shift.shape != (n, 2):
            raise GeometryError(
                f"a geometry of {n} tilts needs y_tilt, z_rot and x_tilt of shape ({n},) and shifts ({n}, 2); "
                f"got {tilt.shape}, {z_rot.shape}, {x_tilt.shape} and {shift.shape}"
            )
        if not all(np.all(np.isfinite(a)) for a in (tilt, z_rot, x_tilt, shift)):
            raise GeometryError("tilt angles, axis angles and shifts must be finite numbers")
        for name, value in (
            ("y_tilt_deg", tilt),
            ("z_rot_deg", z_rot),
            ("shift_xy_angstrom", shift),
            ("x_tilt_deg", x_tilt),
        ):
            object.__setattr__(self, name, value)
        self._check_beyond_rigid(n)

    def _check_beyond_rigid(self, n: int) -> None:
        """Check magnification and field, where there are any."""
        for name, shape in (("magnification", (n,)), ("field_xy_angstrom", (n, 2, 6))):
            if getattr(self, name) is not None:
                value = np.asarray(getattr(self, name), dtype=np.float64)
                if value.shape != shape or not np.all(np.isfinite(value)):
                    raise GeometryError(f"{name}: expected finite numbers of shape {shape}, found {value.shape}")
                object.__setattr__(self, name, value)
        if self.magnification is not None and not np.all(self.magnification > 0):
            raise GeometryError(f"magnification: expected positive numbers, found {self.magnification.min():g}")
        if not (np.isfinite(self.field_unit_angstrom) and self.field_unit_angstrom > 0):
            raise GeometryError(f"field_unit_angstrom: expected a positive length, found {self.field_unit_angstrom}")

    @property
    def n_tilts(self) -> int:
        """Number of views."""
        return int(self.y_tilt_deg.size)

    @property
    def image_from_specimen(self) -> Floats:
        """Rotation matrices (n, 3, 3) from specimen axes to camera axes (x, y in the image, z along the beam)."""
        x_tilt = np.zeros(self.n_tilts) if self.x_tilt_deg is None else self.x_tilt_deg
        return rotation_about("z", self.z_rot_deg) @ rotation_about("y", self.y_tilt_deg) @ rotation_about("x", x_tilt)

    def project(self, position_specimen_angstrom_xyz: ArrayLike) -> Floats:
        """Image positions of specimen points.

        Parameters
        ----------
        position_specimen_angstrom_xyz : (m, 3) array of float
            Positions in the specimen frame, Å.

        Returns
        -------
        (n, m, 2) array of float64
            Image x, y in Å from the image's index N // 2, for each of the n views.
        """
        points = np.asarray(position_specimen_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        rigid = np.einsum("nij,mj->nmi", self.image_from_specimen[:, :2], points)
        return self.distort(rigid) + self.shift_xy_angstrom[:, None, :]

    def distort(self, rigid_xy_angstrom: Floats) -> Floats:
        """Magnification and field: where points (n, m, 2) of the rigid projection land, still without the shift, Å."""
        out = rigid_xy_angstrom
        if self.magnification is not None:
            out = out * self.magnification[:, None, None]
        if self.field_xy_angstrom is not None:
            terms = quadratic_terms(rigid_xy_angstrom / self.field_unit_angstrom)
            out = out + np.einsum("nmk,nck->nmc", terms, self.field_xy_angstrom)
        return out

    def height_angstrom(self, position_specimen_angstrom_xyz: ArrayLike) -> Floats:
        """Camera-frame z (n, m), Å, towards the electron source, of specimen points (m, 3) in each view."""
        points = np.asarray(position_specimen_angstrom_xyz, dtype=np.float64).reshape(-1, 3)
        return np.einsum("nj,mj->nm", self.image_from_specimen[:, 2], points)

    @property
    def plane_gradient_xy(self) -> Floats:
        """Camera-frame height of the specimen's plane z = 0 per Å of image x and y, for each view: (n, 2).

        The plane's point imaged at ``xy`` solves ``R[:2, :2] p = xy − shift``; its height is ``R[2, :2] p``. With the
        axis along y this is ``(−tan t, 0)``.
        """
        rotation = self.image_from_specimen
        gradient: Floats = np.einsum("ni,nij->nj", rotation[:, 2, :2], np.linalg.inv(rotation[:, :2, :2]))
        return gradient

    def shift_uv_angstrom(self) -> Floats:
        """Shifts (n, 2) across (u) and along (v) the tilt axis, Å: the image shifts turned by −z_rot."""
        inverse = rotation_about("z", -self.z_rot_deg)[:, :2, :2]
        return np.einsum("nij,nj->ni", inverse, self.shift_xy_angstrom)

    def select(self, indices: ArrayLike) -> "TiltGeometry":
        """Return the geometry of some of the views, in the order given."""
        chosen = np.asarray(indices)
        return TiltGeometry(
            y_tilt_deg=self.y_tilt_deg[chosen],
            z_rot_deg=self.z_rot_deg[chosen],
            shift_xy_angstrom=self.shift_xy_angstrom[chosen],
            x_tilt_deg=None if self.x_tilt_deg is None else self.x_tilt_deg[chosen],
            magnification=None if self.magnification is None else self.magnification[chosen],
            field_xy_angstrom=None if self.field_xy_angstrom is None else self.field_xy_angstrom[chosen],
            field_unit_angstrom=self.field_unit_angstrom,
        )
