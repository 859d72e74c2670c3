"""Faults at any call to AWS: an event starts once, and ends with its verdict. ``make faults`` tries many more."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from pipeline_triggers import aws
from pipeline_triggers.delivery import attempts
from pipeline_triggers.delivery.decision import MAX_CRASHES, TIME_TO_FINISH
from pipeline_triggers.errors import Waiting
from pipeline_triggers.models import Outcome, Start, Trigger, Verdict
from pipeline_triggers.operations.redrive import HIDDEN
from pipeline_triggers.starts import definition, ledger
from pipeline_triggers.starts.ledger import LISTING_BOUND

from tests.simulation.delivery_world import At, World
from tests.simulation.dynamodb_model import Table
from tests.simulation.faults import (
    ATTEMPT,
    BEFORE,
    BEGIN,
    CALLS,
    COUNT,
    HARDEST,
    KEY,
    MODES,
    ONE,
    PAUSES,
    READ,
    RECORD,
    RECORD_VERDICTS,
    SCENARIOS,
    START,
    Mode,
    Scenario,
    at_random,
    empty,
    one_by_one,
    played,
    wrong,
)
from tests.simulation.invocation import TIME_OUT, VISIBILITY

DAY = 24 * 3600
NEVER = "{% $object.key = 'another' %}"


def test_a_start_takes_three_calls_besides_its_own_and_one_for_the_records_of_its_sqs_batch() -> None:
    """In addition DescribePipeline, once in five minutes for a pipeline, and a look for pauses, once in 30 seconds."""
    world = World(ONE)
    with world.installed():
        calls = []
        for pause in (0, 1, definition.TTL):
            world.pass_time(pause)
            world.upload(f"in/{pause}")
            world.drain()
            calls.append([call for call, _ in world.calls])
            world.calls.clear()
    described = [PAUSES, BEGIN, "DescribePipeline", COUNT, START, RECORD, RECORD_VERDICTS]
    assert calls == [described, [BEGIN, COUNT, START, RECORD, RECORD_VERDICTS], described]


def test_the_verdicts_of_an_sqs_batch_are_recorded_in_one_call() -> None:
    """Ten events take one call more, whatever they come to."""
    world = World(ONE)
    with world.installed():
        world.deliver(*(world.upload(f"in/{number}") for number in range(10)))
    assert [name for name, _ in world.calls].count(RECORD_VERDICTS) == 1
    assert len(list(world.history.items("subject#"))) == 10


@pytest.mark.parametrize(
    "trigger",
    [replace(ONE, when=replace(ONE.when, fields={"bucket": "raw", "key": "out/*"})), replace(ONE, condition=NEVER)],
    ids=["key", "condition"],
)
def test_a_filtered_event_takes_no_call(trigger: Trigger) -> None:
    """The rest of a glob and a condition are judged by what the event says."""
    world = World(trigger)
    with world.installed():
        world.upload("in/x")
        world.drain()
    assert [verdict["outcome"] for verdict in world.final_verdicts()] == ["FILTERED"]
    assert world.calls == []


@pytest.mark.parametrize(
    "mode", [pytest.param(MODES[0], id="easiest", marks=pytest.mark.thorough), pytest.param(HARDEST, id="hardest")]
)
def test_a_fault_at_any_call_loses_nothing_and_repeats_nothing(mode: Mode) -> None:
    """Every kind of fault, at every call, where SageMaker has forgotten tokens and lists a start late."""
    tried = set()
    for scenario in SCENARIOS.values():
        for world in one_by_one(scenario, mode, most=1):
            assert wrong(world, scenario) is None, world.happened
            tried |= set(world.happened)
    assert empty(dict.fromkeys(tried, 1)) == set()


@pytest.mark.parametrize("name", SCENARIOS)
def test_several_faults_lose_nothing_and_repeat_nothing(name: str) -> None:
    """Some of them happen to what repairs the others; messages come late and in any order."""
    for seed in range(20):
        world = at_random(SCENARIOS[name], HARDEST, seed)
        assert wrong(world, SCENARIOS[name]) is None, world.happened


@pytest.mark.parametrize("at", played(World(ONE), Scenario()).calls, ids=str)
@pytest.mark.parametrize("honours_tokens", [True, False], ids=["tokens honoured", "tokens forgotten"])
def test_a_second_delivery_in_the_middle_of_the_first_waits(honours_tokens: bool, at: At) -> None:
    """EventBridge may deliver an event twice, and two functions may have it at the same time."""
    world = played(World(ONE, honours_tokens, LISTING_BOUND, {at: "a copy"}), Scenario())
    assert wrong(world, Scenario()) is None
    outcomes = {verdict["message_id"]: verdict["outcome"] for verdict in world.final_verdicts()}
    # Before the first one has begun, the second one is the first.
    first, second = ("m1", "m0") if at[0] == PAUSES else ("m0", "m1")
    assert outcomes == {first: "STARTED", second: "DUPLICATE"}


def test_of_two_that_take_over_a_start_one_wins() -> None:
    """Both saw that the first function's lease was over; the one that was quicker has got no answer yet."""
    scenario = SCENARIOS["begun and not started"]
    seen = dict(played(World(ONE, *HARDEST, faults=scenario.faults), scenario).calls)[READ]
    meanwhile = {(READ, seen): "a copy", (START, 2): "no reply"}
    world = played(World(ONE, *HARDEST, faults={**scenario.faults, **meanwhile}), scenario)
    assert wrong(world, scenario) is None
    assert len(world.happened) == 3


