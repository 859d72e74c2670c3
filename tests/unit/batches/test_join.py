"""Events join their batches: alone, many at once, again, late, too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.batches.join import Joined, Joining, collect
from pipeline_triggers.batches.models import Event, Late, Rules, Target
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.rules import slot_key
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.slots import seal, visit
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table

from tests.simulation.batch_table import MemoryTable, error

PLAIN = Rules(max_events=1000)
JOIN = Rules(expect=("amer", "emea"), max_open=None)


class Counting:
    """The simulation's table, with its calls counted, and conflicts where a test wants them."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0
        self.calls: Counter[str] = Counter()
        self.conflicts = 0
        self.table = MemoryTable(lambda: self.now, self._conflict)
        self.sent: list[Any] = []

    def _conflict(self) -> bool:
        self.conflicts -= 1
        return self.conflicts >= 0

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls[name] += 1
            return getattr(self.table, name)(**arguments)

        return call


class Documents:
    """All triggers start one pipeline."""

    def targets(self, trigger: str) -> tuple[Target, ...]:
        """Return it."""
        assert trigger
        return (Target("train"),)


class Outside:
    """Keeps the messages."""

    def __init__(self, sent: list[Any]) -> None:
        self._sent = sent

    def send(self, messages: Sequence[Any]) -> None:
        """Keep them."""
        self._sent += messages


@pytest.fixture
def counting() -> Counting:
    """An empty table."""
    return Counting()


@pytest.fixture
def services(counting: Counting) -> Services:
    """What joining needs."""
    table = Table(counting, "batches")
    anything: Any = Documents(), Outside(counting.sent)
    return Services(
        store=Store(table),
        records=Records(table),
        documents=anything[0],
        door=anything[0],
        outside=anything[1],
        now=lambda: counting.now,
        time_left=lambda: 100.0,
        sleep=lambda _: None,
    )


def _events(count: int, rules: Rules = PLAIN, by: str = "day", part: str = "", first: int = 0) -> list[Event]:
    return [
        Event(f"{by}-{number}", f"m{number}", "t/a", by, rules, {"number": number}, part=part)
        for number in range(first, first + count)
    ]


def _what(results: Sequence[Joined]) -> list[str]:
    return [result.joining for result in results]


def test_ten_events_of_one_batch_take_two_calls(services: Services, counting: Counting) -> None:
    """One read, one write."""
    assert _what(collect(_events(10), services)) == ["COLLECTED"] * 10
    assert counting.calls.total() == 2


def test_ten_events_of_ten_batches_take_eleven_calls(services: Services, counting: Counting) -> None:
    """One read for all, one write each: no more than two calls per event."""
    collect([event for by in range(10) for event in _events(1, by=str(by))], services)
    assert counting.calls.total() == 11


def test_an_event_twice_in_one_sqs_batch_joins_once(services: Services) -> None:
    """The second message brings a duplicate; the same message is the same event."""
    (event,) = _events(1)
    results = collect([event, replace(event, message="other"), event], services)
    assert _what(results) == ["COLLECTED", "DUPLICATE", "COLLECTED"]
    assert len({result.batch for result in results}) == 1


def test_a_redelivered_event_stays_where_it_is(services: Services) -> None:
    """The others of its SQS batch join."""
    (first,) = collect(_events(1), services)
    results = collect(_events(3), services)
    assert _what(results) == ["COLLECTED"] * 3
    assert {result.batch for result in results} == {first.batch}
    slot = services.store.slot(slot_key("t/a", "day"))
    assert slot
    assert slot.count == 3


def test_a_conflict_is_retried(services: Services, counting: Counting) -> None:
    """However often, within reason."""
    counting.conflicts = 20
    assert _what(collect(_events(3), services)) == ["COLLECTED"] * 3


def test_a_batch_in_the_way_of_all_others_leaves_its_events_to_sqs(services: Services, counting: Counting) -> None:
    """They are retried, not lost."""
    counting.conflicts = 10_000
    assert _what(collect(_events(2), services)) == ["RETRY", "RETRY"]


def test_a_failure_at_one_batch_leaves_the_others_alone(services: Services, counting: Counting) -> None:
    """Each batch has its own write."""
    write = counting.table.transact_write_items

    def failing(TransactItems: list[Any]) -> None:  # noqa: N803 - boto3's name
        if counting.calls["transact_write_items"] == 1:
            raise error("InternalServerError", "TransactWriteItems")
        write(TransactItems)

    counting.table.transact_write_items = failing  # type: ignore[method-assign]
    assert _what(collect([*_events(1, by="a"), *_events(1, by="b")], services)) == ["RETRY", "COLLECTED"]


