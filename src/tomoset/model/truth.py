"""Everything the simulator knows about one series and the processing must not see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.geometry import TiltGeometry
from tomoset.model.labels import PickableObject
from tomoset.model.specimen import Specimen

__all__ = ["SeriesTruth"]


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
    """

    specimen: Specimen
    objects: tuple[PickableObject, ...]
    geometry: TiltGeometry
    frame_shift_xy_angstrom: NDArray[np.float64]
    defocus_angstrom: NDArray[np.float64]
    defocus_hand: int
