"""What happens around batches in a simulated world: triggers, uploads, the functions that get them, commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pipeline_triggers.batches import items, pauses
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.batches.decision import TIME_OUT
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.services import Services
from pipeline_triggers.models import Collect, Deadline, Limits, Part, Start, Trigger, When

from functions import on_batch, on_s3_upload
from tests.simulation.batch_world import CLOCKS, START_OF_TIME, Queue, Task, World, iso
from tests.simulation.invocation import TIME_OUT as FUNCTION_TIMEOUT
from tests.simulation.invocation import VISIBILITY

PLAIN, TWO, JOIN, ALL, NEW, IGNORE, WAIT, SKIP, DRY, FREE = (
    *("t/plain", "t/two", "t/join", "t/all", "t/new", "t/ignore", "t/wait", "t/skip", "t/dry", "t/free"),
)

DAY = 86400
TROUBLE = 5400  # seconds in which events and faults happen, unless a history says otherwise

BY, PART = "{% $split($object.key, '/')[0] %}", "{% $split($object.key, '/')[1] %}"
OF_A_BATCH = {
    "Manifest": "{% $batch.manifest %}",
    "Events": "{% $batch.events %}",
    "Count": "{% $batch.count %}",
    "Batch": "{% $batch.id %}",
    "Revision": "{% $batch.revision %}",
    "By": "{% $batch.by = 'd-bad' ? $error('no data') : $batch.by %}",
}


# The times at which a join has to be complete: a history passes them by ``pass_deadline``.
CRON = Deadline(cron="0 8 * * ? *", due="{% ['d0', 'd1'] %}")


def trigger(name: str, *pipelines: str, collect: Collect | None = None, **more: Any) -> Trigger:
    """Return a trigger of uploads, whose keys begin with ``by`` and ``part``."""
    parameters = OF_A_BATCH if collect else {"Key": "$.detail.object.key"}
    starts = tuple(Start(pipeline, parameters) for pipeline in pipelines)
    return Trigger(name, When("s3", {"bucket": "raw"}), starts, collect=collect, **more)


def several(name: str, pipeline: str, *, parts: Sequence[str], collect: Collect) -> Trigger:
    """Return a trigger with ``when.all``."""
    sources = {part: Part(When("s3", {"bucket": "raw"}), by=BY) for part in parts}
    return replace(trigger(name, pipeline, collect=collect), when=When("all", {}), all_of=sources)


@dataclass(frozen=True)
class Upload:
    """An event that a trigger's rule matches."""

    trigger: str
    key: str
    sequencer: str = "01"

    @property
    def id(self) -> str:
        """Return the id of EventBridge's event."""
        return f"{self.key}#{self.sequencer}"

    @property
    def by(self) -> str:
        """Return the ``by`` of its batch."""
        return self.key.split("/")[0]

    @property
    def part(self) -> str:
        """Return which part of its batch it is."""
        return self.key.split("/")[1]

    @property
    def body(self) -> str:
        """Return the message that the trigger's rule sends."""
        content = {"key": self.key, "sequencer": self.sequencer, "size": 1, "etag": "e"}
        detail = {"bucket": {"name": "raw"}, "object": content}
        time = iso(START_OF_TIME + int(self.sequencer, 16))
        part = {"part": self.part} if self.trigger == ALL else {}
        return json.dumps({"trigger": self.trigger, **part, "event": {"id": self.id, "time": time, "detail": detail}})


