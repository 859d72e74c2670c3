"""What is written down of starts and deliveries: nothing starts twice, and nothing is given up for another reason."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import suppress
from dataclasses import replace

import pytest
from pipeline_triggers.delivery.decision import MAX_CRASHES, TIME_TO_DECIDE, UNKNOWN
from pipeline_triggers.errors import Undecided
from pipeline_triggers.models import Start, Trigger
from pipeline_triggers.starts import ledger
from pipeline_triggers.starts.ledger import LEASE, LISTING_BOUND

from tests.simulation.delivery_world import World
from tests.simulation.faults import BEGIN, COUNT, KEY, ONE, READ, START, TAKE_OVER, WHEN, Scenario, played, wrong
from tests.simulation.invocation import TIME_OUT, VISIBILITY

HOUR = 3600
ASKS = Trigger("team/asks", WHEN, (Start("train", {"Key": "{% $object.metadata.key %}"}),))
ONE_A_DAY = replace(ASKS, condition="{% $object.metadata.key = 'in/a' %}", dedupe="today")


def outcomes(world: World) -> list[tuple[str, str]]:
    """Return the final verdicts: message and outcome."""
    return [(verdict["message_id"], verdict["outcome"]) for verdict in world.final_verdicts()]


def work(world: World, until: float) -> None:
    """Let two functions take batches of up to ten until a moment."""

    def function() -> None:
        while world.sqs.queue and world.now < until:
            if visible := world.sqs.visible():
                world.deliver(*visible[:10])
            else:
                world.pass_time(max(0.01, world.sqs.next_visible_at() - world.now))

    world.clock.run([function, function])


@pytest.mark.parametrize("seconds_a_call", [0.2, 1.0])
@pytest.mark.parametrize("fault", ["throttled", "no connection"])
def test_hours_of_throttling_give_up_nothing(fault: str, seconds_a_call: float) -> None:
    """Retries take all of the function's time; a message that waited is not taken for one that crashed it."""
    world = World(ONE, lasting={START: fault})
    world.latency = lambda: seconds_a_call / 2
    with world.installed():
        for number in range(20):
            world.upload(f"in/{number}")
        work(world, until=world.now + 6 * HOUR)
        assert world.final_verdicts() == []
        assert world.sqs.quarantined == []
        world.lasting = {}
        work(world, until=world.now + HOUR)
    assert len(world.sagemaker.executions) == 20


def test_a_message_that_kills_the_function_takes_no_other_along() -> None:
    """Each message counts its own crashes: nine others of the batch have one verdict, however often they come again."""
    world = World(ONE)
    world.poison = {"in/9"}
    with world.installed():
        messages = [world.upload(f"in/{number}") for number in range(10)]
        while "m9" in world.sqs.queue:
            world.pass_time(world.sqs.next_visible_at() - world.now)
            # The batch comes back as a whole each time.
            world.deliver(*[message for message in messages if message in world.sqs.queue])
    reported = set(outcomes(world))
    assert reported == {*((message, "STARTED") for message in messages[:9]), ("m9", "REJECTED")}
    (sent,) = world.sqs.quarantined
    assert sent["MessageAttributes"]["reason"]["StringValue"] == UNKNOWN


def test_what_crashed_deliveries_started_keeps_its_verdict() -> None:
    """Though the first searches for it crash as well: each may time out while AWS is slow."""
    world = World(replace(ONE, start=tuple(Start(name, KEY) for name in "abc")))
    searches = range(1 + MAX_CRASHES, 5 + MAX_CRASHES)

    def kill(name: str) -> str:
        is_third = name == START and len(world.sagemaker.executions) == 2
        is_search = name == READ and world.crashes.get("m0") in searches
        return "killed before" if is_third or is_search else ""

    world.weather = kill
    with world.installed():
        world.upload("in/x")
        world.drain()
    assert world.crashes["m0"] == searches.stop
    verdicts = sorted((verdict["pipeline"], verdict["outcome"]) for verdict in world.final_verdicts())
    assert verdicts == [("a", "STARTED"), ("b", "STARTED"), ("c", "REJECTED")]


def test_what_was_started_keeps_its_verdict_though_another_pipeline_takes_all_the_time() -> None:
    """The second start is throttled for three days, so that no delivery has time to look at the third one again."""
    faults = {(START, 2): "conflict", (START, 3): "no reply"}
    world = World(replace(ONE, start=tuple(Start(name, KEY) for name in "abc")), faults=faults)
    with world.installed():
        world.upload("in/x")
        world.deliver("m0")
        assert [one["PipelineName"] for one in world.sagemaker.executions] == ["a", "c"]
        world.lasting = {START: "throttled"}
        world.latency = lambda: 0.5
        world.drain()
    verdicts = sorted((verdict["pipeline"], verdict["outcome"]) for verdict in world.final_verdicts())
    assert verdicts == [("a", "STARTED"), ("b", "REJECTED"), ("c", "STARTED")]


