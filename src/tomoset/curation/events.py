"""Who decided what, when and why: an append-only log from which the present state is replayed."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast, get_args

from tomoset.curation.log_file import log_connection
from tomoset.curation.verdicts import TiltVerdict, Verdict, VerdictWord
from tomoset.errors import ParameterError, TomosetError

__all__ = ["ConflictError", "CurationEvent", "CurationLog", "EventKind", "replay"]

EventKind = Literal["verdict", "tilt", "note", "undo"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, who TEXT NOT NULL, session TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL,
    value TEXT NOT NULL, tilt TEXT NOT NULL, reason TEXT NOT NULL, undoes INTEGER REFERENCES event (id)
);
CREATE INDEX IF NOT EXISTS event_run ON event (run, id);
CREATE TRIGGER IF NOT EXISTS event_no_update BEFORE UPDATE ON event
BEGIN SELECT RAISE (ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS event_no_delete BEFORE DELETE ON event
BEGIN SELECT RAISE (ABORT, 'the log is append-only'); END;
"""
_COLUMNS = "id, at, who, session, run, kind, value, tilt, reason, undoes"


class ConflictError(TomosetError, RuntimeError):
    """Somebody else has changed the same run since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurationEvent:
    """One decision.

    Parameters
    ----------
    run : str
    kind : {"verdict", "tilt", "note", "undo"}
        On the tomogram, on one of its tilts, a remark, or taking back the event ``undoes``.
    value : str
        A verdict's "keep", "unsure" or "reject"; a tilt's "use" or "exclude"; the text of a note; empty for an undo.
    who : str
        Author.
    reason : str
        Why; needed for unsure, reject and exclude.
    tilt : str
        Name of the tilt, for a tilt event.
    session : str
        Round of work of the author.
    undoes : int or None
        Number of the event that is taken back. Taking back an undo brings its event into force again.
    number : int or None
        Given by the log.
    at : str
        UTC, ISO 8601; given by the log.

    Raises
    ------
    ParameterError
        If a part is missing or unknown.
    """

    run: str
    kind: EventKind
    value: str = ""
    who: str
    reason: str = ""
    tilt: str = ""
    session: str = ""
    undoes: int | None = None
    number: int | None = None
    at: str = ""

    def __post_init__(self) -> None:
        """Refuse a decision without author, object or reason."""
        allowed = {"verdict": get_args(VerdictWord), "tilt": ("use", "exclude")}.get(self.kind)
        if self.kind not in get_args(EventKind) or (allowed is not None and self.value not in allowed):
            raise ParameterError(
                f"{self.run}: expected a verdict (keep, unsure, reject), a tilt (use, exclude), a note or an undo; "
                f"found {self.kind} {self.value!r}"
            )
        missing = {
            "run": not self.run,
            "who": not self.who,
            "tilt": self.kind == "tilt" and not self.tilt,
            "reason": self.value in {"unsure", "reject", "exclude"} and self.kind != "note" and not self.reason,
            "undoes": (self.kind == "undo") != (self.undoes is not None),
        }
        if any(missing.values()):
            names = ", ".join(name for name, is_missing in missing.items() if is_missing)
            raise ParameterError(f"{self.run or 'event'}: a {self.kind} event has no proper {names}")


class CurationLog:
    """The event log of a project: one SQLite file that several people and processes may append to.

    Parameters
    ----------
    path : Path
        The file; made when it does not exist. It must lie on a file system with working locks (WAL does not work
        across machines on network file systems).

    Raises
    ------
    OutputError
        If the file cannot be made or is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with log_connection(self._path) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def record(self, event: CurationEvent, *, after: int | None = None) -> CurationEvent:
        """Append an event.

        Parameters
        ----------
        event : CurationEvent
            Its number and time are given here.
        after : int or None
            Number of the last event of the run that the author has seen (0 for none); None to append in any case.

        Returns
        -------
        CurationEvent
            As it was written.

        Raises
        ------
        ConflictError
            If the run has changed since ``after``.
        ParameterError
            If an undo names an event of another run or none.
        OutputError
            If the log cannot be written.
        """
        with log_connection(self._path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                _check_not_overtaken(connection, event, after)
                _check_undo(connection, event)
                written = replace(event, at=datetime.now(UTC).isoformat(timespec="milliseconds"))
                cursor = connection.execute(
                    f"INSERT INTO event ({_COLUMNS.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                    (
                        written.at,
                        written.who,
                        written.session,
                        written.run,
                        written.kind,
                        written.value,
                        written.tilt,
                        written.reason,
                        written.undoes,
                    ),
                )
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        return replace(written, number=cursor.lastrowid)

    def events(self, run: str | None = None) -> tuple[CurationEvent, ...]:
        """All events in the order they were written, or those of one run."""
        where, values = ("", ()) if run is None else (" WHERE run = ?", (run,))
        with log_connection(self._path) as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM event{where} ORDER BY id", values).fetchall()  # noqa: S608
        return tuple(_event(row) for row in rows)

    def current_verdicts(self, who: str | None = None) -> tuple[Verdict, ...]:
        """Verdicts in force, in the order of their runs' names; of one author only when ``who`` is given."""
        return replay(event for event in self.events() if who is None or event.who == who)


