"""Verdicts on tilts and tomograms: what the rules suggest, and what a verdict does to a series."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tomoset.curation.measurements import Measurements, TiltMeasurements
from tomoset.curation.params import CurationParams
from tomoset.curation.tilt_rules import faults
from tomoset.errors import ParameterError
from tomoset.geometry import TiltGeometry
from tomoset.model import TiltSeries

__all__ = [
    "REASONS",
    "TiltVerdict",
    "Verdict",
    "VerdictWord",
    "alignment_error_angstrom",
    "apply_verdict",
    "methods_text",
    "overruled",
    "suggest",
]

VerdictWord = Literal["keep", "unsure", "reject"]

REASONS = (
    "failed alignment",
    "ice contamination",
    "crystalline ice",
    "too thick",
    "empty",
    "drift",
    "CTF failed",
    "wrong area",
    "radiation damage",
    "beam blocked",
    "reconstruction artefact",
    "too few tilts",
    "duplicate",
    "other",
)
"""Words a reason begins with; what follows the colon is free."""

_RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class TiltVerdict:
    """Whether one tilt should be used, and why not."""

    name: str
    use: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement on one tomogram and on its tilts.

    Parameters
    ----------
    run : str
    verdict : {"keep", "unsure", "reject"}
    reason : str
        Begins with one of :data:`REASONS`; empty only for "keep".
    tilts : tuple of TiltVerdict
        Tilts that were judged; others stay as they are.
    who : str
        A person, or ``"rules"``.
    at : str
        When, ISO 8601; empty for a suggestion.

    Raises
    ------
    ParameterError
        If the word is unknown, or a doubt or rejection has no reason.
    """

    run: str
    verdict: VerdictWord
    reason: str = ""
    tilts: tuple[TiltVerdict, ...] = ()
    who: str = _RULES
    at: str = ""

    def __post_init__(self) -> None:
        """Refuse a rejection that does not say why."""
        if self.verdict not in get_args(VerdictWord):
            raise ParameterError(f"{self.run}: expected keep, unsure or reject, found {self.verdict!r}")
        if self.verdict != "keep" and not self.reason:
            raise ParameterError(f"{self.run}: {self.verdict} needs a reason, for instance {REASONS[0]!r}")


def suggest(measurements: Measurements, params: CurationParams) -> Verdict:
    """Judge a series by the thresholds.

    Parameters
    ----------
    measurements : Measurements
    params : CurationParams

    Returns
    -------
    Verdict
        One row for every tilt; a tilt that a stage has excluded stays so, with its reason. The tomogram is rejected
        when what would be left cannot make one, and unsure when a number leaves doubt.
    """
    tilts = tuple(_judge_tilt(tilt, params) for tilt in measurements.tilts)
    rejected = "; ".join(_grounds_to_reject(measurements, tilts, params))
    if rejected:
        return Verdict(run=measurements.run, verdict="reject", reason=rejected, tilts=tilts)
    doubts = "; ".join(_grounds_for_doubt(measurements, tilts, params))
    return Verdict(run=measurements.run, verdict="unsure" if doubts else "keep", reason=doubts, tilts=tilts)


def _judge_tilt(tilt: TiltMeasurements, params: CurationParams) -> TiltVerdict:
    if not tilt.use:
        return TiltVerdict(name=tilt.name, use=False, reason=tilt.reason or "other: excluded by an earlier stage")
    reason = "; ".join(faults(tilt, params))
    return TiltVerdict(name=tilt.name, use=not reason, reason=reason or tilt.reason)


def _left_over(tilts: tuple[TiltVerdict, ...], measurements: Measurements) -> list[float]:
    """Angles of the tilts that the verdict leaves, ascending."""
    return sorted(row.tilt_deg for row, tilt in zip(measurements.tilts, tilts, strict=True) if tilt.use)


def _grounds_to_reject(m: Measurements, tilts: tuple[TiltVerdict, ...], params: CurationParams) -> Iterator[str]:
    angles = _left_over(tilts, m)
    if len(angles) < params.n_tilts_min:
        yield f"too few tilts: {len(angles)} of {len(tilts)} can be used, {params.n_tilts_min} are needed"
    elif angles[-1] - angles[0] < params.tilt_range_min_deg:
        yield f"too few tilts: they span {angles[-1] - angles[0]:.0f}°, {params.tilt_range_min_deg:g}° are needed"
    thickness = m.attenuation * params.mean_free_path_angstrom
    if thickness > 1.5 * params.thickness_max_angstrom:
        yield f"too thick: {thickness:.0f} Å of ice by the counts"