def test_a_message_whose_searches_crash_for_hours_is_given_up_with_what_to_do() -> None:
    """Nobody knows what it has started; a redrive finds that, and starts the rest."""
    world = World(ONE, lasting={READ: "killed before"}, faults={(START, 1): "killed after"})
    with world.installed():
        world.upload("in/x")
        world.drain()
        (sent,) = world.sqs.quarantined
        world.lasting = {}
        world.redrive()
        world.drain()
    assert sent["MessageAttributes"]["reason"]["StringValue"] == UNKNOWN
    assert [outcome for _, outcome in outcomes(world)] == ["REJECTED", "STARTED"]
    assert len(world.sagemaker.executions) == 1


def test_filtered_messages_of_a_crashing_batch_stay_filtered() -> None:
    """The ledger knows nothing of them; what was noted of the message does."""
    world = World(replace(ONE, condition="{% $object.key = 'in/9' %}"))
    world.poison = {"in/9"}
    with world.installed():
        messages = [world.upload(f"in/{number}") for number in range(10)]
        while "m9" in world.sqs.queue:
            world.pass_time(world.sqs.next_visible_at() - world.now)
            world.deliver(*[message for message in messages if message in world.sqs.queue])
    assert set(outcomes(world)) == {*((message, "FILTERED") for message in messages[:9]), ("m9", "REJECTED")}


def test_a_started_event_is_not_rejected_when_delivered_again() -> None:
    """Though its object is gone by then; neither is another message of the same event, nor one that crashes."""
    world = World(ASKS, faults={(START, 1): "killed after"})
    with world.installed():
        world.upload("in/x")
        world.deliver("m0")
        world.deleted = {"in/x"}
        world.upload("in/x")
        world.drain()
    assert sorted(outcome for _, outcome in outcomes(world)) == ["DUPLICATE", "STARTED"]
    assert world.sqs.quarantined == []


def test_a_filtered_event_is_no_duplicate_of_another_with_its_business_key() -> None:
    """Neither on its first delivery nor later, and it leaves alone what the other one's delivery is processing."""
    world = World(ONE_A_DAY, faults={(START, 1): "killed before"})
    with world.installed():
        world.upload("in/a")
        world.deliver("m0")
        world.upload("in/b")
        world.deliver("m1")
        assert outcomes(world) == [("m1", "FILTERED")]
        world.upload("in/c")
        world.deployed = False
        world.deliver("m2")
        world.deployed = True
        world.drain()
        world.upload("in/d")
        world.drain()
    assert outcomes(world)[1:] == [("m2", "FILTERED"), ("m0", "STARTED"), ("m3", "FILTERED")]


def test_what_was_filtered_stays_so_when_it_is_delivered_again() -> None:
    """The function died before SQS knew; what was looked up has changed since."""
    world = World(replace(ASKS, condition="{% $object.metadata.state = 'ready' %}"))
    with world.installed():
        message = world.upload("in/x")
        held = world.sqs.queue[message]
        world.deliver(message)
        world.sqs.queue[message] = held
        world.metadata = {"state": "ready"}
        world.drain()
        assert outcomes(world) == [("m0", "FILTERED"), ("m0", "FILTERED")]
        world.upload("in/x")
        world.drain()
    assert outcomes(world)[2:] == [("m1", "STARTED")]


def test_a_rejected_event_stays_rejected_when_delivered_again() -> None:
    """The function died before SQS knew; what was wrong has been fixed since."""
    world = World(ONE)
    with world.installed():
        message = world.upload("in/x")
        held = world.sqs.queue[message]
        world.sagemaker.missing = True
        world.deliver(message)
        world.sqs.queue[message] = held
        world.sagemaker.missing = False
        world.drain()
        assert outcomes(world) == [("m0", "REJECTED"), ("m0", "REJECTED")]
        assert len(world.sqs.quarantined) == 1
        world.redrive()
        world.drain()
    assert outcomes(world)[2:] == [("m1", "STARTED")]


def test_tls_that_breaks_after_a_start_repeats_nothing() -> None:
    """The service may have taken the request: only a search shows it."""
    world = played(World(ONE, honours_tokens=False, faults={(START, 1): "TLS broke"}), Scenario())
    assert wrong(world, Scenario()) is None
    assert world.next(START) == (START, 2)


def test_a_start_whose_beginning_got_no_answer_goes_on() -> None:
    """Botocore's retry of the conditional write meets what its first request has written; that is no other delivery."""
    world = World(ONE, faults={(BEGIN, 1): "answered late"})
    with world.installed():
        world.upload("in/x")
        world.deliver("m0")
    assert outcomes(world) == [("m0", "STARTED")]