@pytest.mark.parametrize("most", [2, 3, 7, 49, 50, 100])
def test_a_batch_closes_at_exactly_its_most_events(services: Services, most: int) -> None:
    """Whatever comes in one SQS batch is divided."""
    rules = replace(PLAIN, max_events=most)
    results = [joined for start in range(0, 130, 10) for joined in collect(_events(10, rules, first=start), services)]
    sizes = list(Counter(result.batch for result in results).values())
    assert _what(results) == ["COLLECTED"] * 130
    assert sizes == [most] * (130 // most) + [130 % most] * bool(130 % most)
    assert len(list(services.store.tickets("train"))) >= 130 // most - 1


def test_the_last_part_asks_for_a_look_at_its_batch(services: Services, counting: Counting) -> None:
    """Before the sweep comes."""
    collect(_events(1, JOIN, part="amer"), services)
    assert counting.sent == []
    collect(_events(1, JOIN, part="emea", first=1), services)
    assert counting.sent == [{"slot": slot_key("t/a", "day")}]


@pytest.mark.parametrize("expect", [("amer", "emea"), 2, 3], ids=str)
def test_a_slot_stays_small_whatever_parts_come(services: Services, expect: tuple[str, ...] | int) -> None:
    """Parts that are not expected join, and the item keeps none of them: DynamoDB takes 400 KB."""
    rules = replace(JOIN, expect=expect)
    for number, part in enumerate(("amer", "emea")):
        collect(_events(1, rules, part=part, first=100_000 + number), services)
    for first in range(0, 9000, 45):
        events = [replace(event, part=f"{event.mark:*<64}") for event in _events(45, rules, first=first)]
        assert set(_what(collect(events, services))) == {"COLLECTED"}
    slot = services.store.slot(slot_key("t/a", "day"))
    assert slot
    assert slot.count == 9002
    assert slot.parts >= {"amer", "emea"}
    assert len(slot.parts) <= 2 + 45


def _complete(services: Services, rules: Rules) -> str:
    collect(_events(1, rules, part="amer"), services)
    (joined,) = collect(_events(1, rules, part="emea", first=1), services)
    visit(slot_key("t/a", "day"), services)
    seal(joined.batch, slot_key("t/a", "day"), services)
    return joined.batch


def test_a_late_part_opens_a_correction(services: Services) -> None:
    """It refers to the batch before, whose parts it has."""
    before = _complete(services, JOIN)
    (late,) = collect(_events(1, JOIN, part="amer", first=2), services)
    slot = services.store.slot(slot_key("t/a", "day"))
    assert slot
    assert late.batch != before
    assert (slot.revision, slot.previous, slot.inherited) == (2, before, frozenset({"amer", "emea"}))


def test_a_late_part_may_open_a_new_batch(services: Services) -> None:
    """Which knows nothing of the one before."""
    rules = replace(JOIN, late=Late.NEW)
    _complete(services, rules)
    collect(_events(1, rules, part="amer", first=2), services)
    slot = services.store.slot(slot_key("t/a", "day"))
    assert slot
    assert (slot.revision, slot.previous, slot.inherited) == (1, "", frozenset())


def test_a_late_part_may_be_ignored(services: Services) -> None:
    """FILTERED, unless it was joined in time and is delivered again."""
    rules = replace(JOIN, late=Late.IGNORE)
    before = _complete(services, rules)
    results = collect([*_events(1, rules, part="amer", first=2), *_events(1, rules, part="amer")], services)
    assert _what(results) == ["FILTERED", "COLLECTED"]
    assert results[1].batch == before


def test_a_dry_run_leaves_the_events_to_the_real_one(services: Services) -> None:
    """It has batches of its own; the caller gives its events marks of their own."""
    dry = [replace(event, mark=f"dry {event.mark}") for event in _events(1, replace(PLAIN, dry_run=True))]
    (tried,) = collect(dry, services)
    (real,) = collect(_events(1), services)
    assert (tried.joining, real.joining) == (Joining.COLLECTED, Joining.COLLECTED)
    assert tried.batch != real.batch
