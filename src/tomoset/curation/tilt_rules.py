"""The rules for one tilt: each looks at one cue, and what it finds is a sentence with the number in it."""

from collections.abc import Iterator

from tomoset.curation.measurements import TiltMeasurements
from tomoset.curation.params import CurationParams

__all__ = ["faults"]

_LEAST_MOTION_ANGSTROM = 20.0  # what no one would exclude a tilt for, however still the others are
_LEAST_JUMP_ANGSTROM = 150.0
_FINE_DETAIL_ERRORS = 4.0


def faults(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    """Reasons against using a tilt; none for a good one."""
    for rule in (_light, _masked_area, _motion, _detail, _ctf, _place):
        yield from rule(tilt, params)


def _light(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    ratio = tilt.intensity_ratio
    outside = not params.intensity_ratio_min <= ratio <= params.intensity_ratio_max
    if outside or abs(tilt.intensity_z) > params.intensity_z_max:
        scatter = "" if outside else f", {abs(tilt.intensity_z):.0f} times the series' scatter away"
        yield f"beam blocked: {ratio:.2f} of the counts expected at this tilt{scatter}"
    elif tilt.relative_intensity < params.relative_intensity_min:
        yield f"beam blocked: {tilt.relative_intensity:.2f} of the untilted counts times the cosine of the tilt"
    even = tilt.mean_over_deviation_ratio
    if even is not None and even < params.mean_over_deviation_ratio_min:
        yield f"beam blocked: mean over deviation is {even:.2f} of what is expected"


def _masked_area(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    share, excess = tilt.masked_fraction, tilt.masked_excess
    if share is None or excess is None:
        return
    if excess > params.masked_excess_max:
        yield f"beam blocked: {share:.0%} of the image is masked, {excess:.0%} more than in its neighbours"
    elif share > params.masked_max:
        yield f"wrong area: {share:.0%} of the image is masked"


def _motion(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    path, path_z, step, step_z = tilt.motion_angstrom, tilt.motion_z, tilt.frame_motion_angstrom, tilt.frame_motion_z
    if path is None:
        return
    if path > params.motion_max_angstrom:
        yield f"drift: {path:.0f} Å within the exposure"
    elif path_z is not None and path_z > params.motion_z_max and path > _LEAST_MOTION_ANGSTROM:
        yield f"drift: {path:.0f} Å within the exposure, {path_z:.0f} times the series' scatter above its median"
    elif step is not None and step_z is not None and step_z > params.motion_z_max and path > _LEAST_MOTION_ANGSTROM:
        yield f"drift: {step:.0f} Å from frame to frame, {step_z:.0f} times the series' scatter above its median"


def _detail(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    ratio, z = tilt.fine_detail_ratio, tilt.fine_detail_z
    if ratio is not None and z is not None and ratio < params.fine_detail_ratio_min and z < -_FINE_DETAIL_ERRORS:
        yield f"drift: blurred, fine details have {max(ratio, 0.0):.2f} of the power expected at this tilt and dose"


def _ctf(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    score, z = tilt.ctf_score, tilt.ctf_score_z
    if score is None:
        return
    if score < params.ctf_score_min:
        yield f"CTF failed: score {score:.2f}"
    elif z is not None and z < -params.ctf_score_z_max:
        yield f"CTF failed: score {score:.2f}, {-z:.0f} times the series' scatter below its trend"


def _place(tilt: TiltMeasurements, params: CurationParams) -> Iterator[str]:
    jump, z = tilt.shift_jump_angstrom, tilt.shift_jump_z
    if jump is not None and z is not None:
        outlier = z > params.shift_jump_z_max and jump > _LEAST_JUMP_ANGSTROM
        if jump > params.shift_jump_max_angstrom or outlier:
            yield f"failed alignment: shift {jump:.0f} Å away from its neighbours"
    ratio, resembled = tilt.likeness_ratio, tilt.resembled_tilt_deg
    if resembled is not None:
        yield f"wrong area: resembles the view at {resembled:.0f}° more than its neighbours"
    elif ratio is not None and ratio < params.likeness_ratio_min:
        yield f"wrong area: correlates with its neighbours by {ratio:.2f} of what is expected"
