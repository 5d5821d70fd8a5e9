"""Raw movies of one tilt series, as a microscope leaves them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import PixelSizeError
from tomoset.model.array_source import ArraySource

__all__ = ["Movie", "MovieSet", "Optics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optics:
    """What the microscope was set to for the whole series.

    Parameters
    ----------
    voltage_kv : float
        Acceleration voltage, kV.
    cs_mm : float
        Spherical aberration, mm.
    amplitude_contrast : float
        Fraction of amplitude contrast, 0 to 1.
    """

    voltage_kv: float = 300.0
    cs_mm: float = 2.7
    amplitude_contrast: float = 0.07


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Movie:
    """The frames recorded at one tilt.

    Parameters
    ----------
    name : str
        File name without its folder; the tilt's name everywhere after.
    frames_tyx : ArraySource
        Counts as recorded, before gain correction, rows in the frame of the gain reference.
    nominal_tilt_deg : float
        Stage angle the microscope wrote, degrees.
    acquisition_order : int
        0 for the first exposure of the series.
    dose_e_per_angstrom2 : float
        Dose of this exposure at the specimen.
    dose_before_e_per_angstrom2 : float
        Dose the specimen had received before it.
    frame_dose_e_per_angstrom2 : (t,) array of float64 or None
        Dose of each frame; None when all frames had the same.
    nominal_defocus_angstrom : float or None
        Target defocus, positive = underfocus; None when the microscope did not write it.
    acquired_at : str or None
        Local time of the exposure as ISO 8601 text, when known.
    exposure_time_s : float or None
        Of the whole movie, when known.
    lens_defocus_angstrom : float or None
        What the objective lens was set to, positive = underfocus; the target is taken when it is not known.
    image_shift_xy_angstrom : tuple of float
        Beam-image shift to the target, in the image's axes.
    stage_position_angstrom_xyz : tuple of float
        Of the goniometer.
    """

    name: str
    frames_tyx: ArraySource
    nominal_tilt_deg: float
    acquisition_order: int
    dose_e_per_angstrom2: float
    dose_before_e_per_angstrom2: float
    frame_dose_e_per_angstrom2: NDArray[np.float64] | None = None
    nominal_defocus_angstrom: float | None = None
    acquired_at: str | None = None
    exposure_time_s: float | None = None
    lens_defocus_angstrom: float | None = None
    image_shift_xy_angstrom: tuple[float, float] = (0.0, 0.0)
    stage_position_angstrom_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovieSet:
    """All movies of one tilt series, sorted by tilt angle, with what is needed to correct them.

    Parameters
    ----------
    run : str
        Name of the series (no underscore: copick's rule).
    movies : tuple of Movie
        Ascending nominal tilt.
    pixel_size_angstrom : float
        Of the recorded frames.
    gain_yx : ArraySource or None
        Multiplicative gain reference in the frames' orientation; None when frames are already corrected.
    nominal_tilt_axis_deg : float
        Angle of the tilt axis in the image (``TiltGeometry.z_rot_deg``) the microscope wrote, degrees.
    optics : Optics
        Voltage, Cs, amplitude contrast.
    defect_pixels_yx : (m, 2) array of int or None
        Rows and columns of the camera's known defects, in the frames' orientation; None when no list is known.
    notes : tuple of str
        Fallbacks the import had to take, one sentence each.

    Raises
    ------
    PixelSizeError
        If the pixel size is not positive.
    """

    run: str
    movies: tuple[Movie, ...]
    pixel_size_angstrom: float
    gain_yx: ArraySource | None
    nominal_tilt_axis_deg: float
    optics: Optics = field(default_factory=Optics)
    defect_pixels_yx: NDArray[np.intp] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a series without a scale."""
        if not self.pixel_size_angstrom > 0:
            raise PixelSizeError(
                f"{self.run}: pixel size must be positive, found {self.pixel_size_angstrom:g} Å; "
                "give it with --pixel-size"
            )