def _check_not_overtaken(connection: sqlite3.Connection, event: CurationEvent, after: int | None) -> None:
    if after is None:
        return
    last = connection.execute(
        "SELECT id, who, at FROM event WHERE run = ? ORDER BY id DESC LIMIT 1", (event.run,)
    ).fetchone()
    if last is not None and last[0] != after:
        raise ConflictError(f"{event.run} was changed by {last[1]} at {last[2]}; look at it again and repeat")


def _check_undo(connection: sqlite3.Connection, event: CurationEvent) -> None:
    if event.undoes is None:
        return
    found = connection.execute("SELECT run FROM event WHERE id = ?", (event.undoes,)).fetchone()
    if found is None or found[0] != event.run:
        raise ParameterError(f"{event.run}: there is no event {event.undoes} of this run to take back")


def _event(row: tuple[object, ...]) -> CurationEvent:
    number, at, who, session, run, kind, value, tilt, reason, undoes = row
    return CurationEvent(
        run=str(run),
        kind=cast("EventKind", kind),
        value=str(value),
        who=str(who),
        reason=str(reason),
        tilt=str(tilt),
        session=str(session),
        undoes=cast("int | None", undoes),
        number=cast("int", number),
        at=str(at),
    )


def replay(events: Iterator[CurationEvent] | tuple[CurationEvent, ...]) -> tuple[Verdict, ...]:
    """State that a sequence of events leads to.

    Parameters
    ----------
    events : iterable of CurationEvent
        In the order they were written.

    Returns
    -------
    tuple of Verdict
        One for each run with a verdict or judged tilts in force: the last verdict, and the last word on each tilt.
        A run with judged tilts only counts as kept.
    """
    by_run: dict[str, list[CurationEvent]] = {}
    for event in _in_force(list(events)):
        by_run.setdefault(event.run, []).append(event)
    return tuple(_state(run, by_run[run]) for run in sorted(by_run))


def _in_force(events: list[CurationEvent]) -> list[CurationEvent]:
    """Verdicts and tilts that no undo in force takes back, oldest first."""
    taken_back: set[int] = set()
    kept = []
    for event in reversed(events):  # an undo can only be taken back by a later one
        if event.number in taken_back:
            continue
        if event.undoes is not None:
            taken_back.add(event.undoes)
        elif event.kind != "note":
            kept.append(event)
    return kept[::-1]


def _state(run: str, events: list[CurationEvent]) -> Verdict:
    verdict: CurationEvent | None = None
    tilts: dict[str, TiltVerdict] = {}
    for event in events:
        if event.kind == "verdict":
            verdict = event
        else:
            tilts[event.tilt] = TiltVerdict(name=event.tilt, use=event.value == "use", reason=event.reason)
    said = verdict or events[-1]
    return Verdict(
        run=run,
        verdict=cast("VerdictWord", verdict.value) if verdict else "keep",
        reason=verdict.reason if verdict else "",
        tilts=tuple(tilts.values()),
        who=said.who,
        at=said.at,
    )
