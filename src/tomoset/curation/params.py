"""The thresholds of the rules, each a number that a person can see and change."""

import math
from dataclasses import dataclass, field, fields

from tomoset.curation.mask_params import MaskParams
from tomoset.errors import ParameterError
from tomoset.physics import ICE_MEAN_FREE_PATH_ANGSTROM

__all__ = ["CurationParams"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurationParams:
    """Parameters of :func:`tomoset.curation.suggest`.

    Parameters
    ----------
    intensity_ratio_min, intensity_ratio_max : float
        Counts of a tilt over what the ice of the series lets through at that angle; outside, the beam was blocked or
        the counter failed.
    intensity_z_max : float
        The same in units of the series' own scatter, both ways.
    relative_intensity_min : float
        Warp's rule: counts over the cosine of the tilt times those of the untilted ice.
    mean_over_deviation_ratio_min : float
        AreTomo's rule, against the series' trend instead of the views near 0°.
    masked_excess_max, masked_max : float
        Masked share of a view beyond that of its neighbours, and altogether; a view with less is kept and masked.
    motion_max_angstrom : float
        Length of a movie's track that is too much in any series.
    motion_z_max : float
        Length of the track, and motion from frame to frame, in units of the series' scatter.
    fine_detail_ratio_min : float
        Power of fine details over what is expected (where the difference is beyond its error).
    likeness_ratio_min : float
        Correlation with the neighbours over what is expected.
    ctf_score_min : float
        Correlation of a tilt's spectrum with its fitted CTF.
    ctf_score_z_max : float
        How far below the series' trend it may be, in units of the series' scatter.
    shift_jump_max_angstrom : float
        Distance of a view's shift from the median of its neighbours that is too much in any series.
    shift_jump_z_max : float
        The same in units of the series' scatter.
    masks : MaskParams
        What is masked.
    n_tilts_min : int
        Tilts that a tomogram needs.
    tilt_range_min_deg : float
        Angle between the first and the last used tilt that a tomogram needs.
    tilt_gap_max_deg : float
        Largest angle without a used tilt that leaves no doubt.
    excluded_fraction_max : float
        Share of excluded tilts that leaves no doubt.
    thickness_max_angstrom : float
        Ice beyond this leaves doubt; beyond one and a half times, the tomogram is rejected.
    alignment_error_max_angstrom : float
        The alignment's own estimate of its error that leaves no doubt.
    half_correlation_min : float
        Correlation of the half tomograms that leaves no doubt.
    mean_free_path_angstrom : float
        Of electrons in ice: turns the loss of counts into a thickness (3950 Å: 300 kV with an energy filter).

    Raises
    ------
    ParameterError
        If a threshold is not a finite number or not in its range.
    """

    intensity_ratio_min: float = 0.7
    intensity_ratio_max: float = 1.5
    intensity_z_max: float = 6.0
    relative_intensity_min: float = 0.2
    mean_over_deviation_ratio_min: float = 0.6
    masked_excess_max: float = 0.1
    masked_max: float = 0.6
    motion_max_angstrom: float = 150.0
    motion_z_max: float = 5.0
    fine_detail_ratio_min: float = 0.6
    likeness_ratio_min: float = 0.65
    ctf_score_min: float = 0.0
    ctf_score_z_max: float = 6.0
    shift_jump_max_angstrom: float = 600.0
    shift_jump_z_max: float = 10.0
    masks: MaskParams = field(default_factory=MaskParams)
    n_tilts_min: int = 15
    tilt_range_min_deg: float = 60.0
    tilt_gap_max_deg: float = 12.0
    excluded_fraction_max: float = 0.25
    thickness_max_angstrom: float = 3000.0
    alignment_error_max_angstrom: float = 10.0
    half_correlation_min: float = 0.0
    mean_free_path_angstrom: float = ICE_MEAN_FREE_PATH_ANGSTROM

    def __post_init__(self) -> None:
        """Refuse thresholds that mean nothing."""
        may_be_negative = {"ctf_score_min", "half_correlation_min"}
        for name in (each.name for each in fields(self) if each.name != "masks"):
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name not in may_be_negative):
                raise ParameterError(f"curation.{name}: expected a finite number, 0 or more, found {value}")
        if self.intensity_ratio_min >= self.intensity_ratio_max:
            raise ParameterError(
                f"curation.intensity_ratio_min must be below intensity_ratio_max, found {self.intensity_ratio_min:g} "
                f"and {self.intensity_ratio_max:g}"
            )
        if not self.mean_free_path_angstrom > 0:
            raise ParameterError("curation.mean_free_path_angstrom: expected a positive length, found 0")
