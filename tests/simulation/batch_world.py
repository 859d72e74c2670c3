"""A world around ``batches``: DynamoDB, SageMaker, SQS, S3, clocks that differ, functions that run at once and crash.

A simulation of discrete events: each request takes a moment, and while it does, whatever comes earlier happens first.
So any two functions are interleaved at each of their requests, by seed.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from pipeline_triggers.batches.models import Execution, Listing, Turn
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.services import Documents, Notice, Services
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table
from pipeline_triggers.errors import MaxStarts, Rejected, Waiting
from pipeline_triggers.models import Limits, Run

from tests.simulation.batch_table import MemoryTable, conflict
from tests.simulation.network import MISHAPS, Killed, with_retries

START_OF_TIME = 1_780_000_000.0
CLOCKS = 60  # seconds that a function's clock may be wrong

# What a client of DynamoDB or SQS is made with, and the one that starts executions.
QUICK = SimpleNamespace(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 3})
ONCE = SimpleNamespace(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})

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


@dataclass
class Message:
    """A message in a queue."""

    body: Any
    visible_at: float
    sent_at: float
    receives: int = 0


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
        self.skew = world.chance.uniform(-CLOCKS, CLOCKS)
        self.is_over = False
        self.failure: BaseException | None = None
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        world.tasks.add(self)
        self._thread.start()

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
        self.chance = random.Random(seed)  # noqa: S311 - the same history every time
        self.faults = faults
        self.troubled = True
        self.now = START_OF_TIME
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self.current: Task | None = None
        self.tasks: set[Task] = set()
        self.table = MemoryTable(lambda: self.now, lambda: self.happens(self.faults.conflict))
        self.executions: list[Started] = []
        self.objects: dict[str, bytes] = {}
        self.log: list[tuple[float, Notice]] = []
        self.letters: list[Turn] = []
        self.starts_of_hour: Counter[tuple[str, int]] = Counter()
        self.calls: Counter[str] = Counter()
        self.planned: Mapping[At, str] = {}  # faults that happen for certain
        self.once: dict[str, str] = {}
        self.happened: Counter[tuple[str, str]] = Counter()
        self.lasts: Callable[[], float] = lambda: self.chance.uniform(
            *self.chance.choice([(0.1, 5), (30, 1500), (30, 1500)])
        )
        self.max_starts: Mapping[str, int] = {}
        self.limits: Mapping[str, Limits] = {}
        self.rejected: Callable[[Mapping[str, str]], bool] = lambda _: False
        self.queues: dict[str, Queue] = {}

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

    def call(self, name: str, work: Callable[[], Any], config: Any = QUICK) -> Any:
        """Make a call of the current task: botocore's requests, with what may happen to each of them."""
        task = self.current
        assert task
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
        rates = (("killed before", faults.kill), ("killed after", faults.kill), ("throttled", faults.throttle))
        for fault, rate in (*rates, ("no reply", faults.no_answer), ("server error", faults.no_answer)):
            if self.happens(rate):
                self.happened[name, fault] += 1
                return fault
        return ""

    def services(self, task: Task, documents: Documents) -> Services:
        """Return what a function's code works with."""
        table = Table(_Calls(self, self.table), "batches")
        return Services(
            store=Store(table),
            records=Records(table),
            documents=documents,
            door=_Door(self),
            outside=_Outside(self),
            now=lambda: self.now + task.skew,
            time_left=lambda: task.ends_by - self.now - 90,
            sleep=task.wait,
        )

    # ---- SageMaker

    def start(self, pipeline: str, token: str, parameters: Mapping[str, str], *, ours: bool = True) -> str:
        """Start an execution, unless the token is remembered."""
        for execution in self.executions:
            if ours and self.faults.tokens and execution.token == token:
                return execution.arn
        over = self.over_limit(pipeline) if ours else ""
        ends_at = self.now + self.lasts()
        started = Started(
            arn=f"arn:{pipeline}/{len(self.executions)}",
            pipeline=pipeline,
            token=token,
            created_at=self.now,
            ends_at=ends_at,
            listed_at=self.now + self.chance.uniform(0, 1) * self.faults.lag,
            end_listed_at=ends_at + self.chance.uniform(0, 1) * self.faults.lag,
            parameters=parameters,
            ours=ours,
            # What started before there was a limit counts like what others start.
            tracked=ours and self.limits.get(pipeline, Limits()).max_running is not None,
            over=over,
        )
        self.executions.append(started)
        self.at(ends_at, lambda: self.ended(started))
        return started.arn

    def over_limit(self, pipeline: str) -> str:
        """Say which executions are in the way of a start, "" when it is within ``max_running``."""
        most = self.limits.get(pipeline, Limits()).max_running
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
        self.queues["batches"].send({"pipeline": execution.pipeline, "ended": execution.arn})


