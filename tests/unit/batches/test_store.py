"""Each step of a batch as a write: the same on moto's DynamoDB as in the simulation's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pipeline_triggers.batches.models import (
    Batch,
    Ending,
    Event,
    Mark,
    Pause,
    Phase,
    Rules,
    Slot,
    Target,
    Ticket,
    Turn,
)
from pipeline_triggers.batches.pauses import pause as set_pause
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.slots import sealed, tickets_of
from pipeline_triggers.batches.store import KEPT_MARKS, Store
from pipeline_triggers.batches.table import Changed, Table

from tests.simulation.batch_table import MemoryTable
from tests.simulation.invocation import RETENTION

NOW = 1_780_000_000.0
JOIN = Rules(expect=("amer", "emea"))
PIPELINE = Target("train")


def _moto() -> Iterator[Any]:
    with mock_aws():
        client = boto3.resource("dynamodb", region_name="eu-central-1").meta.client
        client.create_table(
            TableName="batches",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@pytest.fixture(params=["moto", "simulation"])
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """An empty table, of both kinds one after the other."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    if request.param == "simulation":
        yield Table(MemoryTable(lambda: NOW), "batches")
    else:
        for client in _moto():
            yield Table(client, "batches")


@pytest.fixture
def store(table: Table) -> Store:
    """The table's steps."""
    return Store(table)


def _event(name: str, part: str = "emea", message: str = "m1") -> Event:
    return Event(name, message, "t/a", "day", JOIN, {"bucket": "raw", "key": name}, part=part, at="1", size=10)


def _slot(rules: Rules = JOIN, id_: str = "b1") -> Slot:
    return Slot("t/a#k", id_, "t/a", "day", rules, 1, 10, frozenset(["emea"]), int(NOW), int(NOW))


def _opened(store: Store, rules: Rules = JOIN) -> Slot:
    store.open(_slot(rules), None, [_event("e1")], NOW)
    slot = store.slot("t/a#k")
    assert slot
    return slot


def _due(store: Store, rules: Rules = JOIN) -> tuple[Slot, Ticket]:
    slot = _opened(store, rules)
    store.know("train", NOW)
    (ticket,) = tickets_of(slot, [PIPELINE], NOW)
    store.make_due(slot, [ticket], "complete")
    due = store.slot("t/a#k")
    assert due
    return due, ticket


def _begun(store: Store) -> Turn:
    slot, ticket = _due(store)
    store.seal(slot, sealed(slot), NOW)
    turn = Turn(ticket, Phase.BEGUN, int(NOW), "n1")
    pipeline = store.pipeline("train")
    assert pipeline
    store.begin(turn, pipeline, counted=True)
    return turn


def _refused(write: Callable[[], None]) -> tuple[str, ...]:
    with pytest.raises(Changed) as changed:
        write()
    return changed.value.codes


FAILED = "ConditionalCheckFailed"


def test_an_opened_batch_is_read_as_it_was_written(store: Store) -> None:
    """The slot, its first member and the mark come in one write."""
    assert _opened(store) == _slot()
    assert store.marks(["e1", "e2"]) == {"e1": Mark("b1", "m1")}
    assert [member.data["key"] for member in store.members("b1")] == ["e1"]


def test_an_event_joins_and_counts(store: Store) -> None:
    """Count, size, parts and time of the slot follow."""
    slot = _opened(store)
    store.join(slot, [_event("e2", "amer"), _event("e3", "amer")], 100, NOW + 5)
    assert store.slot("t/a#k") == replace(
        slot, count=3, stored=30, parts=frozenset(["amer", "emea"]), last_at=int(NOW) + 5
    )


def test_an_event_that_was_joined_cancels_the_write(store: Store) -> None:
    """The codes say which mark it was; nothing else is written."""
    slot = _opened(store)
    codes = _refused(lambda: store.join(slot, [_event("e2"), _event("e1")], 100, NOW))
    assert [code == FAILED for code in codes] == [False, False, False, True, True]
    assert store.slot("t/a#k") == slot


