"""What happens around batches in a simulated world: documents, uploads, the functions that get them, commands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from pipeline_triggers.batches import items, pauses, rules, single
from pipeline_triggers.batches.deadlines import TooEarly
from pipeline_triggers.batches.decision import TIME_OUT
from pipeline_triggers.batches.join import Joining, collect
from pipeline_triggers.batches.manifest import View
from pipeline_triggers.batches.messages import process
from pipeline_triggers.batches.models import Event, Pause, Rules, Target, Ticket
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.single import Queued
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.errors import Filtered, Rejected, Waiting
from pipeline_triggers.models import Limits, Run

from tests.simulation.batch_world import CLOCKS, START_OF_TIME, Message, Task, World, iso

PLAIN, TWO, JOIN, ALL, NEW, IGNORE, WAIT, SKIP, DRY, FREE = (
    *("t/plain", "t/two", "t/join", "t/all", "t/new", "t/ignore", "t/wait", "t/skip", "t/dry", "t/free"),
)

DAY = 86400
TROUBLE = 5400  # seconds in which events and faults happen, unless a history says otherwise


@dataclass(frozen=True)
class Upload:
    """An event that a trigger's rule matches."""

    trigger: str
    key: str
    sequencer: str = "01"
    by: str = ""
    part: str = ""

    @property
    def mark(self) -> str:
        """Return what identifies it."""
        return rules.digest("mark", self.trigger, self.key, self.sequencer, self.part)


@dataclass(frozen=True)
class Trigger:
    """A trigger as the documents of a history define it; without ``rules`` its events are not collected."""

    name: str
    targets: tuple[Target, ...]
    rules: Rules | None = None
    skip: bool = False
    only_if: bool = False
    due_at: int = 0  # seconds after the start of the history


@dataclass
class SimDocuments:
    """The deployed documents."""

    triggers: Mapping[str, Trigger]
    pipelines: Mapping[str, Limits]
    days: Sequence[str] = ("d0", "d1")

    def targets(self, trigger: str) -> tuple[Target, ...] | None:
        """Return what a trigger starts."""
        found = self.triggers.get(trigger)
        return found.targets if found else None

    def limits(self, pipeline: str) -> Limits:
        """Return the limits of a pipeline."""
        return self.pipelines.get(pipeline, Limits())

    def plan(self, ticket: Ticket, view: View, token: str) -> Run:
        """Compute a start."""
        if self.triggers[ticket.trigger].only_if and view.count % 2:
            raise Filtered("only_if is false")
        if view.by == "d-bad":
            raise Rejected("parameter Manifest: it can't be computed")
        values = {
            "Manifest": view.manifest,
            "Events": view.events,
            "Count": str(view.count),
            "Batch": view.id,
            "Revision": str(view.revision),
        }
        return Run(ticket.target.pipeline, {**values, "Same": str(ticket.target.same)}, token, {})

    def expected(self, trigger: str, scheduled: str) -> Mapping[str, tuple[str, ...] | int]:
        """Return what a deadline asks for."""
        assert scheduled
        found = self.triggers.get(trigger)
        expect = found.rules.expect if found and found.rules else None
        return dict.fromkeys(self.days, expect) if expect is not None else {}


