"""A world around the functions: DynamoDB, SageMaker, SQS, S3, clocks that differ, functions that run at once and crash.

A simulation of discrete events: each request takes a moment, and while it does, whatever comes earlier happens first.
So any two functions are interleaved at each of their requests, by seed. The functions are the stack's own handlers with
boto3's own clients; this takes the place of ``BaseClient._make_api_call``.
"""

from __future__ import annotations

import heapq
import io
import itertools
import json
import logging
import os
import random
import re
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools.utilities.batch import BatchProcessor
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError
from pipeline_triggers.batches import items
from pipeline_triggers.batches.models import Ticket
from pipeline_triggers.batches.services import Notice
from pipeline_triggers.delivery import line
from pipeline_triggers.history.ends import ENDED
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.starts import deployed
from pipeline_triggers.telemetry import logger

from tests.simulation.batch_table import MemoryTable, conflict
from tests.simulation.delivery_world import name_of as name_of_state
from tests.simulation.dynamodb_model import Table
from tests.simulation.invocation import ENVIRONMENT, calling, record, sleeping
from tests.simulation.network import MISHAPS, Killed, refusal, with_retries
from tests.simulation.sagemaker_model import violations

START_OF_TIME = 1_780_000_000.0
CLOCKS = 60  # seconds that a function's clock may be wrong

# Besides the parameters that a history's triggers give.
DECLARED = ("Manifest", "Events", "Count", "Batch", "Revision", "By", "Key")
DEFINITION = json.dumps({"Parameters": [{"Name": name, "DefaultValue": "-"} for name in DECLARED]})
PIPELINES = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/"
KNOWN_ERRORS = ("Waiting", "MaxStarts", "TooEarly", "Undecided", "Unanswered", "Changed", "Rejected")

_FIELDS_OF_EACH_LOG_RECORD = vars(logging.makeLogRecord({})).keys()

# What can happen at a call. The last: SQS delivers the same messages to another function while this one calls.
KILLS = ("killed before", "killed after")
FAULTS = (
    *KILLS,
    *("no connection", "request lost", "no reply", "answered late", "server error", "throttled", "denied"),
    *("slow", "conflict", "same again"),
)
SLOW = 200  # seconds that a slow call takes: two of them are more than a function has

START = "StartPipelineExecution"

# A call's name, and which of that name it is, counted from 1.
At = tuple[str, int]


@dataclass(eq=False)
class Message:
    """A message in a queue."""

    id: str
    body: str
    queue: Queue
    sent_at: float
    visible_at: float = 0.0
    receives: int = 0


@dataclass(frozen=True)
class Outage:
    """From when to when, after the beginning, each request of some calls meets the same mishap."""

    calls: str
    mishap: str
    begins: float
    ends: float

    def concerns(self, name: str, now: float) -> bool:
        """Whether a request meets it."""
        return self.calls in name and self.begins <= now - START_OF_TIME < self.ends


@dataclass
class Faults:
    """How likely each fault is at a call, and what SageMaker's worst is in this history."""

    kill: float = 0.0
    conflict: float = 0.0
    throttle: float = 0.0
    no_answer: float = 0.0
    slow: float = 0.0
    duplicate: float = 0.0
    event_lost: float = 0.0
    tokens: bool = True
    lag: float = 0.0
    outage: Outage | None = None


@dataclass
class Started:
    """An execution; the times are true ones."""

    arn: str
    pipeline: str
    token: str
    created_at: float
    ends_at: float
    listed_at: float
    end_listed_at: float
    parameters: Mapping[str, str]
    description: str
    ours: bool
    tracked: bool
    over: str = ""


