"""Where tracks are predicted, how that changes with every number, and the normal equations without the markers.

The model is that of ``TiltGeometry``: ``p_img = shift + m q + field(q)`` with ``q = [Rz Ry Rx P]_xy``. All
derivatives are analytic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.alignment.track_model import FreeNumbers
from tomoset.geometry import TiltGeometry, quadratic_terms, rotation_about

__all__ = ["Normal", "ViewNumbers", "moved", "normal_equations", "predict", "track_derivatives"]

Floats = NDArray[np.float64]

_TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
_ABOUT_Y = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
_ABOUT_X = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ViewNumbers:
    """A geometry's numbers in the units that are solved: Å, radians, fractions.

    Parameters
    ----------
    shift_xy : (n, 2) array of float64
    axis, tilt, x_tilt : (n,) array of float64
        Radians.
    magnification : (n,) array of float64
    field_xy : (n, 2, 6) array of float64
    field_unit : float
    """

    shift_xy: Floats
    axis: Floats
    tilt: Floats
    x_tilt: Floats
    magnification: Floats
    field_xy: Floats
    field_unit: float

    @property
    def rotations(self) -> Floats:
        """Rotations (n, 3, 3) from specimen to camera."""
        axis, tilt, x_tilt = np.rad2deg(self.axis), np.rad2deg(self.tilt), np.rad2deg(self.x_tilt)
        return rotation_about("z", axis) @ rotation_about("y", tilt) @ rotation_about("x", x_tilt)

    @classmethod
    def of(cls, geometry: TiltGeometry, field_unit: float) -> "ViewNumbers":
        """Numbers of a geometry; a field that it holds keeps its own unit."""
        n = geometry.n_tilts
        has_field = geometry.field_xy_angstrom is not None
        return cls(
            shift_xy=geometry.shift_xy_angstrom,
            axis=np.deg2rad(geometry.z_rot_deg),
            tilt=np.deg2rad(geometry.y_tilt_deg),
            x_tilt=np.zeros(n) if geometry.x_tilt_deg is None else np.deg2rad(geometry.x_tilt_deg),
            magnification=np.ones(n) if geometry.magnification is None else geometry.magnification,
            field_xy=np.zeros((n, 2, 6)) if geometry.field_xy_angstrom is None else geometry.field_xy_angstrom,
            field_unit=geometry.field_unit_angstrom if has_field else field_unit,
        )


def moved(start: ViewNumbers, change_nk: Floats, columns: dict[str, slice]) -> ViewNumbers:
    """Return the start plus changes (n, width) of the free numbers."""
    n = start.axis.size

    def own(name: str, shape: tuple[int, ...]) -> Floats:
        return change_nk[:, columns[name]].reshape(shape) if name in columns else np.zeros(shape)

    field = start.field_xy.copy()
    stretch = own("stretch", (n, 2)) * start.field_unit
    field[:, 0, 1] += stretch[:, 0]
    field[:, 1, 2] -= stretch[:, 0]
    field[:, 0, 2] += stretch[:, 1]
    field[:, 1, 1] += stretch[:, 1]
    field[:, :, 3:] += own("field", (n, 2, 3))
    return ViewNumbers(
        shift_xy=start.shift_xy + own("shift", (n, 2)),
        axis=start.axis + own("axis", (n,)),
        tilt=start.tilt + own("tilt", (n,)),
        x_tilt=start.x_tilt + own("x_tilt", (n,)),
        magnification=start.magnification + own("magnification", (n,)),
        field_xy=field,
        field_unit=start.field_unit,
    )


def predict(views: ViewNumbers, positions_xyz: Floats) -> Floats:
    """Image positions (p, n, 2) of markers (p, 3), Å."""
    q = np.einsum("nij,pj->pni", views.rotations[:, :2], positions_xyz)
    field = np.einsum("pnk,nck->pnc", quadratic_terms(q / views.field_unit), views.field_xy)
    return np.asarray(views.shift_xy + views.magnification[:, None] * q + field, dtype=np.float64)


def track_derivatives(
    views: ViewNumbers, positions_xyz: Floats, columns: dict[str, slice], width: int
) -> tuple[Floats, Floats]:
    """Derivatives of the prediction by the views' free numbers (p, n, 2, width) and by the marker (p, n, 2, 3)."""
    rotations = views.rotations
    q = np.einsum("nij,pj->pni", rotations[:, :2], positions_xyz)
    scaled = q / views.field_unit
    x, y = scaled[..., 0], scaled[..., 1]
    zero, one = np.zeros_like(x), np.ones_like(x)
    by_x = np.stack([zero, one, zero, 2 * x, y, zero], axis=-1)
    by_y = np.stack([zero, zero, one, zero, x, 2 * y], axis=-1)
    distorted = np.stack(
        [np.einsum("pnk,nck->pnc", by, views.field_xy) / views.field_unit for by in (by_x, by_y)], axis=-1
    )
    distorted += views.magnification[:, None, None] * np.eye(2)
    about_y = rotation_about("z", np.rad2deg(views.axis)) @ rotation_about("y", np.rad2deg(views.tilt)) @ _ABOUT_Y
    about_y = about_y @ rotation_about("x", np.rad2deg(views.x_tilt))
    turns = {
        "axis": np.einsum("ij,pnj->pni", _TURN, q),
        "tilt": np.einsum("nij,pj->pni", about_y[:, :2], positions_xyz),
        "x_tilt": np.einsum("nij,pj->pni", (rotations @ _ABOUT_X)[:, :2], positions_xyz),
    }
    by_view = np.zeros((*q.shape, width))
    by_view[..., columns["shift"]] = np.eye(2)
    for name, turn in turns.items():
        if name in columns:
            by_view[..., columns[name]] = distorted @ turn[..., None]
    if "magnification" in columns:
        by_view[..., columns["magnification"]] = q[..., None]
    if "stretch" in columns:
        sides = [np.stack([q[..., 0], q[..., 1]], axis=-1), np.stack([-q[..., 1], q[..., 0]], axis=-1)]
        by_view[..., columns["stretch"]] = np.stack(sides, axis=-2)
    if "field" in columns:
        own = by_view[..., columns["field"]]
        own[..., 0, :3] = own[..., 1, 3:] = quadratic_terms(scaled)[..., 3:]
    return by_view, np.asarray(distorted @ rotations[:, :2], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Normal:
    """Normal equations of the free numbers, and what gives the markers back.

    Parameters
    ----------
    matrix : (f, f) array of float64
        Of the free numbers, the markers eliminated (Schur complement), damped as asked.
    right : (f,) array of float64
    marker_inverse : (p, 3, 3) array of float64
        Inverse of each marker's own block.
    marker_right : (p, 3) array of float64
    mixed : (p, 3, f) array of float64
        Block between a marker and the free numbers.
    """

    matrix: Floats
    right: Floats
    marker_inverse: Floats
    marker_right: Floats
    mixed: Floats

    def marker_steps(self, step: Floats) -> Floats:
        """Changes (p, 3) of the markers that go with a change of the free numbers."""
        right = self.marker_right - self.mixed @ step
        return np.asarray((self.marker_inverse @ right[..., None])[..., 0], dtype=np.float64)


def normal_equations(
    by_view: Floats, by_marker: Floats, residual: Floats, information: Floats, free: FreeNumbers, damping: float = 0.0
) -> Normal:
    """Assemble the equations of one step.

    Parameters
    ----------
    by_view, by_marker : (p, n, 2, width), (p, n, 2, 3) array of float64
    residual : (p, n, 2) array of float64
        Measured minus predicted, Å; zero where nothing was measured.
    information : (p, n, 2, 2) array of float64
        Inverse covariance of each measurement; zero where nothing was measured.
    free : FreeNumbers
    damping : float
        Fraction of each diagonal element that is added to it (Levenberg–Marquardt).
    """
    p, n, _, width = by_view.shape
    weighted_view = (information @ by_view).transpose(1, 0, 2, 3).reshape(n, 2 * p, width)
    weighted_marker = information @ by_marker
    blocks = weighted_view.transpose(0, 2, 1) @ by_view.transpose(1, 0, 2, 3).reshape(n, 2 * p, width)
    mixed = (weighted_marker.swapaxes(2, 3) @ by_view).transpose(0, 2, 1, 3).reshape(p, 3, n * width) @ free.spread
    own = weighted_marker.reshape(p, 2 * n, 3).swapaxes(1, 2) @ by_marker.reshape(p, 2 * n, 3)
    spread = free.spread.reshape(n, width, -1)
    matrix = free.spread.T @ (blocks @ spread).reshape(n * width, -1)
    diagonal = np.arange(3)
    own[:, diagonal, diagonal] *= 1 + damping
    matrix[np.diag_indices_from(matrix)] *= 1 + damping
    by_views = weighted_view.swapaxes(1, 2) @ residual.transpose(1, 0, 2).reshape(n, 2 * p, 1)
    right = free.spread.T @ by_views.reshape(n * width)
    marker_right = np.einsum("pnia,pni->pa", weighted_marker, residual)
    inverse = np.asarray(np.linalg.inv(own), dtype=np.float64)
    eliminated = inverse @ mixed
    flat = mixed.reshape(3 * p, -1)
    return Normal(
        matrix=matrix - flat.T @ eliminated.reshape(3 * p, -1),
        right=right - np.einsum("paf,pa->f", eliminated, marker_right),
        marker_inverse=inverse,
        marker_right=marker_right,
        mixed=mixed,
    )