def test_a_mark_outlives_the_messages_of_its_event() -> None:
    """Seven days in its queue, fourteen as a dead letter, and seven again after a redrive."""
    assert KEPT_MARKS > (RETENTION + 14 * 24 * 3600) + RETENTION


def test_a_batch_takes_no_more_than_it_may(store: Store) -> None:
    """The condition of the write counts, not what was read."""
    slot = _opened(store)
    store.join(slot, [_event("e2")], 2, NOW)
    assert _refused(lambda: store.join(slot, [_event("e3")], 2, NOW))[0] == FAILED


def test_a_batch_that_is_due_still_takes_events(store: Store) -> None:
    """Until its turn."""
    slot, _ = _due(store)
    store.join(slot, [_event("e2")], 100, NOW)
    assert store.slot("t/a#k") == replace(slot, count=2, stored=20)


def test_a_join_is_not_sealed_when_a_part_came_meanwhile(store: Store) -> None:
    """The parts that are remembered are those of its members."""
    slot, _ = _due(store)
    store.join(slot, [_event("e2", "amer")], 100, NOW)
    assert FAILED in _refused(lambda: store.seal(slot, sealed(slot), NOW))


def test_another_batch_is_sealed_although_it_grew(store: Store) -> None:
    """Nothing is decided by its count."""
    slot, _ = _due(store, Rules())
    store.join(slot, [_event("e2")], 100, NOW)
    store.seal(slot, sealed(slot), NOW)
    assert len(list(store.members("b1"))) == 2


def test_nothing_joins_a_sealed_batch(store: Store) -> None:
    """Its members are what was there when it was sealed."""
    slot, _ = _due(store)
    store.seal(slot, sealed(slot), NOW)
    assert FAILED in _refused(lambda: store.join(slot, [_event("e2")], 100, NOW))
    assert store.batch("b1") == Batch("b1", "t/a", "day", (PIPELINE,), expect=("amer", "emea"))


def test_nothing_joins_the_batch_after_the_one_that_was_read(store: Store) -> None:
    """Its members would be those of the batch before."""
    slot, _ = _due(store, Rules())
    store.seal(slot, sealed(slot), NOW)
    store.open(_slot(Rules(), "b2"), None, [_event("e2")], NOW)
    assert FAILED in _refused(lambda: store.join(slot, [_event("e3")], 100, NOW))


def test_a_batch_opens_only_after_the_last_one_that_was_read(store: Store) -> None:
    """An event that comes while a join is sealed corrects it."""
    slot, _ = _due(store)
    store.seal(slot, sealed(slot), NOW)
    assert FAILED in _refused(lambda: store.open(_slot(id_="b2"), None, [_event("e2")], NOW))
    _, lasts = store.slots(["t/a#k"])
    assert lasts["t/a#k"].parts == {"emea"}
    store.open(_slot(id_="b2"), lasts["t/a#k"], [_event("e2")], NOW)


def test_a_batch_becomes_due_once(store: Store) -> None:
    """Of two functions one writes the tickets."""
    slot, ticket = _due(store)
    assert FAILED in _refused(lambda: store.make_due(slot, [replace(ticket, ready_ms=1)], "quiet"))


def test_the_heads_are_the_oldest_ticket_of_each_trigger(store: Store) -> None:
    """Whatever waits behind them is not read."""
    for trigger, batch, ready_ms in (("t/b", "1", 5), ("t/a", "2", 9), ("t/a", "3", 7), ("t/a-b", "4", 8)):
        ticket = Ticket(PIPELINE, trigger, batch, ready_ms, run={"token": "x"})
        store.add_single(Batch(batch, trigger, "", (PIPELINE,)), ticket, "m")
    assert [ticket.batch for ticket in store.heads("train")] == ["3", "4", "1"]
    assert [ticket.run for ticket in store.heads("train")] == [{"token": "x"}] * 3


