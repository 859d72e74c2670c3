"""``make burst``: far more uploads at once than SageMaker may start; none of them is lost for that.

The handler is the real one. Around it are SQS, Lambda's event source mapping and SageMaker's limits, in a time of their
own. What a call takes and what SageMaker allows are assumptions: AWS documents neither.
The template's figures are the best of those that are compared here, which a test holds.
"""

from __future__ import annotations

import heapq
import json
import math
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.starts import deployed, start
from pipeline_triggers.telemetry import logger
from rich.console import Console
from rich.table import Table

from functions import on_s3_upload
from tests.simulation import dynamodb_model
from tests.simulation.clock import Clock
from tests.simulation.invocation import calling, context, record, sleeping
from tests.simulation.network import refusal
from tests.tools import templates

UPLOADS = 100_000
COMPARED = 5_000  # uploads, of which each of the figures is tried
STARTS_PER_SECOND = 5  # that SageMaker allows, with as many at once
A_START, ANOTHER_CALL = 0.1, 0.01  # seconds that a call of SageMaker, and one of DynamoDB or SQS, takes

TRIGGER = Trigger(
    "team/burst", When("s3", {"bucket": "raw"}), (Start("train", {"Key": "$.detail.object.key"}),), max_starts=10**9
)


@dataclass(frozen=True)
class Mapped:
    """How a queue feeds a function: the event source mapping's and the queue's properties."""

    concurrency: int
    batch: int
    visibility: int
    max_receives: int

    @classmethod
    def of_template(cls) -> Mapped:
        """Return what ``template.yaml`` says for uploads."""
        resources = templates.transformed()["Resources"]
        mapping = resources["OnS3UploadFunctionUploads"]["Properties"]
        queue = resources["OnS3UploadQueue"]["Properties"]
        return cls(
            mapping["ScalingConfig"]["MaximumConcurrency"],
            mapping["BatchSize"],
            queue["VisibilityTimeout"],
            queue["RedrivePolicy"]["maxReceiveCount"],
        )


@dataclass
class Message:
    """A message of the queue."""

    id: str
    body: str
    sent_at: float
    receives: int = 0
    visible_at: float = 0.0


