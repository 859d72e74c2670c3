"""Events of triggers with ``collect`` on their way into batches, and starts that wait in line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.table import Table
from pipeline_triggers.delivery.collecting import MAX_EVENT_BYTES
from pipeline_triggers.models import Collect, Limits, Part, Start, Trigger, When

from tests.simulation.delivery_world import World

UPLOADS = When("s3", {"bucket": "raw"})
PLAIN = Trigger("team/one", UPLOADS, (Start("train", {"Key": "{% $object.key %}"}),))
COLLECTING = replace(PLAIN, start=(Start("train", {"Files": "{% $batch.count %}"}),), collect=Collect())
BY_FOLDER = replace(COLLECTING, collect=Collect(by="{% $split($object.key, '/')[0] %}"))


@pytest.fixture
def world() -> Iterator[World]:
    """A world around the handler, with a trigger that collects."""
    made = World(COLLECTING)
    with made.installed():
        yield made


def verdicts(world: World) -> list[tuple[str, str | None]]:
    """Return outcome and batch of the verdicts that were reported."""
    return [(line["outcome"], line.get("batch")) for line in world.log if line["message"] == "verdict"]


def outcomes(world: World) -> list[str]:
    """Return the outcomes that were reported."""
    return [outcome for outcome, _ in verdicts(world)]


def slots(world: World) -> list[dict[str, Any]]:
    """Return the open batches."""
    return list(world.batches.items("open"))


def pause(world: World, kind: str = "all", name: str = "") -> None:
    """Pause, as ``triggers pause`` does."""
    Records(Table(world.batches, "batches")).set_pause(Pause(kind, name, None, "me", "month-end", int(world.now)))


def test_the_events_of_an_sqs_batch_join_in_one_transaction(world: World) -> None:
    """Ten messages of one batch cost four calls to DynamoDB: the ledger, the slot, the transaction, the records."""
    assert world.deliver(*(world.upload(f"day/{number}") for number in range(10)))
    assert [name for name, _ in world.calls] == ["BatchGetItem", "BatchGetItem", "TransactWriteItems", "BatchWriteItem"]
    ((outcome, batch),) = set(verdicts(world))
    (slot,) = slots(world)
    assert (outcome, batch, slot["count"]) == ("COLLECTED", slot["id"], 10)
    assert world.sagemaker.executions == []


def test_ten_events_of_ten_batches_cost_two_calls_each_at_most() -> None:
    """The ledger is asked once for all of them, and so are the slots."""
    world = World(BY_FOLDER)
    with world.installed():
        world.deliver(*(world.upload(f"{number}/part") for number in range(10)))
    assert len(world.calls) <= 20
    assert len(slots(world)) == 10


def test_a_repeated_delivery_joins_nothing_more(world: World) -> None:
    """The same message says the same again; another message of the same event is a duplicate."""
    world.faults = {("TransactWriteItems", 1): "killed after"}
    first = world.upload("day/a")
    assert not world.deliver(first)
    world.pass_time(1000)
    world.deliver(first, world.upload("day/a"))
    (slot,) = slots(world)
    assert sorted(verdicts(world)) == [("COLLECTED", slot["id"]), ("DUPLICATE", slot["id"])]
    assert slot["count"] == 1


def test_what_was_collected_is_not_refused_when_it_is_delivered_again(world: World) -> None:
    """A deploy in between may judge it otherwise, but its batch has it."""
    for changed in (replace(COLLECTING, collect=Collect(by="$.none")), replace(COLLECTING, condition="{% false %}")):
        world.faults = {("TransactWriteItems", world.next("TransactWriteItems")[1]): "killed after"}
        message = world.upload(f"day/{changed.condition}")
        world.trigger = COLLECTING
        assert not world.deliver(message)
        world.trigger = changed
        world.pass_time(1000)
        world.deliver(message)
    assert outcomes(world) == ["COLLECTED", "COLLECTED"]


def test_a_copy_in_the_same_sqs_batch_is_a_duplicate(world: World) -> None:
    """One item twice would cancel the whole transaction."""
    world.deliver(world.upload("day/a"), world.upload("day/a"), world.upload("day/b"))
    assert sorted(outcomes(world)) == ["COLLECTED", "COLLECTED", "DUPLICATE"]
    assert slots(world)[0]["count"] == 2


def test_what_was_started_before_the_trigger_collected_joins_no_batch() -> None:
    """A redrive after such a deploy runs nothing twice."""
    world = World(PLAIN)
    with world.installed():
        world.deliver(world.upload("day/a"))
        world.trigger = COLLECTING
        world.deliver(world.upload("day/a"), world.upload("day/b"))
    assert outcomes(world) == ["STARTED", "DUPLICATE", "COLLECTED"]
    assert slots(world)[0]["count"] == 1


def test_an_event_whose_by_can_t_be_computed_is_quarantined_alone() -> None:
    """The others of its SQS batch join theirs."""
    by_part = replace(COLLECTING, collect=Collect(by="{% $split($object.key, '/')[1] %}"))
    world = World(by_part)
    with world.installed():
        world.deliver(world.upload("flat"), world.upload("day/a"))
    assert sorted(outcomes(world)) == ["COLLECTED", "REJECTED"]
    assert len(world.sqs.quarantined) == 1
    assert len(slots(world)) == 1


def test_a_table_that_can_t_be_written_lets_all_come_back(world: World) -> None:
    """Nothing is said that is not so, and nothing is lost."""
    world.lasting = {"TransactWriteItems": "throttled"}
    messages = [world.upload("day/a"), world.upload("day/b")]
    world.deliver(*messages)
    assert outcomes(world) == ["WAITING", "WAITING"]
    world.lasting = {}
    world.drain()
    assert outcomes(world)[2:] == ["COLLECTED", "COLLECTED"]
    assert slots(world)[0]["count"] == 2


def test_a_message_that_crashed_a_function_comes_last_and_alone(world: World) -> None:
    """The good ones are ended before it, so that they count no further crash."""
    poison, *good = (world.upload(f"day/{name}") for name in ("poison", "a", "b", "c"))
    world.poison = {"day/poison"}
    for _ in range(2):
        assert not world.deliver(*good, poison)
        world.pass_time(1000)
    world.deliver(*good, poison)
    assert outcomes(world) == ["COLLECTED"] * 3


def test_the_first_part_of_several_sources_opens_a_join() -> None:
    """The message names its part; what is expected are all of them."""
    join = Trigger(
        "team/all",
        When("all", {}),
        PLAIN.start,
        collect=Collect(late="new"),
        all_of={"data": Part(UPLOADS), "labels": Part(When("s3", {"bucket": "raw", "key": "labels/*"}))},
    )
    world = World(join)
    with world.installed():
        key = "labels/x"
        event = {"id": "e", "detail": {"bucket": {"name": "raw"}, "object": {"key": key, "etag": "e"}}}
        body = {"trigger": join.id, "part": "labels", "event": event}
        message = world.sqs.send(json.dumps(body), 0)
        world.deliver(message)
    assert outcomes(world) == ["COLLECTED"]
    (slot,) = slots(world)
    assert (slot["parts"], slot["rules"]["expect"]) == ({"labels"}, ["data", "labels"])


def test_a_dry_run_leaves_no_mark(world: World) -> None:
    """Switched off, the same event is collected for good."""
    world.trigger = replace(COLLECTING, dry_run=True)
    world.deliver(world.upload("day/a"))
    world.trigger = COLLECTING
    world.deliver(world.upload("day/a"))
    assert outcomes(world) == ["COLLECTED", "COLLECTED"]
    assert [slot["rules"]["dry_run"] for slot in slots(world)].count(True) == 1


def test_an_event_that_is_too_large_for_a_batch_is_rejected(world: World) -> None:
    """Its batch would have to hold it for as long as it waits."""
    world.trigger = replace(COLLECTING, collect=Collect(by="{% $object.metadata.key %}"))
    world.metadata = {"long": "x" * MAX_EVENT_BYTES}
    world.deliver(world.upload("day/a"))
    (line,) = [line for line in world.log if line["message"] == "verdict"]
    assert line["outcome"] == "REJECTED"
    assert "a batch keeps 262144 of an event" in line["reason"]


# ---- Starts that wait in line


def test_a_start_looks_for_pauses_once_in_thirty_seconds() -> None:
    """Nothing else is asked for more than before there were batches and records."""
    world = World(PLAIN)
    with world.installed():
        world.deliver(*(world.upload(f"day/{number}") for number in range(5)))
        assert [name for name, _ in world.calls].count("Query") == 1
        world.pass_time(31)
        world.deliver(world.upload("day/later"))
        assert [name for name, _ in world.calls].count("Query") == 2
    assert len(world.sagemaker.executions) == 6
    others = {name.partition(" ")[0] for name, _ in world.calls} - {"Query"}
    assert others == {"PutItem", "UpdateItem", "DescribePipeline", "StartPipelineExecution", "BatchWriteItem"}


@pytest.mark.parametrize(
    ("kind", "name", "waits"),
    [("all", "", True), ("trigger", "team/one", True), ("pipeline", "train", True), ("pipeline", "other", False)],
)
def test_a_paused_start_waits_in_line(kind: str, name: str, waits: bool) -> None:
    """It is not given back to SQS, where it would expire."""
    world = World(PLAIN)
    with world.installed():
        pause(world, kind, name)
        message = world.upload("day/a")
        world.deliver(message)
        assert message not in world.sqs.queue
    assert outcomes(world) == ["WAITING" if waits else "STARTED"]
    assert bool(world.sagemaker.executions) is not waits
    assert world.steps == ([{"pipeline": "train"}] if waits else [])


def test_every_start_of_a_limited_pipeline_waits_in_line() -> None:
    """Its start is computed when the event comes, and stored; a repeated delivery stores nothing more."""
    world = World(PLAIN)
    world.limits = {"train": Limits(max_running=1)}
    with world.installed():
        first = world.upload("day/a")
        world.deliver(first)
        world.deliver(world.upload("day/a"))
    assert outcomes(world) == ["WAITING", "DUPLICATE"]
    (ticket,) = world.batches.items("queue#train")
    assert json.loads(ticket["run"])["parameters"] == {"Key": "day/a"}
    assert world.sagemaker.executions == []


def test_what_was_started_before_there_was_a_limit_does_not_wait() -> None:
    """A redrive after such a deploy takes no turn."""
    world = World(PLAIN)
    with world.installed():
        world.deliver(world.upload("day/a"))
        world.limits = {"train": Limits(max_running=1)}
        world.deliver(world.upload("day/a"))
    assert outcomes(world) == ["STARTED", "DUPLICATE"]
    assert list(world.batches.items("queue#train")) == []


def test_a_pause_comes_into_force_before_a_retry() -> None:
    """A start that is throttled is not retried past it, and is not lost."""
    world = World(PLAIN)

    def throttled_and_paused(name: str) -> str:
        if name != "StartPipelineExecution":
            return ""
        pause(world)
        return "throttled"

    world.weather = throttled_and_paused
    with world.installed():
        message = world.upload("day/a")
        world.deliver(message)
    assert message not in world.sqs.queue
    assert outcomes(world) == ["WAITING"]
    assert len(list(world.batches.items("queue#train"))) == 1
