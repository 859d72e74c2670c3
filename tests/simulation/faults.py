"""Faults at every call that a handler makes to AWS: nothing is lost, and nothing starts twice.

Each run takes a scenario, lets the fault happen at one of its calls (or, at random, at several), and delivers the
messages as SQS does until the handler has done with them.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.starts.ledger import LISTING_BOUND

from tests.simulation.delivery_world import At, World

# What can happen at a call. The last two: SQS delivers the message, or EventBridge a second one of the same event, to
# another function before this one makes its next call.
KILLS = ("killed before", "killed after")
FAULTS = (
    *KILLS,
    *("no connection", "TLS broke", "no reply", "answered late", "server error", "throttled", "denied", "slow"),
    *("same again", "a copy"),
)
# What only a start can meet.
LIMITS = ("limit", "conflict")

START = "StartPipelineExecution"

# All calls, as AWS sees them. The matrix has a row for each.
PAUSES = "Query"
BEGIN = "PutItem start"
READ = "GetItem start"
TAKE_OVER = "UpdateItem start SET lease, nonce, message, occurrence"
RECORD = "UpdateItem start SET execution, expires"
RELEASE = "DeleteItem start"
GIVE_BACK = "UpdateItem start SET lease"
COUNT = "UpdateItem hour ADD starts SET expires"
UNCOUNT = "UpdateItem hour ADD starts"
BEFORE = "GetItem message"
ATTEMPT = "UpdateItem message ADD begun SET expires"
WAITS = "UpdateItem message SET expires REMOVE begun, failed"
FAILED = "UpdateItem message ADD failed SET expires REMOVE begun"
DECIDED = "UpdateItem message SET verdicts, expires REMOVE begun, failed"
HIDE = "ChangeMessageVisibility"
RECORD_VERDICTS = "BatchWriteItem"
PUBLISH = "PutEvents"
CALLS = (
    *(PAUSES, BEGIN, READ, TAKE_OVER, "ListPipelineExecutions", "HeadObject", "DescribePipeline", COUNT, START, RECORD),
    *(UNCOUNT, RELEASE, GIVE_BACK, "SendMessage", BEFORE, ATTEMPT, WAITS, FAILED, DECIDED, HIDE),
    RECORD_VERDICTS,
    PUBLISH,
)

WHEN = When("s3", {"bucket": "raw"})
KEY = {"Key": "$.detail.object.key"}
ONE = Trigger("team/one", WHEN, (Start("train", KEY),))


@dataclass(frozen=True)
class Scenario:
    """What is uploaded, how much of it is delivered twice, which pipelines start, and whether something is rejected.

    ``faults`` are the scenario's own, which lead to the calls that repair them.
    """

    trigger: Trigger = ONE
    starts: tuple[str, ...] = ("train",)
    rejects: bool = False
    uploads: int = 1
    copies: int = 0
    faults: Mapping[At, str] = field(default_factory=dict)


SCENARIOS = {
    "one pipeline": Scenario(),
    "three pipelines": Scenario(
        Trigger("team/three", WHEN, tuple(Start(name, KEY) for name in ("a", "b", "c"))), ("a", "b", "c")
    ),
    "two uploads, one delivered twice": Scenario(uploads=2, copies=1),
    "asks S3": Scenario(Trigger("team/asks", WHEN, (Start("train", {"Key": "{% $object.metadata.key %}"}),))),
    "one is rejected": Scenario(
        Trigger("team/rejected", WHEN, (Start("train", KEY), Start("train", {"Undeclared": "x"}))), rejects=True
    ),
    "begun and not started": Scenario(faults={(START, 1): "killed before"}),
    "started and not noted": Scenario(faults={(START, 1): "no reply"}),
    "the limit is met": Scenario(faults={(START, 1): "limit"}),
    "begun, then the limit is met": Scenario(faults={(START, 1): "killed before", (START, 2): "limit"}),
    "denied three times": Scenario(faults={(START, time): "denied" for time in (1, 2, 3)}),
}

# SageMaker honours tokens or has forgotten them at once, and lists an execution at once or late.
MODES = tuple(itertools.product((True, False), (0, LISTING_BOUND)))
HARDEST = (False, LISTING_BOUND)
Mode = tuple[bool, float]


def kinds(call: str) -> tuple[str, ...]:
    """Return the faults that a call can meet."""
    return (*FAULTS, *LIMITS) if call == START else FAULTS


def played(world: World, scenario: Scenario, delays: tuple[int, ...] = (0,)) -> World:
    """Run the scenario in the world."""
    with world.installed():
        for number in range(scenario.uploads):
            world.upload(f"in/{number}")
        for number in range(scenario.copies):
            world.upload(f"in/{number}")
        world.drain(delays)
        world.redrive()
        world.drain(delays)
    return world


def one_by_one(scenario: Scenario, mode: Mode, most: int) -> Iterator[World]:
    """Let each fault happen at each call that the scenario makes; of alike calls, at the first few and the last."""
    undisturbed = played(World(scenario.trigger, *mode, faults=scenario.faults), scenario)
    yield undisturbed
    last = dict(undisturbed.calls)
    for call, number in undisturbed.calls:
        at = (call, number)
        if at not in scenario.faults and (number <= most or number == last[call]):
            for fault in kinds(call):
                yield played(World(scenario.trigger, *mode, faults={**scenario.faults, at: fault}), scenario)


def at_random(scenario: Scenario, mode: Mode, seed: int) -> World:
    """Let several faults happen, some of them to what repairs the others, and deliveries come late and in any order."""
    chance = random.Random(seed)  # noqa: S311 - the same faults every time
    places = [(chance.choice(CALLS), chance.randrange(1, 4)) for _ in range(chance.randrange(2, 12))]
    faults = {(call, time): chance.choice(kinds(call)) for call, time in places}
    world = World(scenario.trigger, *mode, faults={**faults, **scenario.faults}, chance=chance)
    return played(world, scenario, delays=(0, 0, 60, 1200))


def wrong(world: World, scenario: Scenario) -> str | None:
    """Say what is lost, started twice or started wrongly, or None."""
    if world.misled():
        return "wrong parameters"
    if world.repeated():
        return "started twice"
    if len(world.sagemaker.executions) != len(set(world.keys.values())) * len(scenario.starts):
        return "lost a start"
    reported = {(line["outcome"], line["message_id"], line.get("execution_arn")) for line in world.final_verdicts()}
    started = Counter(arn for outcome, _, arn in reported if outcome == "STARTED")
    if started != Counter(one["arn"] for one in world.sagemaker.executions):
        return "not one verdict for a start"
    if {message for _, message, _ in reported} != world.keys.keys():
        return "lost a verdict"
    if scenario.rejects and len({message for outcome, message, _ in reported if outcome == "REJECTED"}) != len(
        world.keys
    ):
        return "lost a rejection"
    if len(world.sqs.quarantined) < len(world.keys) * scenario.rejects or world.unexplained():
        return "not quarantined with a reason"
    if world.misrecorded():
        return "not recorded as reported"
    return None


WRONG = (
    *("lost a start", "started twice", "wrong parameters", "not one verdict for a start", "lost a verdict"),
    *("lost a rejection", "not quarantined with a reason", "not recorded as reported"),
)


def tried(name: str, mode: Mode) -> Iterator[World]:
    """Let every fault happen at every call of a scenario, and several at random."""
    yield from one_by_one(SCENARIOS[name], mode, most=3)
    for seed in range(100):
        yield at_random(SCENARIOS[name], mode, seed)


def empty(matrix: Mapping[tuple[str, str], int]) -> set[tuple[str, str]]:
    """Return the cells of the matrix in which nothing was tried, and those that it does not have."""
    return {(call, fault) for call in CALLS for fault in kinds(call)} ^ set(matrix)
