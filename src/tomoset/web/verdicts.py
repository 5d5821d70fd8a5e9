"""The one thing people may write: a verdict on a tomogram, appended to the project's event log."""

import dataclasses
import getpass
from typing import Any, Literal

from tomoset.curation import REASONS, CurationEvent, CurationLog, Verdict
from tomoset.errors import ParameterError
from tomoset.workflow.curation_files import load_suggestion
from tomoset.workflow.layout import ProjectLayout

__all__ = ["author_name", "current_verdicts", "record_verdict", "verdict_facts"]

MAX_REASON = 500


def author_name() -> str:
    """Name that the log gets: that of the account which serves the page."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        return "unnamed"


def current_verdicts(layout: ProjectLayout) -> dict[str, Verdict]:
    """People's verdicts in force, by run."""
    return {verdict.run: verdict for verdict in _log(layout).current_verdicts()} if _has_log(layout) else {}


def verdict_facts(layout: ProjectLayout, run: str) -> dict[str, Any]:
    """What the rules suggest, what people said, and the words for reasons."""
    suggestion = load_suggestion(layout, run)
    events = [_event_facts(e) for e in _log(layout).events(run)] if _has_log(layout) else []
    verdict = current_verdicts(layout).get(run)
    return {
        "suggestion": suggestion and {"verdict": suggestion.verdict, "reason": suggestion.reason},
        "verdict": verdict
        and {"verdict": verdict.verdict, "reason": verdict.reason, "who": verdict.who, "at": verdict.at},
        "events": events,
        "last": events[-1]["number"] if events else 0,
        "reasons": list(REASONS),
    }


def record_verdict(
    layout: ProjectLayout,
    run: str,
    verdict: Literal["keep", "unsure", "reject"],
    *,
    reason: str,
    who: str,
    after: int | None,
) -> dict[str, Any]:
    """Append a verdict; returns the event as written.

    Parameters
    ----------
    layout : ProjectLayout
    run : str
        A run of the project.
    verdict : {"keep", "unsure", "reject"}
    reason : str
        Begins with one of the curation's words, save for "keep", which needs none.
    who : str
        Author.
    after : int or None
        Number of the last event that the author has seen (0 for none); None appends in any case.

    Raises
    ------
    ParameterError
        If the reason is missing, too long or begins with no known word.
    ConflictError
        If somebody else has judged the run since.
    """
    words = reason.strip()
    if len(words) > MAX_REASON:
        raise ParameterError(f"{run}: expected a reason of at most {MAX_REASON} signs, found {len(words)}; shorten it")
    if words.partition(":")[0].strip() not in REASONS and (words or verdict != "keep"):
        raise ParameterError(
            f"{run}: expected a reason that begins with one of {', '.join(REASONS)} (details follow after a colon), "
            f"found {words!r}"
        )
    event = CurationEvent(run=run, kind="verdict", value=verdict, who=who, reason=words, session="browse")
    return _event_facts(_log(layout).record(event, after=after))


def _has_log(layout: ProjectLayout) -> bool:
    """Whether anybody has judged anything: looking must not make the file."""
    return layout.curation_log.is_file()


def _log(layout: ProjectLayout) -> CurationLog:
    return CurationLog(layout.curation_log)


def _event_facts(event: CurationEvent) -> dict[str, Any]:
    return dataclasses.asdict(event)
