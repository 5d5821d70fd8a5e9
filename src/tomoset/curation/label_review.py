"""Who proposed, accepted or changed which label: append-only events, from which the present state is replayed.

Labels files are never edited: what people say of a label is an event, and what holds now is what replaying them gives
(:mod:`tomoset.curation.label_states`).
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from tomoset.curation.events import ConflictError
from tomoset.curation.label_events import LabelAction, LabelEvent, LabelItem, ReviewRole, events_in_force
from tomoset.curation.log_file import log_connection
from tomoset.errors import ParameterError

__all__ = ["LabelReviewLog"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS label_event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, run TEXT NOT NULL, item TEXT NOT NULL,
    action TEXT NOT NULL, details TEXT NOT NULL, undoes INTEGER REFERENCES label_event (id)
);
CREATE INDEX IF NOT EXISTS label_event_run ON label_event (run, id);
CREATE INDEX IF NOT EXISTS label_event_item ON label_event (run, item, id);
CREATE TRIGGER IF NOT EXISTS label_event_no_update BEFORE UPDATE ON label_event
BEGIN SELECT RAISE (ABORT, 'the log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS label_event_no_delete BEFORE DELETE ON label_event
BEGIN SELECT RAISE (ABORT, 'the log is append-only'); END;
"""
_COLUMNS = "id, at, actor, role, run, item, action, details, undoes"
_IN_DETAILS = (
    "object_name",
    "position_angstrom_xyz",
    "rotation",
    "reason",
    "tool",
    "tool_version",
    "params_hash",
    "tomogram_hash",
    "parents",
    "seconds_spent",
)


class LabelReviewLog:
    """The label events of a project; they share the file of the verdicts (:class:`tomoset.curation.CurationLog`).

    Parameters
    ----------
    path : Path
        SQLite file; made when it does not exist. Several people and processes may append to it.

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

    def record(self, event: LabelEvent, *, after: int | None = None) -> LabelEvent:
        """Append one event; see :meth:`record_all`."""
        return self.record_all([event], after=after)[0]

    def record_all(self, events: Iterable[LabelEvent], *, after: int | None = None) -> tuple[LabelEvent, ...]:
        """Append events, all or none.

        Parameters
        ----------
        events : iterable of LabelEvent
            Numbers and times are given here.
        after : int or None
            Number of the last event of these items that the author has seen (0 for none); None to append in any case.

        Returns
        -------
        tuple of LabelEvent
            As they were written.

        Raises
        ------
        ConflictError
            If somebody has said something of one of the items since ``after``.
        ParameterError
            If an item is locked (only its lock can be taken back), or an undo names no event of its item.
        OutputError
            If the log cannot be written.
        """
        events = list(events)
        written: list[LabelEvent] = []
        with log_connection(self._path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for event in events:
                    known = _events_of_item(connection, event.run, event.item)
                    _check_allowed(event, known)
                    mine = {w.number for w in written}
                    newer = [k for k in known if after is not None and (k.number or 0) > after and k.number not in mine]
                    if newer:
                        raise ConflictError(
                            f"{event.item} was changed by {newer[-1].actor} at {newer[-1].at}; look again and repeat"
                        )
                    written.append(_insert(connection, event))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        return tuple(written)

    def events(self, run: str | None = None) -> tuple[LabelEvent, ...]:
        """All events in the order they were written, or those of one run."""
        where, values = ("", ()) if run is None else (" WHERE run = ?", (run,))
        with log_connection(self._path) as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM label_event{where} ORDER BY id", values)  # noqa: S608
            return tuple(_event(row) for row in rows.fetchall())


def _insert(connection: sqlite3.Connection, event: LabelEvent) -> LabelEvent:
    written = replace(event, at=datetime.now(UTC).isoformat(timespec="milliseconds"))
    details = {name: getattr(written, name) for name in _IN_DETAILS if getattr(written, name) not in (None, "", ())}
    cursor = connection.execute(
        f"INSERT INTO label_event ({_COLUMNS.removeprefix('id, ')}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            written.at,
            written.actor,
            written.role,
            written.run,
            str(written.item),
            written.action,
            json.dumps(details, sort_keys=True),
            written.undoes,
        ),
    )
    return replace(written, number=cursor.lastrowid)


def _events_of_item(connection: sqlite3.Connection, run: str, item: LabelItem) -> list[LabelEvent]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM label_event WHERE run = ? AND item = ? ORDER BY id",  # noqa: S608
        (run, str(item)),
    )
    return [_event(row) for row in rows.fetchall()]


def _check_allowed(event: LabelEvent, known: list[LabelEvent]) -> None:
    if event.undoes is not None and event.undoes not in {e.number for e in known}:
        raise ParameterError(f"{event.item}: there is no event {event.undoes} of this label to take back")
    locks = {e.number for e in events_in_force(known) if e.action == "lock"}
    if locks and event.undoes not in locks:
        raise ParameterError(
            f"{event.item} is locked; take back the lock (undo of event {max(n for n in locks if n)}) to change it"
        )
    if event.action == "create" and known:
        raise ParameterError(f"{event.item}: expected a new label, found one that was made before; use another name")


def _event(row: tuple[Any, ...]) -> LabelEvent:
    number, at, actor, role, run, item, action, details, undoes = row
    known = {each.name for each in fields(LabelEvent)}
    values = {name: value for name, value in json.loads(details).items() if name in known}
    for name in ("position_angstrom_xyz", "rotation", "parents"):
        if name in values:
            values[name] = tuple(values[name])
    return LabelEvent(
        run=str(run),
        item=LabelItem.parse(str(item)),
        action=cast("LabelAction", action),
        actor=str(actor),
        role=cast("ReviewRole", role),
        undoes=cast("int | None", undoes),
        number=cast("int", number),
        at=str(at),
        **values,
    )
