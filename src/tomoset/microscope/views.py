"""One view as the optics see it: where matter lands on the image, and how high it lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoset.microscope.field import Canvas

__all__ = ["View"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """Geometry and focus of one view.

    Parameters
    ----------
    image_from_specimen : (3, 3) array of float64
        Rotation, specimen -> camera.
    shift_xy_angstrom : (2,) array of float64
        Where the specimen's origin lands, from the image's index N // 2.
    defocus_angstrom : float
        At the specimen's origin; the mean of U and V.
    astigmatism_angstrom, astigmatism_deg : float
        U − V and the angle of U from image x, counter-clockwise.
    magnification : float
        Scale of the image about its index N // 2.
    deformation : (3, 10) array of float64 or None
        Displacement of the specimen by the polynomials of ``deformation_terms``.
    field_angstrom : float
        Unit of the polynomials' coordinates.
    """

    image_from_specimen: Floats
    shift_xy_angstrom: Floats
    defocus_angstrom: float
    astigmatism_angstrom: float = 0.0
    astigmatism_deg: float = 0.0
    magnification: float = 1.0
    deformation: Floats | None = None
    field_angstrom: float = 1.0

    def place(
        self, positions_angstrom_xyz: NDArray[np.floating], canvas: Canvas
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Place matter on the canvas.

        Parameters
        ----------
        positions_angstrom_xyz : (m, 3) array
            Specimen frame, before deformation.
        canvas : Canvas
            Its pixels are those of the magnified image: see :meth:`magnified`.

        Returns
        -------
        pixel_xy : (m, 2) array of float64
            Canvas index x, y.
        height_angstrom : (m,) array of float64
            Camera-frame z.
        """
        from tomoset.microscope import _optics_kernels

        polynomials = np.zeros((3, 10)) if self.deformation is None else self.deformation
        origin_y, origin_x = canvas.origin_yx
        placed = np.empty((len(positions_angstrom_xyz), 3))
        _optics_kernels.place_points(
            np.ascontiguousarray(positions_angstrom_xyz),
            np.ascontiguousarray(polynomials),
            1 / self.field_angstrom,
            np.ascontiguousarray(self.image_from_specimen),
            np.asarray(self.shift_xy_angstrom, dtype=np.float64),
            (origin_x, origin_y, canvas.pixel_size_angstrom),
            placed,
        )
        return placed[:, :2], placed[:, 2]
