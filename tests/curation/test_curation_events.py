"""The log: nothing is lost between processes, nothing changes, and the state is what replaying gives."""

import multiprocessing
import sqlite3
from concurrent.futures import ProcessPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.curation import ConflictError, CurationEvent, CurationLog, Verdict, replay
from tomoset.errors import OutputError, ParameterError


def verdict(run="TS1", value="reject", reason="too thick", who="ada", **more):
    return CurationEvent(run=run, kind="verdict", value=value, reason=reason, who=who, **more)


@pytest.fixture
def log(tmp_path):
    return CurationLog(tmp_path / "Curation" / "events.sqlite")


def test_who_what_when_and_why_come_back(log):
    written = log.record(verdict(session="monday"))
    assert log.events() == (written,)
    assert written.number == 1
    assert written.at.endswith("+00:00")
    (state,) = log.current_verdicts()
    assert state == Verdict(run="TS1", verdict="reject", reason="too thick", who="ada", at=written.at)


def test_the_last_word_counts_and_can_be_taken_back_and_brought_again(log):
    log.record(verdict())
    second = log.record(verdict(value="keep", reason="", who="bob"))
    assert log.current_verdicts()[0].verdict == "keep"
    undo = log.record(CurationEvent(run="TS1", kind="undo", who="ada", undoes=second.number))
    assert log.current_verdicts()[0].verdict == "reject"
    log.record(CurationEvent(run="TS1", kind="undo", who="bob", undoes=undo.number))
    assert log.current_verdicts()[0].verdict == "keep"
    assert len(log.events()) == 4
    assert [v.who for v in log.current_verdicts("ada")] == ["ada"]


def test_tilts_are_judged_one_by_one(log):
    for tilt, value, reason in (("t1", "exclude", "drift"), ("t2", "exclude", "drift"), ("t1", "use", "")):
        log.record(CurationEvent(run="TS2", kind="tilt", tilt=tilt, value=value, reason=reason, who="ada"))
    log.record(CurationEvent(run="TS2", kind="note", value="pretty", who="ada"))
    (state,) = log.current_verdicts()
    assert state.verdict == "keep"
    assert {t.name: (t.use, t.reason) for t in state.tilts} == {"t1": (True, ""), "t2": (False, "drift")}


def test_a_change_by_somebody_else_is_noticed(log):
    first = log.record(verdict(), after=0)
    log.record(verdict(who="bob"), after=first.number)
    with pytest.raises(ConflictError, match="changed by bob"):
        log.record(verdict(value="keep", reason=""), after=first.number)
    log.record(verdict(run="TS9"), after=0)
    assert len(log.events("TS1")) == 2


def test_the_log_cannot_be_rewritten(log, tmp_path):
    log.record(verdict())
    connection = sqlite3.connect(tmp_path / "Curation" / "events.sqlite")
    for statement in ("UPDATE event SET who = 'eve'", "DELETE FROM event"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_decisions_without_author_object_or_reason_are_refused(log, tmp_path):
    for wrong in (
        {"value": "reject", "kind": "verdict", "who": "ada"},
        {"value": "maybe", "kind": "verdict", "who": "ada"},
        {"value": "keep", "kind": "verdict", "who": ""},
        {"value": "use", "kind": "tilt", "who": "ada"},
        {"kind": "undo", "who": "ada"},
    ):
        with pytest.raises(ParameterError):
            CurationEvent(run="TS1", **wrong)
    with pytest.raises(ParameterError, match="no event 77"):
        log.record(CurationEvent(run="TS1", kind="undo", who="ada", undoes=77))
    assert log.events() == ()
    (tmp_path / "text").write_text("not a database, but long enough to be taken for a broken one" * 20)
    with pytest.raises(OutputError, match="tomoset log"):
        CurationLog(tmp_path / "text")


def _write_many(path, who, n):
    log = CurationLog(path)
    return [log.record(verdict(run=f"TS{i % 5}", who=who, reason=f"other: {i}")).number for i in range(n)]


def test_two_processes_write_without_loss(tmp_path):
    path = tmp_path / "events.sqlite"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        numbers = [pool.submit(_write_many, path, who, 60) for who in ("ada", "bob")]
        written = [number.result(timeout=60) for number in numbers]
    events = CurationLog(path).events()
    assert sorted(written[0] + written[1]) == list(range(1, 121))
    for who in ("ada", "bob"):
        assert [e.reason for e in events if e.who == who] == [f"other: {i}" for i in range(60)]


_DECISIONS = st.lists(
    st.tuples(st.sampled_from(["A", "B"]), st.sampled_from(["verdict", "tilt", "undo"]), st.integers(0, 30)),
    max_size=30,
)


@settings(max_examples=15)
@given(_DECISIONS)
def test_state_is_what_doing_and_undoing_by_hand_gives(tmp_path_factory, decisions):
    """A straightforward interpreter that keeps a stack of what is in force agrees with the replay."""
    log = CurationLog(tmp_path_factory.mktemp("log") / "events.sqlite")
    for run, kind, pick in decisions:
        mine = log.events(run)
        if kind == "undo":
            if not mine:
                continue
            event = CurationEvent(run=run, kind="undo", who="ada", undoes=mine[pick % len(mine)].number)
        elif kind == "tilt":
            event = CurationEvent(
                run=run, kind="tilt", tilt=f"t{pick % 3}", value="exclude", reason=f"other: {pick}", who="ada"
            )
        else:
            event = verdict(run=run, reason=f"other: {pick}")
        log.record(event)
    events = log.events()

    def in_force(event):
        return not any(e.undoes == event.number and in_force(e) for e in events)

    expected = {}
    for event in filter(in_force, events):
        if event.kind != "undo":
            slot = event.tilt or "tomogram"
            expected.setdefault(event.run, {})[slot] = event.reason
    found = {
        v.run: {t.name: t.reason for t in v.tilts} | ({"tomogram": v.reason} if v.verdict == "reject" else {})
        for v in log.current_verdicts()
    }
    assert found == expected
    assert replay(events) == log.current_verdicts()