def test_a_start_whose_taking_over_got_no_answer_goes_on() -> None:
    """The same for the write that takes over what another function has left."""
    world = World(ONE, faults={(START, 1): "killed before", (TAKE_OVER, 1): "answered late"})
    with world.installed():
        world.upload("in/x")
        world.deliver("m0")
        world.pass_time(VISIBILITY)
        world.deliver("m0")
    assert outcomes(world) == [("m0", "STARTED")]


def test_an_earlier_delivery_s_start_is_looked_for_again() -> None:
    """A start without an answer, then max_starts: the entry stays, by which the next delivery finds the execution."""
    late = LISTING_BOUND + 2 * VISIBILITY  # beyond the bound, so that only another search can find it
    world = World(ONE, honours_tokens=False, lag=late, faults={(START, 1): "no reply", (START, 2): "limit"})
    with world.installed():
        world.upload("in/x")
        world.deliver("m0")
        world.pass_time(VISIBILITY)
        world.deliver("m0")
        world.pass_time(late)
        world.drain()
    assert outcomes(world) == [("m0", "STARTED")]
    assert world.repeated() == []


def test_a_start_is_given_back_by_who_holds_it() -> None:
    """Botocore may delete twice: another delivery that has begun in between keeps its entry."""
    world = World(ONE)
    with world.installed():
        first = ledger.begin("token", "team/one", "m0", "occurrence")
        ledger.release(first)
        second = ledger.begin("token", "team/one", "m1", "occurrence")
        ledger.release(first)
        assert world.table.get_item({"id": "start#token"}, ConsistentRead=True)["Item"]["nonce"] == second.nonce


@pytest.mark.parametrize("clocks", list(itertools.product([-60, 0, 60], repeat=2)), ids=str)
def test_differing_clocks_start_nothing_twice(clocks: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks that are off by a minute: a start is taken over when its function is dead, and what it started listed."""
    first, second = clocks
    began = 1_800_000_000.4
    world = World(ONE)
    # Left before the world is, which puts back the real clock.
    with world.installed(), monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: began + first)
        ledger.begin("token", "team/one", "m0", "occurrence")
        waited = 0.0
        while True:
            patched.setattr(time, "time", lambda now=began + second + waited: now)
            with suppress(Undecided):
                ledger.begin("token", "team/one", "m1", "occurrence")
                break
            waited += 0.5
    assert TIME_OUT + LISTING_BOUND <= waited <= LEASE + 2 * 60 + 1


def test_a_count_whose_answer_is_lost_is_not_made_twice() -> None:
    """Else max_starts would be reached too early, or, taken back twice, be exceeded."""
    world = World(ONE, faults={(COUNT, 1): "no reply"})
    with world.installed():
        world.upload("in/x")
        world.deliver("m0")
        hour = world.table.get_item({"id": "hour#team/one#500000"}, ConsistentRead=True)
    assert hour["Item"]["starts"] == 1


def test_possible_starts_are_looked_for_beyond_the_age() -> None:
    """An event that is given up although its execution runs would get two verdicts."""
    world = World(ONE, honours_tokens=False, faults={(START, 1): "no reply"})
    with world.installed():
        world.upload("in/x")
        world.pass_time(72 * HOUR - 1)
        world.deliver("m0")
        world.pass_time(60)
        world.deliver("m0")  # too old now, and not known yet
        world.drain()
    assert outcomes(world) == [("m0", "STARTED")]


def test_a_table_that_never_answers_is_given_up_in_the_end() -> None:
    """With the reason, and before SQS forgets it."""
    calls = [READ, BEGIN]
    world = World(ONE, lasting=dict.fromkeys(calls, "no connection"))
    with world.installed():
        world.upload("in/x")
        world.pass_time(72 * HOUR)
        world.deliver("m0")
        assert outcomes(world) == []
        world.pass_time(TIME_TO_DECIDE)
        world.drain()
    ((_, outcome),) = outcomes(world)
    assert outcome == "REJECTED"


@pytest.mark.parametrize("room", [0, 10, 43, 44, 100])
def test_the_largest_body_is_quarantined_with_what_there_is_room_for(room: int) -> None:
    """SQS counts names and types of attributes, too; what has no room for a reason is kept without it."""
    world = World(ONE)
    with world.installed():
        body = json.dumps({"trigger": "team/gone", "event": {"id": "e", "detail": {"bucket": {"name": "raw"}}}})
        body += " " * (1_048_576 - room - len(body))
        world.sqs.send(body)
        world.drain()
    (sent,) = world.sqs.quarantined
    assert sent["MessageBody"] == body
    assert ("reason" in sent["MessageAttributes"]) == (room >= 43)
