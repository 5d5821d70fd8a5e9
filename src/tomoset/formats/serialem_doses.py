"""What an mdoc says about dose: of each exposure, before it and of each frame; and what is concluded otherwise.

Every function returns its answer and notes: one sentence for each fallback that was taken.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoset.errors import ParameterError
from tomoset.formats.mdoc import MdocSection
from tomoset.formats.serialem_facts import prior_doses

__all__ = ["doses", "doses_before", "frame_doses"]

_TOLERANCE = 0.01


def doses(
    sections: Sequence[MdocSection], dose_per_tilt: float | None, counted: Sequence[float | None] = ()
) -> tuple[list[float], tuple[str, ...]]:
    """Dose of each exposure, e/Å²: given, else ExposureDose, FrameDosesAndNumber summed, or what the camera counted.

    Parameters
    ----------
    sections : sequence of MdocSection
    dose_per_tilt : float or None
        By the user.
    counted : sequence of float or None
        By the headers of EER movies, one a section.

    Raises
    ------
    ParameterError
        If no source gives a positive dose for every tilt.
    """
    written = [s.exposure_dose_e_per_angstrom2 or 0.0 for s in sections]
    calibrated = all(dose > 0 for dose in written)
    if dose_per_tilt is not None:
        if not (math.isfinite(dose_per_tilt) and dose_per_tilt > 0):
            raise ParameterError(f"expected a positive dose per tilt, got {dose_per_tilt:g} e/Å²")
        mean = float(np.mean(written))
        if calibrated and abs(mean - dose_per_tilt) <= _TOLERANCE * dose_per_tilt:
            return written, ()
        instead = f"replaces ExposureDose (mean {mean:g})" if calibrated else "stands for ExposureDose, missing or zero"
        note = f"The dose given, {dose_per_tilt:g} e/Å² per tilt, {instead}."
        return [dose_per_tilt] * len(sections), (note,)
    if calibrated:
        return written, ()
    summed = [math.fsum(dose * count for dose, count in s.frame_doses) for s in sections]
    if all(dose > 0 for dose in summed):
        return summed, ("ExposureDose is missing or zero; the doses of the frames (FrameDosesAndNumber) were summed.",)
    known = [dose for dose in counted if dose is not None]
    if known and len(known) >= len(sections) / 2:
        mean = float(np.mean(known))
        note = "ExposureDose is missing or zero; the doses that the camera counted (EER files) were taken."
        return [mean if dose is None else dose for dose in counted], (note,)
    n_bad = sum(dose <= 0 for dose in written)
    raise ParameterError(
        f"expected a positive ExposureDose for every tilt, found none for {n_bad} of {len(sections)}; "
        "give the dose per tilt in e/Å² (dose_per_tilt, --dose-per-tilt)"
    )


def doses_before(
    sections: Sequence[MdocSection], dose: Sequence[float], order: Sequence[int], *, trust_prior: bool
) -> tuple[list[float], tuple[str, ...]]:
    """Dose before each exposure, e/Å²: PriorRecordDose, else the doses of the exposures before it summed; and notes."""
    prior = prior_doses(sections)
    in_time = np.argsort(order)
    summed = np.zeros(len(dose))
    summed[in_time[1:]] = np.cumsum(np.asarray(dose, dtype=np.float64)[in_time])[:-1]
    if prior is None:
        why = "PriorRecordDose is missing"
    elif not trust_prior:
        why = "PriorRecordDose does not go with the dose given"
    elif np.any(np.diff(np.asarray(prior)[in_time]) < 0):
        why = "PriorRecordDose falls in the course of the series (a restart, say)"
    else:
        return prior, _counted_twice(np.asarray(prior) - summed, dose)
    return summed.tolist(), (f"{why}; the dose before each tilt is the sum over the exposures before it.",)


def _counted_twice(surplus: NDArray[np.float64], dose: Sequence[float]) -> tuple[str, ...]:
    """Note where PriorRecordDose looks as if each exposure's own dose were in it."""
    own = np.asarray(dose, dtype=np.float64)
    if len(own) < 2 or np.any(np.abs(surplus - own) > _TOLERANCE * own):
        return ()
    note = (
        f"PriorRecordDose is {surplus[0]:g} e/Å², as much as one exposure, at the first tilt already: it was taken as "
        "received before (a preview, say); correct PriorRecordDose in the mdoc if it counts each exposure itself."
    )
    return (note,)


def frame_doses(
    section: MdocSection, n_frames: int, dose_e_per_angstrom2: float
) -> tuple[NDArray[np.float64] | None, str]:
    """Dose of each frame in the shares of FrameDosesAndNumber, and what is wrong with that field, if anything.

    Parameters
    ----------
    section : MdocSection
    n_frames : int
        In the movie; raw ones of an EER file.
    dose_e_per_angstrom2 : float
        Of the exposure, to which the shares add up.

    Returns
    -------
    doses : (n_frames,) array of float64 or None
        None when all frames had the same, or the field is missing or does not fit.
    problem : str
        "number" when it is for another number of frames, "sum" when its sum is not the exposure's dose, else empty.
    """
    pairs = section.frame_doses
    shares = np.repeat([dose for dose, _ in pairs], [max(count, 0) for _, count in pairs]).astype(np.float64)
    if not pairs or not np.all(np.isfinite(shares)) or shares.sum() <= 0 or shares.min() < 0:
        return None, ""
    if len(shares) != n_frames:
        return None, "number"
    total = float(shares.sum())
    problem = "sum" if abs(total - dose_e_per_angstrom2) > _TOLERANCE * dose_e_per_angstrom2 else ""
    if np.ptp(shares) <= _TOLERANCE * shares.mean():
        return None, problem
    return shares * (dose_e_per_angstrom2 / total), problem