class Task:
    """An invocation of a function, in a thread of its own that runs only when the world lets it."""

    def __init__(
        self, world: World, work: Callable[[Task], None], time_out: float, deliver_again: Callable[[], None]
    ) -> None:
        self.world = world
        self.deliver_again = deliver_again
        self.ends_by = world.now + time_out
        self.skew = world.chance.uniform(-world.clocks, world.clocks)
        self.keys: dict[str, Any] = {}  # what it adds to each line of its log
        self.is_over = False
        self.failure: BaseException | None = None
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self.thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        world.tasks.add(self)
        self.thread.start()

    def end(self) -> None:
        """End it when the history is over."""
        self.is_over = True
        self.resume()

    def _run(self, work: Callable[[Task], None]) -> None:
        self._go.acquire()
        try:
            work(self)
        except Killed:
            pass
        except BaseException as problem:
            self.failure = problem
        self.world.tasks.discard(self)
        self._back.release()

    def resume(self) -> None:
        """Let it run until it has to wait."""
        self.world.current = self
        self._go.release()
        self._back.acquire()
        if self.failure:
            raise self.failure

    def wait(self, seconds: float) -> None:
        """Let time pass for this task."""
        world = self.world
        wake = world.now + seconds
        if wake >= self.ends_by:
            wake = self.ends_by
        if world.agenda and world.agenda[0][0] <= wake:
            world.at(wake, self.resume)
            self._back.release()
            self._go.acquire()
        else:
            world.now = wake
        if world.now >= self.ends_by or self.is_over:
            raise Killed