@dataclass
class Burst:
    """A queue with a burst in it, the function that reads it, and SageMaker with its rate."""

    mapped: Mapped
    uploads: int
    # For how many hours SageMaker runs as many executions as it may, and after how many an event is given up.
    full_for: float = 0.0
    give_up_after: int = 72
    # Whether the handler takes its time, as it does, or gives a throttled event right back to its queue.
    patient: bool = True
    clock: Clock = field(default_factory=Clock)
    started: set[str] = field(default_factory=set)
    dead: list[str] = field(default_factory=list)
    calls: int = 0
    invocations: int = 0
    busy: float = 0.0  # seconds
    drained_at: float = 0.0
    most_receives: int = 0
    most_in_flight: int = 0
    _tokens: float = STARTS_PER_SECOND
    _refilled_at: float = 0.0

    def __post_init__(self) -> None:
        self.began_at = self._refilled_at = self.clock.now
        names = map(str, range(self.uploads))
        self._messages = {name: Message(name, _body(name), self.began_at) for name in names}
        self._visible = deque(self._messages)
        self._hidden: list[tuple[float, str]] = []
        table = dynamodb_model.Table(lambda: self.clock.now)
        self._operations: dict[str, Callable[..., Any]] = {
            "PutItem": table.put_item,
            "GetItem": table.get_item,
            "Query": lambda **_: {"Items": []},  # no pauses
            "UpdateItem": table.update_item,
            "DeleteItem": table.delete_item,
            "DescribePipeline": lambda **_: {"PipelineDefinition": '{"Parameters": [{"Name": "Key"}]}'},
            "StartPipelineExecution": self.start_pipeline_execution,
            "ChangeMessageVisibility": self.change_message_visibility,
            "SendMessage": self.send_message,
            "BatchWriteItem": lambda **_: {},  # takes all records
            "PutEvents": lambda **_: {"FailedEntryCount": 0},
        }

    # SQS

    def receive(self) -> list[Message]:
        """Return a batch, and move to the dead-letter queue what was received too often."""
        while self._hidden and self._hidden[0][0] <= self.clock.now:
            visible_at, name = heapq.heappop(self._hidden)
            if name in self._messages and self._messages[name].visible_at == visible_at:
                self._visible.append(name)
        batch: list[Message] = []
        while self._visible and len(batch) < self.mapped.batch:
            message = self._messages[self._visible.popleft()]
            message.receives += 1
            if message.receives > self.mapped.max_receives:
                self.dead.append(message.id)
                del self._messages[message.id]
                continue
            self._hide(message, self.mapped.visibility)
            batch.append(message)
        self.most_receives = max([self.most_receives, *(message.receives for message in batch)])
        self.most_in_flight = max(self.most_in_flight, len(self._messages) - len(self._visible))
        return batch

    def _hide(self, message: Message, seconds: float) -> None:
        message.visible_at = self.clock.now + seconds
        heapq.heappush(self._hidden, (message.visible_at, message.id))

    def change_message_visibility(self, ReceiptHandle: str, VisibilityTimeout: int, **_: str) -> dict[str, Any]:  # noqa: N803
        """Hide a message for so long from now on."""
        if self.patient:
            self._hide(self._messages[ReceiptHandle.removeprefix("handle of ")], VisibilityTimeout)
        return {}

    def send_message(self, MessageAttributes: Mapping[str, Any], **_: str) -> dict[str, Any]:  # noqa: N803
        """Take a message into the dead-letter queue."""
        self.dead.append(MessageAttributes["reason"]["StringValue"])
        return {}

    # Lambda

    def work(self) -> None:
        """Feed the function, one of those that run at the same time, until the queue is empty."""
        while self._messages:
            batch = self.receive()
            if not batch:
                self.clock.sleep(max(0.0, self._hidden[0][0] - self.clock.now) if self._hidden else 1.0)
                continue
            began = self.clock.now
            records = [record(message.id, message.body, message.receives, message.sent_at) for message in batch]
            answer = on_s3_upload.handler({"Records": records}, context())  # type: ignore[arg-type]
            self.invocations += 1
            self.busy += self.clock.now - began
            self.drained_at = self.clock.now
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            for message in batch:
                if message.id not in failed:
                    del self._messages[message.id]

    # SageMaker

    def start_pipeline_execution(self, ClientRequestToken: str, **_: Any) -> dict[str, str]:  # noqa: N803
        """Start, if the rate allows it."""
        self.calls += 1
        elapsed = self.clock.now - self._refilled_at
        self._tokens = min(STARTS_PER_SECOND, self._tokens + elapsed * STARTS_PER_SECOND)
        self._refilled_at = self.clock.now
        if self.clock.now - self.began_at < self.full_for * 3600:
            raise refusal("ResourceLimitExceeded")("StartPipelineExecution")
        if self._tokens < 1:
            raise refusal("ThrottlingException")("StartPipelineExecution")
        self._tokens -= 1
        assert ClientRequestToken not in self.started, "started twice"
        self.started.add(ClientRequestToken)
        return {"PipelineExecutionArn": ClientRequestToken}

    # All calls

    def called(self, _: BaseClient, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Take the time of a call, and make it."""
        self.clock.sleep(A_START if operation == "StartPipelineExecution" else ANOTHER_CALL)
        response: dict[str, Any] = self._operations[operation](**parameters)
        return response

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put this world around the handler."""
        with ExitStack() as stack, open(os.devnull, "w") as nowhere:  # noqa: PTH123 - no path of ours
            stack.enter_context(calling(self.called))
            stack.enter_context(patch.dict(os.environ, {"GIVE_UP_AFTER_HOURS": str(self.give_up_after)}))
            for target, name, instead in (
                (sys, "stdout", nowhere),  # where metrics go
                (deployed, "triggers", lambda: {TRIGGER.id: TRIGGER}),
                (logger.registered_handler, "stream", nowhere),
                (time, "time", lambda: self.clock.now),
                (time, "monotonic", lambda: self.clock.now),
                (time, "sleep", sleeping(self.clock.sleep, self.clock.is_worker)),
            ):
                stack.enter_context(patch.object(target, name, instead))
            if not self.patient:
                stack.enter_context(patch.object(start, "FIRST_PAUSE", float("inf")))
            yield

    def play(self) -> Burst:
        """Let the function work until the queue is empty."""
        random.seed(0)
        with self.installed():
            self.clock.run([self.work] * self.mapped.concurrency)
        return self

    @property
    def hours(self) -> float:
        """How long it took until nothing was left."""
        return (self.drained_at - self.began_at) / 3600


def _body(name: str) -> str:
    detail = {"bucket": {"name": "raw"}, "object": {"key": f"in/{name}", "etag": "e"}}
    return json.dumps({"trigger": TRIGGER.id, "event": {"id": name, "detail": detail}})


def compared(written: Mapped, uploads: int) -> dict[Mapped, Burst]:
    """Play the burst with other concurrencies and batch sizes, too: all that can be had without a batching window."""
    tried = [(2, 1), (2, 5), (2, 10), (3, 10), (5, 10), (10, 10), (50, 10)]
    mappings = [replace(written, concurrency=concurrency, batch=batch) for concurrency, batch in tried]
    return {mapped: Burst(mapped, uploads).play() for mapped in mappings}


def best(bursts: Mapping[Mapped, Burst]) -> Mapped:
    """Return what loses nothing and is done within a hundredth of the shortest time, at the least cost."""
    shortest = min(burst.hours for burst in bursts.values())
    good = {mapped: burst for mapped, burst in bursts.items() if not burst.dead and burst.hours <= 1.01 * shortest}
    return min(good, key=lambda mapped: (round(good[mapped].busy), good[mapped].invocations))


def receives_needed(waited: Burst) -> int:
    """Return how often a message may be received: half as often again as the longest wait takes, in full hundreds."""
    return math.ceil(1.5 * waited.most_receives / 100) * 100


def longest_wait(written: Mapped, uploads: int) -> Burst:
    """Play uploads that can't be started before they are almost as old as the template lets them become."""
    longest = templates.transformed()["Parameters"]["GiveUpAfterHours"]["MaxValue"]
    return Burst(written, uploads, full_for=longest - 1, give_up_after=longest).play()


def main() -> int:
    """Print what becomes of the burst; the exit code says whether anything was lost."""
    written = Mapped.of_template()
    console = Console(highlight=False, width=180)
    table = Table("uploads", "concurrency", "batch", "in the DLQ", "hours", "calls a start", "invocations",
                  "function hours", "most receives", "most in flight", "", box=None, pad_edge=False)  # fmt: skip

    def add(burst: Burst, note: str) -> None:
        figures = (f"{burst.uploads:,}", burst.mapped.concurrency, burst.mapped.batch, f"{len(burst.dead):,}")
        rates = (f"{burst.hours:.2f}", f"{burst.calls / burst.uploads:.2f}", f"{burst.invocations:,}")
        rest = (f"{burst.busy / 3600:.2f}", burst.most_receives, f"{burst.most_in_flight:,}", note)
        table.add_row(*map(str, (*figures, *rates, *rest)))

    bursts = compared(written, COMPARED)
    for mapped, burst in bursts.items():
        add(burst, ", ".join(["best"] * (mapped == best(bursts)) + ["as in the template"] * (mapped == written)))
    impatient = replace(written, concurrency=10, max_receives=5)
    add(Burst(impatient, COMPARED, patient=False).play(), "events given back at once, up to five times")
    full = longest_wait(written, 100)
    add(full, f"no room for {full.full_for:.0f} hours: {receives_needed(full)} receives are enough")
    whole = Burst(written, UPLOADS).play()
    add(whole, "the burst")
    console.print(f"{STARTS_PER_SECOND} starts a second; calls of {A_START} s (SageMaker), {ANOTHER_CALL} s (others)\n")
    console.print(table)
    return 1 if whole.dead or full.dead or len(whole.started) != UPLOADS or best(bursts) != written else 0


if __name__ == "__main__":
    sys.exit(main())
