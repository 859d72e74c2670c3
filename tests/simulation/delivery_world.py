"""AWS around a handler, in memory: SQS, DynamoDB, SageMaker and S3, a clock, and faults at any call.

Stands for what neither moto nor the embedded AWS can do: forget tokens, list late, break off, expire items, let days
pass, and all of it thousands of times in a minute.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from pipeline_triggers import aws
from pipeline_triggers.delivery import handler as delivery
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations.redrive import redrive
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import definition, ledger
from pipeline_triggers.telemetry import logger

from functions import on_s3_upload
from tests.simulation.invocation import (
    ENVIRONMENT,
    MOST_RECEIVES,
    RETENTION,
    TIME_OUT,
    VISIBILITY,
    context,
    record,
    sleeping,
)
from tests.simulation.sagemaker_model import misfits

# What SageMaker may take at most to list a started execution, for a search to find it: what is left of the lease
# when a function has used all of its time.
LONGEST_LAG = ledger.LEASE - TIME_OUT

SLOW = 70  # seconds that a slow call takes: two of them are more than a function has

# What can happen at a call. The last two: SQS delivers the message, or EventBridge a second one of the same event, to
# another function before this one makes its next call.
KILLS = ("killed before", "killed after")
AGAIN = ("same again", "a copy")
FAULTS = (*KILLS, "no connection", "no reply", "server error", "throttled", "denied", "slow", *AGAIN)
# What only a start can meet.
LIMITS = ("limit", "conflict")

_REFUSALS = {
    "throttled": "ThrottlingException",
    "denied": "AccessDeniedException",
    "limit": "ResourceLimitExceeded",
    "conflict": "ConflictException",
}


# A call's name, and which of that name it is.
At = tuple[str, int]


QUEUE, DEAD_LETTER_QUEUE = ENVIRONMENT["QUEUE_URL"], ENVIRONMENT["DEAD_LETTER_QUEUE_URL"]
STACK = Stack("stack", {}, {"OnS3UploadQueue": QUEUE, "OnS3UploadDeadLetterQueue": DEAD_LETTER_QUEUE})


class Killed(BaseException):
    """What ends a function in the middle: no handler of exceptions sees it."""


@dataclass
class Message:
    """A message in the queue, hidden until a moment."""

    body: str
    sent_at: float
    visible_at: float
    receives: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class World:
    """What a handler finds around it; ``faults`` happen at a call of this name and number, counted from 1."""

    trigger: Trigger
    honours_tokens: bool = True
    lag: float = 0
    faults: Mapping[At, str] = field(default_factory=dict)
    lasting: Mapping[str, str] = field(default_factory=dict)  # faults that happen at each call of a name
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - the same every time
    now: float = 1_800_000_000.0
    declared: str = '{"Parameters": [{"Name": "Key"}]}'  # by the pipelines
    spellings: tuple[str, ...] = ()  # of a value, those that a start takes; all when there are none
    missing: bool = False  # the pipelines are not there
    deployed: bool = True  # the trigger is there
    calls: list[At] = field(default_factory=list)
    happened: list[tuple[str, str]] = field(default_factory=list)
    queue: dict[str, Message] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)  # message → key of the upload
    executions: list[dict[str, Any]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # what of a start does not fit SageMaker's API
    dead: dict[str, Message] = field(default_factory=dict)  # the dead-letter queue, by receipt
    quarantined: list[dict[str, Any]] = field(default_factory=list)  # all that has ever come there by a handler
    moved: list[str] = field(default_factory=list)  # what SQS has moved there, received too often
    expired: list[str] = field(default_factory=list)  # what SQS has forgotten
    breaks_off: str = ""  # whoever deletes a dead letter: "before" or "after" that
    log: io.StringIO = field(default_factory=io.StringIO)
    running: list[tuple[str, float]] = field(default_factory=list)  # functions: message, end of the function's time

    meta = SimpleNamespace(region_name=ENVIRONMENT["AWS_REGION"])

    def __post_init__(self) -> None:
        self.table = Table(lambda: self.now)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put this world around the handler, with nothing remembered."""
        definition._cache.clear()
        settings.cache_clear()
        with ExitStack() as stack:
            stack.enter_context(patch.dict("os.environ", ENVIRONMENT))
            for target, name, instead in (
                (delivery, "triggers", self.triggers),
                (logger.registered_handler, "stream", self.log),
                (ledger, "_table", self.of_table),
                (time, "time", lambda: self.now),
                (time, "monotonic", lambda: self.now),
                (time, "sleep", sleeping(self.pass_time)),
                (random, "randint", self.chance.randint),
                (random, "uniform", self.chance.uniform),
                *((aws, client, lambda: self) for client in ("sagemaker", "starter", "sqs", "s3")),
            ):
                stack.enter_context(patch.object(target, name, instead))
            yield
        settings.cache_clear()

    def triggers(self) -> dict[str, Trigger]:
        """Return the deployed triggers."""
        return {self.trigger.id: self.trigger} if self.deployed else {}

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    # ---- SQS

    def upload(self, key: str) -> str:
        """Let the trigger's rule send a message of an upload, and return the message's id."""
        event = {"id": f"event of {key}", "detail": {"bucket": {"name": "raw"}, "object": {"key": key, "etag": "e"}}}
        return self.send(json.dumps({"trigger": self.trigger.id, "event": event}))

    def send(self, body: str) -> str:
        """Put a message into the queue."""
        message = f"m{len(self.sent)}"
        self.queue[message] = Message(body, self.now, self.now)
        self.sent[message] = json.loads(body)["event"]["detail"]["object"]["key"]
        return message

    def redrive(self, broken_off: str = "") -> None:
        """Let somebody run ``triggers redrive``, and perhaps break it off at its first deletion."""
        self.breaks_off = broken_off
        with suppress(Killed):
            list(redrive(STACK, lambda _: True, dry_run=False))

    def deliver(self, message: str) -> None:
        """Hand a message to a function, and do with it what SQS does then."""
        held = self.queue[message]
        if self.now - held.sent_at >= RETENTION or held.receives == MOST_RECEIVES:
            (self.expired if self.now - held.sent_at >= RETENTION else self.moved).append(message)
            del self.queue[message]
            return
        held.receives += 1
        held.visible_at = self.now + VISIBILITY
        self.running.append((message, self.now + TIME_OUT))
        keys = dict(logger.get_current_keys())
        batch: Any = {"Records": [record(message, held.body, held.receives, held.sent_at)]}
        try:
            with redirect_stdout(io.StringIO()):  # the metrics
                answer = on_s3_upload.handler(batch, context())  # type: ignore[arg-type]
        except Killed:
            return
        finally:
            self.running.pop()
            logger.append_keys(**keys)  # another function has a log of its own
        if answer == {"batchItemFailures": []}:
            self.queue.pop(message, None)

    def drain(self, delays: tuple[int, ...] = (0,)) -> None:
        """Deliver what is visible, in any order and after any of these delays, until the queue is empty."""
        for _ in range(1000):
            if not self.queue:
                return
            self.now = max(self.now, min(held.visible_at for held in self.queue.values()))
            self.now += self.chance.choice(delays)
            self.deliver(self.chance.choice([name for name, held in self.queue.items() if held.visible_at <= self.now]))
        raise AssertionError(f"never done: {self.queue}")

    def send_message(self, **call: Any) -> None:
        """Take a message into the dead-letter queue, or what is redriven into the queue."""

        def work() -> None:
            self.quarantined.append(call)
            letter = Message(call["MessageBody"], self.now, self.now, attributes=call["MessageAttributes"])
            self.dead[f"receipt {len(self.quarantined)}"] = letter

        if call["QueueUrl"] == QUEUE:
            self.send(call["MessageBody"])
        else:
            self.call("SendMessage", work)

    def receive_message(self, **call: Any) -> dict[str, Any]:
        """Show dead letters, and hide them for a while."""
        found = [receipt for receipt, letter in self.dead.items() if letter.visible_at <= self.now][:10]
        for receipt in found:
            self.dead[receipt].visible_at = self.now + call["VisibilityTimeout"]
        return {
            "Messages": [
                {
                    "ReceiptHandle": receipt,
                    "Body": self.dead[receipt].body,
                    "MessageAttributes": self.dead[receipt].attributes,
                    "Attributes": {"SentTimestamp": str(int(self.dead[receipt].sent_at * 1000))},
                }
                for receipt in found
            ]
        }

    def delete_message(self, **call: Any) -> None:
        """Delete a dead letter."""
        if self.breaks_off == "before":
            raise Killed
        del self.dead[call["ReceiptHandle"]]
        if self.breaks_off == "after":
            raise Killed

    def change_message_visibility(self, **call: Any) -> None:
        """Hide a message for as long as is said."""
        message = call["ReceiptHandle"].removeprefix("handle of ")

        def work() -> None:
            if message in self.queue:
                self.queue[message].visible_at = self.now + call["VisibilityTimeout"]

        self.call("ChangeMessageVisibility", work)

    # ---- Faults

    def next(self, name: str) -> At:
        """Return where a fault must be to happen at the next call of this name."""
        return (name, 1 + sum(name == other for other, _ in self.calls))

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """Make a call, and let the fault happen there."""
        at = self.next(name)
        self.calls.append(at)
        fault = self.faults.get(at) or self.lasting.get(name, "")
        if fault:
            self.happened.append((name, fault))
        self._end_in_time()
        if fault == "killed before":
            raise Killed
        if fault == "no connection":
            raise EndpointConnectionError(endpoint_url="https://aws")
        if fault in _REFUSALS:
            raise _error(_REFUSALS[fault], 400, name)
        answer = work()
        if fault == "killed after":
            raise Killed
        if fault == "no reply":
            raise ReadTimeoutError(endpoint_url="https://aws")
        if fault == "server error":
            raise _error("InternalFailure", 500, name)
        if fault == "slow":
            self.pass_time(SLOW)
            self._end_in_time()
        if fault in AGAIN:
            message, _ = self.running[-1]
            if fault == "a copy":
                message = self.upload(self.sent[message])
            if message in self.queue:
                self.deliver(message)
        return answer

    def _end_in_time(self) -> None:
        if self.now >= self.running[-1][1]:
            raise Killed

    # ---- SageMaker and S3

    def start_pipeline_execution(self, **call: Any) -> dict[str, str]:
        """Start, unless the token is remembered."""
        self.invalid += misfits(call)

        def work() -> dict[str, str]:
            self._be_there("StartPipelineExecution")
            if self.spellings and call["PipelineParameters"][0]["Value"] not in self.spellings:
                raise _error("ValidationException", 400, "StartPipelineExecution")
            for execution in self.executions:
                if self.honours_tokens and execution["ClientRequestToken"] == call["ClientRequestToken"]:
                    return {"PipelineExecutionArn": execution["arn"]}
            arn = f"arn:{len(self.executions)}"
            self.executions.append({**call, "arn": arn, "at": self.now})
            return {"PipelineExecutionArn": arn}

        return dict(self.call("StartPipelineExecution", work))

    def forget_tokens(self) -> None:
        """Forget the tokens of all that was started."""
        for execution in self.executions:
            execution["ClientRequestToken"] = ""

    def describe_pipeline(self, **_: str) -> dict[str, Any]:
        """Declare parameters."""

        def work() -> dict[str, str]:
            self._be_there("DescribePipeline")
            return {"PipelineDefinition": self.declared}

        return dict(self.call("DescribePipeline", work))

    def _be_there(self, operation: str) -> None:
        if self.missing:
            raise _error("ResourceNotFound", 400, operation)

    def get_paginator(self, _: str) -> Any:
        """List the executions, those of the last moments left out."""

        def paginate(**asked: Any) -> Iterator[Any]:
            assert (asked["SortBy"], asked["SortOrder"]) == ("CreationTime", "Ascending")
            size = asked["PaginationConfig"]["PageSize"]

            def listed(page: int) -> Any:
                found = [
                    {name: one[name] for name in ("PipelineExecutionDescription",)}
                    | {"PipelineExecutionArn": one["arn"]}
                    for one in self.executions
                    if one["PipelineName"] == asked["PipelineName"]
                    and asked["CreatedAfter"].timestamp() <= one["at"] <= self.now - self.lag
                ]
                return {
                    "PipelineExecutionSummaries": found[page * size :][:size],
                    "more": len(found) > (page + 1) * size,
                }

            for page in itertools.count():
                answer = self.call("ListPipelineExecutions", functools.partial(listed, page))
                yield answer
                if not answer["more"]:
                    return

        return SimpleNamespace(paginate=paginate)

    def head_object(self, **call: Any) -> Any:
        """Answer with the object's metadata."""
        return self.call("HeadObject", lambda: {"Metadata": {"key": call["Key"]}})

    # ---- DynamoDB

    def of_table(self) -> Any:
        """Return the table, with each of its calls one of these, named after what ``state`` makes it for."""
        names = {"put_item": "PutItem", "get_item": "GetItem", "update_item": "UpdateItem", "delete_item": "DeleteItem"}
        return SimpleNamespace(**{method: self._of_table(method, name) for method, name in names.items()})

    def _of_table(self, method: str, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            purpose = sys._getframe(1).f_code.co_name.strip("_").replace("_", " ")
            return self.call(f"{name} ({purpose})", lambda: getattr(self.table, method)(**arguments))

        return call

    # ---- What came of it

    def final_verdicts(self) -> list[dict[str, Any]]:
        """Return the verdicts that were told, without the waiting."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["message"] == "verdict" and line["outcome"] != "WAITING"]

    def repeated(self) -> list[Any]:
        """Return what was started more than once: the value of the parameter, and the pipeline."""
        started = [(one["PipelineParameters"][0]["Value"], one["PipelineName"]) for one in self.executions]
        return [one for one in set(started) if started.count(one) > 1]

    def misled(self) -> list[Any]:
        """Return the executions whose parameters no upload gives, and what SageMaker should not have been asked."""
        right = [[{"Name": "Key", "Value": key}] for key in self.sent.values()]
        return [*self.invalid, *(one for one in self.executions if one["PipelineParameters"] not in right)]

    def unexplained(self) -> list[Any]:
        """Return what is in the dead-letter queue without a reason or an event's id."""
        return [sent for sent in self.quarantined if not {"reason", "event_id"} <= sent["MessageAttributes"].keys()]


def _error(code: str, status: int, operation: str) -> ClientError:
    details: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, operation)


