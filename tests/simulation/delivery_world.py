"""AWS around a handler, in memory: SQS, DynamoDB, SageMaker and S3, a clock, and faults at any call.

Stands for what neither moto nor the embedded AWS can do: forget tokens, list late, break off, expire items, let days
pass, lose answers, and all of it thousands of times in a minute. The clients are boto3's own; this takes the place of
``BaseClient._make_api_call``, so that calls are known by AWS's names for them.
"""

from __future__ import annotations

import io
import json
import logging
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from pipeline_triggers.batches import decision
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.operations.redrive import redrive
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.starts import deployed
from pipeline_triggers.telemetry import logger

from functions import on_batch, on_s3_upload
from tests.simulation.batch_table import MemoryTable
from tests.simulation.clock import Clock
from tests.simulation.dynamodb_model import Table
from tests.simulation.invocation import ENVIRONMENT, TIME_OUT, calling, context, record, sleeping
from tests.simulation.network import MISHAPS, Killed, refusal, with_retries
from tests.simulation.sagemaker_model import SageMaker
from tests.simulation.sqs_model import DEAD_LETTER_QUEUE, QUEUE, Queues

SLOW = 70  # seconds that a slow call takes: two of them are more than a function has

# A call's name, and which of that name it is.
At = tuple[str, int]

STACK = Stack("stack", {}, {"OnS3UploadQueue": QUEUE, "OnS3UploadDeadLetterQueue": DEAD_LETTER_QUEUE})

_FIELDS_OF_EACH_LOG_RECORD = vars(logging.makeLogRecord({})).keys()


class _Triggers(dict[str, Trigger]):
    """Triggers by their ids; something happens before one is taken out."""

    def __init__(self, take_out: Callable[[str], None], triggers: Iterable[Trigger]) -> None:
        super().__init__({trigger.id: trigger for trigger in triggers})
        self._take_out = take_out

    def get(self, key: str, default: Any = None) -> Any:
        """Take a trigger out."""
        self._take_out(key)
        return super().get(key, default)


@dataclass
class Invocation:
    """A function at work: when its time ends, how far its clock is off, and what it adds to each line of its log."""

    ends_at: float
    skew: float
    keys: dict[str, Any] = field(default_factory=dict)
    since: float = 0  # when it came to the message that it processes


