"""How far an alignment is from the truth, in the specimen and without what no alignment can know.

Three figures per view:

- **shift**: where the specimen's origin lands. The difference (u, v), across and along the true axis, less the
  translation of the specimen ({cos t, sin t} in u and {1} in v); its length.
- **field**: where points all over the field and the slab land. The difference less one translation and one small
  turn of the specimen (which a tomogram would show as a whole moved or turned, and just as sharp); its root mean
  square over the points.
- **blur**: the same, but less a translation of each point for itself. A tomogram that is bent feels it as what is left
  here alone: a particle is as sharp as its own views agree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.benchmark.processing import alignment_residual
from tomoset.geometry import TiltGeometry, rotation_about
from tomoset.model import SeriesTruth, deformation_terms

__all__ = ["AlignmentErrors", "alignment_errors", "true_positions"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AlignmentErrors:
    """Errors of one series, Å and degrees.

    Parameters
    ----------
    shift_uv : (n, 2) array of float64
        See the module; likewise the next two.
    field, blur : (n,) array of float64
    axis_deg : float
        Estimated minus true axis, mean over the views.
    tilt_deg : (n,) array of float64
        Estimated minus true tilt angles, less their mean (nearly a turn of the specimen).
    """

    shift_uv: Floats
    field: Floats
    blur: Floats
    axis_deg: float
    tilt_deg: Floats

    @property
    def shift(self) -> Floats:
        """Length of each view's shift error (n,)."""
        return np.hypot(self.shift_uv[:, 0], self.shift_uv[:, 1])


def true_positions(truth: SeriesTruth, points_xyz: Floats, rows: NDArray[np.intp]) -> Floats:
    """Image positions (n, p, 2), Å, of specimen points (p, 3) as they were simulated, with all imperfections."""
    geometry = truth.geometry.select(rows)
    moved = np.broadcast_to(points_xyz, (rows.size, *points_xyz.shape))
    if truth.deformation is not None:
        terms = deformation_terms(points_xyz / truth.field_angstrom)
        moved = moved + np.einsum("pk,nck->npc", terms, truth.deformation[rows])
    rigid = np.einsum("nij,npj->npi", geometry.image_from_specimen[:, :2], moved)
    scale = np.ones(rows.size) if truth.magnification is None else truth.magnification[rows]
    return scale[:, None, None] * (rigid + geometry.shift_xy_angstrom[:, None, :])


def alignment_errors(
    estimated: TiltGeometry, truth: SeriesTruth, rows: NDArray[np.intp], thickness_angstrom: float
) -> AlignmentErrors:
    """Compare the geometry of the used rows (already selected) with the truth.

    Parameters
    ----------
    estimated : TiltGeometry
        Of the used views.
    truth : SeriesTruth
    rows : (n,) array of int
        The used views' rows in the truth.
    thickness_angstrom : float
        Of the slab that the points fill.
    """
    true = truth.geometry.select(rows)
    half, height = 0.8 * truth.field_angstrom, 0.4 * thickness_angstrom
    side = np.linspace(-half, half, 5)
    grid = np.stack(np.meshgrid(side, side, [-height, 0.0, height], indexing="ij"), axis=-1).reshape(-1, 3)
    points = np.concatenate([np.zeros((1, 3)), grid])
    difference = estimated.project(points) - true_positions(truth, points, rows)
    turn = rotation_about("z", -true.z_rot_deg)[:, :2, :2]
    difference_uv = np.einsum("nij,npj->npi", turn, difference)
    # The specimen may be translated and turned a little: both move image positions by what the true views show of it.
    camera = np.einsum("nij,njk->nik", turn, true.image_from_specimen[:, :2])
    origin = difference_uv[:, :1]
    rigid = [np.broadcast_to(camera[:, None, :, axis], difference_uv[:, 1:].shape) for axis in range(3)]
    for axis in np.eye(3):
        rigid.append(np.einsum("nij,pj->npi", camera, np.cross(axis, grid) / truth.field_angstrom))
    basis = np.stack([part.ravel() for part in rigid], axis=1)
    shift_uv = _less_translation(origin, camera)[:, 0]
    spread = difference_uv[:, 1:]
    fit, *_ = np.linalg.lstsq(basis, spread.ravel(), rcond=None)
    whole = (spread.ravel() - basis @ fit).reshape(spread.shape)
    sharp = _less_translation(spread, camera)
    tilt = estimated.y_tilt_deg - true.y_tilt_deg
    return AlignmentErrors(
        shift_uv=shift_uv,
        field=np.sqrt(np.mean(np.square(whole).sum(axis=2), axis=1)),
        blur=np.sqrt(np.mean(np.square(sharp).sum(axis=2), axis=1)),
        axis_deg=alignment_residual(estimated, true)[1],
        tilt_deg=tilt - tilt.mean(),
    )


def _less_translation(difference_uv: Floats, camera_n23: Floats) -> Floats:
    """Differences (n, p, 2) less each point's own translation (x, y, z)."""
    n, p, _ = difference_uv.shape
    basis = camera_n23.reshape(2 * n, 3)
    flat = difference_uv.transpose(0, 2, 1).reshape(2 * n, p)
    fit, *_ = np.linalg.lstsq(basis, flat, rcond=None)
    return (flat - basis @ fit).reshape(n, 2, p).transpose(0, 2, 1)