def test_a_message_that_is_redriven_after_its_longest_life_starts_nothing() -> None:
    """Four days in its queue, fourteen in the dead-letter queue, and sent again."""
    world = World(ONE, honours_tokens=False)
    with world.installed():
        world.upload("in/x")
        world.drain()
        world.pass_time(18 * DAY)
        world.upload("in/x")
        world.drain()
    assert [verdict["outcome"] for verdict in world.final_verdicts()] == ["STARTED", "DUPLICATE"]
    assert len(world.sagemaker.executions) == 1


@pytest.mark.parametrize(("broken_off", "times"), [("before", 2), ("after", 1)])
def test_a_redrive_after_fourteen_days_starts_only_the_rest(broken_off: str, times: int) -> None:
    """Two of three were started at once, the third was refused; a redrive broke off around its first deletion."""
    scenario = SCENARIOS["three pipelines"]
    refused = {(START, at): "denied" for at in (2, 4, 5, 6)}
    world = World(scenario.trigger, honours_tokens=False, faults=refused)
    with world.installed():
        world.upload("in/x")
        world.drain()
        assert [one["PipelineName"] for one in world.sagemaker.executions] == ["a", "c"]
        world.pass_time(14 * DAY)
        world.redrive(broken_off)
        world.pass_time(HIDDEN)
        world.redrive()
        assert world.sqs.dead == {}
        world.drain()
    outcomes = [(verdict["pipeline"], verdict["outcome"]) for verdict in world.final_verdicts()]
    assert outcomes[:3] == [("a", "STARTED"), ("b", "REJECTED"), ("c", "STARTED")]
    assert outcomes[3:6] == [("a", "DUPLICATE"), ("b", "STARTED"), ("c", "DUPLICATE")]
    assert outcomes[6:] == [("a", "DUPLICATE"), ("b", "DUPLICATE"), ("c", "DUPLICATE")] * (times - 1)
    assert world.repeated() == []


def test_a_start_that_is_refused_in_the_next_hour_is_taken_back_in_its_own() -> None:
    """Else the next hour would allow one start more than max_starts."""
    world = World(ONE, faults={(COUNT, 1): "slow", (START, 1): "limit"})
    with world.installed():
        world.pass_time(3600 - 60)
        world.upload("in/x")
        world.deliver("m0")
    hours = [world.table.get_item({"id": f"hour#team/one#{500_000 + at}"}, ConsistentRead=True) for at in (0, 1)]
    assert [hour.get("Item", {}).get("starts") for hour in hours] == [0, None]


@pytest.mark.parametrize(
    ("key", "outcome", "reason"),
    [
        ("true", "STARTED", None),
        ("True", "STARTED", None),
        ("no", "REJECTED", "parameter Key is 'no', not a valid Boolean; write true or false"),
    ],
)
def test_a_definition_that_changes_while_it_is_remembered_is_read_again(
    key: str, outcome: str, reason: str | None
) -> None:
    """What SageMaker refuses is spelt anew, and rejected only when it does not fit the definition as it is now."""
    world = World(ONE)
    with world.installed():
        world.upload("yes")
        world.drain()
        world.sagemaker.declared = '{"Parameters": [{"Name": "Key", "Type": "Boolean"}]}'
        world.sagemaker.spellings = ("True", "False")
        world.upload(key)
        world.drain()
    before, after = world.final_verdicts()
    assert (before["outcome"], after["outcome"], after.get("reason")) == ("STARTED", outcome, reason)
    assert all(one["PipelineParameters"][0]["Value"] in ("yes", "True") for one in world.sagemaker.executions)