class _Calls:
    """DynamoDB's client, each of its calls one of the world's."""

    def __init__(self, world: World, table: MemoryTable) -> None:
        self._world = world
        self._table = table

    def __getattr__(self, name: str) -> Callable[..., Any]:
        work = getattr(self._table, name)
        return lambda **call: self._world.call(name_of(name, call), lambda: work(**call))


def name_of(operation: str, call: Mapping[str, Any]) -> str:
    """Name a call of DynamoDB by what it is about: ``TransactWriteItems Delete open, Put batch, Put kept``."""
    name = "".join(word.capitalize() for word in operation.split("_"))
    match call:
        case {"TransactItems": changes}:
            return f"{name} {', '.join(dict.fromkeys(_change(change) for change in changes))}"
        case {"RequestItems": requests}:
            return f"{name} {_kind(next(iter(requests.values()))['Keys'][0])}" if "Get" in name else f"{name} member"
        case {"Key": key}:
            return f"{name} {_kind(key)}"
        case _:
            values = call["ExpressionAttributeValues"]
            return f"{name} {_kind({'pk': values[':pk'], 'sk': values.get(':sk', '')})}"


def _change(change: Mapping[str, Any]) -> str:
    ((kind, call),) = change.items()
    return f"{kind} {_kind(call.get('Item') or call['Key'])}"


def _kind(key: Mapping[str, str]) -> str:
    kind = key["pk"].partition("#")[0]
    return key["sk"].partition("#")[0] if kind == "batch" else kind


class _Door:
    """Stands for ``starts``: count, start, take the count back; search."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, run: Run, trigger: str) -> str:
        """Start, with the count of the trigger's hour."""
        world = self._world
        hour = (trigger, int(world.now // 3600))
        if not world.call("UpdateItem hour ADD", lambda: self._count(hour)):
            raise MaxStarts(f"{trigger} reached max_starts")
        if world.rejected(run.parameters):
            world.call("UpdateItem hour SUBTRACT", lambda: world.starts_of_hour.subtract([hour]))
            raise Rejected("SageMaker refused the start")
        if world.happens(world.faults.throttle):
            world.call("UpdateItem hour SUBTRACT", lambda: world.starts_of_hour.subtract([hour]))
            raise Waiting("200 executions are running")

        def start() -> str:
            # The ledger knows what was started without a ticket.
            return world.once.get(run.token) or world.start(run.pipeline, run.token, run.parameters)

        return str(world.call(START, start, ONCE))

    def _count(self, hour: tuple[str, int]) -> bool:
        if self._world.starts_of_hour[hour] >= self._world.max_starts.get(hour[0], 100):
            return False
        self._world.starts_of_hour[hour] += 1
        return True

    def executions(self, pipeline: str, since: int) -> Listing:
        """List, as late as SageMaker may be."""
        world = self._world

        def listed() -> tuple[Execution, ...]:
            return tuple(
                Execution(
                    one.arn,
                    "Executing" if one.end_listed_at > world.now else "Succeeded",
                    int(one.created_at),
                    one.token,
                )
                for one in world.executions
                if one.pipeline == pipeline and one.created_at >= since and one.listed_at <= world.now
            )

        return Listing(since, world.call("ListPipelineExecutions", listed))


class _Outside:
    """Stands for SQS, S3 and the log."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Send messages to ``on_batch``."""
        for message in messages:
            self._world.call("SendMessageBatch", partial(self._world.queues["batches"].send, message))

    def send_dead_letter(self, turn: Turn) -> None:
        """Keep a dead letter."""
        self._world.call("SendMessage dead letter", lambda: self._world.letters.append(turn))

    def put(self, key: str, content: bytes) -> str:
        """Keep an object."""
        self._world.call("PutObject", lambda: self._world.objects.__setitem__(f"s3://stack/{key}", content))
        return f"s3://stack/{key}"

    def report_age(self, seconds: float) -> None:
        """Report nothing: no history looks at it."""

    def report(self, notice: Notice) -> None:
        """Keep a line of the log; the function may crash right before or after it."""
        world = self._world
        if world.happens(world.faults.kill):
            raise Killed
        world.log.append((world.now, notice))
        if world.happens(world.faults.kill):
            raise Killed


def stay() -> None:
    """Let this process stay on one processor: threads that hand over to each other across two take twice as long."""
    if hasattr(os, "sched_setaffinity"):
        processors = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})