def _grounds_for_doubt(m: Measurements, tilts: tuple[TiltVerdict, ...], params: CurationParams) -> Iterator[str]:
    angles = _left_over(tilts, m)
    gap = max((b - a for a, b in itertools.pairwise(angles)), default=0.0)
    if gap > params.tilt_gap_max_deg:
        yield f"too few tilts: none within {gap:.0f}°"
    excluded = 1 - len(angles) / len(tilts)
    if excluded > params.excluded_fraction_max:
        yield f"too few tilts: {excluded:.0%} excluded"
    thickness = m.attenuation * params.mean_free_path_angstrom
    if thickness > params.thickness_max_angstrom:
        yield f"too thick: {thickness:.0f} Å of ice by the counts"
    error = alignment_error_angstrom(m.diagnostics)
    if error is not None and error > params.alignment_error_max_angstrom:
        yield f"failed alignment: its own error estimate is {error:.0f} Å"
    if m.half_correlation is not None and m.half_correlation < params.half_correlation_min:
        yield f"empty: half tomograms correlate by {m.half_correlation:.3f}"


def alignment_error_angstrom(diagnostics: dict[str, float]) -> float | None:
    """The alignment's last word on its error; of older series: from markers where it found some, else from the slab."""
    if "alignment.error_angstrom" in diagnostics:
        return diagnostics["alignment.error_angstrom"]
    for source in ("marker", "slab"):
        values = [diagnostics.get(f"alignment.{source}_error_{axis}_angstrom") for axis in "uv"]
        known = [value for value in values if value is not None]
        if known:
            return max(known)
    return None


def overruled(verdict: Verdict, by_people: Verdict | None, series: TiltSeries) -> Verdict:
    """The rules' verdict with a person's word on every tilt that a person has judged; the tomogram's stays.

    Parameters
    ----------
    verdict : Verdict
    by_people : Verdict or None
    series : TiltSeries
        What is judged: of an aligned one, a tilt without a place in the alignment cannot be used again.

    Raises
    ------
    ParameterError
        If the two are on different runs.
    """
    if by_people is None:
        return verdict
    if by_people.run != verdict.run:
        raise ParameterError(f"expected people's verdict on {verdict.run}, found one on {by_people.run}")
    without_place = {tilt.name for tilt in series.tilts if series.geometry is not None and not tilt.use}
    said = {tilt.name: tilt for tilt in by_people.tilts if not (tilt.use and tilt.name in without_place)}
    return replace(verdict, tilts=tuple(said.get(tilt.name, tilt) for tilt in verdict.tilts))


def apply_verdict(series: TiltSeries, verdict: Verdict) -> TiltSeries:
    """Return the series with ``use`` and ``reason`` of the judged tilts; every tilt keeps its row.

    Where there is an alignment, a tilt that is no longer used gets its nominal angle back and no shift.

    Raises
    ------
    ParameterError
        If the verdict is on another run or names a tilt that the series does not have.
    """
    if verdict.run != series.run:
        raise ParameterError(f"expected a verdict on {series.run}, found one on {verdict.run}")
    judged = {tilt.name: tilt for tilt in verdict.tilts}
    unknown = judged.keys() - {tilt.name for tilt in series.tilts}
    if unknown:
        raise ParameterError(f"{series.run}: the verdict names tilts it does not have: {', '.join(sorted(unknown))}")
    tilts = tuple(
        replace(tilt, use=judged[tilt.name].use, reason=judged[tilt.name].reason) if tilt.name in judged else tilt
        for tilt in series.tilts
    )
    dropped = np.array([before.use and not after.use for before, after in zip(series.tilts, tilts, strict=True)])
    return replace(series, tilts=tilts, geometry=_nominal_rows(series, dropped))


def _nominal_rows(series: TiltSeries, dropped: NDArray[np.bool_]) -> TiltGeometry | None:
    """The alignment with the nominal angle and no shift in the rows of tilts that are no longer used."""
    old = series.geometry
    if old is None or not dropped.any():
        return old
    field = None if old.field_xy_angstrom is None else np.where(dropped[:, None, None], 0.0, old.field_xy_angstrom)
    return replace(
        old,
        y_tilt_deg=np.where(dropped, series.nominal_tilt_deg, old.y_tilt_deg),
        shift_xy_angstrom=np.where(dropped[:, None], 0.0, old.shift_xy_angstrom),
        magnification=None if old.magnification is None else np.where(dropped, 1.0, old.magnification),
        field_xy_angstrom=field,
    )


def methods_text(params: CurationParams) -> str:
    """One sentence for a methods section."""
    return (
        "Grid bars, carbon, crystals and gold were masked; tilts were excluded when their counts left "
        f"{params.intensity_ratio_min:g}–{params.intensity_ratio_max:g} of a robustly fitted exponential law of tilt "
        f"or {params.intensity_z_max:g} times its scatter, when the mask covered {params.masked_excess_max:.0%} more "
        f"than in the neighbouring views, when they moved by more than {params.motion_max_angstrom:g} Å or "
        f"{params.motion_z_max:g} times the series' scatter, when less than {params.fine_detail_ratio_min:g} of the "
        f"expected fine detail was left, when their correlation with their neighbours was below "
        f"{params.likeness_ratio_min:g} of what common signal, angles and thickness lead to expect, or when their "
        f"shift left their neighbours' by more than {params.shift_jump_max_angstrom:g} Å; tomograms of fewer than "
        f"{params.n_tilts_min} tilts or {params.tilt_range_min_deg:g}° were rejected, and every decision was logged "
        "with its author (tomoset)."
    )