@pytest.mark.parametrize("fault", ["killed before", "killed after", "no reply", "server error", "throttled", "denied"])
@pytest.mark.parametrize("call", [BEGIN, "DescribePipeline", START, RECORD, "SendMessage"])
def test_a_fault_that_lasts_forgets_nothing(call: str, fault: str) -> None:
    """Whatever fails for ever: it starts once, or ends in the dead-letter queue, with its reason if it can."""
    trigger = replace(ONE, start=(Start("train", {"Undeclared": "x"}),)) if call == "SendMessage" else ONE
    world = World(trigger, honours_tokens=False, lasting={call: fault})
    with world.installed():
        message = world.upload("in/x")
        world.drain()
    assert world.sqs.expired == []
    assert world.repeated() == []
    assert world.unexplained() == []
    if call == "SendMessage":  # which is how a reason would get there
        assert world.sqs.moved == [message]
    else:
        (outcome,) = {verdict["outcome"] for verdict in world.final_verdicts()}
        assert world.sqs.moved == []
        assert (outcome, len(world.sqs.quarantined)) in (("STARTED", 0), ("REJECTED", 1))


def test_a_function_that_always_crashes_is_given_up_with_what_is_known() -> None:
    """Below the receives after which SQS would move its message without a reason."""
    world = World(ONE, lasting={"DescribePipeline": "killed before"})
    with world.installed():
        world.upload("in/x")
        world.drain()
    (sent,) = world.sqs.quarantined
    reason = "the function crashed or timed out 6 times; its log may say why"
    assert sent["MessageAttributes"]["reason"]["StringValue"] == reason
    # The first crash of a message may be another's of its batch.
    assert world.calls.count(("DescribePipeline", 1 + MAX_CRASHES)) == 1
    assert world.next("DescribePipeline") == ("DescribePipeline", 2 + MAX_CRASHES)


@pytest.mark.parametrize("call", ["", BEFORE, ATTEMPT, READ, BEGIN])
def test_a_table_that_fails_for_days_only_makes_events_wait(call: str) -> None:
    """Then they start, or are given up by their age; nothing of it counts as a failure."""
    calls = [call] if call else [name for name in CALLS if "Item" in name]
    world = World(ONE, lasting=dict.fromkeys(calls, "server error"))
    with world.installed():
        world.upload("in/x")
        for _ in range(20):
            if world.sqs.queue:
                world.pass_time(world.sqs.next_visible_at() - world.now)
                world.deliver("m0")
        world.lasting = {}
        world.drain()
    assert world.sqs.quarantined == []
    assert len(world.sagemaker.executions) == 1


@pytest.mark.parametrize(
    ("before", "after"), [("ba", "a"), ("ba", "ab"), ("ba", "cba"), ("ab", "aab")], ids=lambda names: names
)
def test_a_redrive_after_a_fix_of_the_pipelines_starts_nothing_twice(before: str, after: str) -> None:
    """What is taken out, put in or put elsewhere does not make another one start again."""
    refused = Start("b", {"Undeclared": "x"})
    starts = {"a": Start("a", KEY), "b": refused, "c": Start("c", KEY)}
    world = World(replace(ONE, start=tuple(starts[name] for name in before)))
    with world.installed():
        world.upload("in/x")
        world.drain()
        assert [one["PipelineName"] for one in world.sagemaker.executions] == ["a"]
        world.trigger = replace(ONE, start=tuple((starts | {"b": Start("b", KEY)})[name] for name in after))
        world.redrive()
        world.drain()
    # A pipeline that is there twice is meant to start twice.
    assert Counter(one["PipelineName"] for one in world.sagemaker.executions) == Counter(after)


def test_a_start_is_remembered_while_it_is_redelivered() -> None:
    """Redriven every thirteen days, because another pipeline of the trigger is never right."""
    world = World(replace(ONE, start=(Start("a", KEY), Start("b", {"Undeclared": "x"}))), honours_tokens=False)
    with world.installed():
        world.upload("in/x")
        world.drain()
        for _ in range(5):
            world.pass_time(13 * DAY)
            world.redrive()
            world.drain()
    assert world.repeated() == []
    assert len(world.sagemaker.executions) == 1


def test_a_start_that_broke_off_is_found_among_thousands() -> None:
    """On a later page of the list, and not beyond the function's time."""
    world = World(ONE, honours_tokens=False, faults={(START, 1): "killed after"})
    with world.installed():
        for number in range(500):
            another = {"PipelineName": "train", "arn": f"arn:of another {number}", "at": world.now}
            parameters = [{"Name": "Key", "Value": f"in/{number}"}]
            options = {"ClientRequestToken": "", "PipelineExecutionDescription": "another"}
            world.sagemaker.executions.append({**another, **options, "PipelineParameters": parameters})
        world.upload("in/x")
        world.drain()
    assert sum(one["PipelineParameters"][0]["Value"] == "in/x" for one in world.sagemaker.executions) == 1
    assert world.next("ListPipelineExecutions") == ("ListPipelineExecutions", 7)


