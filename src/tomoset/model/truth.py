"""Everything the simulator knows about one series and the processing must not see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoset.geometry import TiltGeometry
from tomoset.model.labels import PickableObject
from tomoset.model.specimen import Specimen

__all__ = ["SeriesTruth", "deformation_terms"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesTruth:
    """The truth of one simulated tilt series; rows in the order of ascending nominal tilt, as in ``MovieSet``.

    Parameters
    ----------
    specimen : Specimen
        Poses of all molecules, specimen frame.
    objects : tuple of PickableObject
        The classes, in the order of their labels.
    geometry : TiltGeometry
        How the specimen was really projected (at the mean of each movie's frames), about index N // 2 of the frames.
    frame_shift_xy_angstrom : (n, t, 2) array of float64
        Motion of each frame relative to the movie's mean, Å, image x then y.
    defocus_angstrom : (n,) array of float64
        Defocus at the specimen's origin, positive = underfocus.
    defocus_hand : int
        Sign h of the defocus gradient: ``defocus(p) = defocus(origin) + h · height(p)``, where height is the
        camera-frame z of ``TiltGeometry.height_angstrom`` (RELION's ``rlnTomoHand``).
    astigmatism_angstrom, astigmatism_deg : (n,) array of float64 or None
        Difference U − V of the two defoci and the angle of U from image x, counter-clockwise; None for none.
    magnification : (n,) array of float64 or None
        Scale of each view about the image's index N // 2; None for 1.
    deformation : (n, 3, 10) array of float64 or None
        Displacement of the specimen in each view, Å, x y z of the specimen frame, by the ten quadratic polynomials of
        ``deformation_terms`` (Fernandez et al. 2018); zero mean over the views.
    local_motion : (n, t, 2, 6) array of float64 or None
        Motion of each frame in the image beyond ``frame_shift_xy_angstrom``, Å, x then y, by the six quadratic
        polynomials of ``quadratic_terms``; zero mean over a movie's frames.
    conditions : tuple of str
        What is wrong with each view: ``good``, ``dark``, ``blocked``, ``blurred``; empty means all are good.
    missing_tilts_deg : tuple of float
        Nominal tilts that were planned and never recorded: they have no row.
    field_angstrom : float
        Half of the frame's longer side, Å: the unit of the polynomials' coordinates.
    """

    specimen: Specimen
    objects: tuple[PickableObject, ...]
    geometry: TiltGeometry
    frame_shift_xy_angstrom: NDArray[np.float64]
    defocus_angstrom: NDArray[np.float64]
    defocus_hand: int
    astigmatism_angstrom: NDArray[np.float64] | None = None
    astigmatism_deg: NDArray[np.float64] | None = None
    magnification: NDArray[np.float64] | None = None
    deformation: NDArray[np.float64] | None = None
    local_motion: NDArray[np.float64] | None = None
    conditions: tuple[str, ...] = ()
    missing_tilts_deg: tuple[float, ...] = ()
    field_angstrom: float = 1.0


def deformation_terms(position_xyz: ArrayLike) -> NDArray[np.float64]:
    """Values (..., 10) of 1, x, y, z, x², y², z², xy, xz, yz at positions (..., 3) in units of ``field_angstrom``."""
    x, y, z = np.moveaxis(np.asarray(position_xyz, dtype=np.float64), -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * x, y * y, z * z, x * y, x * z, y * z], axis=-1)
