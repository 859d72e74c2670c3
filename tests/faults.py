"""``make faults``: faults at every call that a handler makes to AWS; nothing is lost, and nothing starts twice.

Each run takes a scenario, lets the fault happen at one of its calls (or, at random, at several), and delivers the
messages as SQS does until the handler has done with them.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from pipeline_triggers import aws, definition, delivery, state
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.settings import settings
from pipeline_triggers.verdicts import logger
from rich.console import Console
from rich.table import Table

from functions import on_s3_upload
from tests.handler import ENVIRONMENT, TIME_OUT, VISIBILITY, context, record

# What SageMaker may take at most to list a started execution, for a search to find it: what is left of the lease
# when a function has used all of its time.
LONGEST_LAG = state.LEASE - TIME_OUT

KILLS = ("killed before", "killed after")
FAULTS = (*KILLS, "no reply", "server error", "throttled", "no connection")

WHEN = When("s3", {"bucket": "raw"})
KEY = {"Key": "$.detail.object.key"}


class Killed(BaseException):
    """What ends a function in the middle: no handler of exceptions sees it."""


@dataclass(frozen=True)
class Scenario:
    """A trigger, and how often SQS holds a message of the one event; which pipelines start, and what is rejected."""

    trigger: Trigger
    starts: tuple[str, ...]
    rejects: int = 0
    copies: int = 1


SCENARIOS = {
    "one pipeline": Scenario(Trigger("team/one", WHEN, (Start("train", KEY),)), ("train",)),
    "three pipelines": Scenario(
        Trigger("team/three", WHEN, tuple(Start(name, KEY) for name in ("a", "b", "c"))), ("a", "b", "c")
    ),
    "delivered twice": Scenario(Trigger("team/twice", WHEN, (Start("train", KEY),)), ("train",), copies=2),
    "asks S3": Scenario(
        Trigger("team/asks", WHEN, (Start("train", {"Key": "{% $object.metadata.key %}"}),)), ("train",)
    ),
    "one is rejected": Scenario(
        Trigger("team/rejected", WHEN, (Start("train", KEY), Start("train", {"Undeclared": "x"}))), ("train",), 1
    ),
}


@dataclass
class World:
    """AWS around a handler: SageMaker with its executions, S3, SQS, a clock, and faults at the calls of given numbers.

    Stands for what neither moto nor the embedded AWS can do: forget tokens, list late, and break off.
    """

    table: Any
    honours_tokens: bool
    lag: float
    faults: Mapping[int, str] = field(default_factory=dict)
    now: float = 1_800_000_000.0
    calls: list[str] = field(default_factory=list)
    happened: list[tuple[str, str]] = field(default_factory=list)
    executions: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)
    after_call: Callable[[int], None] = lambda _: None

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """Make a call, and let the fault happen there."""
        self.calls.append(name)
        number = len(self.calls)
        fault = self.faults.get(number, "")
        if fault:
            self.happened.append((name, fault))
        if fault == "killed before":
            raise Killed
        if fault == "throttled":
            raise _error("ThrottlingException", 400, name)
        if fault == "no connection":
            raise EndpointConnectionError(endpoint_url="https://aws")
        answer = work()
        if fault == "killed after":
            raise Killed
        if fault == "no reply":
            raise ReadTimeoutError(endpoint_url="https://aws")
        if fault == "server error":
            raise _error("InternalFailure", 500, name)
        self.after_call(number)
        return answer

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def start_pipeline_execution(self, **call: Any) -> dict[str, str]:
        """Start, unless the token is remembered."""

        def work() -> dict[str, str]:
            for execution in self.executions:
                if self.honours_tokens and execution["ClientRequestToken"] == call["ClientRequestToken"]:
                    return {"PipelineExecutionArn": execution["arn"]}
            arn = f"arn:{len(self.executions)}"
            self.executions.append({**call, "arn": arn, "at": self.now})
            return {"PipelineExecutionArn": arn}

        return dict(self.call("StartPipelineExecution", work))

    def describe_pipeline(self, **_: str) -> dict[str, Any]:
        """Declare one parameter."""
        return dict(self.call("DescribePipeline", lambda: {"PipelineDefinition": '{"Parameters": [{"Name": "Key"}]}'}))

    def get_paginator(self, _: str) -> Any:
        """List the executions, those of the last moments left out."""

        def paginate(PipelineName: str, CreatedAfter: datetime) -> Iterator[Any]:  # noqa: N803 - boto3's names
            def listed() -> Any:
                found = [
                    {name: one[name] for name in ("PipelineExecutionDescription",)}
                    | {"PipelineExecutionArn": one["arn"]}
                    for one in self.executions
                    if one["PipelineName"] == PipelineName
                    and CreatedAfter.timestamp() <= one["at"] <= self.now - self.lag
                ]
                return {"PipelineExecutionSummaries": found}

            yield self.call("ListPipelineExecutions", listed)

        return SimpleNamespace(paginate=paginate)

    def head_object(self, **_: Any) -> Any:
        """Answer with the object's metadata."""
        return self.call("HeadObject", lambda: {"Metadata": {"key": "in/x"}})

    def send_message(self, **call: Any) -> None:
        """Take a message into the dead-letter queue."""
        self.call("SendMessage", lambda: self.quarantined.append(call))

    def change_message_visibility(self, **_: Any) -> None:
        """Hide the message, which comes again when the visibility is over."""
        self.call("ChangeMessageVisibility", lambda: None)

    def of_table(self) -> Any:
        """Return the table, with each of its calls one of these."""
        names = {"put_item": "PutItem", "get_item": "GetItem", "update_item": "UpdateItem", "delete_item": "DeleteItem"}
        return SimpleNamespace(**{method: self._of_table(method, name) for method, name in names.items()})

    def _of_table(self, method: str, name: str) -> Callable[..., Any]:
        return lambda **arguments: self.call(name, lambda: getattr(self.table, method)(**arguments))

    @contextmanager
    def installed(self, trigger: Trigger) -> Iterator[None]:
        """Put this world around the handler, with nothing remembered."""
        definition._cache.clear()
        for item in self.table.scan()["Items"]:
            self.table.delete_item(Key={"id": item["id"]})
        with ExitStack() as stack:
            for target, name, instead in (
                (delivery, "triggers", lambda: {trigger.id: trigger}),
                (logger.registered_handler, "stream", self.log),
                (state, "_table", self.of_table),
                (time, "time", lambda: self.now),
                (time, "monotonic", lambda: self.now),
                (time, "sleep", self.pass_time),
                *((aws, client, lambda: self) for client in ("sagemaker", "starter", "sqs", "s3")),
            ):
                stack.enter_context(patch.object(target, name, instead))
            yield

    def deliver(self, trigger: str, receives: int, message: str = "m") -> bool:
        """Hand a message to the handler, and say whether it has done with it."""
        upload = {"id": "event", "detail": {"bucket": {"name": "raw"}, "object": {"key": "in/x", "etag": "e"}}}
        body = json.dumps({"trigger": trigger, "event": upload})
        try:
            batch = {"Records": [record(message, body, receives, sent_at=1_800_000_000.0)]}
            answer = on_s3_upload.handler(batch, context())  # type: ignore[arg-type]
        except Killed:
            return False
        return answer == {"batchItemFailures": []}

    def final_verdicts(self) -> list[dict[str, Any]]:
        """Return the verdicts that were told, without the waiting."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["message"] == "verdict" and line["outcome"] != "WAITING"]


def _error(code: str, status: int, operation: str) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, operation)


def until_done(world: World, scenario: Scenario) -> None:
    """Deliver the scenario's messages as SQS does, in turn, until the handler has done with each."""
    left = [f"m{number}" for number in range(scenario.copies)]
    for receives in range(1, 30):
        left = [message for message in left if not world.deliver(scenario.trigger.id, receives, message)]
        if not left:
            return
        world.now += VISIBILITY
    raise AssertionError("never done")


