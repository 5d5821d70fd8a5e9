"""What two alignments of one series may differ by without disagreeing.

A translation (x0, y0, z0) of the specimen moves the shift of the view at tilt t by ``x0 cos t + z0 sin t`` across the
tilt axis (u) and by the constant ``y0`` along it (v). Only what remains is an error.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.errors import GeometryError

__all__ = ["remove_gauge"]


def remove_gauge(
    difference_uv_angstrom: ArrayLike, tilt_deg: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Remove the specimen translation from a difference of shifts, by least squares.

    Parameters
    ----------
    difference_uv_angstrom : (n, 2) array of float
        Estimated minus true shift of each view, Å: across the tilt axis (u) and along it (v), i.e. image-plane
        shifts rotated by minus the tilt axis angle.
    tilt_deg : (n,) array of float
        Tilt angles, degrees.

    Returns
    -------
    residual_uv_angstrom : (n, 2) array of float64
        The difference that no translation of the specimen explains.
    translation_angstrom_xyz : (3,) array of float64
        The translation (x0, y0, z0) that was removed.

    Raises
    ------
    GeometryError
        If the shapes do not match, there is no view, or a number is not finite.

    Notes
    -----
    A constant in u is *not* a gauge (it is the mode ``x0 cos t`` only where cos t does not change): what is left of
    it is a real, if weakly determined, error.
    """
    difference = np.asarray(difference_uv_angstrom, dtype=np.float64)
    tilt = np.deg2rad(np.asarray(tilt_deg, dtype=np.float64))
    if difference.shape != (tilt.size, 2):
        raise GeometryError(f"expected differences of shape ({tilt.size}, 2), got {difference.shape}")
    if not tilt.size or not (np.all(np.isfinite(difference)) and np.all(np.isfinite(tilt))):
        raise GeometryError(
            "expected finite differences of at least one view; leave out the views that were not aligned"
        )
    basis = np.stack([np.cos(tilt), np.sin(tilt)], axis=1)
    (x0, z0), *_ = np.linalg.lstsq(basis, difference[:, 0], rcond=None)
    y0 = difference[:, 1].mean()
    residual = np.stack([difference[:, 0] - basis @ (x0, z0), difference[:, 1] - y0], axis=1)
    return residual, np.array([x0, y0, z0])
