"""Histories of batches: what is uploaded, said and deployed at random, and what must hold in the end."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline_triggers.batches import commands, items, pauses, rules, single
from pipeline_triggers.batches.deadlines import TooEarly
from pipeline_triggers.batches.decision import TIME_OUT
from pipeline_triggers.batches.join import Joining, collect
from pipeline_triggers.batches.manifest import View
from pipeline_triggers.batches.messages import process
from pipeline_triggers.batches.models import Event, Late, Pause, Rules, Target, Ticket
from pipeline_triggers.batches.services import Notice, Services
from pipeline_triggers.batches.single import Queued
from pipeline_triggers.batches.store import KEPT_MARKS
from pipeline_triggers.errors import Filtered, Rejected, Waiting
from pipeline_triggers.models import Limits, Run

from tests.simulation.batch_world import CLOCKS, START_OF_TIME, Faults, Message, Queue, Task, World, iso

TROUBLE = 5400  # seconds in which events and faults happen
DAY = 86400
SLACK = 700  # seconds between a decision and its start (a function's time), and clocks that differ


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
    joined: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    verdicts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    errors: Counter[str] = field(default_factory=Counter)
    dropped: set[str] = field(default_factory=set)
    asked: list[tuple[str, float]] = field(default_factory=list)
    changed_documents: bool = False
    forced: bool = False
    paused: list[tuple[str, str, float, float]] = field(default_factory=list)
    flags: dict[int, pauses.Flag] = field(default_factory=dict)

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
        known = isinstance(error, Waiting) or type(error).__name__ in {"ClientError", "ReadTimeoutError", "Changed"}
        if not known:
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

    def sweep(self) -> None:
        """Send a sweep."""
        self.world.queues["batches"].send({"sweep": iso(self.world.now)})

    def by_hand(self, command: Callable[[Services], object]) -> None:
        """Let a user run a command, again until it works."""

        def work(task: Task) -> None:
            try:
                command(self.world.services(task, self.documents))
            except Exception as error:
                self._failed(error)

        self.world.invoke(work, 900)


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


PLAIN, TWO, JOIN, ALL, NEW, IGNORE, WAIT, SKIP, DRY, FREE = (
    *("t/plain", "t/two", "t/join", "t/all", "t/new", "t/ignore", "t/wait", "t/skip", "t/dry", "t/free"),
)
REGIONS = ("amer", "apac", "emea")


def _triggers(chance: random.Random) -> dict[str, Trigger]:
    one, other, free = Target("one"), Target("other"), Target("free")
    counts: list[tuple[str, ...] | int] = [REGIONS, REGIONS, len(REGIONS), 2]
    expect = chance.choice(counts)
    plain = Rules(chance.choice([60, 90, 300]), chance.choice([120, 600]), chance.choice([2, 3, 7, 1000]))
    join = Rules(expect=expect, deadline_after=chance.choice([900, 3600]))
    join = replace(join, start_incomplete=chance.random() < 0.3)
    by_cron = replace(join, deadline_after=None)
    limited = chance.choice([one, other])
    every = (
        Trigger(PLAIN, (limited,), plain, only_if=chance.random() < 0.15),
        Trigger(TWO, (one, other, Target("one", 1))[: chance.randint(2, 3)], plain),
        Trigger(JOIN, (limited,), by_cron, due_at=chance.randrange(1200, 4000)),
        Trigger(ALL, (limited,), replace(join, expect=("a", "b", "c", "d"), late=Late.NEW)),
        Trigger(NEW, (free,), replace(by_cron, late=Late.NEW), due_at=chance.randrange(1200, 4000)),
        Trigger(IGNORE, (limited,), replace(join, late=Late.IGNORE)),
        Trigger(WAIT, (limited,)),
        Trigger(SKIP, (one,), skip=True),
        Trigger(DRY, (limited,), replace(plain, dry_run=True)),
        Trigger(FREE, (free,)),
    )
    chosen = chance.sample(every, chance.randint(1, 4))
    return {trigger.name: trigger for trigger in chosen}


def _limits(chance: random.Random) -> dict[str, Limits]:
    return {
        "one": Limits(max_running=chance.choice([1, 1, 2, 3])),
        "other": Limits(
            max_running=chance.choice([None, 1]),
            min_interval=chance.choice([None, 600]),
            max_per_day=chance.choice([None, None, 6, 10]),
        ),
    }


def _faults(chance: random.Random) -> Faults:
    rate = chance.choice([0.0, 0.002, 0.01, 0.03])
    return Faults(
        kill=rate,
        conflict=chance.choice([0.0, 0.02, 0.2]),
        throttle=chance.choice([0.0, 0.01]),
        no_answer=rate / 3,
        slow=chance.choice([0.0, 0.0, 0.02]),
        duplicate=chance.choice([0.0, 0.1, 0.3]),
        event_lost=chance.choice([0.0, 0.5, 1.0]),
        tokens=chance.random() < 0.5,
        lag=chance.choice([0.0, 60.0, 479.0]),
    )


def _uploads(chance: random.Random, triggers: Mapping[str, Trigger]) -> Iterator[tuple[float, Upload]]:
    """Yield what is uploaded, and when: alone, in bursts, some of it twice, some keys again with other content."""
    storm = chance.random() < 0.25
    for name in triggers:
        for number in range(chance.randint(10, 40) if storm else chance.randint(2, 14)):
            moment = (
                chance.uniform(0, 3)
                if storm
                else chance.choice(
                    [chance.uniform(0, TROUBLE), chance.uniform(0, 400), float(chance.randrange(4) * 900)]
                )
            )
            by = chance.choice(["d0", "d0", "d1", "d1", "d-bad"] if chance.random() < 0.1 else ["d0", "d0", "d1"])
            part = chance.choice("abcd" if name == ALL else REGIONS)
            again = number and chance.random() < 0.15
            key = f"{by}/{part}/{0 if again else number}"
            yield moment, Upload(name, key, f"{number + 1:02x}", by, part)


def played(seed: int) -> History:
    """Play one history to its end."""
    random.seed(seed)
    chance = random.Random(seed)  # noqa: S311 - the same history every time
    triggers, limits = _triggers(chance), _limits(chance)
    world = World(seed, _faults(chance))
    world.limits = limits
    world.max_starts = {name: chance.choice([1, 3, 100, 100]) for name in triggers}
    history = History(seed, world, SimDocuments(triggers, limits), deployed=triggers)
    writers = 6 if ALL in triggers else chance.choice([1, 2, 3, 6])
    world.queues = {
        "events": Queue(world, history.deliver, writers, 10, 120, 720),
        "batches": Queue(world, history.on_batch, chance.choice([2, 2, 3]), chance.choice([1, 3, 10]), TIME_OUT, 1800),
    }
    _schedule(history, chance)
    _let_it_run(history)
    return history


def _schedule(history: History, chance: random.Random) -> None:
    world = history.world
    for after, upload in _uploads(chance, history.documents.triggers):
        history.uploads.append(upload)
        for _ in range(1 + (chance.random() < 0.1)):
            world.at(START_OF_TIME + after, partial(world.queues["events"].send, upload))
    for minute in range(1, 1 + TROUBLE // 60):
        world.at(START_OF_TIME + 60 * minute + chance.uniform(0, 3), history.sweep)
    for trigger in history.documents.triggers.values():
        if trigger.due_at:
            moment = START_OF_TIME + trigger.due_at
            history.asked.append((trigger.name, moment))
            message = {"deadline": trigger.name, "scheduled": iso(moment)}
            for _ in range(1 + (chance.random() < 0.3)):
                world.at(moment + chance.uniform(0, 2), partial(world.queues["batches"].send, message))
    if chance.random() < 0.3:
        for _ in range(chance.randint(1, 3)):
            at = START_OF_TIME + chance.uniform(0, TROUBLE)
            world.at(at, partial(_start_foreign, world))
    if chance.random() < 0.3:
        _schedule_pause(history, chance)
    if chance.random() < 0.2:
        at = START_OF_TIME + chance.uniform(0, TROUBLE)
        world.at(at, lambda: history.by_hand(partial(_close_or_drop, history, chance)))
    if chance.random() < 0.15:
        world.at(START_OF_TIME + chance.uniform(0, TROUBLE), lambda: _deploy(history, chance))


def _start_foreign(world: World) -> None:
    world.start("one", "", {}, ours=False)


def _schedule_pause(history: History, chance: random.Random) -> None:
    begins = chance.uniform(0, TROUBLE / 2)
    ends = begins + chance.uniform(300, TROUBLE / 2)
    kind, name = chance.choice(
        [("all", ""), ("pipeline", "one"), ("trigger", chance.choice(list(history.documents.triggers)))]
    )
    until = chance.choice([None, int(START_OF_TIME + ends)])
    pause = Pause(kind, name, until, "somebody", "month end", int(START_OF_TIME + begins))
    world = history.world
    world.at(
        START_OF_TIME + begins,
        lambda: history.by_hand(partial(_pause, history, pause, START_OF_TIME + ends)),
    )
    # Whoever resumes looks whether it worked.
    for later in (0, 600, TROUBLE):
        world.at(
            START_OF_TIME + ends + later,
            lambda: history.by_hand(lambda services: pauses.resume(kind, name, services.records)),
        )


def _pause(history: History, pause: Pause, ends: float, services: Services) -> None:
    pauses.pause(pause, services.store, services.records)
    # A start that was begun before is not held back, nor what a handler decides that looked half a minute ago.
    history.paused.append((pause.kind, pause.name, history.world.now + TIME_OUT, ends - CLOCKS))


def _close_or_drop(history: History, chance: random.Random, services: Services) -> None:
    batches = {slot.id for slot in services.store.open_slots()}
    for pipeline in services.store.pipelines():
        batches |= {ticket.batch for ticket in services.store.tickets(pipeline.name)}
    if not batches:
        return
    batch = chance.choice(sorted(batches))
    if chance.random() < 0.5:
        history.forced = True
        commands.close(batch, services)
    else:
        history.dropped.add(batch)
        commands.drop(batch, "no longer needed", services)


def _deploy(history: History, chance: random.Random) -> None:
    """Deploy documents with other limits and rules, or without a trigger."""
    documents = history.documents
    triggers = dict(documents.triggers)
    history.changed_documents = True
    changed = chance.choice(list(triggers))
    what = chance.random()
    if what < 0.3:
        _change_limits(history, chance)
    elif what < 0.6:
        del triggers[changed]
    else:
        other = Rules(expect=("x", "y")) if triggers[changed].rules else None
        triggers[changed] = replace(triggers[changed], rules=other)
    history.documents = SimDocuments(triggers, history.documents.pipelines, documents.days)


def _change_limits(history: History, chance: random.Random) -> None:
    """Deploy other limits; they hold once the functions of the deploy before have ended."""
    world = history.world
    limits = _limits(chance)
    history.documents = SimDocuments(history.documents.triggers, limits, history.documents.days)

    def hold() -> None:
        world.limits = limits

    loosened = {name: _looser(limits[name], world.limits[name]) for name in limits}
    world.limits = loosened
    world.at(world.now + TIME_OUT + 1, hold)


def _looser(one: Limits, other: Limits) -> Limits:
    both = (one.max_running, other.max_running)
    return Limits(max_running=None if None in both else max(most for most in both if most is not None))


def _let_it_run(history: History) -> None:
    """Let the trouble pass, then sweep until nothing changes any more: each minute at first, then less often."""
    world = history.world
    world.run(START_OF_TIME + TROUBLE)
    world.troubled = False
    pace, quiet_since = 60.0, 0
    while quiet_since < 40 and world.now < START_OF_TIME + 20 * DAY:
        before = (world.table.writes, len(world.executions), len(world.log))
        history.sweep()
        world.run(world.now + pace)
        same = before == (world.table.writes, len(world.executions), len(world.log))
        quiet_since = quiet_since + 1 if same else 0
        busy = 60.0 if world.now < START_OF_TIME + 2 * TROUBLE else 900.0
        pace = min(pace * 2, 7200.0) if same else busy
        if quiet_since >= 4 and world.now > START_OF_TIME + 2 * TROUBLE and not _waits(history):
            break
    if history.seed % 3 == 0:
        _redrive(history)
    world.close()


def _redrive(history: History) -> None:
    """Deliver some of it once more, weeks later, and let that run."""
    world = history.world
    world.run(world.now + 20 * DAY)
    for upload in history.uploads[::2]:
        world.queues["events"].send(upload)
    for _ in range(20):
        world.run(world.now + 600)
        history.sweep()


def _waits(history: History) -> bool:
    """Whether something will go on by itself."""
    table = history.world.table
    unfinished = any(item["phase"] != "running" for item in table.items("running#"))
    messages = any(queue.messages for queue in history.world.queues.values())
    return (
        unfinished
        or messages
        or any(True for _ in table.items("queue#"))
        or any(not items.slot(item).rules.is_join or item.get("previous") for item in table.items("open"))
    )


# ---- What must hold


def wrong(history: History) -> list[str]:
    """Say what does not hold."""
    return sorted({problem for check in CHECKS for problem in check(history)})


def _members(history: History) -> dict[str, list[str]]:
    batches = defaultdict(list)
    for item in history.world.table.items("batch#"):
        if item["sk"] != "batch":
            batches[item["sk"].removeprefix("member#")].append(item["pk"].removeprefix("batch#"))
    return batches


def _events(history: History) -> Iterator[str]:
    """Each event has a verdict, those collected one batch, in which they are; no batch holds too many."""
    members = _members(history)
    for upload in history.uploads:
        verdicts = history.verdicts.get(upload.mark, set())
        if not verdicts:
            yield "an event without a verdict"
        if len(verdicts - {"WAITING"}) > 1 and not history.changed_documents:
            yield f"verdicts contradict each other: {sorted(verdicts)}"
        if len(history.joined.get(upload.mark, ())) > 1:
            yield "an event was said to be in two batches"
        if len(members[upload.mark]) > 1:
            yield "an event in two batches"
        if "COLLECTED" in verdicts and set(members[upload.mark]) != history.joined[upload.mark]:
            yield "an event is not in its batch"
        if "COLLECTED" not in verdicts and members[upload.mark] and not history.changed_documents:
            yield "an event in a batch without a verdict"


def _sizes(history: History) -> Iterator[str]:
    """No batch holds more events than its rules allow, and a full one holds exactly that many."""
    members = Counter(batch for batches in _members(history).values() for batch in batches)
    for item in history.world.table.items("batch#"):
        if item["sk"] == "batch":
            trigger = history.deployed[item["trigger"]].rules
            if trigger and not trigger.is_join and members[item["pk"].removeprefix("batch#")] > trigger.max_events:
                yield "a batch above max_events"


def _joins(history: History) -> Iterator[str]:
    """A join has one first revision, and what is remembered of it holds the parts of all its batches."""
    table = history.world.table
    parts = defaultdict(set)
    for item in table.items("batch#"):
        if item["sk"] != "batch":
            parts[item["pk"].removeprefix("batch#")].add(item.get("part", ""))
    firsts: Counter[tuple[str, str]] = Counter()
    for item in table.items("batch#"):
        late = item["sk"] == "batch" and history.deployed[item["trigger"]].rules
        if late and late.is_join and late.late is Late.ALL:
            firsts[item["trigger"], item["by"]] += item["revision"] == 1
    if not history.changed_documents and not history.dropped and any(count > 1 for count in firsts.values()):
        yield "a late part without its batch"
    for item in table.items("last"):
        expected: set[str] = set()
        batch = item["id"]
        while batch:
            expected |= parts[batch]
            batch = table.partitions[f"batch#{batch}"]["batch"]["previous"]
        if expected != item.get("parts", set()):
            yield "a part that nothing remembers"


def _final(history: History) -> Mapping[tuple[str, str], list[Notice]]:
    notices = defaultdict(list)
    for _, notice in history.world.log:
        if notice.outcome != "MISSED":
            notices[notice.batch, notice.pipeline].append(notice)
    return notices


def _endings(history: History) -> Iterator[str]:
    """Each batch ends once for each of its pipelines, as reported, with an execution or none."""
    world = history.world
    notices = _final(history)
    started = Counter(one.token for one in world.executions if one.ours)
    if any(count > 1 for count in started.values()):
        yield "started twice"
    for item in world.table.items("open"):
        slot = items.slot(item)
        removed = slot.trigger not in history.documents.triggers
        if removed or not slot.rules.is_join or slot.previous or slot.is_due or not rules.missing(slot):
            yield "a batch that stays open"
    if any(True for _ in world.table.items("queue#")):
        yield "a ticket that waits forever"
    if any(item["phase"] != "running" for item in world.table.items("running#")):
        yield "a turn without an end"
    arns = {one.arn for one in world.executions}
    for item in world.table.items("batch#"):
        if item["sk"] != "batch":
            continue
        batch = items.batch(item)
        if set(batch.ends) != {target.key for target in batch.targets}:
            yield "a batch without an end"
        for key, end in batch.ends.items():
            reported = notices.get((batch.id, key.partition("#")[0]), [])
            if end["outcome"] not in {notice.outcome for notice in reported}:
                yield f"{end['outcome']} was not reported"
            if end["outcome"] == "STARTED" and end["execution"] not in arns:
                yield "STARTED without an execution"
    noted = {end.get("execution") for item in world.table.items("batch#") for end in item.get("ends", {}).values()}
    if lost := [
        one for one in world.executions if one.ours and one.arn not in noted and one.token not in history.world.once
    ]:
        yield f"an execution that nothing notes: {len(lost)}" if len(lost) > 5 else "an execution that nothing notes"


def _verdicts(history: History) -> Iterator[str]:
    """No two verdicts of one batch and target contradict each other, and without crashes there is only one."""
    batches = {
        item["pk"][6:]: items.batch(item) for item in history.world.table.items("batch#") if item["sk"] == "batch"
    }
    for (batch, pipeline), notices in _final(history).items():
        targets = sum(target.pipeline == pipeline for target in batches[batch].targets) if batch in batches else 1
        if len({(notice.outcome, notice.execution) for notice in notices}) > max(1, targets):
            yield f"verdicts contradict each other: {sorted({notice.outcome for notice in notices})}"
        if len(notices) > targets and not history.world.faults.kill and not history.world.faults.slow:
            yield "a verdict reported twice"
    rejected = {key for key, notices in _final(history).items() if any(one.outcome == "REJECTED" for one in notices)}
    letters = {(turn.ticket.batch, turn.ticket.target.pipeline) for turn in history.world.letters}
    if {key for key in rejected if not _is_dry(history, key[0])} - letters:
        yield "a rejection without its dead letter"
    if letters - rejected:
        yield "a dead letter without its rejection"


def _is_dry(history: History, batch: str) -> bool:
    trigger = history.world.table.partitions[f"batch#{batch}"]["batch"]["trigger"]
    return bool(trigger == DRY)


def _manifests(history: History) -> Iterator[str]:
    """Each execution got each key of its batch once, of a correction also those of the batches before."""
    table = history.world.table
    uploads = {upload.mark: upload for upload in history.uploads}
    by_batch = defaultdict(set)
    for mark, batches in history.joined.items():
        for batch in batches:
            by_batch[batch].add(mark)
    for execution in history.world.executions:
        if "Manifest" not in execution.parameters:
            continue
        marks: set[str] = set()
        batch = execution.parameters["Batch"]
        while batch:
            marks |= by_batch[batch]
            batch = table.partitions[f"batch#{batch}"]["batch"]["previous"]
        keys = {uploads[mark].key for mark in marks}
        content = json.loads(history.world.objects[execution.parameters["Manifest"]])
        if content != [{"prefix": "s3://raw/"}, *sorted(keys)]:
            yield "a manifest that is not its batch"
        newest: dict[str, str] = {}
        for mark in marks:
            newest[uploads[mark].key] = max(newest.get(uploads[mark].key, ""), uploads[mark].sequencer)
        lines = [json.loads(line) for line in history.world.objects[execution.parameters["Events"]].splitlines()]
        if sorted((line["key"], line["sequencer"]) for line in lines) != sorted(newest.items()):
            yield "a list of events that is not its batch"
        if execution.parameters["Count"] != str(len(keys)):
            yield "a count that is not its batch's"


def _limits_hold(history: History) -> Iterator[str]:
    """No start of ours is above a limit."""
    world = history.world
    if any(one.over for one in world.executions):
        yield "above max_running"
    forced = history.forced or history.changed_documents
    for pipeline, limits in history.documents.pipelines.items():
        times = sorted(one.created_at for one in world.executions if one.ours and one.pipeline == pipeline)
        between = [later - earlier for earlier, later in itertools.pairwise(times)]
        if limits.min_interval and not forced and any(gap < limits.min_interval - SLACK for gap in between):
            yield "within min_interval"
        if (most := limits.max_per_day) and not forced:
            span = zip(times, times[most:], strict=False)
            if any(b - a < DAY - SLACK for a, b in span):
                yield "above max_per_day"
    if any(count > world.max_starts.get(trigger, 100) for (trigger, _), count in world.starts_of_hour.items()):
        yield "above max_starts"


def _pauses_hold(history: History) -> Iterator[str]:
    """Nothing starts while it is paused."""
    world = history.world
    triggers = {
        end.get("execution"): item["trigger"]
        for item in world.table.items("batch#")
        for end in item.get("ends", {}).values()
    }
    for kind, name, begins, ends in history.paused:
        for one in world.executions:
            concerned = {"all": True, "pipeline": one.pipeline == name, "trigger": triggers.get(one.arn) == name}[kind]
            if one.ours and concerned and begins < one.created_at < ends:
                yield "started while paused"


def _order(history: History) -> Iterator[str]:
    """Batches of a trigger start in the order in which they became due."""
    world = history.world
    if history.forced:
        return
    ready = {}
    for item in world.table.items("batch#"):
        if item["sk"] == "batch":
            ready[item["pk"][6:]] = item
    due: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for (batch, key), at in history.world.table.queued.items():
        end = ready.get(batch, {}).get("ends", {}).get(key)
        if end and end["outcome"] == "STARTED":
            started = next(one for one in world.executions if one.arn == end["execution"])
            if started.token not in world.once:  # it did not wait
                due[ready[batch]["trigger"], key].append((at, started.created_at))
    for times in due.values():
        for at, created in times:
            if any(
                other_at < at - (400 if world.faults.slow else 130) and other > created for other_at, other in times
            ):
                yield "out of order"


def _deadlines(history: History) -> Iterator[str]:
    """Each missed deadline is reported once, unless a function crashed while it reported."""
    missed = Counter(
        (notice.trigger, notice.batch, notice.by) for _, notice in history.world.log if notice.outcome == "MISSED"
    )
    calm = not history.world.faults.kill and not history.world.faults.no_answer and not history.world.faults.slow
    if calm and any(count > 1 for count in missed.values()):
        yield "MISSED twice"
    if history.changed_documents or history.dropped or history.forced:
        return
    for name, moment in history.asked:
        for day in history.documents.days:
            in_time = _parts_by(history, name, day, moment - 2 * CLOCKS)
            if not rules.lacking(_expect(history, name), frozenset(in_time)) and missed[name, "", day]:
                yield "MISSED though complete"
            ever = _parts_by(history, name, day, float("inf"))
            if rules.lacking(_expect(history, name), frozenset(ever)) and not missed[name, "", day]:
                yield "no MISSED"
    for item in history.world.table.items("open"):
        slot = items.slot(item)
        if slot.rules.deadline_after is not None and not slot.previous and not missed[slot.trigger, slot.id, slot.by]:
            yield "no MISSED"


def _expect(history: History, trigger: str) -> tuple[str, ...] | int:
    found = history.documents.triggers[trigger].rules
    assert found
    assert found.expect is not None
    return found.expect


def _parts_by(history: History, trigger: str, day: str, moment: float) -> set[str]:
    """Return the parts that were joined before a moment."""
    uploads = {upload.mark: upload for upload in history.uploads if (upload.trigger, upload.by) == (trigger, day)}
    marks = {
        item["pk"].removeprefix("event#"): item["expires"] - KEPT_MARKS for item in history.world.table.items("event#")
    }
    return {uploads[mark].part for mark, at in marks.items() if mark in uploads and at <= moment}


CHECKS = (_events, _endings, _verdicts, _sizes, _joins, _manifests, _limits_hold, _pauses_hold, _order, _deadlines)