Handler = Callable[[Task, Sequence[Message]], Sequence[tuple[Message, float]]]


@dataclass
class Queue:
    """An SQS queue with its function: batches, visibility, duplicates.

    The handler returns the messages that failed, each with the seconds to hide it (0: the visibility time-out).
    """

    world: World
    handler: Handler
    concurrency: int
    size: int
    time_out: float
    visibility: float
    fewest: int = 1
    messages: list[Message] = field(default_factory=list)
    running: int = 0
    deliveries: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def send(self, body: Any, delay: float = 0.0) -> None:
        """Take a message."""
        self.messages.append(Message(body, self.world.now + delay, self.world.now))
        self.world.at(self.world.now + delay + self.world.chance.uniform(0.001, 0.05), self.poll)

    def poll(self) -> None:
        """Hand visible messages to the function."""
        if self.running >= self.concurrency:
            return
        visible = [message for message in self.messages if message.visible_at <= self.world.now]
        if not visible:
            return
        self.world.chance.shuffle(visible)
        batch = visible[: self.world.chance.randint(self.fewest, self.size)]
        for message in batch:
            message.receives += 1
            message.visible_at = self.world.now + self.visibility
            self.world.at(message.visible_at + 0.001, self.poll)
        self.running += 1
        self.world.invoke(lambda task: self._deliver(task, batch), self.time_out, partial(self._again, batch))
        if len(visible) > len(batch):
            self.world.at(self.world.now + 0.001, self.poll)

    def _again(self, batch: Sequence[Message]) -> None:
        """Let messages be visible that a function has."""
        for message in batch:
            message.visible_at = self.world.now
        self.world.at(self.world.now, self.poll)

    def _deliver(self, task: Task, batch: Sequence[Message]) -> None:
        try:
            failed = {id(message): hide for message, hide in self.handler(task, batch)}
            for message in batch:
                hide = failed.get(id(message))
                if hide is None:
                    self._delete(message)
                elif hide:
                    message.visible_at = self.world.now + hide
                    self.world.at(message.visible_at + 0.001, self.poll)
        finally:
            self.running -= 1
            self.world.at(self.world.now + 0.001, self.poll)

    def _delete(self, message: Message) -> None:
        """Delete what was handled, or deliver it once more all the same."""
        if self.world.happens(self.world.faults.duplicate):
            message.visible_at = self.world.now + self.world.chance.choice([0, 1, 600])
            self.world.at(message.visible_at + 0.001, self.poll)
        elif message in self.messages:
            self.messages.remove(message)


def iso(moment: float) -> str:
    """Write a time as EventBridge does."""
    return datetime.fromtimestamp(moment, UTC).isoformat()