def test_a_start_without_interval_and_daily_limit_is_not_remembered(store: Store) -> None:
    """Only the pipeline's version changes."""
    _, ticket = _due(store)
    pipeline = store.pipeline("train")
    assert pipeline
    store.begin(Turn(ticket, Phase.BEGUN, int(NOW), "n1"), pipeline, counted=False)
    assert store.pipeline("train") == replace(pipeline, version=pipeline.version + 1)


def test_a_turn_counts_only_for_the_version_that_was_read(store: Store) -> None:
    """Of two functions that decide at once, one begins."""
    _, ticket = _due(store)
    pipeline = store.pipeline("train")
    assert pipeline
    turn = Turn(ticket, Phase.BEGUN, int(NOW), "n1")
    assert FAILED in _refused(lambda: store.begin(turn, replace(pipeline, version=7), counted=True))
    store.begin(turn, pipeline, counted=True)
    now = store.pipeline("train")
    assert now
    assert (now.version, now.starts) == (1, {"n1": int(NOW)})
    assert (store.heads("train"), store.turns("train")) == ([], [turn])


def test_an_undone_turn_is_a_ticket_again(store: Store) -> None:
    """In its place, its start not counted, the version raised."""
    turn = _begun(store)
    store.undo(turn, crashed=True)
    assert store.heads("train") == [replace(turn.ticket, tries=1)]
    pipeline = store.pipeline("train")
    assert pipeline
    assert (pipeline.version, pipeline.starts) == (2, {})


def test_a_finished_turn_is_tracked_and_noted(store: Store) -> None:
    """The batch has its verdict in the same write; a second attempt finds it there."""
    turn = _begun(store)
    store.finish(turn, "arn", NOW, track=True)
    assert store.turns("train") == [replace(turn, phase=Phase.RUNNING, execution="arn")]
    batch = store.batch("b1")
    assert batch
    assert batch.ends["train#0"]["outcome"] == "STARTED"
    assert FAILED in _refused(lambda: store.finish(turn, "other", NOW, track=True))


def test_a_turn_that_ends_without_a_start_is_not_counted(store: Store) -> None:
    """It stays until what follows from its end is carried out."""
    turn = _begun(store)
    ended = store.end_turn(turn, Ending.REJECTED, "why", NOW)
    assert store.turns("train") == [ended]
    store.forget(ended)
    assert store.turns("train") == []
    pipeline = store.pipeline("train")
    assert pipeline
    assert pipeline.starts == {}


def test_a_rejected_start_waits_again_after_a_fix(store: Store) -> None:
    """Its verdict is taken back; any other verdict stays."""
    turn = _begun(store)
    store.forget(store.end_turn(turn, Ending.REJECTED, "why", NOW))
    store.requeue(turn.ticket)
    assert store.heads("train") == [turn.ticket]
    assert FAILED in _refused(lambda: store.requeue(replace(turn.ticket, ready_ms=1)))


def test_forgotten_starts_leave_the_pipeline(store: Store) -> None:
    """A turn removes what is too old to count."""
    turn = _begun(store)
    store.undo(turn, crashed=False)
    pipeline = store.pipeline("train")
    assert pipeline
    store.begin(replace(turn, nonce="n2"), pipeline, counted=True)
    pipeline = store.pipeline("train")
    assert pipeline
    store.undo(replace(turn, nonce="n2"), crashed=False)
    pipeline = store.pipeline("train")
    assert pipeline
    store.begin(replace(turn, nonce="n3"), pipeline, counted=True, forget=["n2", "never"])
    pipeline = store.pipeline("train")
    assert pipeline
    assert pipeline.starts == {"n3": int(NOW)}


def test_the_first_note_of_the_files_counts(store: Store) -> None:
    """Attempts that crash may differ."""
    slot, _ = _due(store)
    batch = sealed(slot)
    store.seal(slot, batch, NOW)
    store.note_files(batch, {"manifest": "s3://one"})
    assert FAILED in _refused(lambda: store.note_files(batch, {"manifest": "s3://two"}))
    noted = store.batch("b1")
    assert noted
    assert noted.files == {"manifest": "s3://one"}


