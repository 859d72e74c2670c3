"""A function that is killed between any two of its calls to AWS: the event starts once, and ends with its verdict."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from pipeline_triggers import aws, definition, delivery, state
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.verdicts import logger

from functions import on_s3_upload

# What SageMaker may take at most to list a started execution, for a search to find it: what is left of the lease
# when a function has used all of its time.
LONGEST_LAG = state.LEASE - 120
VISIBILITY = 720

CONTEXT = SimpleNamespace(
    function_name="on-s3-upload",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:on-s3-upload",
    aws_request_id="request",
    get_remaining_time_in_millis=lambda: 120_000,
)

UPLOAD = {"id": "event", "detail": {"bucket": {"name": "raw"}, "object": {"key": "in/x", "etag": "e"}}}
BODY = json.dumps({"trigger": "team/one", "event": UPLOAD})
FAULTS = ("killed before", "killed after", "no reply")


class Killed(BaseException):
    """What ends a function in the middle: no handler of exceptions sees it."""


@dataclass
class World:
    """AWS around a handler: SageMaker with its executions, a clock, and a fault at one of the calls.

    Stands for what neither moto nor the embedded AWS can do: forget tokens, list late, and break off.
    """

    honours_tokens: bool
    lag: float
    fault: str = ""
    at: int = 0
    now: float = 1_800_000_000.0
    calls: list[str] = field(default_factory=list)
    executions: list[dict[str, Any]] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """Make a call, and let the fault happen there."""
        self.calls.append(name)
        fault = self.fault if len(self.calls) == self.at else ""
        if fault == "killed before":
            raise Killed
        answer = work()
        if fault == "killed after":
            raise Killed
        if fault == "no reply":
            raise ReadTimeoutError(endpoint_url="https://aws")
        return answer

    def start_pipeline_execution(self, **call: Any) -> dict[str, str]:
        """Start, unless the token is remembered."""

        def work() -> dict[str, str]:
            for execution in self.executions:
                if self.honours_tokens and execution["token"] == call["ClientRequestToken"]:
                    return {"PipelineExecutionArn": execution["arn"]}
            description, arn = call["PipelineExecutionDescription"], f"arn:{len(self.executions)}"
            token = call["ClientRequestToken"]
            self.executions.append({"arn": arn, "token": token, "at": self.now, "description": description})
            return {"PipelineExecutionArn": arn}

        return dict(self.call("StartPipelineExecution", work))

    def get_paginator(self, _: str) -> Any:
        """List the executions, those of the last moments left out."""

        def paginate(PipelineName: str, CreatedAfter: datetime) -> Iterator[Any]:  # noqa: N803 - boto3's names
            assert PipelineName == "train"
            listed = [
                {"PipelineExecutionArn": one["arn"], "PipelineExecutionDescription": one["description"]}
                for one in self.executions
                if CreatedAfter.timestamp() <= one["at"] <= self.now - self.lag
            ]
            yield self.call("ListPipelineExecutions", lambda: {"PipelineExecutionSummaries": listed})

        return SimpleNamespace(paginate=paginate)

    def send_message(self, **call: Any) -> None:
        """Take a message into the dead-letter queue."""
        raise AssertionError(call)

    def change_message_visibility(self, **_: Any) -> None:
        """Hide the message, which comes again when the test says."""
        self.call("ChangeMessageVisibility", lambda: None)

    def table(self, table: Any) -> Any:
        """Return the table, with each of its calls one of these."""
        names = ("put_item", "get_item", "update_item", "delete_item")
        return SimpleNamespace(**{name: self._of_table(table, name) for name in names})

    def _of_table(self, table: Any, name: str) -> Callable[..., Any]:
        return lambda **arguments: self.call(name, lambda: getattr(table, name)(**arguments))

    def deliver(self, receives: int, message: str = "m") -> bool:
        """Hand the message to the handler, and say whether it has done with it."""
        attributes = {"ApproximateReceiveCount": str(receives), "SentTimestamp": "1800000000000"}
        ids = {"messageId": message, "receiptHandle": "r"}
        record = {**ids, "body": BODY, "eventSource": "aws:sqs", "attributes": attributes}
        try:
            answer = on_s3_upload.handler({"Records": [record]}, CONTEXT)  # type: ignore[arg-type]
        except Killed:
            return False
        return answer == {"batchItemFailures": []}

    def final_verdicts(self) -> list[tuple[str, str]]:
        """Return the outcomes that were told, without the waiting, and their executions."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        told = [line for line in lines if line["message"] == "verdict" and line["outcome"] != "WAITING"]
        return [(line["outcome"], line["execution_arn"]) for line in told]