class World:
    """The world of one history."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311 - the same history every time
        self.faults = faults
        self.troubled = True
        self.now = START_OF_TIME
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self.current: Task | None = None
        self.tasks: set[Task] = set()
        self.table = MemoryTable(lambda: self.now, lambda: self.happens(self.faults.conflict))
        self.history = MemoryTable(lambda: self.now)
        self.put: list[dict[str, Any]] = []  # on the stack's bus
        self.ends: Counter[str] = Counter()  # reported, by execution
        self.clocks: float = CLOCKS  # seconds that they are off at most
        self.state = Table(lambda: self.now)
        self.triggers: dict[str, Trigger] = {}
        self.limits: dict[str, Limits] = {}
        self.enforced: Mapping[str, Limits] = {}  # the limits that all running functions know
        self.executions: list[Started] = []
        self.invalid: list[str] = []  # what of a call does not fit SageMaker's API
        self.objects: dict[str, bytes] = {}
        self.log: list[tuple[float, Notice]] = []
        self.verdicts: dict[str, list[Notice]] = defaultdict(list)  # about events
        self.unexpected: list[str] = []  # exceptions that no message can cause
        self.letters: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.planned: Mapping[At, str] = {}  # faults that happen for certain
        self.happened: Counter[tuple[str, str]] = Counter()
        self.lasts: Callable[[], float] = lambda: self.chance.uniform(
            *self.chance.choice([(0.1, 5), (30, 1500), (30, 1500)])
        )
        self.refuses: Callable[[Mapping[str, str]], bool] = lambda _: False
        self.queues: dict[str, Queue] = {}
        self.messages: dict[str, Message] = {}

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put this world around the functions, until the history is over."""
        random.seed(self.seed)
        line._flag.cache_clear()
        with ExitStack() as stack:
            stack.enter_context(stay())
            stack.enter_context(calling(self._called))
            for target, name, instead in (
                (sys, "stdout", io.StringIO()),
                (deployed, "triggers", lambda: self.triggers),
                (deployed, "limits", lambda: self.limits),
                (deployed, "manifest_bucket", lambda: ENVIRONMENT["BATCH_BUCKET"]),
                (logger, "append_keys", lambda **keys: self._task().keys.update(keys)),
                (logger.registered_handler, "emit", self._note),
                (BatchProcessor, "failure_handler", self._failure_handler()),
                (time, "time", lambda: self.now + (self.current.skew if self.current else 0)),
                (time, "monotonic", lambda: self.now),
                (time, "sleep", sleeping(lambda seconds: self._task().wait(seconds), self._is_simulated)),
            ):
                stack.enter_context(patch.object(target, name, instead))
            try:
                yield
            finally:
                self.close()

    def _failure_handler(self) -> Callable[..., Any]:
        """Return what takes the exception of a message that a function gives back."""
        usual = BatchProcessor.failure_handler

        def failed(processor: BatchProcessor, record: Any, exception: Any) -> Any:
            self.failed(exception[1])
            return usual(processor, record, exception)

        return failed

    def _task(self) -> Task:
        assert self.current
        return self.current

    def _is_simulated(self) -> bool:
        return any(task.thread is threading.current_thread() for task in self.tasks)

    def _note(self, line: logging.LogRecord) -> None:
        """Keep a verdict that is logged; the function may crash right before or after it."""
        if line.exc_info and line.exc_info[1]:
            self.failed(line.exc_info[1])
        if line.getMessage() != "verdict":
            return
        if self.happens(self.faults.kill):
            raise Killed
        about = {name: value for name, value in vars(line).items() if name not in _FIELDS_OF_EACH_LOG_RECORD}
        self.reported(about)
        if self.happens(self.faults.kill):
            raise Killed

    def rejected_tickets(self) -> Iterator[Ticket]:
        """Return the tickets in the dead-letter queue."""
        for letter in self.letters:
            body = json.loads(letter["MessageBody"])
            if "ticket" in body:
                yield items.ticket(body["ticket"])

    def failed(self, error: BaseException) -> None:
        """Keep an exception that nothing which can happen explains."""
        if not isinstance(error, (ClientError, BotoCoreError)) and type(error).__name__ not in KNOWN_ERRORS:
            self.unexpected.append(repr(error))

    def reported(self, about: Mapping[str, Any]) -> None:
        """Keep a verdict about an event or a batch, and how an execution ended."""
        if about["outcome"] in ENDED.values():
            self.ends[about["execution_arn"]] += 1
            return
        notice = Notice(
            outcome=str(about["outcome"]),
            trigger=about["trigger"],
            batch=about.get("batch") or "",
            by=about.get("subject") or "",
            pipeline=about.get("pipeline") or "",
            reason=about.get("reason") or "",
            execution=about.get("execution_arn") or "",
        )
        if about["event_id"] != notice.batch:
            self.verdicts[about["event_id"]].append(notice)
            return
        self.log.append((self.now, notice))

    # ---- Time

    def at(self, moment: float, work: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self.agenda, (moment, next(self._number), work))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self.agenda and self.agenda[0][0] <= until:
            moment, _, work = heapq.heappop(self.agenda)
            self.now = max(self.now, moment)
            work()
        self.now = max(self.now, until)

    def close(self) -> None:
        """End all that still runs."""
        for task in list(self.tasks):
            task.end()

    def happens(self, likelihood: float) -> bool:
        """Whether a fault happens now."""
        return self.troubled and likelihood > 0 and self.chance.random() < likelihood

    def invoke(
        self, work: Callable[[Task], None], time_out: float, deliver_again: Callable[[], None] = lambda: None
    ) -> None:
        """Run a function; ``deliver_again`` hands its messages to another one."""
        Task(self, work, time_out, deliver_again).resume()

    # ---- Calls

    def _called(self, client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        """Make a call of the current task: botocore's requests, with what may happen to each of them."""
        task = self._task()
        name = name_of(operation, parameters)
        work, config = partial(self._answer, operation, parameters), client.meta.config
        self.calls[name] += 1
        at = (name, self.calls[name])
        fault = self.planned.get(at, "")
        if fault:
            self.happened[name, fault] += 1
        answers: list[Any] = []
        request = partial(self._request, task, name, fault, work, config, answers)
        return with_retries(config, request, self.chance.random, task.wait)

    def _request(
        self, task: Task, name: str, fault: str, work: Callable[[], Any], config: Any, answers: list[Any], attempt: int
    ) -> Any:
        if fault == "answered late":
            fault = "no reply" if attempt == 1 else ""
        fault = fault or self._weather(name)
        slow = fault == "slow" or self.happens(self.faults.slow)
        task.wait(self.chance.uniform(5, SLOW) if slow else self.chance.expovariate(1 / 0.03))
        if fault == "killed before":
            raise Killed
        if fault == "conflict":
            raise conflict()
        mishap = MISHAPS.get(fault)
        if mishap is None or mishap.effect:
            # DynamoDB knows a transaction by its token, and makes it once.
            if not (answers and name.startswith("TransactWriteItems")):
                answers.append(work())
            if fault == "killed after":
                raise Killed
            if fault == "same again":
                task.deliver_again()
        if mishap:
            task.wait(getattr(config, mishap.waits_for, 0))
            raise mishap.error(name.partition(" ")[0])
        return answers[-1]

    def _weather(self, name: str) -> str:
        """Return what happens to a request by chance."""
        faults = self.faults
        if faults.outage and faults.outage.concerns(name, self.now):
            self.happened[name, faults.outage.mishap] += 1
            return faults.outage.mishap
        rates = (("killed before", faults.kill), ("killed after", faults.kill), ("throttled", faults.throttle))
        for fault, rate in (*rates, ("no reply", faults.no_answer), ("server error", faults.no_answer)):
            if self.happens(rate):
                self.happened[name, fault] += 1
                return fault
        return ""

    def _answer(self, operation: str, parameters: dict[str, Any]) -> Any:
        """Do what AWS does at a call."""
        match operation:
            case "StartPipelineExecution":
                return self._start_execution(parameters)
            case "ListPipelineExecutions":
                return self._list(**parameters)
            case "DescribePipeline":
                return {"PipelineDefinition": DEFINITION}
            case "SendMessageBatch":
                for entry in parameters["Entries"]:
                    self.queues["batches"].send(entry["MessageBody"])
                return {}
            case "SendMessage":
                return self.letters.append(parameters)
            case "ChangeMessageVisibility":
                hidden = self.messages[parameters["ReceiptHandle"].removeprefix("handle of ")]
                return hidden.queue.show(hidden, parameters["VisibilityTimeout"])
            case "PutObject":
                return self.objects.update({f"s3://{parameters['Bucket']}/{parameters['Key']}": parameters["Body"]})
            case "BatchWriteItem" if "history" in parameters["RequestItems"]:
                return self.history.batch_write_item(**parameters)
            case "DescribePipelineExecution":
                return self._describe_execution(parameters["PipelineExecutionArn"])
            case "PutEvents":
                self.put.append(json.loads(parameters["Entries"][0]["Detail"]))
                return {"FailedEntryCount": 0}
            case "BatchGetItem" if "state" in parameters["RequestItems"]:
                request = parameters["RequestItems"]["state"]
                found = [self.state.get_item(key, request["ConsistentRead"]) for key in request["Keys"]]
                return {"Responses": {"state": [one["Item"] for one in found if one]}}
        if parameters.get("TableName") == "history":
            return getattr(self.history, _snake(operation))(**parameters)
        if parameters.get("TableName") == "state":
            return getattr(self.state, _snake(operation))(**parameters)
        return getattr(self.table, _snake(operation))(**parameters)

    # ---- SageMaker

    def _start_execution(self, call: Mapping[str, Any]) -> dict[str, str]:
        self.invalid += violations(call)
        parameters = {one["Name"]: one["Value"] for one in call["PipelineParameters"]}
        if self.refuses(parameters):
            raise refusal("ValidationException")("StartPipelineExecution")
        if self.happens(self.faults.throttle):
            raise refusal("ResourceLimitExceeded")("StartPipelineExecution")
        described = call["PipelineExecutionDescription"]
        return {
            "PipelineExecutionArn": self.start(call["PipelineName"], call["ClientRequestToken"], parameters, described)
        }

    # ruff: noqa: N803 - boto3's names

    def _list(
        self, PipelineName: str, CreatedAfter: datetime, MaxResults: int, NextToken: str = "0", **order: str
    ) -> dict[str, Any]:
        """Return a page of the executions as late as SageMaker may list them."""
        assert order == {"SortBy": "CreationTime", "SortOrder": "Ascending"}
        listed = [
            {
                "PipelineExecutionArn": one.arn,
                "PipelineExecutionStatus": "Executing" if one.end_listed_at > self.now else "Succeeded",
                "PipelineExecutionDescription": one.description,
                "StartTime": datetime.fromtimestamp(one.created_at, UTC),
            }
            for one in self.executions
            if one.pipeline == PipelineName and one.created_at >= CreatedAfter.timestamp() and one.listed_at <= self.now
        ]
        begin, end = int(NextToken), int(NextToken) + MaxResults
        more = {"NextToken": str(end)} if len(listed) > end else {}
        return {"PipelineExecutionSummaries": listed[begin:end], **more}

    def _describe_execution(self, arn: str) -> dict[str, Any]:
        (execution,) = (one for one in self.executions if one.arn == arn)
        times = {"CreationTime": execution.created_at, "LastModifiedTime": min(self.now, execution.ends_at)}
        return {
            "PipelineExecutionStatus": "Executing" if execution.ends_at > self.now else "Succeeded",
            **{name: datetime.fromtimestamp(time, UTC) for name, time in times.items()},
        }

    def start(
        self, pipeline: str, token: str, parameters: Mapping[str, str], description: str = "", *, ours: bool = True
    ) -> str:
        """Start an execution, unless the token is remembered."""
        for execution in self.executions:
            if ours and self.faults.tokens and execution.token == token:
                return execution.arn
        over = self.over_limit(pipeline) if ours else ""
        ends_at = self.now + self.lasts()
        started = Started(
            arn=f"{PIPELINES}{pipeline}/execution/{len(self.executions):012d}",
            pipeline=pipeline,
            token=token,
            created_at=self.now,
            ends_at=ends_at,
            listed_at=self.now + self.chance.uniform(0, 1) * self.faults.lag,
            end_listed_at=ends_at + self.chance.uniform(0, 1) * self.faults.lag,
            parameters=parameters,
            description=description,
            ours=ours,
            # What started before there was a limit counts like what others start.
            tracked=ours and self.enforced.get(pipeline, Limits()).max_running is not None,
            over=over,
        )
        self.executions.append(started)
        self.at(ends_at, lambda: self.ended(started))
        return started.arn

    def over_limit(self, pipeline: str) -> str:
        """Say which executions are in the way of a start, "" when it is within ``max_running``."""
        most = self.enforced.get(pipeline, Limits()).max_running
        same = [one for one in self.executions if one.pipeline == pipeline and one.ends_at > self.now]
        # The decision took its listing within the life of its function.
        busy = [one for one in same if one.tracked or one.listed_at < self.now - 300]
        return ", ".join(one.arn for one in busy) if most is not None and len(busy) >= most else ""

    def ended(self, execution: Started) -> None:
        """Send the event of an execution's end: once, twice, late, or never."""
        if self.happens(self.faults.event_lost):
            return
        for _ in range(1 + self.happens(self.faults.duplicate)):
            late = self.chance.choice([0, 0, 60, 1200]) if self.troubled else 0
            self.at(self.now + late, lambda: self._tell(execution))

    def _tell(self, execution: Started) -> None:
        arns = {"pipelineArn": PIPELINES + execution.pipeline, "pipelineExecutionArn": execution.arn}
        self.queues["batches"].send(json.dumps({"detail": arns}))


@cache
def _snake(operation: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", operation).lower()


def name_of(operation: str, call: Mapping[str, Any]) -> str:
    """Name a call by its operation, and one of BatchTable by what it is about: ``Query queue``."""
    match call:
        case {"RequestItems": {"history": _}}:
            return f"{operation} history"
        case {"TransactItems": changes}:
            return f"{operation} {', '.join(dict.fromkeys(_change(change) for change in changes))}"
        case {"RequestItems": requests}:
            (first, *_) = (
                next(iter(requests.values()))["Keys"] if "Get" in operation else [{"pk": "batch", "sk": "member"}]
            )
            return f"{operation} {_kind(first)}"
        case {"TableName": "history", **rest}:
            key = rest.get("Key") or rest.get("Item") or {"pk": "going"}
            return f"{operation} {'going' if key['pk'] == 'going' else 'end'}"
        case {"TableName": "batches", "Key": key}:
            return f"{operation} {_kind(key)}"
        case {"KeyConditionExpression": _, "ExpressionAttributeValues": values}:
            return f"{operation} {_kind({'pk': values[':pk'], 'sk': values.get(':sk', '')})}"
        case _:
            return name_of_state(operation, call)


def _change(change: Mapping[str, Any]) -> str:
    ((kind, call),) = change.items()
    return f"{kind} {_kind(call.get('Item') or call['Key'])}"


def _kind(key: Mapping[str, str]) -> str:
    kind = key.get("pk", key.get("id", "")).partition("#")[0]
    return key["sk"].partition("#")[0] if kind == "batch" else kind


@contextmanager
def stay() -> Iterator[None]:
    """Stay on one processor for a while: threads that hand over to each other across two take twice as long."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(processors)[os.getpid() % len(processors)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)


Handler = Callable[[dict[str, Any], Any], Any]


@dataclass
class Queue:
    """An SQS queue with its function: batches, visibility, duplicates."""

    world: World
    handler: Handler
    concurrency: int
    size: int
    time_out: float
    visibility: float
    fewest: int = 1
    messages: dict[str, Message] = field(default_factory=dict)
    visible: list[Message] = field(default_factory=list)  # perhaps: those that are hidden or gone are passed over
    running: int = 0
    invocations: int = 0
    longest: float = 0.0  # of them, in seconds
    longest_cpu: float = 0.0

    def send(self, body: str) -> str:
        """Take a message, and return its id."""
        message = Message(f"m{len(self.world.messages)}", body, self, self.world.now)
        self.world.messages[message.id] = self.messages[message.id] = message
        self.show(message, self.world.chance.uniform(0.001, 0.05))
        return message.id

    def show(self, message: Message, seconds: float) -> None:
        """Let a message be visible in so many seconds, unless that changes."""
        message.visible_at = self.world.now + seconds

        def appear() -> None:
            self.visible.append(message)
            self.poll()

        self.world.at(message.visible_at, appear)

    def poll(self) -> None:
        """Hand visible messages to the function, in any order."""
        if self.running >= self.concurrency:
            return
        batch: list[Message] = []
        most = self.world.chance.randint(self.fewest, self.size)
        while self.visible and len(batch) < most:
            place = self.world.chance.randrange(len(self.visible))
            self.visible[place], self.visible[-1] = self.visible[-1], self.visible[place]
            message = self.visible.pop()
            if message.id in self.messages and message.visible_at <= self.world.now:
                message.receives += 1
                self.show(message, self.visibility)
                batch.append(message)
        if batch:
            self.running += 1
            self.world.invoke(lambda task: self._deliver(task, batch), self.time_out, partial(self._again, batch))
            self.world.at(self.world.now + 0.001, self.poll)

    def _again(self, batch: Sequence[Message]) -> None:
        """Let messages be visible that a function has."""
        for message in batch:
            self.show(message, 0)

    def _deliver(self, task: Task, batch: Sequence[Message]) -> None:
        records = [record(one.id, one.body, one.receives, one.sent_at) for one in batch]
        began, cpu = self.world.now, time.thread_time()
        self.invocations += 1
        try:
            response = self.handler({"Records": records}, self._context(task))
        finally:
            self.longest = max(self.longest, self.world.now - began)
            self.longest_cpu = max(self.longest_cpu, time.thread_time() - cpu)
            self.running -= 1
            self.world.at(self.world.now + 0.001, self.poll)
        failed = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        for message in batch:
            if message.id not in failed:
                self._delete(message)

    def _context(self, task: Task) -> SimpleNamespace:
        return SimpleNamespace(
            function_name="handler",
            memory_limit_in_mb=512,
            invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:handler",
            aws_request_id="request",
            get_remaining_time_in_millis=lambda: int((task.ends_by - self.world.now) * 1000),
        )

    def _delete(self, message: Message) -> None:
        """Delete what was handled, or deliver it once more all the same."""
        if self.world.happens(self.world.faults.duplicate):
            self.show(message, self.world.chance.choice([0, 1, 600]))
        else:
            self.messages.pop(message.id, None)


def iso(moment: float) -> str:
    """Write a time as EventBridge does."""
    return datetime.fromtimestamp(moment, UTC).isoformat()
