"""What the alignment may be told."""

from dataclasses import dataclass

import numpy as np

from tomoset.errors import ParameterError

__all__ = ["AlignmentParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentParams:
    """How a tilt series is aligned.

    Parameters
    ----------
    pixel_size_angstrom : float
        Images are Fourier-cropped to about this pixel before anything else, Å; finer input stays as near as even
        sizes allow, coarser input is used as it is.
    search_range_angstrom : float
        Largest shift between neighbouring views that is looked for, Å.
    coarsest_angstrom, finest_angstrom : float
        Band of spacings that is used, Å.
    thickness_angstrom : float
        First guess of the specimen's thickness, Å; refined by likelihood.
    axis_range_deg : float
        The tilt axis is looked for within this many degrees of the nominal one; 90 searches everything (modulo 180°).
    axis_step_deg : float
        First step of that search, degrees; a finer one follows.
    newton_steps : int
        Largest number of joint steps on all shifts and the axis.
    markers : int
        Largest number of particles used as markers; 0 leaves the marker stage out.
    marker_rounds : int
        Largest number of measure-and-solve rounds of the marker stage.

    Raises
    ------
    ParameterError
        If a value is outside what the method can do.
    """

    pixel_size_angstrom: float = 10.0
    search_range_angstrom: float = 300.0
    coarsest_angstrom: float = 500.0
    finest_angstrom: float = 30.0
    thickness_angstrom: float = 1500.0
    axis_range_deg: float = 4.0
    axis_step_deg: float = 0.5
    newton_steps: int = 8
    markers: int = 300
    marker_rounds: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        positive = (
            "pixel_size_angstrom",
            "search_range_angstrom",
            "finest_angstrom",
            "thickness_angstrom",
            "axis_step_deg",
        )
        for name in positive:
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ParameterError(
                    f"alignment.{name}: expected a positive number, found {value:g}; give one in Å or °"
                )
        if not self.coarsest_angstrom > 2 * self.finest_angstrom:
            raise ParameterError(
                f"alignment band: expected coarsest_angstrom at least twice finest_angstrom, found "
                f"{self.coarsest_angstrom:g} and {self.finest_angstrom:g} Å; widen the band"
            )
        if self.finest_angstrom < 2 * self.pixel_size_angstrom:
            raise ParameterError(
                f"alignment.finest_angstrom: expected at least two pixels ({2 * self.pixel_size_angstrom:g} Å), found "
                f"{self.finest_angstrom:g}; make pixel_size_angstrom smaller or finest_angstrom larger"
            )
        if not 0 <= self.axis_range_deg <= 90:
            raise ParameterError(
                f"alignment.axis_range_deg: expected 0 to 90, found {self.axis_range_deg:g}; 90 searches every axis"
            )
        for name, least in (("newton_steps", 1), ("markers", 0), ("marker_rounds", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"alignment.{name}: expected at least {least}, found {getattr(self, name)}")