def test_an_event_that_is_not_collected_waits_once(store: Store) -> None:
    """A redelivery finds what it queued."""
    ticket = Ticket(PIPELINE, "t/a", "s1", 5, run={"token": "x"})
    batch = Batch("s1", "t/a", "", (PIPELINE,))
    store.add_single(batch, ticket, "m1")
    assert FAILED in _refused(lambda: store.add_single(batch, replace(ticket, ready_ms=6), "m2"))
    assert store.single("s1") == ("m1", {})


def test_a_dropped_batch_is_over_for_all_of_its_pipelines(store: Store) -> None:
    """Unless it became due meanwhile."""
    slot = _opened(store)
    turn = Turn(tickets_of(slot, [PIPELINE], NOW)[0], Phase.ENDING, int(NOW), "n", "", "FILTERED", "dropped")
    store.drop(slot, replace(sealed(slot), targets=(PIPELINE,)), [turn], NOW)
    batch = store.batch("b1")
    assert batch
    assert batch.ends["train#0"]["outcome"] == "FILTERED"
    assert store.slot("t/a#k") is None
    assert store.turns("train") == [turn]


def test_a_ticket_ends_only_where_it_waits(store: Store) -> None:
    """Somebody may have put it in front meanwhile, or its turn has come."""
    slot, ticket = _due(store)
    store.seal(slot, sealed(slot), NOW)
    store.force(ticket)
    turn = Turn(ticket, Phase.ENDING, int(NOW), "n", "", "FILTERED", "dropped")
    assert FAILED in _refused(lambda: store.end_ticket(turn, NOW))
    assert store.heads("train") == [replace(ticket, forced=True)]


def test_a_missed_deadline_is_noted_once(table: Table) -> None:
    """And reported by the one that noted it, or took that over."""
    records = Records(table)
    records.miss("t/a#k", NOW)
    assert FAILED in _refused(lambda: records.miss("t/a#k", NOW + 1))
    records.miss_again("t/a#k", int(NOW), NOW + 9)
    records.miss_reported("t/a#k")
    assert records.missed("t/a#k") == (int(NOW) + 9, True)
    assert FAILED in _refused(lambda: records.miss_again("t/a#k", int(NOW) + 9, NOW))


def test_a_pause_makes_void_what_was_decided_before(table: Table, store: Store) -> None:
    """A function that read the pipeline before it begins nothing after it."""
    _, ticket = _due(store)
    read = store.pipeline("train")
    assert read
    set_pause(Pause("all", "", None, "somebody", "month end", int(NOW)), store, Records(table))
    turn = Turn(ticket, Phase.BEGUN, int(NOW), "n1")
    assert FAILED in _refused(lambda: store.begin(turn, read, counted=False))


def test_a_pause_is_lifted_unless_it_was_set_anew(table: Table) -> None:
    """What a sweep read may be old."""
    records = Records(table)
    pause = Pause("trigger", "t/a", None, "somebody", "month end", int(NOW))
    records.set_pause(replace(pause, resumed=True))
    assert FAILED in _refused(lambda: records.lift(pause))
    assert records.pauses() == [replace(pause, resumed=True)]
    records.lift(replace(pause, resumed=True))
    assert records.pauses() == []


def test_an_old_batch_is_deleted_with_its_members(table: Table, store: Store) -> None:
    """And with what was remembered of it for late parts."""
    slot, _ = _due(store)
    store.seal(slot, sealed(slot), NOW)
    records = Records(table)
    assert records.old(NOW, 10) == []
    ((entry, batch, key),) = records.old(NOW + 1, 10)
    records.discard(entry, batch, key)
    assert (store.batch("b1"), list(store.members("b1")), store.slots(["t/a#k"])) == (None, [], ({}, {}))
    assert records.old(NOW + 1, 10) == []
