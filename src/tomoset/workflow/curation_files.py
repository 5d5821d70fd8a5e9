"""What the rules measured and would decide about a run, on disk; people's verdicts live in the event log."""

import dataclasses
import math
from pathlib import Path
from typing import Any

from tomoset.curation import Measurements, Verdict
from tomoset.formats.atomic import write_json_atomic
from tomoset.formats.json_documents import read_json, understood
from tomoset.workflow.layout import ProjectLayout

__all__ = ["Suggestion", "load_suggestion", "save_curation"]


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