@dataclass
class History:
    """One history: its world, what was uploaded, and what else happened to it."""

    seed: int
    world: World
    deployed: Mapping[str, Trigger] = field(default_factory=dict)  # at first
    days: tuple[str, ...] = ("d0", "d1")  # that a deadline asks for
    trouble: float = TROUBLE  # seconds in which events and faults happen
    uploads: list[Upload] = field(default_factory=list)
    messages: dict[str, Upload] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    asked: list[tuple[str, float]] = field(default_factory=list)
    changed_documents: bool = False
    forced: bool = False
    paused: list[tuple[str, str, float, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_calm(self) -> bool:
        """Whether no function crashed and no report was made again because its note failed."""
        faults = self.world.faults
        return not (self.world.planned or faults.kill or faults.slow or faults.no_answer or faults.throttle)

    def deploy(self, triggers: Mapping[str, Trigger], limits: Mapping[str, Limits]) -> None:
        """Deploy documents; limits that are tighter hold once the functions of the deploy before have ended."""
        world = self.world
        self.changed_documents = self.changed_documents or bool(world.triggers)
        before = world.limits or limits
        world.triggers, world.limits = dict(triggers), dict(limits)
        world.enforced = {name: _looser(limits[name], before.get(name, Limits())) for name in limits}

        in_force = world.limits

        def enforce() -> None:
            if world.limits is in_force:  # else another deploy has come since
                world.enforced = limits

        world.at(world.now + TIME_OUT + 1, enforce)

    def by_hand(self, command: Callable[[Services], object]) -> None:
        """Let a user run a command."""

        def work(task: Task) -> None:
            try:
                command(connected(lambda: task.ends_by - self.world.now))
            except Exception as error:
                self.world.failed(error)

        self.world.invoke(work, 900)

    # ---- Time

    def upload(self, after: float, upload: Upload, *, copies: int = 1) -> None:
        """Let something be uploaded, of which as many messages come."""
        self.uploads.append(upload)
        for _ in range(copies):
            self.world.at(START_OF_TIME + after, partial(self._send, upload))

    def _send(self, upload: Upload) -> None:
        self.messages[self.world.queues["events"].send(upload.body)] = upload

    def pass_deadline(self, trigger: str, copies: int = 1) -> None:
        """Let the time of a trigger's deadline be now."""
        self.asked.append((trigger, self.world.now))
        for _ in range(copies):
            message = {"deadline": trigger, "scheduled": iso(self.world.now)}
            self.world.queues["batches"].send(json.dumps(message))

    def sweep(self) -> None:
        """Send a sweep."""
        self.world.queues["batches"].send(json.dumps({"sweep": iso(self.world.now)}))

    def sweep_until(self, moment: float, pace: float = 60.0) -> None:
        """Let time pass, with a sweep each minute."""
        while self.world.now < moment:
            self.sweep()
            self.world.run(min(moment, self.world.now + pace))

    def settle(self) -> None:
        """Let the trouble pass, then sweep until nothing changes: each five minutes at first, then less often."""
        world, ends = self.world, START_OF_TIME + self.trouble
        world.run(ends)
        world.troubled = False
        pace, quiet_since = 300.0, 0
        while quiet_since < 40 and world.now < START_OF_TIME + 20 * DAY:
            before = (world.table.writes, len(world.executions), len(world.log))
            self.sweep()
            world.run(world.now + pace)
            same = before == (world.table.writes, len(world.executions), len(world.log))
            quiet_since = quiet_since + 1 if same else 0
            busy = 300.0 if world.now < ends + self.trouble else 900.0
            pace = min(pace * 2, 7200.0) if same else busy
            if quiet_since >= 4 and world.now > ends + self.trouble and not self._waits():
                return

    def redeliver(self, after: float) -> None:
        """Deliver some of it once more, weeks later, and let that run."""
        world = self.world
        world.run(world.now + after)
        for upload in self.uploads[::2]:
            self._send(upload)
        self.sweep_until(world.now + 12000, pace=600)

    def _waits(self) -> bool:
        """Whether something will go on by itself."""
        table = self.world.table
        unfinished = any(item["phase"] != "running" for item in table.items("running#"))
        messages = any(queue.messages for queue in self.world.queues.values())
        return (
            unfinished
            or messages
            or any(True for _ in table.items("queue#"))
            or any(
                not items.slot(item).rules.is_join or item.get("previous") or item["gone_since"]
                for item in table.items("open")
            )
        )


def with_queues(history: History, writers: int, fewest: int = 1) -> History:
    """Let the stack's own functions read the queues; as many of the first may run at once."""
    world = history.world
    world.queues = {
        "events": Queue(world, on_s3_upload.handler, writers, 10, FUNCTION_TIMEOUT, VISIBILITY, fewest),
        "batches": Queue(world, on_batch.handler, 5, 1, TIME_OUT, 1800),
    }
    return history


def _looser(one: Limits, other: Limits) -> Limits:
    both = (one.max_running, other.max_running)
    return Limits(max_running=None if None in both else max(most for most in both if most is not None))


def set_pause(history: History, pause: Pause, ends: float, services: Services) -> None:
    """Pause, and note from when to when nothing may start."""
    pauses.pause(pause, services.store, services.records)
    # A start that was begun before is not held back, nor what a handler decides that looked half a minute ago.
    history.paused.append((pause.kind, pause.name, history.world.now + TIME_OUT, ends - CLOCKS))


def waiting(services: Services) -> list[str]:
    """Return the batches that are open or wait for a turn."""
    batches = {slot.id for slot in services.store.open_slots()}
    for pipeline in services.store.pipelines():
        batches |= {ticket.batch for ticket in services.store.tickets(pipeline.name)}
    return sorted(batches)
