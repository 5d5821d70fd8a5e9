"""What the rules measured and would decide about a run, on disk; people's verdicts live in the event log."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from tomoset.curation import CurationLog, Measurements, Verdict
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.workflow.layout import ProjectLayout

__all__ = ["Suggestion", "load_suggestion", "people_on_tilts", "save_curation", "words_on_tilts"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """The rules' word on a run: keep, unsure or reject, and why."""

    verdict: str
    reason: str


def save_curation(layout: ProjectLayout, run: str, measurements: Measurements, verdict: Verdict) -> Path:
    """Write measurements and the rules' suggestion."""
    document = {"measurements": dataclasses.asdict(measurements), "suggestion": dataclasses.asdict(verdict)}
    return write_json_atomic(layout.curation(run), _without_nan(document))


def _without_nan(value: Any) -> Any:
    """A number that is not defined (the correlation of empty halves) is null in JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_suggestion(layout: ProjectLayout, run: str) -> Suggestion | None:
    """The rules' suggestion; None before they were asked.

    Raises
    ------
    FormatError
        If the document is damaged.
    """
    path = layout.curation(run)
    if not path.is_file():
        return None
    document = read_json(path)
    with understood(path):
        return Suggestion(verdict=document["suggestion"]["verdict"], reason=document["suggestion"]["reason"])


def people_on_tilts(layout: ProjectLayout, run: str) -> Verdict | None:
    """What people said of single tilts of a run; None where nobody did."""
    if not layout.curation_log.is_file():
        return None
    said = [verdict for verdict in CurationLog(layout.curation_log).current_verdicts() if verdict.run == run]
    return said[0] if said and said[0].tilts else None


def words_on_tilts(layout: ProjectLayout, run: str) -> dict[str, str]:
    """The same as an input of a step: what people say of a tilt changes what is made of the series."""
    said = people_on_tilts(layout, run)
    if said is None:
        return {}
    return {f"tilt {tilt.name}": "use" if tilt.use else f"exclude: {tilt.reason}" for tilt in said.tilts}
