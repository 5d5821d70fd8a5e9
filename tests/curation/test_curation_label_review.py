"""What is said of labels: nothing is lost, everything can be taken back, and the state is what replaying gives."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoset.curation import (
    ConflictError,
    CurationEvent,
    CurationLog,
    LabelEvent,
    LabelItem,
    LabelReviewLog,
    apply_review,
    content_hash,
    gold_items,
    replay_labels,
)
from tomoset.errors import OutputError, ParameterError
from tomoset.model import Labels, Picks

CONTENT = content_hash(b"three picks")


def item(index=0, name="ribosome", content=CONTENT):
    return LabelItem(user="tool", session="1", object_name=name, index=index, content=content)


def said(action, index=0, actor="ada", **more):
    defaults = {"reject": {"reason": "gold"}, "uncertain": {"reason": "faint"}, "reclass": {"object_name": "vlp"}}
    defaults |= {"move": {"position_angstrom_xyz": (1.0, 2.0, 3.0)}, "create": {"position_angstrom_xyz": (9.0, 9, 9)}}
    which = more.pop("item", None) or item(index)
    return LabelEvent(run="TS1", item=which, action=action, actor=actor, **(defaults.get(action, {}) | more))


@pytest.fixture
def log(tmp_path):
    return LabelReviewLog(tmp_path / "Curation" / "project.db")


def state_of(log, which=None):
    return replay_labels(log.events()).get(("TS1", which or item()))


def test_everything_that_was_said_comes_back(log):
    event = said(
        "move",
        role="expert",
        rotation=tuple(np.eye(3).ravel()),
        reason="off by a subunit",
        tool="page",
        tool_version="1.2",
        params_hash="ab",
        tomogram_hash="cd",
        parents=("a/1/x/3@0123456789abcdef",),
        seconds_spent=2.5,
    )
    written = log.record(event)
    assert log.events() == (written,)
    assert log.events("TS2") == ()
    assert written.number == 1
    assert written.at.endswith("+00:00")
    assert LabelItem.parse(str(event.item)) == event.item


def test_the_last_word_counts_and_undo_takes_it_back_and_brings_it_again(log):
    log.record(said("accept"))
    rejected = log.record(said("reject", actor="bob"))
    assert state_of(log).word == "rejected"
    undo = log.record(said("undo", undoes=rejected.number))
    assert state_of(log).word == "accepted"
    log.record(said("undo", undoes=undo.number))
    assert (state_of(log).word, state_of(log).reason) == ("rejected", "gold")
    assert [who for who, _ in state_of(log).said_by] == ["ada", "bob"]


def test_a_locked_label_stays_until_its_lock_is_taken_back(log):
    log.record(said("accept", role="expert"))
    lock = log.record(said("lock", role="expert"))
    for action in ("accept", "move", "reclass", "reject", "lock"):
        with pytest.raises(ParameterError, match="locked"):
            log.record(said(action))
    assert [s.item for s in gold_items(replay_labels(log.events()))] == [item()]
    log.record(said("undo", undoes=lock.number))
    log.record(said("move"))
    assert state_of(log).position_angstrom_xyz == (1.0, 2.0, 3.0)
    assert gold_items(replay_labels(log.events())) == ()


def test_gold_needs_an_expert(log):
    log.record_all([said("accept"), said("lock"), said("accept", 1, role="expert"), said("lock", 1)])
    assert [s.item.index for s in gold_items(replay_labels(log.events()))] == [1]


def test_many_events_are_written_all_or_none(log):
    with pytest.raises(ParameterError, match="no event 99"):
        log.record_all([said("accept", 0), said("accept", 1), said("undo", 2, undoes=99)])
    assert log.events() == ()
    assert len(log.record_all([said("accept", i) for i in range(500)])) == 500


def test_a_change_by_somebody_else_is_noticed(log):
    first = log.record(said("accept"), after=0)
    log.record(said("reject", actor="bob"), after=first.number)
    with pytest.raises(ConflictError, match="changed by bob"):
        log.record(said("lock"), after=first.number)
    log.record(said("accept", 7), after=0)


def test_the_log_shares_a_file_with_the_verdicts_and_cannot_be_rewritten(log, tmp_path):
    path = tmp_path / "Curation" / "project.db"
    verdicts = CurationLog(path)
    verdicts.record(CurationEvent(run="TS1", kind="verdict", value="keep", who="ada"))
    log.record(said("accept"))
    assert (len(log.events()), len(verdicts.events())) == (1, 1)
    connection = sqlite3.connect(path)
    for statement in ("UPDATE label_event SET actor = 'eve'", "DELETE FROM label_event"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()
    (tmp_path / "text").write_text("not a database, but long enough to be taken for a broken one" * 20)
    with pytest.raises(OutputError, match="tomoset log"):
        LabelReviewLog(tmp_path / "text")


def test_what_could_not_be_replayed_is_refused(log):
    for wrong in (
        {"action": "move", "position_angstrom_xyz": None},
        {"action": "move", "position_angstrom_xyz": (1.0, float("nan"), 0.0)},
        {"action": "reclass", "object_name": ""},
        {"action": "reject", "reason": ""},
        {"action": "accept", "actor": ""},
        {"action": "accept", "role": "king"},
        {"action": "praise"},
        {"action": "undo"},
        {"action": "accept", "undoes": 3},
    ):
        with pytest.raises(ParameterError):
            said(**wrong)
    for text in ("a/b/c", "a/b/c/-1@0123456789abcdef", "a b/b/c/1@0123456789abcdef"):
        with pytest.raises(ParameterError, match="user/session/object/index@hash"):
            LabelItem.parse(text)
    new = LabelItem.created("token", "ada", "1", "vlp")
    log.record(said("create", item=new))
    with pytest.raises(ParameterError, match="expected a new label"):
        log.record(said("create", item=new))


def test_labels_come_to_their_present_state(log):
    picks = Picks(
        object_name="ribosome",
        positions_angstrom_xyz=np.arange(18.0).reshape(6, 3),
        rotations=np.tile(np.eye(3), (6, 1, 1)),
        scores=np.arange(6.0),
        score_kind="log-likelihood ratio",
    )
    labels = Labels(run="TS1", user="tool", session="1", voxel_size_angstrom=10.0, picks=(picks,))
    new = LabelItem.created("token", "tool", "1", "ribosome")
    log.record_all(
        [
            said("reject", 0),
            said("uncertain", 1),
            said("reclass", 2),
            said("move", 3),
            said("accept", 4),
            said("create", item=new),
            said("reject", 5, item=item(5, content=content_hash(b"an older file"))),
        ]
    )
    reviewed = apply_review(labels, {"ribosome": CONTENT}, replay_labels(log.events()))
    kept = reviewed.labels.of("ribosome")
    assert kept.positions_angstrom_xyz.tolist() == [[15, 16, 17], [1, 2, 3], [12, 13, 14], [9, 9, 9]]
    assert kept.scores.tolist() == [5, 3, 4, 5]
    assert kept.orientation_known.tolist() == [True, True, True, False]
    assert reviewed.labels.of("vlp").positions_angstrom_xyz.tolist() == [[6, 7, 8]]
    assert reviewed.labels.of("vlp").scores is None
    assert [p.positions_angstrom_xyz.tolist() for p in reviewed.uncertain] == [[[3, 4, 5]]]
    assert [len(p) for p in reviewed.rejected] == [1]
    untouched = apply_review(labels, {"ribosome": "0" * 16}, replay_labels(log.events()))
    assert len(untouched.labels.of("ribosome")) == 7  # what was said of another file's rows does not count


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["move", "reclass", "accept", "reject", "uncertain", "lock", "undo"]),
        st.integers(0, 1),
        st.sampled_from(["ada", "bob"]),
        st.integers(0, 30),
    ),
    max_size=15,
)


@settings(max_examples=10)
@given(_STEPS)
def test_state_is_what_doing_and_undoing_by_hand_gives(tmp_path_factory, steps):
    """Replay law: the state is that of the events that a plain definition of being in force leaves, each applied in
    turn. Undo law: taking back the last event gives the state before it."""
    log = LabelReviewLog(tmp_path_factory.mktemp("log") / "project.db")
    for action, index, actor, pick in steps:
        mine = [e for e in log.events() if e.item.index == index]
        more = {"position_angstrom_xyz": (float(pick), 0.0, 0.0)} if action == "move" else {}
        more |= {"object_name": f"class{pick}"} if action == "reclass" else {}
        if action == "undo":
            if not mine:
                continue
            more = {"undoes": mine[pick % len(mine)].number}
        before = replay_labels(log.events())
        event = said(action, index, actor, **more)
        state = before.get(("TS1", item(index)))
        opens = action == "undo" and any(e.number == event.undoes and e.action == "lock" for e in mine)
        if state is not None and state.locked and not opens:
            with pytest.raises(ParameterError, match="locked"):
                log.record(event)
            continue
        written = log.record(event)
        after = replay_labels(log.events())
        undo = log.record(said("undo", index, actor, undoes=written.number))
        assert replay_labels(log.events()) == before
        log.record(said("undo", index, actor, undoes=undo.number))
        assert replay_labels(log.events()) == after
    events = log.events()

    def in_force(event):
        return not any(e.undoes == event.number and in_force(e) for e in events)

    states = replay_labels(events)
    for index in (0, 1):
        mine = [e for e in events if e.item.index == index and e.action != "undo" and in_force(e)]
        if not mine:
            assert ("TS1", item(index)) not in states
            continue
        state = states["TS1", item(index)]
        words = [e.action for e in mine if e.action in {"accept", "reject", "uncertain"}]
        word = {"accept": "accepted", "reject": "rejected"}.get(words[-1], "uncertain") if words else "proposed"
        moved = [e.position_angstrom_xyz for e in mine if e.action == "move"]
        renamed = [e.object_name for e in mine if e.action == "reclass"]
        assert state.word == word
        assert state.locked == any(e.action == "lock" for e in mine)
        assert state.position_angstrom_xyz == (moved[-1] if moved else None)
        assert state.object_name == (renamed[-1] if renamed else "ribosome")