class World:
    """What a handler finds around it.

    ``faults`` happen at a call of this name and number, counted from 1, and ``lasting`` ones at each call of a name;
    ``weather`` says what happens to any other request, by its call's name. ``latency`` is what the way to AWS takes,
    and the way back, in seconds. ``crashes`` counts for a message the functions in a row that were killed in the work
    on it: since the table last noted that one ended in order.
    """

    def __init__(
        self,
        trigger: Trigger,
        honours_tokens: bool = True,
        lag: float | Callable[[], float] = 0,
        faults: Mapping[At, str] | None = None,
        lasting: Mapping[str, str] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.trigger = trigger
        self.others: Iterable[Trigger] = ()  # deployed beside it
        self.deployed = True  # the triggers are
        self.faults = faults or {}
        self.lasting = lasting or {}
        self.weather: Callable[[str], str] = lambda _: ""
        self.latency: Callable[[], float] = lambda: 0
        self.chance = chance or random.Random(0)  # noqa: S311 - the same every time
        self.clock = Clock()
        self.table = Table(lambda: self.now)
        self.batches = MemoryTable(lambda: self.now)
        self.history = MemoryTable(lambda: self.now)
        self.put: list[dict[str, Any]] = []  # on the stack's bus
        self.steps: list[Any] = []  # that ``on_batch`` is asked for
        self.limits: dict[str, Limits] = {}
        self.objects: dict[str, bytes] = {}  # that were written
        self.manifest_bucket = ENVIRONMENT["BATCH_BUCKET"]
        self.sqs = Queues(lambda: self.now)
        late = lag if callable(lag) else lambda: lag
        self.sagemaker = SageMaker(lambda: self.now, honours_tokens, late)
        self.deleted: set[str] = set()  # keys of objects that are gone
        self.metadata: Mapping[str, str] = {}  # that objects have besides their keys
        self.poison: set[str] = set()  # keys of uploads that kill each function that reads them
        self.keys: dict[str, str] = {}  # message → key of the upload
        self.calls: list[At] = []
        self._made: Counter[str] = Counter()
        self.happened: list[tuple[str, str]] = []
        self.log: list[dict[str, Any]] = []
        self.metrics = io.StringIO()
        self.crashes: dict[str, int] = {}
        self.decided: set[str] = set()
        self._local = threading.local()
        self._operations: dict[str, Callable[..., Any]] = {
            "BatchGetItem": self._batch_get_item,
            "BatchWriteItem": self._batch_write_item,
            "Query": self.batches.query,
            "TransactWriteItems": self.batches.transact_write_items,
            "SendMessageBatch": self._send_message_batch,
            "PutObject": self._put_object,
            "PutItem": self.table.put_item,
            "GetItem": self.table.get_item,
            "UpdateItem": self.table.update_item,
            "DeleteItem": self.table.delete_item,
            "StartPipelineExecution": self.sagemaker.start_pipeline_execution,
            "DescribePipeline": self.sagemaker.describe_pipeline,
            "DescribePipelineExecution": self._describe_execution,
            "PutEvents": self._put_events,
            "ListPipelineExecutions": self.sagemaker.list_pipeline_executions,
            "HeadObject": self._head_object,
            "SendMessage": self.sqs.send_message,
            "ReceiveMessage": self.sqs.receive_message,
            "DeleteMessage": self.sqs.delete_message,
            "ChangeMessageVisibility": self.sqs.change_message_visibility,
        }

    @property
    def now(self) -> float:
        """The true time."""
        return self.clock.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and whoever else works meanwhile."""
        if seconds > 0:
            self.clock.sleep(seconds)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put this world around the handler, with nothing remembered."""
        with ExitStack() as stack:
            stack.enter_context(calling(self._called))
            for target, name, instead in (
                (sys, "stdout", self.metrics),
                (deployed, "triggers", self.triggers),
                (deployed, "limits", lambda: self.limits),
                (deployed, "manifest_bucket", lambda: self.manifest_bucket),
                (logger, "append_keys", self._append_keys),
                (logger.registered_handler, "emit", self._note),
                (time, "time", lambda: self.now + self._skew()),
                (time, "monotonic", lambda: self.now),
                (time, "sleep", sleeping(self.pass_time, lambda: bool(self._invocations()))),
                (random, "randint", self.chance.randint),
                (random, "uniform", self.chance.uniform),
            ):
                stack.enter_context(patch.object(target, name, instead))
            yield

    def triggers(self) -> dict[str, Trigger]:
        """Return the deployed triggers; a function that takes one out for a poisonous message is killed."""

        def take_out(_: str) -> None:
            if self.keys.get(self._invocations()[-1].keys["message_id"]) in self.poison:
                raise Killed

        return _Triggers(take_out, [self.trigger, *self.others] if self.deployed else [])

    def upload(self, key: str, delay: float = 0) -> str:
        """Let the trigger's rule send a message of an upload, and return the message's id."""
        event = {"id": f"event of {key}", "detail": {"bucket": {"name": "raw"}, "object": {"key": key, "etag": "e"}}}
        message = self.sqs.send(json.dumps({"trigger": self.trigger.id, "event": event}), delay)
        self.keys[message] = key
        return message

    def redrive(self, broken_off: str = "") -> None:
        """Let somebody run ``triggers redrive``, and perhaps break it off at its first deletion."""
        self.sqs.breaks_off = broken_off
        with suppress(Killed):
            list(redrive(STACK, lambda _: True, dry_run=False))
        for message in list(self.sqs.sent)[len(self.keys) :]:
            self.keys[message] = json.loads(self.sqs.queue[message].body)["event"]["detail"]["object"]["key"]

    # ---- Lambda

    def deliver(self, *messages: str, skew: float = 0) -> bool:
        """Hand messages to a function whose clock is off by ``skew``, and do with them what SQS does then.

        Return whether the function came to its end.
        """
        records = [record for message in messages if (record := self.sqs.received(message))]
        if not records:
            return True
        failed = self.invoke(records, skew)
        if failed is None:
            return False
        for record in records:
            if record["messageId"] not in failed:
                self.sqs.done(record["messageId"])
        return True

    def invoke(
        self, records: list[dict[str, Any]], skew: float = 0, handler: Callable[..., Any] = on_s3_upload.handler
    ) -> list[str] | None:
        """Let a function handle a batch, and return the messages that come back; None: it was killed."""
        time_out = decision.TIME_OUT if handler is on_batch.handler else TIME_OUT
        invocation = Invocation(self.now + time_out, skew)
        self._invocations().append(invocation)
        sys.stdout = self.metrics  # pytest puts its own there, between a fixture and its test
        try:
            response = handler({"Records": records}, context(time_out))
        except Killed:
            working_on = invocation.keys.get("message_id", "")
            self.crashes[working_on] = self.crashes.get(working_on, 0) + 1
            return None
        finally:
            self._invocations().pop()
        return [str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]]

    def drain(self, delays: tuple[int, ...] = (0,)) -> None:
        """Deliver what is visible, in any order and after any of these delays, until the queue is empty."""
        for _ in range(10_000):
            if not self.sqs.queue:
                return
            self.pass_time(self.sqs.next_visible_at() - self.now + self.chance.choice(delays))
            self.pass_time(self.chance.choice(delays))
            self.deliver(self.chance.choice(self.sqs.visible()))
        raise AssertionError(f"never done: {self.sqs.queue}")

    def take_steps(self) -> None:
        """Let ``on_batch`` process what it is asked for, until nothing is left."""
        for _ in range(100):
            if not self.steps:
                return
            self.step(self.steps.pop(0))
        raise AssertionError(f"never done: {self.steps}")

    def step(self, message: Mapping[str, Any], receives: int = 1, age: float = 0) -> list[str] | None:
        """Let ``on_batch`` process a message of this age in seconds, and return it if it comes back."""
        sent = record("step", json.dumps(message), receives, self.now - age)
        return self.invoke([sent], handler=on_batch.handler)

    def _invocations(self) -> list[Invocation]:
        """Return the functions that run in this thread, each inside the one before."""
        if not hasattr(self._local, "invocations"):
            self._local.invocations = []
        running: list[Invocation] = self._local.invocations
        return running

    def _skew(self) -> float:
        running = self._invocations()
        return running[-1].skew if running else 0

    def _append_keys(self, **keys: Any) -> None:
        current = self._invocations()[-1].keys
        if "message_id" in keys:  # the function goes on to its next message
            self._invocations()[-1].since = self.now
        current.update(keys)

    def _note(self, record: logging.LogRecord) -> None:
        more = {name: value for name, value in vars(record).items() if name not in _FIELDS_OF_EACH_LOG_RECORD}
        keys, since = self._invocations()[-1].keys, self._invocations()[-1].since
        line = {"level": record.levelname, "message": record.getMessage(), "at": self.now, "since": since}
        if record.exc_info:
            line["exception"] = repr(record.exc_info[1])
        crashes = self.crashes.get(keys.get("message_id", ""), 0)
        self.log.append({**line, "crashes": crashes, **keys, **more})

    # ---- Calls

    def next(self, name: str) -> At:
        """Return where a fault must be to happen at the next call of this name."""
        return (name, 1 + self._made[name])

    def _called(self, client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        """Make a call to AWS with what happens to it on its way."""
        known = {name: value for name, value in parameters.items() if name != "TableName"}
        work: Callable[[], Any] = partial(self._operations[operation], **known)
        if (operation, parameters.get("TableName")) == ("GetItem", ENVIRONMENT["BATCH_TABLE"]):
            work = partial(self.batches.get_item, **parameters)
        elif parameters.get("TableName") == ENVIRONMENT["HISTORY_TABLE"]:
            work = partial(getattr(self.history, xform_name(operation)), **parameters)
        elif operation == "Query":
            work = partial(self.batches.query, **parameters)
        if not self._invocations():
            return work()  # by somebody's command, which is not what is looked at here
        name = name_of(operation, parameters)
        if "REMOVE begun" in name:
            work = partial(self._noted, work, name, self._invocations()[-1].keys["message_id"])
        at = self.next(name)
        self.calls.append(at)
        self._made[name] += 1
        fault = self.faults.get(at) or self.lasting.get(name, "")
        if fault:
            self.happened.append((name, fault))
        request = partial(self._request, client, name, fault, work)
        return with_retries(client.meta.config, request, self.chance.random, self.pass_time)

    def _noted(self, work: Callable[[], Any], name: str, message: str) -> Any:
        """Forget the crashes of a message as the table does, where it takes the note of a delivery that ended in order.

        A decision stays, and the crashes that it rests on, whatever ends after it.
        """
        answer = work()
        if "verdicts" in name:
            self.decided.add(message)
        elif message not in self.decided:
            self.crashes.pop(message, None)
        return answer

    def _request(self, client: BaseClient, name: str, fault: str, work: Callable[[], Any], attempt: int) -> Any:
        if fault == "answered late":
            fault = "no reply" if attempt == 1 else ""
        fault = fault or self.weather(name)
        mishap = MISHAPS.get(fault)
        config: Any = client.meta.config
        longest = 0.45 * config.read_timeout
        try:
            self._take(min(self.latency(), longest))
        except Killed:
            # The function's time is over, but its request is on its way.
            with suppress(ClientError):
                work()
            raise
        if fault == "killed before":
            raise Killed
        try:
            answer = work() if mishap is None or mishap.effect else None
        except ClientError:
            if mishap is None and fault != "killed after":
                raise
        if fault == "killed after":
            raise Killed
        if fault == "slow":
            self._take(SLOW)
        if mishap:
            self._take(getattr(config, mishap.waits_for, 0))
            raise mishap.error(name.partition(" ")[0])
        if fault in ("same again", "a copy"):
            self._deliver_meanwhile(fault)
        self._take(min(self.latency(), longest))
        return answer

    def _take(self, seconds: float) -> None:
        """Let a function's time pass; it is killed when that is over."""
        self.pass_time(seconds)
        if self.now >= self._invocations()[-1].ends_at:
            raise Killed

    def _deliver_meanwhile(self, fault: str) -> None:
        """Deliver the message, or another one of the same event, to a second function while the first one works."""
        message = self._invocations()[-1].keys["message_id"]
        if fault == "a copy":
            message = self.upload(self.keys[message])
        if message in self.sqs.queue:
            self.deliver(message)

    def _batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Get items of either table."""
        if ENVIRONMENT["BATCH_TABLE"] in RequestItems:
            return self.batches.batch_get_item(RequestItems)
        ((table, request),) = RequestItems.items()
        responses = [self.table.get_item(key, request["ConsistentRead"]) for key in request["Keys"]]
        return {"Responses": {table: [response["Item"] for response in responses if response]}}

    def _batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        """Write items of either table."""
        table = self.history if ENVIRONMENT["HISTORY_TABLE"] in RequestItems else self.batches
        return table.batch_write_item(RequestItems)

    def _put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        self.put += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0}

    def _describe_execution(self, PipelineExecutionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        (found,) = (one for one in self.sagemaker.executions if one["arn"] == PipelineExecutionArn)
        return {"PipelineExecutionStatus": found.get("status", "Executing")}

    def _put_object(self, Bucket: str, Key: str, Body: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        self.objects[f"s3://{Bucket}/{Key}"] = Body
        return {}

    def _send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == ENVIRONMENT["BATCH_QUEUE_URL"]
        self.steps += [json.loads(entry["MessageBody"]) for entry in Entries]
        return {}

    def _head_object(self, Key: str, **_: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if Key in self.deleted:
            raise refusal("404", 404)("HeadObject")
        return {"Metadata": {"key": Key, **self.metadata}}

    # ---- What came of it

    def final_verdicts(self) -> list[dict[str, Any]]:
        """Return the verdicts that were reported, without the waiting."""
        return [line for line in self.log if line["message"] == "verdict" and line["outcome"] != "WAITING"]

    def misrecorded(self) -> set[Any]:
        """Return the verdicts that have no record, and the records that have no verdict: message, pipeline, outcome."""
        reported = {
            (line["message_id"], line.get("pipeline"), line["outcome"])
            for line in self.log
            if line["message"] == "verdict"
            and line["outcome"] != "FILTERED"
            and (line["outcome"] != "WAITING" or line.get("batch"))
        }
        recorded = {
            (item["sk"].split("#")[1], item.get("pipeline"), item["outcome"]) for item in self.history.items("subject#")
        }
        return reported ^ recorded

    def repeated(self) -> list[Any]:
        """Return what was started more than once: the value of the parameter, and the pipeline."""
        started = [(one["PipelineParameters"][0]["Value"], one["PipelineName"]) for one in self.sagemaker.executions]
        return [one for one in set(started) if started.count(one) > 1]

    def misled(self) -> list[Any]:
        """Return the executions whose parameters no upload gives, and the calls that SageMaker should not have got."""
        right = [[{"Name": "Key", "Value": key}] for key in self.keys.values()]
        executions = self.sagemaker.executions
        return [*self.sagemaker.invalid, *(one for one in executions if one["PipelineParameters"] not in right)]

    def unexplained(self) -> list[Any]:
        """Return what is in the dead-letter queue without a reason or an event's id."""
        return [sent for sent in self.sqs.quarantined if not {"reason", "event_id"} <= sent["MessageAttributes"].keys()]


def name_of(operation: str, parameters: Mapping[str, Any]) -> str:
    """Name a call by its operation, and one of the table by the kind of its item and what it changes, too."""
    key = parameters.get("Item") or parameters.get("Key")
    if not isinstance(key, Mapping):
        return operation
    kind = key.get("id", key.get("pk", "")).partition("#")[0]
    changes = re.sub(r"( = | ):\w+", "", parameters.get("UpdateExpression", ""))
    return " ".join(filter(None, (operation, kind, changes)))