@pytest.fixture
def new_world(monkeypatch: pytest.MonkeyPatch, state_table: Any) -> Callable[..., World]:
    """Make worlds, each with an empty table."""
    one = Trigger("team/one", When("s3", {"bucket": "raw"}), (Start("train", {}),))
    monkeypatch.setattr(delivery, "triggers", lambda: {one.id: one})
    monkeypatch.setattr(definition, "describe", lambda _: definition.parse("{}"))

    def make(**fields: Any) -> World:
        for item in state_table.scan()["Items"]:
            state_table.delete_item(Key={"id": item["id"]})
        world = World(**fields)
        monkeypatch.setattr(logger.registered_handler, "stream", world.log)
        monkeypatch.setattr(state, "_table", lambda: world.table(state_table))
        monkeypatch.setattr(time, "time", lambda: world.now)
        for client in ("sagemaker", "starter", "sqs"):
            monkeypatch.setattr(aws, client, lambda: world)
        return world

    return make


def until_done(world: World) -> None:
    """Deliver the message as SQS does, until the handler has done with it."""
    for receives in range(1, 10):
        if world.deliver(receives):
            return
        world.now += VISIBILITY
    raise AssertionError("never done")


@pytest.mark.parametrize("honours_tokens", [True, False], ids=["tokens honoured", "tokens forgotten"])
@pytest.mark.parametrize("lag", [0, LONGEST_LAG], ids=["listed at once", "listed late"])
def test_a_fault_at_any_call_starts_once(new_world: Callable[..., World], honours_tokens: bool, lag: float) -> None:
    """Whether SageMaker remembers the token or not, as long as it lists a start in time."""
    undisturbed = new_world(honours_tokens=honours_tokens, lag=lag)
    until_done(undisturbed)
    assert undisturbed.calls == ["put_item", "update_item", "StartPipelineExecution", "update_item"]
    for at in range(1, len(undisturbed.calls) + 1):
        for fault in FAULTS:
            world = new_world(honours_tokens=honours_tokens, lag=lag, fault=fault, at=at)
            until_done(world)
            assert len(world.executions) == 1, (at, fault)
            assert world.final_verdicts() == [("STARTED", "arn:0")], (at, fault)
            # And redriven after days, or sent twice by EventBridge, it starts nothing more.
            world.now += 18 * 24 * 3600
            assert world.deliver(1, message="another")
            assert len(world.executions) == 1
            assert world.final_verdicts()[-1] == ("DUPLICATE", "arn:0")


@pytest.mark.parametrize("honours_tokens", [True, False], ids=["tokens honoured", "tokens forgotten"])
def test_a_second_delivery_in_the_middle_of_the_first_waits(
    new_world: Callable[..., World], honours_tokens: bool
) -> None:
    """EventBridge may deliver an event twice, and two functions may have it at the same time."""
    for at in range(1, 5):
        world = new_world(honours_tokens=honours_tokens, lag=LONGEST_LAG)
        deliver_twin_after(world, at)
        until_done(world)
        world.now += VISIBILITY
        assert world.deliver(2, message="twin")
        assert len(world.executions) == 1
        assert world.final_verdicts()[-1][0] == "DUPLICATE"


def deliver_twin_after(world: World, at: int) -> None:
    """Deliver another message of the same event right after a call."""
    call = world.call

    def interrupted(name: str, work: Callable[[], Any]) -> Any:
        answer = call(name, work)
        if len(world.calls) == at:
            world.deliver(1, message="twin")
        return answer

    world.call = interrupted  # type: ignore[method-assign]


def test_what_sagemaker_lists_too_late_is_what_the_token_is_for(new_world: Callable[..., World]) -> None:
    """The bound of the search: with tokens forgotten AND a listing later than the lease, an event starts twice."""
    late = {"lag": LONGEST_LAG + 10 * VISIBILITY, "fault": "killed after", "at": 3}
    remembered = new_world(honours_tokens=True, **late)
    until_done(remembered)
    assert len(remembered.executions) == 1
    forgotten = new_world(honours_tokens=False, **late)
    until_done(forgotten)
    assert len(forgotten.executions) == 2
