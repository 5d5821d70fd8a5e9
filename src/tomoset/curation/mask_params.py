"""What counts as an image of something else than the specimen, each a number that a person can see and change."""

import math
from dataclasses import dataclass, fields

from tomoset.errors import ParameterError

__all__ = ["MaskParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskParams:
    """Parameters of :func:`tomoset.curation.find_masks`.

    Parameters
    ----------
    pixel_angstrom : float
        Of the masks.
    opaque_max : float
        Counts over those of the open ice at or below which nothing is seen: a grid bar, an aperture.
    film_step_min : float
        Least loss of counts across the border of a region that may be film, a crystal or a drop.
    texture_max : float
        Structure (50 to 150 Å) of such a region over that of the open ice; more is a cell or another specimen, which
        is never masked.
    smallest_angstrom : float
        Side of the smallest such region.
    gold_contrast_min : float
        Least depth of a compact dark disc, relative to what surrounds it, that is taken for gold; 1 or more for none.
    gold_diameter_max_angstrom : float
        Largest gold bead.

    Raises
    ------
    ParameterError
        If one is out of range.
    """

    pixel_angstrom: float = 50.0
    opaque_max: float = 0.4
    film_step_min: float = 0.07
    texture_max: float = 4.0
    smallest_angstrom: float = 400.0
    gold_contrast_min: float = 0.25
    gold_diameter_max_angstrom: float = 250.0

    def __post_init__(self) -> None:
        """Refuse thresholds that mean nothing."""
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(f"curation.masks.{name}: expected a positive number, found {value}")
        if not self.opaque_max < 1 or not self.film_step_min < 1:
            raise ParameterError(
                "curation.masks: expected opaque_max and film_step_min below 1; they are shares of counts"
            )