def wrong(world: World, scenario: Scenario) -> str | None:
    """Say what is lost, started twice or started wrongly, or None."""
    started = Counter(execution["PipelineName"] for execution in world.executions)
    if any(count > 1 for count in started.values()):
        return "started twice"
    if started != Counter(scenario.starts):
        return "lost a start"
    if any(one["PipelineParameters"] != [{"Name": "Key", "Value": "in/x"}] for one in world.executions):
        return "wrong parameters"
    told = {(line["outcome"], line.get("execution_arn")) for line in world.final_verdicts()}
    if not {("STARTED", execution["arn"]) for execution in world.executions} <= told:
        return "lost a verdict"
    if scenario.rejects and not (world.quarantined and ("REJECTED", None) in told):
        return "lost a rejection"
    for sent in world.quarantined:
        if not {"reason", "event_id"} <= sent["MessageAttributes"].keys():
            return "quarantined without a reason"
    return None


@contextmanager
def embedded() -> Iterator[Any]:
    """Give the state's table in moto, and a handler's environment."""
    with patch.dict(os.environ, ENVIRONMENT), mock_aws():
        settings.cache_clear()
        yield boto3.resource("dynamodb").create_table(
            TableName=ENVIRONMENT["STATE_TABLE"],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    settings.cache_clear()


def one_by_one(table: Any, scenario: Scenario, honours_tokens: bool, lag: float) -> Iterator[World]:
    """Let each fault happen at each call that the scenario makes when nothing is wrong."""
    undisturbed = World(table, honours_tokens, lag)
    yield played(undisturbed, scenario)
    for at, fault in itertools.product(range(1, len(undisturbed.calls) + 1), FAULTS):
        yield played(World(table, honours_tokens, lag, {at: fault}), scenario)


def at_random(table: Any, scenario: Scenario, honours_tokens: bool, lag: float, seed: int) -> World:
    """Let several faults happen, some of them to what mends the others."""
    chance = random.Random(seed)  # noqa: S311 - the same faults every time
    faults = {chance.randrange(1, 25): chance.choice(FAULTS) for _ in range(chance.randrange(2, 5))}
    return played(World(table, honours_tokens, lag, faults), scenario)


def played(world: World, scenario: Scenario) -> World:
    """Run the scenario in the world."""
    with world.installed(scenario.trigger):
        until_done(world, scenario)
    return world


MODES = tuple(itertools.product((True, False), (0, LONGEST_LAG)))


def main() -> int:
    """Print the matrix of calls and faults, and the sums; the exit code says whether anything was lost or repeated."""
    matrix: Counter[tuple[str, str, str]] = Counter()
    results: Counter[str] = Counter()
    with embedded() as table:
        for name, scenario in SCENARIOS.items():
            for honours_tokens, lag in MODES:
                runs = itertools.chain(
                    one_by_one(table, scenario, honours_tokens, lag),
                    (at_random(table, scenario, honours_tokens, lag, seed) for seed in range(30)),
                )
                for world in runs:
                    matrix.update((name, *happened) for happened in world.happened)
                    results[wrong(world, scenario) or "right"] += 1
    show(matrix, results)
    return 0 if set(results) == {"right"} else 1


def show(matrix: Counter[tuple[str, str, str]], results: Counter[str]) -> None:
    """Print what was tried, and what came of it."""
    console = Console(highlight=False, width=150)
    table = Table("scenario", "call", *FAULTS, box=None, pad_edge=False)
    for name, call in sorted({(name, call) for name, call, _ in matrix}):
        table.add_row(name, call, *(str(matrix[name, call, fault] or "-") for fault in FAULTS))
    console.print(table)
    kills = sum(count for (_, _, fault), count in matrix.items() if fault in KILLS)
    console.print(f"\n{matrix.total()} faults, {kills} of them kills, in {results.total()} runs;", end=" ")
    console.print(f"half of them with SageMaker forgetting tokens, half with executions listed {LONGEST_LAG} s late")
    for result in ("right", "lost a start", "started twice", "lost a verdict", "lost a rejection", "wrong parameters"):
        console.print(f"{results[result]:6} {result}")


if __name__ == "__main__":
    sys.exit(main())
