"""How far each run is, and what it looks like in numbers."""

from dataclasses import dataclass

import numpy as np

from tomoset.curation import alignment_error_angstrom
from tomoset.workflow.curation_files import load_suggestion
from tomoset.workflow.label_files import count_picks
from tomoset.workflow.layout import ProjectLayout
from tomoset.workflow.plan import make_plan, planned_runs
from tomoset.workflow.recipe import Recipe
from tomoset.workflow.series_files import load_series

__all__ = ["SERIES_DOCUMENTS", "RunStatus", "project_status"]

SERIES_DOCUMENTS = ("series.json", "ctf.json", "motion.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One run in one row; None where a step has not run yet.

    Parameters
    ----------
    run : str
    steps_done, steps_total : int
    tilts_used, tilts_total : int or None
    motion_angstrom : float or None
        Median path length of the movies.
    defocus_angstrom : float or None
        At the tilt nearest 0°.
    tilt_axis_deg : float or None
    alignment_error_angstrom : float or None
        The alignment's own estimate of its error.
    verdict : str or None
        Of the rules: keep, unsure or reject.
    picks : dict of str to int
        Number of picks per object, of all authors.
    """

    run: str
    steps_done: int
    steps_total: int
    tilts_used: int | None = None
    tilts_total: int | None = None
    motion_angstrom: float | None = None
    defocus_angstrom: float | None = None
    tilt_axis_deg: float | None = None
    alignment_error_angstrom: float | None = None
    verdict: str | None = None
    picks: dict[str, int]

    def cells(self) -> list[str]:
        """The row as text for the terminal."""
        return [
            self.run,
            f"{self.steps_done}/{self.steps_total}",
            "–" if self.tilts_total is None else f"{self.tilts_used}/{self.tilts_total}",
            _text(self.motion_angstrom, "{:.1f}"),
            _text(None if self.defocus_angstrom is None else self.defocus_angstrom / 1e4, "{:.2f}"),
            _text(self.tilt_axis_deg, "{:.2f}"),
            _text(self.alignment_error_angstrom, "{:.1f}"),
            self.verdict or "–",
        ]


def project_status(layout: ProjectLayout, recipe: Recipe) -> tuple[RunStatus, ...]:
    """Status of every run."""
    plan = make_plan(layout, recipe)
    return tuple(
        _run_status(layout, run, [p.state == "done" for p in plan if p.run == run])
        for run in planned_runs(layout, recipe)
    )


def _run_status(layout: ProjectLayout, run: str, done: list[bool]) -> RunStatus:
    folder = layout.series(run)
    document = next((name for name in SERIES_DOCUMENTS if (folder / name).is_file()), None)
    suggestion = load_suggestion(layout, run)
    facts: dict[str, float | int] = {}
    if document is not None:
        series = load_series(folder, document)
        facts = {"tilts_used": len(series.used), "tilts_total": len(series.tilts)}
        paths = [tilt.motion.total_angstrom for tilt in series.tilts if tilt.motion is not None]
        if paths:
            facts["motion_angstrom"] = float(np.median(paths))
        middle = series.tilts[int(np.argmin(np.abs(series.nominal_tilt_deg)))]
        if middle.ctf is not None:
            facts["defocus_angstrom"] = middle.ctf.defocus_angstrom
        if series.geometry is not None:
            facts["tilt_axis_deg"] = float(np.median(series.geometry.z_rot_deg))
            error = alignment_error_angstrom(series.diagnostics or {})
            if error is not None:
                facts["alignment_error_angstrom"] = error
    return RunStatus(
        run=run,
        steps_done=sum(done),
        steps_total=len(done),
        verdict=None if suggestion is None else suggestion.verdict,
        picks=count_picks(layout, run),
        **facts,  # type: ignore[arg-type]
    )


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