class Table:
    """DynamoDB's table as far as ``state`` uses it; a test holds it against moto's. Expired items are gone at once."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._items: dict[str, dict[str, Any]] = {}

    def _item(self, id_: str) -> dict[str, Any]:
        item = self._items.get(id_, {})
        return item if item.get("expires", self._now()) >= self._now() else {}

    def _check(self, condition: Any, id_: str, operation: str) -> None:
        if condition is not None and not _holds(condition, self._item(id_)):
            raise _error("ConditionalCheckFailedException", 400, operation)

    # ruff: noqa: N803 - boto3's names

    def put_item(self, Item: dict[str, Any], ConditionExpression: Any = None) -> dict[str, Any]:
        """Write an item."""
        self._check(ConditionExpression, Item["id"], "PutItem")
        self._items[Item["id"]] = dict(Item)
        return {}

    def get_item(self, Key: dict[str, str], ConsistentRead: bool) -> dict[str, Any]:
        """Read an item."""
        assert ConsistentRead
        item = self._item(Key["id"])
        return {"Item": dict(item)} if item else {}

    def delete_item(self, Key: dict[str, str]) -> dict[str, Any]:
        """Delete an item."""
        self._items.pop(Key["id"], None)
        return {}

    def update_item(
        self,
        Key: dict[str, str],
        UpdateExpression: str,
        ExpressionAttributeValues: dict[str, Any],
        ConditionExpression: Any = None,
        ReturnValues: str = "NONE",
    ) -> dict[str, Any]:
        """Change an item, or make it."""
        self._check(ConditionExpression, Key["id"], "UpdateItem")
        item = {**Key, **self._item(Key["id"])}
        changed = {}
        for verb, clause in re.findall(r"(SET|ADD) (.+?)(?= SET | ADD |$)", UpdateExpression):
            for part in clause.split(", "):
                name, value = part.split(" = " if verb == "SET" else " ")
                given = ExpressionAttributeValues[value]
                changed[name] = item.get(name, 0) + given if verb == "ADD" else given
        self._items[Key["id"]] = item | changed
        return {"Attributes": changed} if ReturnValues == "UPDATED_NEW" else {}


def _holds(condition: Any, item: Mapping[str, Any]) -> bool:
    """Say whether a condition, made with boto3, holds for an item."""
    expression = condition.get_expression()
    one, *other = expression["values"]
    match expression["operator"]:
        case "AND":
            return _holds(one, item) and _holds(other[0], item)
        case "OR":
            return _holds(one, item) or _holds(other[0], item)
        case "attribute_not_exists":
            return one.name not in item
        case "=":
            return one.name in item and bool(item[one.name] == other[0])
        case "<":
            return one.name in item and bool(item[one.name] < other[0])
        case operator:
            raise AssertionError(f"the table knows no condition {operator}")