@dataclass
class History:
    """One history: its world, its documents, what was uploaded, and what became of it."""

    seed: int
    world: World
    documents: SimDocuments
    uploads: list[Upload] = field(default_factory=list)
    deployed: Mapping[str, Trigger] = field(default_factory=dict)
    trouble: float = TROUBLE  # seconds in which events and faults happen
    joined: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    verdicts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    errors: Counter[str] = field(default_factory=Counter)
    dropped: set[str] = field(default_factory=set)
    asked: list[tuple[str, float]] = field(default_factory=list)
    changed_documents: bool = False
    forced: bool = False
    paused: list[tuple[str, str, float, float]] = field(default_factory=list)
    flags: dict[int, pauses.Flag] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def is_calm(self) -> bool:
        """Whether no function crashed and no report was made again because its note failed."""
        faults = self.world.faults
        return not (self.world.planned or faults.kill or faults.slow or faults.no_answer or faults.throttle)

    # ---- The functions

    def deliver(self, task: Task, batch: Sequence[Message]) -> list[tuple[Message, float]]:
        """Stand for the handlers: collect, queue, or start at once."""
        services = self.world.services(task, self.documents)
        failed = []
        collected = []
        for message in batch:
            upload: Upload = message.body
            trigger = self.documents.triggers.get(upload.trigger)
            if trigger is None:
                self.verdicts[upload.mark].add("REJECTED")
            elif trigger.rules is None:
                try:
                    self._singly(upload, trigger, message, services)
                except Exception as error:
                    failed.append((message, self._failed(error)))
            else:
                collected.append((message, _event(upload, trigger.rules, message)))
        try:
            results = collect([event for _, event in collected], services) if collected else []
        except Exception as error:
            return failed + [(message, self._failed(error)) for message, _ in collected]
        for (message, event), result in zip(collected, results, strict=True):
            if result.joining is Joining.RETRY:
                failed.append((message, self._failed(result.error or Waiting(result.reason))))
            else:
                self._note(event.mark, result.joining, result.batch)
        return failed

    def _note(self, mark: str, joining: str, batch: str) -> None:
        final = "COLLECTED" if joining in {"COLLECTED", "DUPLICATE"} else str(joining)
        self.verdicts[mark].add(final)
        if batch:
            self.joined[mark].add(batch)

    def _failed(self, error: Exception) -> float:
        self.errors[f"{type(error).__name__}: {error}"[:90]] += 1
        if not isinstance(error, (Waiting, Changed, ClientError, BotoCoreError)):
            raise error
        return self.world.chance.choice([0.0, 30.0, 120.0])

    def _singly(self, upload: Upload, trigger: Trigger, message: Message, services: Services) -> None:
        flag = self.flags.setdefault(self.world.chance.randrange(2), pauses.Flag(services.records, services.now))
        flag._records, flag._now = services.records, services.now
        for target in trigger.targets:
            token = rules.digest("token", upload.mark, target.key) * 2
            run = Run(target.pipeline, {"Key": upload.key}, token, {})
            limited = self.documents.limits(target.pipeline) != Limits()
            if limited or flag.keeps_in_line(trigger.name, target.pipeline):
                queued: Queued = single.queue(
                    run, trigger.name, target.same, str(id(message)), services, skip=trigger.skip
                )
                self._note(upload.mark, "WAITING", queued.batch)
            else:
                self._at_once(upload, run)

    def _at_once(self, upload: Upload, run: Run) -> None:
        """Stand for ``starts`` with its ledger, which never fails here."""
        self.verdicts[upload.mark].add("STARTED")
        if not any(one.token == run.token for one in self.world.executions):
            self.world.once[run.token] = self.world.start(run.pipeline, run.token, run.parameters)

    def on_batch(self, task: Task, batch: Sequence[Message]) -> list[tuple[Message, float]]:
        """Stand for ``on_batch``."""
        services = self.world.services(task, self.documents)
        failed = []
        for message in batch:
            try:
                process(message.body, services)
            except TooEarly as early:
                failed.append((message, float(early.seconds)))
            except Exception as error:
                failed.append((message, self._failed(error) or 300.0))
        return failed

    def by_hand(self, command: Callable[[Services], object]) -> None:
        """Let a user run a command, again until it works."""

        def work(task: Task) -> None:
            try:
                command(self.world.services(task, self.documents))
            except Exception as error:
                self._failed(error)

        self.world.invoke(work, 900)

    # ---- Time

    def upload(self, after: float, upload: Upload, *, copies: int = 1) -> None:
        """Let something be uploaded, of which as many messages come."""
        self.uploads.append(upload)
        for _ in range(copies):
            self.world.at(START_OF_TIME + after, partial(self.world.queues["events"].send, upload))

    def sweep(self) -> None:
        """Send a sweep."""
        self.world.queues["batches"].send({"sweep": iso(self.world.now)})

    def sweep_until(self, moment: float, pace: float = 60.0) -> None:
        """Let time pass, with a sweep each minute."""
        while self.world.now < moment:
            self.sweep()
            self.world.run(min(moment, self.world.now + pace))

    def settle(self) -> None:
        """Let the trouble pass, then sweep until nothing changes: each minute at first, then less often."""
        world, ends = self.world, START_OF_TIME + self.trouble
        world.run(ends)
        world.troubled = False
        pace, quiet_since = 60.0, 0
        while quiet_since < 40 and world.now < START_OF_TIME + 20 * DAY:
            before = (world.table.writes, len(world.executions), len(world.log))
            self.sweep()
            world.run(world.now + pace)
            same = before == (world.table.writes, len(world.executions), len(world.log))
            quiet_since = quiet_since + 1 if same else 0
            busy = 60.0 if world.now < ends + self.trouble else 900.0
            pace = min(pace * 2, 7200.0) if same else busy
            if quiet_since >= 4 and world.now > ends + self.trouble and not self._waits():
                return

    def redeliver(self, after: float) -> None:
        """Deliver some of it once more, weeks later, and let that run."""
        world = self.world
        world.run(world.now + after)
        for upload in self.uploads[::2]:
            world.queues["events"].send(upload)
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
            or any(not items.slot(item).rules.is_join or item.get("previous") for item in table.items("open"))
        )


def _event(upload: Upload, rules_: Rules, message: Message) -> Event:
    data = {"bucket": "raw", "key": upload.key, "sequencer": upload.sequencer, "size": 1}
    return Event(
        mark=upload.mark,
        message=str(id(message)),
        trigger=upload.trigger,
        by=upload.by,
        rules=rules_,
        data=data,
        part=upload.part,
        at=f"{int(upload.sequencer, 16):06d}",
        size=100,
    )


def waiting(services: Services) -> list[str]:
    """Return the batches that are open or wait for a turn."""
    batches = {slot.id for slot in services.store.open_slots()}
    for pipeline in services.store.pipelines():
        batches |= {ticket.batch for ticket in services.store.tickets(pipeline.name)}
    return sorted(batches)


def set_pause(history: History, pause: Pause, ends: float, services: Services) -> None:
    """Pause, and note from when to when nothing may start."""
    pauses.pause(pause, services.store, services.records)
    # A start that was begun before is not held back, nor what a handler decides that looked half a minute ago.
    history.paused.append((pause.kind, pause.name, history.world.now + TIME_OUT, ends - CLOCKS))