def test_a_search_that_takes_too_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not take the time that is needed to end in order."""
    monkeypatch.setattr("tests.simulation.delivery_world.SLOW", TIME_OUT - TIME_TO_FINISH + 1)
    slow = World(ONE, faults={(START, 1): "killed before"}, lasting={"ListPipelineExecutions": "slow"})
    another = {"PipelineName": "train", "at": slow.now, "PipelineExecutionDescription": "another"}
    slow.sagemaker.executions = [{**another, "arn": f"arn:of another {number}"} for number in range(200)]
    with slow.installed():
        slow.upload("in/x")
        slow.deliver("m0")
        slow.pass_time(2 * VISIBILITY)
        slow.deliver("m0")
    assert any("no time left to look for" in line.get("reason", "") for line in slow.log)


def test_max_starts_holds_up_a_pipeline_that_fires_its_own_trigger() -> None:
    """It writes to where it is started from; each hour it starts as often as it may, and nothing is lost."""
    world = World(replace(ONE, max_starts=5))
    with world.installed():
        world.upload("out/0")
        for _ in range(200):
            before = len(world.sagemaker.executions)
            world.pass_time(world.sqs.next_visible_at() - world.now)
            world.deliver(next(iter(world.sqs.queue)))
            for number in range(before, len(world.sagemaker.executions)):
                world.upload(f"out/{number + 1}")
    hours = Counter(one["at"] // 3600 for one in world.sagemaker.executions)
    assert set(hours.values()) <= {5, hours[max(hours)]}
    assert len(hours) > 2
    assert len(world.sagemaker.executions) + len(world.sqs.queue) == len(world.keys)
    assert world.sqs.quarantined == []


def test_the_token_guards_against_late_listings() -> None:
    """The bound of the search: with tokens forgotten AND a listing later than the lease, an event starts twice."""
    killed, lag = {(START, 1): "killed after"}, LISTING_BOUND + 10 * VISIBILITY
    assert wrong(played(World(ONE, honours_tokens=True, lag=lag, faults=killed), Scenario()), Scenario()) is None
    assert wrong(played(World(ONE, honours_tokens=False, lag=lag, faults=killed), Scenario()), Scenario()) == (
        "started twice"
    )


def test_the_table_in_memory_answers_as_dynamodb_does(state_table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a handler asks of it in any order: the same answers, the same errors, the same items in the end."""
    now, step = 1_800_000_000.0, 0
    ours = Table(lambda: now)
    chance = random.Random(1)  # noqa: S311 - the same every time
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(uuid, "uuid4", lambda: SimpleNamespace(hex=str(step)))
    entries: list[ledger.Entry] = []

    def answer(table: Any, function: Any, arguments: tuple[Any, ...]) -> object:
        with monkeypatch.context() as patch:
            for client in ("table", "counters"):
                patch.setattr(aws, client, lambda _: table)
            try:
                return function(*arguments)
            except Waiting as error:
                return str(error)

    for _ in range(600):
        step += 1
        token, message = chance.choice("ab"), chance.choice(["m1", "m2"])
        receives = chance.randrange(1, 5)
        function, arguments = chance.choice(
            [
                (ledger.begin, (token, "team/one", message, message)),
                (ledger.resume, (token, message, "m1")),
                (ledger.record, (token, "arn")),
                (ledger.count, ("team/one", 3)),
                (ledger.uncount, (f"hour#team/one#{int(now) // 3600}",)),
                *((ledger.release, (entry,)) for entry in entries[-2:]),
                *((at, (message, receives)) for at in (attempts.read, attempts.begin, attempts.waits, attempts.failed)),
                (attempts.decided, (message, receives, [Verdict(Outcome.REJECTED, "team/one", "event")])),
            ]
        )
        returned = answer(ours, function, arguments)
        assert returned == answer(state_table, function, arguments)
        entries += [returned] if isinstance(returned, ledger.Entry) else []
        now += chance.choice([0, 1, ledger.LEASE])
    items = {item["id"]: item for item in state_table.scan()["Items"] if item.get("expires", now) >= now}
    assert {id_: ours.get_item({"id": id_}, ConsistentRead=True)["Item"] for id_ in items} == items
